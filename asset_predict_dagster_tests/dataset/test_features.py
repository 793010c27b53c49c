"""The catalogue's columns, the market as a whole, and a ticker's place in it."""

import math
from functools import cache
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.catalogue import as_markdown
from asset_predict_dagster.dataset.features import (
    CATALOGUE,
    FEATURE_NAMES,
    TABLE,
    compute_features,
)
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster_tests.dataset.hand_made_bars import everyone, features_of, lively

RANKS = [feature for feature in CATALOGUE if feature.rank_of]


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


def of_members(quotes, in_universe, column, session):
    """Known values of the members of one session."""
    is_member = in_universe & (quotes["session"] == session).to_numpy()
    return column[is_member].dropna().tolist()


def mean(values):
    return sum(values) / len(values) if values else math.nan


def deviation(values):
    return math.sqrt(mean([(value - mean(values)) ** 2 for value in values]))


def test_the_market_is_its_universe_session_by_session_and_missing_without_one():
    quotes, in_universe, features = small_universe()
    sessions = sorted(set(quotes["session"]))
    daily, spread, breadth = [], [], []
    for session in sessions:
        returns = of_members(quotes, in_universe, features["log_return_1d"], session)
        daily.append(mean(returns))
        spread.append(deviation(returns) if returns else math.nan)
        trends = of_members(quotes, in_universe, features["log_return_21d"], session)
        breadth.append(mean([float(trend > 0) for trend in trends]))
    assert all(math.isnan(value) for value in [*daily[:5], daily[80]])
    assert sum(math.isfinite(value) for value in daily[59:80]) == 21
    assert 0 < breadth[60] < 1 and math.isnan(breadth[80])
    for position, session in enumerate(sessions):
        last_21 = daily[max(position - 20, 0) : position + 1]
        known = len(last_21) == 21 and not any(math.isnan(value) for value in last_21)
        expected = {
            "market_return_1d": daily[position],
            "market_return_21d": sum(last_21) if known else math.nan,
            "market_breadth_21d": breadth[position],
            "market_dispersion_21d": mean(spread[position - 20 : position + 1] if known else []),
            "market_volatility_21d": deviation(last_21) if known else math.nan,
        }
        rows = features.loc[features["session"] == session, list(expected)].to_numpy()
        by_hand = np.tile([*expected.values()], (len(rows), 1))
        np.testing.assert_allclose(rows, by_hand, rtol=1e-6, atol=1e-7)


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


# fmt: off
SECTION_5 = {
    "daily_return", "rolling_volatility_5", "moving_avg_10", "macd", "macd_signal", "macd_hist",
    "rsi_14", "volume_change", "avg_volume_10", "best_buy_sell_spread", "close_to_best_buy",
    "market_type_NM", "asset_type_ON", "day_of_week", "price_momentum_5", "high_breakout_20",
    "bollinger_upper", "bollinger_middle", "bollinger_lower", "stochastic_14", "sma_20", "sma_50",
    "sma_200", "ema_12", "ema_26", "atr_14", "returns",
}
# fmt: on
"""The names that people expect."""


def test_the_columns_are_the_catalogue_in_its_order():
    _, _, features = small_universe()
    names = [feature.name for feature in CATALOGUE]
    assert list(features.columns) == ["ticker", "session", *names] == TABLE.column_names
    assert (features.dtypes.iloc[2:] == np.float32).all()
    assert len(set(names)) == len(names)
    assert set(names) >= SECTION_5


def test_models_see_no_price_level_and_people_see_everything():
    for_models = [feature for feature in CATALOGUE if feature.for_models]
    assert tuple(feature.name for feature in for_models) == FEATURE_NAMES
    assert [feature.name for feature in for_models if "R$" in feature.unit] == []
    assert SECTION_5 & set(FEATURE_NAMES) == {"rsi_14", "stochastic_14"}


def test_every_rank_is_of_a_feature_that_models_see():
    assert {feature.rank_of for feature in RANKS} <= set(FEATURE_NAMES)


def test_the_document_lists_the_catalogue():
    """`python -m asset_predict_dagster.dataset.catalogue > docs/FEATURES.md` writes it anew."""
    document = Path(__file__).parents[2] / "docs" / "FEATURES.md"
    assert document.read_text() == as_markdown() + "\n"


def test_a_ticker_steps_over_the_sessions_in_which_it_did_not_trade():
    """What it does next is compared with its own last session, as if nothing lay between."""
    trades_on = [*range(50), *range(80, 150)]
    halted = lively("HALT3", 120, 1)
    days = lively("DAYS3", 150, 2)["session"]
    halted["session"] = days.iloc[trades_on].to_numpy()
    always = lively("HALT3", 120, 1)
    one, other = features_of(halted), features_of(always)
    names = [f.name for f in CATALOGUE if f.compute and f.name not in ("beta_126d", "day_of_week")]
    pd.testing.assert_frame_equal(one[names], other[names])


# --- Rows that cannot be what they say ---------------------------------------------------------


def two_tickers():
    table = pd.concat([lively("AAAA3", 40, 1), lively("BBBB3", 40, 2)], ignore_index=True)
    return table, everyone(table).assign(ticker=table["ticker"], session=table["session"])


@pytest.mark.parametrize(
    "rearranged",
    [
        lambda quotes: quotes.sample(frac=1, random_state=0),
        lambda quotes: quotes.sort_values(["session", "ticker"]),
        lambda quotes: quotes.sort_values(["ticker", "session"], ascending=[True, False]),
        lambda quotes: quotes.iloc[[*range(20), *range(19, 80)]],
    ],
    ids=["shuffled", "by session", "backwards in time", "a session twice"],
)
def test_rows_in_another_order_are_refused_by_name(rearranged):
    quotes, universe = two_tickers()
    quotes = rearranged(quotes)
    with pytest.raises(DatasetError, match=r"the row of [AB]{4}3 on 2020-\d\d-\d\d is not where"):
        compute_features(quotes, universe.loc[quotes.index])


def test_a_universe_of_other_keys_is_refused():
    quotes, universe = two_tickers()
    for other in (universe[:-5], universe[::-1]):
        with pytest.raises(DatasetError, match="should have the keys of quotes"):
            compute_features(quotes, other)


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan])
def test_a_price_that_is_none_is_refused_by_name(price):
    quotes, universe = two_tickers()
    quotes.loc[50, "adjusted_low"] = price
    with pytest.raises(DatasetError, match=r"BBBB3 on 2020-01-15: adjusted_low"):
        compute_features(quotes, universe)


def test_no_quotes_have_no_features():
    quotes, universe = two_tickers()
    none = compute_features(quotes[:0], universe[:0])
    assert none.columns.tolist() == TABLE.column_names
    assert len(none) == 0


def test_a_spread_of_one_centavo_in_ten_is_that_of_two_in_twenty():
    """9.99 to 10.00 and 19.98 to 20.00 differ in their last bits; equal spreads share a rank."""
    table = pd.concat([lively(f"SAM{n}3", 30, n) for n in range(8)], ignore_index=True)
    unit = 1 + table["ticker"].str[3].astype(float)
    table["best_bid"], table["best_ask"] = 9.99 * unit, 10.0 * unit
    features = compute_features(table, everyone(table))
    assert features["rank_bid_ask_spread"].abs().max() < 1e-6
