"""A run may train one model alone: the other is neither waited for nor judged on what it knows."""

from datetime import date

import dagster as dg
import pandas as pd
import pytest

from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.pipeline.evaluation import judged_today
from asset_predict_dagster.pipeline.resources import Models
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import (
    CHAMPIONS,
    EVALUATION,
    FOLDS,
    FORECASTS_OUT_OF_SAMPLE,
    MODEL_HEALTH,
    PREDICTIONS,
)
from asset_predict_dagster_tests.pipeline.conftest import Workplace, config_of, new_workplace

EARLIER, LATER = date(2020, 11, 30), date(2020, 12, 30)


def run_without(place: Workplace, job: str, left_out: str, as_of: date) -> None:
    """The job as `retrain_stale_models` asks for it, and as if that session had just closed."""
    settings = load_settings(**{**place.settings.model_dump(), "as_of": as_of})
    whole = build_definitions(settings).resolve_job_def(job)
    chosen = whole.asset_layer.executable_asset_keys - {dg.AssetKey(f"{left_out}_model")}
    models = {name: knobs for name, knobs in place.models.items() if name != left_out}
    result = whole.execute_in_process(
        instance=place.instance,
        asset_selection=sorted(chosen),
        run_config=config_of(**models),
        raise_on_error=False,
    )
    assert result.success, [e.step_failure_data.error for e in result.get_step_failure_events()]


def versions(place: Workplace, table) -> dict[str, set[str]]:
    rows = place.lake.read(table)
    return {m: set(g["model_version"]) for m, g in rows.groupby("model") if m in place.models}


def models_of(place: Workplace) -> Models:
    settings = place.settings
    return Models(
        database=str(settings.registry_database),
        bundles=str(settings.bundles),
        presets="",
        checkpoints="",
        seed=settings.seed,
        stale_after_days=15,
        expires_after_days=60,
    )


@pytest.fixture(scope="module")
def forest_alone(tmp_path_factory) -> Workplace:
    place = new_workplace(tmp_path_factory.mktemp("forest_alone"))
    run_without(place, "complete_pipeline", "lstm", EARLIER)
    return place


def test_one_model_serves_while_the_other_was_never_trained(forest_alone: Workplace):
    for table in (FORECASTS_OUT_OF_SAMPLE, EVALUATION, CHAMPIONS, PREDICTIONS):
        assert versions(forest_alone, table) == {"random_forest": {"1"}}, table.name
    health = forest_alone.lake.read(MODEL_HEALTH).set_index("model")
    assert health["verdict"].to_dict() == {"lstm": "missing", "random_forest": "fresh"}


def test_the_second_joins_and_the_first_is_judged_on_the_same_sessions(forest_alone: Workplace):
    run_without(forest_alone, "retrain", "random_forest", EARLIER)
    assert versions(forest_alone, CHAMPIONS) == {"random_forest": {"1"}, "lstm": {"1"}}
    rows = forest_alone.lake.read(FORECASTS_OUT_OF_SAMPLE)
    sessions = rows.groupby("model")["session"].agg(["min", "max", "nunique"])
    assert len(sessions.drop_duplicates()) == 1
    assert "average" in sessions.index


def test_a_month_later_one_is_trained_and_both_are_judged_on_the_later_test(
    forest_alone: Workplace,
):
    run_without(forest_alone, "complete_pipeline", "lstm", LATER)
    assert versions(forest_alone, EVALUATION) == {"random_forest": {"1", "2"}, "lstm": {"1"}}
    rows = forest_alone.lake.read(FORECASTS_OUT_OF_SAMPLE, where={"window": [HOLDOUT]})
    latest = rows[rows["model_version"].isin(["2", "2+1"]) | (rows["model"] == "lstm")]
    folds = forest_alone.lake.read(FOLDS)
    first_test = folds.loc[folds["role"] == "test", "session"].min()
    assert latest.groupby("model")["session"].min().eq(first_test).all()
    health = forest_alone.lake.read(MODEL_HEALTH).set_index("model")
    assert set(health["verdict"]) <= {"fresh", "drifting"}


def test_a_challenger_that_has_learned_from_todays_test_is_not_asked_about_it(
    forest_alone: Workplace,
):
    """The test begins before the LSTM's training ended: the history has got older sessions."""
    models, folds = models_of(forest_alone), forest_alone.lake.read(FOLDS)
    assert {v.model for v in judged_today(models, folds)} == {"random_forest", "lstm"}
    learned_until = models.load(models.registry.challenger("lstm").evaluation_bundle).card[
        "validation"
    ]["last_session"]
    begins = pd.Timestamp(learned_until) + pd.Timedelta(days=20)
    moved = folds.copy()
    is_first = moved["session"] == moved.loc[moved["role"] == "test", "session"].min()
    moved.loc[is_first, "session"] = begins
    said: list[str] = []
    assert [v.model for v in judged_today(models, moved, said.append)] == ["lstm"]
    assert said[0].startswith("random_forest 2 is not judged: it has learned from sessions up to")

    moved.loc[is_first, "session"] = pd.Timestamp(learned_until)
    with pytest.raises(DatasetError, match=r"lstm 1 is not judged.*; run the job retrain"):
        judged_today(models, moved)
