"""A small market with a planted signal, as `Samples`: what it hides is known exactly."""

from dataclasses import dataclass

import numpy as np
import onnxruntime
from scipy.stats import norm, rankdata

from asset_predict_dagster.dataset.samples import HORIZONS, Samples
from asset_predict_dagster.models.base import ONNX_INPUT, ONNX_PROBABILITIES, ONNX_RETURN_SCORES


@dataclass(frozen=True)
class PlantedMarket:
    """`truth` is the signal behind each row's next return, shape (n_rows,)."""

    samples: Samples
    truth: np.ndarray

    def rows(self, first: int, last: int) -> np.ndarray:
        """Labelled rows of sessions first..last, a boolean mask."""
        return self.samples.is_labelled & self.samples.between(first, last)


def planted_market(
    n_tickers: int = 12,
    n_sessions: int = 300,
    n_features: int = 6,
    signal: float = 0.3,
    missing: float = 0.02,
    halted: float = 0.01,
    seed: int = 7,
) -> PlantedMarket:
    """A market whose next return correlates by `signal` with a mix of its first two features.

    The third feature is persistent and sets the size of the next return, which is what tells
    hold from move. `missing` is the share of features, and `halted` the share of rows, that
    are taken away.
    """
    random = np.random.default_rng(seed)
    shape = (n_sessions, n_tickers)
    features = _persistent(random, (*shape, n_features), memory=0.8)
    truth = (features[..., 0] - features[..., 1]) / np.sqrt(2)
    noise = random.standard_normal(shape)
    size = 0.01 * np.exp(0.4 * features[..., 2])
    next_return = size * (signal * truth + np.sqrt(1 - signal**2) * noise)

    ranks = np.full((*shape, len(HORIZONS)), np.nan, dtype=np.float32)
    for position, horizon in enumerate(HORIZONS):
        n_known = n_sessions - horizon
        total = sum(next_return[lag : lag + n_known] for lag in range(horizon))
        ranks[:n_known, :, position] = gaussian_ranks(np.asarray(total))
    action = np.where(next_return > 0.005, 0, np.where(next_return < -0.005, 2, 1))
    action[~np.isfinite(ranks).all(axis=-1)] = -1

    features[random.random(features.shape) < missing] = np.nan
    is_present = random.random(shape) >= halted
    is_present[: n_sessions // 4, -1] = False  # the last ticker is listed late
    tickers, sessions = np.nonzero(is_present.T)
    return PlantedMarket(
        samples=Samples(
            feature_names=tuple(f"feature_{number}" for number in range(n_features)),
            features=np.ascontiguousarray(features[sessions, tickers], dtype=np.float32),
            ticker_codes=tickers.astype(np.int32),
            session_codes=sessions.astype(np.int32),
            tickers=np.array([f"TICK{number:02d}" for number in range(n_tickers)]),
            sessions=np.datetime64("2015-01-01") + np.arange(n_sessions),
            volatility=size[sessions, tickers].astype(np.float32),
            in_universe=np.ones(len(tickers), dtype=bool),
            action=action[sessions, tickers].astype(np.int8),
            return_ranks=ranks[sessions, tickers],
        ),
        truth=truth[sessions, tickers],
    )


def gaussian_ranks(values: np.ndarray) -> np.ndarray:
    """Gaussian ranks within each row of `values`, shape (n_sessions, n_tickers)."""
    return norm.ppf((rankdata(values, axis=1) - 0.5) / values.shape[1])


def rank_ic(scores: np.ndarray, outcome: np.ndarray, session_codes: np.ndarray) -> float:
    """Mean, over sessions, of the rank correlation of scores with outcomes."""
    days = [session_codes == code for code in np.unique(session_codes)]
    ranks = [(rankdata(scores[day]), rankdata(outcome[day])) for day in days]
    return float(np.mean([np.corrcoef(forecast, real)[0, 1] for forecast, real in ranks]))


def run_graph(onnx: bytes, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and return scores of a graph, on one thread, as the pipeline runs it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    answers = session.run([ONNX_PROBABILITIES, ONNX_RETURN_SCORES], {ONNX_INPUT: features})
    return np.asarray(answers[0]), np.asarray(answers[1])


def _persistent(random: np.random.Generator, shape: tuple[int, ...], memory: float) -> np.ndarray:
    """Unit-variance series along the first axis, each step correlated with the one before."""
    steps = random.standard_normal(shape)
    for step in range(1, shape[0]):
        steps[step] = memory * steps[step - 1] + np.sqrt(1 - memory**2) * steps[step]
    return steps
