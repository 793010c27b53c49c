"""Runs of MLflow while they last: made when the work begins, told of it as it goes, closed at its
end.

Its status is what became of it: RUNNING, FINISHED, FAILED with the reason as the tag `failure`, or
KILLED. A process that is killed cannot say so. Therefore each one that works on a run holds a lock,
which the operating system takes back when it dies, and whoever begins a run next closes those whose
lock nobody holds. A run that lasts long is left alone, however long; so are other programs' runs.
"""

import logging
import math
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.registry.mlflow_database import (
    artifacts_folder,
    experiment_id,
    open_client,
    unwritable,
)

_log = logging.getLogger(__name__)

_LOCK = "lock"
_RUN_LOCK = re.compile(r"[0-9a-f]{16}\.lock")
_SOURCE = "mlflow.source.name"
_LONGEST_REASON = 1_000
_MOST_AT_ONCE = 1_000
"""Figures that MLflow takes in one commit."""


class LiveRun:
    """A run that is under way; `live_run` makes it.

    Artefacts lie in `folder`, one per run beside the database, which holds no path.
    """

    def __init__(self, client: Any, run_id: str, folder: Path, now: Callable[[], datetime]) -> None:
        self.run_id = run_id
        self.folder = folder
        self._client = client
        self._now = now
        self._heard: set[tuple[str, int]] = set()
        self._waiting: list[Any] = []

    def note(self, figures: Mapping[str, float], step: int = 0) -> None:
        """Take figures of one step, which wait until `log` or `flush` writes them.

        A missing one is left out, and so is one that was told of before: of an epoch or a trial
        the run has one figure, whoever tells of it again at the end.
        """
        at = _milliseconds(self._now())
        for name, value in figures.items():
            if not math.isnan(value) and (name, step) not in self._heard:
                self._heard.add((name, step))
                self._waiting.append(metric(name, value, at, step))

    def log(self, figures: Mapping[str, float], step: int = 0) -> None:
        """Take figures as `note` does, and write all that wait, at once if the database lets us."""
        from mlflow.exceptions import MlflowException

        self.note(figures, step)
        try:
            self.flush()
        except MlflowException as error:
            # Another process may hold the database; hours of training are worth more than a curve.
            _log.warning("MLflow run %s: figures wait to be written (%s)", self.run_id, error)

    def flush(self) -> None:
        """Write the figures that wait, in one commit if they are few."""
        while self._waiting:
            self._client.log_batch(self.run_id, metrics=self._waiting[:_MOST_AT_ONCE])
            del self._waiting[:_MOST_AT_ONCE]

    def rename(self, name: str) -> None:
        """Change what people call it."""
        self._client.update_run(self.run_id, name=name)

    def tag(self, tags: Mapping[str, str]) -> None:
        """Write tags, over what they said before."""
        from mlflow.entities import RunTag

        said = [RunTag(name, value) for name, value in tags.items()]
        self._client.log_batch(self.run_id, tags=said)

    def keep(self, contents: Mapping[str, bytes], files: Mapping[str, Path]) -> None:
        """Put artefacts into the run's folder: contents, and files under another name.

        Raises
        ------
        RegistryError
            If the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in (*contents, *files):
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            for name, content in contents.items():
                (self.folder / name).write_bytes(content)
            for name, file in files.items():
                _link(file, self.folder / name)
        except OSError as error:
            raise RegistryError(
                f"the artefacts of a training cannot be written to {self.folder}:"
                f" {error.strerror}; point ASSET_PREDICT_DATA at a folder that can"
            ) from error


@contextmanager
def live_run(
    database: Path,
    experiment: str,
    name: str,
    *,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    now: Callable[[], datetime],
    started_at: datetime | None = None,
) -> Iterator[LiveRun]:
    """A run for as long as the block lasts; an error ends it as FAILED and goes on.

    Parameters
    ----------
    experiment
        MLflow's word for the place of the run: `TRAININGS` or `TUNINGS`.
    started_at
        When the work began; None: now.

    Raises
    ------
    RegistryError
        If the database or its folder cannot be written.
    """
    from mlflow.entities import Param

    client = open_client(database)
    place = experiment_id(client, experiment)
    locks = locks_of(database)
    _close_abandoned(client, place, locks)
    token = secrets.token_hex(8)
    path = locks / f"{token}.lock"
    try:
        with ExitStack() as held:
            with holding(FileLock(_gate(database)), database):
                held.enter_context(FileLock(path))
            run_id = client.create_run(
                place,
                start_time=_milliseconds(started_at or now()),
                run_name=name,
                tags={**tags, _SOURCE: "asset_predict_dagster", _LOCK: token},
            ).info.run_id
            run = LiveRun(client, run_id, artifacts_folder(database) / run_id / "artifacts", now)
            status = "KILLED"
            try:
                # One commit for all: one by one they take longer than some trainings.
                client.log_batch(run_id, params=[Param(k, str(v)) for k, v in params.items()])
                yield run
                run.flush()
                status = "FINISHED"
            except Exception as error:
                # Whatever ended it, the run is to say so.
                status = "FAILED"
                client.set_tag(run_id, "failure", str(error)[:_LONGEST_REASON])
                raise
            finally:
                client.set_terminated(run_id, status, end_time=_milliseconds(now()))
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def no_run_begins(database: Path) -> Iterator[bool]:
    """No run begins as long as the block lasts; True if none is under way.

    Whoever trains writes bundles before the registry knows of them: what nobody refers to may go
    only while nobody trains.
    """
    locks = locks_of(database)
    with holding(FileLock(_gate(database)), database):
        yield not any(_is_held(path) for path in locks.iterdir() if _RUN_LOCK.match(path.name))


def metric(name: str, value: float, at: int, step: int = 0) -> Any:
    """A figure for MLflow, `at` so many milliseconds since 1970."""
    from mlflow.entities import Metric

    return Metric(name, float(value), timestamp=at, step=step)


def _close_abandoned(client: Any, experiment: str, locks: Path) -> None:
    """Close the runs whose process is gone as KILLED, at the time they were last heard of."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        run_id, token = run.info.run_id, run.data.tags.get(_LOCK)
        if token is None:
            continue
        path = locks / f"{token}.lock"
        try:
            with FileLock(path, timeout=0):
                # It may have ended by itself since it was looked for.
                if client.get_run(run_id).info.status == "RUNNING":
                    last = [
                        figure.timestamp
                        for name in run.data.metrics
                        for figure in client.get_metric_history(run_id, name)
                    ]
                    ended = max(last, default=run.info.start_time)
                    client.set_terminated(run_id, "KILLED", end_time=ended)
        except Timeout:
            continue
        path.unlink(missing_ok=True)


def _gate(database: Path) -> Path:
    """A lock held by whoever begins a run, for a moment, and by a clean-up."""
    return database.parent / f"{database.name}.gate.lock"


def _is_held(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            path.unlink(missing_ok=True)  # left by a process that was killed
    except Timeout:
        return True
    return False


@contextmanager
def holding(lock: FileLock, database: Path) -> Iterator[None]:
    """Hold a lock beside a database; `RegistryError` if nobody may write there."""
    with ExitStack() as held:
        try:
            held.enter_context(lock)
        except (PermissionError, IsADirectoryError) as error:  # a disk in trouble may pass
            raise unwritable(database, error) from error
        yield


def locks_of(database: Path) -> Path:
    """The folder of locks beside a database, which is made if there is none."""
    locks = database.parent / f"{database.name}.locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(database, error) from error
    return locks


def _link(file: Path, target: Path) -> None:
    """The same file under another name: a bundle is some megabytes, and MLflow follows no link."""
    try:
        os.link(file, target)
    except OSError:  # on another disk, or on one that cannot
        shutil.copyfile(file, target)


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
