"""A file that breaks its own promise is refused whole, and the message says where and why."""

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
def refused(tmp_path):
    """Call it with a file's bytes: the file must be refused with a matching message."""

    def check(text: bytes | list[bytes], message: str, name: str = DAY.name, markets=None) -> None:
        path = tmp_path / name
        path.write_bytes(b"".join(line + b"\n" for line in text) if type(text) is list else text)
        with pytest.raises(MarketFileError, match=message) as caught:
            read_cotahist(path, markets)
        assert str(path) in str(caught.value)
        assert ";" in str(caught.value), "a message also says what to do"

    return check


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
def test_a_name_that_b3_would_not_give(refused, name):
    refused(DAY.read_bytes(), "COTAHIST_A2019, .* was expected but the name is", name)


def test_a_file_refused_behind_its_first_parts(tmp_path, lines, monkeypatch):
    monkeypatch.setattr("asset_predict_dagster.market.cotahist_bytes.TEXT_BLOCK_BYTES", 246)
    (tmp_path / DAY.name).write_bytes(b"\n".join([*lines[:-2], lines[-1]]))
    parts = cotahist_parts(tmp_path / DAY.name, None, quotes_per_part=3)
    assert [next(parts).n_kept, next(parts).n_kept] == [3, 3]
    with pytest.raises(MarketFileError, match="promises 10 records but the file has 9"):
        next(parts)


def test_an_empty_file(refused):
    refused(b"", "is empty; download")


def test_something_else_than_quotes(refused):
    refused(b"<!DOCTYPE html><html>" + b"x" * 400, "header '00COTAHIST' was expected but '<!DOCT")


def test_a_file_shorter_than_a_header(refused):
    refused(b"no", "line 1: a header '00COTAHIST' was expected but 'no'")
    refused(b"00COTAHIST.2019BOVESPA 20190103\n", "line 1: a record has 245 characters .* has 31 ")


def test_a_file_without_header(refused, lines):
    refused(lines[1:], "line 1: a header '00COTAHIST' was expected but '0120190102'")


def test_a_header_of_another_year(refused, lines):
    refused([put(lines[0], 12, b"2018"), *lines[1:]], "'COTAHIST.2019' in the header, .*2018'")


@pytest.mark.parametrize("day", [b"20190230", b"2019 103", "²0190103".encode("latin-1")])
def test_a_header_with_an_impossible_date(refused, lines, day):
    refused([put(lines[0], 24, day), *lines[1:]], "line 1: a generation date AAAAMMDD")


def test_a_file_without_trailer(refused, lines):
    refused(lines[:-1], "line 9: the last record must be a trailer")


def test_a_header_and_nothing_else(refused, lines):
    refused(lines[:1], "line 1: the last record must be a trailer")


def test_a_trailer_of_something_else(refused, lines):
    refused([*lines[:-1], put(lines[-1], 3, b"COTAXXXX")], "line 10: a trailer '99COTAHIST' was")


def test_a_trailer_without_count(refused, lines):
    refused([*lines[:-1], put(lines[-1], 32, b" " * 11)], "a count of 11 digits was expected")


def test_a_file_with_fewer_quotes_than_its_trailer_promises(refused, lines):
    refused(lines[:4] + lines[-1:], "trailer promises 10 records but the file has 5; download")


def test_a_file_with_more_quotes_than_its_trailer_promises(refused, lines):
    refused([*lines[:2], *lines[1:]], "trailer promises 10 records but the file has 11; download")


def test_a_count_is_checked_even_where_the_market_is_left_out(refused, lines):
    refused(lines[:4] + lines[5:], "promises 10 records but the file has 9", markets=("030",))


def test_records_behind_the_trailer(refused, lines):
    refused([*lines, lines[1]], "line 11: nothing behind the trailer")


def test_two_files_glued_together(refused, lines):
    refused(lines + lines, "line 11: nothing behind the trailer")


def test_records_behind_the_trailer_in_another_block(refused, lines, monkeypatch):
    monkeypatch.setattr("asset_predict_dagster.market.cotahist_bytes.TEXT_BLOCK_BYTES", 246)
    refused([*lines, lines[1]], "line 11: nothing behind the trailer")


def test_a_record_type_that_does_not_belong(refused, lines):
    lines[4] = put(lines[4], 1, b"05")
    refused(lines, "line 5: a quote .type 01. was expected, type '05' found")


def test_a_second_header(refused, lines):
    refused([lines[0], *lines], "line 2: a quote .* type '00' found")


def test_a_record_that_is_too_short(refused, lines):
    lines[3] = lines[3][:-1]
    refused(lines, "line 4: a record has 245 characters but this one has 244 ")


def test_a_record_that_is_too_long(refused, lines):
    lines[3] += b" "
    refused(lines, "line 4: a record has 245 characters but this one has 246 ")


def test_a_record_that_is_too_long_at_the_end_of_a_block(refused, lines, monkeypatch):
    monkeypatch.setattr("asset_predict_dagster.market.cotahist_bytes.TEXT_BLOCK_BYTES", 4 * 246)
    lines[3] += b" "
    refused(lines, "line 4: a record has 245 characters but this one has at least 246 ")


def test_an_empty_line_between_records(refused, lines):
    refused([*lines[:3], b"", *lines[3:]], "line 4: a record has 245 .* has 0 ")


def test_a_file_cut_short_within_a_record(refused, lines):
    refused(b"\n".join(lines)[:-100], "line 10: a record has 245 .* has 145 ")


def test_blank_lines_as_long_as_a_record(refused, lines):
    refused(b"\n".join(lines) + b"\n" * 300, "line 11: nothing behind the trailer was expected")


def test_an_end_mark_within_the_last_line(refused, lines):
    refused(b"\r\n".join(lines) + b"\x1a", "line 10: a record has 245 .* 246 ")


def test_a_trailer_with_something_behind_its_last_character(refused, lines):
    refused(b"\r\n".join(lines) + b"x", "line 10: a record has 245 .* 246 ")


def test_line_ends_that_change(refused, lines):
    crlf = [line + b"\r\n" for line in lines]
    message = "line 3: lines end in CRLF but this one in LF; download the file again, unedited"
    refused(b"".join([*crlf[:2], lines[2] + b"\n", *crlf[3:]]), message)
    refused(b"".join([*crlf[:-1], lines[-1] + b"\n"]), "line 10: .* in CRLF but this one in LF")
    lf = [line + b"\n" for line in lines]
    message = "line 3: lines end in LF but this one in CRLF"
    refused(b"".join([*lf[:2], lines[2] + b"\r\n", *lf[3:]]), message)


@pytest.mark.parametrize("character", [b" ", b"A", b"/", b":", b"-", b"\n", b"\xb2", b"\x00"])
def test_a_price_with_something_else_than_digits(refused, lines, character):
    lines[2] = put(lines[2], 112, character)
    refused(lines, r"line 3, positions 109-121 \(PREULT\): 13 digits expected, '000")


def test_a_quantity_with_something_else_than_digits(refused, lines):
    lines[6] = put(lines[6], 160, b".")
    refused(lines, r"line 7, positions 153-170 \(QUATOT\): 18 digits expected")


def test_a_blank_price(refused, lines):
    lines[2] = put(lines[2], 57, b" " * 13)
    refused(lines, r"line 3, positions 57-69 \(PREABE\): 13 digits expected, '             ' found")


def test_a_term_that_is_partly_blank(refused, lines):
    lines[7] = put(lines[7], 50, b" 30")
    refused(lines, r"line 8, positions 50-52 \(PRAZOT\): 3 digits expected, ' 30' found")


def test_a_price_of_a_market_left_out_is_not_looked_at(tmp_path, lines):
    lines[5] = put(lines[5], 57, b" " * 13)
    (tmp_path / DAY.name).write_bytes(b"\n".join(lines))
    assert read_cotahist(tmp_path / DAY.name).n_kept == 4


def test_lines_are_counted_over_all_markets_not_only_those_kept(refused, lines):
    lines[8] = put(lines[8], 57, b" " * 13)
    refused(lines, r"line 9, positions 57-69 \(PREABE\)", markets=("010",))
    lines[8] = put(lines[8], 57, b"0" * 13)
    lines[8] = put(lines[8], 3, b"20190229")
    refused(lines, r"line 9, positions 3-10 \(DATA\)", markets=("010",))


def test_a_session_that_is_no_day(refused, lines):
    lines[3] = put(lines[3], 3, b"20190230")
    refused(lines, r"line 4, positions 3-10 \(DATA\): a day as AAAAMMDD expected, '20190230' found")


def test_a_session_with_something_else_than_digits(refused, lines):
    lines[3] = put(lines[3], 3, b"2019-1-2")
    refused(lines, r"line 4, positions 3-10 \(DATA\): 8 digits expected, '2019-1-2' found")


@pytest.mark.parametrize("day", [b"00000000", b"20190229", b"20191301", b"00000101"])
def test_an_expiry_that_is_no_day(refused, lines, day):
    lines[5] = put(lines[5], 203, day)
    refused(lines, r"line 6, positions 203-210 \(DATVEN\): a day as AAAAMMDD expected")


@pytest.mark.parametrize("character", [b"\x00", b"\t", b"\x1f", b"\x7f", b"\x80", b"\x9f"])
def test_a_name_with_a_character_that_latin_1_has_no_letter_for(refused, lines, character):
    lines[2] = put(lines[2], 39, character)
    refused(
        lines, r"line 3, positions 28-39 \(NOMRES\): latin-1 text \(not UTF-8\) expected, 'BETA A"
    )


def test_a_file_written_as_utf_8(refused):
    utf_8 = DAY.read_bytes().decode("latin-1").encode("utf-8")
    refused(utf_8, "line 3: a record has 245 characters but this one has 247 .* not latin-1")


@pytest.mark.parametrize("name", ["BETA AÇÚCA", "beta açúca"])
def test_a_letter_in_utf_8_that_keeps_the_length(refused, lines, name: str):
    lines[2] = put(lines[2], 28, name.encode())
    refused(lines, r"line 3, positions 28-39 \(NOMRES\): latin-1 text \(not UTF-8\) expected")


def test_the_first_of_several_bad_lines_is_named(refused, lines):
    lines[7] = put(lines[7], 13, b"\x01")
    lines[4] = put(lines[4], 13, b"\x02")
    refused(lines, "line 5, positions 13-24")


ZIP_NAME = "COTAHIST_D02012019.ZIP"


def zipped(tmp_path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(tmp_path / "made.zip", "w", method) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return (tmp_path / "made.zip").read_bytes()


def test_a_zip_that_is_none(refused):
    refused(DAY.read_bytes(), "is no readable ZIP .*; download", ZIP_NAME)
    refused(b"", "is no readable ZIP .*; download", ZIP_NAME)


def test_a_zip_cut_short(refused, tmp_path):
    refused(zipped(tmp_path, {"a": DAY.read_bytes()})[:-30], "is no readable ZIP", ZIP_NAME)


def test_a_zip_with_nothing_in_it(refused, tmp_path):
    refused(zipped(tmp_path, {}), r"one file was expected but 0 were found \(none\)", ZIP_NAME)


def test_a_zip_with_two_files(refused, tmp_path):
    text = DAY.read_bytes()
    message = r"one file was expected but 2 were found \(a, b\)"
    refused(zipped(tmp_path, {"a": text, "b": text}), message, ZIP_NAME)


def test_a_zip_with_an_empty_file(refused, tmp_path):
    refused(zipped(tmp_path, {"a": b""}), "is empty", ZIP_NAME)


def test_a_zip_packed_in_another_way(refused, tmp_path):
    packed = zipped(tmp_path, {"a": DAY.read_bytes()}, zipfile.ZIP_BZIP2)
    refused(packed, "packed by method 12; B3 deflates", ZIP_NAME)


def test_a_zip_whose_text_was_changed(refused, tmp_path):
    packed = zipped(tmp_path, {"a": DAY.read_bytes()}, zipfile.ZIP_STORED)
    refused(packed.replace(b"GAMA TELECOM", b"GAMA TELECOW"), "damaged ZIP: its checksum", ZIP_NAME)


def test_a_zip_whose_data_cannot_be_inflated(refused, tmp_path):
    packed = bytearray(zipped(tmp_path, {"a": DAY.read_bytes()}))
    packed[31:60] = b"\xff" * 29
    refused(bytes(packed), "damaged ZIP: its data cannot be inflated", ZIP_NAME)


def test_a_zip_whose_directory_points_elsewhere(refused, tmp_path):
    packed = zipped(tmp_path, {"a": DAY.read_bytes()})
    refused(b"XX" + packed[2:], "damaged ZIP: a is not where the directory says", ZIP_NAME)
    refused(packed[:50] + packed[55:], "damaged ZIP: a is not where the directory says", ZIP_NAME)


def test_a_zip_that_promises_another_size(refused, tmp_path):
    packed = bytearray(zipped(tmp_path, {"a": DAY.read_bytes()}))
    directory = packed.rindex(b"PK\x01\x02")
    packed[directory + 24 : directory + 28] = (9_999_999).to_bytes(4, "little")
    refused(bytes(packed), "damaged ZIP: it promises 9,999,999 bytes but holds 2,460", ZIP_NAME)
