"""The card of a bundle: what was asked, what it reads, which sessions taught it."""

from typing import Any, Protocol

import numpy as np

from asset_predict_dagster import __version__
from asset_predict_dagster.dataset.samples import ACTIONS, Samples
from asset_predict_dagster.models.base import Learner, Trained
from asset_predict_dagster.models.bundle import feature_formulas
from asset_predict_dagster.models.fitted_range import fit_range


class Definition(Protocol):
    """What is to be learned, of which sessions: `experiment.Experiment`."""

    def as_card(self) -> dict[str, Any]:
        """Its settings as JSON-compatible values, and `span`: how far a label looks ahead."""
        ...


def card_of(
    learner: Learner,
    fitted: Trained,
    lake_versions: dict[str, int],
    experiment: Definition,
    window: str,
) -> dict[str, Any]:
    """What is known of a bundle once its learner was fitted in a window."""
    return {
        "model": learner.name,
        "feature_names": list(learner.feature_names),
        "feature_formulas": feature_formulas(learner.feature_names),
        "lookback": learner.lookback,
        "longest_gap": learner.settings.get("longest_gap"),
        "actions": list(ACTIONS),
        "experiment": experiment.as_card(),
        "window": window,
        "settings": learner.settings,
        "seed": learner.settings.get("seed"),
        "chosen": fitted.chosen,
        "lake_versions": lake_versions,
        "code_version": __version__,
    }


def learned_from(
    learner: Learner, samples: Samples, rows: np.ndarray, fitted: Trained
) -> dict[str, Any]:
    """Which sessions taught a bundle, the range of what it read there, and the scaling they gave
    where the model scales."""
    codes = samples.session_codes[rows]
    scaling, names = fitted.scaling, learner.feature_names
    return {
        "training_sessions": [
            str(samples.sessions[codes.min()]),
            str(samples.sessions[codes.max()]),
        ],
        "n_training_rows": int(rows.sum()),
        "fitted_range": fit_range(names, samples.columns(names)[rows]).as_card(),
    } | (
        {"scaling": {"centre": scaling.centre.tolist(), "scale": scaling.scale.tolist()}}
        if scaling is not None
        else {}
    )
