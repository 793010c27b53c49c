"""A feature is worth what forecasts lose without it, and noise is worth nothing."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.models.importance import (
    COLUMNS,
    _months_dealt,
    permutation_importance,
)
from asset_predict_dagster_tests.models.synthetic import gaussian_ranks, planted_market

SIGNAL, SIZE, NOISE, STATE = range(4)
NAMES = ("signal", "size", "noise", "market_state")


def one_market(n_tickers: int = 10, n_sessions: int = 400, seed: int = 1):
    """Returns follow `signal`; moves are large where `size` and `market_state` are."""
    samples = planted_market(n_tickers, n_sessions, 4, missing=0, halted=0, seed=seed).samples
    random = np.random.default_rng(seed)
    features = random.standard_normal((samples.n_rows, 4)).astype(np.float32)
    by_session = random.standard_normal(n_sessions).repeat(5)[:n_sessions]
    features[:, STATE] = by_session[samples.session_codes]
    size = np.exp(features[:, SIZE] + features[:, STATE])
    returns = size * (features[:, SIGNAL] + random.standard_normal(samples.n_rows))
    action = np.where(returns > 1, 0, np.where(returns < -1, 2, 1)).astype(np.int8)
    # NaN sorts last and ranks last: sessions with fewer tickers still have an order.
    grid = np.full((n_sessions, n_tickers), np.nan)
    grid[samples.session_codes, samples.ticker_codes] = returns
    ranks = np.repeat(gaussian_ranks(np.nan_to_num(grid, nan=99))[..., None], 5, axis=2)
    return dataclasses.replace(
        samples,
        feature_names=NAMES,
        features=features,
        action=action,
        return_ranks=ranks[samples.session_codes, samples.ticker_codes].astype(np.float32),
    )


def knowing(samples, rows):
    """A model that reads the noise as seriously as the rest."""
    given = samples.features[rows].astype(np.float64)
    size = given[:, SIZE] + given[:, STATE]
    move = 1 / (1 + np.exp(-size))
    up = 1 / (1 + np.exp(-given[:, SIGNAL] - 0.3 * given[:, NOISE]))
    probabilities = np.stack([move * up, 1 - move, move * (1 - up)], axis=1)
    return probabilities, (given[:, SIGNAL] + 0.3 * given[:, NOISE])[:, None].repeat(5, axis=1)


def reading_the_past(samples, rows):
    """A model whose only score is the signal of the session before."""
    past = np.maximum(rows - 1, 0)
    score = samples.features[past, SIGNAL][:, None].repeat(5, axis=1)
    return np.full((len(rows), 3), 1 / 3), score


@pytest.fixture(scope="module")
def samples():
    return one_market()


def importance(samples, run=knowing, rows=None, **options):
    rows = samples.between(100, 399) if rows is None else rows
    return permutation_importance(run, samples, rows, seed=3, **options).set_index("feature")


def test_what_matters_is_told_from_noise(samples):
    found = importance(samples)
    assert found.loc["signal", "rank_ic_low"] > 0.2
    assert found.loc["signal", "log_loss_low"] > 0.05
    assert found.loc["size", "log_loss_low"] > 0.05
    assert found.loc["market_state", "log_loss_low"] > 0.05


def test_the_intervals_of_noise_hold_zero_about_as_often_as_they_say():
    """It makes the model worse, and worse by as much wherever its values go."""
    holds = np.array(
        [
            [row["log_loss_low"] <= 0 <= row["log_loss_high"], row["rank_ic_low"] <= 0]
            for seed in range(40)
            for row in [importance(one_market(6, 160, seed), features=("noise",)).loc["noise"]]
        ]
    )
    assert holds.mean() > 0.85


def test_a_feature_of_the_market_orders_no_tickers(samples):
    found = importance(samples).loc["market_state"]
    assert found["rank_ic_decrease"] == found["rank_ic_low"] == found["rank_ic_high"] == 0


def test_a_feature_that_is_not_read_has_exactly_nothing(samples):
    found = importance(samples, run=reading_the_past, features=("noise", "size"))
    assert (found.to_numpy() == 0).all()


def test_the_past_of_a_window_is_permuted_as_well():
    """The signal of the session before orders today, and nothing of today is read."""
    samples = one_market()
    past = np.maximum(np.arange(samples.n_rows) - 1, 0)
    ranks = samples.features[past, SIGNAL][:, None].repeat(5, axis=1)
    samples = dataclasses.replace(samples, return_ranks=ranks)
    found = importance(samples, run=reading_the_past)
    assert found.loc["signal", "rank_ic_decrease"] == pytest.approx(1, abs=0.1)


def test_values_stay_in_their_session_and_on_their_side_of_the_universe(samples):
    random = np.random.default_rng(0)
    samples = dataclasses.replace(samples, in_universe=random.random(samples.n_rows) < 0.7)
    seen = []

    def watching(given, rows):
        seen.append(given.features.copy())
        return knowing(given, rows)

    importance(samples, run=watching, features=("signal",), n_repeats=2)
    before, *after = seen
    assert len(after) == 2 and not np.array_equal(after[0], after[1])
    for changed in after:
        assert not np.array_equal(changed[:, SIGNAL], before[:, SIGNAL])
        np.testing.assert_array_equal(changed[:, SIZE:], before[:, SIZE:])
        for session in range(0, 400, 50):
            for side in (True, False):
                group = (samples.session_codes == session) & (samples.in_universe == side)
                np.testing.assert_array_equal(
                    np.sort(changed[group, SIGNAL]), np.sort(before[group, SIGNAL])
                )


def markets_of(samples, rows, **options):
    """A value of the market's feature for each session: as it is, and as each repeat has it."""
    seen = []
    _, first = np.unique(samples.session_codes, return_index=True)

    def watching(given, asked):
        seen.append(given.features[first, STATE].copy())
        return knowing(given, asked)

    importance(samples, run=watching, rows=rows, features=("market_state",), **options)
    return seen


def test_the_market_s_months_change_places_whole_and_only_among_what_forecasts_read(samples):
    """Sessions 50 to 259 are ten months; 20 of the first's belong to a window's past."""
    before, after = markets_of(samples, samples.between(70, 259), lookback=21, n_repeats=1)
    for untouched in (slice(0, 50), slice(260, None)):
        np.testing.assert_array_equal(after[untouched], before[untouched])
    months = before[50:260].reshape(10, 21), after[50:260].reshape(10, 21)
    assert sorted(map(tuple, months[1])) == sorted(map(tuple, months[0]))
    assert not np.array_equal(*months)


def test_where_the_market_is_not_known_it_stays_so_and_everything_known_keeps_its_worth(samples):
    """The warm-up of a feature never reaches the sessions that have it."""
    features = samples.features.copy()
    is_missing = np.isin(samples.session_codes, [*range(110), 200, 201, 333])
    features[is_missing, STATE] = np.nan
    samples = dataclasses.replace(samples, features=features)
    before, *after = markets_of(samples, samples.between(100, 399))
    assert len(after) == 3
    for changed in after:
        np.testing.assert_array_equal(np.isnan(changed), np.isnan(before))
        np.testing.assert_array_equal(np.sort(changed[100:]), np.sort(before[100:]))
        assert not np.array_equal(changed, before, equal_nan=True)


def test_a_model_that_leans_on_holes_finds_none_by_permutation(samples):
    """It says nonsense where the market is missing, which in the sessions asked it never is."""
    features = samples.features.copy()
    features[samples.session_codes < 100, STATE] = np.nan
    samples = dataclasses.replace(samples, features=features)

    def fragile(given, rows):
        probabilities, scores = knowing(given, rows)
        is_hole = np.isnan(given.features[rows, STATE])
        probabilities[is_hole] = [0.998, 0.001, 0.001]
        assert not is_hole.any()
        return probabilities, scores

    assert importance(samples, run=fragile).loc["market_state", "log_loss_low"] > 0.05


@given(n_sessions=st.integers(0, 300), seed=st.integers(0, 9))
def test_sessions_are_dealt_each_once_and_in_runs(n_sessions, seed):
    order = _months_dealt(n_sessions, np.random.default_rng(seed))
    assert sorted(order) == list(range(n_sessions))
    n_blocks = -(-n_sessions // 21) if n_sessions >= 105 else min(n_sessions, 9)
    assert (np.diff(order) != 1).sum() < max(n_blocks, 1)


def test_of_few_sessions_too_most_change_places(samples):
    before, after = markets_of(samples, samples.between(100, 119), n_repeats=1)
    assert (after != before)[100:120].mean() > 0.5


def test_a_feature_s_places_do_not_depend_on_the_others_asked_about(samples):
    alone = importance(samples, features=("market_state",))
    pd.testing.assert_frame_equal(alone, importance(samples).loc[["market_state"]])


def test_the_samples_are_left_as_they_were(samples):
    features = samples.features.copy()
    importance(samples, n_repeats=1)
    np.testing.assert_array_equal(samples.features, features)


def test_sessions_are_spaced_evenly(samples):
    asked = []

    def watching(given, rows):
        asked.append(np.unique(given.session_codes[rows]))
        return knowing(given, rows)

    importance(samples, run=watching, features=("noise",), n_sessions=4, n_repeats=1)
    assert asked[0].tolist() == [100, 200, 299, 399]
    importance(samples, run=watching, rows=samples.between(0, 9), features=("noise",), n_repeats=1)
    assert asked[-1].tolist() == list(range(10))


def test_rows_may_be_a_mask_or_positions_and_a_seed_gives_one_table(samples):
    mask = samples.between(100, 399)
    by_mask = importance(samples, rows=mask, n_repeats=1)
    by_position = importance(samples, rows=np.flatnonzero(mask), n_repeats=1)
    assert by_mask.equals(by_position)
    assert (*by_mask.reset_index().columns,) == COLUMNS
    assert by_mask["log_loss_increase"].is_monotonic_decreasing


def test_a_score_that_is_missing_orders_nothing_and_spoils_nothing(samples):
    def silent(given, rows, share):
        probabilities, scores = knowing(given, rows)
        scores[np.random.default_rng(0).random(len(rows)) < share] = np.nan
        return probabilities, scores

    none = importance(samples, run=lambda *given: silent(*given, 1.0), n_repeats=1)
    assert (none["rank_ic_decrease"] == 0).all()
    assert none.loc["signal", "log_loss_increase"] > 0
    half = importance(samples, run=lambda *given: silent(*given, 0.5), n_repeats=1)
    assert half.loc["signal", "rank_ic_low"] > 0.1
