"""A COTAHIST file becomes one row per quote, with every field as a person reads it off."""

import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.market import cotahist_bytes, cotahist_columns
from asset_predict_dagster.market.cotahist import SPOT, cotahist_parts, read_cotahist
from asset_predict_dagster.market.cotahist_columns import decimal_values
from asset_predict_dagster.market.cotahist_layout import FIELDS, MARKET_TYPES, RECORD_LENGTH
from asset_predict_dagster.market.cotahist_name import period_of

ANSWERS = Path(__file__).parents[1] / "answers"
DAY = ANSWERS / "COTAHIST_D02012019.TXT"
DTYPES = {"text": "str", "integer": "int64", "decimal": "float64", "date": "datetime64[us]"}


def test_the_fields_fill_the_record_without_gap_or_overlap():
    firsts = [field.first for field in FIELDS]
    assert firsts == [1, *(field.last + 1 for field in FIELDS[:-1])]
    assert FIELDS[-1].last == RECORD_LENGTH
    assert len({field.name for field in FIELDS}) == len(FIELDS) == 26


def test_every_field_reads_as_a_person_reads_it():
    answers = pd.read_csv(
        ANSWERS / "quotes_D02012019.csv",
        dtype={field.name: "str" for field in FIELDS if field.kind == "text"},
        parse_dates=["session", "expiry"],
    ).astype({"session": "datetime64[us]", "expiry": "datetime64[us]", "forward_days": "Int64"})
    records = read_cotahist(DAY, markets=None).records
    pd.testing.assert_frame_equal(
        records, answers.assign(line=[2, 3, 4, 5, 6, 7, 8, 9]), check_exact=True
    )


def test_the_file_says_what_it_is():
    file = read_cotahist(DAY)
    assert file.path == DAY
    assert file.kind == "daily"
    assert file.generated_on == date(2019, 1, 3)
    assert (file.n_quotes, file.n_filtered, file.n_kept, len(file.records)) == (8, 4, 4, 4)


def test_only_spot_trades_are_kept_unless_asked_otherwise():
    assert read_cotahist(DAY).records["ticker"].tolist() == ["ALFA3", "BETA4", "GAMA3", "DELT11"]
    options = read_cotahist(DAY, markets=("070", "080")).records
    assert options["ticker"].tolist() == ["ALFAA12", "ALFAM9"]


def test_a_quote_says_on_which_line_it_stands_whatever_is_left_out():
    assert read_cotahist(DAY).records["line"].tolist() == [2, 3, 5, 9]


@pytest.mark.parametrize("code", ["011", "110", "101", "000", "999", "01 ", "0Á0"])
def test_a_quote_of_a_market_that_b3_does_not_know_is_kept_for_the_caller_to_reject(tmp_path, code):
    lines = DAY.read_bytes().splitlines(keepends=True)
    lines[6] = lines[6][:24] + code.encode("latin-1") + lines[6][27:]
    (tmp_path / DAY.name).write_bytes(b"".join(lines))
    file = read_cotahist(tmp_path / DAY.name)
    assert (file.n_quotes, file.n_filtered, file.n_kept) == (8, 3, 5)
    unknown = file.records.set_index("line").loc[7]
    assert (unknown["market_type"], unknown["ticker"]) == (code.rstrip(), "ALFAM9")


@pytest.mark.parametrize("market", sorted(set(MARKET_TYPES) - {"010"}))
def test_every_other_market_that_b3_knows_is_left_out_and_counted(tmp_path, market):
    lines = DAY.read_bytes().splitlines(keepends=True)
    lines[6] = lines[6][:24] + market.encode() + lines[6][27:]
    (tmp_path / DAY.name).write_bytes(b"".join(lines))
    file = read_cotahist(tmp_path / DAY.name)
    assert (file.n_quotes, file.n_filtered, file.n_kept) == (8, 4, 4)
    assert read_cotahist(tmp_path / DAY.name, [market]).records["line"].isin([7]).any()


@pytest.mark.parametrize("day", ["20190103", "20181231", "99991231"])
def test_a_session_that_the_name_does_not_promise_is_kept_for_the_caller_to_reject(tmp_path, day):
    lines = DAY.read_bytes().splitlines(keepends=True)
    lines[8] = lines[8][:2] + day.encode() + lines[8][10:]
    (tmp_path / DAY.name).write_bytes(b"".join(lines))
    records = read_cotahist(tmp_path / DAY.name).records
    assert f"{records['session'].iloc[-1]:%Y%m%d}" == day


@pytest.mark.parametrize("market", ["050", "017"])
def test_a_market_without_trades_gives_an_empty_table_of_the_same_types(market):
    file = read_cotahist(DAY, markets=[market])
    assert (file.n_quotes, file.n_kept) == (8, 0)
    pd.testing.assert_series_equal(file.records.dtypes, read_cotahist(DAY).records.dtypes)


def test_columns_have_the_promised_types():
    expected = {field.name: DTYPES[field.kind] for field in FIELDS} | {"forward_days": "Int64"}
    expected["line"] = "int64"
    assert read_cotahist(DAY).records.dtypes.astype(str).to_dict() == expected


def test_asking_for_a_market_that_b3_does_not_know_is_refused():
    for markets in ("010", ("10",), ("spot",), ("010", "011")):
        with pytest.raises(SettingsError, match=r"a collection of 010, 012, .* was expected"):
            read_cotahist(DAY, markets=markets)


@pytest.mark.parametrize(("quotes_per_part", "n_kept"), [(1, [1] * 8), (3, [3, 3, 2]), (9, [8])])
def test_the_parts_of_a_file_follow_one_another_to_make_the_whole(
    tmp_path, monkeypatch, quotes_per_part, n_kept
):
    monkeypatch.setattr(cotahist_bytes, "TEXT_BLOCK_BYTES", 246)
    parts = list(cotahist_parts(DAY, None, quotes_per_part))
    n_kept = n_kept if sum(n_kept) % quotes_per_part else [*n_kept, 0]
    assert [part.n_kept for part in parts] == [len(part.records) for part in parts] == n_kept
    assert [part.n_quotes for part in parts] == n_kept
    assert {part.generated_on for part in parts} == {date(2019, 1, 3)}
    together = pd.concat([part.records for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(together, read_cotahist(DAY, None).records)


def test_parts_count_what_is_left_out_where_it_stands(monkeypatch):
    monkeypatch.setattr(cotahist_bytes, "TEXT_BLOCK_BYTES", 246)
    parts = list(cotahist_parts(DAY, ["010"], quotes_per_part=2))
    assert [part.n_filtered for part in parts] == [0, 4, 0]
    assert [part.n_quotes for part in parts] == [2, 6, 0]


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 8])
def test_how_many_records_are_decoded_at_a_time_does_not_matter(monkeypatch, batch):
    whole = read_cotahist(DAY, None).records
    monkeypatch.setattr(cotahist_columns, "BATCH_RECORDS", batch)
    monkeypatch.setattr(cotahist_bytes, "TEXT_BLOCK_BYTES", 246)
    pd.testing.assert_frame_equal(read_cotahist(DAY, None).records, whole)


def test_prices_are_the_nearest_floats_even_where_numpy_rounds_twice():
    units = [1, 29, 3778, 10**13 - 1, 2**53 + 1, 614_814_809_281_481_476, 10**18 - 1]
    assert decimal_values(np.array(units), 2).tolist() == [unit / 100 for unit in units]


def zipped(path: Path, text: bytes, inner_name: str, method: int) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(inner_name, text)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_zip_reads_like_its_text_whatever_the_inner_name(tmp_path, method):
    path = zipped(tmp_path / "cotahist_d02012019.zip", DAY.read_bytes(), "other.txt", method)
    pd.testing.assert_frame_equal(read_cotahist(path).records, read_cotahist(DAY).records)


@pytest.mark.parametrize("piece_bytes", [1, 7, 100, 246, 247, 1000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_where_blocks_are_cut_does_not_matter(tmp_path, monkeypatch, piece_bytes, line_end):
    whole = read_cotahist(DAY, None)
    text = DAY.read_bytes().replace(b"\n", line_end)
    (tmp_path / DAY.name).write_bytes(text)
    zipped(tmp_path / "COTAHIST_D02012019.ZIP", text, DAY.name, zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(cotahist_bytes, "TEXT_BLOCK_BYTES", piece_bytes)
    monkeypatch.setattr(cotahist_bytes, "ZIP_PIECE_BYTES", piece_bytes)
    for name in (DAY.name, "COTAHIST_D02012019.ZIP"):
        file = read_cotahist(tmp_path / name, None)
        assert file.n_quotes == whole.n_quotes
        pd.testing.assert_frame_equal(file.records, whole.records)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("ending", [b"", b"END", b"END\x1a", b"ENDEND\x1aEND"])
def test_the_last_line_end_may_lack_or_blank_lines_and_an_end_mark_follow_it(
    tmp_path, line_end, ending
):
    text = DAY.read_bytes().rstrip(b"\n").replace(b"\n", line_end)
    (tmp_path / DAY.name).write_bytes(text + ending.replace(b"END", line_end))
    pd.testing.assert_frame_equal(
        read_cotahist(tmp_path / DAY.name).records, read_cotahist(DAY).records
    )


def test_a_no_break_space_is_part_of_the_name_not_padding(tmp_path):
    text = DAY.read_bytes().replace(b"FII DELTA   ", b"FII DELTA\xa0  ")
    (tmp_path / DAY.name).write_bytes(text)
    assert read_cotahist(tmp_path / DAY.name).records["company"].iloc[-1] == "FII DELTA\xa0"


def test_the_name_says_which_days_the_file_covers():
    def days(name: str) -> tuple[str, date, date]:
        period = period_of(Path(name))
        return period.kind, period.first, period.last

    assert days("COTAHIST_A2019.ZIP") == ("yearly", date(2019, 1, 1), date(2019, 12, 31))
    assert days("cotahist_m122016.txt") == ("monthly", date(2016, 12, 1), date(2016, 12, 31))
    assert days("COTAHIST_M022016.TXT") == ("monthly", date(2016, 2, 1), date(2016, 2, 29))
    assert days("COTAHIST_D02012019.Zip") == ("daily", date(2019, 1, 2), date(2019, 1, 2))


def test_spot_means_standard_lots():
    assert SPOT == ("010",)
