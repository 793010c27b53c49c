"""How far ahead is a whole number of sessions; and what is said tells what its action is of."""

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.predictions.asked import refuse_range, with_task
from asset_predict_dagster.predictions.daily import Serving
from asset_predict_dagster_tests.predictions.hand_made_bundle import memory_bundle


@pytest.mark.parametrize("days_ahead", [0, 31, 2.5, 5.0, "5", None, True, [5]])
def test_what_is_no_number_of_sessions_is_refused(days_ahead):
    with pytest.raises(SettingsError) as refused:
        refuse_range(days_ahead)
    assert str(refused.value) == (
        f"days_ahead is 1 to 30 sessions; found {days_ahead!r}; give a whole number of them"
    )


@pytest.mark.parametrize("days_ahead", [1, 30, np.int64(5)])
def test_a_whole_number_in_range_is_taken(days_ahead):
    refuse_range(days_ahead)


@pytest.mark.parametrize(
    ("experiment", "n_sessions"),
    [
        (Experiment(), 1),
        (Experiment(horizon=5), 5),
        (Experiment(label="triple_barrier", horizon=3), 3),
        (Experiment(label="signal_cluster", horizon=5), 0),
    ],
)
def test_an_action_is_of_the_sessions_that_its_version_learned(experiment, n_sessions):
    """A signal cluster is of the same session, whatever the horizon."""
    card = {**memory_bundle(2).card, "experiment": experiment.as_card()}
    bundle = dataclasses.replace(memory_bundle(2), card=card)
    serving = Serving("memory", "1", "unproven", bundle, datetime(2024, 1, 8, tzinfo=UTC))
    day = pd.Timestamp("2024-01-08")
    said = pd.DataFrame(
        {"session": [day], "target_session": [day], "horizon": [1], "sessions_late": [0]}
    )
    (row,) = with_task(said, serving).itertuples()
    assert (row.action_horizon, row.label) == (n_sessions, experiment.label)
    assert row.scope == experiment.scope
