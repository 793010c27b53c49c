"""Reproduction: a version trained again from its card, and held beside what was registered.

The card names the versions of the tables, the settings and the seed; the same three give the same
bundle, to the byte, where the program and its libraries are the same. Where they are not, what
counts is that the two say the same of the sessions that they are judged on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster import __version__
from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.dataset.splits import role_mask
from asset_predict_dagster.models.bundle import Bundle, load_bundle
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.kinds import learner_of, settings_of
from asset_predict_dagster.models.prepared import Prepared, prepare
from asset_predict_dagster.models.training import train

SAME = 1e-6
"""Largest difference of a probability or a return that comes of other rounding alone."""


@dataclass(frozen=True)
class Reproduced:
    """What came of it.

    Attributes
    ----------
    registered, again
        Digests of the evaluation bundle and of the one that serves.
    n_forecasts
        Test rows that both evaluation bundles forecast.
    probability_difference, return_difference
        The largest between their probabilities and between their expected returns, absolute.
    code_versions
        Of the program then, and of this one.
    """

    registered: tuple[str, str]
    again: tuple[str, str]
    n_forecasts: int
    probability_difference: float
    return_difference: float
    code_versions: tuple[str, str]

    @property
    def is_identical(self) -> bool:
        """The same bundles, to the byte."""
        return self.registered == self.again

    @property
    def is_equal(self) -> bool:
        """They say the same, up to rounding."""
        return max(self.probability_difference, self.return_difference) <= SAME

    @property
    def words(self) -> str:
        """The finding in a sentence."""
        if self.is_identical:
            return (
                f"identical: both bundles came out the same to the byte, and so did"
                f" {self.n_forecasts:,} forecasts"
            )
        apart = (
            f"{self.n_forecasts:,} forecasts differ by {self.probability_difference:.2g} in"
            f" probability and {self.return_difference:.2g} in return at most"
        )
        if self.is_equal:
            return f"equal up to rounding: {apart}; the bundles' bytes differ"
        then, now = self.code_versions
        program = f"version {now} of the program made it, and {then} the first" * (then != now)
        return f"NOT reproduced: {apart}{'; ' * bool(program)}{program}"


def train_again(
    registered: Bundle,
    serving_digest: str,
    tables: Mapping[str, pd.DataFrame],
    bundles: Path,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> Reproduced:
    """Train once more what a card describes, and compare.

    Parameters
    ----------
    registered
        The evaluation bundle of the version.
    serving_digest
        Of the bundle that serves.
    tables
        `quotes, universe, features, labels, folds` at the card's `lake_versions`.
    bundles
        An empty folder for what comes out.
    report
        Told of every epoch, where the model has epochs.

    Raises
    ------
    SettingsError, DatasetError, TrainingError
        If this program cannot train it any more.
    """
    card = registered.card
    experiment = Experiment.from_card(card["experiment"])
    names = ("quotes", "universe", "features", "labels", "folds")
    prepared = prepare(experiment, *(tables[name] for name in names))
    learner = learner_of(
        card["model"],
        settings_of(card["model"])(**card["settings"]),
        tuple(card["feature_names"]),
        span=experiment.definition.span,
        embargo=experiment.embargo,
        report=report,
    )
    trained = train(
        learner,
        prepared.samples,
        prepared.labels,
        path_returns(prepared.quotes),
        prepared.folds,
        bundles,
        card["lake_versions"],
        experiment=experiment,
        window=experiment.window,
        n_trials=_n_trials_before(card),
    )
    again = load_bundle(bundles, trained.evaluation_bundle)
    n_rows, of_probability, of_return = _differences(registered, again, prepared, experiment)
    return Reproduced(
        (registered.digest, serving_digest),
        (trained.evaluation_bundle, trained.serving_bundle),
        n_rows,
        of_probability,
        of_return,
        (card["code_version"], __version__),
    )


def _n_trials_before(card: Mapping[str, Any]) -> int:
    """The trials that the training was told of: a search of its own has added to them."""
    searched = card["chosen"].get("search", {}).get("n_candidates", 1)
    return card.get("n_trials", 1) - searched + 1


def _differences(
    one: Bundle, other: Bundle, prepared: Prepared, experiment: Experiment
) -> tuple[int, float, float]:
    """Rows of the test, and the largest differences there."""
    samples = prepared.samples
    is_test = role_mask(
        samples.sessions, samples.session_codes, prepared.folds, "test", experiment.window
    )
    rows = np.flatnonzero(is_test & samples.is_forecastable)
    said = [bundle.forecast(samples, rows) for bundle in (one, other)]
    if len(rows) == 0:
        return 0, 0.0, 0.0
    of_probability = np.abs(said[0].probabilities - said[1].probabilities)
    of_return = np.abs(said[0].expected_returns - said[1].expected_returns)
    return len(rows), float(of_probability.max()), float(of_return.max())
