"""Promotion: the one rule by which a trained version becomes the one that serves.

A version has shown skill (`proven`) if, out of sample at the horizon of the action, the 95 %
interval of its mean daily rank IC lies above zero and its log-loss is not worse than the prior's
beyond doubt (the 95 % interval of its skill reaches 0).

    the challenger is scoped                → kept: it learned another task than the champion's
    no champion yet                         → promoted, proven or not: somebody must serve, and
                                              every prediction says which it is
    the champion, trained again             → confirmed
    champion proven, challenger unproven    → kept
    both alike in skill, or challenger better → promoted unless it is worse beyond doubt: the
                                              95 % interval of its rank IC minus the champion's,
                                              paired on the sessions both forecast out of sample,
                                              lies below zero
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import block_weights, interval
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.metrics import session_rank_ic
from asset_predict_dagster.evaluation.skill_claim import is_worse_than_the_prior

MIN_COMMON_SESSIONS = 60
"""Sessions that both versions must have forecast for a paired comparison to say anything."""


@dataclass(frozen=True)
class Decision:
    """What became of a challenger: `promoted`, `kept` (the champion stays), or `confirmed`."""

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
    rows = evaluation[
        (evaluation["model"] == model)
        & (evaluation["model_version"] == version)
        & (evaluation["window"] == HOLDOUT)
        & (evaluation["horizon"] == ACTION_HORIZON)
    ].set_index("metric")
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


def decide(
    model: str,
    challenger: str,
    champion: str | None,
    evaluation: pd.DataFrame,
    forecasts: pd.DataFrame,
    seed: int,
    scope: str = "",
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
    """
    if scope:
        proven = champion is not None and has_shown_skill(evaluation, model, champion)[0]
        reason = f"version {challenger} is scoped and never serves: {scope}"
        return Decision("kept", proven, reason)
    proven, numbers = has_shown_skill(evaluation, model, challenger)
    skill = "shown skill" if proven else "not shown skill"
    if champion is None:
        return Decision("promoted", proven, f"first champion; it has {skill}: {numbers}")
    if champion == challenger:
        return Decision("confirmed", proven, f"trained again, the same; it has {skill}: {numbers}")
    champion_proven, champion_numbers = has_shown_skill(evaluation, model, champion)
    if champion_proven and not proven:
        return Decision(
            "kept",
            champion_proven,
            f"version {challenger} has not shown skill ({numbers}), version {champion} has"
            f" ({champion_numbers})",
        )
    low, high, n_common = _paired_difference(model, challenger, champion, forecasts, seed)
    compared = (
        f"rank IC minus version {champion}'s on {n_common} common sessions [{low:.4f}, {high:.4f}]"
        if n_common >= MIN_COMMON_SESSIONS
        else f"only {n_common} sessions in common with version {champion}"
    )
    if n_common >= MIN_COMMON_SESSIONS and high < 0:
        return Decision("kept", champion_proven, f"version {challenger} is worse: {compared}")
    return Decision("promoted", proven, f"it has {skill}: {numbers}; {compared}")


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
