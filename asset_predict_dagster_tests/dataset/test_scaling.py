"""Scaling knows the training rows alone, does not mind outliers, and is the LSTM's own."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.scaling import RobustScaling, fit_scalings
from asset_predict_dagster.dataset.splits import role_mask, temporal_split
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.tables import SCALINGS

SESSIONS = sessions_between(date(2019, 1, 1), date(2020, 12, 31))[:400]


def column(*values):
    return np.array(values, dtype=np.float32)[:, None]


def test_the_median_becomes_zero_and_the_middle_half_as_wide_as_a_gaussians():
    """Of 1 to 5 the quartiles are 2, 3 and 4."""
    scaling = RobustScaling.fit(column(1, 2, 3, 4, 5))
    assert scaling.centre.tolist() == [3.0]
    assert scaling.scale.tolist() == pytest.approx([2 / 1.349])


@pytest.mark.parametrize("absurd", [1e6, -1e6])
def test_one_absurd_value_among_many_hardly_matters(absurd):
    values = np.linspace(-2, 2, 1000, dtype=np.float32)[:, None]
    honest = RobustScaling.fit(values)
    spoiled = RobustScaling.fit(np.vstack([values, column(absurd)]))
    assert spoiled.centre == pytest.approx(honest.centre, abs=0.01)
    assert spoiled.scale == pytest.approx(honest.scale, rel=0.01)
    assert spoiled.apply(column(absurd)).item() == np.sign(absurd) * 5


@pytest.mark.parametrize(
    ("values", "centre", "scale"),
    [
        ([7, 7, 7, 7], 7, 1),  # it never varies
        ([np.nan, np.nan], 0, 1),  # it is always missing
        ([1, np.nan, 3, np.inf], 2, 1 / 1.349),  # what is missing does not count
        ([0, 0, 0, 0, 0, 0, 0, 8], 0, 8),  # its middle half is one value
    ],
)
def test_a_feature_without_a_spread_is_not_divided_by_nothing(values, centre, scale):
    scaling = RobustScaling.fit(column(*values))
    assert scaling.centre.item() == centre
    assert scaling.scale.item() == pytest.approx(scale)


@pytest.mark.parametrize("absurd", [1, 1e3, 1e6])
def test_one_absurd_value_does_not_hide_the_rare_ones(absurd):
    """Nine in ten are 0, a flag is 1, and one value is wrong: a 1 stays a 1."""
    scaling = RobustScaling.fit(column(*[0] * 900, *[1] * 99, absurd))
    assert scaling.apply(column(0, 1)).tolist() == [[0], [1]]


def test_a_missing_value_is_as_good_as_the_median():
    assert RobustScaling(column(3)[0], column(2)[0]).apply(column(np.nan, 5)).tolist() == [[0], [1]]


@given(values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1), unit=st.sampled_from([8, 0.25]))
def test_another_unit_changes_nothing(values, unit):
    one, other = column(*values), column(*values) * np.float32(unit)
    np.testing.assert_allclose(
        RobustScaling.fit(one).apply(one), RobustScaling.fit(other).apply(other), atol=1e-4
    )


def samples_of(features, seed=0):
    """Two tickers in every session; some rows have no label, and some are not in the universe."""
    random = np.random.default_rng(seed)
    n_rows = 2 * len(SESSIONS)
    return Samples(
        feature_names=tuple(f"feature_{number}" for number in range(features.shape[1])),
        features=features,
        ticker_codes=np.repeat([0, 1], len(SESSIONS)).astype(np.int32),
        session_codes=np.tile(np.arange(len(SESSIONS)), 2).astype(np.int32),
        tickers=np.array(["AAAA3", "BBBB3"]),
        sessions=SESSIONS,
        volatility=np.full(n_rows, 0.02, dtype=np.float32),
        in_universe=random.random(n_rows) < 0.8,
        action=random.integers(-1, 3, n_rows).astype(np.int8),
        return_ranks=np.zeros((n_rows, 5), dtype=np.float32),
    )


@pytest.fixture(scope="module")
def samples():
    features = np.random.default_rng(1).standard_normal((800, 3)).astype(np.float32)
    features[::7, 1] = np.nan
    return samples_of(features)


@pytest.fixture(scope="module")
def folds():
    return pd.concat([temporal_split(SESSIONS), temporal_split(SESSIONS[:300], window="early")])


def test_each_window_has_a_scaling_of_the_rows_it_learns_from(samples, folds):
    table = fit_scalings(samples, folds)
    assert list(table.columns) == SCALINGS.column_names
    assert table.groupby("window").size().to_dict() == {"holdout": 3, "early": 3}
    for window in ("holdout", "early"):
        train = role_mask(samples.sessions, samples.session_codes, folds, "train", window)
        values = samples.features[train & samples.is_labelled]
        rows = table[table["window"] == window].set_index("feature")
        for position, name in enumerate(samples.feature_names):
            seen = values[~np.isnan(values[:, position]), position]
            low, median, high = np.quantile(seen, [0.25, 0.5, 0.75])
            assert rows.loc[name, "centre"] == pytest.approx(median, abs=1e-6)
            assert rows.loc[name, "scale"] == pytest.approx((high - low) / 1.349, rel=1e-5)
            assert rows.loc[name, "n_rows"] == len(seen)


def test_what_a_window_does_not_learn_from_cannot_change_its_scaling(samples, folds):
    train = role_mask(samples.sessions, samples.session_codes, folds, "train")
    elsewhere = samples.features.copy()
    elsewhere[~(train & samples.is_labelled)] = 1e6
    holdout = folds[folds["window"] == "holdout"]
    pd.testing.assert_frame_equal(
        fit_scalings(samples, holdout), fit_scalings(samples_of(elsewhere), holdout)
    )


def test_the_lstm_of_the_window_carries_the_same_scaling(samples, folds):
    """To the bit: one way to fit, the same rows; and torch scales as numpy does."""
    import torch

    from asset_predict_dagster.models.lstm_panel import lay_out

    roles = {
        role: role_mask(samples.sessions, samples.session_codes, folds, role) & samples.is_labelled
        for role in ("train", "validation")
    }
    panel = lay_out(samples, samples.feature_names, **roles, padding=8, longest_gap=10)
    table = fit_scalings(samples, folds).query("window == 'holdout'")
    assert panel.scaling.centre.tolist() == table["centre"].tolist()
    assert panel.scaling.scale.tolist() == table["scale"].tolist()
    stored = RobustScaling(
        table["centre"].to_numpy(dtype=np.float32), table["scale"].to_numpy(dtype=np.float32)
    )
    by_torch = panel.scaling.apply(torch.from_numpy(samples.features)).numpy()
    np.testing.assert_array_equal(stored.apply(samples.features), by_torch)
