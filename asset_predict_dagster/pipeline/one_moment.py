"""One moment: a training reads the market's tables as they were when its labels were made.

`daily_prediction` never waits for a training, and writes these tables while one runs, and after one
that failed or ended days ago. Rows of two of them are matched by their place, and labels are
compared with the records that they were made of, so all must be of one moment. What predicts, and
what watches, reads what there is now.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import dagster as dg

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.dataset.labels import compute_labels
from asset_predict_dagster.errors import DatasetError, WriteConflictError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.lake_log import last_notes
from asset_predict_dagster.table_content import digest_of, to_arrow
from asset_predict_dagster.tables import (
    CORPORATE_ACTIONS,
    LABELS,
    QUOTES,
    RAW_QUOTES,
    RENAMES,
    UNIVERSE,
)

_TRAINING = ("labels", "dataset", "models", "evaluation")
"""Groups of assets that a training makes, from tables that it does not make."""

_ROW_BY_ROW = (QUOTES, UNIVERSE, FEATURES)
_RECORDS = (RAW_QUOTES, CORPORATE_ACTIONS, RENAMES)

_MOMENTS: dict[str, dict[str, int]] = {}
"""Run → table name → version. All steps of a run are in one process, which mostly is its own."""


def versions_for(step: Any, root: str) -> Mapping[str, int]:
    """Table name → the version that a step reads; empty for a step of no training.

    A run that makes labels reads the tables of the moment at which it does. One that does not, as
    the second half of a training that failed, reads those that go with the labels there are.

    Parameters
    ----------
    step
        Dagster's context of the step, or None outside of one.

    Raises
    ------
    WriteConflictError
        If another run is writing these tables just now: a little later the step will succeed.
    MissingTableError, DatasetError
        As `moment_of_labels`.
    """
    if step is None or not _groups_of(step) & set(_TRAINING):
        return {}
    if step.run_id not in _MOMENTS:
        moment_of = moment if _makes_labels(step) else moment_of_labels
        _MOMENTS[step.run_id] = moment_of(Lake(root))
    return _MOMENTS[step.run_id]


def pin(step: Any, name: str, version: int) -> None:
    """Let the later steps of a run read the labels that it has made, whoever makes others."""
    if name == LABELS.name and step.run_id in _MOMENTS:
        _MOMENTS[step.run_id][name] = version


def _outputs_of(step: Any) -> list[Any]:
    return [out.properties for out in step.step.step_outputs if out.properties is not None]


def _makes_labels(step: Any) -> bool:
    return dg.AssetKey(LABELS.name) in {out.asset_key for out in _outputs_of(step)}


def _groups_of(step: Any) -> set[str]:
    outputs = _outputs_of(step)
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
    versions = _current(lake)
    if apart := _unlike_rows(lake, versions):
        raise WriteConflictError(
            f"{' and '.join(apart)} have not the same rows: another run is writing them, or one was"
            " made alone; run daily_prediction, and then this again"
        )
    return versions


def moment_of_labels(lake: Lake) -> dict[str, int]:
    """Table name → version, of `labels` and of the market's tables that go with them.

    Those of now where the same labels would come of them; else those that they were made of, which
    a clean-up never drops.

    Raises
    ------
    MissingTableError
        If labels have not been made.
    DatasetError
        If the tables of now make other labels, and an earlier program did not note what these were
        made of.
    """
    stored = lake.delta(LABELS.name)
    mine, notes = {LABELS.name: stored.version()}, last_notes(stored)
    came_from, now = notes.came_from or {}, _current(lake)
    is_known = all(table.name in came_from for table in _ROW_BY_ROW)
    if is_known and all(now.get(table.name) == came_from[table.name] for table in _ROW_BY_ROW):
        return mine | now
    if _makes(lake, now, notes.digest):
        return mine | now
    if not is_known:
        raise DatasetError(
            f"table 'labels' in {lake.root} was made of other quotes or features than those of now,"
            " and does not say of which; run the job retrain, which makes them anew"
        )
    then = {table.name: came_from[table.name] for table in _ROW_BY_ROW}
    return mine | now | _records_of(lake, then[QUOTES.name]) | then


def _current(lake: Lake) -> dict[str, int]:
    """Current versions; of records those that the current quotes were made of."""
    made = [table for table in (*_RECORDS, *_ROW_BY_ROW) if lake.exists(table)]
    versions = {table.name: lake.delta(table.name).version() for table in made}
    if QUOTES.name in versions:
        # A daily run writes records first: corrected ones are no records of these quotes.
        versions |= _records_of(lake, versions[QUOTES.name])
    return versions


def _records_of(lake: Lake, quotes: int) -> dict[str, int]:
    """The versions that quotes noted as their sources, which a clean-up keeps; none: empty."""
    noted = last_notes(lake.delta(QUOTES.name, quotes)).came_from or {}
    return {table.name: noted[table.name] for table in _RECORDS if table.name in noted}


def _unlike_rows(lake: Lake, versions: Mapping[str, int]) -> tuple[str, ...]:
    """The first two of the tables matched by their rows that have not the same; none: empty."""
    rows = {
        table.name: lake.read(table, ["ticker", "session"], version=versions[table.name])
        for table in _ROW_BY_ROW
        if table.name in versions
    }
    for (one, ours), (other, theirs) in pairwise(rows.items()):
        if not ours.equals(theirs):
            return one, other
    return ()


def _makes(lake: Lake, versions: Mapping[str, int], digest: str | None) -> bool:
    """Whether labels made of these versions say the same, to the bit."""
    is_whole = all(table.name in versions for table in _ROW_BY_ROW)
    if not is_whole or _unlike_rows(lake, versions):
        return False
    tables = [lake.read(table, version=versions[table.name]) for table in _ROW_BY_ROW]
    return digest_of(to_arrow(LABELS, compute_labels(*tables))) == digest
