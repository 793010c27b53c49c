"""A folder of B3's files as a source: which files count, and what lies beside them."""

import json
from datetime import date
from pathlib import Path

import pytest

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.cotahist_folder import CotahistFolder, market_files
from asset_predict_dagster.market.ingestion import ingest
from asset_predict_dagster.tables import RAW_QUOTES
from asset_predict_dagster_tests.market.market_files import put, record


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def test_no_folder_is_said_so(tmp_path):
    with pytest.raises(MarketFileError, match=r"nowhere is not a folder; ASSET_PREDICT_COTAHIST"):
        market_files(tmp_path / "nowhere")


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MarketFileError, match="file is not a folder"):
        market_files(tmp_path / "file")


def test_an_empty_folder_is_said_so_and_no_table_is_made(lake, folder):
    with pytest.raises(MarketFileError, match="holds no COTAHIST file"):
        ingest(lake, CotahistFolder(folder))
    assert not lake.exists(RAW_QUOTES)


def test_market_files_are_told_by_their_names_in_any_case(folder):
    names = ["COTAHIST_A2019.ZIP", "cotahist_d02012019.txt", "COTAHIST_M012019.TXT"]
    for name in (*names, "corporate_actions.csv", "market.json", ".COTAHIST_A2018.ZIP.7.partial"):
        (folder / name).touch()
    assert {path.name for path in market_files(folder)} == set(names)


def test_a_folder_named_like_a_file_is_refused_by_name(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    (folder / "COTAHIST_A2019.ZIP").mkdir()
    with pytest.raises(MarketFileError, match=r"COTAHIST_A2019.ZIP cannot be read"):
        ingest(lake, CotahistFolder(folder))
    assert not lake.exists(RAW_QUOTES)


def test_a_batch_is_known_by_what_the_file_says_and_not_by_its_age(folder):
    path = put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    [before] = CotahistFolder(folder).batches()
    path.write_bytes(path.read_bytes())
    assert CotahistFolder(folder).batches() == [before]
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.5)])
    [corrected] = CotahistFolder(folder).batches()
    assert (corrected.name, corrected.digest == before.digest) == (before.name, False)


def test_what_a_file_promises_comes_with_its_records(folder):
    call = record(2, 0.5, "ZZAAA10", "070")
    put(folder, "COTAHIST_M012019.ZIP", [record(2, 10.0), call, call], made_on=date(2019, 1, 31))
    source = CotahistFolder(folder)
    [batch] = source.batches()
    delivery = source.read(batch)
    assert (delivery.kind, delivery.generated_on) == ("monthly", date(2019, 1, 31))
    assert (delivery.first, delivery.last) == (date(2019, 1, 1), date(2019, 1, 31))
    assert (delivery.n_quotes, delivery.n_filtered, len(delivery.records)) == (3, 2, 1)
    assert delivery.records["line"].tolist() == [2]


def test_a_folder_without_an_archive_is_left_as_it_is(folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    assert CotahistFolder(folder).refresh(date(2019, 1, 31)) == []
    assert [path.name for path in folder.iterdir()] == ["COTAHIST_D02012019.TXT"]


def paid(amount: str, last_day_with: str) -> dict[str, str]:
    """A dividend as B3's listed-company service answers it."""
    return {
        "typeStock": "ON",
        "corporateAction": "DIVIDENDO",
        "valueCash": amount,
        "ratio": "1",
        "quotedPerShares": "1",
        "dateApproval": "01/12/2018",
        "lastDatePriorEx": last_day_with,
    }


def test_the_csv_has_the_last_word_on_an_event(folder):
    answers = folder / "b3_api"
    answers.mkdir()
    code = {"code": "ZZAA3", "isin": "BRZZAAACNOR9"}
    details = {"issuingCompany": "ZZAA", "code": "ZZAA3", "otherCodes": [code]}
    (answers / "GetDetailsCompany.json").write_text(json.dumps(details))
    dividends = {"results": [paid("0,50", "02/01/2019"), paid("0,25", "08/01/2019")]}
    (answers / "GetListedCashDividends.json").write_text(json.dumps(dividends))
    (folder / "corporate_actions.csv").write_text(
        "ticker,ex_date,kind,amount_brl\nZZAA3,2019-01-03,cash_dividend,0.51\n"
    )
    events = CotahistFolder(folder).corporate_actions(date(2019, 1, 31))
    assert events[["ex_date", "amount_brl", "source"]].astype(str).to_numpy().tolist() == [
        ["2019-01-03", "0.51", "csv"],
        ["2019-01-09", "0.25", "b3"],
    ]
