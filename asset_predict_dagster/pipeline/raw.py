"""Raw: what B3 publishes becomes records, decoded and otherwise as B3 wrote them."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.market.history import known_events, spot_quotes
from asset_predict_dagster.market.ingestion import Ingestion, ingest
from asset_predict_dagster.market.renames import read_renames, under_current_codes
from asset_predict_dagster.market.sources import Source
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import describe
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Papers, Thresholds
from asset_predict_dagster.tables import (
    INGESTED_FILES,
    INGESTED_SESSIONS,
    RAW_QUOTES,
    REJECTED_RECORDS,
    Table,
)

OWNERS = ["team:market-data"]


def _spec(table: Table, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        description=description,
        kinds={"deltalake", "numpy"},
        owners=OWNERS,
        skippable=True,
    )


@dg.multi_asset(
    group_name="raw",
    can_subset=True,
    specs=[
        _spec(
            RAW_QUOTES,
            "One record as B3 wrote it, decoded; prices not divided by FATCOT. Each file is"
            " ingested once, and whole or not at all.",
        ),
        _spec(INGESTED_FILES, "One market file that was read: its digest, its counts."),
        _spec(INGESTED_SESSIONS, "One session in one market file: does that file speak for it."),
        _spec(
            REJECTED_RECORDS,
            "One record that can be read but cannot be true: file, line, field and reason.",
        ),
    ],
)
@says_why
def market_records(
    context: dg.AssetExecutionContext,
    lake: LakeTables,
    market: dg.ResourceParam[Source],
    clock: Clock,
    thresholds: Thresholds,
):
    """Read what is new or changed since the last time; one look fills all four tables."""
    for sentence in market.refresh(clock.last_session()):
        context.log.info(sentence)
    ingestion = ingest(
        lake.open(), market, thresholds.max_rejected_share, context.log.info, clock.now().date()
    )
    return tuple(
        dg.MaterializeResult(table.name, metadata=_metadata(table, ingestion, lake))
        for table in (RAW_QUOTES, INGESTED_FILES, INGESTED_SESSIONS, REJECTED_RECORDS)
        if dg.AssetKey(table.name) in context.selected_asset_keys
    )


def _metadata(table: Table, ingestion: Ingestion, lake: LakeTables) -> dict:
    new = {
        RAW_QUOTES.name: ingestion.newest,
        INGESTED_FILES.name: ingestion.new_files,
        REJECTED_RECORDS.name: ingestion.new_rejects,
    }.get(table.name)
    frame = lake.open().read(table) if new is None else new
    metadata = describe(table, frame, ingestion.written[table.name])
    if table is RAW_QUOTES:
        metadata["new_files"] = len(ingestion.new_files)
        metadata["files_known_already"] = ingestion.n_known
        metadata["records_written"] = ingestion.n_new_records
        metadata["records_rejected"] = len(ingestion.new_rejects)
    return metadata


@dg.asset(group_name="raw", deps=[RAW_QUOTES.name], kinds={"deltalake"}, owners=OWNERS)
@says_why
def renames(papers: Papers, clock: Clock) -> pd.DataFrame:
    """One change of a paper's code, from the file ASSET_PREDICT_RENAMES names."""
    return read_renames(papers.renames_file, clock.last_session())


@dg.asset(group_name="raw", kinds={"deltalake", "pandas"}, owners=OWNERS)
@says_why
def corporate_actions(
    market: dg.ResourceParam[Source],
    clock: Clock,
    raw_quotes: pd.DataFrame,
    renames: pd.DataFrame,
) -> pd.DataFrame:
    """One split, grouping, bonus, dividend or other right of one ticker on its ex-date.

    Listed ones from the source, and share events that the prices themselves give away.
    """
    last = clock.last_session()
    listed = under_current_codes(market.corporate_actions(last), renames, "ex_date")
    return known_events(spot_quotes(raw_quotes, renames, last), listed)
