"""The MLflow run of a training: all that led to a model, and what it looked like.

    params      settings by name, experiment.*
    tags        model, model_version, bundle, evaluation_bundle, window, training_end, n_trials,
                code_version, lake.<table> (the version learned from), dagster_run_id; scoped
    metrics     validation/*, n_training_rows; by epoch seed_<seed>/train_loss, validation_loss,
                learning_rate; those of the test, without a prefix, once they are known
    artefacts   figures/*.png, tables/*.csv, bundles/evaluation/ and bundles/serving/

Artefacts lie in a folder per run beside the database, which holds no path.
"""

import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.evaluation.plots import curves_picture, importance_picture
from asset_predict_dagster.evaluation.probability_plots import (
    confusion_picture,
    reliability_picture,
)
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.training import TrainedModel

_DESCRIPTION = "mlflow.note.content"
_SOURCE = "mlflow.source.name"


@dataclass(frozen=True)
class Training:
    """A training and what is known of it from outside.

    Attributes
    ----------
    started_at, trained_at
        When it began and ended, with a time zone.
    dagster_run_id
        The Dagster run that it was part of.
    bundles
        The folder of bundles, whose files the run is to show; None: it shows none.
    """

    trained: TrainedModel
    started_at: datetime
    trained_at: datetime
    dagster_run_id: str
    bundles: Path | None


def log_training(client: Any, experiment_id: str, artifacts: Path, training: Training) -> str:
    """Make the run of a training and return its id.

    Parameters
    ----------
    artifacts
        The folder of all runs' artefacts.

    Raises
    ------
    RegistryError
        If the artefacts cannot be written.
    """
    from mlflow.entities import Param

    trained = training.trained
    # Drawn first: the run of a process that dies while drawing would stay open for ever.
    contents = drawn(trained)
    ended = _milliseconds(training.trained_at)
    run = client.create_run(
        experiment_id,
        start_time=_milliseconds(training.started_at),
        run_name=trained.model,
        tags=_tags(training),
    )
    run_id = run.info.run_id
    try:
        _write(artifacts / run_id / "artifacts", contents, _bundle_files(training))
    except RegistryError:
        client.set_terminated(run_id, "FAILED")
        raise
    params = [Param(name, str(value)) for name, value in _params(trained).items()]
    metrics = [metric(name, value, ended, step) for name, value, step in _metrics(trained)]
    # One commit for all: one by one they take longer than some trainings.
    client.log_batch(run_id, metrics=metrics, params=params)
    client.set_terminated(run_id, end_time=ended)
    return run_id


def drawn(trained: TrainedModel) -> dict[str, bytes]:
    """Pictures and tables of a training by the names that its run gives them.

    What it has no numbers for is left out: a forest has no loss by epoch.
    """
    when = _when(trained)
    contents = {}
    if len(trained.validation_forecasts):
        contents["figures/confusion_matrix.png"] = confusion_picture(
            trained.validation_forecasts, when
        )
        contents["figures/reliability.png"] = reliability_picture(
            trained.validation_forecasts, when
        )
    if len(trained.importance):
        contents["figures/importance.png"] = importance_picture(trained.importance, when)
        contents["tables/importance.csv"] = _csv(trained.importance)
    if "epoch" in trained.curves:
        contents["figures/loss.png"] = curves_picture(trained.curves, when)
    if len(trained.curves):
        contents["tables/curves.csv"] = _csv(trained.curves)
    return contents


def metric(name: str, value: float, at: int, step: int = 0) -> Any:
    """A figure for MLflow, `at` so many milliseconds since 1970."""
    from mlflow.entities import Metric

    return Metric(name, float(value), timestamp=at, step=step)


def _params(trained: TrainedModel) -> dict[str, Any]:
    experiment = {f"experiment.{name}": value for name, value in trained.experiment.items()}
    return {**trained.settings, **experiment}


def _tags(training: Training) -> dict[str, str]:
    trained = training.trained
    lake = trained.card.get("lake_versions", {})
    scope = Experiment.from_card(trained.experiment).scope
    return {
        "model": trained.model,
        "bundle": trained.serving_bundle,
        "evaluation_bundle": trained.evaluation_bundle,
        "training_end": str(trained.training_end),
        "window": str(trained.card.get("window", "")),
        "n_trials": str(trained.card.get("n_trials", "")),
        "code_version": str(trained.card.get("code_version", "")),
        "dagster_run_id": training.dagster_run_id,
        _SOURCE: "asset_predict_dagster",
        _DESCRIPTION: _description(trained),
        **({"scoped": scope} if scope else {}),
        **{f"lake.{table}": str(version) for table, version in lake.items()},
    }


def _metrics(trained: TrainedModel) -> Iterator[tuple[str, float, int]]:
    """Name, value and step of each figure; missing ones are left out."""
    yield "n_training_rows", trained.n_training_rows, 0
    for name, value in trained.validation.items():
        if isinstance(value, (int, float)):
            yield f"validation/{name}", value, 0
    if "epoch" not in trained.curves:
        return
    names = [name for name in trained.curves if name not in ("seed", "epoch", "is_best")]
    for row in trained.curves.to_dict("records"):
        for name in names:
            if not math.isnan(row[name]):
                yield f"seed_{row['seed']}/{name}", row[name], int(row["epoch"])


def _when(trained: TrainedModel) -> str:
    said = trained.validation
    return f"{trained.model}, validation {said['first_session']} to {said['last_session']}"


def _description(trained: TrainedModel) -> str:
    said = trained.validation
    ic = said["rank_ic"]
    return (
        f"Validation {said['first_session']} to {said['last_session']}, {said['n_rows']:,} rows:"
        f" rank IC {'unknown' if ic is None else f'{ic:.4f}'}, log-loss {said['log_loss']:.4f}"
        f" beside the prior's {said['log_loss_of_prior']:.4f}. Those sessions also calibrated the"
        " model, so they are no claim; figures without a prefix are of the test, out of sample."
    )


def _bundle_files(training: Training) -> dict[str, Path]:
    """Name in the run → file of a bundle."""
    if training.bundles is None:
        return {}
    digests = {
        "evaluation": training.trained.evaluation_bundle,
        "serving": training.trained.serving_bundle,
    }
    return {
        f"bundles/{role}/{file.name}": file
        for role, digest in digests.items()
        for file in sorted((training.bundles / digest).iterdir())
    }


def _write(folder: Path, contents: dict[str, bytes], files: dict[str, Path]) -> None:
    try:
        folder.mkdir(parents=True)
        for name in (*contents, *files):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        for name, file in files.items():
            _link(file, folder / name)
    except OSError as error:
        raise RegistryError(
            f"the artefacts of a training cannot be written to {folder}: {error.strerror}; point"
            " ASSET_PREDICT_DATA at a folder that can"
        ) from error


def _link(file: Path, target: Path) -> None:
    """The same file under another name: a bundle is some megabytes, and MLflow follows no link."""
    try:
        os.link(file, target)
    except OSError:  # on another disk, or on one that cannot
        shutil.copyfile(file, target)


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
