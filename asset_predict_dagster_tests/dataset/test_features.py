"""Features look back, all the way from B3's records, and each one is what its formula says."""

import math
from collections.abc import Callable
from datetime import date
from functools import cache
from statistics import NormalDist, median

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.features import (
    CATALOGUE,
    FEATURE_NAMES,
    TABLE,
    compute_features,
    gaussian_rank,
)
from asset_predict_dagster.market.quotes import adjust, clean_quotes
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.market.universe import liquid_universe

OF_A_TICKER = [feature for feature in CATALOGUE if feature.compute is not None]
RANKS = [feature for feature in CATALOGUE if feature.rank_of]


def quotes_of(ticker, close, traded_value=5e6, spread=0.0, open_=None, first="2020-01-01"):
    """A ticker that trades on every weekday from `first`; high and low are `spread` around."""
    close = np.asarray(close, dtype=np.float64)
    open_ = close if open_ is None else np.asarray(open_, dtype=np.float64)
    days = np.busday_offset(first, np.arange(len(close)), roll="forward")
    return pd.DataFrame(
        {
            "ticker": ticker,
            "session": days.astype("datetime64[us]"),
            "adjusted_open": open_,
            "adjusted_high": np.maximum(open_, close) * (1 + spread),
            "adjusted_low": np.minimum(open_, close) * (1 - spread),
            "adjusted_close": close,
            "volume_brl": np.broadcast_to(np.asarray(traded_value, dtype=np.float64), close.shape),
        }
    )


def everyone(quotes):
    return pd.DataFrame({"in_universe": np.ones(len(quotes), dtype=bool)})


def features_of(*quotes):
    table = pd.concat(quotes, ignore_index=True)
    return compute_features(table, everyone(table))


def lively(ticker, n, seed, first="2020-01-01"):
    """n sessions of a ticker whose price and traded value wander."""
    random = np.random.default_rng(seed)
    close = 20 * np.exp(random.normal(0, 0.02, n).cumsum())
    open_ = close * np.exp(random.normal(0, 0.01, n))
    return quotes_of(ticker, close, np.exp(random.normal(15, 1, n)), 0.008, open_, first)


# --- Every feature is its formula ----------------------------------------------------------

Past = dict[str, list[float]]
"""What one ticker did up to t: open, high, low, close, value; the last entry is t."""


def log_return(past: Past, n: int, ago: int = 0) -> float:
    closes = past["close"][: len(past["close"]) - ago]
    return math.log(closes[-1] / closes[-1 - n])


def volatility(past: Past, n: int) -> float:
    returns = [log_return(past, 1, ago) for ago in range(n)]
    mean = sum(returns) / n
    return math.sqrt(sum((value - mean) ** 2 for value in returns) / n)


def band_position(past: Past) -> float:
    closes = past["close"][-20:]
    mean = sum(closes) / 20
    deviation = math.sqrt(sum((close - mean) ** 2 for close in closes) / 20)
    return (closes[-1] - mean) / (2 * deviation)


def mean_log_value(past: Past, n: int) -> float:
    return sum(math.log(value) for value in past["value"][-n:]) / n


def illiquidity(past: Past) -> float:
    moved = [
        abs(log_return(past, 1, ago)) / (past["value"][-1 - ago] / 1_000_000) for ago in range(21)
    ]
    return math.log(sum(moved) / 21)


def last_of(indicator: Callable, past: Past, columns: str, *periods: int) -> float:
    """TA-Lib's value at t, when nothing after t exists."""
    return indicator(*(np.array(past[name]) for name in columns.split()), *periods)[-1]


def macd_histogram(*given) -> np.ndarray:
    return talib.MACD(*given)[2]


BY_HAND: dict[str, Callable[[Past], float]] = {
    **{f"log_return_{n}d": lambda past, n=n: log_return(past, n) for n in (1, 5, 21, 63, 126, 252)},
    "volatility_21d": lambda past: volatility(past, 21),
    "volatility_63d": lambda past: volatility(past, 63),
    "overnight_gap": lambda past: math.log(past["open"][-1] / past["close"][-2]),
    "intraday_return": lambda past: math.log(past["close"][-1] / past["open"][-1]),
    "close_location": lambda past: (
        (past["close"][-1] - past["low"][-1]) / (past["high"][-1] - past["low"][-1]) - 0.5
    ),
    "rsi_14": lambda past: last_of(talib.RSI, past, "close", 14),
    "macd_hist_over_close": lambda past: (
        last_of(macd_histogram, past, "close", 12, 26, 9) / past["close"][-1]
    ),
    "bollinger_position_20": band_position,
    "atr_14_over_close": lambda past: (
        last_of(talib.ATR, past, "high low close", 14) / past["close"][-1]
    ),
    "adx_14": lambda past: last_of(talib.ADX, past, "high low close", 14),
    "distance_to_sma_200": lambda past: past["close"][-1] / (sum(past["close"][-200:]) / 200) - 1,
    "distance_to_high_252d": lambda past: math.log(past["close"][-1] / max(past["high"][-252:])),
    "traded_value_surprise_1d": lambda past: math.log(past["value"][-1]) - mean_log_value(past, 21),
    "traded_value_trend_21d": lambda past: mean_log_value(past, 21) - mean_log_value(past, 126),
    "illiquidity_21d": illiquidity,
    "max_return_21d": lambda past: max(log_return(past, 1, ago) for ago in range(21)),
}


@cache
def two_tickers():
    table = pd.concat([lively("AAAA3", 300, 1), lively("BBBB4", 280, 2)], ignore_index=True)
    return table, compute_features(table, everyone(table))


@pytest.mark.parametrize("feature", OF_A_TICKER, ids=lambda feature: feature.name)
def test_a_feature_of_a_ticker_is_its_formula_and_missing_exactly_in_its_warm_up(feature):
    quotes, features = two_tickers()
    for ticker, rows in quotes.groupby("ticker"):
        found = features.loc[features["ticker"] == ticker, feature.name].to_numpy()
        columns = ("open", "high", "low", "close")
        history = {name: rows[f"adjusted_{name}"].tolist() for name in columns}
        history["value"] = rows["volume_brl"].tolist()
        for t in range(len(rows)):
            if t < feature.warm_up:
                assert math.isnan(found[t]), f"{ticker} {t}"
            else:
                past = {name: values[: t + 1] for name, values in history.items()}
                by_hand = BY_HAND[feature.name](past)
                assert found[t] == pytest.approx(by_hand, rel=1e-5, abs=1e-6), f"{ticker} {t}"


def test_every_feature_of_a_ticker_is_written_by_hand_here():
    assert set(BY_HAND) == {feature.name for feature in OF_A_TICKER}


@cache
def small_universe():
    """Five tickers of different ages; who is in the universe changes from session to session."""
    table = pd.concat(
        [
            lively(f"TCK{number}3", 160 - 20 * number, number, first)
            for number, first in enumerate(["2020-01-01", "2020-01-01", "2020-02-03"] * 2)
        ],
        ignore_index=True,
    )
    in_universe = np.random.default_rng(0).random(len(table)) < 0.7
    # Nobody at all on the first five sessions and on one in the middle.
    sessions = np.unique(table["session"])
    in_universe &= ~table["session"].isin([*sessions[:5], sessions[80]]).to_numpy()
    return table, in_universe, compute_features(table, pd.DataFrame({"in_universe": in_universe}))


def test_the_market_is_the_mean_of_its_universe_and_missing_without_one():
    quotes, in_universe, features = small_universe()
    sessions = sorted(set(quotes["session"]))
    daily = []
    for session in sessions:
        is_member = in_universe & (quotes["session"] == session).to_numpy()
        returns = features["log_return_1d"][is_member].dropna()
        daily.append(sum(returns) / len(returns) if len(returns) else math.nan)
    assert all(math.isnan(value) for value in [*daily[:5], daily[80]])
    assert sum(math.isfinite(value) for value in daily[59:80]) == 21
    for position, session in enumerate(sessions):
        last_21 = daily[max(position - 20, 0) : position + 1]
        known = len(last_21) == 21 and not any(math.isnan(value) for value in last_21)
        mean = sum(last_21) / 21 if known else math.nan
        expected = [
            daily[position],
            sum(last_21) if known else math.nan,
            math.sqrt(sum((value - mean) ** 2 for value in last_21) / 21) if known else math.nan,
        ]
        names = ["market_return_1d", "market_return_21d", "market_volatility_21d"]
        rows = features.loc[features["session"] == session, names].to_numpy()
        np.testing.assert_allclose(rows, np.tile(expected, (len(rows), 1)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("feature", RANKS, ids=lambda feature: feature.name)
def test_a_rank_is_among_the_universe_of_its_session(feature):
    _, in_universe, features = small_universe()
    for _, rows in features.groupby("session"):
        values = rows[feature.rank_of].where(in_universe[rows.index])
        peers = values.dropna().tolist()
        for value, found in zip(values, rows[feature.name], strict=True):
            if math.isnan(value):
                assert math.isnan(found)
                continue
            below, equal = (
                sum(other < value for other in peers),
                sum(other == value for other in peers),
            )
            place = (below + equal / 2) / len(peers)
            assert found == pytest.approx(NormalDist().inv_cdf(place), abs=1e-6)


def test_ties_share_their_rank_and_a_lone_ticker_stands_in_the_middle():
    day = pd.Series(pd.to_datetime(["2024-01-02"] * 4 + ["2024-01-03"]))
    ranks = gaussian_rank(np.array([1.0, 5.0, 5.0, 9.0, 123.0]), day)
    assert ranks.round(4).tolist() == [-1.1503, 0.0, 0.0, 1.1503, 0.0]


def test_the_columns_are_the_catalogue_in_its_order():
    _, features = two_tickers()
    assert list(features.columns) == ["ticker", "session", *FEATURE_NAMES]
    assert list(features.columns) == TABLE.column_names
    assert (features.dtypes.iloc[2:] == np.float32).all()
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)


# --- Odd prices ------------------------------------------------------------------------------


def test_a_price_that_never_moved_has_no_volatility_no_band_and_no_illiquidity():
    last = features_of(quotes_of("FLAT3", [10.0] * 300)).iloc[-1]
    for name in ("log_return_252d", "volatility_21d", "volatility_63d", "atr_14_over_close"):
        assert last[name] == 0.0
    assert last["traded_value_surprise_1d"] == pytest.approx(0, abs=1e-12)
    for name in ("close_location", "bollinger_position_20", "illiquidity_21d"):
        assert math.isnan(last[name])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_price_that_stopped_moving_forgets_that_it_did(seed):
    """Running sums would leave a little of what went before, and its logarithm is not small."""
    before = lively("STOP3", 60, seed)["adjusted_close"].tolist()
    value = np.exp(np.random.default_rng(seed).normal(15, 2, 90))
    last = features_of(quotes_of("STOP3", before + before[-1:] * 30, value)).iloc[-1]
    assert last["volatility_21d"] == 0.0
    assert math.isnan(last["illiquidity_21d"])
    assert math.isnan(last["bollinger_position_20"])


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
    assert not np.isinf(features[list(FEATURE_NAMES)].to_numpy()).any()


# --- Scale -----------------------------------------------------------------------------------

LAST = date(2019, 10, 31)

PRICES = ("open", "high", "low", "average", "close", "best_bid", "best_ask")


@cache
def small_market():
    """Records of the spot market and corporate actions, 2018 to October 2019; only read."""
    simulation = SimulatedMarket(seed=42).simulate(LAST)
    records = simulation.records
    spot = records[records["market_type"] == "010"].reset_index(drop=True)
    return spot, simulation.corporate_actions


def chain(records, corporate_actions, last=LAST):
    """Records → quotes → universe → features, as the pipeline makes them, side by side."""
    quotes = adjust(clean_quotes(records, last), corporate_actions)
    universe = liquid_universe(quotes)
    features = compute_features(quotes, universe)
    numbers = ["split_factor", "dividend_factor", *(f"adjusted_{p}" for p in ("high", "close"))]
    of_universe = ["in_universe", "traded_share", "traded_value_brl"]
    parts = [features, quotes[numbers], universe[of_universe], universe["reason"]]
    return pd.concat(parts, axis=1)


@cache
def whole_chain():
    return chain(*small_market())


def assert_same_features(one, other, names=FEATURE_NAMES):
    columns = ["ticker", "session", *names]
    pd.testing.assert_frame_equal(one[columns], other[columns], rtol=1e-4, atol=2e-5)


def dearer(times):
    """The small market with one ticker's prices and dividends `times` as high."""
    records, actions = small_market()
    of_one = records["ticker"] == "ZZAD4"
    paid_by_one = actions["ticker"] == "ZZAD4"
    assert of_one.any() and paid_by_one.any()
    prices = {name: records[name].where(~of_one, records[name] * times) for name in PRICES}
    paid = actions["amount_brl"].where(~paid_by_one, actions["amount_brl"] * times)
    return chain(records.assign(**prices), actions.assign(amount_brl=paid))


def test_a_price_in_another_currency_changes_no_feature():
    """ADX asks which of two moves is larger, and rounding answers where they are equal."""
    names = [name for name in FEATURE_NAMES if name != "adx_14"]
    assert_same_features(dearer(7), whole_chain(), names)
    assert_same_features(dearer(8), whole_chain(), ["adx_14"])  # a power of two rounds nothing


def test_ten_times_the_traded_value_everywhere_is_no_surprise():
    records, actions = small_market()
    busier = chain(records.assign(volume_brl=records["volume_brl"] * 10), actions)
    names = [name for name in FEATURE_NAMES if "traded_value_" in name and "rank" not in name]
    assert names == ["traded_value_surprise_1d", "traded_value_trend_21d"]
    assert_same_features(busier, whole_chain(), names)
    fallen = whole_chain()["illiquidity_21d"] - busier["illiquidity_21d"]
    assert median(fallen.dropna()) == pytest.approx(math.log(10), abs=1e-5)


# --- Nothing after t changes row t -----------------------------------------------------------


def cut_at(position):
    """The first session that is hidden or disturbed."""
    return np.unique(small_market()[0]["session"])[position]


def assert_past_stays(make, changed_records, changed_actions, cut):
    """Every row before `cut` is the same, bit for bit, however the records go on."""
    before = make(*small_market())
    after = make(changed_records, changed_actions)
    before, after = (table[table["session"] < cut] for table in (before, after))
    assert len(before) > 0
    for name in before:
        one, other = before[name].to_numpy(), after[name].to_numpy()
        if one.dtype.kind == "f":
            one, other = (values.view(f"u{values.itemsize}") for values in (one, other))
        assert len(one) == len(other) and (one == other).all(), f"{name} before {cut} changed"


def disturbed(cut, seed):
    """The market goes on otherwise from `cut`: other prices, values, halts, events, listings."""
    records, actions = small_market()
    random = np.random.default_rng(seed)
    later = (records["session"] >= cut).to_numpy()
    shock = np.where(later, np.exp(random.normal(0, 1, len(records))), 1.0)
    changed = records.assign(
        **{name: records[name] * shock for name in PRICES},
        volume_brl=records["volume_brl"] * shock**3,
        specification=records["specification"].where(~later, "BDR"),
    )
    changed = changed[~later | (random.random(len(records)) < 0.8)]
    listed = changed[(changed["session"] >= cut) & (changed["ticker"] == "ZZAD4")]
    changed = pd.concat([changed, listed.assign(ticker="AAAA3")], ignore_index=True)
    split = pd.DataFrame(
        {
            "ticker": records["ticker"].unique(),
            "ex_date": cut,
            "kind": "split",
            "amount_brl": np.nan,
            "factor": 2.0,
        }
    )
    earlier = actions[actions["ex_date"] < cut]
    return changed, pd.concat([earlier, split], ignore_index=True)


cuts = st.integers(64, 449)


@given(position=cuts)
@settings(max_examples=12, deadline=None)
def test_hiding_what_comes_later_changes_nothing(position):
    records, actions = small_market()
    cut = cut_at(position)
    known = records[records["session"] < cut], actions[actions["ex_date"] < cut]
    assert_past_stays(chain_or_known, *known, cut)


@given(position=cuts)
@settings(max_examples=5, deadline=None)
def test_running_as_of_an_earlier_session_is_hiding_what_comes_later(position):
    cut = cut_at(position)
    last = pd.Timestamp(cut_at(position - 1)).date()
    as_of = chain(*small_market(), last)
    before = whole_chain()[whole_chain()["session"] < cut].reset_index(drop=True)
    pd.testing.assert_frame_equal(as_of, before, check_exact=True)


@given(position=cuts, seed=st.integers(0, 1000))
@settings(max_examples=12, deadline=None)
def test_whatever_comes_later_changes_nothing(position, seed):
    cut = cut_at(position)
    assert_past_stays(chain_or_known, *disturbed(cut, seed), cut)


def chain_or_known(records, actions):
    """`chain`, computed once for the market as it is."""
    return whole_chain() if records is small_market()[0] else chain(records, actions)


def centred_mean(records, actions):
    """A leak planted on purpose: a window that looks one session ahead."""
    table = chain_or_known(records, actions)
    mean = table.groupby("ticker")["log_return_1d"].rolling(3, center=True).mean()
    return table[["ticker", "session"]].assign(leak=mean.to_numpy())


def scaled_by_history(records, actions):
    """A leak planted on purpose: a scaler fitted on all that is there."""
    table = chain_or_known(records, actions)
    return table[["ticker", "session"]].assign(leak=table["rsi_14"] - table["rsi_14"].mean())


@pytest.mark.parametrize("leaking", [centred_mean, scaled_by_history])
def test_a_planted_leak_is_caught(leaking):
    cut = cut_at(300)
    records, actions = small_market()
    with pytest.raises(AssertionError, match="leak"):
        assert_past_stays(leaking, *disturbed(cut, 0), cut)
    hidden = records[records["session"] < cut], actions[actions["ex_date"] < cut]
    with pytest.raises(AssertionError, match="leak"):
        assert_past_stays(leaking, *hidden, cut)


def test_the_small_market_has_what_could_leak():
    table = whole_chain()
    assert table["in_universe"].mean() > 0.5
    assert (table["split_factor"] != 1).any() and (table["dividend_factor"] != 1).any()
    assert table["rank_log_return_252d"].notna().any()
    assert set(table["reason"]) >= {"", "too_new"}
