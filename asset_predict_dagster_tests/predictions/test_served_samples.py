"""A prediction is made from the recent rows, as many as the longest window needs."""

from datetime import date

import numpy as np
import pytest

from asset_predict_dagster.predictions.served_samples import RECENT_SESSIONS, served_samples
from asset_predict_dagster_tests.market.simulated_tables import market_as_of

LAST = date(2019, 12, 30)


@pytest.mark.parametrize(("lookback", "n_sessions"), [(1, RECENT_SESSIONS), (70, 70)])
def test_they_reach_back_as_far_as_the_longest_window_and_no_further(lookback, n_sessions):
    market = market_as_of(LAST)
    samples = served_samples(market.features, market.universe, lookback)
    days = np.unique(market.features["session"].to_numpy())[-n_sessions:]
    assert samples.sessions.tolist() == days.astype("datetime64[D]").tolist()
    recent = market.features["session"].isin(days)
    assert samples.n_rows == recent.sum()
    expected = market.features.loc[recent, list(samples.feature_names)]
    np.testing.assert_array_equal(samples.features, expected.to_numpy())


def test_they_know_no_label():
    market = market_as_of(LAST)
    samples = served_samples(market.features, market.universe, 1)
    assert (samples.action == -1).all()
    assert np.isnan(samples.return_ranks).all()


def test_a_history_shorter_than_the_window_is_taken_whole():
    market = market_as_of(LAST)
    first = np.unique(market.features["session"].to_numpy())[:10]
    rows = market.features["session"].isin(first)
    short = [table[rows].reset_index(drop=True) for table in (market.features, market.universe)]
    assert served_samples(*short, 32).n_rows == rows.sum()
