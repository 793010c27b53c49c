"""Windows of sessions against a reference, and how far its own windows stray from the rest of it.

The columns of a market are persistent: its volatility this month resembles last month's. Pooled
rows of an unchanged market therefore differ from its past far more than independent ones would,
and neither a fixed PSI nor a textbook p-value knows how far. The reference does: each of its own
windows, against the rest of it, is one answer to "how unlike is a window of the same market".

With S the PSI, and the Kolmogorov-Smirnov distance, of a column in a window:

    z        = (ln S - mean of ln S) / standard deviation of ln S, over the reference's windows
    M        = the largest z of a window, over columns and both measures
    severity = M / the level that M of the reference's windows rarely exceeds, 0 where M < 0

Taking the largest over the columns before looking for a level is Westfall and Young's correction
for their number, which is exact however they depend on each other; taking the level from every
window, a session apart, is the correction for looking every day. "Rarely" is once in
`SESSIONS_PER_ONSET` sessions: of a reference k times as long, the k highest windows that overlap
no other one are left out, and the level is the highest of the rest.

Source: Westfall and Young (1993), "Resampling-based multiple testing".
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.predictions.population_stability import (
    count_by_session,
    ks_distance,
    ks_p_values,
    population_stability,
    quantile_edges,
)

SESSIONS_PER_ONSET = 1000
"""An unchanged market may raise one false alarm in so many sessions: four years."""

_SMALLEST = 1e-6
"""Beside a measure of 0 its logarithm has no value."""

_LEAST_SPREAD = 0.1
"""A column whose windows are all alike would alarm at a hair's breadth."""


@dataclass(frozen=True)
class Measured:
    """A window's measures: arrays (n_columns,), thresholds those at a severity of 1."""

    psi: np.ndarray
    psi_threshold: np.ndarray
    ks: np.ndarray
    ks_threshold: np.ndarray
    ks_p_value: np.ndarray
    severity: np.ndarray
    n_reference: np.ndarray
    n_current: np.ndarray


class Windows:
    """Windows of `length` sessions against the reference's, which come first.

    Parameters
    ----------
    reference, later
        Tables with a column `session` and the columns to compare; no session is in both.
    columns
        Names of the columns to compare.
    length
        Sessions in a window; the reference has twice as many at least.
    """

    def __init__(
        self, reference: pd.DataFrame, later: pd.DataFrame, columns: tuple[str, ...], length: int
    ):
        self.columns, self.length = columns, length
        self.n_reference = reference["session"].nunique()
        first_codes, first = pd.factorize(reference["session"], sort=True)
        later_codes, then = pd.factorize(later["session"], sort=True)
        self.sessions = np.r_[np.asarray(first), np.asarray(then)].astype("datetime64[D]")
        codes = np.r_[first_codes, later_codes + len(first)]
        self._edges, self._sums = [], []
        for column in columns:
            mine = reference[column].to_numpy(dtype=np.float64)
            edges = quantile_edges(mine)
            values = np.r_[mine, later[column].to_numpy(dtype=np.float64)]
            counts = count_by_session(values, codes, len(self.sessions), edges)
            self._edges.append(edges)
            self._sums.append(np.vstack([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)]))
        self._calibrate()

    def severities(self, ends: np.ndarray) -> np.ndarray:
        """Severity of the windows that end before the places `ends` of `sessions`."""
        return np.maximum(self._unlikeness(ends).max(axis=0), 0.0) / self.level

    def measure(self, end: int, length: int | None = None) -> Measured:
        """One window, by column; `length` is another one than the thresholds are made for."""
        ends = np.array([end])
        psi, ks = self._measures(ends, self.length if length is None else length)
        unlike = self._standardised(psi, ks)
        psi, ks = psi[:, 0], ks[:, 0]
        limits = np.exp(self._mean + self.level * self._spread)[:, 0] - _SMALLEST
        split = len(self.columns)
        n_current, n_reference = self._n_rows(end, self.length if length is None else length)
        return Measured(
            psi,
            limits[:split],
            ks,
            np.minimum(limits[split:], 1.0),
            ks_p_values(ks, n_current, n_reference),
            np.maximum(np.maximum(unlike[:split, 0], unlike[split:, 0]), 0.0) / self.level,
            n_reference,
            n_current,
        )

    def _calibrate(self) -> None:
        ends = np.arange(self.length, self.n_reference + 1)
        logs = self._logs(*self._measures(ends, self.length))
        self._mean = logs.mean(axis=1, keepdims=True)
        self._spread = np.maximum(logs.std(axis=1, keepdims=True), _LEAST_SPREAD)
        largest = ((logs - self._mean) / self._spread).max(axis=0)
        for _ in range(self.n_reference // SESSIONS_PER_ONSET):
            highest = int(largest.argmax())
            near = slice(max(0, highest - self.length + 1), highest + self.length)
            largest[near] = -np.inf
        # Of columns that never vary nothing is unlike: any change is then as good as another.
        self.level = max(float(largest.max()), 1.0)

    def _unlikeness(self, ends: np.ndarray) -> np.ndarray:
        return self._standardised(*self._measures(ends, self.length))

    def _standardised(self, psi: np.ndarray, ks: np.ndarray) -> np.ndarray:
        return (self._logs(psi, ks) - self._mean) / self._spread

    @staticmethod
    def _logs(psi: np.ndarray, ks: np.ndarray) -> np.ndarray:
        # A measure that is missing says nothing: the other of its column does.
        return np.log(np.nan_to_num(np.vstack([psi, ks]), nan=0.0) + _SMALLEST)

    def _measures(self, ends: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """PSI and KS of each column, (n_columns, n_windows), against the reference without it."""
        starts = ends - length
        own = [np.minimum(places, self.n_reference) for places in (starts, ends)]
        psi = np.empty((len(self.columns), len(ends)))
        ks = np.empty_like(psi)
        for place, (edges, sums) in enumerate(zip(self._edges, self._sums, strict=True)):
            current = sums[ends] - sums[starts]
            reference = sums[self.n_reference] - (sums[own[1]] - sums[own[0]])
            psi[place] = population_stability(current, reference, edges)
            ks[place] = ks_distance(current, reference)
        return psi, ks

    def _n_rows(self, end: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Known values of the window and of the reference without it, by column."""
        start, last = end - length, self.n_reference
        own = min(start, last), min(end, last)
        current = [(s[end] - s[start])[:-1].sum() for s in self._sums]
        reference = [(s[last] - (s[own[1]] - s[own[0]]))[:-1].sum() for s in self._sums]
        return np.array(current), np.array(reference)
