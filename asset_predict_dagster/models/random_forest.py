"""The random forest: twin forests on quantile bins, one for the action and one for the returns.

Quantile bins make the fit about twice as fast at equal log-loss, and they make the exported
graph exact: see `tree_graph.py`. The forest looks at one session at a time; the past reaches
it through the features.
"""

import io
from dataclasses import replace
from typing import Any

import numpy as np

from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.samples import ACTIONS, Samples
from asset_predict_dagster.dataset.splits import EMBARGO
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.forest_settings import ForestSettings
from asset_predict_dagster.models.quantile_bins import bin_codes, bin_edges
from asset_predict_dagster.models.twin_forests import (
    TWINS,
    Growth,
    answers,
    draw_weights,
    grown,
    trees_of,
)

MIN_ROWS = 200
"""Fewer rows than this teach a forest nothing worth keeping."""


class RandomForestLearner:
    """Fits the twin forests; the protocol is `base.Learner`."""

    name = "random_forest"
    lookback = 1

    def __init__(
        self,
        feature_names: tuple[str, ...],
        settings: ForestSettings | None = None,
        *,
        span: int = SPAN,
        embargo: int = EMBARGO,
    ) -> None:
        """`span` and `embargo` are the labels': a search purges its folds by them."""
        self.feature_names = tuple(feature_names)
        self.knobs = settings or ForestSettings()
        self._purge = {"span": span, "embargo": embargo}
        self.settings: dict[str, Any] = self.knobs.model_dump()

    def fit(self, samples: Samples, train: np.ndarray, validation: np.ndarray) -> Trained:
        """Fit on the rows of `train`. A forest needs no stopping: `validation` is not read.

        `chosen` holds how each of the twins grows, and in `leaf_grown` the rows that a leaf of
        each really needed here: `min_samples_leaf`, or less on small data. `curves` has a row for
        each candidate and round of the search, if there is one.
        """
        n_rows = int(train.sum())
        if n_rows < MIN_ROWS:
            raise TrainingError(
                f"random_forest: needs {MIN_ROWS} labelled rows and found {n_rows};"
                " train on more sessions or more tickers"
            )
        n_classes = len(np.unique(samples.action[train]))
        if n_classes < 2:
            raise TrainingError(
                f"random_forest: {n_rows:,} rows to learn from hold {n_classes} of the"
                f" {len(ACTIONS)} actions; at least 2 are needed. Check the labels, or train on"
                " more sessions"
            )
        if self.knobs.search == "none":
            chosen = {twin: self.knobs.growth.as_card() for twin in TWINS}
            return self.refit(samples, train, chosen)

        from asset_predict_dagster.models.forest_search import search

        chosen, scores = search(samples, train, self.feature_names, self.knobs, **self._purge)
        return replace(self.refit(samples, train, chosen), curves=scores)

    def refit(self, samples: Samples, rows: np.ndarray, chosen: dict[str, Any]) -> Trained:
        """Fit on all of `rows` with the growth an earlier `fit` settled on.

        `chosen` comes back as it was, but for `leaf_grown`, which is of these rows.
        """
        features = samples.columns(self.feature_names)[rows]
        edges = bin_edges(features, self.knobs.n_bins)
        codes = bin_codes(features, edges)
        weight = draw_weights(samples, rows, self.knobs.sample_weight)
        targets = {"action": samples.action[rows], "returns": samples.return_ranks[rows]}
        growths = {twin: Growth(**chosen[twin]) for twin in TWINS}
        forests = {
            twin: grown(
                twin,
                growths[twin],
                codes,
                targets[twin],
                n_trees=self.knobs.n_estimators,
                seed=self.knobs.seed,
                n_jobs=self.knobs.n_jobs,
                weight=weight if twin == "action" else None,
                class_weight=self.knobs.class_weight,
            )
            for twin in TWINS
        }
        leaf_grown = {twin: growth.leaf(len(codes)) for twin, growth in growths.items()}
        return self._trained(forests, edges, {**chosen, "leaf_grown": leaf_grown})

    def _trained(
        self, forests: dict[str, Any], edges: list[np.ndarray], chosen: dict[str, Any]
    ) -> Trained:
        import joblib

        from asset_predict_dagster.models.tree_graph import twin_forest_graph

        native = io.BytesIO()
        joblib.dump(
            {
                "classifier": forests["action"],
                "regressor": forests["returns"],
                "edges": edges,
                "feature_names": self.feature_names,
                "settings": self.settings,
            },
            native,
        )

        def forecast(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            codes = bin_codes(features, edges)
            return (
                answers("action", forests["action"], codes),
                answers("returns", forests["returns"], codes),
            )

        return Trained(
            native_name="model.joblib",
            native=native.getvalue(),
            onnx=twin_forest_graph(
                trees_of("action", forests["action"]),
                trees_of("returns", forests["returns"]),
                edges,
            ),
            chosen=chosen,
            native_forecast=forecast,
        )
