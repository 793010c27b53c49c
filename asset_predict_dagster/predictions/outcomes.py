"""Outcomes: each prediction meets the close of its target session, exactly once."""

import numpy as np
import pandas as pd

from asset_predict_dagster.tables import OUTCOMES


def meet_outcomes(predictions: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """Rows of `tables.OUTCOMES` for the predictions whose target session is in the data.

    The realised return is that of the adjusted closes, so a split or a dividend in between
    changes nothing; a ticker that did not trade in the target session keeps its last price and
    is marked `is_halted`. Refused predictions have nothing to meet. Predictions of which the
    quotes know no price are left for later.

    Parameters
    ----------
    predictions, quotes
        Rows of `tables.PREDICTIONS` and `tables.QUOTES`.
    """
    due = predictions[
        (predictions["reason"] == "") & (predictions["target_session"] <= quotes["session"].max())
    ].reset_index(drop=True)
    closes = quotes[["ticker", "session", "adjusted_close"]].sort_values("session")
    start = _last_close(due, closes, "session")
    end = _last_close(due, closes, "target_session")
    realised = end["adjusted_close"] / start["adjusted_close"] - 1
    realised_price = due["last_close"] * (1 + realised)
    table = due.assign(
        realised_return=realised,
        absolute_error=np.abs(realised - due["expected_return"]),
        naive_absolute_error=np.abs(realised),
        realised_price=realised_price,
        is_within_interval=realised_price.between(due["price_low"], due["price_high"]),
        is_halted=end["session"].to_numpy() != due["target_session"].to_numpy(),
    )
    return table.loc[realised.notna(), OUTCOMES.column_names].reset_index(drop=True)


def _last_close(due: pd.DataFrame, closes: pd.DataFrame, day: str) -> pd.DataFrame:
    """The last adjusted close of each row's ticker up to its `day`, in the rows' order."""
    wanted = due[["ticker", day]].rename(columns={day: "day"}).assign(row=due.index)
    found = pd.merge_asof(
        wanted.sort_values("day"), closes, left_on="day", right_on="session", by="ticker"
    )
    return found.set_index("row").loc[due.index, ["session", "adjusted_close"]]
