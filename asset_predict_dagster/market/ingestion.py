"""Ingestion: what a source has that is new to the lake becomes records, all or nothing.

A batch is known by its digest, so an unchanged one is never read twice and a corrected one is
read again. Everything new is read and checked before the first record is written. A run that is
killed while it writes is made good by the next one: what it sets out to do is logged first
(files without their digest, sessions without a speaker), then come the records, then the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from asset_predict_dagster.errors import MarketFileError, SettingsError
from asset_predict_dagster.lake import Lake, Written
from asset_predict_dagster.market.precedence import Plan, joined, plan
from asset_predict_dagster.market.rejects import sift
from asset_predict_dagster.market.sources import Batch, Delivery, Source
from asset_predict_dagster.tables import (
    INGESTED_FILES,
    INGESTED_SESSIONS,
    RAW_QUOTES,
    REJECTED_RECORDS,
    Table,
)

MAX_REJECTED_SHARE = 0.005
_SHOWN = 5


@dataclass(frozen=True)
class Ingestion:
    """What one look at the source brought.

    `new_files` and `new_rejects` are rows of `ingested_files` and `rejected_records`;
    `n_new_records` records were written, of which `newest` are the last ones; `n_known` batches
    were there before; `written` says by table name how large each table is now.
    """

    new_files: pd.DataFrame
    new_rejects: pd.DataFrame
    n_new_records: int
    newest: pd.DataFrame
    n_known: int
    written: dict[str, Written]


@dataclass(frozen=True)
class _Sifted:
    """A batch that was read: its delivery, the records that can be true and those that cannot."""

    batch: Batch
    delivery: Delivery
    sound: pd.DataFrame
    rejected: pd.DataFrame


def ingest(
    lake: Lake,
    source: Source,
    max_rejected_share: float = MAX_REJECTED_SHARE,
    report: Callable[[str], None] = lambda sentence: None,
) -> Ingestion:
    """Read every batch of `source` that is new or changed into `raw_quotes`.

    Parameters
    ----------
    max_rejected_share
        Share of a batch's records that may be impossible; with more it is refused whole.
    report
        Is told of each batch when it was read.

    Raises
    ------
    MarketFileError
        Of the first batch that breaks its promise, or holds too much that cannot be.
    SettingsError
        If the lake holds prices of another origin.
    """
    batches = {batch.name: batch for batch in source.batches()}
    known = _logged(lake, INGESTED_FILES)
    _refuse_other_origin(lake, known, source.origin)
    digests = dict(zip(known["file"], known["digest"], strict=True))
    fresh = [batch for batch in batches.values() if digests.get(batch.name) != batch.digest]
    read: dict[str, _Sifted] = {}
    for place, batch in enumerate(fresh, 1):
        read[batch.name] = one = _read(source, batch, max_rejected_share)
        report(f"{place} of {len(fresh)}: {batch.name}, {len(one.sound):,} records kept")

    # Begun by a run that was killed, and gone since: what the lake has of it is anybody's guess.
    given_up = set(known.loc[known["digest"].isna(), "file"]) - batches.keys()
    anew = read.keys() | given_up
    log = pd.DataFrame(
        [_log_entry(one, source.origin) for one in read.values()], columns=known.columns
    )
    files = joined(known[~known["file"].isin(anew)], log)
    sessions = _logged(lake, INGESTED_SESSIONS)
    decided = plan(files, sessions, _sessions_of(read), anew, batches)
    for name in set(decided.to_write["file"]) - read.keys():
        # Outranked when it was read, and not changed since: it may speak for a session now.
        read[name] = _read(source, batches[name], max_rejected_share)
    rejects = joined(_none(REJECTED_RECORDS), *(read[name].rejected for name in log["file"]))
    rejected = _logged(lake, REJECTED_RECORDS)

    begun = files["digest"].mask(files["file"].isin(log["file"]))
    lake.write(INGESTED_FILES, files.assign(digest=begun))
    lake.write(INGESTED_SESSIONS, decided.pending)
    raw, n_new_records, newest = _write_records(lake, decided, read)
    written = {
        RAW_QUOTES.name: raw,
        REJECTED_RECORDS.name: lake.write(
            REJECTED_RECORDS, joined(rejected[~rejected["file"].isin(anew)], rejects)
        ),
        INGESTED_SESSIONS.name: lake.write(INGESTED_SESSIONS, decided.sessions),
        INGESTED_FILES.name: lake.write(INGESTED_FILES, files),
    }
    return Ingestion(log, rejects, n_new_records, newest, len(batches) - len(fresh), written)


def _logged(lake: Lake, table: Table) -> pd.DataFrame:
    logged = lake.read_if_made(table)
    return _none(table) if logged is None else logged


def _none(table: Table) -> pd.DataFrame:
    """No rows, with the types the table's columns have where there are some."""
    return table.schema.empty_table().to_pandas(date_as_object=False)


def _refuse_other_origin(lake: Lake, known: pd.DataFrame, origin: str) -> None:
    others = set(known["origin"]) - {origin}
    if others:
        raise SettingsError(
            f"the lake {lake.root} holds prices of {others.pop()}, and these would be of {origin}:"
            " models and outcomes of one market mean nothing in another; choose another"
            " ASSET_PREDICT_DATA, or go back to the source it was made with"
        )


def _read(source: Source, batch: Batch, max_rejected_share: float) -> _Sifted:
    delivery = source.read(batch)
    sound, rejected = sift(batch.name, delivery)
    if len(rejected) > max_rejected_share * len(delivery.records):
        first = rejected.iloc[0]
        raise MarketFileError(
            f"{batch.name}: {len(rejected):,} of {len(delivery.records):,} records cannot be true,"
            f" more than {max_rejected_share:.2%} (ASSET_PREDICT_MAX_REJECTED_SHARE); the first is"
            f" line {first['line']:,}, {first['ticker']} on {first['session']:%Y-%m-%d}:"
            f" {first['field']} {first['value']}, but {first['reason']}; download it again"
        )
    return _Sifted(batch, delivery, sound, rejected)


def _log_entry(one: _Sifted, origin: str) -> dict:
    sessions = one.sound["session"]
    return {
        "file": one.batch.name,
        "origin": origin,
        "digest": one.batch.digest,
        "kind": one.delivery.kind,
        "generated_on": pd.Timestamp(one.delivery.generated_on),
        "first_session": sessions.min(),
        "last_session": sessions.max(),
        "n_quotes": one.delivery.n_quotes,
        "n_filtered": one.delivery.n_filtered,
        "n_rejected": len(one.rejected),
        "n_kept": len(one.sound),
    }


def _sessions_of(read: dict[str, _Sifted]) -> pd.DataFrame:
    """Columns file, session, n_kept."""
    counts = [
        one.sound.groupby("session").size().rename("n_kept").reset_index().assign(file=name)
        for name, one in read.items()
    ]
    return joined(_none(INGESTED_SESSIONS), *counts)


def _write_records(
    lake: Lake, decided: Plan, read: dict[str, _Sifted]
) -> tuple[Written, int, pd.DataFrame]:
    """Give each session the records of the file chosen for it; how many, and the last of them.

    A commit per file: twenty years at once would be in memory several times over. What a run
    that is killed in between leaves behind, the log of sessions knows. `read` is used up.
    """
    newest, n_written = _none(RAW_QUOTES), 0
    emptied = [session.date() for session in decided.to_empty]
    written = lake.replace_sessions(RAW_QUOTES, newest, emptied)
    for name, chosen in decided.to_write.groupby("file"):
        sound = read.pop(name).sound
        records = sound[sound["session"].isin(chosen["session"])].drop(columns="line")
        records = records.assign(source_file=name, year=records["session"].dt.year)
        written = lake.replace_sessions(RAW_QUOTES, records)
        n_written += len(records)
        newest = records.tail(_SHOWN)
    return written, n_written, newest
