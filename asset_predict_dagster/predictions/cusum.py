"""CUSUM: has a mean that was promised been lost, asked after every session.

With x the figure of a session and m the mean that was shown,

    C[t] = max(0, C[t-1] + (m / 2 - x[t]) / s),   s the standard deviation of the shown figures

stays near 0 while the mean is above m / 2, and climbs by m / (2 s) a session once it is 0. It is
the fastest test there is for such a change among those that raise false alarms as rarely (Page
1954; Moustakides 1986), and looking every day is what it is made for.

The alarm's threshold comes from simulation of `PATH` sessions with the skill unchanged: whole
blocks of the shown sessions, drawn with replacement, so that figures are as skewed and as alike
from day to day as they were; and on each path the mean is shifted by its own standard error,
because what was shown may have been luck. A path in twenty may alarm; on made series of 260 and
500 shown sessions 7 to 14 % of years did, because the spread of the shown figures is an estimate
as well.

Sources: Page (1954), "Continuous inspection schemes"; Moustakides (1986), "Optimal stopping times
for detecting changes in distributions".
"""

from dataclasses import dataclass

import numpy as np

from asset_predict_dagster.dataset.bootstrap import BLOCK, MIN_BLOCKS
from asset_predict_dagster.errors import DatasetError

PATH = 250
"""Sessions of a simulated path: a year."""

FALSE_ALARMS = 0.05
"""Share of the years without a change that may raise an alarm."""

N_PATHS = 2000

LEAST_SHOWN = 60
"""Sessions that a promise needs."""

_ALL_ALIKE = 1e-12
"""Of equal figures the standard deviation is a rounding error."""


@dataclass(frozen=True)
class Cusum:
    """The test of one promise.

    Attributes
    ----------
    mean, deviation
        Of the shown figures, per session.
    threshold
        The alarm begins where C exceeds it.
    delay
        Median number of sessions until the alarm once the mean is 0; infinity where more than a
        year.
    """

    mean: float
    deviation: float
    threshold: float
    delay: float

    def step(self, before: float, figure: float) -> float:
        """C after one more session; a missing figure changes nothing."""
        if np.isnan(figure):
            return before
        return max(0.0, before + (self.mean / 2 - figure) / self.deviation)


def fit_cusum(shown: np.ndarray, standard_error: float, seed: int) -> Cusum:
    """The test for the mean of the shown figures.

    Parameters
    ----------
    shown
        Shape (n_sessions,), the figures of consecutive sessions out of sample, none missing.
    standard_error
        Of their mean.
    seed
        Of the simulation.

    Raises
    ------
    DatasetError
        If their mean is not above 0, they never vary, or there are fewer than 60: nothing is
        promised that could be lost.
    """
    mean, deviation = float(shown.mean()), float(shown.std())
    if not (len(shown) >= LEAST_SHOWN and mean > 0 and deviation > _ALL_ALIKE):
        raise DatasetError(
            f"a loss can be noticed of a mean above 0 shown on {LEAST_SHOWN} sessions or more;"
            f" found a mean of {mean:.4f} and a deviation of {deviation:.4f} on {len(shown)}"
        )
    generator = np.random.default_rng(seed)
    paths = _paths(shown, generator)
    luck = standard_error * generator.standard_normal((N_PATHS, 1))
    unchanged = _statistic((mean / 2 - paths + luck) / deviation)
    threshold = float(np.quantile(unchanged[:, -1], 1 - FALSE_ALARMS))
    lost = _statistic((mean / 2 - (paths - mean)) / deviation)
    alarmed = lost > threshold
    first = np.where(alarmed[:, -1], alarmed.argmax(axis=1) + 1.0, np.inf)
    return Cusum(mean, deviation, threshold, float(np.median(first)))


def _paths(shown: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Whole blocks of the shown sessions strung together, shape (N_PATHS, PATH)."""
    block = max(1, min(BLOCK, len(shown) // MIN_BLOCKS))
    starts = generator.integers(0, len(shown), size=(N_PATHS, -(-PATH // block)))
    places = (starts[:, :, None] + np.arange(block)) % len(shown)
    return shown[places.reshape(N_PATHS, -1)[:, :PATH]]


def _statistic(steps: np.ndarray) -> np.ndarray:
    """The largest C up to each session, shape of `steps`."""
    # C is the running sum above its lowest point so far, 0 at the start included.
    total = np.cumsum(steps, axis=1)
    lowest = np.minimum(np.minimum.accumulate(total, axis=1), 0.0)
    return np.maximum.accumulate(total - lowest, axis=1)
