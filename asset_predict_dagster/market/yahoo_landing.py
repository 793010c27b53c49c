"""The folder where Yahoo's bars land: files that are written once, and know how they came about.

Each file holds the records of one refresh, complete for the sessions it covers. What was asked
for stands in the file itself, so the folder alone says what is landed.
"""

import json
import os
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asset_predict_dagster.errors import MarketFileError, SettingsError
from asset_predict_dagster.market.corporate_actions import no_events
from asset_predict_dagster.market.cotahist_name import Kind
from asset_predict_dagster.market.landing import digest_of, partial_of, remove_partials
from asset_predict_dagster.market.records import as_records

EVENTS = "yahoo_corporate_actions.parquet"
"""Every event told so far; `corporate_actions.csv` is left to people."""

_NAME = re.compile(r"yahoo_(\d{6})_(\d{4}-\d\d-\d\d)_(\d{4}-\d\d-\d\d)\.parquet", re.ASCII)
_REQUEST = b"asset_predict_yahoo"


@dataclass(frozen=True)
class Request:
    """How a file came about.

    Attributes
    ----------
    kind
        `yearly`: the whole history; `monthly`: the last sessions.
    tickers, first
        The papers asked for, sorted, and the first day of the whole history.
    answered
        Those of which Yahoo knew anything.
    generated_on
        Never before that of an earlier file: the file that landed last speaks.
    whole
        The file with the whole history that this one continues; itself, if it is one.
    """

    kind: Kind
    tickers: tuple[str, ...]
    first: date
    answered: tuple[str, ...]
    generated_on: date
    whole: str


@dataclass(frozen=True)
class LandedFile:
    """A landed file: its place, and the first and last session of its records."""

    path: Path
    number: int
    first: date
    last: date

    def request(self) -> Request:
        """How it came about."""
        try:
            said = json.loads((pq.read_schema(self.path).metadata or {})[_REQUEST])
            return Request(
                kind=said["kind"],
                tickers=tuple(said["tickers"]),
                first=date.fromisoformat(said["first"]),
                answered=tuple(said["answered"]),
                generated_on=date.fromisoformat(said["generated_on"]),
                whole=said["whole"],
            )
        except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
            raise _damaged(self.path, error) from error

    def records(self) -> pd.DataFrame:
        """Its records with the types of `RECORD_TYPES`, and `line`, counted from 1."""
        try:
            content = pq.read_table(self.path)
            lines = pa.array(np.arange(1, content.num_rows + 1))
            return as_records(content.append_column("line", lines))
        except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
            raise _damaged(self.path, error) from error

    def digest(self) -> str:
        """BLAKE2b of its bytes."""
        try:
            return digest_of(self.path)
        except OSError as error:
            raise _damaged(self.path, error) from error


def landed_files(folder: Path) -> list[LandedFile]:
    """The files of the folder in the order they landed; none if there is no folder."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [
        LandedFile(
            path=folder / name,
            number=int(match[1]),
            first=date.fromisoformat(match[2]),
            last=date.fromisoformat(match[3]),
        )
        for name in names
        if (match := _NAME.fullmatch(name))
    ]


def landed_of(
    files: list[LandedFile], tickers: Collection[str], first: date, last: date
) -> pd.DataFrame | None:
    """The records landed of `tickers` from `first` to `last`, of each session those of the file
    that speaks for it; None if there are none."""
    if not tickers:
        return None
    spoken: dict = {}
    for file in files:
        if file.last >= first and file.first <= last:
            spoken |= dict(iter(file.records().drop(columns="line").groupby("session")))
    within = [
        records[records["ticker"].isin(list(tickers))]
        for session, records in spoken.items()
        if first <= session.date() <= last
    ]
    return pd.concat(within) if within else None


def name_of(number: int, first: date, last: date) -> str:
    """Names sort as the files land: of two generated on one day, the later name speaks.

    >>> name_of(3, date(2024, 1, 2), date(2024, 2, 9))
    'yahoo_000003_2024-01-02_2024-02-09.parquet'
    """
    return f"yahoo_{number:06d}_{first}_{last}.parquet"


def land(path: Path, content: pd.DataFrame, request: Request | None = None) -> None:
    """Write a file of the folder whole or not at all; `request` is kept inside."""
    table = pa.Table.from_pandas(content, preserve_index=False)
    if request is not None:
        said = json.dumps(asdict(request), default=date.isoformat).encode()
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _REQUEST: said})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_partials(path.parent)
        partial = partial_of(path)
        pq.write_table(table, partial, compression="zstd")
        os.replace(partial, path)
    except OSError as error:
        raise SettingsError(
            f"Yahoo's bars cannot be written to {path.parent}: {error.strerror or error};"
            " point ASSET_PREDICT_DATA at a folder that can be written"
        ) from error


def landed_events(folder: Path) -> pd.DataFrame:
    """Every event told so far, as `tables.CORPORATE_ACTIONS`; possibly none."""
    path = folder / EVENTS
    if not path.exists():
        return no_events()
    try:
        return pd.read_parquet(path).assign(disputed=None).astype(no_events().dtypes)
    except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> MarketFileError:
    return MarketFileError(
        f"{path}: a file that landed from Yahoo was expected, found {type(error).__name__}:"
        f" {str(error).partition(chr(10))[0]}; delete every yahoo_*.parquet of the folder, and all"
        " is fetched anew"
    )
