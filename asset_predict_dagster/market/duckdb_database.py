"""A database of DuckDB opened to be read: a local file or MotherDuck's, and why it cannot be."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from pydantic import SecretStr

from asset_predict_dagster.errors import (
    AssetPredictError,
    MarketFileError,
    SettingsError,
    SourceDownError,
)

_REFUSED_BY_MOTHERDUCK = re.compile(
    r"token|jwt|authenticat|authoriz|credential|no database|does not exist", re.IGNORECASE
)


@dataclass(frozen=True)
class DuckDBDatabase:
    """Where a database is, and the token that opens it.

    Attributes
    ----------
    address
        The path of a local file, or `md:name` for MotherDuck.
    token
        MotherDuck's access token; of no use to a local file. It stands in no message.
    """

    address: str
    token: SecretStr | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if "motherduck_token" in self.address.lower():
            raise SettingsError(
                "ASSET_PREDICT_DUCKDB holds a token, and addresses are shown in messages; write"
                " md:name there, and the token into MOTHERDUCK_TOKEN"
            )
        if self._is_remote and not self._secret:
            # Without one, MotherDuck would wait for somebody to sign in with a browser.
            raise SettingsError(f"ASSET_PREDICT_DUCKDB={self.address} needs MOTHERDUCK_TOKEN")

    @contextmanager
    def connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that is closed at the end; a local file is opened read-only.

        Raises
        ------
        SettingsError
            If the database is not there or cannot be one, or MotherDuck refuses the token.
        SourceDownError
            If a program that writes holds it, or MotherDuck cannot be reached.
        MarketFileError
            If what is asked of it fails.
        """
        if not self._is_remote and not Path(self.address).is_file():
            raise SettingsError(
                f"ASSET_PREDICT_DUCKDB={self.address}: a database file was expected, none is"
                " there; name one that holds a table raw_quotes, or md:name"
            )
        try:
            if self._is_remote:
                # MotherDuck opens a database read-only for tokens of that kind alone.
                config = {"motherduck_token": self._secret}
                connection = duckdb.connect(self.address, config=config)
            else:
                connection = duckdb.connect(self.address, read_only=True)
        except duckdb.Error as error:
            raise self._not_opened(error) from None
        try:
            yield connection
        except duckdb.Error as error:
            raise self._not_read(error) from None
        finally:
            connection.close()

    @property
    def _is_remote(self) -> bool:
        return self.address.startswith("md:")

    @property
    def _secret(self) -> str:
        return self.token.get_secret_value() if self.token else ""

    def _not_opened(self, error: duckdb.Error) -> AssetPredictError:
        said = self._said(error)
        if self._is_remote:
            if _REFUSED_BY_MOTHERDUCK.search(said):
                return SettingsError(
                    f"{self.address} was refused by MotherDuck: {said}; check MOTHERDUCK_TOKEN"
                    " and ASSET_PREDICT_DUCKDB"
                )
            return SourceDownError(f"{self.address} cannot be reached: {said}; try again later")
        if isinstance(error, duckdb.ConnectionException) or "set lock on file" in said:
            return SourceDownError(
                f"{self.address} is in use by a program that writes to it: {said}; try again when"
                " it is done"
            )
        return SettingsError(
            f"ASSET_PREDICT_DUCKDB={self.address} cannot be opened as a DuckDB database: {said}"
        )

    def _not_read(self, error: duckdb.Error) -> AssetPredictError:
        said = self._said(error)
        if self._is_remote and isinstance(error, duckdb.OperationalError):
            return SourceDownError(
                f"{self.address} was lost while it was read: {said}; try again later"
            )
        return MarketFileError(f"{self.address} cannot be read: {said}; correct it")

    def _said(self, error: duckdb.Error) -> str:
        """The first line of DuckDB's message, without the token."""
        said = str(error).partition("\n")[0].rstrip(".")
        return said.replace(self._secret, "***") if self._secret else said
