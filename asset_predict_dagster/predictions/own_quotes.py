"""Own quotes: what a version says of prices that a person brings.

They take the place of the lake's quotes of the same tickers, and the other papers stand beside
them: ranks and the state of the market are among all of these, as when the model was trained.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import pandas as pd

from asset_predict_dagster.dataset.features import compute_features
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.market.universe import liquid_universe
from asset_predict_dagster.predictions.asked import refuse_range, with_task
from asset_predict_dagster.predictions.daily import Serving, predict_last_session
from asset_predict_dagster.predictions.sound_quotes import sound_quotes
from asset_predict_dagster.tables import QUOTES

_LEAST_SHARE = 0.5
"""Of the papers that were liquid in the last session that the lake knows: how many must have been
quoted in the session that is asked about."""


def ask_own(
    given: pd.DataFrame,
    market: pd.DataFrame | None,
    serving: Serving,
    days_ahead: int,
    classes: Collection[str],
    now: datetime,
    expires_after: timedelta,
) -> pd.DataFrame:
    """Rows as `asked.with_task` has them, of the tickers given, at the close of the last session.

    Parameters
    ----------
    given
        Rows of `tables.QUOTES` in any order: whole histories, as recursive indicators need them.
        What `sound_quotes` lets pass.
    market
        The lake's quotes; None: what is given is the market.
    classes
        The kinds of paper that are forecast.

    Raises
    ------
    TableError
        As of `sound_quotes`.
    DatasetError
        As of `sound_quotes`; or if the rest of the market is not known in the last session given.
    RegistryError
        If the version has learned from sessions after that one.
    SettingsError
        If `days_ahead` is out of range.
    """
    refuse_range(days_ahead)
    own = sound_quotes(given)
    last, tickers = own["session"].max(), own["ticker"].unique()
    quotes = own
    if market is not None:
        is_beside = ~market["ticker"].isin(tickers) & (market["session"] <= last)
        quotes = pd.concat([own, market[is_beside]])
    quotes = quotes.sort_values(list(QUOTES.key), ignore_index=True)
    universe = liquid_universe(quotes, classes)
    if market is not None:
        _refuse_lone(quotes, universe, last, market["session"].max())
    features = compute_features(quotes, universe)
    said = predict_last_session(
        [serving], quotes, universe, features, now, expires_after=expires_after
    )
    rows = said[said["ticker"].isin(tickers) & (said["horizon"] <= days_ahead)]
    if rows.empty:
        raise DatasetError(
            f"quotes of {last:%Y-%m-%d}: none of the {len(tickers)} tickers is of a kind that is"
            " forecast, as ASSET_PREDICT_ASSET_CLASSES names them; give others"
        )
    return with_task(rows.sort_values(["ticker", "horizon"], ignore_index=True), serving)


def _refuse_lone(
    quotes: pd.DataFrame, universe: pd.DataFrame, last: pd.Timestamp, known: pd.Timestamp
) -> None:
    """Ranks among a few papers would not be the market's."""
    asked = int((universe["in_universe"] & (quotes["session"] == last)).sum())
    usual = int((universe["in_universe"] & (quotes["session"] == min(known, last))).sum())
    if asked < _LEAST_SHARE * usual:
        raise DatasetError(
            f"quotes of {last:%Y-%m-%d}: {asked} liquid papers are quoted, and {usual} were on"
            f" {min(known, last):%Y-%m-%d}: ranks among so few are not the market's; give the"
            " quotes of the others as well, or run `asset-predict ingest` first"
        )
