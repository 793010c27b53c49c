"""Listed events held against the records: which of them can hardly be as they are told.

Who lists an event may mistype its factor, its day or its ticker, and prices are adjusted by it all
the same. The night before the ex-date tells: what a paper opens at is the previous close, less
the cash, over the new shares, but for the night's news.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.market.adjustment import effects, rows_of_events
from asset_predict_dagster.market.corporate_actions import is_applied
from asset_predict_dagster.market.inferred_actions import market_move, usual_move
from asset_predict_dagster.market.sessions import all_sessions, is_traded_on

USUAL_NIGHTS = 6.0
LEAST_MISFIT = 0.04
LARGE_MISFIT = 0.08
"""A night contradicts its events if what is left of the move, in logs and net of the market's, is
more than 6 times the paper's usual one and more than 0.04 (about 4 %). Where cash is the only
event it must be more than 0.08 too, or else less than half of it be left without the cash: a bad
night tells nothing of a dividend of 0.3 %. Of the 1,134 dividends of 58 B3 papers in 2012-2024
seven are named, and four spared as such nights; of 6,242 true events of seven simulated markets
none is named."""

COLUMNS = ["ticker", "ex_date", "kind", "factor", "amount_brl", "source", "why"]


def doubtful_events(quotes: pd.DataFrame, corporate_actions: pd.DataFrame) -> pd.DataFrame:
    """The listed events that the quotes, the calendar or another source speak against.

    An event is named if

    - the night before it took effect contradicts it: the open is far from (previous close - cash)
      / new shares. The events of one row of the quotes are judged, and named, together;
    - B3 does not trade on its ex-date;
    - its ticker has no quotes at all, though others have around that day. Before a paper's first
      session and after its last an event is history that was cut, and no doubt;
    - another source disputes it.

    Not to be seen so are a wrong size that shifts the price by less than 4 %, and what a paper
    quoted in centavos of its own price (below about R$ 1) does in a night. Inferred events are
    never named: what speaks against them is in their confidence.

    Parameters
    ----------
    quotes
        Rows of `tables.QUOTES`, sorted by ticker and session; the prices are those not adjusted.
    corporate_actions
        Rows of `tables.CORPORATE_ACTIONS`, under current codes too.

    Returns
    -------
    Columns: ticker, ex_date, kind, factor, amount_brl, source, why; in the order of
    `corporate_actions`, each event once with every reason.
    """
    events = corporate_actions.reset_index(drop=True)
    reasons = [
        _against_the_price(quotes, events),
        _off_the_calendar(events),
        _never_quoted(quotes, events),
        "disputed, " + events["disputed"],
    ]
    together = pd.concat(reasons, axis="columns")
    is_named = together.notna().any(axis="columns") & (events["source"] != "inferred")
    why = ["; ".join(row.dropna()) for _, row in together[is_named].iterrows()]
    return events[is_named].assign(why=why)[COLUMNS].reset_index(drop=True)


def _against_the_price(quotes: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    """Per event how its night contradicts it; missing where it does not, or nobody knows."""
    shares, cash = effects(quotes, events)
    ticker = quotes["ticker"]
    is_own = (ticker == ticker.shift()).to_numpy()
    open_, previous = quotes["open"].to_numpy(), np.roll(quotes["close"].to_numpy(), 1)
    sessions, place = np.unique(quotes["session"].to_numpy(), return_inverse=True)
    nights = np.sqrt(np.maximum(place - np.roll(place, 1), 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        move = np.log(open_ / previous)
    is_quiet = is_own & (shares == 1) & (cash == 0) & np.isfinite(move)
    quiet = np.where(is_quiet, move, np.nan)
    market = market_move(quiet, place, len(sessions))[place]

    row = rows_of_events(quotes, events)
    judged = np.unique(row[(row >= 0) & is_applied(events).to_numpy()])
    judged = judged[(open_[judged] > 0) & (previous[judged] > 0)]
    usual = usual_move(quiet - market, nights, judged, is_own) * nights[judged]
    held = np.maximum(previous - cash, 0.0)[judged]
    with np.errstate(divide="ignore"):
        expected = np.log(held / shares[judged]) + market[judged]
    misfit = np.abs(np.log(open_[judged]) - expected)
    without = np.abs(move - market)[judged]
    # Both are quoted in whole centavos: half a one of each is of no night's making.
    usual = np.hypot(usual, 0.005 / previous[judged] + 0.005 / open_[judged])
    is_telling = (shares[judged] != 1) | (misfit > LARGE_MISFIT) | (without < misfit / 2)
    is_wrong = (misfit > USUAL_NIGHTS * usual) & (misfit > LEAST_MISFIT) & is_telling
    why = {
        at: f"opened at R$ {open_[at]:.6g} after a close of R$ {previous[at]:.6g}; about"
        f" R$ {np.exp(log_expected):.4g} were expected"
        for at, log_expected in zip(judged[is_wrong], expected[is_wrong], strict=True)
    }
    told = pd.Series(row, index=events.index).map(why)
    return told.where(is_applied(events)).astype("str")


def _off_the_calendar(events: pd.DataFrame) -> pd.Series:
    day = events["ex_date"]
    is_off = ~is_traded_on(day) & day.between(*all_sessions()[[0, -1]])
    return ("B3 does not trade on that " + day.dt.day_name()).where(is_off).astype("str")


def _never_quoted(quotes: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    known = events["ex_date"].between(quotes["session"].min(), quotes["session"].max())
    is_unknown = known & ~events["ticker"].isin(quotes["ticker"].unique())
    return pd.Series("no quotes of this code", index=events.index).where(is_unknown).astype("str")
