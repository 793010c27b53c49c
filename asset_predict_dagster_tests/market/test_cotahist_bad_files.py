"""A file that breaks its own promise is refused whole, and the message says where and why."""

import re
import zipfile
from pathlib import Path

import pytest

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.cotahist import cotahist_parts, read_cotahist

DAY = Path(__file__).parents[1] / "answers" / "COTAHIST_D02012019.TXT"
N_LINES = 10  # header, 8 quotes, trailer


@pytest.fixture
def lines() -> list[bytes]:
    """The lines of a sound file, without their ends."""
    return DAY.read_bytes().splitlines()


@pytest.fixture
def refusal(tmp_path):
    """Call it with a file's bytes for the sentence in which the file is refused."""

    def sentence(text: bytes | list[bytes], name: str = DAY.name, markets=None) -> str:
        path = tmp_path / name
        path.write_bytes(b"".join(line + b"\n" for line in text) if type(text) is list else text)
        with pytest.raises(MarketFileError) as caught:
            read_cotahist(path, markets)
        said = str(caught.value)
        assert str(path) in said
        assert ";" in said, "a message also says what to do"
        return said

    return sentence


def put(line: bytes, first: int, text: bytes) -> bytes:
    """The line with `text` from position `first` on, counted from 1 as B3 counts."""
    return line[: first - 1] + text + line[first - 1 + len(text) :]


def test_a_missing_file(tmp_path):
    with pytest.raises(MarketFileError, match="is missing; download it"):
        read_cotahist(tmp_path / DAY.name)


@pytest.mark.parametrize(
    "name",
    ["quotes.TXT", "COTAHIST_A19.TXT", "COTAHIST_D30022019.TXT", "COTAHIST_M132019.TXT",
     "COTAHIST_A0000.TXT", "COTAHIST_M129999.TXT", "COTAHIST_A2019.csv", "COTAHIST_A2019_old.TXT"],
)  # fmt: skip
def test_a_name_that_b3_would_not_give(refusal, name):
    assert re.search(
        "COTAHIST_A2019, .* was expected but the name is", refusal(DAY.read_bytes(), name=name)
    )


def test_a_file_refused_behind_its_first_parts(tmp_path, lines, monkeypatch):
    monkeypatch.setattr("asset_predict_dagster.market.cotahist_bytes.TEXT_BLOCK_BYTES", 246)
    (tmp_path / DAY.name).write_bytes(b"\n".join([*lines[:-2], lines[-1]]))
    parts = cotahist_parts(tmp_path / DAY.name, None, quotes_per_part=3)
    assert [next(parts).n_kept, next(parts).n_kept] == [3, 3]
    with pytest.raises(MarketFileError, match="promises 10 records but the file has 9"):
        next(parts)


def test_an_empty_file(refusal):
    assert "is empty; download" in refusal(b"")


def test_something_else_than_quotes(refusal):
    assert "header '00COTAHIST' was expected but '<!DOCT" in refusal(
        b"<!DOCTYPE html><html>" + b"x" * 400
    )


def test_a_file_shorter_than_a_header(refusal):
    assert "line 1: a header '00COTAHIST' was expected but 'no'" in refusal(b"no")
    assert re.search(
        "line 1: a record has 245 characters .* has 31 ",
        refusal(b"00COTAHIST.2019BOVESPA 20190103\n"),
    )


def test_a_file_without_header(refusal, lines):
    assert "line 1: a header '00COTAHIST' was expected but '0120190102'" in refusal(lines[1:])


def test_a_header_of_another_year(refusal, lines):
    assert re.search(
        "'COTAHIST.2019' in the header, .*2018'", refusal([put(lines[0], 12, b"2018"), *lines[1:]])
    )


@pytest.mark.parametrize("day", [b"20190230", b"2019 103", "²0190103".encode("latin-1")])
def test_a_header_with_an_impossible_date(refusal, lines, day):
    assert "line 1: a generation date AAAAMMDD" in refusal([put(lines[0], 24, day), *lines[1:]])


def test_a_file_without_trailer(refusal, lines):
    assert "line 9: the last record must be a trailer" in refusal(lines[:-1])


def test_a_header_and_nothing_else(refusal, lines):
    assert "line 1: the last record must be a trailer" in refusal(lines[:1])


def test_a_trailer_of_something_else(refusal, lines):
    assert "line 10: a trailer '99COTAHIST' was" in refusal(
        [*lines[:-1], put(lines[-1], 3, b"COTAXXXX")]
    )


def test_a_trailer_without_count(refusal, lines):
    assert "a count of 11 digits was expected" in refusal(
        [*lines[:-1], put(lines[-1], 32, b" " * 11)]
    )


def test_a_file_with_fewer_quotes_than_its_trailer_promises(refusal, lines):
    assert "trailer promises 10 records but the file has 5; download" in refusal(
        lines[:4] + lines[-1:]
    )


def test_a_file_with_more_quotes_than_its_trailer_promises(refusal, lines):
    assert "trailer promises 10 records but the file has 11; download" in refusal(
        [*lines[:2], *lines[1:]]
    )


def test_a_count_is_checked_even_where_the_market_is_left_out(refusal, lines):
    assert "promises 10 records but the file has 9" in refusal(
        lines[:4] + lines[5:], markets=("030",)
    )


def test_records_behind_the_trailer(refusal, lines):
    assert "line 11: nothing behind the trailer" in refusal([*lines, lines[1]])


def test_two_files_glued_together(refusal, lines):
    assert "line 11: nothing behind the trailer" in refusal(lines + lines)


def test_records_behind_the_trailer_in_another_block(refusal, lines, monkeypatch):
    monkeypatch.setattr("asset_predict_dagster.market.cotahist_bytes.TEXT_BLOCK_BYTES", 246)
    assert "line 11: nothing behind the trailer" in refusal([*lines, lines[1]])


def test_a_record_type_that_does_not_belong(refusal, lines):
    lines[4] = put(lines[4], 1, b"05")
    assert "line 5: a quote (type 01) was expected, type '05' found" in refusal(lines)


def test_a_second_header(refusal, lines):
    assert re.search("line 2: a quote .* type '00' found", refusal([lines[0], *lines]))


def test_a_record_that_is_too_short(refusal, lines):
    lines[3] = lines[3][:-1]
    assert "line 4: a record has 245 characters but this one has 244 " in refusal(lines)


def test_a_record_that_is_too_long(refusal, lines):
    lines[3] += b" "
    assert "line 4: a record has 245 characters but this one has 246 " in refusal(lines)


def test_a_record_that_is_too_long_at_the_end_of_a_block(refusal, lines, monkeypatch):
    monkeypatch.setattr("asset_predict_dagster.market.cotahist_bytes.TEXT_BLOCK_BYTES", 4 * 246)
    lines[3] += b" "
    assert "line 4: a record has 245 characters but this one has at least 246 " in refusal(lines)


def test_an_empty_line_between_records(refusal, lines):
    assert re.search("line 4: a record has 245 .* has 0 ", refusal([*lines[:3], b"", *lines[3:]]))


def test_a_file_cut_short_within_a_record(refusal, lines):
    assert re.search("line 10: a record has 245 .* has 145 ", refusal(b"\n".join(lines)[:-100]))


def test_blank_lines_as_long_as_a_record(refusal, lines):
    assert "line 11: nothing behind the trailer was expected" in refusal(
        b"\n".join(lines) + b"\n" * 300
    )


def test_an_end_mark_within_the_last_line(refusal, lines):
    assert re.search("line 10: a record has 245 .* 246 ", refusal(b"\r\n".join(lines) + b"\x1a"))


def test_a_trailer_with_something_behind_its_last_character(refusal, lines):
    assert re.search("line 10: a record has 245 .* 246 ", refusal(b"\r\n".join(lines) + b"x"))


def test_line_ends_that_change(refusal, lines):
    crlf = [line + b"\r\n" for line in lines]
    message = "line 3: lines end in CRLF but this one in LF; download the file again, unedited"
    assert message in refusal(b"".join([*crlf[:2], lines[2] + b"\n", *crlf[3:]]))
    assert re.search(
        "line 10: .* in CRLF but this one in LF", refusal(b"".join([*crlf[:-1], lines[-1] + b"\n"]))
    )
    lf = [line + b"\n" for line in lines]
    message = "line 3: lines end in LF but this one in CRLF"
    assert message in refusal(b"".join([*lf[:2], lines[2] + b"\r\n", *lf[3:]]))


@pytest.mark.parametrize("character", [b" ", b"A", b"/", b":", b"-", b"\n", b"\xb2", b"\x00"])
def test_a_price_with_something_else_than_digits(refusal, lines, character):
    lines[2] = put(lines[2], 112, character)
    assert "line 3, positions 109-121 (PREULT): 13 digits expected, '000" in refusal(lines)


def test_a_quantity_with_something_else_than_digits(refusal, lines):
    lines[6] = put(lines[6], 160, b".")
    assert "line 7, positions 153-170 (QUATOT): 18 digits expected" in refusal(lines)


def test_a_blank_price(refusal, lines):
    lines[2] = put(lines[2], 57, b" " * 13)
    assert "line 3, positions 57-69 (PREABE): 13 digits expected, '             ' found" in refusal(
        lines
    )


def test_a_term_that_is_partly_blank(refusal, lines):
    lines[7] = put(lines[7], 50, b" 30")
    assert "line 8, positions 50-52 (PRAZOT): 3 digits expected, ' 30' found" in refusal(lines)


def test_a_price_of_a_market_left_out_is_not_looked_at(tmp_path, lines):
    lines[5] = put(lines[5], 57, b" " * 13)
    (tmp_path / DAY.name).write_bytes(b"\n".join(lines))
    assert read_cotahist(tmp_path / DAY.name).n_kept == 4


def test_lines_are_counted_over_all_markets_not_only_those_kept(refusal, lines):
    lines[8] = put(lines[8], 57, b" " * 13)
    assert "line 9, positions 57-69 (PREABE)" in refusal(lines, markets=("010",))
    lines[8] = put(lines[8], 57, b"0" * 13)
    lines[8] = put(lines[8], 3, b"20190229")
    assert "line 9, positions 3-10 (DATA)" in refusal(lines, markets=("010",))


def test_a_session_that_is_no_day(refusal, lines):
    lines[3] = put(lines[3], 3, b"20190230")
    assert "line 4, positions 3-10 (DATA): a day as AAAAMMDD expected, '20190230' found" in refusal(
        lines
    )


def test_a_session_with_something_else_than_digits(refusal, lines):
    lines[3] = put(lines[3], 3, b"2019-1-2")
    assert "line 4, positions 3-10 (DATA): 8 digits expected, '2019-1-2' found" in refusal(lines)


@pytest.mark.parametrize("day", [b"00000000", b"20190229", b"20191301", b"00000101"])
def test_an_expiry_that_is_no_day(refusal, lines, day):
    lines[5] = put(lines[5], 203, day)
    assert "line 6, positions 203-210 (DATVEN): a day as AAAAMMDD expected" in refusal(lines)


@pytest.mark.parametrize("character", [b"\x00", b"\t", b"\x1f", b"\x7f", b"\x80", b"\x9f"])
def test_a_name_with_a_character_that_latin_1_has_no_letter_for(refusal, lines, character):
    lines[2] = put(lines[2], 39, character)
    assert (
        "line 3, positions 28-39 (NOMRES): latin-1 text (not UTF-8) expected, 'BETA A"
        in refusal(lines)
    )


def test_a_file_written_as_utf_8(refusal):
    utf_8 = DAY.read_bytes().decode("latin-1").encode("utf-8")
    assert re.search(
        "line 3: a record has 245 characters but this one has 247 .* not latin-1", refusal(utf_8)
    )


@pytest.mark.parametrize("name", ["BETA AÇÚCA", "beta açúca"])
def test_a_letter_in_utf_8_that_keeps_the_length(refusal, lines, name: str):
    lines[2] = put(lines[2], 28, name.encode())
    assert "line 3, positions 28-39 (NOMRES): latin-1 text (not UTF-8) expected" in refusal(lines)


def test_the_first_of_several_bad_lines_is_named(refusal, lines):
    lines[7] = put(lines[7], 13, b"\x01")
    lines[4] = put(lines[4], 13, b"\x02")
    assert "line 5, positions 13-24" in refusal(lines)


ZIP_NAME = "COTAHIST_D02012019.ZIP"


def zipped(tmp_path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(tmp_path / "made.zip", "w", method) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return (tmp_path / "made.zip").read_bytes()


def test_a_zip_that_is_none(refusal):
    assert re.search("is no readable ZIP .*; download", refusal(DAY.read_bytes(), name=ZIP_NAME))
    assert re.search("is no readable ZIP .*; download", refusal(b"", name=ZIP_NAME))


def test_a_zip_cut_short(refusal, tmp_path):
    assert "is no readable ZIP" in refusal(
        zipped(tmp_path, {"a": DAY.read_bytes()})[:-30], name=ZIP_NAME
    )


def test_a_zip_with_nothing_in_it(refusal, tmp_path):
    assert "one file was expected but 0 were found (none)" in refusal(
        zipped(tmp_path, {}), name=ZIP_NAME
    )


def test_a_zip_with_two_files(refusal, tmp_path):
    text = DAY.read_bytes()
    message = "one file was expected but 2 were found (a, b)"
    assert message in refusal(zipped(tmp_path, {"a": text, "b": text}), name=ZIP_NAME)


def test_a_zip_with_an_empty_file(refusal, tmp_path):
    assert "is empty" in refusal(zipped(tmp_path, {"a": b""}), name=ZIP_NAME)


def test_a_zip_packed_in_another_way(refusal, tmp_path):
    packed = zipped(tmp_path, {"a": DAY.read_bytes()}, zipfile.ZIP_BZIP2)
    assert "packed by method 12; B3 deflates" in refusal(packed, name=ZIP_NAME)


def test_a_zip_whose_text_was_changed(refusal, tmp_path):
    packed = zipped(tmp_path, {"a": DAY.read_bytes()}, zipfile.ZIP_STORED)
    assert "damaged ZIP: its checksum" in refusal(
        packed.replace(b"GAMA TELECOM", b"GAMA TELECOW"), name=ZIP_NAME
    )


def test_a_zip_whose_data_cannot_be_inflated(refusal, tmp_path):
    packed = bytearray(zipped(tmp_path, {"a": DAY.read_bytes()}))
    packed[31:60] = b"\xff" * 29
    assert "damaged ZIP: its data cannot be inflated" in refusal(bytes(packed), name=ZIP_NAME)


def test_a_zip_whose_directory_points_elsewhere(refusal, tmp_path):
    packed = zipped(tmp_path, {"a": DAY.read_bytes()})
    message = "damaged ZIP: a is not where the directory says"
    assert message in refusal(b"XX" + packed[2:], name=ZIP_NAME)
    assert message in refusal(packed[:50] + packed[55:], name=ZIP_NAME)


def test_a_zip_that_promises_another_size(refusal, tmp_path):
    packed = bytearray(zipped(tmp_path, {"a": DAY.read_bytes()}))
    directory = packed.rindex(b"PK\x01\x02")
    packed[directory + 24 : directory + 28] = (9_999_999).to_bytes(4, "little")
    assert "damaged ZIP: it promises 9,999,999 bytes but holds 2,460" in refusal(
        bytes(packed), name=ZIP_NAME
    )
