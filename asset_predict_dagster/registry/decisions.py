"""Decisions: who serves each model since when, and why, as a log in the order of time.

What follows from a log alone is here; `decision_log.py` keeps it. Every function takes the log of
one model, the earliest decision first, as `LoggedDecision` or as rows of `tables.PROMOTIONS`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol

import pandas as pd

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.registry.versions import ModelVersion
from asset_predict_dagster.tables import PROMOTIONS

BY_HAND, ROLLED_BACK = "promoted_by_hand", "rolled_back"


@dataclass(frozen=True)
class LoggedDecision:
    """One row of `tables.PROMOTIONS`, which says what the fields mean.

    Texts are empty, and `trained_at` is None, where nobody serves. `run_id` is the Dagster run that
    decided.
    """

    model: str
    decided_at: datetime
    candidate_version: str
    incumbent_version: str
    decision: str
    model_version: str
    status: str
    reason: str
    by: str
    bundle: str
    training_end: str
    trained_at: datetime | None
    run_id: str = ""

    @classmethod
    def of(
        cls,
        decision: str,
        candidate: ModelVersion,
        incumbent: ModelVersion | None,
        serving: ModelVersion | None,
        *,
        is_proven: bool,
        reason: str,
        by: str,
        decided_at: datetime,
        run_id: str = "",
    ) -> "LoggedDecision":
        """About versions of one model; `serving` serves from then on."""
        return cls(
            model=candidate.model,
            decided_at=decided_at,
            candidate_version=candidate.version,
            incumbent_version=incumbent.version if incumbent else "",
            decision=decision,
            model_version=serving.version if serving else "",
            status="proven" if is_proven else "unproven",
            reason=reason,
            by=by,
            bundle=serving.bundle if serving else "",
            training_end=serving.training_end if serving else "",
            trained_at=serving.trained_at if serving else None,
            run_id=run_id,
        )

    def as_json(self) -> str:
        return json.dumps(asdict(self), default=lambda instant: instant.isoformat())

    @classmethod
    def from_json(cls, text: str, where: str) -> "LoggedDecision":
        """What `as_json` wrote, or `RegistryError` that names the place of the text."""
        try:
            said = json.loads(text)
            for name in ("decided_at", "trained_at"):
                said[name] = said[name] and datetime.fromisoformat(said[name])
            return cls(**said)
        except (ValueError, KeyError, TypeError) as error:
            raise RegistryError(
                f"{where} should be a decision as this program logs it and is not ({error}); it was"
                " altered: take it out with `asset-predict monitor`, or put the registry back"
            ) from error


class Decided(Protocol):
    """What the functions below read of a decision."""

    @property
    def candidate_version(self) -> str: ...
    @property
    def incumbent_version(self) -> str: ...
    @property
    def decision(self) -> str: ...
    @property
    def model_version(self) -> str: ...


def predecessors(log: Sequence[Decided]) -> list[str]:
    """The versions that served before the present one, the latest last.

    A promotion puts the champion on top of them; going back takes it away again, so that going
    back twice is one further back.

    >>> from collections import namedtuple
    >>> One = namedtuple("One", "candidate_version incumbent_version decision model_version")
    >>> log = [One("1", "", "promoted", "1"), One("2", "1", "promoted", "2")]
    >>> log += [One("3", "2", "promoted", "3"), One("2", "3", "rolled_back", "2")]
    >>> predecessors(log)
    ['1']
    """
    served: list[str] = []
    for one in log:
        if not served and one.incumbent_version:
            served.append(one.incumbent_version)  # it served before there was a log
        if one.decision == ROLLED_BACK:
            served = served[:-1]
        elif one.model_version and served[-1:] != [one.model_version]:
            served.append(one.model_version)
    return served[:-1]


def rolled_back_from(log: Sequence[Decided]) -> set[str]:
    """Versions that a person rolled back from, and nobody has asked for since."""
    return _left(log, (ROLLED_BACK,))


def put_aside(log: Sequence[Decided]) -> set[str]:
    """Versions that a person rolled back from, or put another one in the place of, and nobody has
    asked for since: the rule does not undo what a person decided."""
    return _left(log, (ROLLED_BACK, BY_HAND))


def _left(log: Sequence[Decided], moves: tuple[str, ...]) -> set[str]:
    left: set[str] = set()
    for one in log:
        if one.decision in moves:
            left.add(one.incumbent_version)
        if one.decision in (ROLLED_BACK, BY_HAND):
            left.discard(one.candidate_version)
    return left - {""}


def promotions_table(log: Sequence[LoggedDecision]) -> pd.DataFrame:
    """Rows of `tables.PROMOTIONS`; the log may be of several models."""
    table = pd.DataFrame([asdict(one) for one in log], columns=PROMOTIONS.column_names)
    for name in ("bundle", "training_end"):
        table[name] = table[name].replace("", None)
    table["training_end"] = pd.to_datetime(table["training_end"])
    for name in ("decided_at", "trained_at"):
        table[name] = pd.to_datetime(table[name], utc=True).dt.as_unit("us")
    return table
