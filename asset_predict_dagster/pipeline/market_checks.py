"""Checks of the market data: is it all there, is it new, can it be true.

Blocking ones say that something is wrong with the tables; warnings list what a person should look
at, since a true crash or a suspended paper looks like an error.
"""

import dagster as dg
import pandas as pd

from asset_predict_dagster.market.accounting import account, unbalanced
from asset_predict_dagster.market.doubtful_events import doubtful_events
from asset_predict_dagster.market.quality import (
    copied_sessions,
    holes,
    missing_sessions,
    repeated_rows,
    stale_prices,
    thin_sessions,
)
from asset_predict_dagster.market.quotes import (
    impossible_prices,
    unannounced_distributions,
    unexplained_jumps,
)
from asset_predict_dagster.market.sessions import not_sessions
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Thresholds
from asset_predict_dagster.pipeline.verdicts import verdict, warning
from asset_predict_dagster.tables import (
    INGESTED_FILES,
    INGESTED_SESSIONS,
    QUOTES,
    RAW_QUOTES,
    REJECTED_RECORDS,
)


@dg.asset_check(asset="rejected_records")
def no_record_was_rejected(rejected_records: pd.DataFrame) -> dg.AssetCheckResult:
    """Every record of every file can be true.

    A warning: the records listed are in no other table. Is one of them a good one?
    """
    return warning(rejected_records)


@dg.asset_check(asset="quotes", blocking=True)
def every_record_is_accounted_for(
    lake: LakeTables, clock: Clock, quotes: pd.DataFrame
) -> dg.AssetCheckResult:
    """Records in = quotes + left out by a rule + rejected, for every file and every session."""
    tables = lake.open()
    records = (
        *(tables.read(table) for table in (INGESTED_FILES, INGESTED_SESSIONS, REJECTED_RECORDS)),
        tables.read(RAW_QUOTES),
        quotes,
        clock.last_session(),
    )
    result = verdict(unbalanced(*records))
    table = account(*records).to_markdown(index=False)
    return result._replace(metadata={**result.metadata, "account": dg.MetadataValue.md(table)})


@dg.asset_check(asset="quotes", blocking=True)
def quotes_have_one_row_per_session(quotes: pd.DataFrame) -> dg.AssetCheckResult:
    """A ticker twice in one session would be counted twice by every feature."""
    return verdict(repeated_rows(quotes, QUOTES.key))


@dg.asset_check(asset="quotes", blocking=True)
def prices_are_possible(quotes: pd.DataFrame) -> dg.AssetCheckResult:
    """low ≤ open, close ≤ high, and every price is above zero."""
    return verdict(impossible_prices(quotes))


@dg.asset_check(asset="quotes", blocking=True)
def sessions_are_real(quotes: pd.DataFrame) -> dg.AssetCheckResult:
    """B3 trades on every session that has a quote."""
    return verdict(not_sessions(quotes["session"]))


@dg.asset_check(asset="quotes")
def quotes_are_fresh(
    clock: Clock, thresholds: Thresholds, quotes: pd.DataFrame
) -> dg.AssetCheckResult:
    """The newest quote is of the last closed session of B3's calendar, or close to it.

    How many sessions it may lag behind: ASSET_PREDICT_MAX_SESSIONS_BEHIND.
    """
    late = missing_sessions(quotes["session"], clock.last_session(), thresholds.max_sessions_behind)
    return verdict(late)


@dg.asset_check(asset="quotes")
def no_session_is_missing(quotes: pd.DataFrame) -> dg.AssetCheckResult:
    """Between the first and the last, every session of B3's calendar has quotes.

    A warning: a file is missing, or B3 closed without notice.
    """
    return warning(holes(quotes))


@dg.asset_check(asset="quotes")
def sessions_are_complete(thresholds: Thresholds, quotes: pd.DataFrame) -> dg.AssetCheckResult:
    """Each session has about as many tickers as the sessions before it.

    A warning, from ASSET_PREDICT_MIN_COMPLETENESS × the trailing median downwards.
    """
    return warning(thin_sessions(quotes, thresholds.min_completeness))


@dg.asset_check(asset="quotes")
def sessions_are_no_copies(quotes: pd.DataFrame) -> dg.AssetCheckResult:
    """No session repeats the prices of the one before it.

    A warning: a source that fills a missing day with the day before makes returns of zero.
    """
    return warning(copied_sessions(quotes))


@dg.asset_check(asset="universe", additional_ins={"quotes": dg.AssetIn()})
def prices_move(
    thresholds: Thresholds, universe: pd.DataFrame, quotes: pd.DataFrame
) -> dg.AssetCheckResult:
    """No liquid ticker closes at one price for ASSET_PREDICT_STALE_PRICE_SESSIONS sessions.

    A warning: an offer to buy the company pins its price, and so does a source that has stopped.
    """
    return warning(stale_prices(quotes, universe, thresholds.stale_price_sessions))


@dg.asset_check(asset="quotes")
def jumps_are_explained(thresholds: Thresholds, quotes: pd.DataFrame) -> dg.AssetCheckResult:
    """No adjusted return is so large that a corporate action is probably missing.

    A warning, from ASSET_PREDICT_UNEXPLAINED_JUMP upwards: true crashes are among them. Look at
    each before trusting that ticker's past.
    """
    return warning(unexplained_jumps(quotes, thresholds.unexplained_jump))


@dg.asset_check(asset="quotes", additional_ins={"corporate_actions": dg.AssetIn()})
def distributions_are_known(
    quotes: pd.DataFrame, corporate_actions: pd.DataFrame
) -> dg.AssetCheckResult:
    """Each step of B3's distribution number has a corporate action on its day.

    A warning: where one is missing, a dividend is taken for a fall of the price. Put the events
    into the file corporate_actions.csv beside the quotes.
    """
    return warning(unannounced_distributions(quotes, corporate_actions))


@dg.asset_check(asset="quotes", additional_ins={"corporate_actions": dg.AssetIn()})
def listed_events_fit_the_records(
    quotes: pd.DataFrame, corporate_actions: pd.DataFrame
) -> dg.AssetCheckResult:
    """No listed event contradicts the prices, B3's calendar, the codes quoted or another source.

    A warning: each is applied as it is listed, and a wrong one makes a return that never was. Put
    the true event into the file corporate_actions.csv beside the quotes.
    """
    return warning(doubtful_events(quotes, corporate_actions))


MARKET_CHECKS: list[dg.AssetChecksDefinition] = [
    no_record_was_rejected,
    every_record_is_accounted_for,
    quotes_have_one_row_per_session,
    prices_are_possible,
    sessions_are_real,
    quotes_are_fresh,
    no_session_is_missing,
    sessions_are_complete,
    sessions_are_no_copies,
    prices_move,
    jumps_are_explained,
    distributions_are_known,
    listed_events_fit_the_records,
]
