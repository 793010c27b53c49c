"""What is written is read back the same, and what would not be is never written."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.cotahist_columns import NOT_TEXT
from asset_predict_dagster.market.cotahist_layout import FIELDS, Field
from asset_predict_dagster.market.cotahist_writer import write_cotahist

DAY = Path(__file__).parents[1] / "answers" / "COTAHIST_D02012019.TXT"
MADE_ON = date(2019, 1, 3)
CHARACTERS = [chr(code) for code in range(0x20, 0x100) if not 0x7F <= code <= 0x9F]
DTYPES = {"text": "str", "integer": "int64", "decimal": "float64", "date": "datetime64[us]"}

# Beyond 2**51 units a float64 no longer tells one centavo from the next.
MOST_UNITS = 2**51


def values_of(field: Field) -> st.SearchStrategy:
    """Whatever B3's file can say in the field."""
    if field.name == "record_type":
        return st.just("01")
    if field.name == "session":
        return st.dates(date(2019, 1, 1), date(2019, 12, 31))
    if field.kind == "text":
        texts = st.text(st.sampled_from(CHARACTERS), max_size=field.width)
        return texts.map(lambda text: text.rstrip(" ")).filter(
            lambda text: not NOT_TEXT.search(text)
        )
    if field.kind == "date":
        return st.none() | st.dates(max_value=date(9999, 12, 30))
    if field.kind == "decimal":
        units = st.integers(0, min(10**field.width - 1, MOST_UNITS))
        return units.map(lambda unit: unit / 10**field.decimals)
    numbers = st.integers(0, 10**field.width - 1)
    return st.none() | numbers if field.none else numbers


quotes = st.fixed_dictionaries({field.name: values_of(field) for field in FIELDS})


def table_of(records: list[dict]) -> pd.DataFrame:
    dtypes = {field.name: DTYPES[field.kind] for field in FIELDS} | {"forward_days": "Int64"}
    names = [field.name for field in FIELDS]
    return pd.DataFrame(records, columns=names, dtype=object).astype(dtypes)


@given(records=st.lists(quotes, max_size=6), suffix=st.sampled_from(["TXT", "ZIP"]))
def test_written_then_read_is_the_same(tmp_path_factory, records, suffix):
    table = table_of(records)
    path = tmp_path_factory.mktemp("written") / f"COTAHIST_A2019.{suffix}"
    write_cotahist(table, path, MADE_ON)
    file = read_cotahist(path, markets=None)
    assert file.generated_on == MADE_ON
    assert file.n_quotes == len(records)
    lines = np.arange(2, len(records) + 2)
    pd.testing.assert_frame_equal(file.records, table.assign(line=lines), check_exact=True)


@pytest.fixture
def records() -> pd.DataFrame:
    """All but BETA4, whose R$ 6 quadrillion no float64 holds to the centavo."""
    return read_cotahist(DAY, markets=None).records.drop(index=1)


def test_the_hand_written_quotes_are_written_as_by_hand(records, tmp_path):
    path = tmp_path / "COTAHIST_D02012019.TXT"
    write_cotahist(records, path, MADE_ON)
    header, *by_hand, _ = [line for line in DAY.read_bytes().splitlines() if b"BETA4 " not in line]
    assert path.read_bytes().splitlines()[:-1] == [header, *by_hand]


def test_equal_records_give_equal_bytes(records, tmp_path):
    for suffix in ("TXT", "ZIP"):
        path = tmp_path / f"COTAHIST_D02012019.{suffix}"
        write_cotahist(records, path, MADE_ON)
        first = path.read_bytes()
        write_cotahist(records.copy(), path, MADE_ON)
        assert path.read_bytes() == first


def test_lines_end_as_b3_ends_them_and_the_trailer_counts_them(records, tmp_path):
    path = tmp_path / "COTAHIST_D02012019.TXT"
    write_cotahist(records, path, MADE_ON)
    *lines, rest = path.read_bytes().split(b"\r\n")
    assert rest == b""
    assert {len(line) for line in lines} == {245}
    assert lines[0].rstrip() == b"00COTAHIST.2019BOVESPA 20190103"
    assert lines[-1].rstrip() == b"99COTAHIST.2019BOVESPA 20190103%011d" % (len(records) + 2)


def test_the_record_type_and_further_columns_need_not_match(records, tmp_path):
    path = tmp_path / "COTAHIST_D02012019.TXT"
    write_cotahist(records.drop(columns="record_type").assign(sector="mining"), path, MADE_ON)
    written = read_cotahist(path, markets=None).records
    expected = records.reset_index(drop=True).assign(line=[2, 3, 4, 5, 6, 7, 8])
    pd.testing.assert_frame_equal(written, expected)


def test_whole_numbers_may_come_as_floats_and_prices_as_integers(records, tmp_path):
    path = tmp_path / "COTAHIST_D02012019.TXT"
    as_given = records.assign(close=12, forward_days=np.nan, trades=records["trades"] * 1.0)
    write_cotahist(as_given, path, MADE_ON)
    written = read_cotahist(path, markets=None).records
    assert written["close"].tolist() == [12.0] * len(records)
    assert written["forward_days"].tolist() == [pd.NA] * len(records)
    assert written["trades"].tolist() == records["trades"].tolist()


def test_a_file_is_replaced_whole_and_nothing_else_is_left(records, tmp_path):
    path = tmp_path / "COTAHIST_D02012019.ZIP"
    path.write_bytes(b"older")
    write_cotahist(records, path, MADE_ON)
    assert read_cotahist(path, markets=None).n_quotes == len(records)
    assert list(tmp_path.iterdir()) == [path]


def test_a_refused_table_leaves_the_older_file_as_it_was(records, tmp_path):
    path = tmp_path / "COTAHIST_D02012019.TXT"
    path.write_bytes(b"older")
    with pytest.raises(MarketFileError):
        write_cotahist(records.assign(ticker="A TICKER TOO LONG"), path, MADE_ON)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


LATE = pd.Timestamp("2019-01-02 17:00").as_unit("us")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("ticker", "THIRTEEN-LONG", "ticker of row 0 is 'THIRTEEN-LONG'.*at most 12 characters"),
        ("company", "ŻUBR", "NOMRES holds latin-1 text"),
        ("company", "A\tB", "NOMRES holds latin-1 text"),
        ("company", None, "NOMRES holds latin-1 text"),
        ("isin", 7, "CODISI holds latin-1 text"),
        ("close", -0.01, "close of row 0 is -0.01, but PREULT holds a number of at most 11 digits"),
        ("close", 10.005, "and 2 decimals"),
        ("close", 1e11, "PREULT holds"),
        ("close", 10**11, "PREULT holds"),
        ("close", 2**62, "PREULT holds"),
        ("close", -(2**63), "PREULT holds"),
        ("close", np.inf, "PREULT holds"),
        ("close", np.nan, "PREULT holds a value"),
        ("close", "10.00", "numbers were expected in close"),
        ("trades", 100_000, "TOTNEG holds a number of at most 5 digits"),
        ("trades", 1.5, "TOTNEG holds"),
        ("quantity", 10**18, "QUATOT holds"),
        ("quantity", -1, "QUATOT holds"),
        ("record_type", "02", "TIPREG holds '01'"),
        ("session", LATE, "DATA holds a day without a time"),
        ("session", pd.NaT, "datetime64 without time zone|DATA holds"),
        ("session", pd.Timestamp("2019-01-03"), "DATA holds a day from 2019-01-02 to 2019-01-02"),
        ("session", "2019-01-02", "datetime64 without time zone"),
        ("expiry", LATE.tz_localize("America/Sao_Paulo"), "datetime64 without time zone"),
    ],
)
def test_a_value_that_does_not_fit_its_field_is_refused(records, tmp_path, column, value, message):
    with pytest.raises(MarketFileError, match=message):
        write_cotahist(
            records.assign(**{column: value}), tmp_path / "COTAHIST_D02012019.TXT", MADE_ON
        )


def test_a_missing_column_is_named(records, tmp_path):
    with pytest.raises(MarketFileError, match="lacks close, isin; add them"):
        write_cotahist(
            records.drop(columns=["isin", "close"]), tmp_path / "COTAHIST_A2019.TXT", MADE_ON
        )


def test_a_name_that_b3_would_not_give_is_refused(records, tmp_path):
    with pytest.raises(MarketFileError, match=r"the name is 'quotes\.TXT'"):
        write_cotahist(records, tmp_path / "quotes.TXT", MADE_ON)


def test_a_year_of_sessions_is_written_in_order(records, tmp_path):
    days = [date(2019, 1, 2) + timedelta(days=i) for i in range(len(records))]
    table = records.assign(session=pd.Series(days, records.index).astype("datetime64[us]"))
    write_cotahist(table, tmp_path / "COTAHIST_A2019.ZIP", MADE_ON)
    written = read_cotahist(tmp_path / "COTAHIST_A2019.ZIP", markets=None).records
    assert written["session"].dt.date.tolist() == days
