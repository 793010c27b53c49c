"""Health: should a model be trusted today, and why not. Reckoned for the clock it is given.

Everything that holds is told; the verdict is the first of

    missing        it has no champion, or the champion's bundle cannot be opened
    broken         a check failed, or the newest quotes are older than the last closed session:
                   what it would read is not in order, and training would learn from it
    losing_skill   its live skill has fallen below what its holdout showed (`live_skill.py`)
    drifting       its inputs or what it says have drifted (`drift.py`)
    stale          it was last trained `stale_after_days` days ago or earlier
    fresh          none of these

Training again mends the others; what is broken is mended first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.predictions.drift_finding import Drift
from asset_predict_dagster.predictions.live_skill import SkillWatch
from asset_predict_dagster.tables import MODEL_HEALTH, VERDICTS

MENDED_BY_TRAINING = ("missing", "losing_skill", "drifting", "stale")
"""Verdicts for which `retrain` is the answer."""


@dataclass(frozen=True)
class Findings:
    """What was found of one model. What was not looked at is told by nobody and counts as well.

    Attributes
    ----------
    drifts
        Of its inputs and of what it says.
    skills
        From `live_skill.watch_skill`.
    failed_checks
        Names of the checks that failed on what it reads.
    damage
        Why its bundle cannot be opened; empty if it can.
    """

    drifts: Sequence[Drift] = ()
    skills: Sequence[SkillWatch] = ()
    failed_checks: Sequence[str] = ()
    damage: str = ""


@dataclass
class _Told:
    """Verdicts that hold, and every reason, in the order they were found."""

    causes: set[str] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)

    def add(self, reason: str, cause: str = "") -> None:
        self.reasons.append(reason)
        if cause:
            self.causes.add(cause)

    def row(self) -> dict[str, str]:
        causes = [verdict for verdict in VERDICTS if verdict in self.causes]
        return {
            "verdict": causes[0] if causes else "fresh",
            "causes": ",".join(causes),
            "reason": "; ".join(self.reasons),
        }


def model_health(
    models: tuple[str, ...],
    champions: pd.DataFrame | None,
    now: datetime,
    stale_after_days: int,
    *,
    last_closed: date | None = None,
    newest_quotes: date | None = None,
    findings: Mapping[str, Findings] | None = None,
) -> pd.DataFrame:
    """Rows of `tables.MODEL_HEALTH`, one per model.

    Parameters
    ----------
    champions
        Rows of `tables.CHAMPIONS`; None before the first promotion.
    now
        The clock, aware.
    last_closed
        The session that has closed last by that clock; None: sessions are not reckoned.
    newest_quotes
        The last session that there are quotes of; None: not looked at.
    findings
        By model; of one that is not named only age and data are judged.
    """
    serving = {} if champions is None else champions.set_index("model").to_dict("index")
    rows = []
    for model in models:
        told = _Told()
        row: dict[str, Any] = {"model": model, "checked_at": now}
        if model in serving:
            row |= _age(told, model, serving[model], now, stale_after_days, last_closed)
        else:
            told.add(f"{model} has no champion", "missing")
        _tell_late_quotes(told, last_closed, newest_quotes)
        found = (findings or {}).get(model, Findings())
        if found.damage:
            told.add(f"{model} cannot be asked: {found.damage}", "missing")
        if found.failed_checks:
            told.add(f"failed checks: {', '.join(found.failed_checks)}", "broken")
        for skill in found.skills:
            told.add(skill.reason, "losing_skill" if skill.is_losing else "")
        for drift in found.drifts:
            told.add(drift.reason, "drifting" if drift.has_drift else "")
        rows.append(row | told.row())
    return pd.DataFrame(rows).reindex(columns=MODEL_HEALTH.column_names)


def _age(
    told: _Told,
    model: str,
    champion: dict[Any, Any],
    now: datetime,
    stale_after_days: int,
    last_closed: date | None,
) -> dict[str, Any]:
    age = now - champion["trained_at"].to_pydatetime()
    is_stale = age >= timedelta(days=stale_after_days)
    reason = f"{model} was trained {age.days} days ago; stale from {stale_after_days}"
    told.add(reason, "stale" if is_stale else "")
    row = {
        "model_version": champion["model_version"],
        "trained_at": champion["trained_at"],
        "age_days": age / timedelta(days=1),
        "training_end": champion["training_end"],
    }
    if last_closed is not None:
        row["age_sessions"] = _sessions_after(champion["training_end"].date(), last_closed)
        told.add(f"{row['age_sessions']} sessions have closed since the last one it learned from")
    return row


def _tell_late_quotes(told: _Told, last_closed: date | None, newest_quotes: date | None) -> None:
    if last_closed is None or newest_quotes is None:
        return
    n_behind = _sessions_after(newest_quotes, last_closed)
    if n_behind:
        told.add(
            f"the newest quotes are of {newest_quotes}, {n_behind} sessions behind the last closed"
            f" one, {last_closed}",
            "broken",
        )


def _sessions_after(day: date, last: date) -> int:
    """Sessions after `day` up to `last`; 0 where `last` is not later."""
    first = day + timedelta(days=1)
    return len(sessions_between(first, last)) if first <= last else 0
