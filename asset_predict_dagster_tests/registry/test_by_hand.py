"""A person may let any honest version serve, and go back; what is refused changes nothing."""

from datetime import date

import pytest

from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.errors import BundleError, NoChampionError, RegistryError
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.registry.champions import champions_table
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts
from asset_predict_dagster_tests.registry.desk import LAST_SESSION, Desk
from asset_predict_dagster_tests.registry.trainings import promote


@pytest.fixture
def desk(registry, tmp_path) -> Desk:
    """Versions 1, 2 and 3 have served in turn; the third serves."""
    desk = Desk(registry, tmp_path / "bundles")
    for seed in (1, 2, 3):
        promote(registry, desk.train(seed))
    return desk


def test_going_back_twice_is_one_further_back_and_then_there_is_no_further(desk):
    assert desk.move().model_version == "2"
    last = desk.move(why="2 forgets thin days")
    assert (last.candidate_version, last.incumbent_version, last.decision) == (
        "1",
        "2",
        "rolled_back",
    )
    assert (last.by, last.status) == ("person", "proven")
    assert last.reason.startswith("2 forgets thin days; it has shown skill: rank IC 0.")
    assert desk.registry.serving("lstm").version == "1"
    before = desk.state()
    with pytest.raises(RegistryError, match="no version of lstm served before version 1, so"):
        desk.move()
    assert desk.state() == before


def test_any_version_may_be_promoted_by_hand_and_says_whether_it_is_proven(desk):
    moved = desk.move("2")
    assert (moved.decision, moved.status, moved.model_version) == (
        "promoted_by_hand",
        "unproven",
        "2",
    )
    assert moved.reason.startswith("no reason given; it has not shown skill: rank IC")
    newest = desk.train(4)
    assert desk.move(newest.version).reason.endswith("not shown skill: it was never evaluated")
    assert desk.move().model_version == "2"


def test_the_table_of_champions_shows_a_move_at_once(desk):
    desk.move("1", why="as before")
    row = champions_table(desk.registry, ("lstm",)).iloc[0]
    assert (row["model_version"], row["decision"], row["status"]) == (
        "1",
        "promoted_by_hand",
        "proven",
    )
    assert row["reason"].startswith("as before")
    assert row["bundle"] == desk.registry.version("lstm", "1").bundle


def test_the_rule_keeps_out_what_a_person_went_back_from_and_judges_the_next(desk):
    desk.move()  # 3, which is proven, gives way to 2, which is not
    row = desk.judge()
    assert (row["model_version"], row["candidate_version"], row["decision"]) == ("2", "3", "kept")
    assert "version 3 stays out: a person put it aside" in row["reason"]
    desk.train(4)
    rows = made_forecasts({("lstm", "4"): 0.3, ("lstm", "2"): 0.0})
    desk.forecasts, desk.evaluation = rows, evaluate(rows, seed=1)
    row = desk.judge()
    assert (row["model_version"], row["decision"]) == ("4", "promoted")
    assert "minus version 2's on 120 common sessions" in row["reason"]


def test_what_is_asked_for_by_hand_may_be_promoted_by_the_rule_again(desk):
    desk.move()
    desk.move("3")
    assert desk.judge()["decision"] == "promoted_by_hand"  # it is the champion, trained again
    desk.move()
    assert desk.judge()["decision"] == "kept"


@pytest.mark.parametrize(
    ("version", "why", "message"),
    [
        ("3", "", "version 3 of lstm serves already; nothing was changed"),
        ("9", "", r"'lstm' has no version 9; registered are"),
        ("1", "x" * 501, "500 characters at most was expected, not of 501"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(desk, version, why, message):
    before = desk.state()
    with pytest.raises(RegistryError, match=message):
        desk.move(version, why)
    assert desk.state() == before


def test_a_scoped_version_is_refused_by_its_labels_name(desk):
    scoped = desk.train(9, experiment=Experiment(label="signal_cluster"))
    before = desk.state()
    with pytest.raises(RegistryError, match=r"is scoped \(label=signal_cluster; .* never serves"):
        desk.move(scoped.version)
    assert desk.state() == before


def test_a_version_that_knows_what_comes_is_refused(desk):
    """Rows up to 02-22 know of sessions up to 03-01, and the next row's of the one after."""
    known = desk.train(8, end="2024-02-22")
    assert learned_until(date(2024, 2, 22)) == LAST_SESSION
    hindsight = desk.train(9, end="2024-02-23")
    before = desk.state()
    with pytest.raises(RegistryError, match="up to 2024-03-04, and the last closed one is 2024-03"):
        desk.move(hindsight.version)
    assert desk.state() == before
    assert desk.move(known.version).model_version == known.version


@pytest.mark.parametrize("asked", [None, "2"], ids=["back", "by name"])
@pytest.mark.parametrize("harm", ["altered", "gone"])
def test_a_version_whose_bundle_does_not_forecast_is_refused(desk, asked, harm):
    graph = desk.bundles / desk.registry.version("lstm", "2").bundle / "model.onnx"
    graph.unlink() if harm == "gone" else graph.write_bytes(graph.read_bytes()[:-1])
    before = desk.state()
    with pytest.raises(BundleError, match=r"model\.onnx (was altered|is missing)"):
        desk.move(asked)
    assert desk.state() == before


def test_a_run_that_is_run_again_goes_back_once(desk):
    first = desk.move(run_id="killed")
    assert desk.move(run_id="killed") == first
    assert desk.registry.serving("lstm").version == "2"
    assert desk.move(run_id="another").model_version == "1"


def test_a_model_that_nobody_serves_can_be_promoted_and_not_gone_back_from(registry, tmp_path):
    desk = Desk(registry, tmp_path / "bundles")
    desk.train(1)
    with pytest.raises(NoChampionError, match="'lstm' has no champion yet"):
        desk.move()
    moved = desk.move("1")
    assert (moved.incumbent_version, moved.model_version) == ("", "1")
    assert registry.serving("lstm").version == "1"
