"""The simulated market as a source: its files are completed first, then read as B3's are."""

from dataclasses import dataclass, field
from datetime import date

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.market.cotahist_folder import CotahistFolder
from asset_predict_dagster.market.simulated import SimulatedMarket, complete_files


@dataclass(frozen=True)
class SimulatedFolder(CotahistFolder):
    """A folder in which `refresh` writes what B3 would have published; the source `simulated`."""

    origin: str = field(init=False)
    market: SimulatedMarket = field(default_factory=SimulatedMarket)

    def __post_init__(self) -> None:
        origin = (
            f"a market simulated with seed {self.market.seed},"
            f" signal strength {self.market.signal_strength:g}"
        )
        object.__setattr__(self, "origin", origin)

    def refresh(self, last: date) -> list[str]:
        """Complete the folder up to the session `last`.

        Raises
        ------
        SettingsError
            If the folder holds another market or cannot be written.
        """
        try:
            complete_files(self.folder, self.market, last)
        except OSError as error:
            raise SettingsError(
                f"the simulated market cannot be written to {self.folder}: {error};"
                " point ASSET_PREDICT_DATA at a folder that can be written"
            ) from error
        return []
