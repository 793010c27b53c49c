"""Forecasts of the test sessions, of the universe alone, each beside what the labels say."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.samples import HORIZONS
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.forecasts import accumulate, forecast_test_sessions, latest
from asset_predict_dagster.market.sessions import all_sessions, session_after
from asset_predict_dagster.models.baselines import BASELINE_VERSION, BASELINES
from asset_predict_dagster.models.bundle import Forecasts
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import EVALUATION, FORECASTS_OUT_OF_SAMPLE
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts
from asset_predict_dagster_tests.market.simulated_tables import market_as_of

LAST = date(2020, 6, 30)


class Oracle:
    """Stands in for a bundle: says what the simulated market's oracle says, whatever the horizon.

    Where the oracle is silent it expects nothing.
    """

    def __init__(self, market):
        self.scores = market.oracle.set_index(["ticker", "session"])["score"]

    def forecast(self, samples, rows):
        key = [
            samples.tickers[samples.ticker_codes[rows]],
            samples.sessions[samples.session_codes[rows]].astype("datetime64[us]"),
        ]
        score = self.scores.reindex(pd.MultiIndex.from_arrays(key)).fillna(0.0).to_numpy()
        expected = np.repeat(score[:, None], len(HORIZONS), axis=1)
        probabilities = np.tile([0.25, 0.5, 0.25], (len(rows), 1))
        return Forecasts(probabilities, expected, expected - 0.05, expected + 0.05)


@pytest.fixture(scope="module")
def market():
    return market_as_of(LAST, signal_strength=0.3)


@pytest.fixture(scope="module")
def folds(market):
    return market.folds(test_size=0.5)


@pytest.fixture(scope="module")
def forecasts(market, folds):
    return forecast_test_sessions(
        {("oracle", "1"): Oracle(market)},
        market.samples,
        market.labels,
        market.quotes["close"].to_numpy(),
        folds,
    )


def test_the_table_keeps_its_promises(forecasts):
    assert broken_promises(FORECASTS_OUT_OF_SAMPLE, forecasts).empty
    assert set(forecasts["horizon"]) == set(HORIZONS)
    assert set(forecasts["model"]) == {"oracle", *BASELINES}


def test_only_test_sessions_are_forecast_and_none_is_missing(forecasts, folds):
    test = folds.loc[folds["role"] == "test", "session"]
    # What the last test session says cannot be traded on: its outcome lies one session ahead.
    assert set(forecasts["session"]) == set(test[:-1])
    others = folds.loc[folds["role"] != "test", "session"]
    assert others.max() < forecasts["session"].min()


def test_only_the_universe_of_the_session_is_forecast(forecasts, market, folds):
    test = folds.loc[folds["role"] == "test", "session"]
    known = market.labels["action"].notna() & market.labels["realised_return_tradable_1d"].notna()
    wanted = market.universe[
        market.universe["in_universe"] & known & market.universe["session"].isin(test)
    ]
    mine = forecasts[(forecasts["model"] == "oracle") & (forecasts["horizon"] == 1)]
    assert set(zip(mine["ticker"], mine["session"], strict=True)) == set(
        zip(wanted["ticker"], wanted["session"], strict=True)
    )
    outside = market.universe["session"].isin(test) & ~market.universe["in_universe"]
    assert outside.sum() > 100  # there was something to leave out


def test_what_came_true_is_what_the_labels_say(forecasts, market):
    beside = forecasts.merge(market.labels, on=["ticker", "session"], validate="many_to_one")
    assert len(beside) == len(forecasts)
    for h in HORIZONS:
        rows = beside[beside["horizon"] == h]
        assert (rows["realised_return"] == rows[f"realised_return_{h}d"]).all()
        assert (rows["realised_return_tradable"] == rows[f"realised_return_tradable_{h}d"]).all()
        if h == 1:
            assert (rows["realised_label"] == rows["action"]).all()
        else:
            assert rows["realised_label"].isna().all()
            assert rows["probability_buy"].isna().all()


def test_the_last_close_is_the_quoted_one(forecasts, market):
    beside = forecasts.merge(market.quotes, on=["ticker", "session"], validate="many_to_one")
    assert (beside["last_close"] == beside["close"]).all()


def test_the_target_session_is_as_many_sessions_ahead_as_the_horizon_says(forecasts):
    spans = forecasts[["session", "target_session", "horizon"]].drop_duplicates()
    assert len(spans) > 1000
    position = {day: number for number, day in enumerate(all_sessions())}
    for span in spans.itertuples():
        start, end = (np.datetime64(day, "D") for day in (span.session, span.target_session))
        assert position[end] - position[start] == span.horizon
    carnival = spans[spans["session"] == pd.Timestamp("2020-02-21")].set_index("horizon")
    assert carnival.loc[1, "target_session"] == pd.Timestamp("2020-02-26")
    assert session_after(date(2020, 2, 21)) == date(2020, 2, 26)


def test_the_oracle_is_as_good_as_planted(forecasts):
    evaluation = evaluate(forecasts[forecasts["horizon"] == 1], seed=1)
    of_oracle = evaluation[evaluation["model"] == "oracle"].set_index("metric")
    # 275 sessions of 36 papers: one standard error is .01. The oracle's module promises .304
    # for the next close and .287 for the one after it.
    assert of_oracle.loc["rank_ic_next_close", "value"] == pytest.approx(0.304, abs=0.035)
    assert of_oracle.loc["rank_ic", "value"] == pytest.approx(0.287, abs=0.035)
    assert of_oracle.loc["rank_ic", "low"] > 0.2
    assert of_oracle.loc["directional_accuracy", "low"] > 0.5


def test_the_prior_is_counted_on_training_sessions_alone(forecasts, market, folds):
    train = market.labels["session"].isin(folds.loc[folds["role"] == "train", "session"])
    learnt = train & market.samples.is_labelled
    share = market.labels.loc[learnt, "action"].value_counts(normalize=True)
    prior = forecasts[(forecasts["model"] == "prior") & (forecasts["horizon"] == 1)]
    for action in ("buy", "hold", "sell"):
        assert prior[f"probability_{action}"].unique() == pytest.approx(share[action])


def test_a_forecast_whose_outcome_is_not_known_yet_is_left_out(forecasts):
    # Entered at the next close and left h sessions later, the last one ends with the data.
    for h, session in forecasts.groupby("horizon")["session"].max().items():
        assert session_after(session.date(), 1 + h) == LAST


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
