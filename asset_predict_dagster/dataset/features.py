"""Features: what was known at the close of t, a column per entry of the catalogue.

Three kinds, each computed from the sessions up to t alone:

- of one ticker: computed on its own sessions, TA-Lib's definitions where it has one;
- of the market: one number a session, the same for every ticker;
- ranks: the place of a ticker's value among the universe of its session.

`catalogue` declares them, `indicators` and `cross_section` are their arithmetic.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.catalogue import (
    CATALOGUE,
    FEATURE_NAMES,
    OF_THE_MARKET,
    RANKS,
    TABLE,
)
from asset_predict_dagster.dataset.catalogue_models import Feature
from asset_predict_dagster.dataset.cross_section import CrossSection, gaussian_rank, market_state
from asset_predict_dagster.dataset.indicators import Bars
from asset_predict_dagster.errors import DatasetError

__all__ = ["CATALOGUE", "FEATURE_NAMES", "TABLE", "Feature", "compute_features", "gaussian_rank"]


def compute_features(quotes: pd.DataFrame, universe: pd.DataFrame) -> pd.DataFrame:
    """One row per row of `quotes`. Key: (ticker, session). Columns: the catalogue, float32.

    Missing where the warm-up is not over, where a formula divides by nothing, where the source
    does not say what it needs (a bid, an ask, ESPECI), and, for ranks, outside the universe. Row t
    uses rows up to t alone.

    Parameters
    ----------
    quotes, universe
        Rows of `tables.QUOTES` and `tables.UNIVERSE` with the same keys in the same order, that
        of the keys.

    Raises
    ------
    DatasetError
        If the rows are in another order, a key is there twice, or a price is not above 0: "the
        session before" would be another one.
    """
    ticker_codes, _ = pd.factorize(quotes["ticker"])
    session_codes, _ = pd.factorize(quotes["session"], sort=True)
    _refuse_other_order(quotes, universe, ticker_codes, session_codes)
    is_member = universe["in_universe"].to_numpy(dtype=bool)
    starts = np.flatnonzero(np.diff(ticker_codes, prepend=-1))
    columns = _columns_of_bars(quotes)
    log_close = np.log(columns["close"])
    market = market_state(
        session_codes, is_member, _change(log_close, starts, 1), _change(log_close, starts, 21)
    )
    columns["market_return_1d"] = market["market_return_1d"][session_codes]

    place = {feature.name: position for position, feature in enumerate(CATALOGUE)}
    values = np.empty((len(CATALOGUE), len(quotes)), dtype=np.float32)
    ranked = {feature.rank_of: np.empty(len(quotes)) for feature in RANKS}
    for start, end in pairwise([*starts, len(quotes)]):
        bars = Bars(**{name: column[start:end] for name, column in columns.items()})
        for feature in CATALOGUE:
            if feature.compute is not None:
                found = feature.compute(bars)
                values[place[feature.name], start:end] = found
                if feature.name in ranked:
                    ranked[feature.name][start:end] = found
    for feature in OF_THE_MARKET:
        values[place[feature.name]] = market[feature.name][session_codes]
    cross_section = CrossSection.of(session_codes, is_member)
    for feature in RANKS:
        # Taken out as it is ranked: together they are half as large as the table.
        values[place[feature.name]] = cross_section.gaussian_rank(ranked.pop(feature.rank_of))

    table = pd.DataFrame(values.T, columns=[*place], copy=False)
    table.insert(0, "ticker", quotes["ticker"].array)
    table.insert(1, "session", quotes["session"].array)
    return table


def _refuse_other_order(
    quotes: pd.DataFrame, universe: pd.DataFrame, ticker_codes: np.ndarray, sessions: np.ndarray
) -> None:
    # Codes count tickers as they come: one that comes back after another has an earlier code.
    steps = np.diff(ticker_codes)
    out_of_order = np.flatnonzero((steps < 0) | ((steps == 0) & (np.diff(sessions) <= 0)))
    if len(out_of_order):
        row = quotes.iloc[out_of_order[0] + 1]
        raise DatasetError(
            f"quotes should be sorted by ticker, then session, each pair once; the row of"
            f" {row['ticker']} on {row['session']:%Y-%m-%d} is not where it belongs: sort them with"
            " sort_values(['ticker', 'session'])"
        )
    same_keys = len(universe) == len(quotes) and all(
        name not in universe or (universe[name].array == quotes[name].array).all()
        for name in ("ticker", "session")
    )
    if not same_keys:
        raise DatasetError(
            f"universe ({len(universe):,} rows) should have the keys of quotes ({len(quotes):,}"
            " rows) in the same order; make it from the same quotes"
        )
    for name in ("open", "high", "low", "close"):
        is_price = quotes[f"adjusted_{name}"].to_numpy() > 0
        if not is_price.all():
            row = quotes.iloc[is_price.argmin()]
            raise DatasetError(
                f"{row['ticker']} on {row['session']:%Y-%m-%d}: adjusted_{name} is"
                f" {row[f'adjusted_{name}']}, and a price above 0 was expected; such records are"
                " rejected by the market stage"
            )


def _columns_of_bars(quotes: pd.DataFrame) -> dict[str, np.ndarray]:
    """What `Bars` holds of the whole table, but for the market's return."""
    of_bars = {name: f"adjusted_{name}" for name in ("open", "high", "low", "close")} | {
        "traded_value_brl": "volume_brl",
        "quoted_close": "close",
        "best_bid": "best_bid",
        "best_ask": "best_ask",
    }
    columns = {to: quotes[name].to_numpy(dtype=np.float64) for to, name in of_bars.items()}
    columns["weekday"] = quotes["session"].dt.day_of_week.to_numpy(dtype=np.float64)
    codes, texts = pd.factorize(quotes["specification"])
    texts = pd.Series(texts, dtype="str")
    for name, pattern in (("is_novo_mercado", r"\bNM\b"), ("is_common", r"^ON\b")):
        says = texts.str.contains(pattern).to_numpy(dtype=np.float64)
        # The last one is that of a missing text, whose code is -1.
        columns[name] = np.r_[np.where(texts.str.strip() == "", np.nan, says), np.nan][codes]
    return columns


def _change(values: np.ndarray, starts: np.ndarray, n: int) -> np.ndarray:
    """values[t] - values[t - n] within each ticker; missing for its first n."""
    result = np.full(len(values), np.nan)
    result[n:] = values[n:] - values[:-n]
    first = starts[:, None] + np.arange(n)
    result[first[first < len(values)]] = np.nan
    return result
