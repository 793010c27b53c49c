"""What may pass by itself is tried again after a pause; what would not is said once."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from asset_predict_dagster.errors import (
    AssetPredictError,
    LakeDownError,
    MarketFileError,
    MissingTableError,
    SourceDownError,
    TableError,
    WriteConflictError,
)
from asset_predict_dagster.pipeline import failures
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.io_managers import LakeIOManager
from asset_predict_dagster.tables import CHAMPIONS


class Step:
    """A step that meets a trouble in its first tries."""

    def __init__(self, trouble: Callable[[], object], n_troubled: int):
        self.trouble, self.n_troubled, self.tried_at = trouble, n_troubled, []

    def run(self) -> dg.ExecuteInProcessResult:
        @dg.asset
        @says_why
        def troubled() -> None:
            self.tried_at.append(time.monotonic())
            if len(self.tried_at) <= self.n_troubled:
                self.trouble()

        return dg.materialize([troubled], raise_on_error=False)

    @property
    def n_tries(self) -> int:
        return len(self.tried_at)


def raising(error: BaseException) -> Callable[[], object]:
    def trouble():
        raise error

    return trouble


def why(result: dg.ExecuteInProcessResult) -> dg._core.events.StepFailureData:
    (event,) = result.get_step_failure_events()
    return event.step_failure_data


PASSING = [
    SourceDownError("B3 gives no answer"),
    WriteConflictError("table 'quotes' was written by another run at the same moment"),
    LakeDownError("table 'quotes' cannot be written"),
    ConnectionResetError(),
    TimeoutError(),
    OSError(5, "Input/output error"),
]
STAYING = [
    MarketFileError("COTAHIST_A2020.TXT: the trailer promises 3 quotes but the file has 2"),
    MissingTableError("table 'quotes' has not been made yet"),
    TableError("table 'quotes' has no column close"),
    FileNotFoundError("no such file"),
    PermissionError("not yours"),
    ZeroDivisionError("division by zero"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass_is_tried_three_times_more(error: Exception):
    thrice = Step(raising(error), n_troubled=3)
    assert thrice.run().success
    assert thrice.n_tries == 4


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_does_not_pass_fails_with_its_own_words_and_not_with_those_of_a_retry(
    error: Exception,
):
    always = Step(raising(error), n_troubled=99)
    result = always.run()
    assert always.n_tries == 4
    failure = why(result)
    if isinstance(error, AssetPredictError):
        assert failure.user_failure_data.description == str(error)
    else:
        assert type(error).__name__ in failure.error.cause.message


@pytest.mark.parametrize("error", STAYING, ids=repr)
def test_a_known_error_and_a_bug_are_not_tried_again(error: Exception):
    once = Step(raising(error), n_troubled=1)
    assert not once.run().success
    assert once.n_tries == 1


def test_a_database_that_another_process_holds_is_waited_for(tmp_path: Path):
    """As MLflow says it: an error of its own, raised from SQLite's."""
    holder = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    def write():
        other = sqlite3.connect(tmp_path / "mlflow.db", timeout=0)
        try:
            other.execute("CREATE TABLE runs (id)")
        except sqlite3.OperationalError as error:
            raise RuntimeError("database is locked") from error
        finally:
            other.close()

    step = Step(write, n_troubled=1)
    assert step.run().success
    assert step.n_tries == 2
    holder.close()


def test_sql_that_is_wrong_is_no_trouble_that_passes(tmp_path: Path):
    step = Step(lambda: sqlite3.connect(":memory:").execute("SELECT * FROM nothing"), 1)
    assert not step.run().success
    assert step.n_tries == 1


def test_a_commit_that_lost_to_another_writer_is_made_again(tmp_path: Path):
    place = str(tmp_path / "table")
    write_deltalake(place, pa.table({"close": [1.0]}))
    stale = DeltaTable(place)

    def write():
        write_deltalake(place, pa.table({"close": [2.0]}), mode="overwrite")
        write_deltalake(stale, pa.table({"close": [3.0]}), mode="overwrite")

    step = Step(write, n_troubled=1)
    assert step.run().success
    assert step.n_tries == 2


def test_a_table_that_cannot_be_written_is_tried_again_as_well(tmp_path: Path):
    """What an asset returns is written after it has returned; the asset is then made again."""
    in_the_way = tmp_path / "lake"
    in_the_way.write_text("a file where the lake should be")
    n_made = []

    @dg.asset(name=CHAMPIONS.name)
    def made() -> pd.DataFrame:
        n_made.append(1)
        if len(n_made) == 3:
            in_the_way.unlink()
        return CHAMPIONS.schema.empty_table().to_pandas(date_as_object=False)

    manager = {"io_manager": LakeIOManager(root=str(in_the_way))}
    result = dg.materialize([made], resources=manager, raise_on_error=False)
    assert result.success
    assert len(n_made) == 3


def test_an_op_of_a_job_without_assets_is_tried_again_as_well():
    tries = []

    @dg.op(out=dg.Out(dg.Nothing))
    @says_why
    def troubled(context: dg.OpExecutionContext) -> None:
        tries.append(context.retry_number)
        if len(tries) < 3:
            raise SourceDownError("B3 gives no answer")

    @dg.job
    def alone():
        troubled()

    assert alone.execute_in_process().success
    assert tries == [0, 1, 2]


def test_the_pauses_grow_and_the_executor_keeps_them(monkeypatch):
    monkeypatch.setattr(failures, "PAUSES", (0.1, 0.4, 1.6))
    step = Step(raising(SourceDownError("B3 gives no answer")), n_troubled=3)
    assert step.run().success
    waited = [b - a for a, b in zip(step.tried_at, step.tried_at[1:], strict=False)]
    for pause, took in zip((0.1, 0.4, 1.6), waited, strict=True):
        assert pause <= took < 2 * pause + 1


def test_each_try_is_announced_in_the_log(caplog):
    @dg.asset
    @says_why
    def troubled() -> None:
        raise SourceDownError("B3 gives no answer")

    dg.materialize([troubled], raise_on_error=False)
    said = [r.getMessage() for r in caplog.records if "B3 gives no answer; try" in r.getMessage()]
    assert [line.partition("try ")[2][:6] for line in said] == ["2 of 4", "3 of 4", "4 of 4"]


def test_outside_of_a_run_nothing_is_tried_again():
    @says_why
    def alone() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        alone()
