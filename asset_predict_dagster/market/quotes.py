"""Quotes: B3's records become one row per ticker and session, in reais per share.

Prices are adjusted forwards: a return index that starts at the ticker's first session and grows
by its true returns, so that nothing that happens later changes a number already published.
"""

from datetime import date

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketDataError
from asset_predict_dagster.market.adjustment import effects, rows_of_events
from asset_predict_dagster.market.corporate_actions import is_applied
from asset_predict_dagster.tables import OTHER_KINDS, QUOTES

SPOT_MARKET = "010"

STANDARD_LOT_SECTIONS = (
    *("02", "05", "06", "07", "08", "09", "11", "58"),
    *("12", "13", "14", "34", "35", "36"),
)
"""BDI codes of papers that trade in standard lots: shares and units (02; under sanctions, in
recovery, administration or intervention 05-09 and 11; others 58, where GOLL4 traded in 2024),
real-estate and agricultural funds (12, 13), ETFs (14), BDRs (34-36). Left out are rights (10),
subscription bonuses (22) and whatever is not a paper one can hold. Source: B3, record layout of the
historical quotes, table of CODBDI; the real files of 2003-2024."""

_PRICES = ("open", "high", "low", "average", "close", "best_bid", "best_ask")
_ADJUSTED = ("open", "high", "low", "close")

UNEXPLAINED_JUMP = 0.6
"""|log adjusted return| above which no corporate action is believed to be missing by chance:
+82 % or -45 % in one session. Measured on 58 B3 tickers 2012-2024: two sessions pass it."""


def unit_price_brl(price: pd.Series, quotation_factor: pd.Series) -> pd.Series:
    """Price of one share in reais: price as quoted / FATCOT. Missing prices stay missing.

    B3 quotes some papers per lot of 1,000; the factor undoes it, so that prices compare across
    tickers and years.

    >>> unit_price_brl(pd.Series([37.78, 510.0]), pd.Series([1, 1000])).tolist()
    [37.78, 0.51]
    """
    return price / quotation_factor


def standard_lots(records: pd.DataFrame) -> pd.DataFrame:
    """The records of papers that trade on the spot market in standard lots."""
    return records[
        (records["market_type"] == SPOT_MARKET) & records["bdi_code"].isin(STANDARD_LOT_SECTIONS)
    ]


def clean_quotes(raw_quotes: pd.DataFrame, last: date) -> pd.DataFrame:
    """Spot trades in standard lots up to `last`, R$ per share, sorted by ticker and session.

    A best bid or ask that B3 writes as 0 is missing: there was none. A missing average or number
    of trades stays missing.

    Raises
    ------
    MarketDataError
        If no record is left: the files hold other markets, or later sessions, only.
    """
    kept = standard_lots(raw_quotes)
    kept = kept[kept["session"] <= pd.Timestamp(last)]
    if kept.empty:
        raise MarketDataError(
            f"raw_quotes holds {len(raw_quotes):,} records but no spot trade in standard lots up"
            f" to {last}; check the market files and ASSET_PREDICT_AS_OF"
        )
    quotes = kept.sort_values(["ticker", "session"], ignore_index=True)
    prices = {name: unit_price_brl(quotes[name], quotes["quotation_factor"]) for name in _PRICES}
    quotes = quotes.assign(**prices, traded_as=quotes["ticker"])
    for name in ("best_bid", "best_ask"):
        quotes[name] = quotes[name].where(quotes[name] > 0)
    return quotes


def adjust(quotes: pd.DataFrame, corporate_actions: pd.DataFrame) -> pd.DataFrame:
    """Add the two factors and the forward-adjusted prices: one row of `tables.QUOTES` each.

        split_factor(t)    = Π shares_factor of the events up to t
        dividend_factor(t) = Π (1 + amount / (shares_factor × close of the ex-date))
        adjusted price     = price × split_factor × dividend_factor

    `adjustment` says in which row an event takes effect. Inferred events below
    `APPLIED_CONFIDENCE` and the kinds that change no price do nothing.

    Parameters
    ----------
    quotes
        As `clean_quotes` gives them, sorted by ticker and session, under current codes.
    corporate_actions
        Rows of `tables.CORPORATE_ACTIONS`, under current codes too.
    """
    shares, cash = effects(quotes, corporate_actions)
    growth = 1 + cash / (shares * quotes["close"].to_numpy())
    ticker = quotes["ticker"]
    split_factor = pd.Series(shares, index=quotes.index).groupby(ticker, sort=False).cumprod()
    dividend_factor = pd.Series(growth, index=quotes.index).groupby(ticker, sort=False).cumprod()
    factor = split_factor * dividend_factor
    adjusted = {f"adjusted_{name}": quotes[name] * factor for name in _ADJUSTED}
    table = quotes.assign(split_factor=split_factor, dividend_factor=dividend_factor, **adjusted)
    return table[QUOTES.column_names]


def unexplained_jumps(quotes: pd.DataFrame, threshold: float = UNEXPLAINED_JUMP) -> pd.DataFrame:
    """Sessions whose |log adjusted return| is above `threshold`: an event behind it is missing.

    Columns: ticker, session, adjusted_return. True crashes are among them: this is a list to
    look at, not one to delete.
    """
    close = quotes["adjusted_close"]
    previous = close.groupby(quotes["ticker"], sort=False).shift()
    jumps = np.log(close / previous).abs() > threshold
    return pd.DataFrame(
        {
            "ticker": quotes["ticker"][jumps],
            "session": quotes["session"][jumps],
            "adjusted_return": (close / previous - 1)[jumps],
        }
    ).reset_index(drop=True)


def impossible_prices(quotes: pd.DataFrame) -> pd.DataFrame:
    """Rows whose open or close lies outside [low, high], or whose prices are not above zero."""
    outside = (
        (quotes["low"] <= 0)
        | (quotes["low"] > quotes[["open", "close"]].min(axis=1))
        | (quotes["high"] < quotes[["open", "close"]].max(axis=1))
    )
    return quotes.loc[outside, ["ticker", "session", "open", "high", "low", "close"]]


def unannounced_distributions(
    quotes: pd.DataFrame, corporate_actions: pd.DataFrame
) -> pd.DataFrame:
    """Sessions in which B3's distribution number rose though no event is known for them.

    Columns: ticker, session, distribution_number. A dividend, split or bonus happened of which
    `corporate_actions` knows nothing, or nothing certain enough to be applied: the adjusted
    return of that session is not the true one. An event whose ex-date had no trade is known in
    the ticker's next session.
    """
    number = quotes["distribution_number"]
    unknown = (number.groupby(quotes["ticker"], sort=False).diff() > 0).to_numpy(copy=True)
    explains = is_applied(corporate_actions) | corporate_actions["kind"].isin(OTHER_KINDS)
    rows = rows_of_events(quotes, corporate_actions[explains])
    unknown[rows[rows >= 0]] = False
    columns = ["ticker", "session", "distribution_number"]
    return quotes.loc[unknown, columns].reset_index(drop=True)
