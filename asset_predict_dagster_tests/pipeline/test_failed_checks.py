"""While a check fails on what models read, nothing is said of it and nothing learned from it."""

import shutil
from datetime import timedelta

import dagster as dg
import pytest

from asset_predict_dagster.tables import CHAMPIONS, PREDICTIONS
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace
from asset_predict_dagster_tests.pipeline.retraining_watch import Watch


@pytest.fixture
def place(finished: Workplace, tmp_path) -> Workplace:
    place = new_workplace(tmp_path)
    shutil.copytree(finished.settings.data, place.settings.data)
    place.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("quotes"),
            check_name="prices_are_possible",
            passed=False,
            metadata={},
            severity=dg.AssetCheckSeverity.ERROR,
        )
    )
    return place


def test_nothing_is_predicted(place: Workplace):
    before = place.lake.version(PREDICTIONS)
    result = place.materialise("predictions")
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "while checks fail on what models read: quotes: prices_are_possible" in str(
        failure.step_failure_data
    )
    assert place.lake.version(PREDICTIONS) == before


def test_no_training_is_asked_for(place: Workplace):
    trained = place.lake.read(CHAMPIONS)["trained_at"].min().to_pydatetime()
    skipped = Watch(place).at(trained + timedelta(days=20))
    assert isinstance(skipped, dg.SkipReason)
    assert "checks failed, and are mended first: quotes: prices_are_possible" in (
        skipped.skip_message or ""
    )
