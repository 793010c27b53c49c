"""Of each window and horizon: what every session adds to every forecaster's sums.

From here on nobody looks at a forecast any more, and windows can be put together. Each forecaster
covers the same tickers and sessions with the same outcomes, which is checked, so rows are sorted
and outcomes ranked once for all of them. Baselines that say the same are reckoned once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import HORIZONS
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.by_session import BySession, JudgedRows
from asset_predict_dagster.evaluation.forecast_blocks import ForecastBlocks, Forecaster
from asset_predict_dagster.evaluation.metric_sums import (
    of_actions,
    of_direction,
    of_falls,
    of_intervals,
    of_order,
    of_order_next_close,
    of_prices,
    of_returns,
    of_rises,
    of_score_signs,
)
from asset_predict_dagster.evaluation.metrics import Family
from asset_predict_dagster.models.baselines import BASELINE_VERSION

Columns = Callable[[str], np.ndarray]
"""Name of a column → one forecaster's values, in the order of the table."""

NAIVE: Forecaster = ("naive", BASELINE_VERSION)

_PROBABILITIES = ("probability_buy", "probability_hold", "probability_sell")

_READS: Mapping[Family, tuple[str, ...]] = {
    of_returns: ("expected_return",),
    of_prices: ("expected_return",),
    of_direction: ("expected_return",),
    of_intervals: ("return_low", "return_high"),
    of_order: ("score",),
    of_order_next_close: ("score",),
    of_actions: _PROBABILITIES,
}
"""The forecasts that a family depends on, beside the outcomes."""

_WITH_A_SIGN = ("momentum", "reversal")
"""Baselines that expect a return of 0, though the sign of their score is a direction."""

_OF_PATHS = (of_returns, of_prices, of_intervals)
"""Beyond the direct horizons nobody trades, and a model repeats the order that it had."""

_OF_DIRECT = tuple(family for family in _READS if family is not of_actions)


@dataclass(frozen=True)
class WindowSums:
    """One window and horizon.

    Attributes
    ----------
    sessions, targets
        Shape (n_sessions,), sorted: the sessions measured, and those that they forecast.
    n_rows
        Shape (n_sessions,): forecasts of each.
    said
        Forecaster → family → shape (n_sessions, k). Who says the same shares an array.
    directions
        Who says a direction and no return → shape (n_sessions, 2), as `of_direction`: always_up,
        always_down, and momentum and reversal where they are measured.
    """

    window: str
    horizon: int
    sessions: np.ndarray
    targets: np.ndarray
    n_rows: np.ndarray
    said: dict[Forecaster, dict[Family, np.ndarray]]
    directions: dict[str, np.ndarray]

    @property
    def overlap(self) -> int:
        """How many of the sessions after one begin before its forecast comes true, at most.

        horizon - 1 where every session is measured, less where one in so many is.
        """
        begun = np.searchsorted(self.sessions, self.targets)
        return int((begun - np.arange(len(self.sessions)) - 1).max())

    @property
    def has_actions(self) -> bool:
        return of_actions in self.said[NAIVE]


def window_sums(forecasts: pd.DataFrame) -> Iterator[WindowSums]:
    """The sums of every window and horizon of `forecasts`, in their order.

    Raises
    ------
    DatasetError
        If a window has no naive forecast, or a model does not cover its rows and outcomes.
    """
    blocks = ForecastBlocks(forecasts)
    for window, horizon in blocks.places:
        yield _of_block(window, horizon, blocks)


def pool(name: str, parts: Sequence[WindowSums]) -> WindowSums:
    """Windows of one horizon as one, in the order of their sessions.

    Raises
    ------
    DatasetError
        If two windows test the same session, or not all have the same forecasters.
    """
    sessions = np.concatenate([part.sessions for part in parts])
    order = np.argsort(sessions, kind="stable")
    window_of = np.repeat([part.window for part in parts], [len(part.sessions) for part in parts])
    twice = np.flatnonzero(np.diff(sessions[order]) == np.timedelta64(0))
    if len(twice):
        first, other = window_of[order][twice[0] : twice[0] + 2]
        raise DatasetError(
            f"session {pd.Timestamp(sessions[order][twice[0]]).date()} is tested in the windows"
            f" {first} and {other} and would count twice; pool windows of one step alone"
        )
    everybody = set().union(*(part.said for part in parts))
    for part in parts:
        if lacking := everybody - set(part.said):
            model, version = min(lacking)
            raise DatasetError(
                f"window {part.window} has no forecasts of '{model}' {version} at horizon"
                f" {part.horizon}, others have; pool windows of the same models"
            )
    joined: dict[tuple[int, ...], np.ndarray] = {}

    def join(arrays: list[np.ndarray]) -> np.ndarray:
        same = tuple(map(id, arrays))
        if same not in joined:
            joined[same] = np.concatenate(arrays)[order]
        return joined[same]

    return WindowSums(
        window=name,
        horizon=parts[0].horizon,
        sessions=sessions[order],
        targets=join([part.targets for part in parts]),
        n_rows=join([part.n_rows for part in parts]),
        said={
            who: {
                family: join([part.said[who][family] for part in parts])
                for family in parts[0].said[who]
            }
            for who in parts[0].said
        },
        directions={
            name: join([part.directions[name] for part in parts]) for name in parts[0].directions
        },
    )


def _of_block(window: str, horizon: int, blocks: ForecastBlocks) -> WindowSums:
    places = blocks.places[(window, horizon)]
    if NAIVE not in places:
        raise DatasetError(
            f"forecasts_out_of_sample holds no rows of the baseline 'naive' in window {window} at"
            f" horizon {horizon}; materialise forecasts_out_of_sample again"
        )

    def columns_of(who: Forecaster) -> Columns:
        return lambda name: blocks.column(name, places[who])

    said_by_naive = columns_of(NAIVE)
    by_session = BySession(said_by_naive("session"), said_by_naive("ticker"))
    naive = JudgedRows(said_by_naive, by_session)
    has_actions = bool(np.isfinite(naive.column("probability_buy")).any())
    families = _OF_PATHS if horizon not in HORIZONS else _OF_DIRECT
    families = (*families, of_actions) if has_actions else families
    reckoned, said = _Reckoned(), {}
    directions = {"always_up": of_rises(naive), "always_down": of_falls(naive)}
    for who in sorted(places):
        rows = JudgedRows(columns_of(who), _order_of(who, columns_of(who), naive), outcomes=naive)
        said[who] = {family: reckoned.sums(family, rows) for family in families}
        if who[1] == BASELINE_VERSION and who[0] in _WITH_A_SIGN:
            directions[who[0]] = of_score_signs(rows)
    return WindowSums(
        window,
        horizon,
        by_session.sessions,
        naive.column("target_session")[by_session.starts],
        by_session.counts,
        said,
        directions,
    )


def _order_of(who: Forecaster, columns: Columns, naive: JudgedRows) -> BySession:
    """The order of a forecaster's rows, once it is sure that they are the naive forecast's."""
    keys = {name: columns(name) for name in ("session", "ticker")}

    def are_those_of_naive(order: np.ndarray) -> bool:
        return len(order) == len(naive.by_session.order) and all(
            np.array_equal(values[order], naive.column(name)) for name, values in keys.items()
        )

    by_session, n_rows = naive.by_session, len(keys["session"])
    if n_rows != len(by_session.order) or not are_those_of_naive(by_session.order):
        by_session = BySession(keys["session"], keys["ticker"])
        if not are_those_of_naive(by_session.order):
            raise DatasetError(
                f"'{who[0]}' has {n_rows:,} forecasts, the naive forecast"
                f" {len(naive.by_session.order):,}, and they are not of the same tickers and"
                " sessions; materialise forecasts_out_of_sample again"
            )
    if not all(
        _same_bits(columns(name)[by_session.order], naive.column(name))
        for name in ("realised_return", "realised_return_tradable")
    ):
        raise DatasetError(
            f"'{who[0]}' has other outcomes beside its forecasts than the naive forecast: they were"
            " recorded from different histories; materialise forecasts_out_of_sample again"
        )
    return by_session


class _Reckoned:
    """The sums of what was said so far: who says the same again is given the same array."""

    def __init__(self) -> None:
        self._known: dict[Family, list[tuple[list[np.ndarray], np.ndarray]]] = {}

    def sums(self, family: Family, rows: JudgedRows) -> np.ndarray:
        said = [rows.column(name) for name in _READS[family]]
        known = self._known.setdefault(family, [])
        for before, sums in known:
            if all(map(_same_bits, before, said)):
                return sums
        known.append((said, family(rows)))
        return known[-1][1]


def _same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether they are alike to the bit: a missing value is like a missing one."""
    if one.dtype != other.dtype:
        return False
    bits = np.dtype(f"i{one.dtype.itemsize}")
    # Most that differ do so at once.
    return all(
        np.array_equal(one[part].view(bits), other[part].view(bits))
        for part in (slice(0, 64), slice(64, None))
    )
