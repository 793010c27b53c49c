"""Raw: what B3 publishes becomes records, decoded and otherwise as B3 wrote them."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.errors import SourceDownError
from asset_predict_dagster.market.history import known_events, spot_quotes
from asset_predict_dagster.market.ingestion import Ingestion, ingest
from asset_predict_dagster.market.renames import read_renames, under_current_codes
from asset_predict_dagster.market.sessions import opens_at, session_after
from asset_predict_dagster.market.sources import Source
from asset_predict_dagster.pipeline.failures import PAUSES, says_why
from asset_predict_dagster.pipeline.metadata import describe
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Papers, Thresholds
from asset_predict_dagster.pipeline.verdicts import verdict
from asset_predict_dagster.predictions.heeded_checks import (
    EVERY_FILE_WAS_READ,
    REFUSED_FILES,
    SOURCE_ANSWERED,
)
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
    check_specs=[
        dg.AssetCheckSpec(
            SOURCE_ANSWERED,
            asset=RAW_QUOTES.name,
            description="The source could be asked for what is new. Where it is down when B3 opens,"
            " the run goes on with what is there.",
        ),
        dg.AssetCheckSpec(
            EVERY_FILE_WAS_READ,
            asset=RAW_QUOTES.name,
            description="No market file breaks its own promise. One that does is left out whole and"
            " tried again at each run: mend it, or take it away.",
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
    why_down = _refresh(context, market, clock, lake)
    ingestion = ingest(
        lake.open(), market, thresholds.max_rejected_share, context.log.info, clock.now().date()
    )
    for line in ingestion.refused.itertuples():
        context.log.error(f"{line.file} is left out: {line.reason}")
    results = {
        SOURCE_ANSWERED: dg.AssetCheckResult(passed=not why_down, metadata={"said": why_down}),
        EVERY_FILE_WAS_READ: _were_read(ingestion.refused),
    }
    tables = (
        dg.MaterializeResult(table.name, metadata=_metadata(table, ingestion, lake))
        for table in (RAW_QUOTES, INGESTED_FILES, INGESTED_SESSIONS, REJECTED_RECORDS)
        if dg.AssetKey(table.name) in context.selected_asset_keys
    )
    checks = (
        results[key.name]._replace(asset_key=key.asset_key, check_name=key.name)
        for key in sorted(context.selected_asset_check_keys)
    )
    # Of a tuple Dagster expects every output; a generator may lack those that nobody asked for.
    return (result for result in [*tables, *checks])


def _refresh(
    context: dg.AssetExecutionContext, market: Source, clock: Clock, lake: LakeTables
) -> str:
    """Why the source could not be asked, at its last try and once B3 has opened; empty if it was.

    Earlier, or with nothing to go on with, a source that is down is an error.
    """
    last = clock.last_session()
    try:
        for sentence in market.refresh(last):
            context.log.info(sentence)
    except SourceDownError as error:
        is_last_try = context.retry_number >= len(PAUSES)
        has_opened = clock.now() >= opens_at(session_after(last))
        if not (is_last_try and has_opened and lake.open().exists(RAW_QUOTES)):
            raise
        context.log.error(f"the run goes on with the quotes that there are: {error}")
        return str(error)
    return ""


def _were_read(refused: pd.DataFrame) -> dg.AssetCheckResult:
    """Passed if nothing was left out. The list is for programs: the REST API passes it on."""
    said = verdict(refused)
    files = dg.MetadataValue.json(refused.to_dict("records"))
    return said._replace(metadata={**said.metadata, REFUSED_FILES: files})


def has_looked(context: dg.AssetExecutionContext) -> bool:
    """Whether this run asks the source for files: one that was begun again behind that does not."""
    step, chosen = market_records.op.name, context.run.step_keys_to_execute
    return context.job_def.has_node_named(step) and (chosen is None or step in chosen)


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
        metadata["files_refused"] = len(ingestion.refused)
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
