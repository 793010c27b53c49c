"""A training row is in one sequence, with the very past that it is served with."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.models.lstm_panel import cut, lay_out, read_batch
from asset_predict_dagster_tests.models.lstm_fits import windows_of
from asset_predict_dagster_tests.models.synthetic import planted_market

HALTED = planted_market(n_tickers=4, n_sessions=70, halted=0.3)
NAMES = HALTED.samples.feature_names


def panel_of(rows, padding=30, longest_gap=10, names=NAMES, **more):
    nothing = np.zeros_like(rows)
    return lay_out(HALTED.samples, names, rows, nothing, padding, longest_gap, **more)


@given(st.integers(2, 20), st.data(), st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_every_row_counts_once_and_no_other(steps, data, longest_gap):
    warm_up = data.draw(st.integers(0, steps - 1))
    offset = data.draw(st.integers(0, steps - warm_up - 1))
    rows = HALTED.rows(20, 60) & (np.arange(HALTED.samples.n_rows) % 3 > 0)
    panel = panel_of(rows, padding=20, longest_gap=longest_gap)
    sequences = cut(panel, rows, steps, warm_up, offset)
    order = np.random.default_rng(0).permutation(len(sequences))
    batch = read_batch(panel, rows, sequences, order)

    ranks = HALTED.samples.return_ranks
    assert batch.counts.sum() == rows.sum()
    assert sorted(batch.return_ranks[:, 0].tolist()) == sorted(ranks[rows, 0].tolist())
    assert batch.features.shape == (steps, len(sequences), len(NAMES))


@pytest.mark.parametrize("longest_gap", [0, 1, 10])
def test_a_windowed_sequence_is_the_window_that_is_served(longest_gap):
    rows = HALTED.rows(5, 60)
    panel = panel_of(rows, longest_gap=longest_gap)
    sequences = cut(panel, rows, steps=8, warm_up=7)
    batch = read_batch(panel, rows, sequences, np.arange(len(sequences)))
    served = windows_of(HALTED.samples, rows, 8, longest_gap)
    scaled = panel.scaling.apply(torch.from_numpy(served)).transpose(0, 1)
    assert np.isnan(served).all(axis=2).any()  # halts are in it
    torch.testing.assert_close(batch.features, scaled, rtol=0, atol=0)
    np.testing.assert_array_equal(batch.action, HALTED.samples.action[rows])


def test_only_the_named_columns_and_horizons_are_read():
    rows = HALTED.rows(5, 60)
    whole, part = panel_of(rows), panel_of(rows, names=(NAMES[4], NAMES[1]), n_horizons=2)
    sequences, chosen = cut(whole, rows, 8, 4), np.array([3, 0])
    everything, some = (read_batch(p, rows, sequences, chosen) for p in (whole, part))
    np.testing.assert_array_equal(some.features, everything.features[..., [4, 1]])
    np.testing.assert_array_equal(some.return_ranks, everything.return_ranks[:, :2])


def test_the_samples_are_not_copied():
    panel = panel_of(HALTED.rows(5, 60))
    assert panel.features is HALTED.samples.features
    assert np.shares_memory(panel.return_ranks, HALTED.samples.return_ranks)


def test_nothing_after_the_last_label_is_read():
    rows = HALTED.rows(5, 40)
    panel = panel_of(rows)
    sequences = cut(panel, rows, steps=20, warm_up=3)
    batch = read_batch(panel, rows, sequences, np.arange(len(sequences)))
    session = sequences.start + np.arange(20)[:, None]
    assert (session > 40).any()
    assert (batch.features.numpy()[session > 40] == 0).all()
