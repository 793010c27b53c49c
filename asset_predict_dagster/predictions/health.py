"""Health: should a model be trusted today, and why not. Reckoned for the clock it is given."""

from datetime import datetime, timedelta

import pandas as pd

from asset_predict_dagster.tables import MODEL_HEALTH


def model_health(
    models: tuple[str, ...],
    champions: pd.DataFrame | None,
    now: datetime,
    stale_after_days: int,
) -> pd.DataFrame:
    """Rows of `tables.MODEL_HEALTH`, one per model.

        missing   it has no champion
        stale     its champion was last trained `stale_after_days` days ago or earlier
        fresh     otherwise

    Parameters
    ----------
    champions
        Rows of `tables.CHAMPIONS`; None before the first promotion.
    now
        The clock, aware.
    """
    serving = {} if champions is None else champions.set_index("model").to_dict("index")
    rows = []
    for model in models:
        row = {"model": model, "checked_at": now}
        if model not in serving:
            rows.append(row | {"verdict": "missing", "reason": f"{model} has no champion"})
            continue
        champion = serving[model]
        age = now - champion["trained_at"].to_pydatetime()
        is_stale = age >= timedelta(days=stale_after_days)
        rows.append(
            row
            | {
                "model_version": champion["model_version"],
                "verdict": "stale" if is_stale else "fresh",
                "reason": f"{model} was trained {age.days} days ago; stale from {stale_after_days}",
                "trained_at": champion["trained_at"],
                "age_days": age / timedelta(days=1),
                "training_end": champion["training_end"],
            }
        )
    return pd.DataFrame(rows).reindex(columns=MODEL_HEALTH.column_names)
