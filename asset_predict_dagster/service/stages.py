"""Stages: what a step left in the lake, in numbers. Each is worked out in a process of its own.

The process is `child.py`'s; a function takes `places` first and returns what the answer says.
"""

from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS, build_samples
from asset_predict_dagster.dataset.splits import role_mask, temporal_split, usable_sessions
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.tables import LABELS, QUOTES, UNIVERSE, Table


def loaded(places: Places) -> dict[str, Any]:
    """Shape and columns of `quotes`, and the first and last session in it."""
    lake = Lake(places.lake_root)
    sessions = lake.distinct(QUOTES, ["session"])["session"]
    shape, columns = _shape(lake, QUOTES)
    return {
        "data_shape": shape,
        "columns": columns,
        "date_range": [str(day.date()) for day in (sessions.min(), sessions.max())],
    }


def preprocessed(places: Places) -> dict[str, Any]:
    """Shapes of `features` and `labels`, and how often each action is the label."""
    lake = Lake(places.lake_root)
    features_shape, columns = _shape(lake, FEATURES)
    targets_shape, _ = _shape(lake, LABELS)
    actions = lake.read(LABELS, columns=["action"])["action"].value_counts(normalize=True)
    return {
        "features_shape": features_shape,
        "targets_shape": targets_shape,
        "feature_columns": [name for name in columns if name not in FEATURES.key],
        "target_distribution": {name: float(actions.get(name, 0.0)) for name in ACTIONS},
    }


def split(places: Places, test_size: float, val_size: float) -> dict[str, int]:
    """Rows of each role where those shares of the sessions test and validate.

    A row that trains or validates has every label; of the test those count that are judged.

    Raises
    ------
    DatasetError
        If there are too few sessions for such a split.
    """
    lake = Lake(places.lake_root)
    key = ["ticker", "session"]
    ranks = [f"return_rank_{horizon}d" for horizon in HORIZONS]
    labels = lake.read(LABELS, columns=[*key, "action", "uniqueness", *ranks])
    universe = lake.read(UNIVERSE, columns=[*key, "in_universe"])
    features = lake.read(FEATURES, columns=[*key, "volatility_21d"])
    experiment = Experiment(test_size=test_size, val_size=val_size)
    folds = temporal_split(
        usable_sessions(labels, universe),
        validation_size=val_size,
        test_size=test_size,
        span=experiment.definition.span,
        embargo=experiment.embargo,
    )
    samples = build_samples(features, universe, labels)
    counted = {
        "train": samples.is_labelled,
        "validation": samples.is_labelled,
        "test": samples.is_forecastable & (samples.action >= 0),
    }
    return {
        f"{role}_size": int(
            (rows & role_mask(samples.sessions, samples.session_codes, folds, role)).sum()
        )
        for role, rows in counted.items()
    }


def _shape(lake: Lake, table: Table) -> tuple[list[int], list[str]]:
    """Rows and columns, and the columns' names, without reading the rows."""
    stored = lake.delta(table.name)
    names = [field.name for field in stored.schema().fields]
    n_rows = int(np.sum(pd.DataFrame(_files(stored))["num_records"]))
    return [n_rows, len(names)], names


def _files(stored: Any) -> Any:
    import pyarrow as pa

    return pa.table(stored.get_add_actions(flatten=True)).to_pydict()
