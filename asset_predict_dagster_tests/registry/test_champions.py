"""The table of champions says who serves, since when, and why, and the registry agrees."""

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from asset_predict_dagster.errors import NoChampionError, RegistryError
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.forecasts import accumulate
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.registry.champions import choose_champions
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.table_content import to_arrow
from asset_predict_dagster.tables import CHAMPIONS
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts
from asset_predict_dagster_tests.registry.trainings import trained_model

MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)
MODELS = ("random_forest", "lstm")
LAST_SESSION = date(2024, 3, 1)


class History:
    """Trainings one after the other, each with forecasts of a chosen skill, as the pipeline has."""

    def __init__(self, registry):
        self.registry, self.forecasts, self.evaluation = registry, None, None

    def train(self, day: int, seed: int, **skill: float) -> pd.DataFrame:
        """Train every model; the table of champions of that day."""
        versions = {
            model: self.registry.register(
                trained_model(model, seed), MONDAY + timedelta(days=day), "run"
            ).version
            for model in MODELS
        }
        fresh = made_forecasts({(model, versions[model]): skill[model] for model in MODELS})
        self.forecasts = accumulate(self.forecasts, fresh)
        self.evaluation = accumulate(self.evaluation, evaluate(fresh, seed=1))
        return choose_champions(
            self.registry, MODELS, self.evaluation, self.forecasts, 1, LAST_SESSION
        )


@pytest.fixture
def history(registry):
    return History(registry)


def by_model(table: pd.DataFrame, column: str) -> dict:
    return table.set_index("model")[column].to_dict()


def test_the_first_versions_serve_and_say_whether_they_are_proven(history):
    table = history.train(0, seed=1, random_forest=0.3, lstm=0.0)
    assert by_model(table, "status") == {"random_forest": "proven", "lstm": "unproven"}
    assert set(table["decision"]) == {"promoted"}
    assert broken_promises(CHAMPIONS, table).empty
    assert to_arrow(CHAMPIONS, table).num_rows == 2
    for row in table.itertuples():
        assert history.registry.serving(row.model).version == row.model_version
        assert row.bundle == trained_model(row.model, 1).serving_bundle
        assert row.training_end == pd.Timestamp("2024-01-05")


def test_a_kept_champion_keeps_its_own_training_and_status(history):
    history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    table = history.train(1, seed=2, random_forest=0.0, lstm=0.32)
    assert by_model(table, "decision") == {"random_forest": "kept", "lstm": "promoted"}
    assert by_model(table, "model_version") == {"random_forest": "1", "lstm": "2"}
    assert by_model(table, "candidate_version") == {"random_forest": "2", "lstm": "2"}
    assert set(table["status"]) == {"proven"}
    assert by_model(table, "trained_at") == {
        "random_forest": pd.Timestamp(MONDAY),
        "lstm": pd.Timestamp(MONDAY + timedelta(days=1)),
    }
    assert by_model(table, "bundle") == {
        "random_forest": trained_model("random_forest", 1).serving_bundle,
        "lstm": trained_model("lstm", 2).serving_bundle,
    }
    for row in table.itertuples():
        assert history.registry.serving(row.model).version == row.model_version


def test_a_champion_trained_again_is_confirmed_and_fresh(history):
    history.train(0, seed=1, random_forest=0.3, lstm=0.0)
    table = history.train(15, seed=1, random_forest=0.3, lstm=0.0)
    assert set(table["decision"]) == {"confirmed"}
    assert set(table["model_version"]) == {"1"}
    assert set(table["trained_at"]) == {pd.Timestamp(MONDAY + timedelta(days=15))}


def test_the_decision_that_put_a_version_there_outlives_a_training_that_changed_nothing(history):
    first = history.train(0, seed=1, random_forest=0.3, lstm=0.0)
    history.train(20, seed=1, random_forest=0.3, lstm=0.0)
    again = choose_champions(
        history.registry, MODELS, history.evaluation, history.forecasts, 1, LAST_SESSION, first
    )
    assert set(again["trained_at"]) == {pd.Timestamp(MONDAY + timedelta(days=20))}
    pd.testing.assert_frame_equal(
        again.drop(columns="trained_at"), first.drop(columns="trained_at")
    )


def test_judging_twice_comes_to_the_same(history):
    first = history.train(0, seed=1, random_forest=0.3, lstm=0.0)
    again = choose_champions(
        history.registry, MODELS, history.evaluation, history.forecasts, 1, LAST_SESSION, first
    )
    pd.testing.assert_frame_equal(again, first)


def test_a_model_never_trained_has_no_champion_to_choose(registry):
    with pytest.raises(RegistryError, match="no version of lstm has been trained yet"):
        choose_champions(registry, ("lstm",), pd.DataFrame(), pd.DataFrame(), 1, LAST_SESSION)


def test_a_champion_that_has_learned_from_later_sessions_counts_as_none(history):
    """The clock was moved back: what serves then must not know what comes after."""
    history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    challengers = {model: history.registry.challenger(model) for model in MODELS}
    assert {v.training_end for v in challengers.values()} == {"2024-01-05"}
    table = choose_champions(
        history.registry, MODELS, history.evaluation, history.forecasts, 1, date(2024, 1, 12)
    )
    assert set(table["decision"]) == {"promoted"}
    assert table["reason"].str.startswith("first champion").all()
    table = choose_champions(
        history.registry, MODELS, history.evaluation, history.forecasts, 1, date(2024, 1, 15)
    )
    assert set(table["decision"]) == {"confirmed"}


def test_a_scoped_training_leaves_the_champions_as_they_are(history):
    first = history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    for model in MODELS:
        scoped = trained_model(model, seed=9, experiment=Experiment(horizon=5))
        history.registry.register(scoped, MONDAY + timedelta(days=1), "run")
    again = choose_champions(
        history.registry, MODELS, history.evaluation, history.forecasts, 1, LAST_SESSION, first
    )
    pd.testing.assert_frame_equal(again, first)


def test_a_model_with_scoped_versions_alone_has_no_champion(history):
    scoped = trained_model("ridge", seed=9, experiment=Experiment(horizon=5))
    history.registry.register(scoped, MONDAY, "run")
    history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    table = choose_champions(
        history.registry,
        (*MODELS, "ridge"),
        history.evaluation,
        history.forecasts,
        1,
        LAST_SESSION,
    )
    assert set(table["model"]) == set(MODELS)
    with pytest.raises(NoChampionError, match="every version of ridge is scoped"):
        choose_champions(
            history.registry, ("ridge",), history.evaluation, history.forecasts, 1, LAST_SESSION
        )
