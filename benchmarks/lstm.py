"""The LSTM: to one validation loss beside one window per sample, its memory, and its serving."""

import time
from dataclasses import dataclass

import numpy as np

from asset_predict_dagster.dataset.samples import HORIZONS, Samples
from asset_predict_dagster.dataset.windows import gather, window_index
from asset_predict_dagster.models.base import ONNX_INPUT
from asset_predict_dagster.models.lstm_settings import LstmSettings
from benchmarks.timing import peak_megabytes_of_process

N_FEATURES = 17
RATES = (1e-3, 5e-3, 2e-2)
SEEDS = (42, 43, 44)
LONGEST_GAP = 10
WINDOWS_PER_STEP = 256


def market(n_tickers: int, n_sessions: int, n_features: int = N_FEATURES) -> Samples:
    """Samples whose return ranks follow a feature's mean of five sessions, by a correlation of .1.

    A second feature says how likely a move is. Nothing is missing, all are labelled.
    """
    random = np.random.default_rng(0)
    n_rows = n_tickers * n_sessions
    features = random.standard_normal((n_rows, n_features), dtype=np.float32)
    ranks = random.standard_normal((n_rows, len(HORIZONS)), dtype=np.float32)
    mean = np.convolve(features[:, 0], np.full(5, 5**-0.5, dtype=np.float32))[:n_rows]
    ranks += 0.1 * mean[:, None]
    is_move = np.abs(ranks[:, 0]) * np.exp(0.3 * features[:, 1]) > 0.5
    return Samples(
        feature_names=tuple(f"feature_{number}" for number in range(n_features)),
        features=features,
        ticker_codes=np.repeat(np.arange(n_tickers, dtype=np.int32), n_sessions),
        session_codes=np.tile(np.arange(n_sessions, dtype=np.int32), n_tickers),
        tickers=np.array([f"T{number:03d}3" for number in range(n_tickers)]),
        sessions=np.datetime64("2004-01-02") + np.arange(n_sessions),
        volatility=np.full(n_rows, 0.02, dtype=np.float32),
        in_universe=np.ones(n_rows, dtype=bool),
        action=np.where(is_move, np.where(ranks[:, 0] > 0, 0, 2), 1).astype(np.int8),
        return_ranks=ranks,
    )


@dataclass
class Course:
    """CPU seconds of training so far, and the validation loss then; validation costs nothing."""

    seconds: list[float]
    losses: list[float]

    def until(self, loss: float) -> float:
        """Seconds until the loss was first reached; infinite if never."""
        reached = np.array(self.losses) <= loss
        return self.seconds[int(reached.argmax())] if reached.any() else np.inf


def by_blocks(samples: Samples, train: np.ndarray, validation: np.ndarray, rate: float, seed: int):
    """Ours: many-to-many over blocks, read by index."""
    import torch

    from asset_predict_dagster.models import lstm_training
    from asset_predict_dagster.models.lstm_device import repeatable
    from asset_predict_dagster.models.lstm_panel import lay_out
    from asset_predict_dagster.models.lstm_state import NetworkInTraining

    knobs = LstmSettings(learning_rate=rate, oversample=False, batch_size=64, epochs=10)
    device, ones, course = torch.device("cpu"), torch.ones(3), Course([], [])
    with repeatable(seed, 1, device):
        started = time.process_time()
        panel = lay_out(samples, samples.feature_names, train, validation, 64, LONGEST_GAP)
        training = NetworkInTraining(panel.scaling, knobs, seed, None, device)
        for _ in range(knobs.epochs):
            lstm_training.train_epoch(training, panel, ones)
            course.seconds.append(time.process_time() - started)
            course.losses.append(lstm_training.mean_validation_loss(training, panel, ones))
            started = time.process_time() - course.seconds[-1]
    return course


def by_windows(samples: Samples, train: np.ndarray, validation: np.ndarray, rate: float, seed: int):
    """One window per sample: sequences made beforehand, dealt by a DataLoader, batches whole.

    The same network, losses and optimiser; validated four times an epoch.
    """
    import torch
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

    from asset_predict_dagster.models import lstm_training
    from asset_predict_dagster.models.lstm_device import repeatable
    from asset_predict_dagster.models.lstm_panel import Batch, lay_out
    from asset_predict_dagster.models.lstm_state import NetworkInTraining

    knobs = LstmSettings(learning_rate=rate, oversample=False, epochs=3)
    device, ones, course = torch.device("cpu"), torch.ones(3), Course([], [])
    with repeatable(seed, 1, device):
        # For the same validation; what it costs to lay out is not counted here.
        panel = lay_out(samples, samples.feature_names, train, validation, 64, LONGEST_GAP)
        started = time.process_time()
        training = NetworkInTraining(panel.scaling, knobs, seed, None, device)
        network, optimiser = training.network, training.optimiser
        codes = samples.ticker_codes, samples.session_codes
        index = window_index(*codes, train, knobs.lookback, LONGEST_GAP)
        windows = panel.scaling.apply(torch.from_numpy(gather(samples.features, index)))
        labels = torch.from_numpy(samples.action[train]).long()
        dataset = TensorDataset(windows, labels, torch.from_numpy(samples.return_ranks[train]))
        sampler = BatchSampler(RandomSampler(dataset), WINDOWS_PER_STEP, drop_last=False)
        loader = DataLoader(dataset, sampler=sampler, batch_size=None)
        for _ in range(knobs.epochs):
            for step, (window, action, ranks) in enumerate(loader):
                network.train()
                counts = torch.ones(1, len(window), dtype=torch.bool)
                batch = Batch(window.transpose(0, 1), counts, action, ranks)
                losses = lstm_training.head_losses(network, batch, ones, knobs)
                optimiser.zero_grad()
                training.task_weights(losses).backward()
                torch.nn.utils.clip_grad_norm_(training.parameters, knobs.gradient_clip_norm)
                optimiser.step()
                if (step + 1) % (len(loader) // 4) == 0:
                    course.seconds.append(time.process_time() - started)
                    course.losses.append(lstm_training.mean_validation_loss(training, panel, ones))
                    started = time.process_time() - course.seconds[-1]
    return course


def compare(samples: Samples, train: np.ndarray, validation: np.ndarray) -> str:
    """Each way at the rate that serves it best, to the loss that both reach with every seed."""
    courses = {
        way: {
            rate: [way(samples, train, validation, rate, seed) for seed in SEEDS] for rate in RATES
        }
        for way in (by_blocks, by_windows)
    }
    best = [
        min(max(min(course.losses) for course in seeds) for seeds in rates.values())
        for rates in courses.values()
    ]
    loss = max(best)
    ours, theirs = (
        min(
            (float(np.mean([course.until(loss) for course in seeds])), rate)
            for rate, seeds in rates.items()
        )
        for rates in courses.values()
    )
    return (
        f"lstm, one seed, to a validation loss of {loss:.4f} on {int(train.sum()):,} rows:"
        f" {ours[0]:.2f} CPU s (rate {ours[1]:g}), one window per sample through a DataLoader"
        f" {theirs[0]:.2f} (rate {theirs[1]:g}): {theirs[0] / ours[0]:.1f} times as long;"
        f" best of either {best[0]:.4f} and {best[1]:.4f}"
    )


def fit_once(samples: Samples) -> None:
    """One epoch over all rows but the last hundred sessions, which validate."""
    from asset_predict_dagster.models.lstm_learner import LstmLearner

    is_late = samples.session_codes >= len(samples.sessions) - 100
    settings = LstmSettings(epochs=1, n_seeds=1)
    LstmLearner(samples.feature_names, settings).fit(samples, ~is_late, is_late)


def memory(n_features: int) -> str:
    made = (
        "import torch, onnx; from benchmarks.lstm import *;"
        " from asset_predict_dagster.models import lstm_training, lstm_learner;"
        # a first step of the optimiser imports half of torch
        " torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))]).step();"
        f" fit_once(market(2, 300)); table = market(400, 2500, {n_features})"
    )
    before = peak_megabytes_of_process(made)
    peak = peak_megabytes_of_process(f"{made}; fit_once(table)")
    return (
        f"lstm: training on 1,000,000 rows of {n_features} features takes {peak - before:,.0f} MB"
        f" above imports and the table, {before:,.0f} MB"
    )


def serving(n_features: int, units: int, n_seeds: int) -> str:
    """One prediction at a time, and as many as come, through the graph on one thread."""
    import onnxruntime
    import torch

    from asset_predict_dagster.models.lstm import Scaling, StockLstm
    from asset_predict_dagster.models.lstm_graph import lstm_graph

    scaling = Scaling(torch.zeros(n_features), torch.ones(n_features))
    networks = [StockLstm(scaling, units, 1, 0.0, len(HORIZONS)) for _ in range(n_seeds)]
    weights = [
        {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        for network in networks
    ]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        lstm_graph(weights, 32, 5.0), options, providers=["CPUExecutionProvider"]
    )
    windows = np.random.default_rng(0).standard_normal((1_024, 32, n_features), dtype=np.float32)
    times = []
    for _ in range(2_000):
        started = time.perf_counter()
        session.run(None, {ONNX_INPUT: windows[:1]})
        times.append(time.perf_counter() - started)
    many = []
    for _ in range(10):
        started = time.process_time()
        session.run(None, {ONNX_INPUT: windows})
        many.append(time.process_time() - started)
    return (
        f"lstm: a window of 32 sessions x {n_features} features, {n_seeds} seeds of {units} units:"
        f" p50 {np.median(times) * 1e3:.3f} ms, {len(windows) / min(many):,.0f} windows per CPU s"
    )


def run() -> str:
    samples = market(60, 1_000)
    train = samples.between(0, 699)
    lines = [compare(samples, train, samples.between(706, 999))]
    lines += [memory(n_features) for n_features in (17, 60)]
    lines += [serving(n_features, 32, 3) for n_features in (17, 25, 60)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(run())
