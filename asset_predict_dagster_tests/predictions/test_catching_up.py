"""What was missed is said as it would have been said that day; what is late says so."""

import multiprocessing
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import opens_at
from asset_predict_dagster.predictions.catching_up import in_words, predict_due
from asset_predict_dagster.predictions.daily import Serving, predict_last_session, strongest
from asset_predict_dagster.predictions.drift_rows import said_rows
from asset_predict_dagster.predictions.due import Due, due
from asset_predict_dagster.predictions.ledger import answers, asked_sessions, newest
from asset_predict_dagster.predictions.live_skill import live_rows
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import PREDICTIONS
from asset_predict_dagster_tests.market.simulated_tables import MarketTables, market_as_of
from asset_predict_dagster_tests.predictions.hand_made_bundle import forest_bundle, memory_bundle

# Carnival 2020: no session on the 24th and the 25th of February.
FRI, ASH, THU = date(2020, 2, 21), date(2020, 2, 26), date(2020, 2, 27)
AFTERWARDS = date(2020, 6, 30)
TRAINED, NOW = datetime(2020, 2, 20, 6, tzinfo=UTC), datetime(2020, 7, 1, 6, tzinfo=UTC)
KEY = list(PREDICTIONS.key)


@cache
def champions() -> tuple[Serving, ...]:
    return (
        Serving("random_forest", "3", "proven", forest_bundle(market_as_of(AFTERWARDS)), TRAINED),
        Serving("memory", "7", "unproven", memory_bundle(70), TRAINED),
    )


def caught_up(wanted: Due, market: MarketTables, said=None, serving_at=None) -> pd.DataFrame:
    return predict_due(
        wanted,
        said or {},
        serving_at or (lambda session: list(champions())),
        market.quotes,
        market.universe,
        market.features,
        NOW,
    )


@cache
def in_time(session: date) -> pd.DataFrame:
    """What a run on the morning after the session says."""
    market = market_as_of(session)
    return predict_last_session(
        list(champions()), market.quotes, market.universe, market.features, NOW
    )


def test_missed_sessions_are_predicted_bit_for_bit_as_on_their_own_day():
    found = caught_up(Due((FRI, ASH, THU)), market_as_of(AFTERWARDS))
    expected = pd.concat([in_time(day) for day in (FRI, ASH, THU)], ignore_index=True)
    assert len(found) > 3 * 2 * 30 * 30
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_paper_renamed_since_is_called_what_it_was_called_that_day():
    """The outcome is looked for under the code of the day."""
    market = market_as_of(AFTERWARDS)
    ticker = in_time(FRI).loc[lambda rows: rows["reason"] == "", "ticker"].iloc[0]
    new = ticker[:4] + "9"  # in the same place of the order
    assert new not in set(market.quotes["ticker"])
    renamed = MarketTables(
        *(
            table.assign(ticker=table["ticker"].replace(ticker, new))
            for table in (market.quotes, market.universe, market.features)
        ),
        market.labels,
        market.oracle,
    )
    found = caught_up(Due((FRI,)), renamed).sort_values(KEY, ignore_index=True)
    expected = in_time(FRI).sort_values(KEY, ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_of_two_papers_under_one_code_the_one_that_traded_is_meant():
    """One did not trade in the session, and has since taken the code that the other left."""
    market = market_as_of(FRI)
    first, second = in_time(FRI).loc[lambda rows: rows["reason"] == "", "ticker"].unique()[:2]
    is_stale = (market.quotes["ticker"] == second) & (market.quotes["session"] == pd.Timestamp(FRI))
    # `second` is now called what `first` was called on Friday; `first` has gone on to another code.
    now_called = {first: "ZZZZ3", second: first}
    quotes, universe, features = (
        table[~is_stale].assign(ticker=table["ticker"].replace(now_called)).reset_index(drop=True)
        for table in (market.quotes, market.universe, market.features)
    )
    table = predict_last_session(list(champions()), quotes, universe, features, NOW)
    assert not table.duplicated(KEY).any()
    mine = table[table["ticker"] == first]
    assert set(mine["reason"]) == {""}
    said = in_time(FRI).loc[lambda rows: rows["ticker"] == first, "expected_return"]
    np.testing.assert_array_equal(mine["expected_return"], said)


# Without the last file


@pytest.fixture(scope="module")
def late() -> pd.DataFrame:
    """Asked on Thursday at noon: Wednesday's file has not come."""
    return caught_up(Due(late=ASH), market_as_of(FRI))


def test_a_late_row_says_of_the_same_sessions_what_was_said_before(late):
    assert set(late["session"]) == {pd.Timestamp(FRI)}
    assert set(late["sessions_late"]) == {1}
    assert sorted(set(late["horizon"])) == list(range(2, 31))
    assert late["target_session"].min() == pd.Timestamp(THU)
    before = in_time(FRI).loc[lambda rows: rows["horizon"] > 1].reset_index(drop=True)
    marked = late["reason"] == "late_data"
    assert marked.equals(before["reason"] == "")
    assert late.loc[~marked, "reason"].equals(before.loc[~marked, "reason"])
    differ = ["sessions_late", "reason"]
    pd.testing.assert_frame_equal(late.drop(columns=differ), before.drop(columns=differ))
    assert broken_promises(PREDICTIONS, late).empty


def test_the_longest_delay_leaves_the_horizons_that_are_still_ahead():
    """Five sessions without a file: the sixth horizon is the next session."""
    last = date(2020, 3, 3)
    table = caught_up(Due(late=last), market_as_of(FRI))
    assert set(table["sessions_late"]) == {5}
    assert sorted(set(table["horizon"])) == list(range(6, 31))
    assert table["target_session"].min() == pd.Timestamp(2020, 3, 4)


def test_a_late_row_stands_in_the_ledger_beside_yesterdays(late, tmp_path):
    lake = Lake(tmp_path)
    lake.insert_new(PREDICTIONS, in_time(FRI))
    assert asked_sessions(lake) == [FRI]
    assert lake.insert_new(PREDICTIONS, late).n_rows == len(in_time(FRI)) + len(late)
    assert asked_sessions(lake) == asked_sessions(lake, since=FRI) == [FRI, ASH]
    # The rows of Ash Wednesday's answer are Friday's.
    assert asked_sessions(lake, since=ASH) == [ASH]
    assert asked_sessions(lake, since=THU) == []
    assert answers(lake)[ASH] == {"random_forest", "memory"}
    ledger = lake.read(PREDICTIONS)
    assert len(newest(ledger)) == len(late)
    # When the file comes after all, nobody is asked about its session again.
    wanted = due(answers(lake), [FRI, ASH], ASH, opens_at(THU))
    assert wanted == Due(again=(ASH,))
    assert caught_up(wanted, market_as_of(ASH), answers(lake)).empty


def test_a_ledger_of_an_earlier_program_is_gone_on_with(late, tmp_path):
    """It knew no lateness: all that it holds was said in time."""
    lake, name = Lake(tmp_path), "sessions_late"
    before = replace(
        PREDICTIONS,
        key=tuple(column for column in PREDICTIONS.key if column != name),
        columns=tuple(column for column in PREDICTIONS.columns if column.name != name),
    )
    lake.insert_new(before, in_time(FRI).drop(columns=name))
    assert asked_sessions(lake) == [FRI]
    assert not lake.insert_new(PREDICTIONS, in_time(FRI)).changed
    lake.insert_new(PREDICTIONS, late)
    assert asked_sessions(lake) == [FRI, ASH]
    ledger = lake.read(PREDICTIONS)
    assert broken_promises(PREDICTIONS, ledger).empty
    assert ledger[name].value_counts().to_dict() == {0: len(in_time(FRI)), 1: len(late)}


def run_beside_another(root: Path, start: Barrier) -> None:
    """A run of its own: what is due, what is said of it, and the ledger."""
    lake, market = Lake(root), market_as_of(ASH)
    quoted = market.quotes["session"].drop_duplicates().dt.date
    said = answers(lake)
    wanted = due(said, quoted, ASH, NOW)
    start.wait(60)
    lake.insert_new(PREDICTIONS, caught_up(wanted, market, said))


def test_two_runs_at_once_write_each_prediction_once(tmp_path):
    lake = Lake(tmp_path)
    lake.insert_new(PREDICTIONS, in_time(date(2020, 2, 20)))
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(2)
    runs = [spawn.Process(target=run_beside_another, args=(tmp_path, start)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0]
    expected = pd.concat([in_time(day) for day in (date(2020, 2, 20), FRI, ASH)])
    expected = expected.sort_values(KEY, ignore_index=True)
    found = lake.read(PREDICTIONS)
    assert found[KEY].values.tolist() == expected[KEY].values.tolist()
    np.testing.assert_array_equal(found["expected_return"], expected["expected_return"])
    assert asked_sessions(lake) == [date(2020, 2, 20), FRI, ASH]


def test_the_strongest_late_forecasts_are_those_of_the_next_session(late):
    table = strongest(late, n=5)
    assert set(table["target_session"]) == {pd.Timestamp(THU)}
    assert len(table) == 5
    # Their action is of the session that was not known.
    assert set(table["action"]) == {"-"}
    assert "-" not in set(strongest(in_time(FRI), n=5)["action"])


def test_what_is_said_late_counts_neither_for_drift_nor_for_live_skill(late):
    """It repeats what was said the day before: it would count twice."""
    both = pd.concat([in_time(FRI), late], ignore_index=True)
    both = both[both["model"] == "memory"]
    assert len(said_rows(both)) == len(said_rows(in_time(FRI).query("model == 'memory'"))) > 0
    came = both[both["expected_return"].notna()].assign(realised_return=0.0)
    volatility = both[["ticker", "session"]].drop_duplicates().assign(volatility_21d=0.02)
    live = live_rows(both, came, volatility)
    assert len(live) == len(said_rows(both))


def test_a_file_missing_between_two_others_is_jumped_over():
    """Friday's never came; Ash Wednesday's did. Friday is answered from the Thursday before."""
    market = market_as_of(ASH)
    gone = (market.quotes["session"] == pd.Timestamp(FRI)).to_numpy()
    tables = (
        table[~gone].reset_index(drop=True)
        for table in (market.quotes, market.universe, market.features)
    )
    table = caught_up(Due((FRI, ASH)), MarketTables(*tables, market.labels, market.oracle))
    lateness = table[["session", "sessions_late"]].drop_duplicates().to_numpy().tolist()
    assert lateness == [[pd.Timestamp(2020, 2, 20), 1], [pd.Timestamp(ASH), 0]]


# Who is asked


def asked_at(session: date) -> list[Serving]:
    """The forest may be asked about Ash Wednesday and later, the other about everything."""
    return [one for one in champions() if one.model == "memory" or session >= ASH]


def test_a_model_that_would_speak_with_hindsight_is_silent():
    table = caught_up(Due((FRI, ASH)), market_as_of(ASH), serving_at=asked_at)
    said = table.groupby("session")["model"].unique().map(sorted).tolist()
    assert said == [["memory"], ["memory", "random_forest"]]


def test_where_all_would_the_run_says_so():
    with pytest.raises(RegistryError, match="at the close of that would be hindsight"):
        caught_up(Due((FRI,)), market_as_of(FRI), serving_at=lambda session: [])


def test_a_model_trained_today_adds_its_word_to_the_last_session_and_nobody_repeats_his():
    table = caught_up(Due(again=(FRI,)), market_as_of(FRI), {FRI: {"random_forest"}})
    assert set(table["model"]) == {"memory"}
    assert set(table["session"]) == {pd.Timestamp(FRI)}
    assert caught_up(Due(), market_as_of(FRI)).empty


def test_a_version_is_asked_at_the_close_of_what_is_known():
    asked = []

    def serving_at(session: date) -> list[Serving]:
        asked.append(session)
        return [champions()[1]]

    caught_up(Due((FRI,), late=ASH), market_as_of(FRI), serving_at=serving_at)
    assert asked == [FRI, FRI]


def test_a_run_tells_what_it_predicted_and_what_it_waits_for(late):
    assert in_words(Due(late=ASH), late) == {"predicted": "2020-02-26", "late": "2020-02-26"}
    waiting = Due(awaited=FRI, until=opens_at(ASH))
    assert in_words(waiting, late[:0]) == {
        "predicted": "nothing: every session that may be is in the ledger",
        "awaited": "2020-02-21, until 2020-02-26 13:00 in São Paulo",
    }
    missed = in_words(Due((FRI, ASH)), in_time(ASH))
    assert missed["predicted"] == "2020-02-26"
    assert (
        missed["not_predicted"]
        == "2020-02-21: every version has learned from later sessions or cannot be read"
    )
