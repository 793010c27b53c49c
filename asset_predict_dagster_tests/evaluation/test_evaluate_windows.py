"""Test windows are measured one at a time, and together as if they had been one."""

import pandas as pd
import pytest

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.evaluate import evaluate, evaluate_windows
from asset_predict_dagster.evaluation.window_sums import window_sums
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import WALK_FORWARD_SUMMARY
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts

MODELS = {("knows", "walk-forward"): 0.2, ("guesses", "walk-forward"): 0.0}
FIRST = {"2022H1": "2022-01-03", "2022H2": "2022-07-01", "2023H1": "2023-01-02"}


def part(window: str, **more) -> pd.DataFrame:
    made = [
        made_forecasts(
            MODELS, n_sessions=60, first=FIRST[window], seed=sum(map(ord, window)), horizon=horizon
        )
        for horizon in (1, 5)
    ]
    return pd.concat(made, ignore_index=True).assign(window=window, **more)


@pytest.fixture(scope="module")
def parts():
    return [part(window) for window in FIRST]


@pytest.fixture(scope="module")
def summary(parts):
    return evaluate_windows(iter(parts), seed=1)


def test_every_window_is_measured_as_if_it_were_alone(parts, summary):
    for one in parts:
        window = one["window"].iloc[0]
        mine = summary[summary["window"] == window].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, evaluate(one, seed=1))


def test_all_windows_together_are_one_window_of_all_their_rows(parts, summary):
    together = summary[summary["window"] == "walk_forward"].reset_index(drop=True)
    as_one = evaluate(pd.concat(parts).assign(window="walk_forward"), seed=1)
    pd.testing.assert_frame_equal(together, as_one, rtol=1e-9)


def test_the_summary_keeps_the_promises_of_its_table(summary):
    assert broken_promises(WALK_FORWARD_SUMMARY, summary).empty
    assert list(summary) == WALK_FORWARD_SUMMARY.column_names
    assert list(dict.fromkeys(summary["window"])) == [*FIRST, "walk_forward"]


def test_windows_may_come_in_any_order(parts, summary):
    backwards = evaluate_windows(parts[::-1], seed=1)
    pd.testing.assert_frame_equal(backwards, summary)


def test_no_session_counts_twice(parts):
    half = part("2022H1").assign(window="2022Q1")
    with pytest.raises(
        DatasetError, match="session 2022-01-03 is tested in the windows 2022H1 and 2022Q1"
    ):
        evaluate_windows([parts[0], half], seed=1)


def test_a_window_comes_whole_and_once(parts):
    with pytest.raises(DatasetError, match="window 2022H1 comes twice"):
        evaluate_windows([parts[0], parts[0]], seed=1)
    with pytest.raises(DatasetError, match="window walk_forward comes twice"):
        evaluate_windows([parts[0].assign(window="walk_forward")], seed=1)


def test_a_model_that_sat_out_a_window_is_not_summed_up(parts):
    absent = parts[1][parts[1]["model"] != "knows"]
    with pytest.raises(DatasetError, match="window 2022H2 has no forecasts of 'knows'"):
        evaluate_windows([parts[0], absent], seed=1)


def test_without_a_window_there_is_nothing_to_say():
    with pytest.raises(DatasetError, match="no window to evaluate"):
        evaluate_windows([], seed=1)


def test_baselines_that_say_the_same_are_reckoned_once(parts):
    sums = next(iter(window_sums(parts[0])))
    naive, prior = (sums.said[(name, "baseline")] for name in ("naive", "prior"))
    assert all(prior[family] is naive[family] for family in naive)
    majority, knows = sums.said[("majority", "baseline")], sums.said[("knows", "walk-forward")]
    assert sum(majority[family] is naive[family] for family in naive) == len(naive) - 1
    assert not any(knows[family] is naive[family] for family in naive)


def test_who_is_silent_at_first_is_not_taken_for_the_naive_forecast(parts):
    one = parts[0]
    is_model = one["model"] == "knows"
    is_early = one["session"] < one["session"].unique()[-2]
    silent = one.assign(expected_return=one["expected_return"].mask(is_model & is_early, 0.0))
    table = evaluate(silent, seed=1).set_index(["model", "horizon", "metric"])["value"]
    assert table["knows", 1, "mae_return"] != table["naive", 1, "mae_return"]
