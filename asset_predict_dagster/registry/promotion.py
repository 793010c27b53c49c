"""Promotion: the one rule by which a trained version becomes the one that serves.

A version has shown skill (`proven`) if, out of sample at the horizon of the action, the 95 %
interval of its mean daily rank IC lies above zero and its log-loss is not worse than the prior's
beyond doubt (the 95 % interval of its skill reaches 0). The first of these that holds decides:

    the challenger is scoped                → kept: it learned another task than the champion's
    the champion, trained again             → confirmed
    a check failed                          → kept, or nobody serves: what it was made from or
                                              judged by is not in order
    a person put it aside                   → kept: only another version can follow
    no champion, or one that is silent      → promoted, proven or not: somebody must serve, and
    (trained too long ago, or damaged)        every prediction says which it is
    champion proven, challenger unproven    → kept
    both alike in skill, or challenger better → promoted unless it is worse beyond doubt: the
                                              95 % interval of its rank IC minus the champion's
                                              lies below zero

The last comparison is paired on the sessions that both forecast out of sample. Where they are too
few, each is measured against the best that could be said without a model on its own sessions (so
not against ridge), and the two excesses are compared.

Source of that interval: G. Zou and A. Donner (2008), "Construction of confidence limits about
effect measures", Statistics in Medicine 27: the limits of a difference from those of its parts.
Taking the parts as independent makes it wider where they share sessions, never narrower.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import block_weights, interval
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.metrics import session_rank_ic
from asset_predict_dagster.evaluation.skill_claim import SAME_DAY_LABEL, is_worse_than_the_prior

MIN_COMMON_SESSIONS = 60
"""Sessions that both versions must have forecast for a paired comparison to say anything."""


_EXCESS = ["skill", "skill_low", "skill_high", "best_baseline"]
"""Columns of `tables.EVALUATION`; the skill in rank IC is beyond the best without a model."""


@dataclass(frozen=True)
class Decision:
    """What became of a challenger: `promoted`, `kept` (the champion stays), or `confirmed`.

    `is_proven` is said of whoever serves then; without a champion it is False.
    """

    decision: str
    is_proven: bool
    reason: str


def has_shown_skill(evaluation: pd.DataFrame, model: str, version: str) -> tuple[bool, str]:
    """Whether a version is proven, and the numbers that say so.

    Raises
    ------
    DatasetError
        If the version was never evaluated.
    """
    rows = _figures(evaluation, model, version)
    if "rank_ic" not in rows.index:
        raise DatasetError(
            f"{model} {version} has no evaluation; materialise the asset 'evaluation' first"
        )
    ic, loss = rows.loc["rank_ic"], rows.loc["log_loss"]
    proven = bool(ic["low"] > 0) and not is_worse_than_the_prior(loss)
    return proven, (
        f"rank IC {ic['value']:.4f} [{ic['low']:.4f}, {ic['high']:.4f}], log-loss"
        f" {loss['value']:.5f} against the prior's {loss['naive_value']:.5f}"
    )


def skill_so_far(evaluation: pd.DataFrame | None, model: str, version: str) -> tuple[bool, str]:
    """As `has_shown_skill`; what was never evaluated has shown none."""
    try:
        if evaluation is not None:
            return has_shown_skill(evaluation, model, version)
    except DatasetError:
        pass
    return False, "it was never evaluated"


def decide(
    model: str,
    challenger: str,
    champion: str | None,
    evaluation: pd.DataFrame,
    forecasts: pd.DataFrame,
    seed: int,
    scope: str = "",
    *,
    failed_checks: Sequence[str] = (),
    put_aside: Collection[str] = (),
    silent: str = "",
) -> Decision:
    """Apply the rule to one model.

    Parameters
    ----------
    challenger, champion
        Versions; `champion` is None before the first promotion.
    evaluation, forecasts
        Rows of `tables.EVALUATION` and of `tables.FORECASTS_OUT_OF_SAMPLE`, both versions' among
        them. What a version was fitted on is never in the latter.
    scope
        What the challenger's experiment has else than the default (`Experiment.scope`).
    failed_checks
        Names of those that failed on what the challenger was made from or judged by.
    put_aside
        Versions that a person rolled back from or put another one in the place of.
    silent
        Why the champion says nothing any more; empty if it does.
    """
    champion_proven, champion_numbers = False, ""
    if champion is not None:
        champion_proven, champion_numbers = skill_so_far(evaluation, model, champion)

    def kept(why: str) -> Decision:
        return Decision("kept", champion_proven, f"version {challenger} {why}")

    if f"label={SAME_DAY_LABEL}" in scope:
        return kept(f"has {SAME_DAY_LABEL} labels, is scoped and never serves: {scope}")
    if scope:
        return kept(f"is scoped and never serves: {scope}")
    proven, numbers = has_shown_skill(evaluation, model, challenger)
    skill = "shown skill" if proven else "not shown skill"
    if champion == challenger:
        return Decision("confirmed", proven, f"trained again, the same; it has {skill}: {numbers}")
    if failed_checks:
        return kept(f"is kept out by failed checks: {', '.join(failed_checks)}")
    if challenger in put_aside:
        return kept(f"stays out: a person put it aside; it has {skill}: {numbers}")
    if champion is None:
        return Decision("promoted", proven, f"first champion; it has {skill}: {numbers}")
    if silent:
        why = f"version {champion} says nothing any more ({silent})"
        return Decision("promoted", proven, f"{why}; it has {skill}: {numbers}")
    if champion_proven and not proven:
        return kept(f"has not shown skill ({numbers}), version {champion} has ({champion_numbers})")
    low, high, n_common = _paired_difference(model, challenger, champion, forecasts, seed)
    compared = (
        f"rank IC minus version {champion}'s on {n_common} common sessions [{low:.4f}, {high:.4f}]"
    )
    if n_common < MIN_COMMON_SESSIONS:
        high, difference = _difference_of_excesses(evaluation, model, challenger, champion)
        compared = f"only {n_common} sessions in common with version {champion}; {difference}"
    if high < 0:
        return kept(f"is worse: {compared}")
    return Decision("promoted", proven, f"it has {skill}: {numbers}; {compared}")


def _figures(evaluation: pd.DataFrame, model: str, version: str) -> pd.DataFrame:
    """By metric, of the holdout at the horizon of the action."""
    return evaluation[
        (evaluation["model"] == model)
        & (evaluation["model_version"] == version)
        & (evaluation["window"] == HOLDOUT)
        & (evaluation["horizon"] == ACTION_HORIZON)
    ].set_index("metric")


def _difference_of_excesses(
    evaluation: pd.DataFrame, model: str, challenger: str, champion: str
) -> tuple[float, str]:
    """How much more the challenger's rank IC exceeds the best one's without a model, on its own
    sessions, than the champion's does: upper end of the 95 % interval, and the figures in words.

    NaN if one of them has no such figures: then nothing is said against the challenger.
    """
    told = []
    for version in (challenger, champion):
        rows = _figures(evaluation, model, version).reindex(columns=_EXCESS)
        row = rows.loc["rank_ic"] if "rank_ic" in rows.index else None
        if row is None or row[["skill", "skill_low", "skill_high"]].isna().any():
            return float("nan"), f"of version {version} nobody knows how it did against baselines"
        told.append(row)
    mine, theirs = told
    difference = mine["skill"] - theirs["skill"]
    down = np.hypot(mine["skill"] - mine["skill_low"], theirs["skill_high"] - theirs["skill"])
    up = np.hypot(mine["skill_high"] - mine["skill"], theirs["skill"] - theirs["skill_low"])
    high = float(difference + up)
    return high, (
        f"rank IC minus that of the best without a model, on its own sessions, {mine['skill']:.4f}"
        f" ({mine['best_baseline']}), version {champion}'s {theirs['skill']:.4f}"
        f" ({theirs['best_baseline']}): difference [{difference - down:.4f}, {high:.4f}]"
    )


def _paired_difference(
    model: str, challenger: str, champion: str, forecasts: pd.DataFrame, seed: int
) -> tuple[float, float, int]:
    mine = forecasts[
        (forecasts["model"] == model)
        & (forecasts["window"] == HOLDOUT)
        & (forecasts["horizon"] == ACTION_HORIZON)
    ]
    daily = {
        version: session_rank_ic(mine[mine["model_version"] == version], "realised_return_tradable")
        for version in (challenger, champion)
    }
    difference = (daily[challenger] - daily[champion]).dropna().to_numpy()
    if len(difference) == 0:
        return float("nan"), float("nan"), 0
    sums = np.column_stack([difference, np.ones(len(difference))])
    weights = block_weights(len(difference), seed)
    low, high = interval(sums, lambda s: s[..., 0] / s[..., 1], weights)
    return low, high, len(difference)
