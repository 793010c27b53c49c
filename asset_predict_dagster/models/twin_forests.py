"""Twin forests: one of the action, one of the returns, grown alike on bin codes.

Not one forest of both: the classes are nearly all volatility, far easier to find than the order
of returns, and would decide every split.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from asset_predict_dagster.dataset.samples import ACTIONS, Samples
from asset_predict_dagster.errors import TrainingError

Twin = Literal["action", "returns"]
TWINS: tuple[Twin, Twin] = ("action", "returns")

ClassWeight = Literal["balanced", "balanced_subsample"]

MIN_LEAVES_PER_TREE = 20
"""A leaf may hold at most this fraction of a tree's rows, whatever `min_samples_leaf` asks."""


@dataclass(frozen=True)
class Growth:
    """How the trees of a forest grow; the attributes are those of `ForestSettings`."""

    min_samples_leaf: int
    max_features: float
    max_samples: float
    max_depth: int | None

    def rows_per_tree(self, n_rows: int) -> int:
        """How many of so many rows a tree draws."""
        return max(1, int(n_rows * self.max_samples))

    def leaf(self, n_rows: int) -> int:
        """Rows that a leaf needs where there are so many to learn from; see `leaf_size`."""
        return leaf_size(self.min_samples_leaf, self.rows_per_tree(n_rows))

    def as_card(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Tree:
    """One tree, as arrays over its nodes; node 0 is the root.

    Attributes
    ----------
    feature
        Shape (n_nodes,), int: the feature a node asks about; anything at a leaf.
    threshold
        Shape (n_nodes,), float: go left where `code <= threshold`; anything at a leaf.
    left, right
        Shape (n_nodes,), int: children; `LEAF` at a leaf.
    value
        Shape (n_nodes, n_targets), float: what the tree answers at each node.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray


LEAF = -1
"""What scikit-learn writes as the child of a leaf."""


def grown(
    twin: Twin,
    growth: Growth,
    codes: np.ndarray,
    target: np.ndarray,
    *,
    n_trees: int,
    seed: int,
    n_jobs: int = 1,
    weight: np.ndarray | None = None,
    class_weight: ClassWeight | None = None,
) -> Any:
    """A forest of scikit-learn's, fitted. It does not depend on `n_jobs`.

    Parameters
    ----------
    codes
        Shape (n, n_features), from `quantile_bins.bin_codes`.
    target
        Shape (n,), int, of the action; (n, n_horizons) of the returns.
    weight
        Shape (n,), positive: how often a row is drawn, relative to the others. None: alike.
    class_weight
        Of the action; the returns have no classes.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    shared: dict[str, Any] = {
        "n_estimators": n_trees,
        "max_depth": growth.max_depth,
        "max_features": growth.max_features,
        "min_samples_leaf": growth.leaf(len(codes)),
        # A number of rows: a share would be one of the weights' sum.
        "max_samples": growth.rows_per_tree(len(codes)),
        "n_jobs": n_jobs,
        "random_state": seed,
    }
    if twin == "action":
        forest = RandomForestClassifier(class_weight=class_weight, **shared)
    else:
        forest = RandomForestRegressor(**shared)
    return forest.fit(codes, target, sample_weight=weight)


def answers(twin: Twin, forest: Any, codes: np.ndarray) -> np.ndarray:
    """What a forest says: probabilities (n, 3) of the action, scores (n, n_horizons) of returns."""
    if twin == "returns":
        return forest.predict(codes)
    probabilities = np.zeros((len(codes), len(ACTIONS)))
    probabilities[:, forest.classes_.astype(int)] = forest.predict_proba(codes)
    return probabilities


def trees_of(twin: Twin, forest: Any) -> list[Tree]:
    """The trees as arrays; of classes that training never saw the frequency is zero."""
    trees = []
    for estimator in forest.estimators_:
        fitted = estimator.tree_
        if twin == "returns":
            # scikit-learn keeps (n_nodes, n_horizons, 1) where there are several horizons.
            value = fitted.value[:, :, 0]
        else:
            seen = fitted.value[:, 0, :]  # (n_nodes, n_classes seen)
            value = np.zeros((len(seen), len(ACTIONS)))
            value[:, forest.classes_.astype(int)] = seen
        trees.append(
            Tree(
                feature=fitted.feature,
                threshold=fitted.threshold,
                left=fitted.children_left,
                right=fitted.children_right,
                value=value,
            )
        )
    return trees


def draw_weights(
    samples: Samples, rows: np.ndarray, sample_weight: Literal["none", "uniqueness"]
) -> np.ndarray | None:
    """How often each of `rows` is drawn, relative to their mean, shape (n,); None: all alike.

    Raises
    ------
    TrainingError
        If uniqueness is asked for and a row has none.
    """
    if sample_weight == "none":
        return None
    weight = np.zeros(1) if samples.weight is None else samples.weight[rows].astype(np.float64)
    if not (weight > 0).all():
        raise TrainingError(
            "random_forest: sample_weight=uniqueness should find the uniqueness of every labelled"
            " row, and some have none; build the samples with their labels, or choose"
            " sample_weight=none"
        )
    # Equal weights would only draw other rows: the same forest but for its luck.
    return None if np.ptp(weight) < 1e-6 * weight.max() else weight / weight.mean()


def leaf_size(min_samples_leaf: int, n_rows_per_tree: int) -> int:
    """Rows a leaf needs: what was asked, or less where the data are too few for 20 leaves.

    Examples
    --------
    >>> leaf_size(500, n_rows_per_tree=50_000), leaf_size(500, n_rows_per_tree=1_000)
    (500, 50)
    """
    return max(1, min(min_samples_leaf, n_rows_per_tree // MIN_LEAVES_PER_TREE))
