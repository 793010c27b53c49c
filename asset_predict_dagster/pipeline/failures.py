"""Failures: what may pass by itself is tried again, the rest ends its step with one sentence."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from zlib import crc32

import dagster as dg
from deltalake.exceptions import CommitFailedError

from asset_predict_dagster.errors import (
    AssetPredictError,
    LakeDownError,
    SourceDownError,
    WriteConflictError,
)

P = ParamSpec("P")
R = TypeVar("R")

PAUSES = (10, 30, 90)
"""Seconds before the second, third and fourth try of a step; twice as many at the most."""

_MAY_PASS = (SourceDownError, WriteConflictError, LakeDownError)
_STAYS = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
"""What a file system says the same way the next time."""


def says_why(step: Callable[P, R]) -> Callable[P, R]:
    """Let a step that meets an `AssetPredictError` fail with the error's own sentence.

    What `may_pass` is tried again first, after each of `PAUSES`. Any other error of ours says all
    there is to know, and trying again would not help. An error that is not ours keeps its stack
    trace: it is a defect.
    """

    @wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return step(*args, **kwargs)
        except Exception as error:  # of any library's: whether it may pass is seen from its causes
            attempt = _attempt((*args, *kwargs.values())) if may_pass(error) else None
            if attempt is not None and attempt.number <= len(PAUSES):
                pause = PAUSES[attempt.number - 1] * (1 + attempt.share)
                dg.get_dagster_logger().warning(
                    f"{_sentence(error)}; try {attempt.number + 1} of {len(PAUSES) + 1}"
                    f" in {pause:.0f} s"
                )
                raise dg.RetryRequested(len(PAUSES), pause) from error
            if not isinstance(error, AssetPredictError):
                raise
            # Dagster prints its own stack below a failure; the sentence stands before it, alone.
            dg.get_dagster_logger().error(str(error))
            raise dg.Failure(
                description=str(error),
                metadata={"error": type(error).__name__},
                allow_retries=False,
            ) from None

    return run


def may_pass(error: BaseException) -> bool:
    """Whether the same step may succeed a little later, with nothing mended.

    So may a source or a lake that is down, a connection or a disk in trouble, a commit that lost to
    another writer's, and a SQLite database that another process holds. A file that is not there
    stays away.

    >>> may_pass(ConnectionResetError()), may_pass(FileNotFoundError()), may_pass(KeyError())
    (True, False, False)
    """
    if isinstance(error, AssetPredictError):
        return isinstance(error, _MAY_PASS)
    return (
        isinstance(error, CommitFailedError)
        or (isinstance(error, OSError) and not isinstance(error, _STAYS))
        or any(_is_busy(cause) for cause in _causes(error))
    )


def _is_busy(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", None) or 0
    # The low byte is the kind, the rest a detail of it.
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _sentence(error: Exception) -> str:
    said = " ".join(str(error).split())
    return said if isinstance(error, AssetPredictError) else f"{type(error).__name__}: {said}"


@dataclass(frozen=True)
class _Attempt:
    """Which try of a step this is, from 1, and its run's share of a pause, from 0 to 1."""

    number: int
    share: float


def _attempt(given: tuple[Any, ...]) -> _Attempt | None:
    """Of the step that is running; None where there is no step to try again."""
    try:
        for context in given:
            if isinstance(context, (dg.InputContext, dg.OutputContext)):
                step = context.step_context
                return _Attempt(step.previous_attempt_count + 1, _share(step.run_id))
        context = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return None
    return _Attempt(context.retry_number + 1, _share(context.run_id))


def _share(run_id: str) -> float:
    """Two runs that got into each other's way would meet again after equal pauses."""
    return crc32(run_id.encode()) / 2**32
