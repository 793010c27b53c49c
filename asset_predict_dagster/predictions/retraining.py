"""Retraining: which model is to be trained again today, and for what; or why none is.

A cause is what training mends of a model (`health.MENDED_BY_TRAINING`). Who asks says what was
asked before, so that the answer depends on nothing else. One model at a time: the caller asks again
when its training is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.predictions.health import MENDED_BY_TRAINING

BACK_OFF = 5
"""Sessions before a cause that stands after a finished training is worth another one."""

LONGEST_PAUSE = 8
"""Days between two trainings of a model that fails every time: the pauses grow up to it."""

WEEK = 7

REMEMBERED = 30
"""Days of earlier requests that the answer depends on."""


@dataclass(frozen=True)
class Asked:
    """A training that was asked for: of which model, for what, on which day, and if it ended well.

    A training that failed, was cancelled or lost its process has not ended well.
    """

    model: str
    causes: frozenset[str]
    day: date
    is_finished: bool


@dataclass(frozen=True)
class Due:
    """The training that is due: of one model, for all causes that are due of it."""

    model: str
    causes: tuple[str, ...]


@dataclass(frozen=True)
class NotDue:
    """Why nothing is asked for: a sentence for each model that something is wrong with."""

    reasons: tuple[str, ...]


def next_training(
    standing: Mapping[str, Sequence[str]], asked: Sequence[Asked], today: date, per_week: int
) -> Due | NotDue:
    """The training that is due today, of the model that is worst or has waited longest.

    A model is asked for

    - once a day at most, and `per_week` times in any seven days;
    - 1, 2, 4 and at last every 8 days after the last of its trainings that failed in a row;
    - from the fifth session on after a training that ended well, for a cause that it was asked for
      and that stands nevertheless (the challenger was not promoted, say).

    Of several models comes first whose worst cause is the first of missing, losing_skill, drifting
    and stale; among equals, the one that was last asked for longest ago.

    Parameters
    ----------
    standing
        Model → its causes, as they are today; a model without any may be left out.
    asked
        The requests of the last `REMEMBERED` days, in any order.

    Examples
    --------
    >>> monday = date(2024, 3, 4)
    >>> next_training({"lstm": ["stale"], "random_forest": ["missing"]}, [], monday, 3)
    Due(model='random_forest', causes=('missing',))
    >>> failed = Asked("lstm", frozenset({"stale"}), monday, is_finished=False)
    >>> next_training({"lstm": ["stale"]}, [failed], monday, 3)
    NotDue(reasons=('lstm: asked for today',))
    """
    due, waiting = [], []
    for model, causes in standing.items():
        mine = sorted((one for one in asked if one.model == model), key=lambda one: one.day)
        why = _model_waits(mine, today, per_week)
        waits = {cause: why or _cause_waits(cause, mine, today) for cause in causes}
        ready = tuple(cause for cause in MENDED_BY_TRAINING if waits.get(cause) == "")
        if ready:
            last = mine[-1].day if mine else date.min
            due.append((MENDED_BY_TRAINING.index(ready[0]), last, Due(model, ready)))
        elif why:
            waiting.append(f"{model}: {why}")
        else:
            waiting += [f"{model}-{cause}: {reason}" for cause, reason in waits.items()]
    if due:
        return min(due, key=lambda one: one[:2])[2]
    return NotDue(tuple(waiting))


def left_by_hand(promotions: pd.DataFrame | None, today: date) -> dict[str, str]:
    """Models whose age is no cause for a training yet, each with the sentence that says why.

    Who serves was decided by a person less than `BACK_OFF` sessions ago, and nothing has been
    decided since. The version that a person goes back to is an old one, and training at once would
    put another in its place.

    Parameters
    ----------
    promotions
        Rows of `tables.PROMOTIONS`; None where an earlier program kept none.
    """
    if promotions is None:
        return {}
    last = promotions.sort_values("decided_at").groupby("model").tail(1)
    left = {}
    for one in last[last["by"] == "person"].itertuples():
        day = one.decided_at.date()
        again = session_after(day, BACK_OFF)
        if today < again:
            left[one.model] = (
                f"{one.model}: a person decided on {day} who serves, so its age counts from"
                f" {again} on"
            )
    return left


def _model_waits(mine: Sequence[Asked], today: date, per_week: int) -> str:
    """Why the model is not asked for yet, whatever the cause; empty if it may be."""
    if any(one.day == today for one in mine):
        return "asked for today"
    of_week = [one.day for one in mine if one.day > today - timedelta(days=WEEK)]
    if len(of_week) >= per_week:
        again = of_week[-per_week] + timedelta(days=WEEK)
        return f"asked for {len(of_week)} times in seven days, the most allowed; again on {again}"
    n_failed = 0
    while n_failed < len(mine) and not mine[-1 - n_failed].is_finished:
        n_failed += 1
    if n_failed:
        last = mine[-1].day
        again = last + timedelta(days=min(2 ** (n_failed - 1), LONGEST_PAUSE))
        if today < again:
            n_said = "a training" if n_failed == 1 else f"{n_failed} trainings in a row"
            return f"{n_said} failed, the last of {last}; again on {again}"
    return ""


def _cause_waits(cause: str, mine: Sequence[Asked], today: date) -> str:
    """Why the cause is not asked for again yet; empty if it may be."""
    trained = [one.day for one in mine if one.is_finished and cause in one.causes]
    if not trained:
        return ""
    again = session_after(trained[-1], BACK_OFF)
    if today >= again:
        return ""
    return f"a training of {trained[-1]} has not mended it; asked for again on {again}"
