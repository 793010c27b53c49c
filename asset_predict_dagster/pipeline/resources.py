"""Resources: the nouns outside our code, in the pipeline's words.

Their values come from `settings.py` through `build_definitions`; none reads the environment.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.b3_archive import B3Archive
from asset_predict_dagster.market.cotahist_folder import CotahistFolder
from asset_predict_dagster.market.duckdb_table import DuckDBTable
from asset_predict_dagster.market.index_levels import read_index_levels
from asset_predict_dagster.market.sessions import last_closed_session
from asset_predict_dagster.market.simulated import SimulatedMarket
from asset_predict_dagster.market.simulated_folder import SimulatedFolder
from asset_predict_dagster.market.sources import Source
from asset_predict_dagster.market.yahoo import Yahoo
from asset_predict_dagster.models.bundle import Bundle, load_bundle
from asset_predict_dagster.pipeline.one_moment import moment_of_labels, versions_for
from asset_predict_dagster.pipeline.reads import current_step, note_read
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.settings import Settings


class LakeTables(dg.ConfigurableResource):
    """The Delta tables under one root, a folder or an object-store URI."""

    root: str

    def open(self) -> Lake:
        versions = versions_for(current_step(), self.root)
        return Lake(self.root, on_read=note_read, versions=versions)

    def to_learn_from(self, on_read: Callable[[str, int], Any]) -> Lake:
        """The tables as they go with the labels there are, for an op that trains."""
        return Lake(self.root, on_read=on_read, versions=moment_of_labels(Lake(self.root)))


class Clock(dg.ConfigurableResource):
    """The time, and the last session that is over. `as_of` stands for that session if set."""

    as_of: str = ""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def last_session(self) -> date:
        return date.fromisoformat(self.as_of) if self.as_of else last_closed_session(self.now())


class Thresholds(dg.ConfigurableResource):
    """From where on data counts as doubtful; `settings.py` says what each one means."""

    max_rejected_share: float
    max_sessions_behind: int
    min_completeness: float
    stale_price_sessions: int
    unexplained_jump: float


class Reports(dg.ConfigurableResource):
    """The folder of reports, the file of the index that they compare with, and how much skill was
    planted in a simulated market."""

    folder: str
    ibovespa: str = ""
    planted_strength: float | None = None

    def place(self, name: str) -> Path:
        return Path(self.folder) / name

    def index(self) -> pd.Series | None:
        """Closes of IBOV; None if no file was named."""
        return read_index_levels(Path(self.ibovespa)) if self.ibovespa else None


class Progress:
    """Whoever wants to see how far a backtest is; this one does not look."""

    def begin(self, n_windows: int) -> None:
        """Before the first window."""

    def advance(self, window: str) -> None:
        """A window is there."""

    def finish(self, told: Any) -> None:
        """The report is written; `told` is what it says."""


class Papers(dg.ConfigurableResource):
    """Which kinds of paper are learned from, and where the changes of their codes are listed."""

    asset_classes: list[str]
    renames: str = ""

    @property
    def renames_file(self) -> Path | None:
        return Path(self.renames) if self.renames else None


def market_source(settings: Settings) -> Source:
    """The source of prices that the settings name.

    A plain object and no `ConfigurableResource`: Dagster shows the configuration of those in its
    UI, and one of the sources holds a token.
    """
    if settings.source == "simulated":
        market = SimulatedMarket(settings.seed, settings.signal_strength)
        return SimulatedFolder(settings.landing, market=market)
    if settings.source == "yahoo":
        return Yahoo(settings.landing, settings.tickers, date(settings.download_from, 1, 1))
    if settings.source == "duckdb":
        token = settings.motherduck_token
        return DuckDBTable(settings.duckdb, None if token is None else token.get_secret_value())
    archive = B3Archive(settings.b3_archive, settings.download_from) if settings.download else None
    return CotahistFolder(settings.landing, archive)


class Models(dg.ConfigurableResource):
    """The registry, the folders of bundles, presets (settings that were tuned) and checkpoints
    (trainings under way), the seed of training, when a model is stale and when expired, and how
    often it is trained again without a person."""

    database: str
    bundles: str
    presets: str
    checkpoints: str
    seed: int
    stale_after_days: int
    expires_after_days: int
    retrains_a_week: int = 3

    @property
    def registry(self) -> Registry:
        return Registry(Path(self.database))

    @property
    def bundles_folder(self) -> Path:
        return Path(self.bundles)

    @property
    def expires_after(self) -> timedelta:
        return timedelta(days=self.expires_after_days)

    def checkpoint(self, model: str) -> Path:
        """Where a training of the model keeps what a killed one goes on from."""
        return Path(self.checkpoints) / model

    def load(self, digest: str) -> Bundle:
        return load_bundle(self.bundles_folder, digest)
