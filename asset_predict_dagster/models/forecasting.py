"""Forecasting: a bundle's graph run on samples, by ONNX alone and on one thread.

Whatever forecasts, in evaluation as in serving, one row or a million, does it here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.dataset.samples import HORIZONS, Samples
from asset_predict_dagster.dataset.windows import gather, one_window, window_index
from asset_predict_dagster.errors import BundleError, SettingsError
from asset_predict_dagster.models.base import ONNX_INPUT, ONNX_PROBABILITIES, ONNX_RETURN_SCORES
from asset_predict_dagster.models.calibration import Calibration, held
from asset_predict_dagster.models.fitted_range import FittedRange
from asset_predict_dagster.tables import PATH_HORIZONS

_BATCH = 512
"""Rows at a time: of 4,096 windows the LSTM reads half as many a second."""


@dataclass(frozen=True)
class Forecasts:
    """What a bundle says of n rows, 1 to H sessions ahead.

    Attributes
    ----------
    probabilities
        Shape (n, 3), calibrated, of the action at its horizon.
    scores
        Shape (n, H): what the graph says, an expected Gaussian rank of the tradable return; NaN
        where it has no opinion.
    expected_returns, lows, highs
        Shape (n, H), fractions; the interval should hold 90 % of outcomes.

    Beyond the last horizon that the model forecasts directly, scores and expected returns are
    those of that horizon.
    """

    probabilities: np.ndarray
    scores: np.ndarray
    expected_returns: np.ndarray
    lows: np.ndarray
    highs: np.ndarray


@dataclass(frozen=True)
class Bundle:
    """A model that forecasts: its card and its graph. `digest` is empty if it was never saved."""

    digest: str
    card: dict[str, Any]
    onnx: bytes

    @property
    def learned_until(self) -> date:
        """The last session it knows something of; what it says of earlier ones is hindsight.

        Raises
        ------
        BundleError
            If the card does not say.
        """
        try:
            last = date.fromisoformat(self.card["training_sessions"][1])
            span = int(self.card["experiment"]["span"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise BundleError(
                f"bundle {self.digest[:12]}: its card should say training_sessions and the span of"
                f" its experiment ({error!r}); train the model again"
            ) from error
        return learned_until(last, span)

    def refuse_unless_it_forecasts(self) -> None:
        """Open the graph and let it answer once, to a row of which everything is missing.

        Raises
        ------
        BundleError
            If it cannot, or if its card is of another graph.
        """
        try:
            steps = [self.card["lookback"]] if self.card["lookback"] > 1 else []
            shape = (1, *steps, len(self.card["feature_names"]))
            nothing = np.full(shape, np.nan, dtype=np.float32)
            raw, scores = self._graph.answer(nothing)
            self.fitted_range.is_left_by(nothing.reshape(-1, shape[-1]))
            numbers = self.calibration
            found = [raw.shape, scores.shape, *numbers.shapes]
            n_scores = len(numbers.scale)
            numbers.probabilities(raw)
        except Exception as error:  # a stranger's bytes and numbers: onnxruntime's errors are many
            raise BundleError(
                f"bundle {self.digest[:12]}: its graph and its card should forecast together and"
                f" cannot ({type(error).__name__}: {' '.join(str(error).split())}); train the"
                " model again"
            ) from error
        wanted = [(1, 3), (1, n_scores), (3,), (n_scores,), (len(PATH_HORIZONS),)]
        if found != wanted:
            raise BundleError(
                f"bundle {self.digest[:12]}: probabilities, scores, bias, scale and width should"
                f" be of shapes {wanted} and are of {found}; train the model again"
            )

    @cached_property
    def calibration(self) -> Calibration:
        return Calibration(**self.card["calibration"])

    @cached_property
    def fitted_range(self) -> FittedRange:
        """Of the rows that it was fitted on; nothing leaves that of an older program's bundle."""
        return FittedRange.from_card(self.card.get("fitted_range"), len(self.card["feature_names"]))

    def is_unfamiliar(self, samples: Samples, rows: np.ndarray) -> np.ndarray:
        """Which of the row positions, shape (n,), are unlike those it was fitted on; bool."""
        names = tuple(self.card["feature_names"])
        places = _places(self.card["model"], samples.feature_names, names)
        return self.fitted_range.is_left_by(samples.features[rows].take(places, axis=1))

    @cached_property
    def _graph(self) -> "Graph":
        return Graph(self.onnx, self.card)

    def forecast(
        self, samples: Samples, rows: np.ndarray, days_ahead: int = HORIZONS[-1]
    ) -> Forecasts:
        """Forecast the given row positions of `samples`, shape (n,), 1 to `days_ahead` sessions.

        Raises
        ------
        BundleError
            If the samples lack a feature that the model was trained on.
        SettingsError
            If `days_ahead` is not within 1 to 30.
        """
        if not 1 <= days_ahead <= PATH_HORIZONS[-1]:
            raise SettingsError(
                f"days_ahead is 1 to {PATH_HORIZONS[-1]} sessions; found {days_ahead}"
            )
        raw, scores = self._graph.run(samples, rows)
        volatility = samples.volatility[rows].astype(np.float64)
        expected = held(self.calibration.expected_returns(scores, volatility), days_ahead)
        half = self.calibration.half_widths(volatility)[:, :days_ahead]
        return Forecasts(
            self.calibration.probabilities(raw),
            held(scores, days_ahead),
            expected,
            np.maximum(expected - half, -1.0),
            expected + half,
        )


class Graph:
    """A graph with the inputs and outputs of `base.py`, ready to run on one thread.

    Of the card it reads what shapes its input: model, feature_names, lookback, longest_gap.
    """

    def __init__(self, onnx: bytes, card: dict[str, Any]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            onnx, options, providers=["CPUExecutionProvider"]
        )
        self._model, self._names = card["model"], tuple(card["feature_names"])
        self._lookback, self._longest_gap = card["lookback"], card.get("longest_gap")
        self._widths = [output.shape[1] for output in self._session.get_outputs()]

    def run(self, samples: Samples, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Raw probabilities (n, 3) and return scores (n, n_horizons) of the given rows."""
        answers = [self.answer(given) for given in self.inputs(samples, rows)]
        if len(answers) == 1:
            return answers[0]
        if not answers:
            return np.empty((0, self._widths[0])), np.empty((0, self._widths[1]))
        probabilities, scores = zip(*answers, strict=True)
        return np.concatenate(probabilities), np.concatenate(scores)

    def answer(self, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The two outputs for one input."""
        said = self._session.run([ONNX_PROBABILITIES, ONNX_RETURN_SCORES], {ONNX_INPUT: given})
        return said[0], said[1]

    def inputs(self, samples: Samples, rows: np.ndarray) -> Iterator[np.ndarray]:
        """What the graph reads of the given rows, a batch at a time; the same for every run."""
        places = _places(self._model, samples.feature_names, self._names)
        if len(rows) == 1 and self._lookback > 1:
            yield self._window(samples, int(rows[0]), places)
            return
        # A column is copied once where many rows want it, and not at all for a few.
        columns = None
        if len(rows) * self._lookback > samples.n_rows:
            columns = samples.columns(self._names)
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            if self._lookback > 1:
                index = _windows(samples, batch, self._lookback, self._longest_gap)
            else:
                index = batch
            if columns is None:
                given = _gathered(samples.features, index).take(places, axis=-1)
            else:
                given = _gathered(columns, index)
            yield given

    def _window(self, samples: Samples, row: int, places: np.ndarray) -> np.ndarray:
        """The input for one row: a slice of the features needs no index."""
        first, steps = one_window(
            samples.ticker_codes, samples.session_codes, row, self._lookback, self._longest_gap
        )
        there = samples.features[first : row + 1].take(places, axis=1)
        if len(there) == self._lookback:
            return there[None]
        window = np.full((1, self._lookback, len(places)), np.nan, dtype=np.float32)
        window[0, steps] = there
        return window


@lru_cache(maxsize=64)
def _places(model: str, there: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    unknown = [name for name in wanted if name not in there]
    if unknown:
        raise BundleError(
            f"model '{model}' was trained on features that are not there: {unknown};"
            " train it again on the present catalogue"
        )
    return np.array([there.index(name) for name in wanted])


def _windows(
    samples: Samples, rows: np.ndarray, lookback: int, longest_gap: int | None
) -> np.ndarray:
    """`window_index` of the rows, without a search for those that miss no session."""
    tickers, sessions = samples.ticker_codes, samples.session_codes
    index = rows[:, None] + np.arange(1 - lookback, 1)
    first = np.maximum(index[:, 0], 0)
    # Rows of a ticker are in the order of its sessions: as many rows as sessions leave no gap.
    is_whole = (
        (index[:, 0] >= 0)
        & (tickers[first] == tickers[rows])
        & (sessions[rows] - sessions[first] == lookback - 1)
    )
    if is_whole.all():
        return index
    rest = rows[~is_whole]
    near = slice(max(0, int(rest.min()) - lookback + 1), int(rest.max()) + 1)
    found = window_index(
        tickers[near] - tickers[near][0],
        sessions[near] - sessions[near].min(),
        rest - near.start,
        lookback,
        longest_gap,
    )
    index[~is_whole] = np.where(found < 0, found, found + near.start)
    return index


def _gathered(columns: np.ndarray, index: np.ndarray) -> np.ndarray:
    """The rows of `columns` at `index`, (n,) or (n, lookback)."""
    return columns.take(index, axis=0) if index.ndim == 1 else gather(columns, index)
