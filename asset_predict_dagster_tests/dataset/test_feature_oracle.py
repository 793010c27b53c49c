"""The catalogue and its pandas twin say the same, holes included."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.features import CATALOGUE, compute_features
from asset_predict_dagster_tests.dataset.feature_oracle import features_by_groupby
from asset_predict_dagster_tests.dataset.hand_made_bars import lively, quotes_of


def patchy_panel(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Six tickers of all ages with halts, still prices, sessions without a bid, and a flat one."""
    random = np.random.default_rng(seed)
    especi = ["ON      NM", "PN      N1", "", "UNT     N2", "ON", "PNA  NM"]
    tickers = [
        lively(f"TCK{number}3", n, 10 * seed + number, especi=especi[number])
        for number, n in enumerate([340, 300, 280, 120, 30, 1])
    ]
    quotes = pd.concat([*tickers, quotes_of("TCKF3", [10.1] * 290)], ignore_index=True)
    quotes = quotes[random.random(len(quotes)) > 0.05].reset_index(drop=True)
    # For a month nothing moves the second ticker.
    still = np.flatnonzero(quotes["ticker"] == "TCK13")[100:130]
    for name in ("open", "high", "low", "close"):
        quotes.loc[still, f"adjusted_{name}"] = quotes["adjusted_close"][still[0]]
    for name in ("best_bid", "best_ask"):
        quotes[name] = quotes[name].where(random.random(len(quotes)) > 0.1)
    quotes["volume_brl"] = quotes["volume_brl"].where(random.random(len(quotes)) > 0.01, 0.0)
    # Rounding would rank prices that stand still, whose distance to their mean is 0 but for dust.
    in_universe = (random.random(len(quotes)) < 0.8) & (quotes["ticker"] != "TCKF3")
    in_universe[still] = False
    return quotes, pd.DataFrame({"in_universe": in_universe})


@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_every_column_is_the_one_that_pandas_makes(seed):
    quotes, universe = patchy_panel(seed)
    ours, theirs = compute_features(quotes, universe), features_by_groupby(quotes, universe)
    assert set(theirs) == {feature.name for feature in CATALOGUE}
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("feature", CATALOGUE, ids=lambda feature: feature.name)
def test_the_patchy_panel_knows_and_misses_some_of_every_feature(feature):
    known = compute_features(*patchy_panel(0))[feature.name].notna()
    assert known.any()
    assert not known.all() or feature.name in {"daily_return", "intraday_return", "day_of_week"}
