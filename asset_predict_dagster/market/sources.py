"""Sources: the folder where market files land, and which of them are new to the lake.

A file is known by its digest, so an unchanged one is never read twice and a corrected one is
read again. Several files can hold the same session (a day's file, its month's, its year's):
the file that B3 generated last speaks for it, and of two generated on one day the longer
period. That makes the lake independent of the order in which files arrive. A session that a
corrected file no longer holds goes back to the file that speaks for it then, or vanishes.
"""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from asset_predict_dagster.errors import MarketFileError, SettingsError
from asset_predict_dagster.lake import Lake, Written
from asset_predict_dagster.market.cotahist import SPOT, CotahistFile, read_cotahist
from asset_predict_dagster.market.quotes import impossible_prices, standard_lots
from asset_predict_dagster.market.sessions import not_sessions
from asset_predict_dagster.tables import INGESTED_FILES, RAW_QUOTES

B3 = "B3"
"""The origin of real prices; a simulated market says how it was simulated."""

_LENGTH = {"daily": 0, "monthly": 1, "yearly": 2}


@dataclass(frozen=True)
class Ingestion:
    """What one look at the folder brought.

    `new_files` and `new_records` are rows of `ingested_files` and `raw_quotes`; `n_known` files
    were there before; `raw` and `log` say how large the two tables are now.
    """

    new_files: pd.DataFrame
    new_records: pd.DataFrame
    n_known: int
    raw: Written
    log: Written


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


def ingest(
    lake: Lake, folder: Path, markets: Collection[str] = SPOT, origin: str = B3
) -> Ingestion:
    """Read every file of `folder` that is new or changed into `raw_quotes`, all or nothing.

    Every new file is read and checked before the first record is written, and the records go
    in with one commit: a file that breaks its promise leaves the lake as it was.

    Parameters
    ----------
    markets
        B3's market codes (TPMERC) to keep; the others are counted and left in the file.
    origin
        Whose prices the folder holds. A lake holds those of one origin.

    Raises
    ------
    MarketFileError
        Of the first file that breaks its promise, or holds a day without trading or a price that
        cannot be.
    SettingsError
        If the lake holds prices of another origin.
    """
    files = {path: _digest(path) for path in market_files(folder)}
    known = _known_files(lake)
    _refuse_other_origin(lake, known, origin)
    digests = dict(zip(known["file"], known["digest"], strict=True))
    fresh = [path for path, digest in files.items() if digests.get(path.name) != digest]
    read = [read_cotahist(path, markets) for path in fresh]
    for file in read:
        _refuse_impossible(file)

    log = pd.DataFrame([_log_entry(file, files[file.path], origin) for file in read])
    log = log if len(log) else known.head(0)

    chosen, emptied = _who_speaks(lake, known, list(files), read, markets)
    records = _records(chosen)
    raw = lake.replace_sessions(RAW_QUOTES, records, emptied)
    # Written after the records: a run killed in between reads the file again, and the same
    # sessions are replaced by themselves.
    written = lake.write(INGESTED_FILES, pd.concat([known[~known["file"].isin(log["file"])], log]))
    return Ingestion(log, records, len(files) - len(fresh), raw, written)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise MarketFileError(f"{path} cannot be read: {error.strerror}; correct it") from error


def _known_files(lake: Lake) -> pd.DataFrame:
    if lake.exists(INGESTED_FILES):
        return lake.read(INGESTED_FILES)
    return pd.DataFrame(columns=INGESTED_FILES.column_names)


def _refuse_other_origin(lake: Lake, known: pd.DataFrame, origin: str) -> None:
    others = set(known["origin"]) - {origin}
    if others:
        raise SettingsError(
            f"the lake {lake.root} holds prices of {others.pop()}, and these would be of {origin}:"
            " models and outcomes of one market mean nothing in another; choose another"
            " ASSET_PREDICT_DATA, or go back to the source it was made with"
        )


def _refuse_impossible(file: CotahistFile) -> None:
    strange = not_sessions(file.records["session"])
    if len(strange):
        raise MarketFileError(
            f"{file.path} holds quotes of {strange['day'].iloc[0]:%Y-%m-%d}, a day on which B3 did"
            " not trade; download it again"
        )
    broken = impossible_prices(standard_lots(file.records))
    if len(broken):
        first = broken.iloc[0]
        raise MarketFileError(
            f"{file.path}: {first['ticker']} on {first['session']:%Y-%m-%d}: expected"
            f" 0 < low ≤ open, close ≤ high, found open {first['open']}, high {first['high']},"
            f" low {first['low']}, close {first['close']} ({len(broken)} such records);"
            " download it again"
        )


def _log_entry(file: CotahistFile, digest: str, origin: str) -> dict:
    sessions = file.records["session"]
    return {
        "file": file.path.name,
        "origin": origin,
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


def _rank_of(file: CotahistFile) -> tuple:
    return _rank(file.generated_on, file.kind, file.path.name)


def _speakers(lake: Lake) -> dict[pd.Timestamp, str]:
    """Session → name of the file whose records the lake holds."""
    if not lake.exists(RAW_QUOTES):
        return {}
    stored = lake.read(RAW_QUOTES, columns=["session", "source_file"]).drop_duplicates()
    return dict(zip(stored["session"], stored["source_file"], strict=True))


def _may_hold(log: pd.DataFrame, sessions: list[pd.Timestamp]) -> set[str]:
    """The files of the log whose first and last session have one of `sessions` between them."""
    return {
        row.file
        for row in log.itertuples()
        if any(row.first_session <= session <= row.last_session for session in sessions)
    }


def _who_speaks(
    lake: Lake,
    known: pd.DataFrame,
    files: list[Path],
    read: list[CotahistFile],
    markets: Collection[str],
) -> tuple[dict[pd.Timestamp, CotahistFile], list[date]]:
    """The file whose records each session gets anew, and the sessions that no file holds now."""
    anew = {file.path.name for file in read}
    ranks = {row.file: _rank(row.generated_on, row.kind, row.file) for row in known.itertuples()}
    speakers = _speakers(lake)
    settled = {
        session: ranks[name]
        for session, name in speakers.items()
        if name in ranks and name not in anew
    }
    open_again = {session: ranks.get(name) for session, name in speakers.items() if name in anew}
    chosen = _latest_word(read, settled)
    given_up = [
        session
        for session, rank in open_again.items()
        if session not in chosen or rank is None or _rank_of(chosen[session]) < rank
    ]
    if given_up:
        # A file that was outranked before, and has not changed, may speak for them now.
        holders = _may_hold(known, given_up) - anew
        outranked = [read_cotahist(path, markets) for path in files if path.name in holders]
        chosen = _latest_word([*read, *outranked], settled)
    return chosen, [session.date() for session in open_again.keys() - chosen.keys()]


def _latest_word(files: Iterable[CotahistFile], settled: dict) -> dict[pd.Timestamp, CotahistFile]:
    """Session → the file generated last that holds it, where it outranks the one `settled`."""
    chosen: dict[pd.Timestamp, CotahistFile] = {}
    ranks = dict(settled)
    for file in files:
        rank = _rank_of(file)
        for session in file.records["session"].drop_duplicates():
            if session not in ranks or rank > ranks[session]:
                ranks[session], chosen[session] = rank, file
    return chosen


def _records(chosen: dict[pd.Timestamp, CotahistFile]) -> pd.DataFrame:
    """The records of each session from the file chosen for it, as rows of `raw_quotes`."""
    frames = []
    for file in {id(file): file for file in chosen.values()}.values():
        sessions = [session for session, winner in chosen.items() if winner is file]
        records = file.records[file.records["session"].isin(sessions)]
        frames.append(
            records.drop(columns="record_type").assign(
                source_file=file.path.name, year=records["session"].dt.year
            )
        )
    if not frames:
        return pd.DataFrame(columns=RAW_QUOTES.column_names)
    return pd.concat(frames, ignore_index=True)
