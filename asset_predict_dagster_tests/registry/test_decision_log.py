"""A decision is there whole or not at all, whoever else decides and whenever a process dies."""

import itertools
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.registry.decision_log import CHAMPION, DecisionLog
from asset_predict_dagster.registry.live_run import locks_of
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster_tests.registry.trainings import promote, trained_model

MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)
DIES_AFTER_ITS_FIRST_WRITE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from asset_predict_dagster.registry import decision_log
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster_tests.registry.trainings import promote

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

decision_log.DecisionLog._follow = die
registry = Registry(Path(sys.argv[1]))
promote(registry, registry.version("lstm", sys.argv[2]))
"""
DECIDES_AGAIN_AND_AGAIN = """
import sys
from pathlib import Path
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster_tests.registry.trainings import promote

registry = Registry(Path(sys.argv[1]))
for version in sys.argv[2:]:
    promote(registry, registry.version("lstm", version), run_id=version)
"""


@pytest.fixture
def three(registry) -> Registry:
    """Three versions of the LSTM, none of which serves."""
    for seed in (1, 2, 3):
        registry.register(trained_model("lstm", seed), MONDAY, "run")
    return registry


def test_a_registry_whose_lock_cannot_be_taken_is_one_sentence(three: Registry):
    """A folder where the lock's file should be stops root as well."""
    lock = locks_of(three.database) / "decisions.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    with pytest.raises(RegistryError, match=r"registry .* cannot be written: .*; point ASSET"):
        promote(three, three.version("lstm", "1"))


def alias(registry: Registry) -> str | None:
    """What MLflow shows of who serves."""
    found = registry._by_alias("lstm", CHAMPION)
    return None if found is None else found.version


def process(program: str, registry: Registry, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-c", program, str(registry.database), *arguments]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})


def test_decisions_are_kept_in_their_order_and_the_alias_follows(three):
    for version in ("1", "3", "2"):
        promote(three, three.version("lstm", version))
        assert alias(three) == version
        assert three.serving("lstm").version == version
    assert [one.model_version for one in three.decisions("lstm")] == ["1", "3", "2"]
    assert [one.incumbent_version for one in three.decisions("lstm")] == ["", "1", "3"]
    assert three.decisions("random_forest") == []


def test_what_is_written_is_read_again(three):
    written = promote(three, three.version("lstm", "2"), at=MONDAY, run_id="a-run")
    assert three.decisions("lstm") == [written]
    assert (written.decided_at, written.run_id) == (MONDAY, "a-run")
    assert written.trained_at == MONDAY and written.training_end == "2024-01-05"


def test_a_clock_that_was_put_back_does_not_turn_the_order_round(three):
    promote(three, three.version("lstm", "1"), at=MONDAY)
    back = promote(three, three.version("lstm", "2"), at=MONDAY - timedelta(days=9))
    assert back.decided_at == MONDAY + timedelta(microseconds=1)
    assert [one.model_version for one in three.decisions("lstm")] == ["1", "2"]


def test_a_process_killed_between_log_and_alias_has_decided(three):
    """The next look moves the alias, and nobody waits for a lock of the dead."""
    promote(three, three.version("lstm", "1"))
    assert process(DIES_AFTER_ITS_FIRST_WRITE, three, "2").wait(60) == -signal.SIGKILL
    assert alias(three) == "1"
    assert three.serving("lstm").version == "2"
    assert alias(three) == "2"
    promote(three, three.version("lstm", "3"))
    assert [one.incumbent_version for one in three.decisions("lstm")] == ["", "1", "2"]


class Interrupted(DecisionLog):
    """Stops before its n-th write, as a process does that is killed there."""

    def __init__(self, database: Path, n_writes: int):
        super().__init__(database)
        self.left = n_writes

    def _client(self):
        client = super()._client()
        for name in ("set_registered_model_tag", "set_registered_model_alias"):
            setattr(client, name, self._counted(getattr(client, name)))
        return client

    def _counted(self, write):
        def counted(*arguments):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            return write(*arguments)

        return counted


# Every life of two decisions, each cut off before its first, its second or none of its writes.
@pytest.mark.parametrize("cuts", list(itertools.product((0, 1, 2), repeat=2)))
def test_whatever_was_written_before_a_kill_there_is_one_champion(three, cuts):
    expected = []
    for version, n_writes in zip(("1", "2"), cuts, strict=True):
        decision = promote(Registry(three.database), three.version("lstm", "3"))
        expected.append("3")
        log = Interrupted(three.database, n_writes)
        try:
            moved = {"model_version": version, "candidate_version": version}
            log.record(type(decision)(**{**vars(decision), **moved}))
        except KeyboardInterrupt:
            pass
        expected += [version] if n_writes else []
        looked = Registry(three.database)
        assert looked.serving("lstm").version == expected[-1] == alias(looked)
        assert [one.model_version for one in looked.decisions("lstm")] == expected


def test_two_processes_at_once_lose_no_decision(three):
    """Each promotes both of its versions in turn."""
    turns = [("1", "2") * 6, ("3", "2") * 6]
    racing = [process(DECIDES_AGAIN_AND_AGAIN, three, *turn) for turn in turns]
    assert [one.wait(120) for one in racing] == [0, 0]
    log = three.decisions("lstm")
    assert len(log) == 24
    assert len({one.decided_at for one in log}) == 24
    assert log == sorted(log, key=lambda one: one.decided_at)
    assert sorted(one.model_version for one in log) == sorted([*turns[0], *turns[1]])
    assert alias(three) == three.serving("lstm").version == log[-1].model_version


def test_a_champion_that_somebody_deleted_is_none(three):
    promote(three, three.version("lstm", "1"))
    promote(three, three.version("lstm", "2"))
    three._client().delete_model_version("lstm", "2")
    assert three.champion("lstm") is None
    promote(three, three.version("lstm", "3"))
    assert three.serving("lstm").version == "3"


def test_an_alias_that_somebody_moved_is_moved_back(three):
    """The log says who serves, and why; an alias says neither who moved it."""
    promote(three, three.version("lstm", "1"))
    three._client().set_registered_model_alias("lstm", CHAMPION, "2")
    assert three.serving("lstm").version == "1" == alias(three)


def test_an_altered_log_is_one_clear_sentence(three):
    promote(three, three.version("lstm", "1"))
    three._client().set_registered_model_tag("lstm", "decision_000001", "nonsense")
    with pytest.raises(RegistryError, match="tag decision_000001 of model 'lstm' should be a"):
        three.champion("lstm")
