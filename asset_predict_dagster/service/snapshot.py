"""The snapshot: all that requests are answered from, in memory, never changed.

It is made from one state of the lake (`building.py`), in a process of its own, and replaced whole
when that state changes (`refresher.py`). A request takes the one that is there when it begins and
keeps it to its end. Nothing here needs pandas, the lake or ONNX: the server stays small.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np

from asset_predict_dagster.predictions.due import MOST_LATE
from asset_predict_dagster.predictions.symbols import NearNames
from asset_predict_dagster.tables import PATH_HORIZONS

HISTORY = 252
"""Sessions of the market whose quotes are kept: a year."""

HISTORY_COLUMNS = (
    "open",
    "high",
    "low",
    "close",
    "average",
    "volume_brl",
    "quantity",
    "adjusted_close",
)


@dataclass(frozen=True)
class State:
    """What a snapshot is made from: two equal states make equal snapshots.

    `versions` has the version of each table that is looked at, None where it has not been made.
    """

    versions: Mapping[str, int | None]
    last_closed: date


@dataclass(frozen=True)
class Said:
    """What one version says of one ticker, of the sessions after the last closed one, in order.

    `action` and `probabilities` are of the session after the quotes: it is over if they are late.
    Prices are R$ per share. A refused ticker has a `reason` and neither action nor arrays; a marked
    one has a reason and both.
    """

    reason: str
    last_close: float
    action: str | None = None
    probabilities: tuple[float, ...] = ()
    expected_returns: np.ndarray = field(default_factory=lambda: np.empty(0))
    price_lows: np.ndarray = field(default_factory=lambda: np.empty(0))
    price_highs: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def is_refused(self) -> bool:
        return self.action is None

    @property
    def predicted_prices(self) -> list[float]:
        return (self.last_close * (1 + self.expected_returns)).tolist()


@dataclass(frozen=True)
class Figures:
    """Errors of the next session's price of one ticker, out of sample, beside the naive ones'."""

    n: int
    mae: float
    rmse: float
    mape: float
    r2: float
    naive_mae: float
    naive_rmse: float
    naive_mape: float
    naive_r2: float
    first_session: date
    last_session: date


@dataclass(frozen=True)
class Version:
    """One version of one model: what it is, and what it says of every ticker.

    `importance` has, per feature, by how much the log-loss on validation rises without it (nats),
    the largest first; empty if it was not measured. `n_training_rows` taught the bundle that
    `figures` are of, and `n_validation_rows` calibrated it; None if its card is lost.
    """

    model: str
    version: str
    status: str
    is_champion: bool
    trained_at: datetime
    training_end: date
    feature_names: tuple[str, ...]
    importance: Mapping[str, float]
    n_training_rows: int | None
    n_validation_rows: int | None
    training_seconds: float | None
    said: Mapping[str, Said]
    figures: Mapping[str, Figures]


@dataclass(frozen=True)
class Paper:
    """One ticker: who it is, its latest quote with the indicators, and its last year.

    `history` has shape (n, len(HISTORY_COLUMNS)), a row per session of `sessions`.
    """

    ticker: str
    company: str
    asset_class: str
    latest: Mapping[str, float | int | str | date | bool | None]
    sessions: tuple[date, ...]
    history: np.ndarray


@dataclass(frozen=True)
class Snapshot:
    """Everything at one moment. `targets` are the sessions after the last closed one, in order.

    The quotes go from `first_session` to `session`. `has` says which stages have been made: raw,
    processed, split, trained. `passed_over` has one sentence for each version that would serve if
    its bundle could be opened, `hindsight` one for each model of which no version answers, since
    its champion has learned from sessions after `session`.
    """

    state: State
    made_at: datetime
    session: date | None
    sessions_late: int
    targets: tuple[date, ...]
    versions: Mapping[str, Version]
    papers: Mapping[str, Paper]
    names: NearNames
    has: Mapping[str, bool]
    passed_over: tuple[str, ...] = ()
    first_session: date | None = None
    hindsight: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_too_late(self) -> bool:
        return self.sessions_late > MOST_LATE

    @property
    def days_ahead(self) -> int:
        """Sessions after the last closed one that are forecast: fewer where quotes are late."""
        return len(PATH_HORIZONS) - self.sessions_late
