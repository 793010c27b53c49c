"""B3's own files read the same here as by an independent reader, field for field.

Where the two write the same fact differently, the rule is: texts lose their padding on the right;
our NaT is B3's expiry 99991231 and our missing `forward_days` its blank; numbers that the other
reader leaves as digits are compared as numbers, with the layout's decimals.
"""

import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.cotahist_folder import CotahistFolder
from asset_predict_dagster.market.cotahist_layout import FIELDS, Field
from asset_predict_dagster.market.cotahist_writer import write_cotahist
from asset_predict_dagster.market.ingestion import ingest
from asset_predict_dagster.market.quotes import STANDARD_LOT_SECTIONS, clean_quotes
from asset_predict_dagster.tables import RAW_QUOTES

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
REAL = SHARED / "cotahist_real"
EXPECTED = SHARED / "cotahist_expected"

N_QUOTES = {
    "COTAHIST_A2016.TXT": 5_220,
    "COTAHIST_A2021.ZIP": 110_290,
    "COTAHIST_D04012016.TXT": 1_743,
    "COTAHIST_D08112024.ZIP": 12_226,
    "COTAHIST_D12022003.TXT": 551,
    "COTAHIST_D29022016.TXT": 1_909,
}

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="B3's own files are not beside this checkout (../shared/data)"
)


def in_our_words(field: Field, expected: pd.Series) -> pd.Series:
    """A column of the other reader as ours should be."""
    if field.kind == "text":
        return expected.str.rstrip(" ")
    if field.kind == "date":
        if pd.api.types.is_string_dtype(expected.dtype):
            expected = pd.to_datetime(expected.where(expected != "99991231"), format="%Y%m%d")
        return expected.astype("datetime64[us]")
    if field.none:
        return expected.where(expected != field.none).astype("float64").astype("Int64")
    if pd.api.types.is_string_dtype(expected.dtype):
        units = expected.astype("int64")
        return units / 10**field.decimals if field.decimals else units
    return expected


@pytest.mark.parametrize("name", N_QUOTES)
def test_every_field_of_every_quote_is_what_an_independent_reader_found(name):
    file = read_cotahist(REAL / name, markets=None)
    expected = pd.read_parquet((EXPECTED / name).with_suffix(".parquet"))
    assert file.n_quotes == file.n_kept == len(expected) == N_QUOTES[name]
    assert list(expected.columns) == [field.b3_name for field in FIELDS]
    for field in FIELDS:
        pd.testing.assert_series_equal(
            pd.Series(file.records[field.name]),
            in_our_words(field, pd.Series(expected[field.b3_name])),
            check_names=False,
            check_exact=True,
        )


@pytest.mark.parametrize("name", N_QUOTES)
def test_the_spot_filter_keeps_exactly_the_spot_rows(name):
    every = read_cotahist(REAL / name, markets=None).records
    spot = every.loc[every["market_type"] == "010"].reset_index(drop=True)
    pd.testing.assert_frame_equal(read_cotahist(REAL / name).records, spot)


@pytest.mark.parametrize("name", N_QUOTES)
@pytest.mark.parametrize("counted", ["market_type", "specification", "ticker"])
def test_each_market_kind_of_paper_and_ticker_has_as_many_quotes(name, counted):
    read = read_cotahist(REAL / name, markets=None).records[counted]
    b3_name = next(field.b3_name for field in FIELDS if field.name == counted)
    expected = pd.read_parquet((EXPECTED / name).with_suffix(".parquet"), columns=[b3_name])
    assert first_words(read) == first_words(expected[b3_name])


def first_words(texts: pd.Series) -> dict[str, int]:
    """How many of each: ON, PN, CI ... of ESPECI; tickers and markets have one word."""
    return texts.str.split().str[0].value_counts().to_dict()


def test_the_file_of_2021_counts_what_is_not_spot_and_holds_no_unknown_market():
    file = read_cotahist(REAL / "COTAHIST_A2021.ZIP")
    assert (file.n_quotes, file.n_filtered, file.n_kept) == (110_290, 93_118, 17_172)
    every = read_cotahist(REAL / "COTAHIST_A2021.ZIP", markets=None).records
    assert every["market_type"].value_counts().to_dict() == {
        "070": 40_189, "080": 35_012, "010": 17_172, "030": 9_037, "020": 6_914, "012": 1_392,
        "013": 574,
    }  # fmt: skip


def test_the_block_trades_of_2024_are_a_market_that_is_known():
    blocks = read_cotahist(REAL / "COTAHIST_D08112024.ZIP", markets=["021"]).records
    assert blocks["ticker"].tolist() == ["LREN3Q", "TOTS3Q", "FLRY3Q"]


@pytest.mark.parametrize("name", N_QUOTES)
def test_through_ingestion_to_quotes_nothing_is_lost_and_prices_are_per_share(name, tmp_path):
    """Counts per section, first word of ESPECI and ticker, and each price, against the oracle."""
    folder = tmp_path / "files"
    folder.mkdir()
    shutil.copy(REAL / name, folder)
    lake = Lake(tmp_path / "lake")
    assert len(ingest(lake, CotahistFolder(folder)).new_rejects) == 0
    quotes = clean_quotes(lake.read(RAW_QUOTES), date(2100, 1, 1))
    expected = pd.read_parquet((EXPECTED / name).with_suffix(".parquet"))
    expected = expected.assign(
        factor=expected["FATCOT"].astype("int64"),
        ticker=expected["CODNEG"].str.rstrip(),
        session=pd.to_datetime(expected["DATA"]).astype("datetime64[us]"),
    )
    is_spot = expected["TPMERC"].astype("int64") == 10
    held = expected[is_spot & expected["CODBDI"].isin(STANDARD_LOT_SECTIONS)]
    assert len(held) > 100
    for ours, b3s in (("bdi_code", "CODBDI"), ("ticker", "ticker")):
        assert quotes[ours].value_counts().to_dict() == held[b3s].value_counts().to_dict()
    kinds = held["ESPECI"].str.split().str[0].value_counts().to_dict()
    assert quotes["specification"].str.split().str[0].value_counts().to_dict() == kinds
    both = quotes.merge(held, on=["ticker", "session"], validate="one_to_one")
    for ours, b3s in (
        ("open", "PREABE"),
        ("high", "PREMAX"),
        ("low", "PREMIN"),
        ("close", "PREULT"),
    ):
        assert (both[ours] - both[b3s].astype("float64") / both["factor"]).abs().max() < 1e-9


def test_in_2003_most_papers_are_quoted_per_thousand_and_quotes_are_per_share():
    name = "COTAHIST_D12022003.TXT"
    every = read_cotahist(REAL / name, markets=None).records
    assert every["quotation_factor"].value_counts().to_dict() == {1000: 378, 1: 173}
    quotes = clean_quotes(read_cotahist(REAL / name).records, last=date(2003, 2, 12))
    assert set(quotes["quotation_factor"]) == {1, 1000}
    expected = pd.read_parquet((EXPECTED / name).with_suffix(".parquet"))
    expected = expected[expected["TPMERC"] == "010"].set_index("CODNEG")
    per_share = (expected["PREULT"] / expected["FATCOT"]).rename(index=str.rstrip)
    assert quotes["close"].tolist() == per_share.loc[quotes["ticker"]].tolist()


@pytest.mark.parametrize("name", [name for name in N_QUOTES if name.endswith(".TXT")])
def test_writing_a_file_of_b3_again_gives_its_very_bytes(name, tmp_path):
    file = read_cotahist(REAL / name, markets=None)
    write_cotahist(file.records, tmp_path / name, file.generated_on)
    original = (REAL / name).read_bytes().replace(b"\r\n", b"\n")
    assert (tmp_path / name).read_bytes() == original.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("name", "promised", "found"),
    [
        ("COTAHIST_D04012016_truncated.TXT", "1,745", "506"),
        ("COTAHIST_D29022016_EXCEPTION.TXT", "1,911", "1,893"),
    ],
)
def test_a_file_whose_trailer_counts_otherwise_is_refused(name, promised, found, tmp_path):
    proper = tmp_path / f"{name[:18]}.TXT"
    shutil.copyfile(REAL / name, proper)
    with pytest.raises(MarketFileError, match=f"promises {promised} records .* has {found}"):
        read_cotahist(proper)
