"""Corporate actions: splits, groupings, bonuses, dividends and other rights, one row per event.

They are read from a `corporate_actions.csv` beside the market files, or by the readers of other
modules; each reader gives one frame of `tables.CORPORATE_ACTIONS`, and `combine` makes one of
them all.

The columns of the file: `ticker, ex_date, kind, amount_brl` and, for events that change the
number of shares, `factor`.
"""

import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.disputes import disputes
from asset_predict_dagster.market.sessions import all_sessions
from asset_predict_dagster.tables import (
    ACTION_KINDS,
    CASH_KINDS,
    CORPORATE_ACTIONS,
    OTHER_KINDS,
    SHARE_KINDS,
)

FILE_NAME = "corporate_actions.csv"
_NEEDED = ("ticker", "ex_date", "kind", "amount_brl")

APPLIED_CONFIDENCE = 0.7
"""Confidence from which an inferred event changes a price. To apply a wrong event and to miss a
true one falsify the same return about alike, which alone would say 0.5; but a missed one is named
by the checks (its step of DISMES stays without an event), and a wrong one by nothing. In 30
simulated markets with 450 share events 417 were inferred with at least 0.7, all of them right;
from 0.5 to 0.7 there were 26, of which 7 had the factor of another bonus."""

SAME_EVENT_SESSIONS = 5
SAME_EVENT_RATIO = 1.1
"""Two sources tell of one share event if their ex-dates are no more sessions apart than this and
neither factor is larger than the other by more than this. A file may give the day a company
announced, or one on which the paper did not trade."""

_DTYPES = {
    "ticker": "str",
    "ex_date": "datetime64[us]",
    "kind": "str",
    "amount_brl": "float64",
    "factor": "float64",
    "source": "str",
    "confidence": "float64",
    "evidence": "str",
    "disputed": "str",
}


def no_events() -> pd.DataFrame:
    """No row, and every column of `tables.CORPORATE_ACTIONS` with its type."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _DTYPES.items()})


def read_corporate_actions(folder: Path, last: date) -> pd.DataFrame:
    """The events of a folder's `corporate_actions.csv` up to `last`; none if it has no such file.

    Key: (ticker, ex_date, kind). Columns and units: `tables.CORPORATE_ACTIONS`. Two dividends of
    one ticker and day are one row with their sum.

    Raises
    ------
    MarketFileError
        Naming the file, the line and what is wrong with it.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return no_events()
    try:
        events = _read_csv(path)
    except (UnicodeDecodeError, *_NOT_CSV) as error:
        raise MarketFileError(f"{path}: cannot be read as CSV: {error}") from None
    missing = [name for name in _NEEDED if name not in events]
    if missing:
        raise MarketFileError(
            f"{path}: columns {missing} are missing; the first line should name"
            f" {', '.join((*_NEEDED, 'factor'))}"
        )
    if "factor" not in events:
        events["factor"] = float("nan")
    events["ex_date"] = pd.to_datetime(events["ex_date"], format="%Y-%m-%d", errors="coerce")
    for column in ("amount_brl", "factor"):
        events[column] = _numbers(path, events[column])
    refuse_impossible(str(path), events, lambda place: f"line {place + 2}")
    told = events.assign(source="csv", confidence=1.0, evidence=None, disputed=None)
    return one_row_per_event(told, last)


def refuse_impossible(
    where: str, events: pd.DataFrame, name_of: Callable[[int], str] = "row {}".format
) -> None:
    """Stop at the first event that says what cannot be; `name_of` names it by its index label.

    Needs the columns ticker, ex_date (a date or missing), kind, amount_brl and factor.

    Raises
    ------
    MarketFileError
        With `where`, the row, what is wrong with it, and what it says.
    """
    is_cash, is_share, is_other = (
        events["kind"].isin(kinds) for kinds in (CASH_KINDS, SHARE_KINDS, OTHER_KINDS)
    )
    says_a_size = events["amount_brl"].notna() | events["factor"].notna()
    rules = (
        (events["ticker"].isna(), "the ticker is missing"),
        (events["ex_date"].isna(), "ex_date is not a date written as 2024-12-31"),
        (~events["kind"].isin(ACTION_KINDS), f"kind is none of {', '.join(ACTION_KINDS)}"),
        (is_cash & ~(events["amount_brl"] > 0), "a dividend needs an amount_brl above zero"),
        (is_share & ~(events["factor"] > 0), "a share event needs a factor above zero"),
        (
            is_other & says_a_size,
            f"an event of kind {', '.join(OTHER_KINDS)} changes no price: leave amount_brl and"
            " factor empty, or name the kind that it amounts to",
        ),
    )
    for broken, reason in rules:
        if broken.any():
            place = broken.idxmax()
            raise MarketFileError(
                f"{where}: {name_of(int(place))}: {reason}: {events.loc[place].to_dict()}"
            )


def one_row_per_event(events: pd.DataFrame, last: date) -> pd.DataFrame:
    """The events up to `last` as `tables.CORPORATE_ACTIONS`, sorted by its key.

    Of rows with one key amounts are added and factors multiplied, the least confidence counts,
    and what is said of each in `evidence` and `disputed` is kept.
    """
    known = events[events["ex_date"] <= pd.Timestamp(last)]
    together = known.groupby(list(CORPORATE_ACTIONS.key), as_index=False)
    summed = together.agg(source=("source", "first"), confidence=("confidence", "min"))
    summed["amount_brl"] = together["amount_brl"].sum(min_count=1)["amount_brl"]
    summed["factor"] = together["factor"].prod(min_count=1)["factor"]
    for said in ("evidence", "disputed"):
        summed[said] = together[said].agg(_listed)[said]
    return summed[CORPORATE_ACTIONS.column_names].astype(_DTYPES)


def combine(*frames: pd.DataFrame) -> pd.DataFrame:
    """The events of several sources, each told once; the first frame is trusted most.

    Of one ticker and ex-date the first frame that knows of cash gives all of that day's cash: what
    others know is the same money told again. So it is with share events, and with each other
    kind. A share event told by two frames for days up to five sessions apart, with about the same
    factor, happened on the earlier day: so the prices already published by then stay as they are.
    An inferred event too uncertain to be applied gives way wherever another frame knows it. The
    event that stays says in `disputed` what the others tell instead (`disputes`).

    Parameters
    ----------
    frames
        Rows of `tables.CORPORATE_ACTIONS`, one frame per source.

    Returns
    -------
    Rows of `tables.CORPORATE_ACTIONS`, sorted by its key.
    """
    told = [frame.assign(rank=rank) for rank, frame in enumerate(frames) if len(frame)]
    if not told:
        return no_events()
    events = pd.concat(told, ignore_index=True)
    group = events["kind"].mask(events["kind"].isin(CASH_KINDS), "cash")
    group = group.mask(events["kind"].isin(SHARE_KINDS), "shares")
    first = events["rank"].groupby([events["ticker"], events["ex_date"], group]).transform("min")
    winners = events[events["rank"] == first]
    again = _told_again(winners[winners["kind"].isin(SHARE_KINDS)])
    disputed = disputes(events.assign(group=group), again)
    events = winners.assign(disputed=disputed).drop(index=list(again))
    events = events.sort_values(list(CORPORATE_ACTIONS.key), ignore_index=True)
    return events[CORPORATE_ACTIONS.column_names].astype(_DTYPES)


def is_applied(events: pd.DataFrame) -> pd.Series:
    """Which events change prices: cash and shares, listed or inferred with enough confidence.

    A frame without the column `confidence` holds certain events only.
    """
    sized = events["kind"].isin((*CASH_KINDS, *SHARE_KINDS))
    if "confidence" not in events:
        return sized
    return sized & (events["confidence"] >= APPLIED_CONFIDENCE)


def _told_again(shares: pd.DataFrame) -> dict[int, int]:
    """Share events that another frame tells of for about the same day: label → that one's."""
    place = np.searchsorted(all_sessions(), shares["ex_date"].to_numpy().astype("datetime64[D]"))
    size = np.log(shares["factor"].to_numpy(dtype=np.float64))
    table = shares.assign(place=place, size=size, doubtful=~is_applied(shares))
    again: dict[int, int] = {}
    for _, own in table.groupby("ticker"):
        if (own["rank"] == own["rank"].iloc[0]).all():
            continue
        kept = []
        for event in own.sort_values(["doubtful", "place", "rank"]).itertuples():
            told = [
                other.Index
                for other in kept
                if event.rank != other.rank
                and abs(event.place - other.place) <= SAME_EVENT_SESSIONS
                and abs(event.size - other.size) <= np.log(SAME_EVENT_RATIO)
            ]
            if told:
                again[event.Index] = told[0]
            else:
                kept.append(event)
    return again


def _listed(evidence: pd.Series) -> str | None:
    said = evidence.dropna().unique()
    return ", ".join(said) if len(said) else None


_NOT_CSV = (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError)


def _read_csv(path: Path) -> pd.DataFrame:
    """The lines that are not blank; row i stands in line i + 2."""
    texts = {"ticker": str, "ex_date": str, "kind": str}
    with warnings.catch_warnings():
        # Of a first line with a value too many, pandas would drop the value and only warn.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        events = pd.read_csv(path, dtype=texts, index_col=False, skip_blank_lines=False)
    return events.dropna(how="all")


def _numbers(path: Path, column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    unreadable = ~np.isfinite(numbers) & column.notna()
    if unreadable.any():
        line = int(unreadable.idxmax())
        raise MarketFileError(
            f"{path}: line {line + 2}, {column.name}: expected a number, found {column.loc[line]!r}"
        )
    return numbers.astype("float64")
