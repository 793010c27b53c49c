"""A folder of COTAHIST files as a source, completed from B3's archive if one is given."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.b3_archive import B3Archive
from asset_predict_dagster.market.corporate_actions import combine, read_corporate_actions
from asset_predict_dagster.market.cotahist import SPOT, read_cotahist
from asset_predict_dagster.market.cotahist_name import period_of
from asset_predict_dagster.market.listed_companies import read_listed_companies
from asset_predict_dagster.market.sources import B3, Batch, Delivery


@dataclass(frozen=True)
class CotahistFolder:
    """B3's files in a folder, each one a batch; the source named `cotahist`.

    Corporate actions are read from a `corporate_actions.csv` beside them and from the answers of
    B3's listed-company service below them; where both know of an event, the CSV's word counts.

    Attributes
    ----------
    folder
        Where the files are, as B3 names them.
    archive
        Where missing files are fetched from; None: nowhere.
    markets
        B3's market codes (TPMERC) to keep.
    origin
        Whose prices they are.
    """

    folder: Path
    archive: B3Archive | None = None
    markets: Collection[str] = SPOT
    origin: str = B3

    def refresh(self, last: date) -> list[str]:
        return [] if self.archive is None else self.archive.complete(self.folder, last)

    def files(self) -> list[Path]:
        return _files_of(self.folder)

    def batches(self) -> list[Batch]:
        return [Batch(path.name, _digest(path)) for path in market_files(self.folder)]

    def read(self, batch: Batch) -> Delivery:
        path = self.folder / batch.name
        file = read_cotahist(path, self.markets)
        period = period_of(path)
        return Delivery(
            kind=file.kind,
            generated_on=file.generated_on,
            n_quotes=file.n_quotes,
            n_filtered=file.n_filtered,
            records=file.records.drop(columns="record_type"),
            first=period.first,
            last=period.last,
        )

    def corporate_actions(self, last: date) -> pd.DataFrame:
        return combine(
            read_corporate_actions(self.folder, last), read_listed_companies(self.folder, last)
        )


def market_files(folder: Path) -> list[Path]:
    """The COTAHIST files of a folder, by name.

    Raises
    ------
    MarketFileError
        If there is no such folder, or no market file in it.
    """
    if not folder.is_dir():
        raise MarketFileError(
            f"{folder} is not a folder; ASSET_PREDICT_COTAHIST_FOLDER should name the one that"
            " holds B3's COTAHIST files"
        )
    files = _files_of(folder)
    if not files:
        raise MarketFileError(
            f"{folder} holds no COTAHIST file (COTAHIST_A2024.ZIP, COTAHIST_D02012024.TXT, ...);"
            " put B3's historical quotes there, or set ASSET_PREDICT_DOWNLOAD=true"
        )
    return files


def _files_of(folder: Path) -> list[Path]:
    """Those of B3's names; none without a folder."""
    return sorted(
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.name.upper().startswith("COTAHIST") and path.suffix.upper() in {".TXT", ".ZIP"}
    )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise MarketFileError(f"{path} cannot be read: {error.strerror}; correct it") from error
