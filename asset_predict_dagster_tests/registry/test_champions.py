"""The table of champions says who serves, since when, and why, and the registry agrees."""

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from asset_predict_dagster.errors import BundleError, NoChampionError, RegistryError
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.forecasts import accumulate
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.registry.champions import champions_table, choose_champions
from asset_predict_dagster.registry.decisions import predecessors, promotions_table
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.table_content import to_arrow
from asset_predict_dagster.tables import CHAMPIONS, PROMOTIONS
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
        return self.judge(day)

    def judge(
        self,
        day: int,
        last_session: date = LAST_SESSION,
        failed_checks: tuple[str, ...] = (),
        models: tuple[str, ...] = MODELS,
        **silent: object,
    ) -> pd.DataFrame:
        """Judge what was trained last; the table of champions of that day."""
        return choose_champions(
            self.registry,
            models,
            self.evaluation,
            self.forecasts,
            1,
            last_session,
            MONDAY + timedelta(days=day),
            failed_checks=failed_checks,
            **silent,
        )

    def decided(self, model: str) -> list[tuple[str, str]]:
        """Decision and version that serves from then on."""
        return [(one.decision, one.model_version) for one in self.registry.decisions(model)]


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


def test_a_training_that_changed_nothing_makes_the_champion_fresh_and_is_no_news(history):
    first = history.train(0, seed=1, random_forest=0.3, lstm=0.0)
    again = history.train(20, seed=1, random_forest=0.3, lstm=0.0)
    assert set(again["trained_at"]) == {pd.Timestamp(MONDAY + timedelta(days=20))}
    pd.testing.assert_frame_equal(
        again.drop(columns="trained_at"), first.drop(columns="trained_at")
    )
    assert history.decided("lstm") == [("promoted", "1")]


def test_a_champion_that_comes_back_as_its_own_challenger_is_confirmed(history):
    history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    history.train(1, seed=2, random_forest=0.0, lstm=0.0)
    table = history.train(2, seed=1, random_forest=0.3, lstm=0.3)
    assert set(table["decision"]) == {"confirmed"}
    assert history.decided("lstm") == [("promoted", "1"), ("kept", "1"), ("confirmed", "1")]


def test_judging_twice_comes_to_the_same(history):
    first = history.train(0, seed=1, random_forest=0.3, lstm=0.0)
    pd.testing.assert_frame_equal(history.judge(1), first)
    kept = history.train(2, seed=2, random_forest=0.0, lstm=0.0)
    pd.testing.assert_frame_equal(history.judge(3), kept)
    assert history.decided("random_forest") == [("promoted", "1"), ("kept", "1")]


def test_a_model_never_trained_has_no_champion_to_choose(registry):
    with pytest.raises(RegistryError, match="no version of lstm has been trained yet"):
        choose_champions(
            registry, ("lstm",), pd.DataFrame(), pd.DataFrame(), 1, LAST_SESSION, MONDAY
        )


def test_a_champion_that_has_learned_from_later_sessions_counts_as_none(history):
    """The clock was moved back: what serves then must not know what comes after."""
    history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    history.train(1, seed=2, random_forest=0.0, lstm=0.0)
    challengers = {model: history.registry.challenger(model) for model in MODELS}
    assert {v.training_end for v in challengers.values()} == {"2024-01-05"}
    assert set(history.judge(2, date(2024, 1, 15))["decision"]) == {"kept"}
    table = history.judge(3, date(2024, 1, 12))
    assert set(table["decision"]) == {"promoted"}
    assert table["reason"].str.startswith("first champion").all()
    assert history.registry.decisions("lstm")[-1].incumbent_version == "1"


def test_a_scoped_training_leaves_the_champions_as_they_are(history):
    first = history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    for model in MODELS:
        scoped = trained_model(model, seed=9, experiment=Experiment(horizon=5))
        history.registry.register(scoped, MONDAY + timedelta(days=1), "run")
    pd.testing.assert_frame_equal(history.judge(1), first)


def test_a_model_with_scoped_versions_alone_has_no_champion(history):
    scoped = trained_model("ridge", seed=9, experiment=Experiment(horizon=5))
    history.registry.register(scoped, MONDAY, "run")
    history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    assert set(history.judge(1, models=(*MODELS, "ridge"))["model"]) == set(MODELS)
    with pytest.raises(NoChampionError, match="every version of ridge is scoped"):
        history.judge(1, models=("ridge",))


FAILED = ("quotes: quotes_are_fresh",)


def test_a_failed_check_keeps_a_better_challenger_out_until_it_is_mended(history):
    history.train(0, seed=1, random_forest=0.0, lstm=0.0)
    history.registry.register(trained_model("lstm", 2), MONDAY + timedelta(days=1), "run")
    fresh = made_forecasts({("lstm", "2"): 0.3, ("random_forest", "1"): 0.0})
    history.forecasts = accumulate(history.forecasts, fresh)
    history.evaluation = accumulate(history.evaluation, evaluate(fresh, seed=1))
    table = history.judge(1, failed_checks=FAILED).set_index("model")
    assert table.loc["lstm", "decision"] == "kept"
    assert table.loc["lstm", "model_version"] == "1"
    assert table.loc["lstm", "reason"] == (
        "version 2 is kept out by failed checks: quotes: quotes_are_fresh"
    )
    assert history.judge(2).set_index("model").loc["lstm", "model_version"] == "2"


def test_where_a_check_failed_not_even_a_first_champion_serves(history, registry):
    for model in MODELS:
        registry.register(trained_model(model, 1), MONDAY, "run")
    fresh = made_forecasts({(model, "1"): 0.3 for model in MODELS})
    history.forecasts, history.evaluation = fresh, evaluate(fresh, seed=1)
    with pytest.raises(NoChampionError, match=r"nobody serves yet: .*quotes_are_fresh.*mend that"):
        history.judge(0, failed_checks=FAILED)
    assert history.decided("lstm") == [("kept", "")]
    assert registry.champion("lstm") is None
    log = promotions_table(registry.decisions("lstm"))
    assert broken_promises(PROMOTIONS, log).empty
    assert to_arrow(PROMOTIONS, log)["bundle"].to_pylist() == [None]
    assert set(history.judge(1)["decision"]) == {"promoted"}


def test_the_champion_itself_goes_on_serving_whatever_check_failed(history):
    history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    first = history.judge(1)
    pd.testing.assert_frame_equal(history.judge(2, failed_checks=FAILED), first)


@pytest.mark.parametrize(("day", "decision"), [(60, "kept"), (61, "promoted")])
def test_a_proven_champion_that_has_expired_gives_way_to_an_unproven_challenger(
    history, day, decision
):
    """Else nobody would ever serve again: what comes after it has learned of a market in which
    there is nothing to know."""
    history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    history.train(20, seed=2, random_forest=0.0, lstm=0.0)
    table = history.judge(day, expires_after=timedelta(days=60))
    assert set(table["decision"]) == {decision}
    assert set(table["status"]) == {"proven" if decision == "kept" else "unproven"}
    said = "it was trained 61 days ago, and expires after 60"
    assert table["reason"].str.contains(said).all() == (decision == "promoted")


def test_a_champion_whose_bundle_cannot_be_opened_gives_way(history):
    def load(digest: str) -> str:
        if digest == trained_model("lstm", 1).serving_bundle:
            raise BundleError("bundle of the lstm: model.onnx was altered")
        return digest

    history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    history.train(1, seed=2, random_forest=0.0, lstm=0.0)
    table = history.judge(2, load=load)
    assert by_model(table, "decision") == {"random_forest": "kept", "lstm": "promoted"}
    assert "model.onnx was altered" in by_model(table, "reason")["lstm"]


def test_the_log_is_a_table_of_every_decision_and_what_it_was_made_of(history):
    history.train(0, seed=1, random_forest=0.3, lstm=0.0)
    history.train(1, seed=2, random_forest=0.0, lstm=0.3)
    log = promotions_table([one for model in MODELS for one in history.registry.decisions(model)])
    assert broken_promises(PROMOTIONS, log).empty
    assert to_arrow(PROMOTIONS, log).num_rows == 4
    said = log[log["model"] == "lstm"].iloc[-1]
    assert (said["candidate_version"], said["incumbent_version"]) == ("2", "1")
    assert (said["decision"], said["by"], said["status"]) == ("promoted", "rule", "proven")
    assert said["decided_at"] == pd.Timestamp(MONDAY + timedelta(days=1))
    assert said["bundle"] == trained_model("lstm", 2).serving_bundle


def test_a_registry_of_an_earlier_program_has_a_champion_and_no_log(history):
    """Then the alias is the truth, the table stays as it is, and the log begins with it."""
    first = history.train(0, seed=1, random_forest=0.3, lstm=0.3)
    client = history.registry._client()
    for model in MODELS:
        client.delete_registered_model_tag(model, "decision_000001")
    assert history.registry.champion("lstm").version == "1"
    assert champions_table(history.registry, MODELS).empty
    pd.testing.assert_frame_equal(champions_table(history.registry, MODELS, first), first)
    history.train(1, seed=2, random_forest=0.3, lstm=0.3)
    log = history.registry.decisions("lstm")
    assert [(one.incumbent_version, one.model_version) for one in log] == [("1", "2")]
    assert predecessors(log) == ["1"]
