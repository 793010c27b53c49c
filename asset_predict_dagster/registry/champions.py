"""Champions: the rule applied to every model, and what came of it as a table."""

from datetime import date

import pandas as pd

from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.errors import NoChampionError
from asset_predict_dagster.registry.promotion import decide
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.tables import CHAMPIONS


def choose_champions(
    registry: Registry,
    models: tuple[str, ...],
    evaluation: pd.DataFrame,
    forecasts: pd.DataFrame,
    seed: int,
    last_session: date,
    known: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Judge each model's challenger, promote it if the rule says so; rows of `tables.CHAMPIONS`.

    A model that has scoped versions alone has no challenger and no row.

    Parameters
    ----------
    last_session
        The session that has just closed. A champion that has learned from later ones (the clock
        was moved back) counts as none.
    known
        The table as it stands. A version that was trained again and came out the same keeps the
        decision that once put it there.

    Raises
    ------
    RegistryError
        If a model was never trained.
    NoChampionError
        If no model was ever trained by the default experiment.
    """
    rows = []
    challengers = registry.challengers(models)
    if not challengers:
        raise NoChampionError(
            f"every version of {', '.join(models)} is scoped, to be asked for by its number and"
            " never to serve; run the job retrain without settings of the experiment"
        )
    for challenger in challengers:
        model = challenger.model
        champion = registry.champion(model)
        if champion and learned_until(date.fromisoformat(champion.training_end)) > last_session:
            champion = None
        verdict = decide(
            model,
            challenger.version,
            champion.version if champion else None,
            evaluation,
            forecasts,
            seed,
            challenger.scope,
        )
        if verdict.decision != "kept":
            registry.promote(challenger)
        serving = registry.serving(model)
        decision, reason = verdict.decision, verdict.reason
        if decision == "confirmed" and known is not None:
            before = known[
                (known["model"] == model) & (known["candidate_version"] == challenger.version)
            ]
            for row in before.itertuples():
                decision, reason = row.decision, row.reason
        rows.append(
            {
                "model": model,
                "model_version": serving.version,
                "status": "proven" if verdict.is_proven else "unproven",
                "candidate_version": challenger.version,
                "decision": decision,
                "reason": reason,
                "trained_at": serving.trained_at,
                "training_end": pd.Timestamp(serving.training_end),
                "bundle": serving.bundle,
            }
        )
    return pd.DataFrame(rows)[CHAMPIONS.column_names]
