"""A clean-up of models takes what nobody asks for, and nothing that anybody could ask for."""

import multiprocessing
import os
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset_clean_up import clean_up
from asset_predict_dagster.registry.live_run import no_run_begins
from asset_predict_dagster.registry.mlflow_database import TRAININGS, artifacts_folder, runs_of
from asset_predict_dagster.registry.references import referenced_versions
from asset_predict_dagster.tables import FOLDS
from asset_predict_dagster_tests.registry.house import House


@pytest.fixture
def house(tmp_path, empty_database) -> House:
    return House.of(tmp_path, empty_database)


@pytest.fixture
def grown(house) -> House:
    """Six versions, two days apart, the second and then the fourth promoted."""
    for number in range(1, 7):
        version = house.train("lstm")
        if number in (2, 4):
            house.promote(version)
        house.pass_days(2)
    return house


def run_ids(house: House) -> set[str]:
    return {run.info.run_id for run in runs_of(house.registry._client(), TRAININGS)}


def artefacts(house: House) -> set[str]:
    return {path.name for path in artifacts_folder(house.registry.database).iterdir()}


def test_who_serves_served_or_was_trained_last_stays(grown):
    found = grown.clean_up(last=1)
    # 6 is the challenger, 4 serves, 2 served; 5 is the one other version that is kept.
    assert grown.versions("lstm") == ["6", "5", "4", "2"]
    assert found.loc[found["what"] == "version", "name"].tolist() == ["lstm 3", "lstm 1"]
    grown.assert_whole()


def test_all_that_was_of_a_dropped_version_goes_with_it(grown):
    before = {v.version: v for v in grown.registry.versions("lstm")}
    found = grown.clean_up(last=0)
    gone = [before[number] for number in ("1", "3", "5")]
    digests = {digest for v in gone for digest in (v.bundle, v.evaluation_bundle)}
    assert len(digests) == 6
    assert grown.digests().isdisjoint(digests)
    assert len(grown.digests()) == 6
    assert run_ids(grown) == artefacts(grown) == {before[n].run_id for n in ("2", "4", "6")}
    counted = found.groupby("what").size().to_dict()
    assert counted == {"version": 3, "run": 3, "artefacts": 3, "bundle": 6}
    assert found.loc[found["what"] == "bundle", "n_bytes"].min() > 500


def test_a_dry_run_says_the_same_and_changes_nothing(grown):
    before = grown.versions("lstm"), grown.digests(), run_ids(grown), artefacts(grown)
    said = grown.clean_up(last=0, dry_run=True)
    assert (grown.versions("lstm"), grown.digests(), run_ids(grown), artefacts(grown)) == before
    assert said.equals(grown.clean_up(last=0))
    assert grown.clean_up(last=0).empty


def test_numbers_are_never_given_again(grown):
    grown.clean_up(last=0)
    assert grown.train("lstm").version == "7"


def test_what_was_trained_within_a_day_stays(house):
    for _ in range(3):
        house.train("lstm")
    house.clean_up(last=0)
    assert house.versions("lstm") == ["3", "2", "1"]
    house.pass_days(2)
    house.clean_up(last=0)
    assert house.versions("lstm") == ["3"]


def test_two_versions_may_share_a_bundle(house):
    """Nothing that a kept version points at goes with another one."""
    first = house.train("lstm")
    house.pass_days(2)
    client = house.registry._client()
    twin = client.create_model_version(
        "lstm", source="bundle:/twin", tags={**client.get_model_version("lstm", "1").tags}
    )
    client.set_registered_model_alias("lstm", "challenger", twin.version)
    house.clean_up(last=0)
    assert house.versions("lstm") == ["2"]
    assert {first.bundle, first.evaluation_bundle} == house.digests()


def test_a_training_that_failed_is_forgotten_after_a_month(house):
    with pytest.raises(RuntimeError), house.registry.training(house.begun("lstm", 0), house.clock):
        raise RuntimeError("it fails")
    house.train("lstm")
    house.pass_days(29)
    house.clean_up()
    assert len(run_ids(house)) == 2
    house.pass_days(2)
    house.clean_up()
    assert run_ids(house) == {house.registry.challenger("lstm").run_id}


def test_a_checkpoint_that_nobody_took_up_goes_after_a_month(house):
    house.checkpoints.mkdir()
    (house.checkpoints / "lstm").write_bytes(b"half a training")
    house.date_new_files()
    house.pass_days(29)
    assert house.clean_up().empty
    house.pass_days(2)
    assert house.clean_up()["what"].tolist() == ["checkpoint"]
    assert list(house.checkpoints.iterdir()) == []


def test_a_bundle_that_nobody_refers_to_goes_after_a_day(house):
    digest = house.write_bundle("lstm", "serving", 1, 0)
    house.date_new_files()
    house.clean_up()
    assert house.digests() == {digest}
    house.pass_days(2)
    house.clean_up()
    assert house.digests() == set()


def test_what_is_no_bundle_is_left_alone(house):
    (house.bundles / "notes").mkdir(parents=True)
    house.pass_days(2)
    os.utime(house.bundles / "notes", (0, 0))
    house.clean_up()
    assert house.digests() == {"notes"}


# Beside a training


def test_the_bundle_of_a_training_under_way_stays_however_old_it_is(house):
    """A training on the same data finds its bundle there, of a version that was dropped."""
    digest = house.write_bundle("lstm", "serving", 1, 0)
    house.date_new_files()
    house.pass_days(100)
    with house.registry.training(house.begun("lstm", 0), house.clock):
        house.clean_up()
        assert house.digests() == {digest}
    house.clean_up()
    assert house.digests() == set()


def test_while_a_training_is_under_way_models_are_left_alone(grown):
    """It may come out the same as an old version, which then is the challenger."""
    with grown.registry.training(grown.begun("lstm", 0), grown.clock) as run:
        run.keep({"tables/curves.csv": b"1"}, {})
        assert grown.clean_up(last=0) is None
        assert run.run_id in run_ids(grown) & artefacts(grown)
        assert grown.versions("lstm") == ["6", "5", "4", "3", "2", "1"]
        grown.promote(grown.train("lstm", run=run))
    grown.clean_up(last=0)
    assert grown.versions("lstm") == ["7", "4", "2"]
    grown.assert_whole()


def test_a_training_that_was_killed_stops_no_clean_up(grown):
    lock = grown.folder / "mlflow.db.locks" / f"{0:016x}.lock"
    lock.touch()
    grown.clean_up(last=0)
    assert grown.versions("lstm") == ["6", "4", "2"]
    assert not lock.exists()


def test_no_training_begins_in_the_midst_of_a_clean_up(house):
    began = threading.Event()

    def train() -> None:
        with house.registry.training(house.begun("lstm", 0), house.clock):
            began.set()

    other = threading.Thread(target=train)
    with no_run_begins(house.registry.database) as nobody_trains:
        assert nobody_trains
        other.start()
        assert not began.wait(0.5)
    assert began.wait(60)
    other.join()


def test_tables_that_a_training_under_way_learns_from_count_as_referenced(house):
    house.train("lstm")
    with house.registry.training(house.begun("lstm", 17), house.clock):
        assert referenced_versions(house.registry, house.bundles) == {"folds": {0, 17}}
    assert referenced_versions(house.registry, house.bundles) == {"folds": {0}}


def test_tables_of_versions_that_are_about_to_go_do_not_count(grown):
    (third,) = [v for v in grown.registry.versions("lstm") if v.version == "3"]
    left = referenced_versions(grown.registry, grown.bundles, without=[third])
    assert left == {"folds": {0, 1, 3, 4, 5}}


# Whatever happens


STEPS = st.one_of(
    st.tuples(st.just("train"), st.sampled_from(["lstm", "random_forest"])),
    st.tuples(st.just("promote"), st.sampled_from(["lstm", "random_forest"])),
    st.tuples(st.just("roll back"), st.sampled_from(["lstm", "random_forest"])),
    st.tuples(st.just("wait"), st.integers(1, 20)),
    st.tuples(st.just("clean up"), st.integers(0, 2)),
)


@given(st.lists(STEPS, min_size=4, max_size=12))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_after_any_life_whoever_serves_served_or_challenges_can_be_loaded(
    tmp_path_factory, empty_database, life
):
    house = House.of(tmp_path_factory.mktemp("life"), empty_database)
    for what, told in life:
        if what == "train":
            house.train(told)
        elif what == "promote" and house.versions(told):
            house.promote(house.registry.challenger(told))
        elif what == "roll back" and house.served.get(told):
            house.promote(house.registry.version(told, house.served[told][0]))
        elif what == "wait":
            house.pass_days(told)
        elif what == "clean up":
            house.clean_up(told)
            named = referenced_versions(house.registry, house.bundles)
            # Delta stamps its versions by the machine's clock; nobody reads this lake meanwhile.
            clean_up(house.lake, [FOLDS], 1, named, datetime.now(UTC), older_than=timedelta(0))
    house.assert_whole()


# Killed


def clean_up_until_killed(house: House, moment: tuple[str, int]) -> None:
    """Clean up in a process that dies at its n-th act of a kind, as Python's audit names them."""
    house.registry.models()  # the schema is looked at once
    act, number = moment
    seen = count(1)

    def die(event: str, _: object) -> None:
        if event == act and next(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    house.clean_up(last=0)


# Three versions go, three runs, three folders of artefacts, six bundles.
@pytest.mark.parametrize(
    "moment", [("sqlite3.connect", 1), ("shutil.rmtree", 2), ("shutil.rmtree", 6)], ids=str
)
def test_what_a_killed_clean_up_left_points_nowhere_and_the_next_one_takes_it(grown, moment):
    process = multiprocessing.get_context("spawn").Process(
        target=clean_up_until_killed, args=(grown, moment)
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    grown.assert_whole()
    left = (*grown.versions("lstm"), *run_ids(grown), *artefacts(grown), *grown.digests())
    assert len(left) > 3 + 3 + 3 + 6
    grown.clean_up(last=0)
    grown.assert_whole()
    assert grown.versions("lstm") == ["6", "4", "2"]
    assert len(run_ids(grown)) == len(artefacts(grown)) == 3
    assert len(grown.digests()) == 6
    assert grown.clean_up(last=0).empty
