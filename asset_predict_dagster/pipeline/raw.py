"""Raw: B3's files become records, decoded and otherwise as B3 wrote them."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.market.corporate_actions import read_corporate_actions
from asset_predict_dagster.market.sources import ingest
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import describe
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, MarketFiles
from asset_predict_dagster.tables import INGESTED_FILES, RAW_QUOTES

OWNERS = ["team:market-data"]


@dg.multi_asset(
    group_name="raw",
    specs=[
        dg.AssetSpec(
            RAW_QUOTES.name,
            description="One record as B3 wrote it, decoded; prices not divided by FATCOT. Each"
            " file is ingested once, and whole or not at all.",
            kinds={"deltalake", "numpy"},
            owners=OWNERS,
        ),
        dg.AssetSpec(
            INGESTED_FILES.name,
            description="One market file that was read: its digest, its sessions, its counts.",
            kinds={"deltalake"},
            owners=OWNERS,
        ),
    ],
)
@says_why
def market_records(
    lake: LakeTables, market_files: MarketFiles, clock: Clock
) -> tuple[dg.MaterializeResult, dg.MaterializeResult]:
    """Read the files that are new or changed since the last time."""
    market_files.land(clock.last_session())
    tables = lake.open()
    ingestion = ingest(tables, market_files.path, origin=market_files.origin)
    records = describe(RAW_QUOTES, ingestion.new_records, ingestion.raw)
    files = describe(INGESTED_FILES, ingestion.new_files, ingestion.log)
    return (
        dg.MaterializeResult(
            RAW_QUOTES.name,
            metadata={
                **records,
                "new_files": len(ingestion.new_files),
                "files_known_already": ingestion.n_known,
                "records_written": len(ingestion.new_records),
            },
        ),
        dg.MaterializeResult(INGESTED_FILES.name, metadata=files),
    )


@dg.asset(group_name="raw", deps=[RAW_QUOTES.name], kinds={"deltalake", "pandas"}, owners=OWNERS)
@says_why
def corporate_actions(market_files: MarketFiles, clock: Clock) -> pd.DataFrame:
    """One split, grouping, bonus or dividend of one ticker, from the file beside the quotes."""
    return read_corporate_actions(market_files.path, clock.last_session())
