"""Champions: the rule applied to every model, and what came of it as a table."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import pandas as pd

from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.errors import BundleError, NoChampionError
from asset_predict_dagster.registry.decisions import LoggedDecision, put_aside
from asset_predict_dagster.registry.promotion import decide
from asset_predict_dagster.registry.store import ModelVersion, Registry
from asset_predict_dagster.tables import CHAMPIONS


def choose_champions(
    registry: Registry,
    models: tuple[str, ...],
    evaluation: pd.DataFrame,
    forecasts: pd.DataFrame,
    seed: int,
    last_session: date,
    now: datetime,
    *,
    failed_checks: Sequence[str] = (),
    expires_after: timedelta | None = None,
    load: Callable[[str], object] | None = None,
    run_id: str = "",
) -> pd.DataFrame:
    """Judge each model's challenger, promote it if the rule says so; rows of `tables.CHAMPIONS`.

    Each decision that says something new is logged. What says the same of the same version again,
    such as a training that changed nothing, is no news: the decision before it stands.

    A model has no row if it has scoped versions alone, or if nobody serves it.

    Parameters
    ----------
    last_session
        The session that has just closed. A champion that has learned from later ones (the clock
        was moved back) counts as none.
    now
        The clock, aware.
    failed_checks
        Names of those that failed on what the challengers were made from or judged by.
    expires_after, load
        As for `why_silent`: a champion that says nothing any more stands in nobody's way.
    run_id
        The Dagster run that decides.

    Raises
    ------
    RegistryError
        If a model was never trained.
    NoChampionError
        If no model was ever trained by the default experiment, or nobody serves any.
    """
    challengers = registry.challengers(models)
    if not challengers:
        raise NoChampionError(
            f"every version of {', '.join(models)} is scoped, to be asked for by its number and"
            " never to serve; run the job retrain without settings of the experiment"
        )
    for challenger in challengers:
        with registry.deciding():
            incumbent, log = (
                registry.champion(challenger.model),
                registry.decisions(challenger.model),
            )
            verdict = decide(
                challenger.model,
                challenger.version,
                incumbent.version if incumbent and not _knows(incumbent, last_session) else None,
                evaluation,
                forecasts,
                seed,
                challenger.scope,
                failed_checks=failed_checks,
                put_aside=put_aside(log),
                silent=why_silent(incumbent, now, expires_after, load),
            )
            decision = LoggedDecision.of(
                verdict.decision,
                candidate=challenger,
                incumbent=incumbent,
                serving=incumbent if verdict.decision == "kept" else challenger,
                is_proven=verdict.is_proven,
                reason=verdict.reason,
                by="rule",
                decided_at=now,
                run_id=run_id,
            )
            if not log or _is_news(decision, log[-1]):
                registry.record(decision)
    table = champions_table(registry, models)
    if table.empty:
        why = "; ".join(f"{v.model}: {registry.decisions(v.model)[-1].reason}" for v in challengers)
        raise NoChampionError(f"nobody serves yet: {why}; mend that and run the job retrain")
    return table


def champions_table(
    registry: Registry, models: tuple[str, ...], known: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Rows of `tables.CHAMPIONS` as the log of decisions has them; a model nobody serves has none.

    Parameters
    ----------
    known
        The table as it stands: its row of a model without a log, which an earlier program left,
        stays.
    """
    rows = []
    for model in models:
        log, serving = registry.decisions(model), registry.champion(model)
        if not log and known is not None:
            rows += known[known["model"] == model].to_dict("records")
        if not log or serving is None:
            continue
        rows.append(
            {
                "model": model,
                "model_version": serving.version,
                "status": log[-1].status,
                "candidate_version": log[-1].candidate_version,
                "decision": log[-1].decision,
                "reason": log[-1].reason,
                "trained_at": serving.trained_at,
                "training_end": pd.Timestamp(serving.training_end),
                "bundle": serving.bundle,
            }
        )
    return pd.DataFrame(rows, columns=CHAMPIONS.column_names)


def why_silent(
    champion: ModelVersion | None,
    now: datetime,
    expires_after: timedelta | None,
    load: Callable[[str], object] | None = None,
) -> str:
    """Why a champion says nothing any more; empty if it does, or if there is none.

    Parameters
    ----------
    now
        The clock, aware.
    expires_after
        Longer ago it must not have been trained (`predictions/refusals.py`); None: however long.
    load
        Opens a bundle by its digest, or raises `BundleError`; None: not tried.
    """
    if champion is None:
        return ""
    age = now - champion.trained_at
    if expires_after is not None and age > expires_after:
        return f"it was trained {age.days} days ago, and expires after {expires_after.days}"
    try:
        if load is not None:
            load(champion.bundle)
    except BundleError as error:
        return str(error)
    return ""


def _knows(version: ModelVersion, session: date) -> bool:
    """Whether it has learned from what came after a session."""
    return learned_until(date.fromisoformat(version.training_end)) > session


def _is_news(decision: LoggedDecision, last: LoggedDecision) -> bool:
    def about(one: LoggedDecision) -> tuple[str, str, str]:
        return one.candidate_version, one.model_version, one.status

    if about(decision) != about(last):
        return True
    said = (decision.decision, decision.reason)
    return decision.decision != "confirmed" and said != (last.decision, last.reason)
