"""The MLflow run of a training: all that led to a model, and what it looked like.

    params      settings by name, experiment.*
    tags        model, model_version, bundle, evaluation_bundle, window, training_end, n_trials,
                code_version, lake.<table> (the version learned from), dagster_run_id; scoped
    metrics     by epoch seed_<seed>/train_loss, validation_loss, learning_rate, and those of the
                refit below refit/; seconds_left, by epochs that have passed; at the end
                validation/*, n_training_rows; those of the test, without a prefix, once known
    artefacts   figures/*.png, tables/*.csv, bundles/evaluation/ and bundles/serving/

What is known when it begins is there from then on; epochs come as they pass.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from asset_predict_dagster import __version__
from asset_predict_dagster.evaluation.plots import curves_picture, importance_picture
from asset_predict_dagster.evaluation.probability_plots import (
    confusion,
    confusion_picture,
    reliability_picture,
)
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.training import TrainedModel
from asset_predict_dagster.registry.live_run import LiveRun

_DESCRIPTION = "mlflow.note.content"
_OF_AN_EPOCH = ("train_loss", "validation_loss", "learning_rate")

CONFUSION = "tables/confusion_matrix.csv"
"""Artefact: rows of the validation by what happened, columns by the likeliest action forecast."""


@dataclass(frozen=True)
class Begun:
    """What is known of a training before it trains.

    Attributes
    ----------
    settings, experiment
        As they will stand in the card.
    n_trials
        How many settings were tried before these were chosen.
    lake_versions
        Table → the version learned from.
    dagster_run_id
        The Dagster run that it is part of.
    """

    model: str
    settings: dict[str, Any]
    experiment: dict[str, Any]
    n_trials: int
    lake_versions: dict[str, int]
    dagster_run_id: str

    @classmethod
    def of(cls, trained: TrainedModel, dagster_run_id: str) -> "Begun":
        """What was known of a training that is over."""
        card = trained.card
        return cls(
            trained.model,
            trained.settings,
            trained.experiment,
            card.get("n_trials", 1),
            card.get("lake_versions", {}),
            dagster_run_id,
        )

    @property
    def params(self) -> dict[str, Any]:
        return {
            **self.settings,
            **{f"experiment.{name}": value for name, value in self.experiment.items()},
        }

    @property
    def tags(self) -> dict[str, str]:
        experiment = Experiment.from_card(self.experiment)
        return {
            "model": self.model,
            "window": experiment.window,
            "n_trials": str(self.n_trials),
            "code_version": __version__,
            "dagster_run_id": self.dagster_run_id,
            **({"scoped": experiment.scope} if experiment.scope else {}),
            **{f"lake.{table}": str(version) for table, version in self.lake_versions.items()},
        }


def epoch_logger(run: LiveRun) -> Callable[[dict[str, Any]], None]:
    """Writes each reported epoch to the run; a refit's, which has no validation loss, below refit/.

    What is reported: see `models.lstm_training.Report`.
    """
    n_heard = 0

    def heard(epoch: dict[str, Any]) -> None:
        nonlocal n_heard
        n_heard += 1
        is_refit = math.isnan(epoch["validation_loss"])
        prefix = f"{'refit/' if is_refit else ''}seed_{epoch['seed']}"
        run.note({f"{prefix}/{name}": epoch[name] for name in _OF_AN_EPOCH}, epoch["epoch"])
        run.log({"seconds_left": epoch["seconds_left"]}, n_heard)

    return heard


def log_trained(run: LiveRun, trained: TrainedModel, bundles: Path | None) -> None:
    """Add to the run of a training what it came to.

    Parameters
    ----------
    bundles
        The folder of bundles, whose files the run is to show; None: it shows none.

    Raises
    ------
    RegistryError
        If the artefacts cannot be written.
    """
    run.keep(drawn(trained), _bundle_files(trained, bundles))
    # Among them those of epochs that passed before a killed training was taken up again.
    if "epoch" in trained.curves:
        for row in trained.curves.to_dict("records"):
            figures = {f"seed_{row['seed']}/{name}": row[name] for name in _OF_AN_EPOCH}
            run.note(figures, int(row["epoch"]))
    run.note({"n_training_rows": trained.n_training_rows, **_of_validation(trained)})
    run.flush()
    run.tag(
        {
            "bundle": trained.serving_bundle,
            "evaluation_bundle": trained.evaluation_bundle,
            "training_end": str(trained.training_end),
            "n_trials": str(trained.card.get("n_trials", 1)),
            _DESCRIPTION: _description(trained),
        }
    )


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
        contents[CONFUSION] = confusion(trained.validation_forecasts).to_csv().encode()
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


def _of_validation(trained: TrainedModel) -> dict[str, float]:
    return {
        f"validation/{name}": float(value)
        for name, value in trained.validation.items()
        if isinstance(value, (int, float))
    }


def _when(trained: TrainedModel) -> str:
    said = trained.validation
    return f"{trained.model}, validation {said['first_session']} to {said['last_session']}"


def _description(trained: TrainedModel) -> str:
    said = trained.validation
    ic, ahead = said["rank_ic"], trained.experiment["horizon"]
    return (
        f"Validation {said['first_session']} to {said['last_session']}, {said['n_rows']:,} rows:"
        f" rank IC {'unknown' if ic is None else f'{ic:.4f}'}, log-loss {said['log_loss']:.4f}"
        f" beside the prior's {said['log_loss_of_prior']:.4f}. Those sessions also calibrated the"
        " model, so they are no claim; figures without a prefix are of the test, out of sample."
        + ("" if ahead == 1 else f" Those of the action are of {ahead} sessions ahead.")
    )


def _bundle_files(trained: TrainedModel, bundles: Path | None) -> dict[str, Path]:
    """Name in the run → file of a bundle."""
    if bundles is None:
        return {}
    digests = {"evaluation": trained.evaluation_bundle, "serving": trained.serving_bundle}
    return {
        f"bundles/{role}/{file.name}": file
        for role, digest in digests.items()
        for file in sorted((bundles / digest).iterdir())
    }


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()
