"""Every knob, read from the environment once. No other file looks at it."""

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from asset_predict_dagster.errors import SettingsError

Source = Literal["simulated", "cotahist"]


class Settings(BaseSettings):
    """One environment: where the data lives, where it comes from, when it pretends to be.

    Build it with `load_settings()`, which turns a bad value into one clear sentence.
    """

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, env_ignore_empty=True)

    data: Path = Field(default=Path("data"), alias="ASSET_PREDICT_DATA")
    """Local folder of everything that is not the lake: registry, bundles, warehouse, landing."""

    lake: str = Field(default="", alias="ASSET_PREDICT_LAKE")
    """Folder or object-store URI of the Delta tables; empty stands for `<data>/lake`."""

    source: Source = Field(default="simulated", alias="ASSET_PREDICT_SOURCE")
    """Where raw quotes come from."""

    cotahist_folder: Path | None = Field(default=None, alias="ASSET_PREDICT_COTAHIST_FOLDER")
    """Folder of B3's files when `source` is `cotahist`."""

    signal_strength: float = Field(
        default=0.08, ge=0.0, le=0.5, alias="ASSET_PREDICT_SIGNAL_STRENGTH"
    )
    """Simulated market only: the oracle's mean daily rank IC; 0 = no skill to find."""

    as_of: date | None = Field(default=None, alias="ASSET_PREDICT_AS_OF")
    """Run as if this session had just closed; every later record is hidden."""

    seed: int = Field(default=42, ge=0, lt=2**32, alias="SEED")
    """Of the training and of the simulated market."""

    daily_task_hour: int = Field(default=3, ge=0, le=23, alias="DAILY_TASK_HOUR")
    """Hour, São Paulo time, of the daily prediction on the morning after each session."""

    model_stale_after_days: int = Field(default=15, ge=1, alias="MODEL_STALE_AFTER_DAYS")
    """Days after its training from which a model counts as stale."""

    @model_validator(mode="after")
    def _a_folder_of_files_is_named(self) -> "Settings":
        if self.source == "cotahist" and self.cotahist_folder is None:
            raise ValueError(
                "ASSET_PREDICT_SOURCE=cotahist needs ASSET_PREDICT_COTAHIST_FOLDER,"
                " the folder of B3's COTAHIST files"
            )
        return self

    @property
    def lake_root(self) -> str:
        """Folder or URI of the Delta tables."""
        return self.lake or str(self.data / "lake")

    @property
    def landing(self) -> Path:
        """Folder the market files are read from."""
        if self.source == "cotahist":
            assert self.cotahist_folder is not None  # held by the validator above
            return self.cotahist_folder
        return self.data / "landing" / "simulated"

    @property
    def bundles(self) -> Path:
        """Folder of the saved models, one sub-folder a bundle."""
        return self.data / "bundles"

    @property
    def registry_database(self) -> Path:
        """MLflow's SQLite file."""
        return self.data / "mlflow.db"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file published for people, notebooks and BI."""
        return self.data / "warehouse.duckdb"


def load_settings(**overrides: object) -> Settings:
    """The settings of this process's environment; `overrides` (by field name) win.

    Raises
    ------
    SettingsError
        Naming each variable with a bad value, what was found and what is allowed.
    """
    try:
        return Settings(**overrides)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(problem) for problem in error.errors())) from None


def _sentence(problem) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if not name:
        return problem["msg"].removeprefix("Value error, ")
    return f"{name}={problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
