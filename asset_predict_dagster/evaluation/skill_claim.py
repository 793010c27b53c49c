"""What may be claimed of a model from its rows of `evaluation`.

**One test decides**, declared before a walk-forward was judged by it (years that had been scored by
rank IC before: docs/decisions/0009): the mean daily rank IC against the tradable return (close t+1
→ t+2) over the window. Skill is claimed if

- the lower end of its 95 % block-bootstrap interval is above 0, and
- mean - 1.96 Newey-West standard errors is above 0, and
- the log-loss of the action is not worse than the class prior's beyond doubt: the 95 % interval of
  its skill reaches 0. Where only the value is worse, a warning says so.

Two intervals, because each is too narrow in its own way where sessions are few. Every other figure
is told beside it and claims nothing: of thirty figures at 5 % one or two would be
significant by luck.

What no honest forecast reaches is never claimed: `impossible_skill` holds the limits, at every
horizon.

A log-loss below the prior's proves little: hold against move can be told on a random
walk, because volatility clusters.

Source: `tables.EVALUATION`.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.splits import MIN_SESSIONS
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.impossible_skill import Impossible
from asset_predict_dagster.market.sessions import sessions_between

Claim = Literal["skill", "no_skill", "impossible", "not_judged"]

SURE = 1.96
"""Standard errors of a two-sided interval of 95 %."""

DECIDES = ("rank_ic", "rank_ic_t", "log_loss")
"""The figures that the test needs."""

SESSIONS_TO_ACCUSE = 20
"""Of fewer, an interval is no interval."""

SAME_DAY_LABEL = "signal_cluster"


def measured(evaluation: pd.DataFrame, model: str, version: str, window: str) -> pd.DataFrame:
    """The model's rows in the window by metric, each at the first horizon it is measured at.

    That is the next session for what is about returns, and the action's horizon for the action.

    Raises
    ------
    DatasetError
        If there is none.
    """
    mine = _of(evaluation, model, version)
    rows = mine[mine["window"] == window]
    if rows.empty:
        raise DatasetError(
            f"evaluation has no rows of {model} {version} in the window '{window}'; found"
            f" {sorted(mine['window'].unique())}: materialise the asset 'evaluation' first"
        )
    return rows.sort_values("horizon").drop_duplicates("metric").set_index("metric")


def at_every_horizon(
    evaluation: pd.DataFrame, model: str, version: str, window: str
) -> pd.DataFrame:
    """The model's rows in the window as they are: for `impossible_skill`, which reads them all."""
    mine = _of(evaluation, model, version)
    return mine[mine["window"] == window]


def windows_within(
    evaluation: pd.DataFrame, model: str, version: str, rows: pd.DataFrame
) -> pd.DataFrame:
    """Rank ICs of the windows that the judged one was pooled from, in the order of time."""
    mine = _of(evaluation, model, version)
    first, last = rows["first_session"].min(), rows["last_session"].max()
    return mine[
        (mine["metric"] == "rank_ic")
        & (mine["horizon"] == 1)
        & (mine["window"] != rows["window"].iloc[0])
        & (mine["first_session"] >= first)
        & (mine["last_session"] <= last)
    ].sort_values("first_session")


def n_sessions(rows: pd.DataFrame) -> int:
    """Sessions measured, at the horizon that has the most of them.

    Of rows whose program did not count them: those of B3's calendar from the first to the last.
    """
    most = rows["n_sessions"].max()
    if not pd.isna(most):
        return int(most)
    first, last = rows["first_session"].min(), rows["last_session"].max()
    return len(sessions_between(pd.Timestamp(first).date(), pd.Timestamp(last).date()))


def claim_of(
    rows: pd.DataFrame, *, label: str, found: Sequence[Impossible] = ()
) -> tuple[Claim, list[str]]:
    """What may be claimed, and why not more: the reasons are clauses in plain words.

    Parameters
    ----------
    rows
        From `measured`. A metric that is missing, or whose value is, decides nothing.
    label
        What the actions mean; of `signal_cluster` skill is never claimed.
    found
        From `impossible_figures` of all horizons.
    """
    if found and n_sessions(rows) >= SESSIONS_TO_ACCUSE:
        return "impossible", [f"{one.found}, and {one.limit}" for one in found]
    if label == SAME_DAY_LABEL:
        return "not_judged", ["its label is a function of the same day's features"]
    missing = [name for name in DECIDES if np.isnan(_figure(rows, name))]
    if missing:
        return "not_judged", [f"{' and '.join(missing)} could not be measured"]
    if n_sessions(rows) < MIN_SESSIONS:
        return "not_judged", [
            f"{n_sessions(rows)} sessions decide nothing; {MIN_SESSIONS} are the least"
        ]
    doubts = _doubts(rows)
    return ("no_skill" if doubts else "skill"), doubts


def _doubts(rows: pd.DataFrame) -> list[str]:
    doubts = []
    if not rows.loc["rank_ic", "low"] > 0:
        doubts.append("the interval of its rank IC reaches 0 or below")
    if not rows.loc["rank_ic_t", "value"] > SURE:
        t = rows.loc["rank_ic_t", "value"]
        doubts.append(f"the rank IC is {t:.1f} Newey-West errors from 0, {SURE} are needed")
    if is_worse_than_the_prior(rows.loc["log_loss"]):
        loss, prior = rows.loc["log_loss", "value"], rows.loc["log_loss", "naive_value"]
        doubts.append(
            f"its probabilities are worse than the class frequencies: log-loss {loss:.4f}"
            f" against {prior:.4f}"
        )
    return doubts


def is_worse_than_the_prior(log_loss: pd.Series) -> bool:
    """Whether a row of the metric `log_loss` is above the prior's beyond doubt.

    That is, the 95 % interval of its skill is below 0. Without an interval the value decides, and
    without a value nobody knows that it is not.
    """
    if pd.isna(log_loss["skill_high"]):
        return not log_loss["value"] <= log_loss["naive_value"]
    return bool(log_loss["skill_high"] < 0)


def _of(evaluation: pd.DataFrame, model: str, version: str) -> pd.DataFrame:
    return evaluation[(evaluation["model"] == model) & (evaluation["model_version"] == version)]


def _figure(rows: pd.DataFrame, metric: str, column: str = "value") -> float:
    """NaN where it was not measured: every comparison with it is false."""
    return float(rows[column].get(metric, np.nan))
