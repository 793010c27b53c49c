"""Outcomes: each prediction meets the close of its target session, exactly once."""

import numpy as np
import pandas as pd

from asset_predict_dagster.predictions.refusals import is_refused
from asset_predict_dagster.tables import OUTCOMES


def not_met_yet(
    predictions: pd.DataFrame, last_session: pd.Timestamp, met: pd.Series
) -> pd.DataFrame:
    """The predictions of the sessions in which one that is due has no outcome yet.

    Years of them are met; a day's work should cost a day.

    Parameters
    ----------
    predictions
        Rows of `tables.PREDICTIONS`.
    last_session
        The last one that there are quotes of: what is about a later one is not due.
    met
        The column `session` of `tables.OUTCOMES`, as it stands.
    """
    is_due = ~is_refused(predictions["reason"]) & (predictions["target_session"] <= last_session)
    due = predictions[is_due]
    n_due, n_met = due["session"].value_counts(), met.value_counts()
    n_open = n_due.sub(n_met.reindex(n_due.index, fill_value=0))
    return due[due["session"].isin(n_open.index[n_open != 0])]


def meet_outcomes(predictions: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """Rows of `tables.OUTCOMES` for the predictions whose target session is in the data.

    A prediction is about the paper that traded under its ticker in its session, and follows that
    paper whatever it is called later; its row keeps the ticker it was made under. The realised
    return is that of the adjusted closes, so a split or a dividend in between changes nothing; a
    paper that did not trade in the target session keeps its last price and is marked `is_halted`.
    Refused predictions have nothing to meet. Predictions of which the quotes know no price in
    their session are left for later.

    Parameters
    ----------
    predictions, quotes
        Rows of `tables.PREDICTIONS` and `tables.QUOTES`.
    """
    due = predictions[
        ~is_refused(predictions["reason"])
        & (predictions["target_session"] <= quotes["session"].max())
    ]
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
