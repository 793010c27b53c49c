"""Due: the sessions that have closed and that nobody was asked about yet, and what is waited for.

A session whose file has come is predicted from it. The files of the last sessions are waited for
until B3 opens again; then those that are missing are predicted from what there is, up to five
sessions late. Where more are missing nothing is said until files come.
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import takewhile

from asset_predict_dagster.market.sessions import opens_at, session_after, sessions_between
from asset_predict_dagster.tables import SESSIONS_LATE

MOST_LATE = int(SESSIONS_LATE.maximum or 0)
"""Sessions without a file beyond which nothing is said any more."""


@dataclass(frozen=True)
class Due:
    """What to predict now, and what later.

    Attributes
    ----------
    sessions
        Sessions to be asked about now, the oldest first: those with quotes, and those without that
        quotes of a later one are there of, or that closed before `late`.
    late
        The last closed session, where it is to be asked about now without quotes of its own.
    awaited
        The last closed session, where its file is still waited for.
    until
        When that ends: B3 opens in the session after it.
    again
        The last session that was asked about, where none after it is due or awaited: a model that
        had no champion then may still answer. Empty otherwise.
    unread
        Due without quotes, and what follows it, where nobody has looked for the file.
    """

    sessions: tuple[date, ...] = ()
    late: date | None = None
    awaited: date | None = None
    until: datetime | None = None
    again: tuple[date, ...] = ()
    unread: tuple[date, ...] = ()

    @property
    def asked(self) -> tuple[date, ...]:
        """All that is to be asked about now, the oldest first."""
        return self.sessions if self.late is None else (*self.sessions, self.late)

    def without_a_look(self, quoted: Collection[date]) -> "Due":
        """The same for a run that has not looked for files: up to the first session without quotes.

        Its file may lie there unread, and the first word on a session is the last: only who has
        looked may say that it is late.
        """
        known = set(quoted)
        sessions = tuple(takewhile(known.__contains__, self.asked))
        return replace(self, sessions=sessions, late=None, unread=self.asked[len(sessions) :])


def due(asked: Collection[date], quoted: Collection[date], last_closed: date, now: datetime) -> Due:
    """What is due at `now`, however long nobody looked.

    Every session after the last one asked about is due once. One that was asked about without its
    file is not asked about again when the file comes. With an empty ledger there is nothing to
    catch up: only the last session with quotes is due, and the last closed one.

    Parameters
    ----------
    asked
        From `ledger.asked_sessions`. Later ones than `last_closed` (the clock was moved back) are
        not known yet.
    quoted
        Sessions that there are quotes of; without one nothing is due.
    last_closed, now
        By the clock; `now` is aware.
    """
    known = sorted(day for day in quoted if day <= last_closed)
    if not known:
        return Due()
    before = max((day for day in asked if day <= last_closed), default=None)
    closed = _days(known[-1] if before is None else session_after(before), last_closed)
    if before is None:
        closed = list(dict.fromkeys([*closed[:1], *closed[-1:]]))
    sessions = tuple(
        day for day in closed if day <= known[-1] and sessions_late(known, day) <= MOST_LATE
    )
    missing = [day for day in closed if day > known[-1]]
    if missing and sessions_late(known, missing[-1]) <= MOST_LATE:
        until = opens_at(session_after(missing[-1]))
        if now < until:
            return Due(sessions, awaited=missing[-1], until=until)
        return Due((*sessions, *missing[:-1]), late=missing[-1])
    return Due(sessions, again=() if sessions or before is None else (before,))


def known_at(quoted: Sequence[date], session: date) -> date | None:
    """The last session with quotes up to `session`; None if there is none.

    `quoted` is sorted.
    """
    place = bisect_right(quoted, session)
    return quoted[place - 1] if place else None


def sessions_late(quoted: Sequence[date], session: date) -> int:
    """Sessions after the last one with quotes, up to `session`; 0 if it has some itself.

    `quoted` is sorted and has a session up to then.

    >>> sessions_late([date(2024, 2, 8), date(2024, 2, 9)], date(2024, 2, 15))  # after Carnival
    2
    """
    known = known_at(quoted, session)
    return 0 if known is None else len(_days(known, session)) - 1


def _days(first: date, last: date) -> list[date]:
    return sessions_between(first, last).astype(object).tolist() if first <= last else []
