"""An experiment reads the tables as they are, or labels and folds made by the same rules."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.dataset.splits import HOLDOUT, too_close_roles
from asset_predict_dagster.errors import DatasetError, SettingsError
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.prepared import prepare
from asset_predict_dagster_tests.models.small_tables import FIRST, small_tables


@pytest.fixture(scope="module")
def tables():
    return small_tables()


def days_of(table: pd.DataFrame) -> np.ndarray:
    return np.unique(table["session"].to_numpy().astype("datetime64[D]"))


def test_the_default_reads_the_tables_as_they_are(tables):
    quotes, _, _, labels, folds = tables
    prepared = prepare(Experiment(), *tables)
    assert prepared.labels is labels and prepared.folds is folds and prepared.quotes is quotes


def test_labels_and_folds_made_in_memory_are_those_of_the_tables(tables):
    """The days asked for are all there are: another way to the same labels and folds."""
    _, _, _, labels, folds = tables
    experiment = Experiment(start=FIRST)
    prepared = prepare(experiment, *tables)
    pd.testing.assert_frame_equal(prepared.labels, labels)
    pd.testing.assert_frame_equal(prepared.folds, folds.assign(window=experiment.window))


def test_a_horizon_of_five_labels_by_the_fifth_session(tables):
    quotes = tables[0]
    prepared = prepare(Experiment(horizon=5, label_width=1.0), *tables)
    moved = path_returns(quotes)[:, 4]
    wide = 0.02 * np.sqrt(5)
    by_hand = np.where(moved > wide, "buy", np.where(moved < -wide, "sell", "hold"))
    known = np.isfinite(moved)
    assert prepared.labels["action"].notna().tolist() == known.tolist()
    assert prepared.labels["action"][known].tolist() == by_hand[known].tolist()
    named = [ACTIONS[code] for code in prepared.samples.action[known]]
    assert named == by_hand[known].tolist()


def test_tickers_are_learned_from_alone_and_ranked_among_all(tables):
    quotes, _, _, labels, _ = tables
    prepared = prepare(Experiment(tickers=("petr4.SA",)), *tables)
    assert prepared.samples.tickers.tolist() == ["PETR4"]
    own = (quotes["ticker"] == "PETR4").to_numpy()
    pd.testing.assert_frame_equal(prepared.labels, labels[own].reset_index(drop=True))
    assert prepared.labels["return_rank_1d"].std() > 0.5


def test_an_end_is_as_if_the_data_ended_there(tables):
    end = days_of(tables[0])[399].astype(object)
    prepared = prepare(Experiment(end=end), *tables)
    assert days_of(prepared.quotes)[-1] == np.datetime64(end)
    assert len(prepared.samples.sessions) == 400
    known = prepared.labels[prepared.labels["ticker"] == "VALE3"]
    assert known["realised_return_5d"].isna().tolist() == [False] * 395 + [True] * 5
    paths = path_returns(prepared.quotes)
    assert len(paths) == prepared.samples.n_rows
    assert np.isfinite(paths[:, 29]).sum() == 3 * (400 - 30)


def test_roles_are_as_large_as_asked(tables):
    prepared = prepare(Experiment(test_size=0.3, val_size=0.2), *tables)
    n_usable = 480 - 1  # the last session has no action yet
    sizes = prepared.folds["role"].value_counts()
    assert (sizes["test"], sizes["validation"]) == (round(0.3 * n_usable), round(0.2 * n_usable))


def test_nothing_before_the_start_is_learned_from(tables):
    start = days_of(tables[0])[20].astype(object)
    prepared = prepare(Experiment(start=start), *tables)
    assert days_of(prepared.labels)[0] == np.datetime64(start)
    assert days_of(prepared.folds)[0] == np.datetime64(start)


def test_signal_clusters_are_the_days_own_features(tables):
    prepared = prepare(Experiment(label="signal_cluster"), *tables)
    assert set(prepared.labels["action"]) == {"hold"}  # the features of this market never change


@given(
    horizon=st.integers(1, 30),
    label=st.sampled_from(["forward_return", "triple_barrier", "signal_cluster"]),
    embargo=st.integers(0, 20),
    test_size=st.floats(0.15, 0.25),
    val_size=st.floats(0.15, 0.25),
)
@settings(max_examples=20, deadline=None)
def test_no_label_of_a_role_knows_a_session_of_the_next(
    tables, horizon, label, embargo, test_size, val_size
):
    """By the span that the labels themselves say they looked at, not by the number asked for."""
    experiment = Experiment(
        horizon=horizon, label=label, embargo=embargo, test_size=test_size, val_size=val_size
    )
    prepared = prepare(experiment, *tables)
    folds = prepared.folds
    assert set(folds["window"]) == {experiment.window}
    assert (experiment.window == HOLDOUT) == experiment.is_default
    span = experiment.definition.span
    assert span >= horizon or label == "signal_cluster"
    assert too_close_roles(folds, span + embargo).empty
    calendar = prepared.samples.sessions
    for before, after in (("train", "validation"), ("validation", "test")):
        last = folds.loc[folds["role"] == before, "session"].max()
        first = folds.loc[folds["role"] == after, "session"].min()
        seen = prepared.labels.loc[prepared.labels["session"] == last, "span_end"].max()
        unseen = (calendar > np.datetime64(seen, "D")) & (calendar < np.datetime64(first, "D"))
        assert unseen.sum() >= embargo


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"tickers": ("PETR3",)}, SettingsError, "no quotes of 'PETR3' among 4 papers; did you me"),
        ({"tickers": ("QQQQ9",)}, SettingsError, "no quotes of 'QQQQ9'"),
        ({"tickers": ("VALE3", "TINY3")}, DatasetError, "TINY3 should be liquid and labelled"),
        ({"start": "2030-01-02"}, DatasetError, "no quote lies from 2030-01-02 to None"),
        ({"end": "2015-03-02"}, DatasetError, "60"),
        ({"test_size": 0.05}, DatasetError, "60"),
    ],
)
def test_an_experiment_that_the_data_cannot_bear_says_why(tables, asked, error, says):
    with pytest.raises(error) as refused:
        prepare(Experiment(**asked), *tables)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
