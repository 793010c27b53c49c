"""Drift of one ticker's inputs between two versions of `features`; in a process of its own."""

from datetime import date
from typing import Any

import pandas as pd

from asset_predict_dagster.errors import DatasetError, MissingTableError, TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.predictions.drift import REFERENCE_SESSIONS, drift_between
from asset_predict_dagster.predictions.drift_finding import as_answer
from asset_predict_dagster.predictions.drift_rows import WINDOW, input_columns
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.tables import FEATURES


class UnknownVersionError(TableError):
    """The lake does not have, or no longer has, that version of `features`."""


def drift_of(
    places: Places,
    ticker: str,
    feature_names: tuple[str, ...],
    reference_version: int | None,
    production_version: int,
    last: date,
) -> dict[str, Any]:
    """What `as_answer` says of a ticker's rows.

    The current rows are those of the production version after the last session of the reference
    version, and never fewer than its last 63. The reference are the five years before them. Rows
    after the session `last` are not looked at.

    Raises
    ------
    UnknownVersionError
        If there is no such version, or its files have been cleaned up.
    DatasetError
        If there are too few sessions to compare.
    """
    lake = Lake(places.lake_root)
    columns = input_columns(feature_names)
    current = _rows(lake, ticker, columns, production_version, last)
    reference = current
    n_current = WINDOW
    if reference_version not in (None, production_version):
        reference = _rows(lake, ticker, columns, reference_version, last)
        if len(reference):
            later = current["session"] > reference["session"].max()
            n_current = max(WINDOW, int(later.sum()))
    if len(current) == 0 or len(reference) == 0:
        raise DatasetError(
            f"{ticker} has no row in one of the versions compared; choose others, or none"
        )
    current = current.iloc[-n_current:]
    earlier = reference[reference["session"] < current["session"].iloc[0]]
    return as_answer(drift_between(earlier.iloc[-REFERENCE_SESSIONS:], current, columns))


def _rows(
    lake: Lake, ticker: str, columns: tuple[str, ...], version: int | None, last: date
) -> pd.DataFrame:
    try:
        rows = lake.read(
            FEATURES, columns=["session", *columns], version=version, where={"ticker": [ticker]}
        )
    except MissingTableError:
        raise
    except TableError as error:
        raise UnknownVersionError(
            f"version {version} of features cannot be read: it never was, or it has been cleaned"
            " up; `asset-predict versions features` lists those there are"
        ) from error
    return rows[rows["session"] <= pd.Timestamp(last)].reset_index(drop=True)
