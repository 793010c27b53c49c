"""Calibration undoes what is known to be wrong, and promises no more than validation showed."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import log_softmax, softmax

from asset_predict_dagster.dataset.samples import HORIZONS
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.calibration import (
    COVERAGE,
    LEAST_RESIDUALS_OF_A_PATH,
    Calibration,
    fit_calibration,
)
from asset_predict_dagster.tables import PATH_HORIZONS

N_HORIZONS, N_PATHS = len(HORIZONS), len(PATH_HORIZONS)


def drawn(random, probabilities):
    """One class per row, by its probabilities."""
    return (random.random((len(probabilities), 1)) > probabilities.cumsum(axis=1)).sum(axis=1)


def log_loss(probabilities, action):
    return -np.log(np.maximum(probabilities[np.arange(len(action)), action], 1e-300)).mean()


def fold(random, n=2000):
    """What a model with some skill would say of n rows, and what happened. Volatility is 1-3 %."""
    moves = random.standard_normal((n, N_PATHS))
    volatility = random.uniform(0.01, 0.03, n)
    returns = 0.8 * moves * volatility[:, None]
    ranks = moves[:, :N_HORIZONS]
    raw = softmax(random.standard_normal((n, 3)), axis=1)
    return {
        "raw_probabilities": raw,
        "return_scores": 0.1 * ranks + 0.1 * random.standard_normal((n, N_HORIZONS)),
        "action": drawn(random, raw),
        "return_ranks": ranks,
        "tradable_returns": returns[:, :N_HORIZONS],
        "path_returns": returns,
        "volatility": volatility,
    }


@pytest.fixture
def random():
    return np.random.default_rng(0)


# --- Probabilities -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slope", "bias"),
    [(1.0, [0.0, 0.0, 0.0]), (0.5, [0.0, 0.0, 0.0]), (1.6, [-0.7, 0.0, 0.4])],
)
def test_a_known_distortion_is_found_again(random, slope, bias):
    raw = softmax(random.standard_normal((40_000, 3)), axis=1)
    truth = softmax(slope * np.log(raw) + bias, axis=1)
    given_ = fold(random, 40_000) | {"raw_probabilities": raw, "action": drawn(random, truth)}
    found = fit_calibration(**given_)
    assert found.slope == pytest.approx(slope, abs=0.05)
    assert found.bias == pytest.approx(bias, abs=0.05)
    np.testing.assert_allclose(found.probabilities(raw), truth, atol=0.02)


raw_probabilities = hnp.arrays(
    np.float32, (60, 3), elements=st.sampled_from([0.0, 1e-9, 0.01, 0.3, 1.0, 7.0])
).map(lambda weights: (weights + 1e-12) / (weights + 1e-12).sum(axis=1, keepdims=True))

actions = hnp.arrays(np.int8, 60, elements=st.integers(0, 2)).filter(lambda a: len(set(a)) > 1)


@given(raw=raw_probabilities, action=actions)
@settings(max_examples=60, deadline=None)
def test_the_log_loss_of_validation_never_gets_worse(raw, action):
    given_ = fold(np.random.default_rng(0), 60) | {"raw_probabilities": raw, "action": action}
    found = fit_calibration(**given_)
    calibrated = found.probabilities(raw)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    # The model's own probabilities, none below one in ten million.
    logs = log_softmax(np.log(np.maximum(raw.astype(np.float64), 1e-7)), axis=1)
    before = -logs[np.arange(60), action].mean()
    assert log_loss(calibrated, action) <= before + 1e-9


def test_a_certain_model_that_knows_nothing_is_made_to_say_the_prior(random):
    action = np.repeat([0, 1, 2], [200, 600, 200])
    raw = np.eye(3)[random.integers(0, 3, 1000)]
    found = fit_calibration(**(fold(random, 1000) | {"raw_probabilities": raw, "action": action}))
    np.testing.assert_allclose(
        found.probabilities(raw), np.tile([0.2, 0.6, 0.2], (1000, 1)), atol=0.05
    )


def test_an_order_turned_round_is_never_followed(random):
    """A negative slope would trade against the model: validation may silence it, no more."""
    raw = softmax(random.standard_normal((5000, 3)), axis=1)
    opposite = softmax(-2 * np.log(raw), axis=1)
    given_ = fold(random, 5000) | {"raw_probabilities": raw, "action": drawn(random, opposite)}
    assert fit_calibration(**given_).slope == 0.0


def test_one_class_cannot_be_calibrated(random):
    with pytest.raises(TrainingError, match="50 rows are all of one class"):
        fit_calibration(**(fold(random, 50) | {"action": np.ones(50, dtype=int)}))


# --- Returns -----------------------------------------------------------------------------------


def test_a_scale_is_the_slope_of_the_moves_on_the_scores(random):
    """Moves of 0.8 volatilities a rank; scores of 2 ranks and some noise."""
    given_ = fold(random)
    scores = 2 * given_["return_ranks"] + random.standard_normal((2000, N_HORIZONS))
    moves = given_["path_returns"] / given_["volatility"][:, None]
    by_hand = [
        sum(m * s for m, s in zip(moves[:, h], scores[:, h], strict=True))
        / sum(s * s for s in scores[:, h])
        for h in range(N_HORIZONS)
    ]
    assert by_hand == pytest.approx([0.8 * 2 / 5] * N_HORIZONS, rel=0.1)
    found = fit_calibration(**(given_ | {"return_scores": scores}))
    assert found.scale == pytest.approx(by_hand)


DISTORTED: dict[str, tuple[Callable, float]] = {
    "timid: no rank can be worth more than a known one": (lambda ranks: 0.1 * ranks, 0.8),
    "exactly the ranks": (lambda ranks: ranks, 0.8),
    "turned round: hardly anything, in the same order": (lambda ranks: -ranks, 0.02 * 0.8),
    "silent": (lambda ranks: 0 * ranks, 0.02 * 0.8),
}


@pytest.mark.parametrize(("distort", "scale"), DISTORTED.values(), ids=DISTORTED)
def test_a_scale_stays_within_what_a_known_rank_explains(random, distort, scale):
    given_ = fold(random)
    found = fit_calibration(**(given_ | {"return_scores": distort(given_["return_ranks"])}))
    assert found.scale == pytest.approx([scale] * N_HORIZONS)


def test_the_order_of_the_tickers_is_that_of_their_scores(random):
    """Of equal volatility, also where validation showed no skill at all."""
    given_ = fold(random)
    found = fit_calibration(**(given_ | {"return_scores": random.standard_normal((2000, 5))}))
    scores = np.sort(random.standard_normal((50, 5)), axis=0)
    assert (np.diff(found.expected_returns(scores, np.full(50, 0.02)), axis=0) > 0).all()


def test_one_crash_does_not_decide_a_scale(random):
    given_ = fold(random) | {"return_scores": random.standard_normal((2000, 5))}
    crashed = {name: given_[name].copy() for name in ("path_returns", "tradable_returns")}
    for returns in crashed.values():
        returns[0] = -38 * given_["volatility"][0]
    halved = {name: returns.copy() for name, returns in crashed.items()}
    for returns in halved.values():
        returns[0] /= 2
    assert fit_calibration(**(given_ | crashed)).scale == pytest.approx(
        fit_calibration(**(given_ | halved)).scale
    )


def test_sessions_of_one_ticker_have_no_order_and_so_no_scale(random):
    """Every rank is 0 then; a scale of nothing by nothing would make every forecast missing."""
    found = fit_calibration(**(fold(random) | {"return_ranks": np.zeros((2000, N_HORIZONS))}))
    assert found.scale == [0.0] * N_HORIZONS
    assert all(np.isfinite(found.width))


def test_ranks_that_oppose_the_moves_never_turn_the_order_round(random):
    given_ = fold(random)
    found = fit_calibration(**(given_ | {"return_ranks": -given_["return_ranks"]}))
    assert found.scale == [0.0] * N_HORIZONS


def test_an_expected_return_is_scale_times_volatility_times_score():
    calibration = Calibration(1.0, [0.0] * 3, [0.5, 1.0], [2.0, 3.0, 3.5])
    expected = calibration.expected_returns(np.array([[0.2, -0.4]]), np.array([0.02]))
    np.testing.assert_allclose(expected, [[0.002, -0.008]])
    half = calibration.half_widths(np.array([0.02]))
    np.testing.assert_allclose(half, [[0.04, 0.06, 0.07]])


# --- Intervals ---------------------------------------------------------------------------------


def test_the_width_is_the_error_that_nine_of_ten_stay_below(random):
    """19 errors of 1 to 19 volatilities: the ⌈20 × 0.9⌉ = 18th smallest."""
    moves = random.permutation(np.arange(1.0, 20.0))
    volatility = random.uniform(0.01, 0.03, 19)
    returns = np.tile((moves * volatility)[:, None], (1, N_PATHS))
    silent = np.zeros((19, N_HORIZONS))
    given_ = fold(random, 19) | {"return_scores": silent, "volatility": volatility}
    found = fit_calibration(**(given_ | {"path_returns": returns}))
    assert found.width[:N_HORIZONS] == pytest.approx([18.0] * N_HORIZONS)


@pytest.mark.parametrize("tail", [3, 30])
def test_intervals_hold_nine_of_ten_outcomes_yet_to_come(random, tail):
    """Exchangeable rows, fat tails, few of them: the promise of split-conformal intervals."""
    n, n_new, shares = 60, 500, []
    for _ in range(200):
        volatility = random.uniform(0.01, 0.05, n + n_new)
        moves = random.standard_t(tail, (n + n_new, 1)).repeat(N_PATHS, axis=1)
        returns = moves * volatility[:, None]
        silent = np.zeros((n, N_HORIZONS))
        given_ = fold(random, n) | {
            "return_scores": silent,
            "path_returns": returns[:n],
            "volatility": volatility[:n],
        }
        half = fit_calibration(**given_).half_widths(volatility[n:])
        shares.append((np.abs(returns[n:, 0]) <= half[:, 0]).mean())
    # 55 of 61 by the theory; the standard error of 200 folds is about .0015.
    assert np.mean(shares) == pytest.approx(55 / 61, abs=0.006)
    assert COVERAGE <= 55 / 61


@given(seed=st.integers(0, 1000), n=st.integers(9, 80))
@settings(max_examples=40, deadline=None)
def test_at_least_nine_of_ten_outcomes_of_validation_lie_inside(seed, n):
    given_ = fold(np.random.default_rng(seed), n)
    given_["action"][:2] = [0, 1]
    found = fit_calibration(**given_)
    expected = found.expected_returns(given_["return_scores"], given_["volatility"])
    half = found.half_widths(given_["volatility"])[:, :N_HORIZONS]
    inside = np.abs(given_["path_returns"][:, :N_HORIZONS] - expected) <= half * (1 + 1e-9)
    assert (inside.sum(axis=0) >= COVERAGE * n).all()


# --- Paths -------------------------------------------------------------------------------------


def silent_fold(random, moves):
    """A fold of a model without opinion, at one volatility of 1: residuals are the moves."""
    n = len(moves)
    return fold(random, n) | {
        "return_scores": np.zeros((n, N_HORIZONS)),
        "path_returns": moves,
        "volatility": np.ones(n),
    }


def test_beyond_the_scores_the_residual_is_that_of_the_last_expected_return(random):
    """Scores that know the return of five sessions, which then stays as it is: no residual."""
    given_ = fold(random)
    held = given_["path_returns"].copy()
    held[:, N_HORIZONS:] = held[:, [N_HORIZONS - 1]]
    found = fit_calibration(
        **(given_ | {"return_scores": given_["return_ranks"], "path_returns": held})
    )
    assert found.width == pytest.approx([0.0] * N_PATHS, abs=1e-9)


def test_each_horizon_has_the_width_of_its_own_residuals(random):
    steps = random.standard_normal((4000, N_PATHS)).cumsum(axis=1)
    found = fit_calibration(**silent_fold(random, steps))
    # 90 % of a Gaussian lie within 1.645 deviations.
    by_theory = 1.645 * np.sqrt(PATH_HORIZONS)
    assert found.width == pytest.approx(by_theory, rel=0.07)


def test_a_later_interval_is_never_narrower(random):
    """Residuals of 1 at every horizon but the third, where they are 4."""
    moves = np.ones((200, N_PATHS))
    moves[:, 2] = 4.0
    found = fit_calibration(**silent_fold(random, moves))
    assert found.width == [1.0, 1.0] + [4.0] * (N_PATHS - 2)


few = LEAST_RESIDUALS_OF_A_PATH - 1


@given(
    moves=hnp.arrays(np.float64, (few, N_PATHS), elements=st.floats(-9, 9)),
    n_unknown=hnp.arrays(np.int64, N_PATHS - N_HORIZONS, elements=st.integers(0, few)),
)
@settings(max_examples=40, deadline=None)
def test_widths_never_shrink_whatever_is_known(moves, n_unknown):
    for column, n in zip(moves.T[N_HORIZONS:], n_unknown, strict=True):
        column[:n] = np.nan
    given_ = silent_fold(np.random.default_rng(0), moves)
    width = np.array(fit_calibration(**given_).width)
    assert np.isfinite(width).all() and (np.diff(width) >= 0).all()


@pytest.mark.parametrize(
    ("n_known", "width_at_20"),
    [(LEAST_RESIDUALS_OF_A_PATH, 3.0), (LEAST_RESIDUALS_OF_A_PATH - 1, 2.0 * np.sqrt(20 / 19))],
)
def test_with_too_few_residuals_a_width_grows_as_a_random_walk_does(random, n_known, width_at_20):
    """Residuals of 2, and of 3 from the 20th session on, which only some rows have lived to."""
    moves = np.full((300, N_PATHS), 2.0)
    moves[:, 19:] = 3.0
    moves[n_known:, 19:] = np.nan
    found = fit_calibration(**silent_fold(random, moves))
    assert found.width[18] == 2.0
    assert found.width[19] == pytest.approx(width_at_20)
    if n_known < LEAST_RESIDUALS_OF_A_PATH:
        assert found.width[29] == pytest.approx(2.0 * np.sqrt(30 / 19))


@pytest.mark.parametrize(("n_known", "is_enough"), [(9, True), (8, False)])
def test_nine_outcomes_are_the_fewest_of_which_nine_in_ten_can_be_told(random, n_known, is_enough):
    moves = random.standard_normal((40, N_PATHS))
    moves[n_known:, 2:] = np.nan
    if is_enough:
        found = fit_calibration(**silent_fold(random, moves))
        assert found.width[2] == max(found.width[1], np.abs(moves[:9, 2]).max())
    else:
        with pytest.raises(TrainingError, match="knows the outcome of 8 forecasts 3 sessions"):
            fit_calibration(**silent_fold(random, moves))


def test_an_outcome_that_may_not_be_read_decides_nothing(random):
    """The first 500 rows may not say what came after their third session."""
    steps = random.standard_normal((2000, N_PATHS)).cumsum(axis=1)
    unread = steps.copy()
    unread[:500, 3:] = np.nan
    found = fit_calibration(**silent_fold(random, unread)).width
    assert found[:3] == fit_calibration(**silent_fold(random, steps)).width[:3]
    assert found[3:] == fit_calibration(**silent_fold(random, steps[500:])).width[3:]


def test_a_scale_is_of_the_rows_whose_outcome_may_be_read(random):
    given_ = fold(random)
    unread = given_["path_returns"].copy()
    unread[:500, 3:] = np.nan
    found = fit_calibration(**(given_ | {"path_returns": unread})).scale
    assert found[:3] == fit_calibration(**given_).scale[:3]
    rest = {name: values[500:] for name, values in given_.items()}
    assert found[3:] == pytest.approx(fit_calibration(**rest).scale[3:])


def test_a_model_without_opinion_of_some_rows_is_scaled_by_the_others(random):
    given_ = fold(random)
    scores = given_["return_scores"].copy()
    scores[::2] = np.nan
    half = {name: values[1::2] for name, values in given_.items()}
    silenced = fit_calibration(**(given_ | {"return_scores": scores}))
    # The bound of a scale is that of all rows, which here binds neither.
    assert silenced.scale == pytest.approx(fit_calibration(**half).scale)
    assert silenced.width == pytest.approx(fit_calibration(**half).width)
    expected = silenced.expected_returns(scores, given_["volatility"])
    assert np.isnan(expected[::2]).all() and np.isfinite(expected[1::2]).all()


def test_a_ticker_without_volatility_is_left_out_of_scales_and_widths(random):
    given_ = fold(random)
    flat = {
        "volatility": np.append(given_["volatility"], 0.0),
        "path_returns": np.vstack([given_["path_returns"], np.full(N_PATHS, 9.9)]),
        "tradable_returns": np.vstack([given_["tradable_returns"], np.full(5, 9.9)]),
        "return_scores": np.vstack([given_["return_scores"], np.full(5, 9.9)]),
        "return_ranks": np.vstack([given_["return_ranks"], np.full(5, 9.9)]),
        "raw_probabilities": np.vstack([given_["raw_probabilities"], [0.2, 0.6, 0.2]]),
        "action": np.append(given_["action"], 1),
    }
    with_flat, without = fit_calibration(**flat), fit_calibration(**given_)
    assert (with_flat.scale, with_flat.width) == (without.scale, without.width)


def test_a_card_gives_the_same_calibration_back(random):
    found = fit_calibration(**fold(random))
    assert Calibration(**json.loads(json.dumps(found.as_card()))) == found
