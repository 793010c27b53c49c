"""Resources: the nouns outside our code, in the pipeline's words.

Their values come from `settings.py` through `build_definitions`; none reads the environment.
"""

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import last_closed_session
from asset_predict_dagster.market.sources import B3
from asset_predict_dagster.models.bundle import Bundle, load_bundle
from asset_predict_dagster.registry.store import Registry


class LakeTables(dg.ConfigurableResource):
    """The Delta tables under one root, a folder or an object-store URI."""

    root: str

    def open(self) -> Lake:
        return Lake(self.root)


class Clock(dg.ConfigurableResource):
    """The time, and the last session that is over. `as_of` stands for that session if set."""

    as_of: str = ""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def last_session(self) -> date:
        return date.fromisoformat(self.as_of) if self.as_of else last_closed_session(self.now())


class MarketFiles(dg.ConfigurableResource):
    """The folder where market files land.

    For the simulated market, `simulation_seed` is not negative and `land` writes the files that
    B3 would have published by then.
    """

    folder: str
    simulation_seed: int = -1
    signal_strength: float = 0.0

    def land(self, last: date) -> None:
        """Complete the folder up to the session `last`; a folder of B3's own files is left be."""
        if self.simulation_seed < 0:
            return
        from asset_predict_dagster.market.simulated import SimulatedMarket, complete_files

        market = SimulatedMarket(self.simulation_seed, self.signal_strength)
        try:
            complete_files(Path(self.folder), market, last)
        except OSError as error:
            raise SettingsError(
                f"the simulated market cannot be written to {self.folder}: {error};"
                " point ASSET_PREDICT_DATA at a folder that can be written"
            ) from error

    @property
    def path(self) -> Path:
        return Path(self.folder)

    @property
    def origin(self) -> str:
        """Whose prices they are: a lake holds those of one origin."""
        if self.simulation_seed < 0:
            return B3
        return (
            f"a market simulated with seed {self.simulation_seed},"
            f" signal strength {self.signal_strength:g}"
        )


class Models(dg.ConfigurableResource):
    """The registry, the folder of bundles, the seed of training, and when a model is stale."""

    database: str
    bundles: str
    seed: int
    stale_after_days: int

    @property
    def registry(self) -> Registry:
        return Registry(Path(self.database))

    @property
    def bundles_folder(self) -> Path:
        return Path(self.bundles)

    def load(self, digest: str) -> Bundle:
        return load_bundle(self.bundles_folder, digest)
