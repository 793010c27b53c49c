"""The simulated market's folder grows as B3 publishes, and what lies in it stays as it is."""

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.market.simulated import complete_files
from asset_predict_dagster.market.simulated_market import SimulatedMarket

MARKET = SimulatedMarket()
LAST = date(2019, 3, 13)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder completed at once; the tests only read it."""
    folder = tmp_path_factory.mktemp("simulated")
    complete_files(folder, MARKET, LAST)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_years_months_and_sessions_get_their_files(folder):
    days = ["01", "06", "07", "08", "11", "12", "13"]  # carnival on the 4th and 5th
    assert [path.name for path in sorted(folder.iterdir())] == [
        "COTAHIST_A2018.ZIP",
        *(f"COTAHIST_D{day}032019.ZIP" for day in days),
        "COTAHIST_M012019.ZIP",
        "COTAHIST_M022019.ZIP",
        "corporate_actions.csv",
        "market.json",
    ]


def test_the_files_written_are_told(tmp_path):
    written = complete_files(tmp_path, MARKET, date(2018, 1, 3))
    assert {path.name for path in written} == set(contents(tmp_path))


def test_a_year_is_finished_on_its_last_session(tmp_path):
    complete_files(tmp_path, MARKET, date(2018, 12, 28))
    assert [path.name for path in tmp_path.glob("COTAHIST_*")] == ["COTAHIST_A2018.ZIP"]


def test_files_read_back_as_the_market_made_them(folder):
    files = [read_cotahist(path, markets=None) for path in folder.glob("COTAHIST_*")]
    records = pd.concat([file.records for file in files])
    records = records.sort_values("session", kind="stable", ignore_index=True)
    expected = MARKET.simulate(LAST).records
    pd.testing.assert_frame_equal(records[expected.columns], expected)


def test_a_file_says_it_was_made_on_its_last_session(folder):
    for path in folder.glob("COTAHIST_*"):
        file = read_cotahist(path)
        assert file.generated_on == file.records["session"].max().date()


def test_day_by_day_makes_the_same_files_as_at_once(tmp_path):
    by_day = tmp_path / "by_day"
    days = sessions_between(date(2018, 1, 2), date(2018, 3, 6)).tolist()
    for day in days:
        complete_files(by_day, MARKET, day)
        at_once = tmp_path / f"{day}"
        if day.day < 5:
            complete_files(at_once, MARKET, day)
            assert contents(at_once).items() <= contents(by_day).items()
    daily = list(by_day.glob("COTAHIST_D*"))
    assert len(daily) == len(days) - 2  # the last session of a month arrives with its month


def test_what_is_complete_is_left_alone(folder):
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.iterdir()}
    for last in (LAST, LAST - timedelta(days=8), date(2018, 5, 15)):
        assert complete_files(folder, MARKET, last) == []
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in before}


def test_a_file_somebody_changed_is_left_alone(tmp_path):
    complete_files(tmp_path, MARKET, date(2018, 1, 3))
    (tmp_path / "COTAHIST_D02012018.ZIP").write_bytes(b"mine")
    written = complete_files(tmp_path, MARKET, date(2018, 1, 4))
    assert [path.name for path in written] == ["COTAHIST_D04012018.ZIP"]
    assert (tmp_path / "COTAHIST_D02012018.ZIP").read_bytes() == b"mine"


def test_corporate_actions_are_those_of_the_market_so_far(folder):
    actions = pd.read_csv(folder / "corporate_actions.csv", parse_dates=["ex_date"])
    actions = actions.astype({"ex_date": "datetime64[us]"})
    pd.testing.assert_frame_equal(actions, MARKET.simulate(LAST).corporate_actions)
    assert actions["ex_date"].max() <= pd.Timestamp(LAST)
    is_cash = actions["kind"] == "cash_dividend"
    assert (actions["amount_brl"].notna() == is_cash).all()
    assert (actions["factor"].notna() == ~is_cash).all()


def test_corporate_actions_grow_with_the_market(tmp_path):
    path = tmp_path / "corporate_actions.csv"
    complete_files(tmp_path, MARKET, date(2018, 3, 1))
    early = path.read_text()
    complete_files(tmp_path, MARKET, date(2018, 4, 30))
    late = path.read_text()
    assert late.startswith(early)
    assert late != early
    complete_files(tmp_path, MARKET, date(2018, 3, 1))
    assert path.read_text() == late


def test_a_folder_remembers_its_market(folder):
    found = json.loads((folder / "market.json").read_text())
    assert found == {"format_version": 1, "seed": 42, "signal_strength": 0.08}


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (SimulatedMarket(seed=7), "seed 42 instead of 7"),
        (SimulatedMarket(signal_strength=0.0), r"signal_strength 0\.08 instead of 0\.0"),
    ],
)
def test_two_markets_do_not_share_a_folder(folder, other, difference):
    before = contents(folder)
    with pytest.raises(SettingsError, match=difference):
        complete_files(folder, other, LAST)
    assert contents(folder) == before


def test_a_folder_of_real_files_is_refused(tmp_path):
    (tmp_path / "COTAHIST_A2017.ZIP").write_bytes(b"real")
    with pytest.raises(SettingsError, match=r"no market\.json"):
        complete_files(tmp_path, MARKET, date(2018, 1, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["COTAHIST_A2017.ZIP"]


@pytest.mark.parametrize("text", ["{", "[1, 2]", "7"])
def test_an_unreadable_memory_is_refused(tmp_path, text):
    (tmp_path / "market.json").write_text(text)
    with pytest.raises(SettingsError, match=r"market\.json"):
        complete_files(tmp_path, MARKET, date(2018, 1, 3))
