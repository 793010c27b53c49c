"""Features look back, all the way from B3's records, and do not depend on a price's scale."""

import math
from datetime import date
from functools import cache
from statistics import median

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.features import FEATURE_NAMES, compute_features
from asset_predict_dagster.market.quotes import adjust, clean_quotes
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.market.universe import liquid_universe

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
