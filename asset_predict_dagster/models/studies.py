"""Studies: trials of settings in one SQLite file that outlives kills and serves several processes.

A study is of one model, one experiment, one state of the data and one search space: its name ends
in their digest, so that figures of other data never meet.

Every process that runs trials holds a lock of its own, which the operating system takes back when
it dies. A trial whose process is gone was killed: it is closed without a result, does not count,
and its place is given to the next trial. What a place draws depends on the seed, the place and the
trials that ended before, not on which process draws it. So one process, killed and started again as
often as one likes, tries the very settings that an undisturbed one would have. Several at once do
not repeat each other; what they draw beyond the first ten depends on who is done first, and no
seed can change that.

This file imports optuna: import it inside functions only.
"""

import logging
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.search_space import Space
from asset_predict_dagster.models.trial_sampler import (
    IS_DEFAULT,
    JUDGED,
    OneSeedAPlace,
    distributions,
    was_killed,
)

_WORKER = "worker"
_MODEL = "model"
_LOCK = "study.lock"
_SECONDS_TO_WAIT = 60.0
"""For another process that is writing; SQLite lets in one at a time."""


class OpenStudy:
    """A study that this process works on; `opened` makes it."""

    def __init__(
        self,
        study: optuna.Study,
        storage: RDBStorage,
        lock: FileLock,
        locks: Path,
        worker: str,
        seed: int,
    ) -> None:
        self.study = study
        self.lock = lock
        self._storage = storage
        self._locks = locks
        self._worker = worker
        study.sampler = OneSeedAPlace(seed)

    def trials(self) -> list[FrozenTrial]:
        """Every trial that counts: ended by itself, or under way."""
        return [trial for trial in self.study.get_trials(deepcopy=False) if not was_killed(trial)]

    def trials_ever(self, model: str) -> int:
        """As the function of that name, of the file of this study."""
        return _judged_of(self._storage, model)

    def next_trial(self, n_trials: int, space: Space) -> optuna.Trial | None:
        """The next trial to run, its settings drawn; None where the study has `n_trials`.

        The first one is that of the default settings and draws nothing.
        """
        with self.lock:
            self._bury()
            trials = self.trials()
            if len(trials) >= n_trials:
                return None
            is_default = not any(IS_DEFAULT in trial.user_attrs for trial in trials)
            trial = self.study.ask({} if is_default else distributions(space))
            trial.set_user_attr(_WORKER, self._worker)
            if is_default:
                trial.set_user_attr(IS_DEFAULT, True)
            return trial

    def _bury(self) -> None:
        """Close the trials whose process is gone."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            worker = trial.user_attrs.get(_WORKER)
            # Between asking and this mark the lock is held, so one without it is not under way.
            if worker is None or (worker != self._worker and self._is_gone(worker)):
                self.study.tell(trial.number, state=TrialState.FAIL)

    def _is_gone(self, worker: str) -> bool:
        path = self._locks / f"{worker}.lock"
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return False
        path.unlink(missing_ok=True)
        return True


@contextmanager
def opened(store: Path, name: str, seed: int, facts: Mapping[str, Any]) -> Iterator[OpenStudy]:
    """A study of the file `store`, made if it is not there; `facts` are for people.

    Raises
    ------
    TrainingError
        If the file cannot be written, or is something else.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    locks = _locks_of(store)
    lock = FileLock(locks / _LOCK)
    worker = secrets.token_hex(8)
    path = locks / f"{worker}.lock"
    try:
        with FileLock(path), _storage(store, lock) as storage:
            with lock:
                study = optuna.create_study(
                    storage=storage, study_name=name, direction="maximize", load_if_exists=True
                )
                for fact in facts.keys() - study.user_attrs.keys():
                    study.set_user_attr(fact, facts[fact])
            yield OpenStudy(study, storage, lock, locks, worker, seed)
    finally:
        path.unlink(missing_ok=True)


def trials_ever(store: Path, model: str) -> int:
    """Trials of a model of which a figure was seen, in any study of the file; 0 without a file.

    Whatever their data or search space: who deflates a figure by the number of tries must not
    forget those of last week, which were judged on nearly the same sessions.
    """
    if not store.is_file():
        return 0
    with _storage(store, FileLock(_locks_of(store) / _LOCK)) as storage:
        return _judged_of(storage, model)


def is_behind(study: optuna.Study, number: int, step: int, least: int) -> bool:
    """Whether a trial is below the median of the others at the same step, if `least` got there.

    Those still under way do not count: what they will amount to depends on the clock.
    """
    values = {
        trial.number: trial.intermediate_values[step]
        for trial in study.get_trials(deepcopy=False)
        if step in trial.intermediate_values and (trial.state in JUDGED or trial.number == number)
    }
    own = values.pop(number)
    return len(values) >= least and own < float(np.median(list(values.values())))


def _judged_of(storage: RDBStorage, model: str) -> int:
    return sum(
        len(optuna.load_study(study_name=one.study_name, storage=storage).get_trials(False, JUDGED))
        for one in optuna.get_all_study_summaries(storage, include_best_trial=False)
        if one.user_attrs.get(_MODEL) == model
    )


def _locks_of(store: Path) -> Path:
    """The folder of the locks beside the file of studies, made if it is not there."""
    locks = store.parent / f"{store.name}.locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"studies cannot be kept in {store}: {error.strerror}; point ASSET_PREDICT_DATA at a"
            " folder that can be written"
        ) from error
    return locks


def _write_ahead(connection: sqlite3.Connection, _: object) -> None:
    """Commits that survive a kill without waiting for the disk: there are a dozen in a trial."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def _storage(store: Path, lock: FileLock) -> Iterator[RDBStorage]:
    storage = None
    try:
        # Two processes that make the tables of a fresh file at once meet an error.
        with lock:
            storage = RDBStorage(
                f"sqlite:///{store.resolve()}",
                engine_kwargs={"connect_args": {"timeout": _SECONDS_TO_WAIT}},
            )
            storage.engine.dispose()
            event.listen(storage.engine, "connect", _write_ahead)
        yield storage
    except (SQLAlchemyError, StorageInternalError) as error:
        raise TrainingError(
            f"{store} should be a file of studies and cannot be read or written"
            f" ({str(error).splitlines()[0]}); mend it, or move it away to begin anew"
        ) from error
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()
