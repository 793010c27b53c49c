"""What is served is what was measured, and a ticker nobody can forecast is refused by name."""

import dataclasses
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.features import compute_features
from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.evaluation.forecasts import forecast_test_sessions
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.market.universe import liquid_universe
from asset_predict_dagster.predictions.daily import (
    RECENT_SESSIONS,
    Serving,
    predict_last_session,
    strongest,
)
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import PREDICTIONS
from asset_predict_dagster_tests.market.simulated_tables import MarketTables, market_as_of
from asset_predict_dagster_tests.predictions.hand_made_bundle import forest_bundle, memory_bundle

BEFORE_CARNIVAL, YEAR_END = date(2020, 2, 21), date(2019, 12, 30)
AFTERWARDS = date(2020, 6, 30)
NOW = datetime(2020, 2, 24, 6, tzinfo=UTC)
TRAINED, EXPIRES_AFTER = NOW - timedelta(days=60), timedelta(days=60)
PROBABILITIES = [f"probability_{action}" for action in ACTIONS]
NUMBERS = [*PROBABILITIES, "expected_return", "predicted_price", "price_low", "price_high"]
LOOKBACK = 70
"""Longer than the sessions in which a ticker counts as recent."""


@pytest.fixture(scope="module")
def champions():
    market = market_as_of(AFTERWARDS)
    return [
        Serving("random_forest", "3", "proven", forest_bundle(market), TRAINED),
        Serving("memory", "7", "unproven", memory_bundle(LOOKBACK), TRAINED),
    ]


def predict(champions, market: MarketTables) -> pd.DataFrame:
    return predict_last_session(
        champions, market.quotes, market.universe, market.features, NOW, expires_after=EXPIRES_AFTER
    )


@pytest.fixture(scope="module")
def predictions(champions):
    return predict(champions, market_as_of(BEFORE_CARNIVAL))


def without_session(market: MarketTables, ticker: str, session: date) -> MarketTables:
    """The market if the ticker had not traded in the session."""
    gone = (market.quotes["ticker"] == ticker) & (market.quotes["session"] == pd.Timestamp(session))
    assert gone.sum() == 1
    quotes = market.quotes[~gone].reset_index(drop=True)
    universe = liquid_universe(quotes)
    return MarketTables(
        quotes, universe, compute_features(quotes, universe), market.labels, market.oracle
    )


def out_of_universe(market: MarketTables, tickers) -> MarketTables:
    out = market.universe["ticker"].isin(tickers)
    universe = market.universe.assign(in_universe=market.universe["in_universe"] & ~out)
    return MarketTables(market.quotes, universe, market.features, market.labels, market.oracle)


def members(market: MarketTables, session: date) -> list[str]:
    today = market.universe["session"] == pd.Timestamp(session)
    return sorted(market.universe["ticker"][today & market.universe["in_universe"]])


def test_one_row_for_every_model_ticker_and_horizon(predictions):
    assert broken_promises(PREDICTIONS, predictions).empty
    n_tickers = predictions["ticker"].nunique()
    assert n_tickers > 30
    assert len(predictions) == 2 * n_tickers * 30
    assert set(predictions["session"]) == {pd.Timestamp(BEFORE_CARNIVAL)}


def test_each_model_signs_with_its_version_and_status(predictions):
    signed = predictions[["model", "model_version", "status"]].drop_duplicates()
    assert set(signed.itertuples(index=False, name=None)) == {
        ("random_forest", "3", "proven"),
        ("memory", "7", "unproven"),
    }
    assert set(predictions["created_at"]) == {pd.Timestamp(NOW)}


def test_every_ticker_of_the_universe_is_forecast_and_no_other(predictions):
    forecast = predictions[predictions["reason"] == ""]
    assert sorted(set(forecast["ticker"])) == members(
        market_as_of(BEFORE_CARNIVAL), BEFORE_CARNIVAL
    )
    assert forecast[NUMBERS].notna().all(axis=None)


def test_a_forecast_agrees_with_itself(predictions):
    forecast = predictions[predictions["reason"] == ""]
    assert forecast[PROBABILITIES].sum(axis=1).to_numpy() == pytest.approx(1.0, abs=1e-12)
    assert (forecast["price_low"] <= forecast["predicted_price"]).all()
    assert (forecast["predicted_price"] <= forecast["price_high"]).all()
    likeliest = forecast[PROBABILITIES].idxmax(axis=1).str.removeprefix("probability_")
    assert (forecast["action"] == likeliest).all()
    assert len(set(forecast["action"])) > 1
    again = forecast["last_close"] * (1 + forecast["expected_return"])
    assert forecast["predicted_price"].to_numpy() == pytest.approx(again.to_numpy())


@pytest.mark.parametrize(
    ("last", "targets"),
    [
        (BEFORE_CARNIVAL, ["2020-02-26", "2020-02-27", "2020-02-28", "2020-03-02", "2020-03-03"]),
        (YEAR_END, ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08"]),
    ],
    ids=["Carnival", "the turn of the year"],
)
def test_target_sessions_are_those_on_which_b3_trades(champions, last, targets):
    table = predict(champions, market_as_of(last))
    by_horizon = table.groupby("horizon")["target_session"].unique()
    assert [str(days[0].date()) for days in by_horizon[:5]] == targets
    assert (by_horizon.str.len() == 1).all()
    for horizon, days in by_horizon.items():
        assert days[0].date() == session_after(last, horizon)


def test_a_path_stays_at_its_fifth_session_and_its_interval_only_widens(predictions):
    path = predictions[predictions["reason"] == ""].set_index(
        ["model", "ticker", "last_close", "horizon"]
    )
    assert len(path) % 30 == 0
    said = path["expected_return"].unstack("horizon")
    assert (said[1] != said[5]).all()
    for horizon in range(6, 31):
        np.testing.assert_array_equal(said[horizon], said[5])
    last = said.index.get_level_values("last_close").to_numpy()
    above = path["price_high"].unstack("horizon").div(last, axis=0) - 1 - said
    assert (above.diff(axis=1).iloc[:, 1:] >= -1e-12).all(axis=None)
    below = 1 + said - path["price_low"].unstack("horizon").div(last, axis=0)
    # As far below as above, unless that were less than nothing.
    np.testing.assert_allclose(below, np.minimum(above, 1 + said), atol=1e-12)


def test_the_row_served_is_the_row_the_evaluation_would_have_made(champions, predictions):
    """Predicted from what was known that day; evaluated months later, on the whole history."""
    later = market_as_of(AFTERWARDS)
    sessions = np.unique(later.quotes["session"])
    sessions = sessions[sessions <= np.datetime64(BEFORE_CARNIVAL)]
    folds = pd.DataFrame({"window": "holdout", "session": sessions, "role": "train"})
    folds.loc[len(sessions) - 100 :, "role"] = "validation"
    folds.loc[len(sessions) - 1, "role"] = "test"
    bundles = {(c.model, c.version): c.bundle for c in champions}
    evaluated = forecast_test_sessions(
        bundles,
        later.samples,
        later.labels,
        path_returns(later.quotes),
        later.quotes["close"].to_numpy(),
        folds,
    )
    key = ["model", "model_version", "ticker", "session", "target_session", "horizon"]
    both = predictions[predictions["reason"] == ""].merge(
        evaluated, on=key, suffixes=("", "_evaluated"), validate="one_to_one"
    )
    served = predictions[predictions["reason"] == ""]
    assert len(both) > 0.95 * len(served)  # a few tickers were halted and have no outcome
    assert sorted(set(both["horizon"])) == list(range(1, 31))

    def same(said: pd.Series, evaluated: pd.Series) -> None:
        # To the last bit of what the evaluation keeps, which may be single precision.
        np.testing.assert_array_equal(said.astype(evaluated.dtype), evaluated)

    for name in ("expected_return", "last_close"):
        same(both[name], both[f"{name}_evaluated"])
    for price, said in [("price_low", "return_low"), ("price_high", "return_high")]:
        np.testing.assert_allclose(both[price], both["last_close"] * (1 + both[said]), rtol=1e-6)
    nearest = both[both["horizon"] == 1]
    for name in PROBABILITIES:
        same(nearest[name], nearest[f"{name}_evaluated"])


def test_a_model_sees_as_far_back_as_it_was_trained_to(champions, predictions):
    """The bundle with a memory adds up the last 70 daily returns; so can a plain loop."""
    market = market_as_of(BEFORE_CARNIVAL)
    first = np.unique(market.quotes["session"])[-LOOKBACK]
    scale = champions[1].bundle.card["calibration"]["scale"][0]
    mine = predictions[
        (predictions["model"] == "memory")
        & (predictions["horizon"] == 1)
        & (predictions["reason"] == "")
    ]
    for row in mine.itertuples():
        own = market.features[market.features["ticker"] == row.ticker]
        total = own.loc[own["session"] >= first, "log_return_1d"].sum()
        expected = total * scale * own["volatility_21d"].iloc[-1]
        assert row.expected_return == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_a_ticker_that_did_not_trade_in_the_session_is_stale(champions, predictions):
    market = market_as_of(BEFORE_CARNIVAL)
    ticker = members(market, BEFORE_CARNIVAL)[0]
    table = predict(champions, without_session(market, ticker, BEFORE_CARNIVAL))
    refused = table[table["ticker"] == ticker]
    assert len(refused) == 2 * 30
    assert set(refused["reason"]) == {"stale_quote"}
    assert refused[NUMBERS].isna().all(axis=None)
    assert refused["action"].isna().all()
    # Its last price is a fact, and is still told: that of the day before.
    own = market.quotes[market.quotes["ticker"] == ticker]
    assert set(refused["last_close"]) == {own["close"].iloc[-2]}
    others = table["ticker"] != ticker
    pd.testing.assert_series_equal(
        table.loc[others, "reason"], predictions.loc[predictions["ticker"] != ticker, "reason"]
    )


def test_a_ticker_outside_the_universe_is_illiquid(champions, predictions):
    market = market_as_of(BEFORE_CARNIVAL)
    ticker = members(market, BEFORE_CARNIVAL)[3]
    table = predict(champions, out_of_universe(market, [ticker]))
    refused = table[table["ticker"] == ticker]
    assert set(refused["reason"]) == {"illiquid"}
    assert refused[NUMBERS].isna().all(axis=None)
    assert refused["action"].isna().all()
    # Nobody else is told another ticker's numbers.
    others = table["ticker"] != ticker
    pd.testing.assert_frame_equal(table[others], predictions[predictions["ticker"] != ticker])


def test_a_ticker_whose_volatility_is_not_known_is_not_forecast(champions):
    market = market_as_of(BEFORE_CARNIVAL)
    ticker = members(market, BEFORE_CARNIVAL)[5]
    unknown = market.features["volatility_21d"].mask(market.features["ticker"] == ticker)
    features = market.features.assign(volatility_21d=unknown)
    table = predict(champions, dataclasses.replace(market, features=features))
    refused = table[table["ticker"] == ticker]
    assert set(refused["reason"]) == {"illiquid"}
    assert refused[NUMBERS].isna().all(axis=None)


def test_a_paper_of_a_kind_we_do_not_forecast_is_not_even_refused(champions):
    market = market_as_of(BEFORE_CARNIVAL)
    ticker = members(market, BEFORE_CARNIVAL)[0]
    is_other = market.universe["ticker"] == ticker
    universe = market.universe.assign(
        in_universe=market.universe["in_universe"] & ~is_other,
        reason=market.universe["reason"].mask(is_other, "asset_class"),
    )
    table = predict(champions, dataclasses.replace(market, universe=universe))
    assert ticker not in set(table["ticker"])


@pytest.mark.parametrize(("n_silent", "is_named"), [(1, True), (62, True), (63, False)])
def test_a_ticker_silent_for_three_months_has_left_the_exchange(champions, n_silent, is_named):
    market = market_as_of(BEFORE_CARNIVAL)
    ticker = members(market, BEFORE_CARNIVAL)[0]
    silent_from = np.unique(market.quotes["session"])[-n_silent]
    kept = ~((market.quotes["ticker"] == ticker) & (market.quotes["session"] >= silent_from))
    names = ("quotes", "universe", "features")
    left = {name: getattr(market, name)[kept].reset_index(drop=True) for name in names}
    table = predict(champions, dataclasses.replace(market, **left))
    assert RECENT_SESSIONS == 63
    reasons = table.loc[table["ticker"] == ticker, "reason"]
    assert set(reasons) == ({"stale_quote"} if is_named else set())


def test_a_day_on_which_everybody_is_refused_is_still_a_table(champions, tmp_path):
    market = market_as_of(BEFORE_CARNIVAL)
    table = predict(champions, out_of_universe(market, set(market.quotes["ticker"])))
    assert (table["reason"] != "").all()
    assert table[NUMBERS].isna().all(axis=None)
    assert broken_promises(PREDICTIONS, table).empty
    assert Lake(tmp_path).insert_new(PREDICTIONS, table).n_rows == len(table)
    assert strongest(table).empty


def test_the_first_word_on_a_session_is_the_last(champions, predictions, tmp_path):
    lake = Lake(tmp_path)
    lake.insert_new(PREDICTIONS, predictions)
    written = lake.read(PREDICTIONS)
    changed = predictions.assign(expected_return=0.5, model_version="9")
    assert not lake.insert_new(PREDICTIONS, changed).changed
    pd.testing.assert_frame_equal(lake.read(PREDICTIONS), written)


def test_the_strongest_are_those_expected_to_move_most_up_or_down(predictions):
    table = strongest(predictions, n=10)
    forecast = predictions[(predictions["reason"] == "") & (predictions["horizon"] == 1)]
    largest = sorted(forecast["expected_return"].abs(), reverse=True)[:10]
    assert table["expected_return"].abs().tolist() == largest
    assert set(table["target_session"]) == {pd.Timestamp(session_after(BEFORE_CARNIVAL))}
    assert len(strongest(predictions, n=10_000)) == len(forecast)
    falling = predictions.assign(expected_return=-predictions["expected_return"])
    assert strongest(falling, n=10).index.tolist() == table.index.tolist()


def test_a_champion_that_knows_the_future_of_the_session_is_refused(champions):
    """Its labels reach six sessions beyond the last session it was trained on."""
    market = market_as_of(BEFORE_CARNIVAL)
    for training_end, is_refused in (("2020-02-13", False), ("2020-02-14", True)):
        card = {**champions[0].bundle.card, "training_sessions": ["2018-01-02", training_end]}
        bundle = dataclasses.replace(champions[0].bundle, card=card)
        asked = [dataclasses.replace(champions[0], bundle=bundle)]
        if is_refused:
            with pytest.raises(RegistryError, match="would be hindsight"):
                predict(asked, market)
        else:
            assert bundle.learned_until == BEFORE_CARNIVAL
            assert len(predict(asked, market))
