"""Outcomes: each prediction meets the close of its target session, exactly once."""

import numpy as np
import pandas as pd

from asset_predict_dagster.market.sessions import all_sessions
from asset_predict_dagster.tables import OUTCOMES

WAIT = 5
"""Sessions after which a target session without a single quote is taken for one without trades."""


def not_met_yet(predictions: pd.DataFrame, quoted: pd.Series, met: pd.Series) -> pd.DataFrame:
    """The predictions of the sessions in which one that is due has no outcome yet.

    Years of them are met; a day's work should cost a day.

    Parameters
    ----------
    predictions
        Rows of `tables.PREDICTIONS`.
    quoted
        The column `session` of `tables.QUOTES`: what is about a later one is not due.
    met
        The column `session` of `tables.OUTCOMES`, as it stands.
    """
    due = predictions[_is_due(predictions, quoted)]
    n_due, n_met = due["session"].value_counts(), met.value_counts()
    n_open = n_due.sub(n_met.reindex(n_due.index, fill_value=0))
    return due[due["session"].isin(n_open.index[n_open != 0])]


def meet_outcomes(predictions: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """Rows of `tables.OUTCOMES` for the predictions whose target session is in the data.

    A prediction is about the paper that traded under its ticker in its session, and follows that
    paper whatever it is called later; its row keeps the ticker it was made under. The realised
    return is that of the adjusted closes, so a split or a dividend in between changes nothing; a
    paper that did not trade in the target session keeps its last price and is marked `is_halted`.
    Refused predictions have nothing to meet; marked ones have. A late one starts from the close of
    its own `session`, as its horizon says.

    An outcome is written once, so it waits for its close: while the file of the target session has
    not come, later ones notwithstanding, it is not due. Where none has come when quotes reach five
    sessions beyond, the last price stands. So it is with the start: where a corrected file knows no
    trade in `session` any more, that is waited for as long, and then the last price before it is
    the start. A ticker that has none is left for later.

    Parameters
    ----------
    predictions, quotes
        Rows of `tables.PREDICTIONS` and `tables.QUOTES`.
    """
    due = predictions[_is_due(predictions, quotes["session"])].reset_index(drop=True)
    start = _last_trade(due["ticker"], due["session"], quotes, "traded_as")
    is_there = start["session"] == due["session"]
    is_given_up = start["session"].notna() & (due["target_session"] <= _given_up(quotes["session"]))
    due, start = due[is_there | is_given_up], start[is_there | is_given_up]
    end = _last_trade(start["ticker"], due["target_session"], quotes, "ticker")
    realised = end["adjusted_close"] / start["adjusted_close"] - 1
    realised_price = due["last_close"] * (1 + realised)
    return due.assign(
        realised_return=realised,
        absolute_error=np.abs(realised - due["expected_return"]),
        naive_absolute_error=np.abs(realised),
        realised_price=realised_price,
        is_within_interval=realised_price.between(due["price_low"], due["price_high"]),
        is_halted=end["session"] != due["target_session"],
    )[OUTCOMES.column_names]


def _is_due(predictions: pd.DataFrame, quoted: pd.Series) -> pd.Series:
    """Which rows say something of a session whose close is known, or will not be any more."""
    targets = predictions["target_session"]
    is_known = targets.isin(quoted.drop_duplicates()) | (targets <= _given_up(quoted))
    return predictions["expected_return"].notna() & is_known


def _given_up(quoted: pd.Series) -> pd.Timestamp:
    """The session up to which no file is waited for any more."""
    sessions = all_sessions()
    place = np.searchsorted(sessions, quoted.max().to_datetime64().astype(sessions.dtype))
    return pd.Timestamp(sessions[place - WAIT])


def _last_trade(
    codes: pd.Series, days: pd.Series, quotes: pd.DataFrame, column: str
) -> pd.DataFrame:
    """The last row of `quotes` up to each day whose `column` is the code, in the order of `codes`.

    Columns ticker, session, adjusted_close; missing where there is none.
    """
    asked = pd.DataFrame({"code": codes, "day": days, "row": codes.index})
    trades = quotes[["ticker", "session", "adjusted_close"]].assign(
        code=quotes[column], day=quotes["session"]
    )
    found = pd.merge_asof(asked.sort_values("day"), trades.sort_values("day"), on="day", by="code")
    return found.set_index("row").loc[codes.index, ["ticker", "session", "adjusted_close"]]
