"""Trained: what the version that was trained last is worth, and what became of it.

Each is worked out in a process of its own, as in `stages.py`.
"""

import csv
import json
from typing import Any

import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.evaluation.probability_plots import confusion
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.baselines import BASELINES
from asset_predict_dagster.registry.mlflow_database import artifacts_folder
from asset_predict_dagster.registry.registered import Registered
from asset_predict_dagster.registry.training_run import CONFUSION
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.tables import EVALUATION, FORECASTS_OUT_OF_SAMPLE, PROMOTIONS

REGRESSION = {"mae": "mae_price", "rmse": "rmse_price", "mape": "mape_price", "r2": "r2_price"}
"""Name in the answer → metric: errors of the price, R$; `mape` is a fraction."""


def evaluated(places: Places, version: Registered) -> dict[str, Any] | None:
    """Figures of a version on validation and test, beside the baselines'; None: not evaluated yet.

    Those of the test derive from `evaluation` and `forecasts_out_of_sample`, at `horizon`, which
    the version's actions are judged at. Those of validation were written down by its training.
    """
    lake = Lake(places.lake_root)
    card = json.loads((places.bundles / version.evaluation_bundle / "card.json").read_bytes())
    window, horizon = card["window"], card["experiment"]["horizon"]
    figures = lake.read_if_made(EVALUATION, where={"window": [window], "horizon": [horizon]})
    if figures is None:
        return None
    is_mine = (figures["model"] == version.model) & (figures["model_version"] == version.version)
    mine = figures[is_mine].set_index("metric")
    if mine.empty:
        return None
    head = mine.iloc[0]
    beside = figures[
        figures["model"].isin(BASELINES)
        & (figures["first_session"] == head["first_session"])
        & (figures["last_session"] == head["last_session"])
    ]
    return {
        "validation": {
            "metrics": _numbers(card["validation"]),
            **_days(card["validation"]["first_session"], card["validation"]["last_session"]),
            "confusion_matrix": _confusion_of_validation(places, version),
            "labels": list(ACTIONS),
        },
        "test": {
            "metrics": _numbers(mine["value"]),
            "intervals": {
                name: [row["low"], row["high"]]
                for name, row in mine.dropna(subset=["low", "high"]).iterrows()
            },
            **_days(head["first_session"].date(), head["last_session"].date()),
            "confusion_matrix": _confusion_of_test(lake, version, window, horizon),
            "labels": list(ACTIONS),
        },
        "horizon": horizon,
        "regression": _regression(mine["value"]),
        "baselines": {
            "naive_price": _regression(mine["naive_value"]),
            **{
                name: _numbers(rows.set_index("metric")["value"])
                for name, rows in beside.groupby("model")
            },
        },
        "is_holdout": window == HOLDOUT,
    }


def decided(places: Places, model: str) -> dict[str, str]:
    """The last decision about who serves as that model; nobody does if `model_version` is empty."""
    log = Lake(places.lake_root).read(PROMOTIONS, where={"model": [model]})
    last = log.sort_values("decided_at").iloc[-1]
    return {name: str(last[name]) for name in ("model_version", "decision", "reason")}


def _numbers(figures: Any) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in figures.items()
        if isinstance(value, (int, float)) and not pd.isna(value)
    }


def _regression(figures: pd.Series) -> dict[str, float]:
    return {
        name: float(figures[metric]) for name, metric in REGRESSION.items() if metric in figures
    }


def _days(first: object, last: object) -> dict[str, str]:
    return {"first_session": str(first), "last_session": str(last)}


def _confusion_of_test(
    lake: Lake, version: Registered, window: str, horizon: int
) -> list[list[int]]:
    rows = lake.read(
        FORECASTS_OUT_OF_SAMPLE,
        columns=["realised_label", *(f"probability_{action}" for action in ACTIONS)],
        where={
            "window": [window],
            "model": [version.model],
            "model_version": [version.version],
            "horizon": [horizon],
        },
    )
    rows = rows.rename(columns={"realised_label": "action"}).dropna()
    return confusion(rows).to_numpy().tolist()


def _confusion_of_validation(places: Places, version: Registered) -> list[list[int]] | None:
    """As the training wrote it down; None if an earlier program did not."""
    folder = artifacts_folder(places.registry_database) / version.run_id / "artifacts"
    if not (folder / CONFUSION).is_file():
        return None
    with (folder / CONFUSION).open(newline="") as lines:
        found = {row.pop(""): row for row in csv.DictReader(lines)}
    return [[int(found[happened][said]) for said in ACTIONS] for happened in ACTIONS]
