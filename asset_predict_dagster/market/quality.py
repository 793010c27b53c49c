"""Quality: what is missing, repeated or unchanged among the quotes.

Each function returns the rows that offend: an empty table is a clean bill. They are lists to look
at. A share can keep its price for a week, and a market can be thin for a day.
"""

from datetime import date

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketDataError
from asset_predict_dagster.market.sessions import sessions_between

_PRICES = ["open", "high", "low", "close"]
_MIN_HISTORY = 10
"""Sessions needed before the number of tickers of a session can be called few."""


def missing_sessions(sessions: pd.Series, last: date, max_behind: int) -> pd.DataFrame:
    """The sessions after the newest of `sessions` up to `last`, if they are more than `max_behind`.

    Columns: session, sessions_behind (by how many sessions the newest quote lagged behind B3's
    calendar at the close of that session: 1, 2, ...).

    Raises
    ------
    MarketDataError
        If there is no session at all: what is behind has to be behind something.
    """
    newest = sessions.max()
    if pd.isna(newest):
        raise MarketDataError(
            f"expected quotes up to {last}, found none of any session; ingest the market files"
        )
    missing = sessions_between(newest.date(), last)
    missing = missing[missing > np.datetime64(newest, "D")]
    if len(missing) <= max_behind:
        missing = missing[:0]
    return pd.DataFrame(
        {
            "session": missing.astype("datetime64[us]"),
            "sessions_behind": np.arange(1, len(missing) + 1),
        }
    )


def holes(quotes: pd.DataFrame) -> pd.DataFrame:
    """Sessions of B3's calendar between the first and the last quote that have no quote at all.

    Column: session.
    """
    found = np.unique(quotes["session"].to_numpy().astype("datetime64[D]"))
    if len(found) == 0:
        return pd.DataFrame({"session": found.astype("datetime64[us]")})
    expected = sessions_between(found[0].astype(date), found[-1].astype(date))
    missing = np.setdiff1d(expected, found)
    return pd.DataFrame({"session": missing.astype("datetime64[us]")})


def thin_sessions(quotes: pd.DataFrame, min_share: float, window: int = 63) -> pd.DataFrame:
    """Sessions with fewer tickers than `min_share` × the median of the `window` sessions before.

    Only the sessions before t decide about t; the first ten have too few of them and pass.
    Columns: session, n_tickers, median_before, share.
    """
    n_tickers = quotes.groupby("session")["ticker"].nunique().sort_index()
    before = n_tickers.shift().rolling(window, min_periods=min(window, _MIN_HISTORY)).median()
    table = pd.DataFrame(
        {"n_tickers": n_tickers, "median_before": before, "share": n_tickers / before}
    ).reset_index()
    return table[table["share"] < min_share].reset_index(drop=True)


def repeated_rows(frame: pd.DataFrame, key: list[str] | tuple[str, ...]) -> pd.DataFrame:
    """All rows of each key that several rows share, the rows of one key side by side."""
    columns = list(key)
    repeated = frame[frame.duplicated(columns, keep=False)]
    return repeated.sort_values(columns, kind="stable", ignore_index=True)


def stale_prices(quotes: pd.DataFrame, universe: pd.DataFrame, n_sessions: int) -> pd.DataFrame:
    """Runs of `n_sessions` trades or more in which a liquid ticker's close stayed the same.

    A session without a trade neither counts nor ends the run; a session in which the ticker was
    not liquid ends it. Columns: ticker, first_session, last_session, n_sessions, close.

    Parameters
    ----------
    quotes, universe
        Rows of the tables of those names, sorted by ticker and session, with the same keys in
        the same order.
    """
    state = pd.DataFrame(
        {
            "ticker": quotes["ticker"].to_numpy(),
            "close": quotes["close"].to_numpy(),
            "is_liquid": universe["in_universe"].to_numpy(),
        }
    )
    run = (state != state.shift()).any(axis="columns").cumsum()
    runs = (
        state.assign(session=quotes["session"].to_numpy())
        .groupby(run.to_numpy())
        .agg(
            ticker=("ticker", "first"),
            first_session=("session", "first"),
            last_session=("session", "last"),
            n_sessions=("session", "size"),
            close=("close", "first"),
            is_liquid=("is_liquid", "first"),
        )
    )
    is_stale = runs["is_liquid"] & (runs["n_sessions"] >= n_sessions)
    return runs[is_stale].drop(columns="is_liquid").reset_index(drop=True)


def copied_sessions(quotes: pd.DataFrame, min_share: float = 0.5) -> pd.DataFrame:
    """Sessions that repeat open, high, low and close of the session before, for many tickers.

    Counted are the tickers that traded in both; offending is a session in which at least
    `min_share` of them repeat all four to the centavo. Columns: session, copy_of, n_tickers,
    n_copied, share.
    """
    in_order = quotes[["ticker", "session", *_PRICES]].sort_values(["ticker", "session"])
    sessions = np.unique(in_order["session"].to_numpy())
    place = np.searchsorted(sessions, in_order["session"].to_numpy())
    ticker, prices = in_order["ticker"].to_numpy(), in_order[_PRICES].to_numpy()
    follows = np.zeros(len(in_order), dtype=bool)
    follows[1:] = (ticker[1:] == ticker[:-1]) & (place[1:] == place[:-1] + 1)
    is_copy = np.zeros(len(in_order), dtype=bool)
    # As quoted, not rounded: a price per share of a thousand's lot has digits beyond the centavo.
    is_copy[1:] = (prices[1:] == prices[:-1]).all(axis=1)
    n_tickers = np.bincount(place[follows], minlength=len(sessions))
    n_copied = np.bincount(place[follows & is_copy], minlength=len(sessions))
    table = pd.DataFrame(
        {
            "session": sessions,
            "copy_of": pd.Series(sessions).shift(),
            "n_tickers": n_tickers,
            "n_copied": n_copied,
            "share": n_copied / np.maximum(n_tickers, 1),
        }
    )
    return table[(n_copied > 0) & (table["share"] >= min_share)].reset_index(drop=True)
