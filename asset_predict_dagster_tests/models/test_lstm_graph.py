"""The graph that is served is the network that was trained, on any window."""

import numpy as np
import onnxruntime
import pytest
import torch

from asset_predict_dagster.dataset.windows import gather, window_index
from asset_predict_dagster.models.lstm import forecast, load_networks
from asset_predict_dagster.models.lstm_device import torch_threads
from asset_predict_dagster.models.lstm_panel import cut, lay_out, read_batch
from asset_predict_dagster_tests.models.lstm_fits import (
    fit,
    train_rows,
    usual_market,
    windows_of,
)
from asset_predict_dagster_tests.models.synthetic import run_graph


@pytest.fixture(scope="module")
def market():
    return usual_market()


@pytest.mark.parametrize("knobs", [{}, {"num_layers": 2}, {"n_seeds": 3}])
def test_the_graph_equals_the_native_networks(market, knobs):
    """Halts, missing values, absurd values and windows with no past included."""
    trained = fit(market, epochs=1, **knobs)
    windows = windows_of(market.samples, market.rows(0, 300), lookback=8)
    windows[0, :, 0], windows[1, :, 1], windows[2] = np.inf, -1e30, np.nan
    assert np.isnan(windows).any()

    probabilities, scores = run_graph(trained.onnx, windows)
    native = forecast(load_networks(trained.native), windows)
    np.testing.assert_allclose(probabilities, native[0], atol=1e-5, rtol=0)
    np.testing.assert_allclose(scores, native[1], atol=1e-5, rtol=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("longest_gap", [0, 10])
def test_what_is_served_is_what_was_trained(market, longest_gap):
    """A sequence of the panel that begins where a window begins ends in the window's answer."""
    [network] = load_networks(fit(market, epochs=1).native)
    samples, lookback = market.samples, 8
    today = market.rows(220, 220)
    codes = samples.ticker_codes, samples.session_codes
    index = window_index(*codes, today, lookback, longest_gap)
    is_cut = (index != window_index(*codes, today, lookback)).any()
    assert is_cut == (longest_gap == 0)  # some ticker was halted lately, for a session
    _, served = forecast([network], gather(samples.features, index))

    train = train_rows(market)
    panel = lay_out(samples, samples.feature_names, train, today, lookback, longest_gap)
    sequences = cut(panel, panel.validation, steps=lookback, warm_up=lookback - 1)
    batch = read_batch(panel, panel.validation, sequences, np.arange(len(sequences)))
    with torch.no_grad():
        _, scores = network.every_step(batch.features)
    np.testing.assert_allclose(served, scores[-1], atol=1e-6)
    np.testing.assert_array_equal(batch.return_ranks, samples.return_ranks[today])


def test_what_the_learner_hands_over_forecasts_like_the_file(market):
    trained = fit(market, epochs=1, n_seeds=2)
    windows = windows_of(market.samples, market.rows(0, 300), lookback=8)
    handed_over = trained.native_forecast(windows)
    from_file = forecast(load_networks(trained.native), windows)
    for ours, theirs in zip(handed_over, from_file, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_native_forecast_takes_one_thread_and_gives_the_others_back():
    seen = []

    class Onlooker:
        def eval(self):
            return self

        def __call__(self, windows):
            seen.append(torch.get_num_threads())
            return torch.zeros(len(windows), 3), torch.zeros(len(windows), 5)

    with torch_threads(2):
        forecast([Onlooker()], np.zeros((5, 8, 6), dtype=np.float32))  # type: ignore[list-item]
        assert torch.get_num_threads() == 2
    assert seen == [1]


def test_fewer_horizons_are_a_narrower_head(market):
    trained = fit(market, epochs=1, horizons=2)
    _, scores = trained.native_forecast(windows_of(market.samples, market.rows(220, 220), 8))
    outputs = onnxruntime.InferenceSession(trained.onnx).get_outputs()
    assert scores.shape[1] == 2
    assert [output.shape for output in outputs] == [["n", 3], ["n", 2]]


def test_the_scaling_handed_over_is_the_one_inside(market):
    trained = fit(market, epochs=1)
    [network] = load_networks(trained.native)
    assert trained.scaling is not None
    assert trained.scaling.centre.tolist() == network.centre.tolist()
    assert trained.scaling.scale.tolist() == network.scale.tolist()
