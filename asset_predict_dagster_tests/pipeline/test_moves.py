"""A champion moved by hand is a run in Dagster, and the tables say at once who serves."""

import dagster as dg
import pandas as pd
import pytest

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.pipeline.failed_checks import failed_checks
from asset_predict_dagster.pipeline.registry import JUDGED_BY
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.tables import (
    CHAMPIONS,
    EVALUATION,
    FORECASTS_OUT_OF_SAMPLE,
    PROMOTIONS,
)
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace
from asset_predict_dagster_tests.registry.desk import LAST_SESSION, MONDAY, Desk
from asset_predict_dagster_tests.registry.trainings import promote, trained_model

POSSIBLE = ("quotes", "prices_are_possible")


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> bytes:
    """MLflow's database with nothing in it: making it takes seconds."""
    registry = Registry(tmp_path_factory.mktemp("empty") / "mlflow.db")
    assert registry.models() == []
    return registry.database.read_bytes()


@pytest.fixture
def place(empty: bytes, tmp_path) -> Workplace:
    """Versions 1 to 3 of the LSTM have served in turn, and one of the forest; no tables of it."""
    place = new_workplace(tmp_path, as_of=LAST_SESSION)
    place.settings.data.mkdir()
    place.settings.registry_database.write_bytes(empty)
    desk = desk_of(place)
    for seed in (1, 2, 3):
        promote(desk.registry, desk.train(seed))
    forest = desk.registry.register(trained_model("random_forest", 1), MONDAY, "run")
    promote(desk.registry, forest)
    place.lake.write(EVALUATION, desk.evaluation)
    return place


def desk_of(place: Workplace) -> Desk:
    return Desk(Registry(place.settings.registry_database), place.settings.bundles)


def move(place: Workplace, **config: object) -> dg.ExecuteInProcessResult:
    job = build_definitions(place.settings).resolve_job_def("move_champion")
    return job.execute_in_process(
        run_config={"ops": {"moved_champion": {"config": config}}},
        instance=place.instance,
        raise_on_error=False,
    )


def lstm_in(place: Workplace) -> pd.Series:
    return place.lake.read(CHAMPIONS).set_index("model").loc["lstm"]


def test_the_tables_say_at_once_who_serves_and_dagster_shows_the_run(place: Workplace):
    result = move(place, model="lstm", why="3 forgets thin days")
    assert result.success
    champion = lstm_in(place)
    assert (champion["model_version"], champion["decision"]) == ("2", "rolled_back")
    assert champion["status"] == "unproven"
    log = place.lake.read(PROMOTIONS)
    assert list(log["model"].value_counts().sort_index()) == [4, 1]
    last = log[log["model"] == "lstm"].iloc[-1]
    assert (last["incumbent_version"], last["model_version"], last["by"]) == ("3", "2", "person")
    assert last["reason"].startswith("3 forgets thin days; it has not shown skill: rank IC")
    for table in (CHAMPIONS, PROMOTIONS):
        event = place.instance.get_latest_materialization_event(dg.AssetKey(table.name))
        assert event is not None and event.run_id == result.run_id
    assert move(place, model="lstm", version="3").success
    assert lstm_in(place)["decision"] == "promoted_by_hand"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model": "lstm", "version": "3"}, "version 3 of lstm serves already"),
        ({"model": "random_forest"}, "no version of random_forest served before version 1"),
        ({"model": "gru"}, "model 'gru' has no champion yet"),
        ({"model": "random_forest", "version": "7"}, "'random_forest' has no version 7"),
    ],
)
def test_what_is_refused_ends_the_run_with_one_sentence_and_changes_nothing(
    place: Workplace, config, message
):
    before = desk_of(place).state()
    (failure,) = move(place, **config).get_step_failure_events()
    assert message in failure.step_failure_data.user_failure_data.description
    assert desk_of(place).state() == before
    assert not place.lake.exists(CHAMPIONS)


def test_what_a_kill_left_between_registry_and_tables_is_finished_by_the_next_run(
    place: Workplace,
):
    """`daily_prediction` holds the asset `promotions`, before anything is predicted."""
    assert move(place, model="lstm").success
    desk = desk_of(place)
    promote(desk.registry, desk.registry.version("lstm", "1"), "promoted_by_hand")
    assert lstm_in(place)["model_version"] == "2"
    assert place.materialise("promotions").success
    assert lstm_in(place)["model_version"] == "1"
    assert place.lake.read(PROMOTIONS)["model_version"].iloc[-2] == "1"
    versions = place.versions()
    assert place.materialise("promotions").success
    assert place.versions() == versions


def test_a_lake_of_an_earlier_program_keeps_its_champions(place: Workplace):
    """Its registry has no log."""
    assert move(place, model="lstm").success
    client = Registry(place.settings.registry_database)._client()
    for model in ("lstm", "random_forest"):
        for tag in client.get_registered_model(model).tags:
            client.delete_registered_model_tag(model, tag)
    before = place.lake.version(CHAMPIONS)
    assert place.materialise("promotions").success
    assert place.lake.version(CHAMPIONS) == before
    assert place.lake.read(PROMOTIONS).empty


def test_where_nothing_was_ever_trained_there_is_an_empty_log(tmp_path):
    place = new_workplace(tmp_path)
    assert place.materialise("promotions").success
    assert place.lake.read(PROMOTIONS).empty
    assert not place.settings.registry_database.exists()
    assert not place.lake.exists(CHAMPIONS)


def tell(instance: dg.DagsterInstance, check: tuple[str, str], *, passed: bool, warn: bool = False):
    """Tell Dagster the result of a check, as a run of it does."""
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(check[0]),
            check_name=check[1],
            passed=passed,
            metadata={},
            severity=dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR,
        )
    )


def test_the_latest_result_of_a_check_counts_and_a_warning_does_not(place: Workplace):
    instance = place.instance
    assert failed_checks(instance, JUDGED_BY) == []
    tell(instance, POSSIBLE, passed=False)
    tell(instance, ("quotes", "jumps_are_explained"), passed=False, warn=True)
    tell(instance, ("model_health", "keeps_the_dictionary"), passed=False)
    # Files that ended years ago can be learned from.
    tell(instance, ("quotes", "quotes_are_fresh"), passed=False)
    assert failed_checks(instance, JUDGED_BY) == ["quotes: prices_are_possible"]
    # A check that is planned has said nothing yet.
    daily = build_definitions(place.settings).resolve_job_def("daily_prediction")
    instance.create_run_for_job(daily, asset_selection=None)
    assert failed_checks(instance, JUDGED_BY) == ["quotes: prices_are_possible"]
    tell(instance, POSSIBLE, passed=True)
    assert failed_checks(instance, JUDGED_BY) == []


def test_what_champions_are_judged_by_is_all_that_comes_before_them():
    assert {"raw_quotes", "features", "folds", "scalings", "evaluation"} <= JUDGED_BY
    assert not JUDGED_BY & {"champions", "predictions", "drift", "walk_forward_summary"}


def test_a_failed_check_keeps_a_challenger_out_until_it_passes(place: Workplace):
    desk = desk_of(place)
    promote(desk.registry, desk.registry.version("lstm", "2"))
    skill = {("lstm", "2"): 0.0, ("lstm", "3"): 0.3, ("random_forest", "1"): 0.0}
    forecasts = made_forecasts(skill)
    place.lake.replace_parts(FORECASTS_OUT_OF_SAMPLE, forecasts)
    place.lake.write(EVALUATION, evaluate(forecasts, seed=1))
    tell(place.instance, POSSIBLE, passed=False)
    assert place.materialise("champions").success
    assert lstm_in(place)["model_version"] == "2"
    assert lstm_in(place)["reason"] == (
        "version 3 is kept out by failed checks: quotes: prices_are_possible"
    )
    tell(place.instance, POSSIBLE, passed=True)
    assert place.materialise("champions", "promotions").success
    assert (lstm_in(place)["model_version"], lstm_in(place)["decision"]) == ("3", "promoted")
    log = place.lake.read(PROMOTIONS)
    assert list(log.loc[log["model"] == "lstm", "decision"])[-2:] == ["kept", "promoted"]
