"""What an asset returns names the versions it was computed from: those read, not those current."""

from pathlib import Path
from threading import Event, Thread

import dagster as dg
import pandas as pd
import pytest

from asset_predict_dagster.dataset_versions import list_versions
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.pipeline.io_managers import LakeIOManager
from asset_predict_dagster.pipeline.metadata import describe
from asset_predict_dagster.pipeline.reads import note_read, versions_read
from asset_predict_dagster.tables import FOLDS, OUTCOMES, RENAMES

SESSIONS = pd.to_datetime(["2024-01-02", "2024-01-03"]).as_unit("us")


def renames_to(ticker: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"old_ticker": ["ZZAA3"], "new_ticker": [ticker], "first_session": SESSIONS[:1]}
    )


def folds_of(n_sessions: int) -> pd.DataFrame:
    return pd.DataFrame({"window": "holdout", "session": SESSIONS[:n_sessions], "role": "train"})


class Tables(dg.ConfigurableResource):
    """The lake as a resource, in the manner of `pipeline.resources.LakeTables`."""

    root: str

    def open(self) -> Lake:
        return Lake(self.root, on_read=note_read)


@dg.asset
def renames() -> pd.DataFrame:
    return renames_to("ZZAB3")


@dg.asset
def folds(renames: pd.DataFrame) -> pd.DataFrame:
    return folds_of(len(renames))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.write(RENAMES, renames_to("ZZAB3"))
    return lake


def materialised(lake: Lake, *assets, selection=None, **options) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        list(assets),
        selection=selection,
        resources={"io_manager": LakeIOManager(root=lake.root), "tables": Tables(root=lake.root)},
        **options,
    )


def sources(lake: Lake, table=FOLDS) -> dict[int, str]:
    listed = list_versions(lake, table)
    return dict(zip(listed["version"], listed["came_from"], strict=True))


def test_a_table_names_the_versions_that_it_was_computed_from(lake):
    lake.write(RENAMES, renames_to("ZZAC3"))
    result = materialised(lake, renames, folds, selection=[folds])
    assert sources(lake) == {0: "renames 1"}
    metadata = result.asset_materializations_for_node("folds")[0].metadata
    assert metadata["came_from"].value == "renames 1"
    assert metadata["delta_version"].value == 0


def test_a_whole_run_names_the_versions_that_it_made(lake):
    result = materialised(lake, renames, folds)
    assert sources(lake) == {0: "renames 0"}
    made = result.asset_materializations_for_node("renames")[0].metadata
    assert "came_from" not in made  # it came from no table
    assert made["changed"].value is False


def test_a_version_written_while_the_asset_was_computed_is_not_its_source(lake):
    @dg.asset(name="folds")
    def slow_folds(renames: pd.DataFrame) -> pd.DataFrame:
        lake.write(RENAMES, renames_to("ZZAC3"))
        return folds_of(1)

    materialised(lake, renames, slow_folds, selection=[slow_folds])
    assert lake.version(RENAMES) == 1
    assert sources(lake) == {0: "renames 0"}


def test_two_runs_at_the_same_moment_do_not_mix_their_reads(lake):
    """The first reads version 0 and is still at it when the second reads version 1."""
    first_has_read, second_is_done = Event(), Event()
    io_manager = LakeIOManager(root=lake.root)

    @dg.asset(name="folds")
    def waiting_folds(context: dg.AssetExecutionContext, renames: pd.DataFrame) -> pd.DataFrame:
        if context.run.tags["who"] == "first":
            first_has_read.set()
            assert second_is_done.wait(30)
            return folds_of(1)
        return folds_of(2)

    def run(who: str) -> None:
        dg.materialize(
            [renames, waiting_folds],
            selection=[waiting_folds],
            resources={"io_manager": io_manager},
            tags={"who": who},
        )

    first = Thread(target=run, args=("first",))
    first.start()
    assert first_has_read.wait(30)
    lake.write(RENAMES, renames_to("ZZAC3"))
    run("second")
    second_is_done.set()
    first.join(30)
    assert sources(lake) == {0: "renames 1", 1: "renames 0"}
    assert [len(lake.read(FOLDS, version=v)) for v in (0, 1)] == [2, 1]


def test_an_attempt_that_failed_leaves_no_source_behind(lake):
    attempts = []

    @dg.asset(name="folds", retry_policy=dg.RetryPolicy(max_retries=1))
    def failing_folds(renames: pd.DataFrame) -> pd.DataFrame:
        attempts.append(renames["new_ticker"].iloc[0])
        if len(attempts) == 1:
            lake.write(RENAMES, renames_to("ZZAC3"))
            raise ValueError("once")
        return folds_of(1)

    materialised(lake, renames, failing_folds, selection=[failing_folds])
    assert attempts == ["ZZAB3", "ZZAC3"]
    assert sources(lake) == {0: "renames 1"}


def test_a_run_does_not_remember_what_an_earlier_one_read(lake):
    materialised(lake, renames, folds, selection=[folds])

    @dg.asset(name="folds")
    def lonely_folds() -> pd.DataFrame:
        return folds_of(2)

    result = materialised(lake, lonely_folds)
    assert sources(lake) == {0: "renames 0", 1: ""}
    assert "came_from" not in result.asset_materializations_for_node("folds")[0].metadata


def test_the_same_content_again_keeps_the_sources_of_the_first_time(lake):
    materialised(lake, renames, folds, selection=[folds])
    lake.write(RENAMES, renames_to("ZZAC3"))
    result = materialised(lake, renames, folds, selection=[folds])
    assert sources(lake) == {0: "renames 0"}
    metadata = result.asset_materializations_for_node("folds")[0].metadata
    assert metadata["came_from"].value == "renames 0"
    assert metadata["changed"].value is False


def test_what_is_read_through_a_resource_is_a_source_and_its_own_past_is_not(lake):
    lake.write(FOLDS, folds_of(1))

    @dg.asset(name="folds", deps=[renames])
    def accumulated_folds(tables: Tables) -> pd.DataFrame:
        known = tables.open().read(FOLDS)
        return folds_of(len(known) + len(tables.open().read(RENAMES)))

    materialised(lake, accumulated_folds)
    assert sources(lake)[1] == "renames 0"


def test_an_order_without_a_read_is_no_source(lake):
    @dg.asset(name="folds", deps=[renames])
    def later_folds() -> pd.DataFrame:
        return folds_of(1)

    materialised(lake, renames, later_folds)
    assert sources(lake) == {0: ""}


def test_rows_added_in_place_name_their_sources_too(lake):
    @dg.asset
    def outcomes(renames: pd.DataFrame) -> pd.DataFrame:
        return OUTCOMES.schema.empty_table().to_pandas()

    materialised(lake, renames, outcomes, selection=[outcomes])
    assert sources(lake, OUTCOMES) == {0: "renames 0"}


def test_an_asset_that_writes_by_itself_can_ask_what_it_has_read(lake):
    @dg.asset(name="folds")
    def own_folds(
        context: dg.AssetExecutionContext, tables: Tables, renames: pd.DataFrame
    ) -> dg.MaterializeResult:
        written = tables.open().write(FOLDS, folds_of(1), came_from=versions_read(context))
        return dg.MaterializeResult(metadata=describe(FOLDS, folds_of(1), written))

    result = materialised(lake, renames, own_folds, selection=[own_folds])
    assert sources(lake) == {0: "renames 0"}
    metadata = result.asset_materializations_for_node("folds")[0].metadata
    assert metadata["came_from"].value == "renames 0"


def test_a_check_reads_what_it_likes(lake):
    @dg.asset_check(asset=folds)
    def is_there(folds: pd.DataFrame, tables: Tables) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=len(tables.open().read(RENAMES)) == len(folds))

    result = materialised(lake, renames, folds, is_there)
    assert [e.passed for e in result.get_asset_check_evaluations()] == [True]
    assert sources(lake) == {0: "renames 0"}


def test_a_person_loads_a_table_without_a_run(lake, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)  # `make` names a folder yet to be made
    definitions = dg.Definitions(
        assets=[renames], resources={"io_manager": LakeIOManager(root=lake.root)}
    )
    pd.testing.assert_frame_equal(definitions.load_asset_value("renames"), renames_to("ZZAB3"))
    assert len(Tables(root=lake.root).open().read(RENAMES)) == 1
