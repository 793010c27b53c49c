"""Sources: the folder where market files land, and which of them are new to the lake.

A file is known by its digest, so an unchanged one is never read twice and a corrected one is
read again. Several files can hold the same session (a day's file, its month's, its year's):
the file that B3 generated last speaks for it, and of two generated on one day the longer
period. That makes the lake independent of the order in which files arrive.
"""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.cotahist import SPOT, CotahistFile, read_cotahist
from asset_predict_dagster.tables import INGESTED_FILES, RAW_QUOTES

_LENGTH = {"daily": 0, "monthly": 1, "yearly": 2}


@dataclass(frozen=True)
class Ingestion:
    """What one look at the folder brought: the files read, and how many were known already."""

    new_files: pd.DataFrame
    n_known: int
    n_records: int


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
    files = sorted(
        path
        for path in folder.iterdir()
        if path.name.upper().startswith("COTAHIST") and path.suffix.upper() in {".TXT", ".ZIP"}
    )
    if not files:
        raise MarketFileError(
            f"{folder} holds no COTAHIST file (COTAHIST_A2024.ZIP, COTAHIST_D02012024.TXT, ...);"
            " put B3's historical quotes there"
        )
    return files


def ingest(lake: Lake, folder: Path, markets: Collection[str] = SPOT) -> Ingestion:
    """Read every file of `folder` that is new or changed into `raw_quotes`, all or nothing.

    Every new file is read and checked before the first record is written, and the records go
    in with one commit: a file that breaks its promise leaves the lake as it was.

    Parameters
    ----------
    markets
        B3's market codes (TPMERC) to keep; the others are counted and left in the file.

    Raises
    ------
    MarketFileError
        Of the first file that breaks its promise.
    """
    files = {path: _digest(path) for path in market_files(folder)}
    known = _known_files(lake)
    digests = dict(zip(known["file"], known["digest"], strict=True))
    fresh = [path for path, digest in files.items() if digests.get(path.name) != digest]
    read = [read_cotahist(path, markets) for path in fresh]

    log = pd.DataFrame([_log_entry(file, files[file.path]) for file in read])
    log = log if len(log) else known.head(0)
    spoken_for = _sessions_by_rank(lake, known, without=set(log["file"]))
    records = _latest_word(read, spoken_for)
    if len(records):
        lake.replace_sessions(RAW_QUOTES, records)
    # Written after the records: a run killed in between reads the file again, and the same
    # sessions are replaced by themselves.
    lake.write(INGESTED_FILES, pd.concat([known[~known["file"].isin(log["file"])], log]))
    return Ingestion(log, n_known=len(files) - len(fresh), n_records=len(records))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _known_files(lake: Lake) -> pd.DataFrame:
    if lake.exists(INGESTED_FILES):
        return lake.read(INGESTED_FILES)
    return pd.DataFrame(columns=INGESTED_FILES.column_names)


def _log_entry(file: CotahistFile, digest: str) -> dict:
    sessions = file.records["session"]
    return {
        "file": file.path.name,
        "digest": digest,
        "kind": file.kind,
        "generated_on": pd.Timestamp(file.generated_on),
        "first_session": sessions.min(),
        "last_session": sessions.max(),
        "n_quotes": file.n_quotes,
        "n_kept": file.n_kept,
    }


def _rank(generated_on, kind: str, name: str) -> tuple:
    return pd.Timestamp(generated_on), _LENGTH[kind], name


def _sessions_by_rank(lake: Lake, known: pd.DataFrame, without: set[str]) -> dict:
    """Session → rank of the file whose records the lake holds, unless that file is read anew."""
    if not lake.exists(RAW_QUOTES):
        return {}
    ranks = {row.file: _rank(row.generated_on, row.kind, row.file) for row in known.itertuples()}
    stored = lake.read(RAW_QUOTES, columns=["session", "source_file"]).drop_duplicates()
    return {
        session: ranks[name]
        for session, name in zip(stored["session"], stored["source_file"], strict=True)
        if name in ranks and name not in without
    }


def _latest_word(files: Iterable[CotahistFile], spoken_for: dict) -> pd.DataFrame:
    """The records of each session from the file generated last, as rows of `raw_quotes`."""
    parts: dict[pd.Timestamp, CotahistFile] = {}
    ranks = dict(spoken_for)
    for file in files:
        rank = _rank(file.generated_on, file.kind, file.path.name)
        for session in file.records["session"].drop_duplicates():
            if session not in ranks or rank >= ranks[session]:
                ranks[session], parts[session] = rank, file
    chosen = {id(file): file for file in parts.values()}
    frames = []
    for file in chosen.values():
        sessions = [session for session, winner in parts.items() if winner is file]
        records = file.records[file.records["session"].isin(sessions)]
        frames.append(
            records.drop(columns="record_type").assign(
                source_file=file.path.name, year=records["session"].dt.year
            )
        )
    if not frames:
        return pd.DataFrame(columns=RAW_QUOTES.column_names)
    return pd.concat(frames, ignore_index=True)
