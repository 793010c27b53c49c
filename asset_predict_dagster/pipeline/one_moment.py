"""One moment: a training reads the market's tables as they were when it began.

`daily_prediction` never waits for a training, and writes these tables while one runs. Rows of two
of them are matched by their place, and labels are compared with the records that they were made
of, so all must be of one moment. What predicts, and what watches, reads what there is now.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.errors import WriteConflictError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.tables import (
    CORPORATE_ACTIONS,
    QUOTES,
    RAW_QUOTES,
    RENAMES,
    UNIVERSE,
)

_TRAINING = ("labels", "dataset", "models", "evaluation")
"""Groups of assets that a training makes, from tables that it does not make."""

_ROW_BY_ROW = (QUOTES, UNIVERSE, FEATURES)

_MOMENTS: dict[str, dict[str, int]] = {}
"""Run → table name → version. All steps of a run are in one process, which mostly is its own."""


def versions_for(step: Any, root: str) -> Mapping[str, int]:
    """Table name → the version that a step reads; empty for a step of no training.

    Parameters
    ----------
    step
        Dagster's context of the step, or None outside of one.

    Raises
    ------
    WriteConflictError
        If another run is writing these tables just now: a little later the step will succeed.
    """
    if step is None or not _groups_of(step) & set(_TRAINING):
        return {}
    if step.run_id not in _MOMENTS:
        _MOMENTS[step.run_id] = moment(Lake(root))
    return _MOMENTS[step.run_id]


def _groups_of(step: Any) -> set[str]:
    outputs = [out.properties for out in step.step.step_outputs if out.properties is not None]
    keys = {out.asset_key for out in outputs} | {
        out.asset_check_key.asset_key for out in outputs if out.asset_check_key is not None
    }
    layer = step.job_def.asset_layer
    return {layer.get(key).group_name for key in keys - {None} if layer.has(key)}


def moment(lake: Lake) -> dict[str, int]:
    """Table name → current version, of the market's tables that have been made.

    Raises
    ------
    WriteConflictError
        If quotes, universe and features have not the same rows.
    """
    made = [
        table
        for table in (RAW_QUOTES, CORPORATE_ACTIONS, RENAMES, *_ROW_BY_ROW)
        if lake.exists(table)
    ]
    versions = {table.name: lake.delta(table.name).version() for table in made}
    rows = {
        table.name: lake.read(table, ["ticker", "session"], version=versions[table.name])
        for table in _ROW_BY_ROW
        if table in made
    }
    for (one, ours), (other, theirs) in pairwise(rows.items()):
        if not ours.equals(theirs):
            raise WriteConflictError(
                f"{one} and {other} have not the same rows: another run is writing them, or one was"
                " made alone; run daily_prediction, and then this again"
            )
    return versions
