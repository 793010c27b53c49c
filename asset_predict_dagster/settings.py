"""Every knob, read from the environment once. No other file looks at it."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from asset_predict_dagster.errors import SettingsError, in_words
from asset_predict_dagster.tables import ASSET_CLASSES

Source = Literal["simulated", "cotahist", "yahoo", "duckdb"]

Names = Annotated[tuple[str, ...], NoDecode]
"""Several names in one variable, with commas between."""

B3_ARCHIVE = "https://bvmf.bmfbovespa.com.br/InstDados/SerHist"
"""Where B3 publishes its historical quotes."""


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
    """Folder of B3's files when `source` is `cotahist`; `<data>/landing/cotahist` for downloads."""

    download: bool = Field(default=False, alias="ASSET_PREDICT_DOWNLOAD")
    """Fetch the files that the folder lacks from B3, before it is read."""

    download_from: int = Field(default=2010, ge=1995, le=2100, alias="ASSET_PREDICT_DOWNLOAD_FROM")
    """First year to fetch; 1995 is the first one in R$ throughout."""

    b3_archive: str = Field(default=B3_ARCHIVE, alias="ASSET_PREDICT_B3_ARCHIVE")
    """Address that the files are fetched from: B3's, or a mirror of it."""

    tickers: Names = Field(default=(), alias="ASSET_PREDICT_TICKERS")
    """B3's codes of the papers to fetch when `source` is `yahoo`."""

    duckdb: str = Field(default="", alias="ASSET_PREDICT_DUCKDB")
    """Database that holds a table `raw_quotes` when `source` is `duckdb`: a path, or `md:name`."""

    motherduck_token: SecretStr | None = Field(default=None, alias="MOTHERDUCK_TOKEN")
    """Needed by a database `md:name`; shown nowhere."""

    renames: Path | None = Field(default=None, alias="ASSET_PREDICT_RENAMES")
    """CSV file of changed codes: old_ticker, new_ticker, first_session."""

    ibovespa: Path | None = Field(default=None, alias="ASSET_PREDICT_IBOVESPA")
    """CSV file of the index's closes (columns Date, Close); without it reports compare with equal
    weight alone."""

    asset_classes: Names = Field(
        default=("common", "preferred", "unit", "real_estate_fund"),
        min_length=1,
        alias="ASSET_PREDICT_ASSET_CLASSES",
    )
    """Kinds of paper to learn from and forecast."""

    max_rejected_share: float = Field(
        default=0.005, ge=0.0, le=1.0, alias="ASSET_PREDICT_MAX_REJECTED_SHARE"
    )
    """Share of the records asked for that may be impossible; with more, a file is refused whole."""

    max_sessions_behind: int = Field(default=1, ge=0, alias="ASSET_PREDICT_MAX_SESSIONS_BEHIND")
    """Check: sessions by which the newest quote may lag behind B3's calendar."""

    min_completeness: float = Field(
        default=0.8, ge=0.0, le=1.0, alias="ASSET_PREDICT_MIN_COMPLETENESS"
    )
    """Check: tickers of a session, over the median of the sessions before it."""

    stale_price_sessions: int = Field(default=10, ge=2, alias="ASSET_PREDICT_STALE_PRICE_SESSIONS")
    """Check: sessions after which a liquid ticker's unchanged price is doubtful."""

    unexplained_jump: float = Field(default=0.6, gt=0.0, alias="ASSET_PREDICT_UNEXPLAINED_JUMP")
    """Check: |log adjusted return| above which an event is probably missing."""

    signal_strength: float = Field(
        default=0.08, ge=0.0, le=0.5, alias="ASSET_PREDICT_SIGNAL_STRENGTH"
    )
    """Simulated market only: the oracle's mean daily rank IC; 0 = no skill to find."""

    as_of: date | None = Field(default=None, alias="ASSET_PREDICT_AS_OF")
    """Run as if this session had just closed; every later record is hidden."""

    seed: int = Field(default=42, ge=0, lt=2**32, alias="SEED")
    """Of the training and of the simulated market."""

    daily_task_hour: int = Field(default=3, alias="DAILY_TASK_HOUR")
    """Hour, São Paulo time, of the daily prediction on the morning after each session: 0 to 9."""

    model_stale_after_days: int = Field(default=15, ge=1, alias="MODEL_STALE_AFTER_DAYS")
    """Days after its training from which a model counts as stale."""

    model_expires_after_days: int = Field(
        default=60, ge=1, alias="ASSET_PREDICT_MODEL_EXPIRES_AFTER_DAYS"
    )
    """Days after its training beyond which a model says nothing; not before it is stale."""
    retrains_a_week: int = Field(default=3, ge=1, le=7, alias="ASSET_PREDICT_RETRAINS_A_WEEK")
    """Trainings of one model that may be asked for, without a person, in any seven days."""

    alert_webhook: SecretStr | None = Field(default=None, alias="ASSET_PREDICT_ALERT_WEBHOOK")
    """Address that is told of every run that fails; it holds a token and is shown nowhere."""

    keep_versions: int = Field(default=10, ge=1, alias="ASSET_PREDICT_KEEP_VERSIONS")
    """Versions of each table that a clean-up keeps, beside those that models refer to."""

    api_key: SecretStr | None = Field(default=None, min_length=1, alias="ASSET_PREDICT_API_KEY")
    """Needed, as X-API-Key, by whoever starts a run through the REST API; shown nowhere."""

    cors_origins: Names = Field(default=(), alias="ASSET_PREDICT_CORS_ORIGINS")
    """Origins of pages whose browsers may use the REST API: `https://my.site`; none by default."""

    dagster_url: str = Field(default="http://127.0.0.1:3000", alias="ASSET_PREDICT_DAGSTER_URL")
    """Address of Dagster's webserver, through which the REST API starts runs and looks at them."""

    requests_a_second: int = Field(default=2000, ge=1, alias="ASSET_PREDICT_REQUESTS_A_SECOND")
    """Requests to the REST API that one client's address may make."""

    keep_models: int = Field(default=5, ge=0, alias="ASSET_PREDICT_KEEP_MODELS")
    """Versions of each model that a clean-up keeps, beside those that serve or served."""

    keep_days: int = Field(default=30, ge=1, alias="ASSET_PREDICT_KEEP_DAYS")
    """Days for which a clean-up keeps logs, and the records of runs that nothing else needs."""

    enable_logs: bool = Field(default=False, alias="ENABLE_LOGS")
    """Write what every process tells to `<data>/logs`, one JSON object a line."""

    @model_validator(mode="after")
    def _the_source_is_named(self) -> "Settings":
        if self.source == "cotahist" and self.cotahist_folder is None and not self.download:
            raise ValueError(
                "ASSET_PREDICT_SOURCE=cotahist needs ASSET_PREDICT_COTAHIST_FOLDER,"
                " the folder of B3's COTAHIST files, or ASSET_PREDICT_DOWNLOAD=true"
            )
        if self.source == "yahoo" and not self.tickers:
            raise ValueError(
                "ASSET_PREDICT_SOURCE=yahoo needs ASSET_PREDICT_TICKERS, for example PETR4,VALE3"
            )
        if self.source == "duckdb" and not self.duckdb:
            raise ValueError(
                "ASSET_PREDICT_SOURCE=duckdb needs ASSET_PREDICT_DUCKDB, the path of a database"
                " with a table raw_quotes, or md:name"
            )
        # What may hold a secret is not repeated.
        if "motherduck_token" in self.duckdb.lower():
            raise ValueError(
                "ASSET_PREDICT_DUCKDB holds a token: put it into MOTHERDUCK_TOKEN, which is shown"
                " nowhere, and name the database alone, as md:name"
            )
        archive = urlsplit(self.b3_archive)
        if (
            archive.scheme not in ("http", "https")
            or not archive.hostname
            or "@" in self.b3_archive
        ):
            raise ValueError(
                "ASSET_PREDICT_B3_ARCHIVE should be an address https://host/folder, without a user"
                " or a password"
            )
        dagster = urlsplit(self.dagster_url)
        if (
            dagster.scheme not in ("http", "https")
            or not dagster.hostname
            or "@" in self.dagster_url
        ):
            raise ValueError(
                "ASSET_PREDICT_DAGSTER_URL should be an address http://host:port, without a user or"
                " a password"
            )
        if self.alert_webhook is not None and not _is_channel(self.alert_webhook):
            raise ValueError(
                "ASSET_PREDICT_ALERT_WEBHOOK should be an address https://host/path, without a user"
                " or a password"
            )
        if self.duckdb.startswith("md:") and self.motherduck_token is None:
            raise ValueError(f"ASSET_PREDICT_DUCKDB={self.duckdb} needs MOTHERDUCK_TOKEN")
        return self

    @model_validator(mode="after")
    def _stale_comes_before_expired(self) -> "Settings":
        if self.model_expires_after_days < self.model_stale_after_days:
            raise ValueError(
                "ASSET_PREDICT_MODEL_EXPIRES_AFTER_DAYS should be at least MODEL_STALE_AFTER_DAYS,"
                f" {self.model_stale_after_days}, and is {self.model_expires_after_days}: a model"
                " would fall silent before it is trained again; raise the one or lower the other"
            )
        return self

    @field_validator("daily_task_hour")
    @classmethod
    def _before_b3_opens(cls, hour: int) -> int:
        if not 0 <= hour <= 9:
            raise ValueError(
                "an hour from 0 to 9 was expected: B3 opens at 10:00, and a session is predicted on"
                " the morning after it, while the forecast can still be acted upon"
            )
        return hour

    @field_validator("tickers", "asset_classes", "cors_origins", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip())

    @field_validator("tickers")
    @classmethod
    def _codes_of_b3(cls, tickers: tuple[str, ...]) -> tuple[str, ...]:
        codes = tuple(dict.fromkeys(name.upper().removesuffix(".SA") for name in tickers))
        strange = [code for code in codes if not re.fullmatch(r"[A-Z0-9]{4}[0-9]{1,2}", code)]
        if strange:
            raise ValueError(f"codes of B3 such as PETR4 were expected, not {', '.join(strange)}")
        return codes

    @field_validator("asset_classes")
    @classmethod
    def _known_classes(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in classes if name not in ASSET_CLASSES]
        if unknown:
            raise ValueError(
                f"one of {', '.join(ASSET_CLASSES)} was expected, not {', '.join(unknown)}"
            )
        return classes

    @field_validator("cors_origins")
    @classmethod
    def _whole_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        strange = [one for one in origins if not re.fullmatch(r"https?://[^/*@\s]+", one)]
        if strange:
            raise ValueError(
                "origins such as https://my.site were expected, each of them named, not"
                f" {', '.join(strange)}"
            )
        return origins

    @property
    def lake_root(self) -> str:
        """Folder or URI of the Delta tables."""
        return self.lake or str(self.data / "lake")

    @property
    def landing(self) -> Path:
        """Folder the market files are read from."""
        if self.source == "cotahist" and self.cotahist_folder is not None:
            return self.cotahist_folder
        return self.data / "landing" / self.source

    @property
    def bundles(self) -> Path:
        """Folder of the saved models, one sub-folder a bundle."""
        return self.data / "bundles"

    @property
    def registry_database(self) -> Path:
        """MLflow's SQLite file."""
        return self.data / "mlflow.db"

    @property
    def checkpoints(self) -> Path:
        """Folder of what trainings under way go on from after a kill."""
        return self.data / "checkpoints"

    @property
    def presets(self) -> Path:
        """Folder of the settings that were tuned, one file a name."""
        return self.data / "presets"

    @property
    def reports(self) -> Path:
        """Folder of the reports, HTML files for people."""
        return self.data / "reports"

    @property
    def logs(self) -> Path:
        """Folder of the logs, one file a day."""
        return self.data / "logs"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file published for people, notebooks and BI."""
        return self.data / "warehouse.duckdb"


def _is_channel(address: SecretStr) -> bool:
    try:
        channel = urlsplit(address.get_secret_value())
        _ = channel.port  # which raises where it is no number
    except ValueError:
        return False
    is_web = channel.scheme in ("http", "https")
    return is_web and bool(channel.hostname) and "@" not in channel.netloc


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
        raise SettingsError(in_words(error)) from None
