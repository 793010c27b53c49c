"""What may be claimed of a model from its rows of `evaluation`, and what no honest one reaches.

**One test decides, and it was declared before any test session was looked at**: the mean daily
rank IC against the tradable return (close t+1 → t+2) over the window. Skill is claimed if

- the lower end of its 95 % block-bootstrap interval is above 0, and
- mean - 1.96 Newey-West standard errors is above 0, and
- the log-loss of the action is not worse than the class prior's beyond doubt: the 95 % interval of
  its skill reaches 0. Where only the value is worse, a warning says so.

Two intervals, because each is too narrow in its own way where sessions are few. Every other figure
is told beside it and claims nothing: of forty figures at 5 % two would be significant by luck.

**What is impossible** on daily stocks one session ahead. Each limit is held against the end of the
95 % interval that is kindest to the model, so that chance alone does not accuse. The first three
are held against the opposite sign as well: a leak that calibration turned round is a leak.

    metric                                          honest       planted .15   limit
    rank_ic, rank_ic_next_close                     .028-.032    .13           .20
    directional_accuracy, beyond always up or down  .01          .04           .10
    r2_return                                       below .005   .010          .05
    accuracy: share of the majority's errors undone 0            .02           .25
    log_loss: share of the prior's undone           .01          .011          .15

"Honest" is what our models and their relatives measured on B3's stocks (docs/LOG.md); "planted
.15" is the oracle of a simulated market of that strength. A rank IC of .20 on fifty stocks would
be a Sharpe ratio of 22 before costs (IC × √(bets a year), the fundamental law of active
management): no record of any fund is near it. A correlation of .20 guesses the direction of
.56 to .58 of all moves and explains .04 of their variance. Accuracy and log-loss count from what
the commonest class and the class frequencies reach, because wide labels make 99 % easy; their
limits are above an oracle's at strength .5 (.20 and .10). Whoever is given the answer passes one
or more of them, depending on which answer it is.

A log-loss below the prior's proves little: hold against move can be told on a random
walk, because volatility clusters.

On a simulated market of known strength s the first limit is max(.20, s + .05), and the next two
grow with it and its square: the strength .5 can be chosen, and is no leak.

Sources: Grinold (1989), "The fundamental law of active management"; `tables.EVALUATION`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.splits import MIN_SESSIONS
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.market.sessions import sessions_between

Claim = Literal["skill", "no_skill", "impossible", "not_judged"]

SURE = 1.96
"""Standard errors of a two-sided interval of 95 %."""

DECIDES = ("rank_ic", "rank_ic_t", "log_loss")
"""The figures that the test needs."""

LARGEST_RANK_IC = 0.20
BEYOND_PLANTED = 0.05
LARGEST_ACCURACY = 0.25
LARGEST_LOG_LOSS_SKILL = 0.15

SESSIONS_TO_ACCUSE = 20
"""Of fewer, an interval is no interval."""

SAME_DAY_LABEL = "signal_cluster"


@dataclass(frozen=True)
class Impossible:
    """One figure beyond its limit: a clause that says what it is, and one what others reach."""

    metric: str
    found: str
    limit: str


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
    rows: pd.DataFrame, *, label: str, planted_strength: float | None
) -> tuple[Claim, list[str]]:
    """What may be claimed, and why not more: the reasons are clauses in plain words.

    Parameters
    ----------
    rows
        From `measured`. A metric that is missing, or whose value is, decides nothing.
    label
        What the actions mean; of `signal_cluster` skill is never claimed.
    planted_strength
        Of a simulated market; None: real prices, or not known.
    """
    found = impossible_figures(rows, planted_strength)
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


def impossible_figures(
    rows: pd.DataFrame, planted_strength: float | None = None
) -> list[Impossible]:
    """The figures beyond what an honest forecast can reach; limits and reasons are above."""
    planted = 0.0 if planted_strength is None else planted_strength
    largest = max(LARGEST_RANK_IC, planted + BEYOND_PLANTED)
    found = []
    for name, against in (("rank_ic", "tradable"), ("rank_ic_next_close", "next session's")):
        if _at_least(rows, name) > largest:
            ic = f"its rank IC against the {against} return is {_figure(rows, name):.3f}"
            found.append(Impossible(name, ic, f"no honest one is beyond {largest:.2f}"))
    always_up = _figure(rows, "directional_accuracy", "naive_value")
    if _at_least(rows, "directional_accuracy", 0.5) > abs(always_up - 0.5) + largest / 2:
        right = f"it calls {_percent(_figure(rows, 'directional_accuracy'))} of directions right"
        limit = f"saying that all rise calls {_percent(always_up)}"
        found.append(Impossible("directional_accuracy", right, limit))
    if _figure(rows, "r2_return", "low") > 1.25 * largest**2:
        share = f"it explains {_percent(_figure(rows, 'r2_return'))} of the returns' variance"
        limit = f"no honest forecast reaches {_percent(1.25 * largest**2)}"
        found.append(Impossible("r2_return", share, limit))
    return found + _impossible_actions(rows)


def _impossible_actions(rows: pd.DataFrame) -> list[Impossible]:
    found = []
    majority = _figure(rows, "accuracy", "naive_value")
    if _figure(rows, "accuracy", "low") - majority > LARGEST_ACCURACY * (1 - majority):
        right = f"{_percent(_figure(rows, 'accuracy'))} of its actions are right"
        always = f"saying the commonest one always is right in {_percent(majority)}"
        found.append(Impossible("accuracy", right, always))
    prior = _figure(rows, "log_loss", "naive_value")
    if _figure(rows, "log_loss", "high") < (1 - LARGEST_LOG_LOSS_SKILL) * prior:
        loss = f"its log-loss is {_figure(rows, 'log_loss'):.3f}"
        found.append(Impossible("log_loss", loss, f"the class frequencies have {prior:.3f}"))
    return found


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


def _at_least(rows: pd.DataFrame, metric: str, nothing: float = 0.0) -> float:
    """How far the nearer end of the interval is from what knows nothing; negative: it is inside."""
    low, high = _figure(rows, metric, "low"), _figure(rows, metric, "high")
    return max(low - nothing, nothing - high)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
