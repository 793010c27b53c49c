"""Training: fit on the fold, calibrate on validation, refit on everything, write both bundles.

Two bundles come out. The evaluation bundle knows the training sessions alone; every figure is
measured on it. The serving bundle repeats its choices on every labelled session. Neither is
written unless its graph says what the fitted model itself says.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS, Samples
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.models.base import Learner, Trained
from asset_predict_dagster.models.bundle import Bundle, prepare_folder, write_bundle
from asset_predict_dagster.models.calibration import fit_calibration
from asset_predict_dagster.models.card import Definition, card_of, learned_from
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.forecasting import Graph
from asset_predict_dagster.models.importance import permutation_importance
from asset_predict_dagster.models.training_rows import known_paths, rows_to_learn_from
from asset_predict_dagster.models.validation import refuse_other_answers, validation_figures

_TRADABLE = [f"realised_return_tradable_{h}d" for h in HORIZONS]


@dataclass(frozen=True)
class TrainedModel:
    """What one training left behind: digests of two bundles, and tables for people.

    `curves` has one row per epoch (empty for a forest). `importance` has one per feature, measured
    on validation rows. `validation` is the card's: the figures of those rows.
    `validation_forecasts` has a row for each of them: `session, ticker, action` (what happened) and
    `probability_*`, calibrated. `card` is the evaluation bundle's.
    """

    model: str
    evaluation_bundle: str
    serving_bundle: str
    settings: dict[str, Any]
    training_end: np.datetime64
    n_training_rows: int
    curves: pd.DataFrame
    importance: pd.DataFrame
    validation: dict[str, Any]
    experiment: dict[str, Any]
    validation_forecasts: pd.DataFrame
    card: dict[str, Any]


def fit_window(
    learner: Learner,
    samples: Samples,
    labels: pd.DataFrame,
    path_returns: np.ndarray,
    folds: pd.DataFrame,
    *,
    window: str = HOLDOUT,
    lake_versions: dict[str, int],
    experiment: Definition,
) -> tuple[Trained, Bundle]:
    """Fit on a window's training sessions and calibrate on its validation; nothing is written.

    Returns what the learner handed over and a bundle, without digest, that forecasts.

    Parameters
    ----------
    labels
        Rows of `tables.LABELS`, in the order of `samples`.
    path_returns
        From `dataset.path_returns`, in the order of `samples`.
    folds
        Rows of `tables.FOLDS`. No outcome that reaches into the window's test is read, at any
        horizon.
    lake_versions
        Versions of the tables that the samples were built from, for the card.
    experiment
        What the labels and folds are, for the card.

    Raises
    ------
    TrainingError
        If a role has too few labelled sessions, validation holds one class, a feature is infinite
        or not there, the learner cannot be fitted, or its graph answers with something else than
        the fitted model.
    """
    rows = rows_to_learn_from(learner, samples, path_returns, folds, window)
    fitted = learner.fit(samples, rows.train, rows.validation)
    card = card_of(learner, fitted, lake_versions, experiment, window)
    graph = Graph(fitted.onnx, card)
    at = np.flatnonzero(rows.validation)
    raw, scores = refuse_other_answers(learner.name, graph, fitted.native_forecast, samples, at)
    calibration = fit_calibration(
        raw,
        scores,
        samples.action[at],
        samples.return_ranks[at],
        labels[_TRADABLE].to_numpy()[at],
        known_paths(samples, path_returns, at, rows.first_test_code),
        samples.volatility[at],
    )
    card |= {
        "horizons": list(HORIZONS[: scores.shape[1]]),
        "calibration": calibration.as_card(),
    }
    card |= learned_from(learner, samples, rows.train, fitted)
    card["validation"] = validation_figures(
        calibration.probabilities(raw),
        calibration.expected_returns(scores, samples.volatility[at])[:, 0],
        labels[_TRADABLE[0]].to_numpy()[at],
        samples,
        at,
        rows.train,
    )
    return fitted, Bundle("", card, fitted.onnx)


def refit_window(
    learner: Learner,
    samples: Samples,
    rows: np.ndarray,
    checked: np.ndarray,
    fitted: Trained,
    bundle: Bundle,
) -> tuple[Trained, Bundle]:
    """The model of `fit_window` once more, on all of `rows`: same choices, same calibration.

    Parameters
    ----------
    rows
        Boolean mask, shape (n_rows,), of the labelled rows to learn from.
    checked
        Row positions on which the graph must say what the fitted model says, or `TrainingError`.
    fitted, bundle
        What `fit_window` returned.
    """
    again = learner.refit(samples, rows, fitted.chosen)
    card = bundle.card | {"chosen": again.chosen} | learned_from(learner, samples, rows, again)
    graph = Graph(again.onnx, card)
    refuse_other_answers(learner.name, graph, again.native_forecast, samples, checked)
    return again, Bundle("", card, again.onnx)


def train(
    learner: Learner,
    samples: Samples,
    labels: pd.DataFrame,
    path_returns: np.ndarray,
    folds: pd.DataFrame,
    bundles: Path,
    lake_versions: dict[str, int],
    *,
    experiment: Definition | None = None,
    window: str = HOLDOUT,
    n_trials: int = 1,
) -> TrainedModel:
    """Fit, calibrate, refit and save one model.

    Parameters and errors are those of `fit_window`, and:

    Parameters
    ----------
    bundles
        The folder that both bundles are written to.
    experiment
        None: the default one.
    n_trials
        How many settings were tried before these were chosen, for the card: the best of many looks
        better than it is. Where a learner searches by itself, what it was given is the first of
        its `chosen["search"]["n_candidates"]`; the others are added.
    """
    definition = experiment or Experiment()
    prepare_folder(bundles)
    fitted, bundle = fit_window(
        learner,
        samples,
        labels,
        path_returns,
        folds,
        window=window,
        lake_versions=lake_versions,
        experiment=definition,
    )
    searched = fitted.chosen.get("search", {}).get("n_candidates", 1)
    bundle.card["n_trials"] = n_trials + searched - 1
    rows = rows_to_learn_from(learner, samples, path_returns, folds, window)
    at = np.flatnonzero(rows.validation)
    refitted, to_serve = refit_window(learner, samples, rows.labelled, at, fitted, bundle)
    evaluation = write_bundle(bundles, fitted, bundle.card)
    serving = write_bundle(bundles, refitted, to_serve.card | {"evaluation_bundle": evaluation})

    def run(given: Samples, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        said = bundle.forecast(given, wanted)
        return said.probabilities, said.scores

    importance = permutation_importance(
        run,
        samples,
        at,
        learner.settings.get("seed", 0),
        features=learner.feature_names,
        lookback=learner.lookback,
    )
    return TrainedModel(
        model=learner.name,
        evaluation_bundle=evaluation,
        serving_bundle=serving,
        settings=learner.settings,
        training_end=samples.sessions[samples.session_codes[rows.labelled].max()],
        n_training_rows=int(rows.labelled.sum()),
        curves=fitted.curves,
        importance=importance,
        validation=bundle.card["validation"],
        experiment=definition.as_card(),
        validation_forecasts=_said_and_happened(bundle, samples, at),
        card=bundle.card,
    )


def _said_and_happened(bundle: Bundle, samples: Samples, rows: np.ndarray) -> pd.DataFrame:
    said = bundle.forecast(samples, rows, days_ahead=1).probabilities
    return pd.DataFrame(
        {
            "session": samples.sessions[samples.session_codes[rows]],
            "ticker": samples.tickers[samples.ticker_codes[rows]],
            "action": np.array(ACTIONS)[samples.action[rows]],
            **{f"probability_{name}": said[:, place] for place, name in enumerate(ACTIONS)},
        }
    )
