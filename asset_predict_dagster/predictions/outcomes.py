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
    its own `session`, as its horizon says. Predictions of which the quotes know no price in their
    session are left for later.

    An outcome is written once, so it waits for its close: while the file of the target session has
    not come, later ones notwithstanding, it is not due. Where none has come when quotes reach five
    sessions beyond, the last price stands.

    Parameters
    ----------
    predictions, quotes
        Rows of `tables.PREDICTIONS` and `tables.QUOTES`.
    """
    due = predictions[_is_due(predictions, quotes["session"])]
    said_of = quotes[["traded_as", "session", "ticker", "adjusted_close"]].set_axis(
        ["ticker", "session", "paper", "start"], axis="columns"
    )
    due = due.merge(said_of, on=["ticker", "session"], validate="many_to_one")
    end = _last_close(due, quotes)
    realised = end["adjusted_close"] / due["start"] - 1
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
    sessions = all_sessions()
    known = quoted.drop_duplicates()
    place = np.searchsorted(sessions, known.max().to_datetime64().astype(sessions.dtype))
    given_up = pd.Timestamp(sessions[place - WAIT])
    targets = predictions["target_session"]
    return predictions["expected_return"].notna() & (targets.isin(known) | (targets <= given_up))


def _last_close(due: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """Session and adjusted close of each paper's last trade up to the target, in `due`'s order."""
    closes = quotes[["ticker", "session", "adjusted_close"]].sort_values("session")
    wanted = due[["paper", "target_session"]].assign(row=due.index)
    found = pd.merge_asof(
        wanted.sort_values("target_session"),
        closes,
        left_on="target_session",
        right_on="session",
        left_by="paper",
        right_by="ticker",
    )
    return found.set_index("row").loc[due.index, ["session", "adjusted_close"]]
