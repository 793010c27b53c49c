"""By hand: a person lets another version serve, or goes back to the champion before."""

from datetime import date, datetime
from pathlib import Path

import pandas as pd

from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.registry.decisions import (
    BY_HAND,
    ROLLED_BACK,
    LoggedDecision,
    predecessors,
)
from asset_predict_dagster.registry.promotion import skill_so_far
from asset_predict_dagster.registry.store import ModelVersion, Registry
from asset_predict_dagster.registry.versions import refuse_scoped

LONGEST_WHY = 500
"""Characters of what a person says."""


def move_by_hand(
    registry: Registry,
    bundles: Path,
    model: str,
    version: str | None,
    why: str,
    evaluation: pd.DataFrame | None,
    *,
    last_session: date,
    now: datetime,
    run_id: str = "",
) -> LoggedDecision:
    """Let a version serve from now on; the decision as it was logged.

    Any version will do that is not scoped and whose bundle forecasts, proven or not. Going back is
    to the champion before the present one; doing it twice is one further back. The rule of
    `promotion.py` does not promote a version again that a person went back from, and judges the
    next challenger against the one that serves now. What is refused changes nothing.

    Parameters
    ----------
    bundles
        The folder of bundles.
    version
        Its number; None: the champion before.
    why
        In a person's words; may be empty.
    evaluation
        Rows of `tables.EVALUATION`, which say whether it is proven; None before there are any.
    last_session
        The session that has just closed: a version that knows more than that does not serve.
    run_id
        The Dagster run that asks. A run that has decided already, and is run again because it was
        killed on the way, decides nothing anew.

    Raises
    ------
    RegistryError
        If there is no such version or none before, it serves already, is scoped or knows later
        sessions, or the reason is too long.
    BundleError
        If its bundle does not forecast.
    """
    if len(why) > LONGEST_WHY:
        raise RegistryError(
            f"a reason of {LONGEST_WHY} characters at most was expected, not of {len(why)}; say it"
            " in fewer words"
        )
    with registry.deciding():
        log = registry.decisions(model)
        done = [one for one in log if run_id and one.run_id == run_id]
        if done:
            return done[-1]
        serving = registry.champion(model)
        wanted = _before(registry, model, log) if version is None else version
        target = registry.version(model, wanted)
        _refuse(target, serving, last_session)
        load_bundle(bundles, target.bundle)
        proven, numbers = skill_so_far(evaluation, model, target.version)
        return registry.record(
            LoggedDecision.of(
                ROLLED_BACK if version is None else BY_HAND,
                candidate=target,
                incumbent=serving,
                serving=target,
                is_proven=proven,
                reason=f"{why.strip() or 'no reason given'}; it has"
                f" {'shown' if proven else 'not shown'} skill: {numbers}",
                by="person",
                decided_at=now,
                run_id=run_id,
            )
        )


def _before(registry: Registry, model: str, log: list[LoggedDecision]) -> str:
    """The champion before the present one."""
    served = predecessors(log)
    if served:
        return served[-1]
    serving = registry.serving(model)
    raise RegistryError(
        f"no version of {model} served before version {serving.version}, so there is none to go"
        " back to; `asset-predict models` lists those that `asset-predict promote` can let serve"
    )


def _refuse(target: ModelVersion, serving: ModelVersion | None, last_session: date) -> None:
    refuse_scoped(target)
    name = f"version {target.version} of {target.model}"
    if serving is not None and serving.version == target.version:
        raise RegistryError(f"{name} serves already; nothing was changed")
    known = learned_until(date.fromisoformat(target.training_end))
    if known > last_session:
        raise RegistryError(
            f"{name} has learned from sessions up to {known}, and the last closed one is"
            f" {last_session}: what it said would be hindsight; choose an earlier version"
        )
