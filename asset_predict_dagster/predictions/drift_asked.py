"""Drift asked for: two periods, or two versions of the features, as a person names them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.calendar_windows import day_asked
from asset_predict_dagster.dataset.catalogue import FEATURE_NAMES, TABLE
from asset_predict_dagster.dataset_versions import lineage
from asset_predict_dagster.errors import DatasetError, SettingsError, TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.predictions.asked import refuse_unknown
from asset_predict_dagster.predictions.drift import REFERENCE_SESSIONS, drift_between
from asset_predict_dagster.predictions.drift_finding import Drift
from asset_predict_dagster.predictions.drift_rows import WINDOW, input_columns, input_rows
from asset_predict_dagster.tables import UNIVERSE

_KEY = ["ticker", "session"]
_LEAST_YEAR = 1986


@dataclass(frozen=True)
class Side:
    """What is compared: a version of the table `features`, or the sessions from `first` to `last`
    of the version that is current. Neither: that version."""

    version: int | None = None
    first: date | None = None
    last: date | None = None

    @property
    def is_period(self) -> bool:
        return self.first is not None


def side_of(text: str | None) -> Side:
    """What a person names: a version's number, or a period.

    >>> side_of("12"), side_of("2018H1").last
    (Side(version=12, first=None, last=None), datetime.date(2018, 6, 30))
    >>> side_of("2018..2019-03-31").first
    datetime.date(2018, 1, 1)

    Raises
    ------
    SettingsError
        If it is neither.
    """
    if text is None:
        return Side()
    # A year is a period: so many versions of one table there are not.
    if text.isdecimal() and int(text) < _LEAST_YEAR:
        return Side(version=int(text))
    first, _, last = text.partition("..")
    try:
        side = Side(None, day_asked(first, is_last=False), day_asked(last or first, is_last=True))
    except SettingsError as error:
        raise SettingsError(
            f"'{text}' is neither the number of a version of features nor a period such as 2018,"
            " 2018H1 or 2018-01-01..2018-06-30"
        ) from error
    if side.first and side.last and side.first > side.last:
        raise SettingsError(f"'{text}' ends before it begins")
    return side


def drift_asked(
    lake: Lake, reference: Side, current: Side, tickers: Sequence[str] | None = None
) -> Drift:
    """Drift of what models read of one ticker, `current` against `reference`.

    Of two versions the current rows are those of the sessions after the reference's last one, and
    never fewer than the last 63; of a version beside a period they are those 63. Unless a period is
    named, the reference are the five years before them.

    Parameters
    ----------
    tickers
        From `asked.codes_of`; None: all.

    Raises
    ------
    SettingsError
        If a ticker is unknown.
    TableError
        If a table has not been made, or a version is not there (any more).
    DatasetError
        If there are too few sessions to compare.
    """
    columns = input_columns(FEATURE_NAMES)
    if tickers is not None:
        refuse_unknown(tickers, set(lake.distinct(TABLE, ["ticker"])["ticker"]))
    later = _rows(lake, current, columns, tickers)
    earlier = later if reference == current else _rows(lake, reference, columns, tickers)
    if later.empty or earlier.empty:
        raise DatasetError(
            "no row of the universe lies in one of the two periods or versions; choose others"
        )
    if not current.is_period:
        later = _last_sessions(later, earlier, is_after=not reference.is_period)
    if not reference.is_period:
        known = earlier["session"].unique()
        before = np.sort(known[known < later["session"].min()])[-REFERENCE_SESSIONS:]
        earlier = earlier[earlier["session"].isin(before)]
    return drift_between(earlier, later, columns)


def _last_sessions(later: pd.DataFrame, earlier: pd.DataFrame, *, is_after: bool) -> pd.DataFrame:
    sessions = np.sort(later["session"].unique())
    n_after = int((sessions > earlier["session"].max()).sum()) if is_after else 0
    return later[later["session"] >= sessions[-max(WINDOW, n_after) :][0]]


def _rows(
    lake: Lake, side: Side, columns: tuple[str, ...], tickers: Collection[str] | None
) -> pd.DataFrame:
    features = lake.read(TABLE, columns=[*_KEY, *columns], version=side.version)
    universe = lake.read(
        UNIVERSE, columns=[*_KEY, "in_universe"], version=_universe_of(lake, side.version)
    )
    if not features[_KEY].equals(universe[_KEY]):
        raise TableError(
            "features and universe are of different runs: one is being made anew, or did not come"
            " to its end; run `asset-predict ingest`"
        )
    rows = input_rows(features, universe, columns, tickers)
    if side.first is None or side.last is None:
        return rows
    return rows[rows["session"].between(pd.Timestamp(side.first), pd.Timestamp(side.last))]


def _universe_of(lake: Lake, version: int | None) -> int | None:
    """The version of `universe` that a version of `features` was made from."""
    if version is None:
        return None
    traced = lineage(lake, TABLE, version)
    found = traced.loc[traced["table"] == UNIVERSE.name, "version"]
    return int(found.iloc[0]) if len(found) else None
