"""Where the forecasts of one window, horizon and forecaster lie in the table, without moving them.

The table can have tens of millions of rows. As it is made, and as the lake returns it, the rows of
a forecaster at one horizon are one stretch, so that a block is a view of its columns.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from asset_predict_dagster.evaluation.by_session import values_of

Forecaster = tuple[str, str]
"""Model and version."""

Places = slice | np.ndarray

_BLOCK = ("window", "horizon", "model", "model_version")


class ForecastBlocks:
    """The table by (window, horizon), and in each by forecaster.

    Attributes
    ----------
    places
        (window, horizon), sorted → forecaster → where its rows are.
    """

    def __init__(self, forecasts: pd.DataFrame):
        self._forecasts = forecasts
        self._tickers = _codes(forecasts["ticker"])
        self.places: Mapping[tuple[str, int], Mapping[Forecaster, Places]] = _places(forecasts)

    def column(self, name: str, places: Places) -> np.ndarray:
        """The values of a column there, tickers and actions as codes."""
        if name == "ticker":
            return self._tickers[places]
        if name == "realised_label":
            return values_of(self._forecasts.iloc[places], name)
        return self._forecasts[name].to_numpy()[places]


def _places(forecasts: pd.DataFrame) -> dict[tuple[str, int], dict[Forecaster, Places]]:
    if forecasts.empty:
        return {}
    begins = np.zeros(len(forecasts), dtype=bool)
    begins[0] = True
    for name in _BLOCK:
        codes = _codes(forecasts[name])
        begins[1:] |= codes[1:] != codes[:-1]
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=len(forecasts))
    stretches = forecasts[list(_BLOCK)].iloc[starts].astype({"horizon": int})
    places: dict[tuple[str, int], dict[Forecaster, Places]] = {}
    # `indices` are of the stretches, of which there are few unless somebody shuffled the rows.
    grouped = stretches.groupby(list(_BLOCK), observed=True).indices
    for (window, horizon, model, version), of_block in sorted(grouped.items()):
        block = places.setdefault((window, horizon), {})
        block[(model, version)] = _together(starts[of_block], lengths[of_block])
    return places


def _together(starts: np.ndarray, lengths: np.ndarray) -> Places:
    """The rows of stretches: a slice of one, else their positions."""
    if len(starts) == 1:
        return slice(int(starts[0]), int(starts[0] + lengths[0]))
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())


def _codes(column: pd.Series) -> np.ndarray:
    """Numbers that are alike where the values are, in as few bits as there are values."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy()
    if column.dtype.kind in "iu":
        return column.to_numpy()
    codes, texts = pd.factorize(column)
    return codes.astype(np.min_scalar_type(-len(texts) - 1))
