"""Odd sessions: still prices, missing quotes, ties; a formula without an answer is missing."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.features import CATALOGUE, compute_features
from asset_predict_dagster_tests.dataset.hand_made_bars import features_of, lively, quotes_of

OF_A_TICKER = [feature for feature in CATALOGUE if feature.compute is not None]

NO_ANSWER_ON_A_FLAT_PRICE = {
    *("close_location", "rsi_14", "bollinger_position_20", "stochastic_14", "adx_14", "cci_20"),
    *("mfi_14", "illiquidity_21d", "beta_126d", "rank_illiquidity_21d", "rank_beta_126d"),
}


def test_a_price_that_never_moved_has_no_volatility_no_range_and_no_strength():
    last = features_of(quotes_of("FLAT3", [10.1] * 300)).iloc[-1]
    for name in ("log_return_252d", "volatility_21d", "parkinson_volatility_21d", "atr_14"):
        assert last[name] == 0.0
    assert last["traded_value_surprise_1d"] == pytest.approx(0, abs=1e-12)
    assert set(last.index[last.isna()]) == NO_ANSWER_ON_A_FLAT_PRICE


def test_a_price_that_falls_every_day_has_no_relative_strength_but_a_number():
    falling = features_of(quotes_of("DOWN3", 50 - np.arange(60.0) / 10, spread=0.01)).iloc[-1]
    assert falling[["rsi_14", "mfi_14"]].tolist() == [0.0, 0.0]
    assert falling["adx_14"] == 100.0
    assert falling["stochastic_14"] < 25


def test_a_price_that_fell_or_rose_and_then_stood_still_keeps_its_strength():
    falls, stands = 100 - np.arange(40.0), np.full(40, 61.0)
    assert features_of(quotes_of("FALL3", [*falls, *stands]))["rsi_14"].iloc[-1] == 0.0
    assert features_of(quotes_of("RISE3", [*falls[::-1], *stands + 39]))["rsi_14"].iloc[-1] == 100.0


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_price_that_stopped_moving_forgets_that_it_did(seed):
    """Running sums would leave a little of what went before, and its logarithm is not small."""
    before = lively("STOP3", 60, seed)["adjusted_close"].tolist()
    value = np.exp(np.random.default_rng(seed).normal(15, 2, 90))
    last = features_of(quotes_of("STOP3", before + before[-1:] * 30, value)).iloc[-1]
    assert last["volatility_21d"] == last["parkinson_volatility_21d"] == 0.0
    for name in ("illiquidity_21d", "bollinger_position_20", "stochastic_14", "cci_20", "mfi_14"):
        assert math.isnan(last[name])


def test_wilders_averages_keep_what_they_saw_when_a_price_stops_moving():
    """TA-Lib's RSI and ADX never forget: only of what never was is there nothing to say."""
    before = lively("STOP3", 60, 5)
    after = quotes_of("STOP3", [before["adjusted_close"].iloc[-1]] * 30, first="2020-06-01")
    last = features_of(before, after).iloc[-1]
    assert 0 < last["rsi_14"] < 100
    assert last["adx_14"] > 0


def test_equal_moves_of_high_and_low_count_for_neither_side_as_in_ta_lib():
    # Highs rise and lows fall by a quarter a day, which doubles hold exactly.
    close = np.full(60, 40.0)
    quotes = quotes_of("WIDE3", close)
    quotes["adjusted_high"] = 40.0 + np.arange(60) / 4
    quotes["adjusted_low"] = 40.0 - np.arange(60) / 4
    assert features_of(quotes)["adx_14"].isna().all()


def test_a_session_without_traded_value_is_missing_and_forgotten_when_it_leaves_the_window():
    value = np.full(200, 5e6)
    value[30] = 0.0
    close = lively("ZERO3", 200, 3)["adjusted_close"]
    features = features_of(quotes_of("ZERO3", close, value))
    for name, first, n in (
        ("traded_value_surprise_1d", 20, 21),
        ("illiquidity_21d", 21, 21),
        ("traded_value_trend_21d", 125, 126),
    ):
        missing = np.flatnonzero(features[name].isna())
        assert missing.tolist() == sorted({*range(first), *range(30, 30 + n)})
    assert features["volume_change"][29:33].tolist()[0::3] == [0.0, 0.0]
    assert features["volume_change"][30] == -1.0 and math.isnan(features["volume_change"][31])
    assert features["avg_volume_10"][30] == 4.5e6


def test_no_bid_no_spread():
    quotes = quotes_of("BIDS3", [10.0] * 4)
    quotes.loc[0, "best_bid"] = np.nan
    quotes.loc[1, "best_ask"] = np.nan
    quotes.loc[2, "best_ask"] = quotes.loc[2, "best_bid"] - 1  # they cross
    features = features_of(quotes)
    assert features["bid_ask_spread"].isna().tolist() == [True, True, True, False]
    assert features["best_buy_sell_spread"].isna().tolist() == [True, True, False, False]
    assert features["close_to_best_buy"].isna().tolist() == [True, False, False, False]
    assert features["best_buy_sell_spread"][3] == pytest.approx(20.4 - 19.8, rel=1e-6)


def test_one_centavo_of_ten_reais_and_two_of_twenty_are_one_spread():
    tickers = []
    for number in range(1, 8):
        quotes = quotes_of(f"TCK{number}3", [10.0])
        tickers.append(quotes.assign(best_bid=9.99 * number, best_ask=10.0 * number))
    features = features_of(*tickers)
    assert set(features["rank_bid_ask_spread"]) == {0.0}
    assert features["bid_ask_spread"][0] == pytest.approx(0.01 / 9.995, rel=1e-6)


def test_money_flows_by_true_moves_and_not_by_the_rounding_of_three_prices():
    # 9.90 + 10.40 + 10.30 and 9.70 + 10.60 + 10.30 are equal in centavos and not in doubles.
    quotes = quotes_of("MFIS3", np.full(20, 10.3))
    quotes["adjusted_low"] = np.where(np.arange(20) % 2, 9.9, 9.7)
    quotes["adjusted_high"] = np.where(np.arange(20) % 2, 10.4, 10.6)
    typical = quotes["adjusted_high"] + quotes["adjusted_low"] + quotes["adjusted_close"]
    assert typical.nunique() == 2
    assert features_of(quotes)["mfi_14"].isna().all()


@pytest.mark.parametrize(
    ("especi", "is_nm", "is_on"),
    [
        ("ON      NM", 1.0, 1.0),
        ("ON  ED  NM", 1.0, 1.0),
        ("PNA     N1", 0.0, 0.0),
        ("PN  ED  NM", 1.0, 0.0),
        ("ON*", 0.0, 1.0),
        ("UNT     N2", 0.0, 0.0),
        ("CI  NMX", 0.0, 0.0),
        ("", math.nan, math.nan),
        (None, math.nan, math.nan),
    ],
)
def test_the_listing_segment_and_the_common_share_are_read_from_especi(especi, is_nm, is_on):
    row = features_of(quotes_of("KIND3", [10.0], especi=especi)).iloc[0]
    np.testing.assert_equal([row["market_type_NM"], row["asset_type_ON"]], [is_nm, is_on])


def test_equal_highs_are_a_breakout_and_lower_ones_are_none():
    close = [10.0] * 20 + [11.0, 10.5]
    assert features_of(quotes_of("PEAK3", close))["high_breakout_20"][19:].tolist() == [1, 1, 0]


def test_a_ticker_that_is_the_market_has_a_beta_of_one():
    features = features_of(lively("ONLY3", 140, 6))
    assert features["beta_126d"].iloc[-1] == pytest.approx(1.0)


def test_a_beta_waits_until_the_universe_was_there_for_the_whole_window():
    quotes = pd.concat([lively("AAAA3", 200, 1), lively("BBBB3", 200, 2)], ignore_index=True)
    in_universe = (quotes["session"] >= quotes["session"][40]).to_numpy()
    features = compute_features(quotes, pd.DataFrame({"in_universe": in_universe}))
    assert np.flatnonzero(features["beta_126d"][:200].notna()).tolist() == [*range(165, 200)]


@pytest.mark.parametrize("n_sessions", [1, 2, 21, 22])
def test_a_ticker_just_listed_has_what_its_few_sessions_allow(n_sessions):
    features = features_of(lively("YOUN3", n_sessions, 4)).iloc[-1]
    for feature in OF_A_TICKER:
        assert math.isnan(features[feature.name]) == (n_sessions <= feature.warm_up)


prices = st.lists(st.sampled_from([1.0, 1.01, 1.02, 50.0]), min_size=1, max_size=60)


@given(close=prices, value=st.lists(st.sampled_from([0.0, 1.0, 1e6, 1e12]), min_size=60))
@settings(max_examples=40, deadline=None)
def test_no_feature_is_ever_infinite(close, value):
    features = features_of(quotes_of("JUMP3", close, value[: len(close)]))
    assert not np.isinf(features.iloc[:, 2:].to_numpy()).any()
