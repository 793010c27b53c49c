"""A model that age, drift or lost skill has worn out is trained again, once; a fresh one is not.

What is due on which day is `predictions/test_retraining.py`'s.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.pipeline.sensors import retrain_stale_models
from asset_predict_dagster.tables import CHAMPIONS, MODEL_HEALTH, PROMOTIONS
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace
from asset_predict_dagster_tests.pipeline.retraining_watch import Watch


def origin_of(job: str) -> RemoteJobOrigin:
    """Where a queued run says that its job comes from."""
    module = LoadableTargetOrigin(module_name="asset_predict_dagster.definitions")
    location = InProcessCodeLocationOrigin(module, location_name="asset_predict_dagster")
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job)


@pytest.fixture(scope="module")
def trained_at(finished: Workplace) -> datetime:
    """When the older of the two models was trained."""
    return finished.lake.read(CHAMPIONS)["trained_at"].min().to_pydatetime()


def test_a_fresh_model_is_left_alone(finished: Workplace, trained_at: datetime):
    skipped = Watch(finished).at(trained_at + timedelta(days=14, hours=23))
    assert isinstance(skipped, dg.SkipReason)
    assert "random_forest was trained 14 days ago; stale from 15" in skipped.skip_message


def test_a_stale_model_requests_a_training_with_the_reason(
    finished: Workplace, trained_at: datetime
):
    request = Watch(finished).at(trained_at + timedelta(days=15, minutes=5))
    assert isinstance(request, dg.RunRequest)
    assert "was trained 15 days ago" in request.tags["asset_predict/reason"]
    assert "stale" in request.run_key


def test_the_same_day_never_asks_twice_and_the_next_day_asks_again(
    finished: Workplace, trained_at: datetime
):
    """Dagster runs one run per key: equal keys are one request."""
    stale = (trained_at + timedelta(days=20)).replace(hour=1)
    morning, evening, tomorrow = (
        Watch(finished).at(stale + timedelta(hours=hours)).run_key for hours in (0, 20, 24)
    )
    assert morning == evening != tomorrow


@pytest.mark.parametrize("job", ["retrain", "complete_pipeline"])
@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED])
def test_an_unfinished_training_is_waited_for(
    finished: Workplace, trained_at: datetime, tmp_path, job: str, status: dg.DagsterRunStatus
):
    busy = Workplace(finished.settings, dg.DagsterInstance.local_temp(str(tmp_path)))
    busy.instance.add_run(dg.DagsterRun(job_name=job, status=status))
    skipped = Watch(busy).at(trained_at + timedelta(days=20))
    assert isinstance(skipped, dg.SkipReason)
    assert "is not finished" in skipped.skip_message


def test_a_model_that_a_person_trains_alone_is_waited_for(
    finished: Workplace, trained_at: datetime, tmp_path
):
    busy = Workplace(finished.settings, dg.DagsterInstance.local_temp(str(tmp_path)))
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=frozenset({dg.AssetKey("lstm_model")}),
    )
    busy.instance.add_run(run)
    assert isinstance(Watch(busy).at(trained_at + timedelta(days=20)), dg.SkipReason)


def test_a_daily_prediction_is_not_waited_for(finished: Workplace, trained_at: datetime, tmp_path):
    busy = Workplace(finished.settings, dg.DagsterInstance.local_temp(str(tmp_path)))
    busy.instance.add_run(
        dg.DagsterRun(job_name="daily_prediction", status=dg.DagsterRunStatus.STARTED)
    )
    assert isinstance(Watch(busy).at(trained_at + timedelta(days=20)), dg.RunRequest)


def test_a_missing_model_is_asked_for_as_soon_as_there_are_features(finished: Workplace, tmp_path):
    place = new_workplace(tmp_path)
    now = datetime(2021, 1, 4, 9, tzinfo=UTC)
    nothing_yet = Watch(place).at(now)
    assert isinstance(nothing_yet, dg.SkipReason)
    assert "run complete_pipeline" in nothing_yet.skip_message

    place.lake.write(FEATURES, finished.lake.read(FEATURES).tail(10))
    watch = Watch(place)
    request = watch.at(now)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["asset_predict/reason"] == "random_forest has no champion"


def test_without_any_champion_both_models_are_trained_one_after_the_other(
    finished: Workplace, tmp_path
):
    place = new_workplace(tmp_path)
    place.lake.write(FEATURES, finished.lake.read(FEATURES).tail(10))
    watch, now = Watch(place), datetime(2021, 1, 4, 9, tzinfo=UTC)
    begun = ran(watch, watch.at(now), dg.DagsterRunStatus.STARTED)
    assert asks(watch, now + timedelta(minutes=10)) == ""
    becomes(watch, begun, DagsterEventType.RUN_SUCCESS)
    champions = finished.lake.read(CHAMPIONS)
    place.lake.write(CHAMPIONS, champions[champions["model"] == "random_forest"])
    assert asks(watch, now + timedelta(minutes=20)) == "lstm-missing"


def test_a_request_is_the_job_without_the_other_models_training(
    finished: Workplace, trained_at: datetime
):
    watch = Watch(finished)
    request = watch.at(trained_at + timedelta(days=15, minutes=5))
    assert isinstance(request, dg.RunRequest)
    whole = watch.definitions.resolve_job_def("retrain").asset_layer.executable_asset_keys
    assert whole - set(request.asset_selection or ()) == {dg.AssetKey("lstm_model")}


def test_it_runs_by_default():
    assert retrain_stale_models.default_status == dg.DefaultSensorStatus.RUNNING


# What the table model_health says of drift and skill


@pytest.fixture
def told(finished: Workplace, trained_at: datetime, tmp_path) -> Callable[..., Watch]:
    """A workplace whose table says these causes of the LSTM; its runs are its own."""

    def tell(causes: str, **changes: object) -> Watch:
        place = new_workplace(tmp_path)
        place.lake.write(FEATURES, finished.lake.read(FEATURES).tail(10))
        place.lake.write(CHAMPIONS, finished.lake.read(CHAMPIONS))
        health = finished.lake.read(MODEL_HEALTH)
        is_lstm = health["model"] == "lstm"
        for name, value in {"causes": causes, "reason": f"because {causes}", **changes}.items():
            health.loc[is_lstm, name] = value
        place.lake.write(MODEL_HEALTH, health)
        return Watch(place)

    return tell


@pytest.fixture
def told_once(told) -> Watch:
    """Both models stale on `CHAMPIONS_DAY`, the LSTM drifting as well."""
    return as_if_trained_on(told("drifting"), CHAMPIONS_DAY - timedelta(days=16))


def ran(
    watch: Watch, request: dg.RunRequest | dg.SkipReason, status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    """What the daemon makes of a request, and what became of it."""
    assert isinstance(request, dg.RunRequest)
    run = dg.DagsterRun(job_name="retrain", tags=dict(request.tags), status=status)
    return watch.place.instance.add_run(run)


def becomes(watch: Watch, run: dg.DagsterRun, end: DagsterEventType) -> None:
    event = DagsterEvent(event_type_value=end.value, job_name=run.job_name)
    watch.place.instance.report_dagster_event(event, run_id=run.run_id)


def asks(watch: Watch, now: datetime) -> str:
    """The run key's causes; empty if nothing is asked for."""
    answer = watch.at(now)
    return answer.tags["asset_predict/causes"] if isinstance(answer, dg.RunRequest) else ""


FINISHED, FAILED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("cause", ["missing", "drifting", "losing_skill"])
def test_an_alarm_of_the_serving_version_requests_a_training(told, trained_at: datetime, cause):
    now = trained_at + timedelta(days=1)
    request = told(cause).at(now)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == f"retrain-lstm-{cause}-{now.date()}"
    assert request.tags["asset_predict/reason"] == f"because {cause}"


def test_where_no_bundle_can_be_opened_the_daily_run_fails_and_both_are_missing(
    told, trained_at: datetime
):
    """It fails before it tells the health of any."""
    watch, now = told(""), trained_at + timedelta(days=1)
    assert asks(watch, now) == ""
    daily = dg.DagsterRun(job_name="daily_prediction", status=FAILED)
    watch.place.instance.add_run(daily)
    request = watch.at(now)
    assert request.tags["asset_predict/causes"] == "random_forest-missing"
    assert "random_forest cannot be asked: bundle " in request.tags["asset_predict/reason"]
    good = dg.DagsterRun(job_name="daily_prediction", status=FINISHED)
    watch.place.instance.add_run(good)
    assert asks(watch, now) == ""


def test_what_a_person_went_back_to_is_not_stale_for_five_sessions(told):
    """Trained at once, the version that follows would take its place within minutes."""
    watch = as_if_trained_on(told(""), CHAMPIONS_DAY - timedelta(days=16))
    log = pd.DataFrame({name: [""] for name in PROMOTIONS.column_names}).assign(
        model="lstm",
        decided_at=CHAMPIONS_DAY,
        decision="rolled_back",
        model_version="1",
        status="proven",
        by="person",
        bundle="digest",
        training_end=pd.Timestamp("2024-01-05"),
        trained_at=CHAMPIONS_DAY,
    )
    watch.place.lake.write(PROMOTIONS, log)
    ran(watch, watch.at(CHAMPIONS_DAY), FINISHED)
    skipped = watch.at(CHAMPIONS_DAY + timedelta(days=1))
    assert isinstance(skipped, dg.SkipReason)
    assert "random_forest-stale: a training of 2024-02-08 has not mended" in skipped.skip_message
    assert "lstm: a person decided on 2024-02-08 who serves, so its age counts from" in (
        skipped.skip_message or ""
    )
    # Monday the 19th is the fifth session; what else is wrong does not wait for it.
    assert asks(watch, CHAMPIONS_DAY + timedelta(days=11)) == "lstm-stale"
    health = watch.place.lake.read(MODEL_HEALTH)
    health.loc[health["model"] == "lstm", "causes"] = "losing_skill"
    watch.place.lake.write(MODEL_HEALTH, health)
    assert asks(watch, CHAMPIONS_DAY + timedelta(days=1)) == "lstm-losing_skill"


def test_an_alarm_of_a_version_that_no_longer_serves_is_over(told, trained_at: datetime):
    assert asks(told("drifting", model_version="0"), trained_at + timedelta(days=1)) == ""


def test_what_training_cannot_mend_is_not_asked_of_it(told, trained_at: datetime):
    assert asks(told("broken"), trained_at + timedelta(days=1)) == ""


def test_age_is_reckoned_by_the_clock_and_not_by_what_was_told(told, trained_at: datetime):
    watch = told("stale")
    assert asks(watch, trained_at + timedelta(days=1)) == ""
    assert asks(watch, trained_at + timedelta(days=16)) == "random_forest-stale"


def test_a_table_of_an_earlier_program_says_nothing_and_age_still_counts(
    told, trained_at: datetime
):
    watch = told("drifting")
    old = [column for column in MODEL_HEALTH.columns if column.name != "causes"]
    health = watch.place.lake.read(MODEL_HEALTH).drop(columns="causes")
    watch.place.lake.write(replace(MODEL_HEALTH, columns=tuple(old)), health)
    assert asks(watch, trained_at + timedelta(days=1)) == ""
    assert asks(watch, trained_at + timedelta(days=16)) == "random_forest-stale"


@pytest.mark.parametrize("status", [FINISHED, FAILED])
def test_a_model_is_asked_for_once_a_day_whatever_became_of_it(
    told, trained_at: datetime, status: dg.DagsterRunStatus
):
    watch, morning = told("drifting"), (trained_at + timedelta(days=1)).replace(hour=1)
    ran(watch, watch.at(morning), status)
    evening = watch.at(morning + timedelta(hours=20))
    assert isinstance(evening, dg.SkipReason)
    assert evening.skip_message == "lstm: asked for today"


def test_a_request_of_an_earlier_program_for_both_models_counts_for_each(
    told, trained_at: datetime
):
    watch, now = told("drifting"), trained_at + timedelta(days=20)
    both = "random_forest-stale,lstm-stale,lstm-drifting"
    tags = {"asset_predict/causes": both, "asset_predict/requested_on": str(now.date())}
    run = dg.DagsterRun(job_name="retrain", tags=tags, status=FAILED)
    watch.place.instance.add_run(run)
    answer = watch.at(now)
    assert isinstance(answer, dg.SkipReason)
    assert answer.skip_message == "random_forest: asked for today; lstm: asked for today"


def test_a_run_that_waits_in_the_queue_for_days_is_waited_for(told, trained_at: datetime):
    """A backtest may hold the only training place for long."""
    watch = told("drifting")
    run = dg.DagsterRun(
        job_name="retrain",
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=origin_of("retrain"),
    )
    ago = datetime.now(UTC) - timedelta(days=3)
    watch.place.instance.run_storage.add_historical_run(run, run_creation_time=ago)
    assert "is not finished" in watch.at(trained_at + timedelta(days=1)).skip_message


def test_a_run_whose_process_was_lost_hours_ago_is_not_waited_for(told, trained_at: datetime):
    watch = told("drifting")
    run = dg.DagsterRun(job_name="retrain", status=dg.DagsterRunStatus.STARTED)
    ago = datetime.now(UTC) - timedelta(hours=5)
    watch.place.instance.run_storage.add_historical_run(run, run_creation_time=ago)
    assert asks(watch, trained_at + timedelta(days=1)) == "lstm-drifting"


CHAMPIONS_DAY = datetime(2024, 2, 8, 12, tzinfo=UTC)
"""A Thursday; Carnival is on Monday and Tuesday, and Ash Wednesday is a session."""


def as_if_trained_on(watch: Watch, day: datetime) -> Watch:
    champions = watch.place.lake.read(CHAMPIONS).assign(trained_at=day)
    watch.place.lake.write(CHAMPIONS, champions)
    return watch


BOTH = "lstm-drifting,lstm-stale"


def asked_in(watch: Watch, n_days: int, failing: set[str]) -> list[str]:
    """What is asked for, looking twice a day; each training has ended by the next look."""
    asked = []
    for half_days in range(2 * n_days):
        now = CHAMPIONS_DAY + timedelta(hours=12 * half_days)
        answer = watch.at(now)
        if isinstance(answer, dg.RunRequest):
            asked.append(f"{now:%m-%d} {answer.tags['asset_predict/causes']}")
            ran(watch, answer, FAILED if asked[-1] in failing else FINISHED)
    return asked


def test_the_requests_of_three_weeks_in_which_two_trainings_fail(told_once: Watch):
    """The LSTM is the worse one, and fails twice: it pauses for a day and for two.

    The forest's turn is the look after. What ended well on the 9th (a Friday) or on the 11th is
    worth another one five sessions later: 14, 15, 16, 19 and 20.
    """
    asked = asked_in(told_once, 20, failing={f"02-08 {BOTH}", f"02-09 {BOTH}"})
    assert asked == [
        f"02-08 {BOTH}",
        f"02-09 {BOTH}",
        "02-09 random_forest-stale",
        f"02-11 {BOTH}",
        f"02-20 {BOTH}",
        "02-20 random_forest-stale",
        f"02-27 {BOTH}",
        "02-27 random_forest-stale",
    ]


ENDS = {
    "finish": DagsterEventType.RUN_SUCCESS,
    "fail": DagsterEventType.RUN_FAILURE,
    "cancel": DagsterEventType.RUN_CANCELED,
}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*ENDS, "go on"]), min_size=12, max_size=12))
def test_never_two_in_flight_and_never_more_than_three_a_week(told_once: Watch, fates: list[str]):
    with dg.DagsterInstance.ephemeral() as instance:
        watch = Watch(Workplace(told_once.place.settings, instance), told_once.definitions)
        asked: list[tuple[datetime, dg.DagsterRun]] = []
        for half_days, fate in enumerate(fates):
            now = CHAMPIONS_DAY + timedelta(hours=12 * half_days)
            answer = watch.at(now)
            if isinstance(answer, dg.RunRequest):
                assert all(status(watch, run).value in ENDED for _, run in asked)
                asked.append((now, ran(watch, answer, dg.DagsterRunStatus.STARTED)))
            if asked and fate in ENDS and status(watch, asked[-1][1]).value not in ENDED:
                becomes(watch, asked[-1][1], ENDS[fate])
        for model in ("random_forest", "lstm"):
            days = [at for at, run in asked if model in run.tags["asset_predict/causes"]]
            assert len({at.date() for at in days}) == len(days) <= 3


ENDED = ("SUCCESS", "FAILURE", "CANCELED")


def status(watch: Watch, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = watch.place.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status
