"""The catalogue: every feature declared once, with its formula, unit and warm-up.

Those of one ticker are in `catalogue_models.py` and `catalogue_people.py`; those of the market and
the ranks are here.

`python -m asset_predict_dagster.dataset.catalogue` prints it as `docs/FEATURES.md`.

In a formula, open, high, low and close are the forward-adjusted prices, whose steps are true
returns; `traded value` is in R$, which no split changes. Only what compares two prices of one
instant, bid, ask and the close beside them, uses prices as quoted. t-n is the ticker's own nth
session before, so a halt is stepped over.

Models see what is scale-free: nothing that changes when a price is quoted in another currency or
per another lot (`illiquidity_21d` alone is per million of R$). The other columns are for people
and charts; averages and bands are in R$ of the adjusted index, which starts at the ticker's first
quoted price.

Ranks. A wider set was not found to forecast better, and it takes longer to train, so not
everything is ranked. Left out are oscillators with a fixed scale (RSI, stochastic, CCI, MFI, ADX,
Bollinger position, place in the day's range), which mean the same for every ticker as they are,
and near twins of what is ranked: Parkinson's volatility and ATR of volatility, MACD of the distance
to averages.
"""

from collections.abc import Iterable

import pyarrow as pa

from asset_predict_dagster.dataset.catalogue_models import OF_A_TICKER, Feature
from asset_predict_dagster.dataset.catalogue_people import FOR_PEOPLE
from asset_predict_dagster.tables import FEATURES, Column, Table, widen

OF_THE_MARKET = (
    Feature("market_return_1d", "mean of log_return_1d over the universe", "log", 1),
    Feature("market_return_21d", "sum of 21 of market_return_1d", "log", 21),
    Feature(
        "market_breadth_21d",
        "share of the universe whose log_return_21d is above 0",
        "fraction",
        21,
    ),
    Feature(
        "market_dispersion_21d",
        "mean of 21 of the population standard deviation of log_return_1d over the universe",
        "log, per session",
        21,
    ),
    Feature(
        "market_volatility_21d",
        "population standard deviation of market_return_1d over 21 sessions",
        "log, per session",
        21,
    ),
)

_RANKED = (
    "log_return_1d",
    "log_return_5d",
    "log_return_21d",
    "log_return_63d",
    "log_return_126d",
    "log_return_252d",
    "volatility_21d",
    "volatility_63d",
    "overnight_gap",
    "intraday_return",
    "distance_to_sma_20",
    "distance_to_sma_50",
    "distance_to_sma_200",
    "distance_to_high_252d",
    "distance_to_low_252d",
    "bid_ask_spread",
    "traded_value_surprise_1d",
    "traded_value_trend_21d",
    "illiquidity_21d",
    "max_return_21d",
    "min_return_21d",
    "beta_126d",
)

RANKS = tuple(
    Feature(
        f"rank_{feature.name}",
        f"Gaussian rank of {feature.name} among the session's universe; missing outside it",
        "standard normal quantile",
        feature.warm_up,
        rank_of=feature.name,
    )
    for feature in OF_A_TICKER
    if feature.name in _RANKED
)


CATALOGUE: tuple[Feature, ...] = (*OF_A_TICKER, *OF_THE_MARKET, *RANKS, *FOR_PEOPLE)
"""Every feature, in the order of the columns."""

FEATURE_NAMES = tuple(feature.name for feature in CATALOGUE if feature.for_models)
"""What models see, in the order they see it."""

TABLE: Table = widen(
    FEATURES,
    (
        Column(feature.name, pa.float32(), feature.formula, feature.unit, required=False)
        for feature in CATALOGUE
    ),
)
"""The schema of the table `features`: its key and one column per entry of the catalogue."""


def as_markdown() -> str:
    """The catalogue as a page for people: `docs/FEATURES.md`."""
    for_models = [feature for feature in CATALOGUE if feature.for_models]
    parts = [
        "# The features",
        "Printed by `python -m asset_predict_dagster.dataset.catalogue`; a test holds this page to"
        " the catalogue. The table `features` has a column for each, as 32-bit numbers.",
        "Prices in a formula are forward-adjusted: a return index that starts at the ticker's"
        " first quoted price and has no steps at splits or dividends. Bid, ask and the close"
        " compared with them are as quoted. `[t-n]` is the ticker's own nth session before; a halt"
        " is stepped over. *Warm-up* is how many earlier sessions a value needs: it is missing"
        " before, and wherever its formula divides by nothing.",
        f"## What models see: {len(for_models)}",
        _markdown_table(for_models),
        f"## For people and charts: {len(FOR_PEOPLE)}",
        "No model is given these: most are price levels, which say nothing across tickers and"
        " years; the others repeat in another form what models see.",
        _markdown_table(FOR_PEOPLE),
    ]
    return "\n\n".join(parts)


def _markdown_table(features: Iterable[Feature]) -> str:
    lines = ["| name | formula | unit | warm-up |", "|---|---|---|---|"]
    for feature in features:
        formula = feature.formula.replace("|", "\\|")
        lines.append(f"| `{feature.name}` | {formula} | {feature.unit} | {feature.warm_up} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown())
