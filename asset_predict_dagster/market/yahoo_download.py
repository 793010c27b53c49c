"""Yahoo's daily bars, asked for through the package yfinance, one paper at a time.

`yfinance.download` takes many papers at once, but writes an error of one of them to a log and
leaves its columns empty: a limit on requests would look like a day without trades. One paper at
a time, what went wrong is known.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pandas as pd

from asset_predict_dagster.errors import SettingsError, SourceDownError

_TIMEOUT_SECONDS = 30
_NO_DATA = ("No data found", "Data doesn't exist")
"""How Yahoo says that it knows of no such paper, or of no trade in that time."""


@dataclass(frozen=True)
class Answer:
    """What Yahoo says of one paper.

    Attributes
    ----------
    bars
        As `yfinance.Ticker.history` returns them (1.7.0, `auto_adjust=False, actions=True`):
        index `Date`, midnight in São Paulo with its time zone; columns `Open, High, Low, Close`
        in R$ and `Volume`, adjusted for every split up to now; `Adj Close`, also for dividends;
        `Dividends` in R$, adjusted for splits, and `Stock Splits`, shares after / before, both 0
        where there was none. A day with an event and no bar has missing prices.
    short_name
        Yahoo's `shortName`; empty if it has none.
    """

    bars: pd.DataFrame
    short_name: str = ""


Download = Callable[[str, date], Answer | None]
"""(Yahoo's symbol, first day) → what it says from that day to now; None if it knows nothing.
Raises `SourceDownError` where nobody knows whether there is something to know."""


def download(symbol: str, first: date) -> Answer | None:
    """All daily bars of a symbol such as PETR4.SA from `first` to now.

    To now whatever day is asked about: prices are adjusted for every split so far, and Yahoo
    lists only those of the time asked for.

    Raises
    ------
    SourceDownError
        If Yahoo cannot be reached, limits the requests, or answers something unknown.
    SettingsError
        If the package yfinance is not installed.
    """
    try:
        import yfinance
        from yfinance.exceptions import YFPricesMissingError, YFTzMissingError
    except ImportError:
        raise SettingsError(
            "ASSET_PREDICT_SOURCE=yahoo needs the package yfinance;"
            " pip install asset-predict-dagster[yahoo]"
        ) from None
    debug = yfinance.config.debug
    hidden, debug.hide_exceptions = debug.hide_exceptions, False
    try:
        paper = yfinance.Ticker(symbol)
        with warnings.catch_warnings():
            # yfinance 1.7 uses what pandas 3.1 deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            bars = paper.history(
                start=first.isoformat(), auto_adjust=False, actions=True, timeout=_TIMEOUT_SECONDS
            )
        if bars.empty:
            return None
        return Answer(bars, paper.history_metadata.get("shortName") or "")
    except YFTzMissingError:
        return None
    except YFPricesMissingError as error:
        is_known_paper = "instrumentType" in paper.history_metadata
        if (error.yahoo_reason or "").startswith(_NO_DATA) or is_known_paper:
            return None
        raise _down(symbol, error) from error
    except Exception as error:  # whatever curl, JSON and pandas raise comes through yfinance
        response = getattr(error, "response", None)
        if getattr(response, "status_code", None) == 404:
            return None
        raise _down(symbol, error) from error
    finally:
        debug.hide_exceptions = hidden


def _down(symbol: str, error: Exception) -> SourceDownError:
    said = str(error).partition("\n")[0].rstrip(".")
    return SourceDownError(
        f"Yahoo gave no answer for {symbol}: {type(error).__name__}: {said}; nothing was landed,"
        " try again later"
    )
