"""A damaged bundle silences one model, never both, and a training is asked for at once."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.bundle import feature_formulas, write_bundle
from asset_predict_dagster.pipeline.evaluation import judged_today
from asset_predict_dagster.pipeline.resources import Models
from asset_predict_dagster.tables import (
    CHAMPIONS,
    FOLDS,
    MODEL_HEALTH,
    PREDICTIONS,
    PROMOTIONS,
    QUOTES,
    UNIVERSE,
)
from asset_predict_dagster_tests.market.simulated_tables import market_as_of
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace
from asset_predict_dagster_tests.pipeline.retraining_watch import Watch
from asset_predict_dagster_tests.predictions.hand_made_bundle import memory_bundle

SESSION = date(2020, 2, 21)
NEXT_SESSION = date(2021, 1, 4)


def damage(place: Workplace, digest: str) -> None:
    graph = place.settings.bundles / digest / "model.onnx"
    graph.parent.chmod(0o755)
    graph.chmod(0o644)
    graph.write_bytes(graph.read_bytes()[:100])


def bundle_of(place: Workplace, lookback: int) -> str:
    bundle = memory_bundle(lookback)
    made = Trained("model.txt", b"", bundle.onnx, {}, lambda given: (given, given))
    formulas = feature_formulas(tuple(bundle.card["feature_names"]))
    card = bundle.card | {"feature_formulas": formulas}
    return write_bundle(place.settings.bundles, made, card)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """Two champions made without a training; of the LSTM version 2, and version 1 before it."""
    place = new_workplace(tmp_path, as_of=SESSION)
    market = market_as_of(SESSION)
    for table, frame in (
        (QUOTES, market.quotes),
        (UNIVERSE, market.universe),
        (FEATURES, market.features),
    ):
        place.lake.write(table, frame)
    rows = []
    for model, version, lookback in (
        ("lstm", "1", 2),
        ("lstm", "2", 3),
        ("random_forest", "1", 4),
    ):
        at = datetime(2020, 2, 1 + int(version), tzinfo=UTC)
        rows.append(
            {
                "model": model,
                "model_version": version,
                "status": "unproven",
                "candidate_version": version,
                "incumbent_version": "1" if version == "2" else "",
                "decision": "promoted",
                "decided_at": pd.Timestamp(at).as_unit("us"),
                "reason": "made by hand",
                "by": "rule",
                "trained_at": pd.Timestamp(at).as_unit("us"),
                "training_end": pd.Timestamp("2018-06-29").as_unit("us"),
                "bundle": bundle_of(place, lookback),
            }
        )
    log = pd.DataFrame(rows)
    place.lake.write(PROMOTIONS, log[PROMOTIONS.column_names])
    place.lake.write(CHAMPIONS, log[1:][CHAMPIONS.column_names])
    return place


def predicted(place: Workplace) -> dict[str, str]:
    rows = place.lake.read(PREDICTIONS)
    return dict(rows[["model", "model_version"]].drop_duplicates().itertuples(index=False))


def of(place: Workplace, model: str, version: str) -> str:
    log = place.lake.read(PROMOTIONS)
    return log[(log["model"] == model) & (log["model_version"] == version)]["bundle"].iloc[0]


def test_the_version_before_a_damaged_one_answers_and_the_run_says_so(place: Workplace):
    damage(place, of(place, "lstm", "2"))
    result = place.materialise("predictions")
    assert result.success
    assert predicted(place) == {"lstm": "1", "random_forest": "1"}
    (made,) = result.asset_materializations_for_node("predictions")
    said = str(made.metadata["passed_over"].value)
    assert said.startswith("lstm 2 is passed over: bundle ") and "model.onnx was altered" in said


def test_a_model_without_a_whole_version_is_left_out_until_it_has_one(place: Workplace):
    """What it owes is then made good, though the other has answered before."""
    for version in ("1", "2"):
        damage(place, of(place, "lstm", version))
    assert place.materialise("predictions").success
    assert predicted(place) == {"random_forest": "1"}
    assert place.materialise("predictions").success
    shutil.rmtree(place.settings.bundles / of(place, "lstm", "2"))
    assert bundle_of(place, 3) == of(place, "lstm", "2")
    assert place.materialise("predictions").success
    assert predicted(place) == {"lstm": "2", "random_forest": "1"}


def test_where_no_model_can_answer_the_run_fails_and_names_them_all(place: Workplace):
    for digest in place.lake.read(PROMOTIONS)["bundle"]:
        damage(place, digest)
    (failure,) = place.materialise("predictions").get_step_failure_events()
    told = failure.step_failure_data.user_failure_data
    said = told.description if told else ""
    for name in ("lstm 2", "lstm 1", "random_forest 1"):
        assert f"{name} is passed over: bundle " in said
    assert "hindsight" not in said


@pytest.fixture
def copy(finished: Workplace, tmp_path: Path) -> Workplace:
    place = new_workplace(tmp_path, as_of=NEXT_SESSION)
    shutil.copytree(finished.settings.data, place.settings.data)
    return place


def test_a_daily_run_tells_that_the_model_is_missing_and_a_training_is_asked_for(
    copy: Workplace,
):
    champions = copy.lake.read(CHAMPIONS).set_index("model")
    damage(copy, champions.loc["lstm", "bundle"])
    assert copy.run("daily_prediction").success
    rows = copy.lake.read(PREDICTIONS)
    assert set(rows[rows["session"].dt.date == NEXT_SESSION]["model"]) == {"random_forest"}
    health = copy.lake.read(MODEL_HEALTH).set_index("model")
    assert health["verdict"].to_dict() == {"random_forest": "fresh", "lstm": "missing"}
    assert "lstm cannot be asked: bundle " in health.loc["lstm", "reason"]
    request = Watch(copy).at(health["checked_at"].iloc[0].to_pydatetime() + timedelta(minutes=10))
    assert isinstance(request, dg.RunRequest)
    assert request.tags["asset_predict/causes"] == "lstm-missing"


def test_the_other_models_damaged_bundle_does_not_stop_a_training(copy: Workplace):
    settings, said = copy.settings, []
    models = Models(
        database=str(settings.registry_database),
        bundles=str(settings.bundles),
        presets="",
        checkpoints="",
        seed=settings.seed,
        stale_after_days=15,
        expires_after_days=60,
    )
    damage(copy, models.registry.challenger("lstm").evaluation_bundle)
    judged = judged_today(models, copy.lake.read(FOLDS), said.append)
    assert [version.model for version in judged] == ["random_forest"]
    assert said[0].startswith("lstm 1 is not judged: bundle ")
