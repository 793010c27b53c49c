"""Forecasts accumulate: a new training stands beside the earlier ones and replaces its like."""

import pandas as pd

from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.forecasts import (
    accumulate,
    latest,
    of_registered,
    still_asked_for,
)
from asset_predict_dagster.models.average import AVERAGE
from asset_predict_dagster.models.baselines import BASELINE_VERSION, BASELINES
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import EVALUATION
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts


def test_accumulating_keeps_other_versions_and_replaces_the_same_ones():
    known = made_forecasts({("lstm", "1"): 0.1, ("lstm", "2"): 0.1}, n_sessions=3)
    fresh = made_forecasts({("lstm", "2"): 0.1, ("random_forest", "7"): 0.1}, n_sessions=4, seed=2)
    table = accumulate(known, fresh)
    n_rows = table.groupby(["model", "model_version"]).size().to_dict()
    baselines = {(name, BASELINE_VERSION): 4 * 12 for name in BASELINES}
    assert n_rows == {("lstm", "1"): 36, ("lstm", "2"): 48, ("random_forest", "7"): 48} | baselines
    kept = table[table["model_version"] == "1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, known[known["model_version"] == "1"].reset_index(drop=True))
    replaced = table[table["model_version"] != "1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(replaced, fresh)


def test_the_first_forecasts_are_all_there_is():
    fresh = made_forecasts({("lstm", "1"): 0.1}, n_sessions=3)
    pd.testing.assert_frame_equal(accumulate(None, fresh), fresh)


def test_accumulating_twice_changes_nothing():
    known = made_forecasts({("lstm", "1"): 0.1}, n_sessions=3)
    fresh = made_forecasts({("lstm", "2"): 0.1}, n_sessions=3)
    once = accumulate(known, fresh)
    pd.testing.assert_frame_equal(accumulate(once, fresh), once)


def test_another_window_of_the_same_version_stays():
    holdout = made_forecasts({("lstm", "1"): 0.1}, n_sessions=3)
    other = holdout.assign(window="2023H1")
    table = accumulate(other, holdout)
    of_model = table[table["model"] == "lstm"]
    assert of_model.groupby("window").size().to_dict() == {"2023H1": 36, "holdout": 36}


def test_rows_of_versions_that_were_dropped_go_and_so_do_averages_with_them():
    versions = {("lstm", "1"): 0.1, ("lstm", "2"): 0.1, ("random_forest", "1"): 0.1}
    averages = {(AVERAGE, "1"): 0.1, (AVERAGE, "1+2"): 0.1, (AVERAGE, "2+1"): 0.1}
    rows = made_forecasts(versions | averages, n_sessions=3)
    left = of_registered(rows, {"lstm": {"2"}, "random_forest": {"1", "2"}})
    # "2+1" is of the forest's second and the LSTM's first, which is gone; "1" is of both firsts.
    assert {
        who for who in left.groupby(["model", "model_version"]).groups if who[1] != "baseline"
    } == {
        ("lstm", "2"),
        ("random_forest", "1"),
        (AVERAGE, "1+2"),
    }
    assert set(BASELINES) <= set(left["model"])
    pd.testing.assert_frame_equal(left, rows.loc[left.index])


def test_of_versions_judged_no_more_the_next_sessions_forecasts_stay_for_a_while():
    versions = {(model, version): 0.1 for model in ("lstm", "random_forest") for version in "12"}
    averages = {(AVERAGE, "1"): 0.1, (AVERAGE, "2"): 0.1}
    next_session = made_forecasts(versions | averages, n_sessions=3)
    later = made_forecasts(versions | averages, n_sessions=3, horizon=5)
    rows = pd.concat([next_session, later], ignore_index=True)
    judged = {"lstm": {"2"}, "random_forest": {"2"}}

    def n_rows(newest: pd.Timestamp) -> dict[tuple[str, str], int]:
        left = still_asked_for(rows, judged, newest, pd.Timedelta(days=500))
        assert set(BASELINES) <= set(left["model"])
        models = left[left["model_version"] != BASELINE_VERSION]
        return models.groupby(["model", "model_version"]).size().to_dict()

    whole = {("lstm", "2"): 72, ("random_forest", "2"): 72, (AVERAGE, "2"): 72}
    last = rows["session"].max()
    kept = whole | {("lstm", "1"): 36, ("random_forest", "1"): 36}
    assert n_rows(last + pd.Timedelta(days=1)) == kept
    assert n_rows(last + pd.Timedelta(days=500)) == kept
    assert n_rows(last + pd.Timedelta(days=501)) == whole


def test_who_was_forecast_as_far_as_today_stays_whole_whoever_serves_by_now():
    """A training that was killed behind its promotion leaves the same rows when it is repeated."""
    versions = {(model, version): 0.1 for model in ("lstm", "random_forest") for version in "12"}
    rows = made_forecasts(versions | {(AVERAGE, "1"): 0.1}, n_sessions=3, horizon=5)
    judged = {"lstm": {"2"}, "random_forest": {"1", "2"}}
    left = still_asked_for(rows, judged, rows["session"].max(), pd.Timedelta(days=500))
    pd.testing.assert_frame_equal(left, rows)


def test_the_evaluation_accumulates_by_the_same_rule():
    first = evaluate(made_forecasts({("lstm", "1"): 0.1}), seed=1)
    second = evaluate(made_forecasts({("lstm", "2"): 0.1}), seed=1)
    table = accumulate(first, second)
    assert broken_promises(EVALUATION, table).empty
    assert set(table.loc[table["model"] == "lstm", "model_version"]) == {"1", "2"}


def test_the_latest_are_the_named_version_of_each_model_and_the_baselines():
    known = made_forecasts(
        {("lstm", "1"): 0.1, ("lstm", "2"): 0.1, ("random_forest", "2"): 0.1}, n_sessions=3
    )
    table = latest(known, {"lstm": "2", "random_forest": "1"})
    models = set(zip(table["model"], table["model_version"], strict=True))
    assert models == {("lstm", "2")} | {(name, BASELINE_VERSION) for name in BASELINES}


def test_the_latest_average_is_that_of_the_named_versions():
    known = made_forecasts(
        {("random_forest", "3"): 0.1, ("lstm", "4"): 0.1, (AVERAGE, "3+4"): 0.1}, n_sessions=3
    )

    def averages(versions):
        table = latest(known, versions)
        return set(table.loc[table["model"] == AVERAGE, "model_version"])

    assert averages({"random_forest": "3", "lstm": "4"}) == {"3+4"}
    assert averages({"random_forest": "3", "lstm": "5"}) == set()
    assert averages({"lstm": "4"}) == set()


def test_texts_that_were_read_and_categories_that_are_fresh_go_together():
    read = made_forecasts({("lstm", "1"): 0.1}, n_sessions=3)
    fresh = made_forecasts({("lstm", "2"): 0.1}, n_sessions=3)
    texts = ["window", "ticker", "model", "model_version", "realised_label"]
    as_categories = fresh.astype(dict.fromkeys(texts, "category"))
    table = accumulate(read, as_categories)
    pd.testing.assert_frame_equal(table, accumulate(read, fresh), check_dtype=False)
    pd.testing.assert_frame_equal(
        latest(as_categories, {"lstm": "2"}), as_categories, check_dtype=False
    )
