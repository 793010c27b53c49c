"""Training: fit on the fold, calibrate on validation, refit on everything, write both bundles.

Two bundles come out. The evaluation bundle knows the training sessions alone; every figure is
measured on it. The serving bundle repeats its choices on every labelled session.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster import __version__
from asset_predict_dagster.dataset.labels import LABEL_WIDTH
from asset_predict_dagster.dataset.samples import ACTION_HORIZON, ACTIONS, HORIZONS, Samples
from asset_predict_dagster.dataset.splits import role_mask
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.base import Learner, Trained
from asset_predict_dagster.models.bundle import prepare_folder, run_graph, write_bundle
from asset_predict_dagster.models.calibration import Calibration, fit_calibration

_REALISED = [f"realised_return_{h}d" for h in HORIZONS]
_TRADABLE = [f"realised_return_tradable_{h}d" for h in HORIZONS]


@dataclass(frozen=True)
class TrainedModel:
    """What one training left behind: digests of two bundles, and tables for people.

    `curves` has one row per epoch (empty for a forest), `importance` one per feature.
    """

    model: str
    evaluation_bundle: str
    serving_bundle: str
    settings: dict[str, Any]
    training_end: np.datetime64
    n_training_rows: int
    curves: pd.DataFrame
    importance: pd.DataFrame


def train(
    learner: Learner,
    samples: Samples,
    labels: pd.DataFrame,
    folds: pd.DataFrame,
    bundles: Path,
    lake_versions: dict[str, int],
) -> TrainedModel:
    """Fit, calibrate, refit and save one model.

    Parameters
    ----------
    labels
        Rows of `tables.LABELS`, in the order of `samples`.
    folds
        Rows of `tables.FOLDS`; the window `holdout` is used.
    lake_versions
        Versions of the tables that the samples were built from, for the card.

    Raises
    ------
    TrainingError
        If a fold has no labelled row, or the learner cannot be fitted.
    """
    prepare_folder(bundles)
    labelled = samples.is_labelled & labels[_REALISED].notna().all(axis=1).to_numpy()
    rows = {
        role: role_mask(samples.sessions, samples.session_codes, folds, role) & labelled
        for role in ("train", "validation")
    }
    for role, mask in rows.items():
        if not mask.any():
            raise TrainingError(
                f"no row of the {role} fold is labelled and in the universe; use a longer history"
                " or look at the table `universe` for the reasons"
            )
    fitted = learner.fit(samples, rows["train"], rows["validation"])
    card = _card(learner, fitted, lake_versions)
    calibration = _calibrate(fitted, card, samples, labels, rows["validation"])
    card["calibration"] = calibration.as_card()
    evaluation = write_bundle(bundles, fitted, card | _span(samples, rows["train"]))

    refitted = learner.refit(samples, labelled, fitted.chosen)
    serving = write_bundle(
        bundles,
        refitted,
        card | _span(samples, labelled) | {"evaluation_bundle": evaluation},
    )
    return TrainedModel(
        model=learner.name,
        evaluation_bundle=evaluation,
        serving_bundle=serving,
        settings=learner.settings,
        training_end=samples.sessions[samples.session_codes[labelled].max()],
        n_training_rows=int(labelled.sum()),
        curves=fitted.curves,
        importance=fitted.importance,
    )


def _calibrate(
    fitted: Trained,
    card: dict[str, Any],
    samples: Samples,
    labels: pd.DataFrame,
    validation: np.ndarray,
) -> Calibration:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(fitted.onnx, options, providers=["CPUExecutionProvider"])
    rows = np.flatnonzero(validation)
    raw, scores = run_graph(session, card, samples, rows)
    return fit_calibration(
        raw,
        scores,
        samples.action[rows],
        samples.return_ranks[rows],
        labels[_TRADABLE].to_numpy()[rows],
        labels[_REALISED].to_numpy()[rows],
        samples.volatility[rows],
    )


def _card(learner: Learner, fitted: Trained, lake_versions: dict[str, int]) -> dict[str, Any]:
    return {
        "model": learner.name,
        "feature_names": list(learner.feature_names),
        "lookback": learner.lookback,
        "longest_gap": learner.settings.get("longest_gap"),
        "horizons": list(HORIZONS),
        "actions": list(ACTIONS),
        "label": {
            "kind": "forward_return",
            "horizon": ACTION_HORIZON,
            "width_in_trailing_volatilities": LABEL_WIDTH,
        },
        "settings": learner.settings,
        "chosen": fitted.chosen,
        "lake_versions": lake_versions,
        "code_version": __version__,
    }


def _span(samples: Samples, rows: np.ndarray) -> dict[str, Any]:
    codes = samples.session_codes[rows]
    return {
        "training_sessions": [
            str(samples.sessions[codes.min()]),
            str(samples.sessions[codes.max()]),
        ],
        "n_training_rows": int(rows.sum()),
    }
