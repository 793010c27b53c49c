"""Ingestion: what a source has that is new to the lake becomes records, each batch whole or not.

A batch is known by its digest, so an unchanged one is left alone and a corrected one is read
again; one that is refused is left out, as if it were not there, and tried again the next time.
Everything new is read and checked before the first record is written; then it is read once more, a
batch at a time, so that twenty years need the memory of one. A run that is killed while it
writes is made good by the next one: what it sets out to do is logged first (files without their
digest, sessions without a speaker), then come the records, then the rest. Of two runs at once that
get into each other's way neither signs, and the next one makes it good as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pandas as pd

from asset_predict_dagster.errors import MarketFileError, SettingsError, WriteConflictError
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
    `refused` has the columns file, reason: what was left out, and why. `n_new_records` records were
    written, of which `newest` are the last ones; `n_known` batches were there before; `written`
    says by table name how large each table is now.
    """

    new_files: pd.DataFrame
    new_rejects: pd.DataFrame
    refused: pd.DataFrame
    n_new_records: int
    newest: pd.DataFrame
    n_known: int
    written: dict[str, Written]


@dataclass(frozen=True)
class _Sifted:
    """A batch that was read and checked: what it says of itself, and what cannot be true."""

    batch: Batch
    log_entry: dict
    n_kept_by_session: pd.Series
    rejected: pd.DataFrame


def ingest(
    lake: Lake,
    source: Source,
    max_rejected_share: float = MAX_REJECTED_SHARE,
    report: Callable[[str], None] = lambda sentence: None,
    today: date = date.max,
) -> Ingestion:
    """Read every batch of `source` that is new or changed into `raw_quotes`.

    One that breaks its promise, or holds too much that cannot be, is left out whole: what was read
    of an earlier edition stays.

    Parameters
    ----------
    max_rejected_share
        Share of a batch's records that may be impossible; with more it is refused whole.
    report
        Is told of each batch when it was read or refused, and of sessions that no batch holds any
        more.
    today
        A batch that says it was made later is refused: it would speak for its sessions for ever.

    Raises
    ------
    MarketFileError
        If none can be read and the lake is empty: of the first one. Of one that is changed while
        it is read.
    SettingsError
        If the lake holds prices of another origin.
    WriteConflictError
        If another run ingested at the same moment.
    """
    batches = {batch.name: batch for batch in source.batches()}
    known = _logged(lake, INGESTED_FILES)
    _refuse_other_origin(lake, known, source.origin)
    digests = dict(zip(known["file"], known["digest"], strict=True))
    fresh = [batch for batch in batches.values() if digests.get(batch.name) != batch.digest]
    read: list[_Sifted] = []
    refused: dict[str, MarketFileError] = {}
    for place, batch in enumerate(fresh, 1):
        try:
            delivery = _delivery(source, batch, today)
            read.append(_sifted(batch, delivery, source.origin, max_rejected_share))
        except MarketFileError as error:
            refused[batch.name] = error
            report(f"{place} of {len(fresh)}: {batch.name} is refused: {error}")
            continue
        n_kept = read[-1].log_entry["n_kept"]
        report(f"{place} of {len(fresh)}: {batch.name}, {n_kept:,} records kept")
    if refused and not read and known.empty:
        raise next(iter(refused.values()))
    n_known = len(batches) - len(fresh)
    # Nothing more can be had from a batch that is refused than from one that is gone.
    batches = {name: batch for name, batch in batches.items() if name not in refused}

    # Begun by a run that was killed, and gone since: what the lake has of it is anybody's guess.
    given_up = set(known.loc[known["digest"].isna(), "file"]) - batches.keys()
    anew = {one.batch.name for one in read} | given_up
    log = pd.DataFrame([one.log_entry for one in read], columns=known.columns)
    files = joined(known[~known["file"].isin(anew)], log)
    sessions = _logged(lake, INGESTED_SESSIONS)
    decided = plan(files, sessions, _sessions_of(read), anew, batches)
    if decided.to_empty:
        report(
            f"{len(decided.to_empty):,} sessions are in no batch any more and go:"
            f" {decided.to_empty[0]:%Y-%m-%d} to {decided.to_empty[-1]:%Y-%m-%d}"
        )
    rejects = joined(_none(REJECTED_RECORDS), *(one.rejected for one in read))
    rejected = _logged(lake, REJECTED_RECORDS)

    begun = files["digest"].mask(files["file"].isin(log["file"]))
    mine = lake.write(INGESTED_FILES, files.assign(digest=begun)).version
    lake.write(INGESTED_SESSIONS, decided.pending)
    raw, n_new_records, newest = _write_records(lake, decided, source, batches)
    written = {
        RAW_QUOTES.name: raw,
        REJECTED_RECORDS.name: lake.write(
            REJECTED_RECORDS, joined(rejected[~rejected["file"].isin(anew)], rejects)
        ),
    }
    _refuse_company(lake, INGESTED_FILES, mine)
    _refuse_company(lake, RAW_QUOTES, raw.version)
    written[INGESTED_SESSIONS.name] = lake.write(INGESTED_SESSIONS, decided.sessions)
    written[INGESTED_FILES.name] = lake.write(INGESTED_FILES, files)
    left_out = pd.DataFrame(
        {"file": list(refused), "reason": [str(error) for error in refused.values()]}
    )
    return Ingestion(log, rejects, left_out, n_new_records, newest, n_known, written)


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


def _refuse_company(lake: Lake, table: Table, mine: int) -> None:
    found = lake.version(table)
    if found != mine:
        raise WriteConflictError(
            f"table '{table.name}' is at version {found} where {mine} was expected: another run"
            " ingests at this moment; run again when it has ended"
        )


def _delivery(source: Source, batch: Batch, today: date) -> Delivery:
    delivery = source.read(batch)
    if delivery.generated_on > today:
        raise MarketFileError(
            f"{batch.name}: made on {delivery.generated_on}, it says, and today is {today};"
            " correct it"
        )
    return delivery


def _sifted(batch: Batch, delivery: Delivery, origin: str, max_rejected_share: float) -> _Sifted:
    sound, rejected = sift(batch.name, delivery)
    if len(rejected) > max_rejected_share * len(delivery.records):
        first = rejected.iloc[0]
        raise MarketFileError(
            f"{batch.name}: {len(rejected):,} of {len(delivery.records):,} records cannot be true,"
            f" more than {max_rejected_share:.2%} (ASSET_PREDICT_MAX_REJECTED_SHARE); the first is"
            f" line {first['line']:,}, {first['ticker']} on {first['session']:%Y-%m-%d}:"
            f" {first['field']} {first['value']}, but {first['reason']}; correct it"
        )
    entry = {
        "file": batch.name,
        "origin": origin,
        "digest": batch.digest,
        "kind": delivery.kind,
        "generated_on": pd.Timestamp(delivery.generated_on),
        "first_session": sound["session"].min(),
        "last_session": sound["session"].max(),
        "n_quotes": delivery.n_quotes,
        "n_filtered": delivery.n_filtered,
        "n_rejected": len(rejected),
        "n_kept": len(sound),
    }
    return _Sifted(batch, entry, sound.groupby("session").size(), rejected)


def _sessions_of(read: list[_Sifted]) -> pd.DataFrame:
    """Columns file, session, n_kept."""
    counts = [
        one.n_kept_by_session.rename("n_kept").reset_index().assign(file=one.batch.name)
        for one in read
    ]
    return joined(_none(INGESTED_SESSIONS), *counts)


def _write_records(
    lake: Lake, decided: Plan, source: Source, batches: dict[str, Batch]
) -> tuple[Written, int, pd.DataFrame]:
    """Give each session the records of the batch chosen for it; how many, and the last of them.

    A commit per batch. What a run that is killed in between leaves behind, the log of sessions
    knows.
    """
    newest, n_written = _none(RAW_QUOTES), 0
    emptied = [session.date() for session in decided.to_empty]
    written = lake.replace_sessions(RAW_QUOTES, newest, emptied)
    for name, chosen in decided.to_write.groupby("file"):
        sound, _ = sift(name, source.read(batches[name]))
        records = sound[sound["session"].isin(chosen["session"])].drop(columns="line")
        if len(records) != chosen["n_kept"].sum():
            raise MarketFileError(f"{name} was changed while it was read; run again")
        records = records.assign(source_file=name, year=records["session"].dt.year)
        written = lake.replace_sessions(RAW_QUOTES, records)
        n_written += len(records)
        newest = records.tail(_SHOWN)
    return written, n_written, newest
