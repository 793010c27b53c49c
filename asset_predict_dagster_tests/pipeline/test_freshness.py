"""An asset is called late when it is, and never for a holiday."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import dagster as dg
import numpy as np
import pytest
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.market.sessions import all_sessions, sessions_between
from asset_predict_dagster.pipeline.freshness import LONGEST_CLOSURE, freshness_policies
from asset_predict_dagster.settings import load_settings


def policy(asset: str, **settings: object) -> TimeWindowFreshnessPolicy:
    found = freshness_policies(load_settings(**settings))[asset]
    assert isinstance(found, TimeWindowFreshnessPolicy)
    return found


def test_the_longest_closure_is_that_of_the_calendar():
    sessions = all_sessions()
    since_1996 = sessions[sessions >= np.datetime64("1996-01-01")]
    assert np.diff(since_1996).max() == np.timedelta64(LONGEST_CLOSURE.days, "D")


@pytest.mark.parametrize("hour", [0, 3, 9])
@pytest.mark.parametrize("asset", ["quotes", "predictions"])
def test_no_year_alarms_where_every_session_is_predicted_on_the_morning_after(
    asset: str, hour: int
):
    """Also where the last run waited for its file until noon, and the one before it did not."""
    window = policy(asset, daily_task_hour=hour).fail_window.to_timedelta()
    days = sessions_between(date(2005, 1, 1), date(2025, 12, 31)).astype(object)
    for before, after in pairwise(days):
        made = datetime.combine(before, datetime.min.time()) + timedelta(days=1, hours=hour)
        made_next = datetime.combine(after, datetime.min.time()) + timedelta(days=1, hours=12)
        assert made_next - made <= window


def test_predictions_that_were_missed_for_a_week_are_late():
    assert policy("predictions").fail_window.to_timedelta() < timedelta(days=6)


@pytest.mark.parametrize("model", ["random_forest_model", "lstm_model"])
def test_a_model_is_late_when_its_training_is_overdue_and_not_when_it_is_due(model: str):
    found = policy(model, model_stale_after_days=15)
    assert found.warn_window is not None
    assert found.warn_window.to_timedelta() == timedelta(days=16)
    assert found.fail_window.to_timedelta() == timedelta(days=19)


def test_the_assets_of_the_code_location_carry_them(tmp_path):
    graph = build_definitions(load_settings(data=tmp_path)).resolve_asset_graph()
    with_policy = {
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if graph.get(key).freshness_policy is not None
    }
    assert with_policy == {"quotes", "predictions", "random_forest_model", "lstm_model"}
    kept = graph.get(dg.AssetKey("quotes")).metadata
    assert "dagster/column_schema" in kept
