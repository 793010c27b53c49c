"""The average of two models: each counts alike, whatever its units, and misses are not hidden."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from asset_predict_dagster.models.average import (
    average_forecasts,
    average_version,
    standardised,
)
from asset_predict_dagster.models.bundle import Forecasts

SESSION = np.array([0, 0, 0, 1, 1])


def one_horizon(expected, half=0.1, probabilities=None):
    expected = np.array(expected, dtype=np.float64)[:, None]
    n = len(expected)
    said = np.tile([0.2, 0.5, 0.3], (n, 1)) if probabilities is None else np.array(probabilities)
    return Forecasts(said, expected * 100, expected, expected - half, expected + half)


def test_scores_are_standardised_within_their_session():
    """Session 0 has mean 2 and variance 2/3, session 1 mean 0 and deviation 3."""
    values = np.array([[1.0], [2.0], [3.0], [-3.0], [3.0]])
    by_hand = [-np.sqrt(1.5), 0, np.sqrt(1.5), -1, 1]
    np.testing.assert_allclose(standardised(values, SESSION)[:, 0], by_hand)


def test_a_session_of_one_ticker_or_of_one_opinion_says_nothing():
    values = np.array([[0.1], [0.1], [0.1], [5.0], [7.0]])
    assert standardised(values, np.array([0, 0, 0, 1, 2]))[:, 0].tolist() == [0] * 5


def test_a_missing_value_stands_in_the_middle_and_moves_nobody():
    values = np.array([[1.0], [3.0], [np.nan], [np.nan], [np.nan]])
    assert standardised(values, SESSION)[:, 0].tolist() == [-1, 1, 0, 0, 0]


@given(
    values=arrays.arrays(np.float64, (5, 2), elements=st.integers(-100, 100)),
    unit=st.sampled_from([2.0**-20, 1.0, 2.0**20]),
    level=st.integers(-50, 50),
)
def test_neither_the_unit_nor_the_level_of_a_model_decides(values, unit, level):
    plain = standardised(values, SESSION)
    np.testing.assert_allclose(standardised((values + level) * unit, SESSION), plain, atol=1e-9)
    for day in (0, 1):
        of_day = plain[day == SESSION]
        np.testing.assert_allclose(of_day.mean(axis=0), 0, atol=1e-9)
        spread = of_day.std(axis=0)
        assert (np.isclose(spread, 1) | (spread == 0)).all()


def test_everything_but_the_order_is_a_plain_mean():
    forest = one_horizon([0.01, 0.02, 0.03, 0, 0], 0.1, np.tile([0.2, 0.5, 0.3], (5, 1)))
    lstm = one_horizon([0.03, 0.02, 0.03, 0, 0], 0.3, np.tile([0.4, 0.5, 0.1], (5, 1)))
    said = average_forecasts([forest, lstm], SESSION)
    np.testing.assert_allclose(said.probabilities[0], [0.3, 0.5, 0.2])
    np.testing.assert_allclose(said.expected_returns[:3, 0], [0.02, 0.02, 0.03])
    np.testing.assert_allclose(said.lows[0, 0], 0.02 - 0.2)
    np.testing.assert_allclose(said.highs[0, 0], 0.02 + 0.2)


def test_each_model_has_the_same_say_in_the_order():
    loud = one_horizon([-9.0, 0.0, 9.0, 0, 0])
    quiet = one_horizon([0.001, 0.0, -0.001, 0, 0])
    said = average_forecasts([loud, quiet], SESSION)
    np.testing.assert_allclose(said.scores[:, 0], 0, atol=1e-12)


ends = st.floats(-1, 1)


@given(st.lists(st.tuples(ends, ends, ends, ends, ends), min_size=1, max_size=20))
def test_what_its_interval_misses_one_of_its_parts_misses(rows):
    """So its misses are at most those of its parts together."""
    a, b, c, d, outcome = np.array(rows).T[:, :, None]
    parts = [
        Forecasts(np.ones((len(a), 3)) / 3, a, a, np.minimum(one, other), np.maximum(one, other))
        for one, other in [(a, b), (c, d)]
    ]
    said = average_forecasts(parts, np.arange(len(a)))

    def missed(part):
        return (outcome < part.lows - 1e-12) | (outcome > part.highs + 1e-12)

    assert (~missed(said) | missed(parts[0]) | missed(parts[1])).all()


@pytest.mark.parametrize(
    ("versions", "together"),
    [
        ({"random_forest": "3", "lstm": "4"}, "3+4"),
        ({"lstm": "3", "random_forest": "4"}, "4+3"),
        ({"random_forest": "walk-forward", "lstm": "walk-forward"}, "walk-forward"),
    ],
)
def test_its_version_names_both(versions, together):
    assert average_version(versions) == together
