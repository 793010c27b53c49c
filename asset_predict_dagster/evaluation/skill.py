"""Skill: every forecaster's figures of one window, beside the best that anybody could have said.

What can be said without a model is said by naive, prior, majority, always_up, momentum and
reversal. For each metric the best of them *on the rows measured* is the opponent. It is chosen
after the fact, in its own favour, so skill against it errs downwards. `ridge` is a model, and is
measured against the same opponent. Of the direction `always_down` is asked too, as anybody could
have said that as well, and momentum and reversal are taken by the sign of their score.

    skill = 1 - value / best_value        where less is better
    skill = value - best_value            where more is better

Its interval draws the same sessions for both (`dataset/bootstrap.py`), the opponent staying who it
is on all sessions; its p-value is Diebold and Mariano's (`comparisons.py`) on session means, every
session counting alike, where the metric itself weighs rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from asset_predict_dagster.dataset.bootstrap import Resamples, draw_resamples, percentiles
from asset_predict_dagster.dataset.samples import HORIZONS
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.comparisons import diebold_mariano
from asset_predict_dagster.evaluation.metric_sums import of_direction
from asset_predict_dagster.evaluation.metrics import (
    METRICS,
    OF_ACTIONS,
    RANK_IC_T,
    Family,
    Metric,
)
from asset_predict_dagster.evaluation.newey_west import enough_lags, newey_west
from asset_predict_dagster.evaluation.window_sums import WindowSums
from asset_predict_dagster.models.baselines import BASELINE_VERSION, BASELINES, RIDGE

OPPONENTS = tuple(name for name in BASELINES if name != RIDGE)
"""What anybody can say without a model."""

NAIVE_BESIDE = {metric.name: "majority" for metric in OF_ACTIONS} | {
    "directional_accuracy": "always_up",
    "log_loss": "prior",
    "brier": "prior",
    "expected_calibration_error": "prior",
}
"""The baseline beside each metric, where it is not the one that says tomorrow = today."""

ORDERS_NOTHING = ("rank_ic", "rank_ic_next_close", "ic", "rank_icir", "icir")
"""A constant forecast orders nothing: its correlations are taken as 0."""

_OF_PATHS = (
    "mae_return",
    "rmse_return",
    "mae_price",
    "rmse_price",
    "mape_price",
    "interval_coverage",
    "interval_width",
)
"""What is asked beyond the direct horizons: there a model repeats its last direct forecast, and
what it adds is an interval. Nobody trades on an order of that age."""

_NAN = float("nan")


class Figures:
    """The metrics of one family's sums: of all sessions, of each, and of every resample."""

    def __init__(self, sums: np.ndarray, resamples: Resamples):
        self.sums, self._resamples = sums, resamples
        self._resampled: dict[str, np.ndarray] = {}
        self._intervals: dict[str, tuple[float, float]] = {}

    def value(self, metric: Metric) -> float:
        return _or_nan(metric.of(self.sums.sum(axis=0)))

    def by_session(self, metric: Metric) -> np.ndarray:
        """Shape (n_sessions,); of a metric that is a mean."""
        return metric.of(self.sums)

    def resampled(self, metric: Metric) -> np.ndarray:
        """Shape (n_resamples,)."""
        if metric.name not in self._resampled:
            self._resampled[metric.name] = metric.of(self._totals)
        return self._resampled[metric.name]

    def interval(self, metric: Metric) -> tuple[float, float]:
        if metric.name not in self._intervals:
            self._intervals[metric.name] = percentiles(self.resampled(metric))
        return self._intervals[metric.name]

    @cached_property
    def _totals(self) -> np.ndarray:
        return self._resamples.totals(self.sums)


@dataclass(frozen=True)
class Opponent:
    """The best without a model at one metric: over all, in each resample, and by session."""

    name: str
    value: float
    resampled: np.ndarray
    by_session: np.ndarray


class Contest:
    """One window and horizon: all that were measured on it, ready to be compared."""

    def __init__(self, sums: WindowSums, seed: int):
        self.window = sums
        resamples = draw_resamples(len(sums.sessions), seed)
        # Who says the same shares the sums, and so the resamples of them.
        figures: dict[int, Figures] = {}
        for families in sums.said.values():
            for one in families.values():
                figures.setdefault(id(one), Figures(one, resamples))
        self.figures: dict[str, dict[str, dict[Family, Figures]]] = {}
        for (model, version), families in sums.said.items():
            by_family = {family: figures[id(one)] for family, one in families.items()}
            self.figures.setdefault(model, {})[version] = by_family
        self._directions = {name: Figures(one, resamples) for name, one in sums.directions.items()}
        measured = {family for families in sums.said.values() for family in families}
        self.metrics = tuple(
            metric
            for metric in METRICS.values()
            if metric.family in measured and (sums.horizon in HORIZONS or _is_of_paths(metric))
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows of `tables.EVALUATION`, by model and version, then metric."""
        beside = {metric.name: self.naive(metric) for metric in self.metrics}
        best = {metric.name: self.best(metric) for metric in self.metrics}
        sessions = self.window.sessions
        for model, version in sorted(self.window.said):
            common = {
                "model": model,
                "model_version": version,
                "window": self.window.window,
                "horizon": self.window.horizon,
            }
            measured = {
                "first_session": sessions[0],
                "last_session": sessions[-1],
                "n_sessions": len(self.window.sessions),
                "n_forecasts": int(self.window.n_rows.sum()),
            }
            is_opponent = version == BASELINE_VERSION and model in OPPONENTS
            families = self.figures[model][version]
            for metric in self.metrics:
                mine = families[metric.family]
                low, high = mine.interval(metric)
                naive_name, naive_value = beside[metric.name]
                yield {
                    **common,
                    "metric": metric.name,
                    "value": mine.value(metric),
                    "low": low,
                    "high": high,
                    "naive_value": naive_value,
                    "naive_name": naive_name,
                    **self._skill(metric, mine, None if is_opponent else best[metric.name]),
                    **measured,
                }
                if metric.name == "rank_ic":
                    yield {**common, **self._rank_ic_t(mine.by_session(metric)), **measured}

    def naive(self, metric: Metric) -> tuple[str, float]:
        """Name and value of the baseline that stands beside the metric."""
        name = NAIVE_BESIDE.get(metric.name, "naive")
        if name not in self.figures:
            raise DatasetError(
                f"forecasts_out_of_sample holds no rows of the baseline '{name}' in window"
                f" {self.window.window}; materialise forecasts_out_of_sample again"
            )
        return name, self._opponent(metric, name).value

    def best(self, metric: Metric) -> Opponent | None:
        """Who can say it best without a model; None where that is not asked, or nobody can."""
        if not metric.has_skill:
            return None
        beside = NAIVE_BESIDE.get(metric.name, "naive")
        names = [name for name in dict.fromkeys([beside, *OPPONENTS]) if name in self.figures]
        if metric.family is of_direction:
            names.append("always_down")
        found = [self._opponent(metric, name) for name in names]
        found = [one for one in found if np.isfinite(one.value)]
        # The first of those that are alike: who stands beside the metric anyway.
        sign = 1 if metric.better == "less" else -1
        return min(found, key=lambda one: sign * one.value, default=None)

    def _opponent(self, metric: Metric, name: str) -> Opponent:
        if metric.family is of_direction and name in self._directions:
            figures = self._directions[name]
        else:
            figures = self.figures[name][BASELINE_VERSION][metric.family]
        value, resampled = figures.value(metric), figures.resampled(metric)
        by_session = figures.by_session(metric)
        if metric.name in ORDERS_NOTHING and np.isnan(value):
            value, resampled = 0.0, np.zeros_like(resampled)
            by_session = np.zeros_like(by_session)
        return Opponent(name, value, resampled, by_session)

    def _skill(self, metric: Metric, mine: Figures, best: Opponent | None) -> dict[str, Any]:
        if best is None:
            return {}
        low, high = percentiles(_skill(metric, mine.resampled(metric), best.resampled))
        return {
            "best_baseline": best.name,
            "best_value": best.value,
            "skill": _or_nan(_skill(metric, np.array(mine.value(metric)), np.array(best.value))),
            "skill_low": low,
            "skill_high": high,
            "p_value": self._p_value(mine.by_session(metric), best) if metric.is_mean else _NAN,
        }

    def _p_value(self, mine: np.ndarray, best: Opponent) -> float:
        steps = self.window.overlap + 1
        if np.isfinite(mine - best.by_session).sum() <= max(steps, 1):
            return _NAN
        return diebold_mariano(mine, best.by_session, steps).p_value

    def _rank_ic_t(self, of_sessions: np.ndarray) -> dict[str, Any]:
        known = of_sessions[np.isfinite(of_sessions)]
        lags = enough_lags(len(known), self.window.overlap)
        t = newey_west(known, lags).t if len(known) > 1 else _NAN
        return {"metric": RANK_IC_T, "value": t, "naive_name": "naive"}


def _is_of_paths(metric: Metric) -> bool:
    return metric.name in _OF_PATHS or metric in OF_ACTIONS


def _skill(metric: Metric, value: np.ndarray, best: np.ndarray) -> np.ndarray:
    if metric.better == "more":
        return value - best
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - value / best


def _or_nan(value: np.ndarray) -> float:
    return float(value) if np.isfinite(value) else _NAN
