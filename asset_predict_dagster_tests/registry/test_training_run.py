"""Every training is an MLflow run that says what went in, what came out, and where to look."""

import dataclasses
import shutil
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS
from asset_predict_dagster.dataset.splits import role_mask, temporal_split
from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.training import train
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.registry.training_run import CONFUSION
from asset_predict_dagster.tables import PATH_HORIZONS
from asset_predict_dagster_tests.models.small_learner import LeastSquares
from asset_predict_dagster_tests.models.synthetic import planted_market
from asset_predict_dagster_tests.registry.trainings import trained_model, training_with_tables

MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)
FIGURES = ["confusion_matrix.png", "importance.png", "loss.png", "reliability.png"]


def run_of(registry, version):
    return registry._client().get_run(version.run_id)


def runs(registry):
    client = registry._client()
    known = [found.experiment_id for found in client.search_experiments()]
    return client.search_runs(known)


def test_settings_and_the_experiment_are_parameters(registry):
    five = Experiment(horizon=5, tickers=("PETR4",))
    version = registry.register(trained_model("lstm", 1, experiment=five), MONDAY, "run-1")
    params = run_of(registry, version).data.params
    assert params | {"n_estimators": "10", "class_weight": "None", "seed": "1"} == params
    assert (params["experiment.horizon"], params["experiment.tickers"]) == ("5", "['PETR4']")
    assert (params["experiment.test_size"], params["experiment.span"]) == ("0.2", "6")


def test_tags_name_the_dagster_run_the_version_and_the_tables_learned_from(registry):
    trained = trained_model("lstm", 1)
    version = registry.register(trained, MONDAY, "run-1")
    run = run_of(registry, version)
    assert run.info.run_name == "lstm 1"
    expected = {
        "model": "lstm",
        "model_version": "1",
        "dagster_run_id": "run-1",
        "bundle": trained.serving_bundle,
        "evaluation_bundle": trained.evaluation_bundle,
        "lake.quotes": "7",
        "lake.features": "12",
        "window": "holdout",
        "training_end": "2024-01-05",
        "n_trials": "1",
        "code_version": "0.1.0",
    }
    assert run.data.tags | expected == run.data.tags
    assert "scoped" not in run.data.tags
    scoped = registry.register(
        trained_model("lstm", 1, experiment=Experiment(horizon=5)), MONDAY, "r"
    )
    tags = run_of(registry, scoped).data.tags
    assert tags["scoped"] == "horizon=5"
    assert tags["mlflow.note.content"].endswith("Those of the action are of 5 sessions ahead.")
    assert "sessions ahead" not in run.data.tags["mlflow.note.content"]


def test_figures_of_validation_and_of_the_test_are_told_apart(registry):
    version = registry.register(trained_model("lstm", 1), MONDAY, "run-1")
    registry.record_evaluation(version, {"rank_ic": 0.03, "log_loss": 1.08})
    data = run_of(registry, version).data
    assert data.metrics["n_training_rows"] == 1234
    assert (data.metrics["validation/rank_ic"], data.metrics["rank_ic"]) == (0.0201, 0.03)
    assert (data.metrics["validation/log_loss"], data.metrics["log_loss"]) == (1.0719, 1.08)
    assert data.metrics["validation/log_loss_of_prior"] == 1.0863
    said = data.tags["mlflow.note.content"]
    assert "2023-01-02 to 2023-02-10, 120 rows: rank IC 0.0201" in said


def test_curves_are_figures_by_epoch_and_missing_ones_are_left_out(registry):
    version = registry.register(training_with_tables("lstm", 1), MONDAY, "run-1")

    def history(name):
        found = registry._client().get_metric_history(version.run_id, f"seed_0/{name}")
        return [(entry.step, entry.value) for entry in found]

    assert history("train_loss") == [(1, 1.1), (2, 1.0)]
    assert history("learning_rate") == [(1, 0.005), (2, 0.004)]
    assert history("validation_loss") == [(1, 1.2)]
    assert history("is_best") == []


def test_a_long_training_of_many_seeds_has_all_its_epochs(registry):
    curves = pd.concat(
        pd.DataFrame({"seed": seed, "epoch": np.arange(1, 501), "train_loss": 1.0})
        for seed in range(3)
    ).assign(validation_loss=1.1, learning_rate=0.005, is_best=False)
    settings = {f"knob_{number}": number for number in range(120)}
    trained = dataclasses.replace(trained_model("lstm", 1), curves=curves, settings=settings)
    version = registry.register(trained, MONDAY, "run-1")
    losses = registry._client().get_metric_history(version.run_id, "seed_2/validation_loss")
    assert len(losses) == 500
    assert run_of(registry, version).data.params["knob_119"] == "119"


def test_the_search_of_a_forest_is_a_table_and_no_curve(registry):
    rounds = pd.DataFrame({"twin": ["action", "returns"], "round": 1, "score": [0.1, 0.2]})
    trained = dataclasses.replace(trained_model("random_forest", 1), curves=rounds)
    folder = registry.artifacts(registry.register(trained, MONDAY, "run-1"))
    assert pd.read_csv(folder / "tables/curves.csv")["score"].tolist() == [0.1, 0.2]
    assert not (folder / "figures/loss.png").exists()


def test_the_confusion_on_validation_is_a_table_as_well(registry):
    trained = training_with_tables("lstm", 1)
    folder = registry.artifacts(registry.register(trained, MONDAY, "run-1"))
    counts = pd.read_csv(folder / CONFUSION, index_col=0)
    assert counts.columns.tolist() == counts.index.tolist() == ["buy", "hold", "sell"]
    happened = trained.validation_forecasts["action"].value_counts()
    assert counts.sum(axis=1).to_dict() == happened.reindex(counts.index, fill_value=0).to_dict()


def test_a_run_lasted_as_long_as_the_training(registry):
    trained, began = trained_model("lstm", 1), MONDAY - timedelta(minutes=7)
    info = run_of(registry, registry.register(trained, MONDAY, "r", started_at=began)).info
    assert info.status == "FINISHED"
    assert info.end_time - info.start_time == 7 * 60_000
    assert info.end_time == MONDAY.timestamp() * 1000


def test_a_training_that_came_out_the_same_is_a_run_all_the_same(registry):
    first = registry.register(trained_model("lstm", 1), MONDAY, "run-1")
    again = registry.register(trained_model("lstm", 1), MONDAY, "run-2")
    assert again.version == first.version == "1"
    assert again.run_id != first.run_id
    by_dagster_run = {run.data.tags["dagster_run_id"]: run.info.run_id for run in runs(registry)}
    assert by_dagster_run == {"run-1": first.run_id, "run-2": again.run_id}
    registry.record_evaluation(again, {"rank_ic": 0.02})
    assert "rank_ic" not in run_of(registry, first).data.metrics
    assert registry.artifacts(again) != registry.artifacts(first)


def test_the_figures_of_a_run_are_opened_wherever_the_data_folder_is_moved(registry, tmp_path):
    registry.register(training_with_tables("lstm", 1), MONDAY, "run-1")
    elsewhere = tmp_path / "moved" / "data"
    elsewhere.mkdir(parents=True)
    for name in ("mlflow.db", "mlflow_artifacts"):
        shutil.move(registry.database.parent / name, elsewhere / name)
    moved = Registry(elsewhere / "mlflow.db")
    folder = moved.artifacts(moved.version("lstm", "1"))
    assert folder.is_relative_to(elsewhere)
    assert sorted(file.name for file in (folder / "figures").iterdir()) == FIGURES
    for name in FIGURES:
        picture = Image.open(BytesIO((folder / "figures" / name).read_bytes()))
        assert picture.width == 640
    assert len(pd.read_csv(folder / "tables/importance.csv")) == 3


def test_a_folder_that_cannot_be_written_is_one_clear_sentence(registry):
    (registry.database.parent / "mlflow_artifacts").write_text("a file where a folder should be")
    with pytest.raises(
        RegistryError, match=r"artefacts of a training cannot be written to .*; point"
    ):
        registry.register(trained_model("lstm", 1), MONDAY, "run-1")
    assert registry.versions("lstm") == []
    assert [run.info.status for run in runs(registry)] == ["FAILED"]


# --- A real training ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market():
    """Samples of a planted market, labels, path returns and folds of 300 sessions."""
    samples = planted_market().samples
    returns = (0.5 * samples.return_ranks * samples.volatility[:, None]).astype(np.float64)
    labels = pd.DataFrame(returns, columns=[f"realised_return_tradable_{h}d" for h in HORIZONS])
    last = np.repeat(returns[:, -1:], len(PATH_HORIZONS) - len(HORIZONS), axis=1)
    return samples, labels, np.hstack([returns, last]), temporal_split(samples.sessions)


def test_a_run_shows_the_bundles_and_they_cost_no_room(market, registry, tmp_path):
    samples, bundles = market[0], tmp_path / "bundles"
    learner = LeastSquares(samples.feature_names)
    trained = train(learner, *market, bundles, {"features": 3})
    version = registry.register(trained, MONDAY, "run-1", bundles=bundles)
    shown = registry.artifacts(version) / "bundles"
    for role, digest in (("evaluation", version.evaluation_bundle), ("serving", version.bundle)):
        kept = {file.name: file for file in (bundles / digest).iterdir()}
        assert {file.name for file in (shown / role).iterdir()} == set(kept)
        assert set(kept) == {"card.json", "manifest.json", "model.npy", "model.onnx"}
        for name, file in kept.items():
            assert (shown / role / name).samefile(file)
    assert run_of(registry, version).data.tags["lake.features"] == "3"


def test_the_forecasts_that_are_drawn_are_the_bundles_own_of_the_validation_rows(market, tmp_path):
    samples, _, _, folds = market
    trained = train(LeastSquares(samples.feature_names), *market, tmp_path, {"features": 3})
    said = trained.validation_forecasts
    validates = role_mask(samples.sessions, samples.session_codes, folds, "validation")
    assert set(said["session"]) == set(samples.sessions[samples.session_codes[validates]])
    assert len(said) == trained.validation["n_rows"] == (validates & samples.is_labelled).sum()
    names = [f"probability_{action}" for action in ACTIONS]
    bundle = load_bundle(tmp_path, trained.evaluation_bundle)
    rows = np.flatnonzero(validates & samples.is_labelled)
    np.testing.assert_array_equal(said[names], bundle.forecast(samples, rows).probabilities)
    happened = said[names].to_numpy()[np.arange(len(said)), said["action"].map(ACTIONS.index)]
    assert -np.log(happened).mean() == pytest.approx(trained.validation["log_loss"])
