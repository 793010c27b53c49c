"""The random forest: twin forests on quantile bins, one for the action and one for the returns.

Quantile bins make the fit several times faster at equal log-loss, and they make the exported
graph exact: see `tree_graph.py`. The forest looks at one session at a time; the past reaches
it through the features.
"""

import io
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asset_predict_dagster.dataset.samples import ACTIONS, Samples
from asset_predict_dagster.errors import SettingsError, TrainingError
from asset_predict_dagster.models.base import Trained

MIN_ROWS = 200
"""Fewer rows than this teach a forest nothing worth keeping."""

MIN_LEAVES_PER_TREE = 20
"""A leaf may hold at most this fraction of a tree's rows, whatever `min_samples_leaf` asks."""


class ForestSettings(BaseModel):
    """Every knob of the forest; an unknown or impossible one raises `SettingsError`.

    The defaults suit a weak signal (a rank IC of .03): large leaves, and trees that see few
    rows and few features, so that they disagree. Leaves of 100 to 1,000 rows and a share of
    features from .1 to .5 were found to differ by no more than noise.

    Attributes
    ----------
    n_estimators
        Trees per forest.
    max_depth
        Splits from root to leaf; None: as many as the leaves allow.
    min_samples_leaf
        Rows a leaf needs; lowered on small data so that a tree can have 20 leaves.
    max_features
        Share of the features a split chooses from.
    max_samples
        Share of the rows each tree draws, with repetition.
    class_weight
        None keeps probabilities honest. "balanced" raises the rare classes, so its
        probabilities need calibration before anyone reads them.
    n_bins
        Quantile bins per feature.
    n_jobs
        Threads. The forest does not depend on it.
    seed
        Where randomness starts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_estimators: int = Field(100, ge=1, le=2_000)
    max_depth: int | None = Field(None, ge=1, le=64)
    min_samples_leaf: int = Field(500, ge=1)
    max_features: float = Field(0.3, gt=0, le=1)
    max_samples: float = Field(0.3, gt=0, le=1)
    class_weight: Literal["balanced", "balanced_subsample"] | None = None
    n_bins: int = Field(64, ge=2, le=1_024)
    n_jobs: int = Field(1, ge=1)
    seed: int = Field(42, ge=0, lt=2**32)

    def __init__(self, **knobs: Any) -> None:
        try:
            super().__init__(**knobs)
        except ValidationError as refused:
            raise SettingsError(f"random_forest: {refused}") from refused


class RandomForestLearner:
    """Fits the twin forests; the protocol is `base.Learner`.

    `importance` of what it hands over is the decrease of impurity by each feature, as a share
    of the whole, averaged over the two forests. It is measured on training rows and favours
    features with many distinct values: a hint of what the trees looked at, not of skill.
    """

    name = "random_forest"
    lookback = 1

    def __init__(
        self, feature_names: tuple[str, ...], settings: ForestSettings | None = None
    ) -> None:
        self.feature_names = tuple(feature_names)
        self.knobs = settings or ForestSettings()
        self.settings: dict[str, Any] = self.knobs.model_dump()

    def fit(self, samples: Samples, train: np.ndarray, validation: np.ndarray) -> Trained:
        """Fit on the rows of `train`. A forest needs no stopping: `validation` is not read."""
        n_rows = int(train.sum())
        if n_rows < MIN_ROWS:
            raise TrainingError(
                f"random_forest: needs {MIN_ROWS} labelled rows and found {n_rows};"
                " train on more sessions or more tickers"
            )
        leaf = leaf_size(self.knobs.min_samples_leaf, int(n_rows * self.knobs.max_samples))
        return self.refit(samples, train, {"min_samples_leaf": leaf})

    def refit(self, samples: Samples, rows: np.ndarray, chosen: dict[str, Any]) -> Trained:
        """Fit on all of `rows` with the leaf size an earlier `fit` settled on."""
        action = samples.action[rows]
        classes = np.unique(action)
        if len(classes) < 2:
            raise TrainingError(
                f"random_forest: {int(rows.sum()):,} rows to learn from hold"
                f" {len(classes)} of the {len(ACTIONS)} actions; at least 2 are needed."
                " Check the labels, or train on more sessions"
            )
        features = samples.columns(self.feature_names)[rows]
        edges = bin_edges(features, self.knobs.n_bins)
        codes = bin_codes(features, edges)
        classifier, regressor = self._forests(chosen["min_samples_leaf"])
        classifier.fit(codes, action)
        regressor.fit(codes, samples.return_ranks[rows])
        return self._trained(classifier, regressor, edges, chosen)

    def _forests(self, min_samples_leaf: int) -> tuple[Any, Any]:
        """The two forests, not fitted yet."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        shared: dict[str, Any] = self.knobs.model_dump(
            include={"n_estimators", "max_depth", "max_features", "max_samples", "n_jobs"}
        )
        shared |= {"min_samples_leaf": min_samples_leaf, "random_state": self.knobs.seed}
        classifier = RandomForestClassifier(class_weight=self.knobs.class_weight, **shared)
        return classifier, RandomForestRegressor(**shared)

    def _trained(
        self, classifier: Any, regressor: Any, edges: list[np.ndarray], chosen: dict[str, Any]
    ) -> Trained:
        import joblib

        from asset_predict_dagster.models.tree_graph import twin_forest_graph

        native = io.BytesIO()
        joblib.dump(
            {
                "classifier": classifier,
                "regressor": regressor,
                "edges": edges,
                "feature_names": self.feature_names,
                "settings": self.settings,
            },
            native,
        )
        importance = (classifier.feature_importances_ + regressor.feature_importances_) / 2
        return Trained(
            native_name="model.joblib",
            native=native.getvalue(),
            onnx=twin_forest_graph(_action_trees(classifier), _return_trees(regressor), edges),
            chosen=chosen,
            importance=pd.DataFrame(
                {"feature": list(self.feature_names), "importance": importance}
            ),
        )


def leaf_size(min_samples_leaf: int, n_rows_per_tree: int) -> int:
    """Rows a leaf needs: what was asked, or less where the data are too few for 20 leaves.

    Examples
    --------
    >>> leaf_size(500, n_rows_per_tree=50_000), leaf_size(500, n_rows_per_tree=1_000)
    (500, 50)
    """
    return max(1, min(min_samples_leaf, n_rows_per_tree // MIN_LEAVES_PER_TREE))


def bin_edges(features: np.ndarray, n_bins: int) -> list[np.ndarray]:
    """Edges of at most `n_bins` bins with equally many rows, from training rows only.

    Every edge is a value that was seen, so no rounding stands between edges and features.

    Parameters
    ----------
    features
        Shape (n, n_features), float32; missing values are left out.

    Returns
    -------
    One sorted float32 array per feature, of at most `n_bins - 1` distinct edges; empty for a
    feature that is always missing.
    """
    shares = np.arange(1, n_bins) / n_bins
    edges = []
    for column in features.T:
        seen = column[~np.isnan(column)]
        quantiles = np.quantile(seen, shares, method="inverted_cdf") if len(seen) else seen
        edges.append(np.unique(quantiles).astype(np.float32))
    return edges


def bin_codes(features: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """Bin of each value: the number of edges strictly below it; a missing value is in bin 0.

    Parameters
    ----------
    features
        Shape (n, n_features), float32, NaN = missing.
    edges
        From `bin_edges`.

    Returns
    -------
    Shape (n, n_features), whole numbers as float32, which is what scikit-learn's trees read.

    Examples
    --------
    >>> values = np.array([[1.0], [2.0], [2.5], [np.nan]], dtype=np.float32)
    >>> bin_codes(values, [np.array([1.0, 2.0], dtype=np.float32)]).ravel().tolist()
    [0.0, 1.0, 2.0, 0.0]
    """
    codes = np.empty(features.shape, dtype=np.float32)
    for position, edge in enumerate(edges):
        column = features[:, position]
        codes[:, position] = np.searchsorted(edge, column, side="left")
        codes[np.isnan(column), position] = 0
    return codes


def _action_trees(classifier: Any) -> list[Any]:
    """Trees of class frequencies, a class that training never saw included as zero."""
    trees = []
    for estimator in classifier.estimators_:
        seen = estimator.tree_.value[:, 0, :]  # (n_nodes, n_classes seen)
        value = np.zeros((len(seen), len(ACTIONS)))
        value[:, classifier.classes_.astype(int)] = seen
        trees.append(_tree(estimator.tree_, value))
    return trees


def _return_trees(regressor: Any) -> list[Any]:
    # scikit-learn keeps (n_nodes, n_horizons, 1) where there are several horizons.
    return [
        _tree(estimator.tree_, estimator.tree_.value[:, :, 0])
        for estimator in regressor.estimators_
    ]


def _tree(fitted: Any, value: np.ndarray) -> Any:
    from asset_predict_dagster.models.tree_graph import Tree

    return Tree(
        feature=fitted.feature,
        threshold=fitted.threshold,
        left=fitted.children_left,
        right=fitted.children_right,
        value=value,
    )
