"""Forecast rows: outcomes laid beside forecasts, a block of rows at a time.

The table can have tens of millions of rows, so its columns are made once, at their full length,
and filled in: to join parts would take its size twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS, Samples
from asset_predict_dagster.models.bundle import Forecasts
from asset_predict_dagster.tables import FORECASTS_OUT_OF_SAMPLE

ROWS_VERSION = 2
"""Which rows there are, and what is in them: raised where that changes, so that windows made before
are made again (`window_recipe.py`). 2: a row needs no tradable return."""

MISSING = -1
"""Code of a missing category."""


@dataclass(frozen=True)
class Known:
    """What came true at one horizon, of those rows of a forecast whose outcome is known.

    Attributes
    ----------
    horizon
        Sessions ahead.
    has_action
        Whether the action is judged at this horizon.
    places
        Shape (n_known,): their places among the rows that were forecast.
    columns
        What the table says of them whoever forecast: name → shape (n_known,). Texts are codes.
    """

    horizon: int
    has_action: bool
    places: np.ndarray
    columns: dict[str, np.ndarray]


class Outcomes:
    """What came true of every row of `samples`; the parameters are `forecast_test_sessions`'s."""

    def __init__(
        self,
        samples: Samples,
        labels: pd.DataFrame,
        path_returns: np.ndarray,
        last_close: np.ndarray,
    ):
        self.samples, self.labels = samples, labels
        self.path_returns, self.last_close = path_returns, last_close

    def known(self, rows: np.ndarray, horizon: int, *, has_action: bool = False) -> Known:
        """Of the given row positions, those whose outcome at `horizon` is known.

        The tradable return, which is known a session later, decides nothing: whoever asked for it
        would know at t which papers are halted at t+2. It is missing where it is not known, and
        beyond the direct horizons, where nobody trades on a forecast.
        """
        realised = self.path_returns[rows, horizon - 1]
        tradable = np.full(len(rows), np.nan)
        is_known = np.isfinite(realised)
        if horizon in HORIZONS:
            tradable = self.labels[f"realised_return_tradable_{horizon}d"].to_numpy()[rows]
        kept = rows[is_known]
        codes = self.samples.session_codes[kept]
        days = self.samples.sessions.astype("datetime64[us]")
        label = np.full(len(kept), MISSING, dtype=np.int8)
        if has_action:
            # Not `samples.action`: what a price that stood still was right about is missing there.
            label = pd.Categorical(self.labels["action"].iloc[kept], categories=ACTIONS).codes
        return Known(
            horizon,
            has_action,
            np.flatnonzero(is_known),
            {
                "session": days[codes],
                "target_session": days[codes + horizon],
                "ticker": self.samples.ticker_codes[kept],
                "last_close": self.last_close[kept],
                "realised_return": realised[is_known],
                "realised_return_tradable": tradable[is_known],
                "realised_label": label,
            },
        )


class ForecastRows:
    """The table in the making: columns of its full length, filled block by block."""

    def __init__(
        self,
        window: str,
        *,
        tickers: np.ndarray,
        models: Sequence[str],
        versions: Sequence[str],
        n_rows: int,
    ):
        self._texts = {
            "window": [window],
            "model": sorted(set(models)),
            "model_version": sorted(set(versions)),
            "ticker": tickers.tolist(),
            "realised_label": list(ACTIONS),
        }
        self._columns = {
            name: np.empty(n_rows, dtype=self._dtype(name))
            for name in FORECASTS_OUT_OF_SAMPLE.column_names
        }
        self._n_filled = 0

    def add(self, model: str, version: str, said: Forecasts, known: Known) -> None:
        """The rows of one forecaster at one horizon."""
        places, step = known.places, known.horizon - 1
        block = slice(self._n_filled, self._n_filled + len(places))
        values = known.columns | {
            "window": 0,
            "model": self._texts["model"].index(model),
            "model_version": self._texts["model_version"].index(version),
            "horizon": known.horizon,
            "score": said.scores[places, step],
            "expected_return": said.expected_returns[places, step],
            "return_low": said.lows[places, step],
            "return_high": said.highs[places, step],
        }
        for position, action in enumerate(ACTIONS):
            said_of_action = said.probabilities[places, position] if known.has_action else np.nan
            values[f"probability_{action}"] = said_of_action
        for name, column in self._columns.items():
            column[block] = values[name]
        self._n_filled = block.stop

    def frame(self) -> pd.DataFrame:
        """The table, once every row is filled; afterwards there are no columns left here."""
        columns = {}
        for name in list(self._columns):
            values = self._columns.pop(name)
            texts = self._texts.get(name)
            columns[name] = values if texts is None else pd.Categorical.from_codes(values, texts)
        return pd.DataFrame(columns, copy=False)

    def _dtype(self, name: str) -> np.dtype:
        if name in self._texts:
            return np.min_scalar_type(-len(self._texts[name]))
        if name in ("session", "target_session"):
            return np.dtype("datetime64[us]")
        if name == "horizon":
            return np.dtype(np.int32)
        is_outcome = name in ("last_close", "realised_return", "realised_return_tradable")
        return np.dtype(np.float64 if is_outcome else np.float32)
