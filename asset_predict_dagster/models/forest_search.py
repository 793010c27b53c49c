"""How the twins should grow, searched within the training sessions and nowhere else.

Folds and scores are those of `forest_folds.py`, the space is that of `search_space.py`; each twin
is searched by itself.

Successive halving (Jamieson and Talwalkar 2016): every candidate gets a sixth of its trees, the
best third of them half, the best third of those the rest. Trees, not sessions: a leaf that suits
a third of the history is too small for all of it, while fewer trees blur every candidate alike.
The trees a candidate has are kept when it gets more. `benchmarks/forest.py` has what is saved.

A candidate's leaf is no larger than a tree of the smallest fold allows (`twin_forests.leaf_size`),
so that every fold, the fit and the refit grow the very leaf that was scored and is recorded.

On B3's prices candidates differ by little more than one forest from the next of the same growth:
a search there finds luck as often as skill, and the defaults stay unless it is asked for.
"""

from dataclasses import replace
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.samples import ACTIONS, Samples
from asset_predict_dagster.dataset.splits import EMBARGO
from asset_predict_dagster.models.forest_folds import (
    InnerFold,
    action_score,
    inner_folds,
    returns_score,
)
from asset_predict_dagster.models.forest_settings import ForestSettings
from asset_predict_dagster.models.search_space import GROWTH, Range
from asset_predict_dagster.models.twin_forests import TWINS, Growth, Twin, answers, grown

SHARES = (1 / 6, 1 / 2, 1)
"""Of a candidate's trees, after each round."""

KEPT = 3
"""One candidate in so many stays after a round."""


def search(
    samples: Samples,
    train: np.ndarray,
    feature_names: tuple[str, ...],
    knobs: ForestSettings,
    *,
    span: int = SPAN,
    embargo: int = EMBARGO,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The growth of each twin that forecast best within the training sessions.

    Parameters
    ----------
    train
        Boolean mask, shape (n_rows,): labelled rows; no others are looked at.
    span, embargo
        Sessions after t that a label of t looks at, and sessions left out beyond them.

    Returns
    -------
    chosen
        Twin → its growth, and `search`: kind, n_candidates, n_folds and each twin's best score.
    scores
        A row for each twin, round and candidate in it: `twin, round, n_trees, candidate`, its
        growth, `score` (mean of the folds), `spread` (their standard deviation), `is_kept`.

    Raises
    ------
    TrainingError
        If the training sessions cannot be cut into folds.
    """
    folds = list(inner_folds(samples, train, feature_names, knobs, span=span, embargo=embargo))
    n_fewest = min(len(fold.codes) for fold in folds)
    candidates = [
        replace(growth, min_samples_leaf=growth.leaf(n_fewest))
        for growth in (knobs.growth, *_drawn(knobs.n_candidates - 1, knobs.seed))
    ]
    chosen: dict[str, Any] = {}
    best: dict[str, float] = {}
    tables = []
    for twin in TWINS:
        table = _race(twin, candidates, folds, knobs)
        winner = table[table["is_kept"]].iloc[-1]
        chosen[twin] = candidates[winner["candidate"]].as_card()
        best[twin] = float(winner["score"])
        tables.append(table)
    chosen["search"] = {
        "kind": knobs.search,
        "n_candidates": len(candidates),
        "n_folds": len(folds),
        "scores": best,
    }
    return chosen, pd.concat(tables, ignore_index=True)


def _race(
    twin: Twin, candidates: list[Growth], folds: list[InnerFold], knobs: ForestSettings
) -> pd.DataFrame:
    """The scores of every round; the last row that is kept is the winner's."""
    alive = list(range(len(candidates)))
    said = {number: [np.zeros(1) for _ in folds] for number in alive}  # sums over the trees so far
    tables = []
    for place, (n_before, n_trees) in enumerate(pairwise((0, *_rounds(knobs)))):
        scores = np.empty((len(alive), len(folds)))
        for row, number in enumerate(alive):
            for column, fold in enumerate(folds):
                # One seed for all: two candidates differ by their growth, not by their luck.
                forest = grown(
                    twin,
                    candidates[number],
                    fold.codes,
                    fold.targets[twin],
                    n_trees=n_trees - n_before,
                    seed=(knobs.seed + place) % 2**32,
                    n_jobs=knobs.n_jobs,
                    weight=fold.weight if twin == "action" else None,
                    class_weight=knobs.class_weight,
                )
                more = answers(twin, forest, fold.scored_codes) * (n_trees - n_before)
                said[number][column] = said[number][column] + more
                scores[row, column] = _score(twin, said[number][column] / n_trees, fold, knobs)
        is_last = n_trees == knobs.n_estimators
        n_kept = 1 if is_last else -(-len(alive) // KEPT)
        kept = np.sort(np.argsort(-scores.mean(axis=1), kind="stable")[:n_kept])
        tables.append(
            pd.DataFrame([candidates[number].as_card() for number in alive]).assign(
                twin=twin,
                round=place + 1,
                n_trees=n_trees,
                candidate=alive,
                score=scores.mean(axis=1),
                spread=scores.std(axis=1),
                is_kept=np.isin(np.arange(len(alive)), kept),
            )
        )
        alive = [alive[row] for row in kept]
    return pd.concat(tables, ignore_index=True)


def _rounds(knobs: ForestSettings) -> list[int]:
    """Trees that a candidate has after each round, fewest first.

    >>> _rounds(ForestSettings(search="halving")), _rounds(ForestSettings(search="random"))
    ([17, 50, 100], [100])
    """
    if knobs.search == "random":
        return [knobs.n_estimators]
    return sorted({ceil(knobs.n_estimators * share) for share in SHARES})


def _score(twin: Twin, said: np.ndarray, fold: InnerFold, knobs: ForestSettings) -> float:
    if twin == "returns":
        return returns_score(said, fold.scored_targets["returns"], fold.scored_sessions)
    frequencies = None
    if knobs.class_weight is not None:
        frequencies = np.bincount(fold.targets["action"], minlength=len(ACTIONS))
    return action_score(said, fold.scored_targets["action"], frequencies)


def _drawn(n_candidates: int, seed: int) -> list[Growth]:
    """Candidates drawn from the space, independently."""
    random = np.random.default_rng(seed)
    return [
        Growth(**{name: _number(knob, random) for name, knob in GROWTH.items()})
        for _ in range(n_candidates)
    ]


def _number(knob: Range, random: np.random.Generator) -> Any:
    """A number of the range by chance: whole, or to three decimals."""
    low, high = knob.low, knob.high
    is_whole = isinstance(low, int)
    if is_whole and not knob.is_log:
        return int(random.integers(low, int(high), endpoint=True))
    value = (
        np.exp(random.uniform(np.log(low), np.log(high)))
        if knob.is_log
        else random.uniform(low, high)
    )
    return round(float(value)) if is_whole else round(float(value), 3)
