"""The log of decisions in MLflow's database, and the alias `champion` that follows it.

A decision is one tag of its registered model, `decision_000001` and so on, and nothing is ever
written over. It is written first, in one commit; then the alias moves, in another. The log is the
truth: a process that is killed between the two leaves an alias that the next look moves. Deciding
holds a lock that the operating system takes back from the dead, so that of two processes the second
decides about what the first one left.

A registry that an earlier program made has an alias and no log: then the alias is the truth.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock

from asset_predict_dagster.registry.decisions import LoggedDecision
from asset_predict_dagster.registry.live_run import holding, locks_of
from asset_predict_dagster.registry.mlflow_database import (
    open_client,
    registered_model,
    version_by_number,
)

CHAMPION = "champion"

_KEY = re.compile(r"decision_(\d{6,})")


class DecisionLog:
    """The decisions under one MLflow database."""

    def __init__(self, database: Path):
        self.database = database

    def of(self, model: str) -> list[LoggedDecision]:
        """Every decision about a model, the earliest first; none if it was never trained."""
        return list(_numbered(self._found(model)).values())

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Nobody else decides as long as the block lasts; it may be entered within itself.

        Raises
        ------
        RegistryError
            If the lock cannot be taken because its folder cannot be written.
        """
        lock = FileLock(locks_of(self.database) / "decisions.lock", is_singleton=True)
        with holding(lock, self.database):
            yield

    def record(self, decision: LoggedDecision) -> LoggedDecision:
        """Write a decision, and let the alias follow; as it was written.

        It is stamped later than the one before it, whatever the clock says: a clock that was put
        back does not turn the order round.
        """
        with self.deciding():
            known = _numbered(self._found(decision.model))
            number, at = max(known, default=0), decision.decided_at.astimezone(UTC)
            if known:
                at = max(at, known[number].decided_at + timedelta(microseconds=1))
            written = replace(decision, decided_at=at)
            self._write(decision.model, number + 1, written)
            self._follow(decision.model)
        return written

    def champion(self, model: str) -> Any | None:
        """MLflow's entry of the version that serves; None if there is none.

        An alias that a killed process has left behind is moved.
        """
        found = self._found(model)
        version, pointed = _last(found), _pointed(found)
        if version is not None and version != pointed:
            self._follow(model)
        serving = pointed if version is None else version
        return version_by_number(self._client(), model, serving) if serving else None

    def _write(self, model: str, number: int, decision: LoggedDecision) -> None:
        key = f"decision_{number:06d}"
        self._client().set_registered_model_tag(model, key, decision.as_json())

    def _follow(self, model: str) -> None:
        """Let the alias say what the log says."""
        with self.deciding():
            found = self._found(model)
            version, client = _last(found), self._client()
            # A version that somebody deleted takes its alias with it.
            if (
                version
                and version != _pointed(found)
                and version_by_number(client, model, version) is not None
            ):
                client.set_registered_model_alias(model, CHAMPION, version)

    def _found(self, model: str) -> Any | None:
        return registered_model(self._client(), model)

    def _client(self) -> Any:
        return open_client(self.database)


def _numbered(found: Any | None) -> dict[int, LoggedDecision]:
    """The decisions by their number, in its order."""
    if found is None:
        return {}
    numbers = {int(match[1]): key for key in found.tags if (match := _KEY.fullmatch(key))}
    return {
        number: LoggedDecision.from_json(found.tags[key], f"tag {key} of model '{found.name}'")
        for number, key in sorted(numbers.items())
    }


def _last(found: Any | None) -> str | None:
    """The version that serves by the log, empty if nobody does; None without a log."""
    log = list(_numbered(found).values())
    return log[-1].model_version if log else None


def _pointed(found: Any | None) -> str | None:
    """The version that the alias points at."""
    version = None if found is None else found.aliases.get(CHAMPION)
    return None if version is None else str(version)
