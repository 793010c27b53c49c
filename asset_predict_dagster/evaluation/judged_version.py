"""The figures of one registered version, as they were measured when it was trained."""

import pandas as pd

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.models.baselines import BASELINE_VERSION


def figures_of_version(
    evaluation: pd.DataFrame, model: str, version: str, window: str
) -> pd.DataFrame:
    """Rows of `tables.EVALUATION` of a version in its own window.

    Raises
    ------
    DatasetError
        If it was not measured.
    """
    of_window = evaluation[evaluation["window"] == window]
    mine = of_window[(of_window["model"] == model) & (of_window["model_version"] == version)]
    if mine.empty:
        raise DatasetError(
            f"version {version} of {model} was not measured in the window '{window}';"
            " `asset-predict models` lists those that were, and `asset-predict train` measures what"
            " it trains"
        )
    return mine.reset_index(drop=True)


def with_baselines(evaluation: pd.DataFrame, figures: pd.DataFrame) -> pd.DataFrame:
    """The rows of a version, and those of the baselines that were measured on the same sessions."""
    same = ["window", "first_session", "last_session"]
    baselines = evaluation[evaluation["model_version"] == BASELINE_VERSION]
    beside = baselines.merge(figures[same].drop_duplicates(), on=same)
    return pd.concat([figures, beside], ignore_index=True)
