"""How unlike two samples are: worked out by hand, and beside the exact distance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.predictions.population_stability import (
    count_by_session,
    ks_distance,
    ks_p_values,
    population_stability,
    quantile_edges,
)

HUNDRED = np.arange(1.0, 101.0)
samples = st.lists(st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float), min_size=1, max_size=80)


def counted(values, edges) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return count_by_session(values, np.zeros(len(values), int), 1, edges)[0]


def psi(current, reference) -> float:
    edges = quantile_edges(np.asarray(reference, dtype=float))
    return float(population_stability(counted(current, edges), counted(reference, edges), edges))


def distance(current, reference) -> float:
    edges = quantile_edges(np.asarray(reference, dtype=float))
    return float(ks_distance(counted(current, edges), counted(reference, edges)))


def test_a_reference_is_like_itself():
    assert psi(HUNDRED, HUNDRED) == 0.0
    assert distance(HUNDRED, HUNDRED) == 0.0


def test_a_fifth_in_the_lowest_tenth_and_none_in_the_highest():
    # 20 of 100 in the first bin, 10 in each of the next eight, the last is empty: half a row.
    current = np.r_[np.full(10, 3.0), HUNDRED[:90]]
    expected = 0.1 * np.log(2) + (0.1 - 0.005) * np.log(0.1 / 0.005)
    assert psi(current, HUNDRED) == pytest.approx(expected)


def test_what_lies_outside_the_reference_is_in_its_outer_bins():
    far = np.where(HUNDRED > 90, 1e9, np.where(HUNDRED <= 10, -1e9, HUNDRED))
    assert psi(far, HUNDRED) == pytest.approx(0.0)
    assert psi(far * 10, HUNDRED) > 1


def test_a_column_that_vanishes_is_no_stable_one():
    assert psi(np.full(100, np.nan), HUNDRED) > 5
    half_missing = np.where(np.arange(100) % 2, HUNDRED, np.nan)
    assert psi(half_missing, HUNDRED) > 1
    assert distance(half_missing, HUNDRED) < 0.02  # what is left is as it was


def test_a_column_of_one_value_has_drifted_when_it_has_another():
    assert psi([5.0] * 50, [5.0] * 100) == 0.0
    assert psi([6.0] * 50, [5.0] * 100) > 5
    assert distance([6.0] * 50, [5.0] * 100) == 1.0


def test_of_nothing_there_is_no_measure():
    assert np.isnan(psi([], HUNDRED))
    assert np.isnan(distance([np.nan], HUNDRED))


@given(samples, samples)
def test_the_distance_falls_short_of_the_exact_one_by_a_cell_at_most(current, reference):
    edges = quantile_edges(np.array(reference))
    cells = counted(reference, edges)
    found = distance(current, reference)
    exact = max(
        abs(np.mean(np.array(current) <= value) - np.mean(np.array(reference) <= value))
        for value in (*current, *reference)
    )
    assert found <= exact + 1e-9
    assert exact <= found + cells.max() / cells.sum() + 1e-9


@given(samples, samples)
def test_each_sessions_counts_are_those_of_a_plain_loop(current, reference):
    edges = quantile_edges(np.array(reference))
    codes = np.arange(len(current)) % 3
    counts = count_by_session(np.array(current), codes, 3, edges)
    for session in range(3):
        plain = [0] * counts.shape[1]
        for value, code in zip(current, codes, strict=True):
            if code == session:
                plain[sum(value > edge for edge in edges.cells)] += 1
        assert counts[session].tolist() == plain


def test_holm_multiplies_by_how_many_hypotheses_are_left():
    # Of three: the smallest p-value × 3, the next × 2, the last × 1; never decreasing.
    n = np.full(3, 200)
    alone = [float(ks_p_values(np.array([d]), n[:1], n[:1])[0]) for d in (0.2, 0.15, 0.05)]
    together = ks_p_values(np.array([0.15, 0.2, 0.05]), n, n)
    assert together.tolist() == pytest.approx([2 * alone[1], 3 * alone[0], alone[2]])


def test_a_missing_distance_counts_for_nothing():
    n = np.full(2, 200)
    found = ks_p_values(np.array([np.nan, 0.15]), n, n)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(ks_p_values(np.array([0.15]), n[:1], n[:1])[0])
