"""What corporate actions do to a holding: on which row of the quotes, and how much of it.

    true return of an ex-date = (close × shares_factor + amount) / previous close

Quotes are rows sorted by ticker and session. An event whose ex-date had no trade takes effect in
the ticker's next session. Events before a ticker's first session or on it, after its last, or of
unknown tickers have no row.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.market.corporate_actions import is_applied
from asset_predict_dagster.tables import CASH_KINDS

BACK_ADJUSTED = ("open", "high", "low", "close")


def rows_of_events(quotes: pd.DataFrame, events: pd.DataFrame) -> np.ndarray:
    """Per event the place of the row of `quotes` in which it takes effect, or -1 for none."""
    codes, tickers = pd.factorize(quotes["ticker"])
    # One ascending number per row: tickers lie one behind the other, ten million days apart.
    keys = codes * 10_000_000 + _days(quotes["session"])
    code = tickers.get_indexer(pd.Index(events["ticker"]))
    place = np.searchsorted(keys, code * 10_000_000 + _days(events["ex_date"]))
    inside = (code >= 0) & (place > 0) & (place < len(quotes))
    at = np.where(inside, place, 0)
    if len(quotes) == 0:
        return np.full(len(events), -1)
    # The ticker's first session has no holder of the eve, so the row before must be its own too.
    inside &= (codes[at] == code) & (codes[at - 1] == code)
    return np.where(inside, at, -1)


def effects(quotes: pd.DataFrame, events: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """What the events of one row of `quotes` come to; those that are not applied do nothing.

    Returns
    -------
    Shares after / before (1 without event), and R$ of cash per old share; each (n_rows,). The
    events of several days without a trade meet in one row, in the order they happened.
    """
    shares, cash = np.ones(len(quotes)), np.zeros(len(quotes))
    applied = events[is_applied(events)]
    applied = applied.assign(
        is_cash=applied["kind"].isin(CASH_KINDS), row=rows_of_events(quotes, applied)
    )
    # A day's cash comes before its new shares: it is per share as held on the last day with both.
    in_order = applied[applied["row"] >= 0].sort_values(
        ["ex_date", "is_cash"], ascending=[True, False], kind="stable"
    )
    for event in in_order.itertuples():
        if event.is_cash:
            cash[event.row] += shares[event.row] * event.amount_brl
        else:
            shares[event.row] *= event.factor
    return shares, cash


def back_adjusted(quotes: pd.DataFrame) -> pd.DataFrame:
    """Prices for charts: the past in today's shares, so that the last close is the last quote.

        price × factor / the ticker's last factor,  factor = split_factor × dividend_factor

    Never learn from them: the next event rewrites every price before it. The published database
    has the same as a view (`warehouse`).

    Parameters
    ----------
    quotes
        Rows of `tables.QUOTES`, sorted by ticker and session.

    Returns
    -------
    One row per row of `quotes`: ticker, session, open, high, low, close, in R$ per share of the
    ticker's last session.
    """
    factor = quotes["split_factor"] * quotes["dividend_factor"]
    scale = factor / factor.groupby(quotes["ticker"], sort=False).transform("last")
    prices = {name: quotes[name] * scale for name in BACK_ADJUSTED}
    return quotes[["ticker", "session"]].assign(**prices)


def _days(dates: pd.Series) -> np.ndarray:
    return dates.to_numpy().astype("datetime64[D]").astype(np.int64)
