"""A path is what a holder would have had, session by session, by the rules of the labels."""

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.tables import HORIZONS, PATH_HORIZONS
from asset_predict_dagster_tests.market.simulated_tables import market_as_of


def quotes(closes: dict[str, list[float]]) -> pd.DataFrame:
    """Adjusted closes by ticker from 2019-07-01 on, a session each; NaN where it did not trade."""
    days = sessions_between(pd.Timestamp("2019-07-01").date(), pd.Timestamp("2019-09-30").date())
    parts = [
        pd.DataFrame(
            {
                "ticker": ticker,
                "session": days[: len(values)].astype("datetime64[us]"),
                "adjusted_close": values,
            }
        ).dropna()
        for ticker, values in closes.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_rise_of_one_real_a_session_from_ten():
    paths = path_returns(quotes({"ABCD3": [10.0 + step for step in range(33)]}))
    np.testing.assert_allclose(paths[0], np.arange(1, 31) / 10)
    # From the session at R$ 12 the last price is 30 sessions ahead; from the next one 29.
    np.testing.assert_allclose(paths[2], np.arange(1, 31) / 12)
    np.testing.assert_allclose(paths[3, :29], np.arange(1, 30) / 13)
    assert np.isnan(paths[3, 29])
    assert np.isnan(paths[32]).all()


def test_a_halted_ticker_has_no_return_until_it_trades_and_then_keeps_its_last_price():
    nothing = float("nan")
    market = quotes({"ABCD3": [10.0, nothing, nothing, 12.0, nothing, nothing], "EFGH3": [1.0] * 6})
    paths = path_returns(market)
    np.testing.assert_allclose(paths[0, :5], [nothing, nothing, 0.2, 0.2, 0.2])
    assert np.isnan(paths[0, 5:]).all()


def test_the_first_columns_are_the_returns_of_the_labels():
    market = market_as_of(pd.Timestamp("2020-06-30").date())
    realised = market.labels[[f"realised_return_{h}d" for h in HORIZONS]].to_numpy()
    paths = path_returns(market.quotes)
    assert paths.shape == (len(market.quotes), len(PATH_HORIZONS))
    np.testing.assert_array_equal(paths[:, : len(HORIZONS)], realised)


def test_no_rows_have_no_paths_beyond_what_is_known():
    alone = path_returns(quotes({"ABCD3": [10.0]}))
    assert alone.shape == (1, 30)
    assert np.isnan(alone).all()
