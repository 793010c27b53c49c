"""Quotes: B3's records become one clean row per ticker and session."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.market.history import spot_quotes
from asset_predict_dagster.market.quotes import adjust
from asset_predict_dagster.market.universe import liquid_universe
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import picture
from asset_predict_dagster.pipeline.resources import Clock, Papers

OWNERS = ["team:market-data"]


@dg.asset(group_name="quotes", kinds={"deltalake", "pandas"}, owners=OWNERS)
@says_why
def quotes(
    clock: Clock,
    raw_quotes: pd.DataFrame,
    corporate_actions: pd.DataFrame,
    renames: pd.DataFrame,
) -> pd.DataFrame:
    """One ticker in one session: spot trades in standard lots, R$ per share, forward-adjusted."""
    return adjust(spot_quotes(raw_quotes, renames, clock.last_session()), corporate_actions)


@dg.asset(group_name="quotes", kinds={"deltalake", "pandas"}, owners=OWNERS)
@says_why
def universe(
    context: dg.AssetExecutionContext, papers: Papers, quotes: pd.DataFrame
) -> pd.DataFrame:
    """One ticker in one session: is it liquid enough to be forecast, known that day."""
    from asset_predict_dagster.evaluation.plots import market_picture

    table = liquid_universe(quotes, papers.asset_classes)
    context.add_output_metadata({"market": picture(market_picture(quotes, table), "market")})
    return table
