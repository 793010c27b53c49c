"""What is remembered of a landing folder between two looks, and which of its files are due.

A file counts once it was the same, name, size and time of change, at two looks in a row. Contents
are read only of a changed file whose name the lake knows: it may have the very same content.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from asset_predict_dagster.market.landing import digest_of

PAUSES = (timedelta(minutes=10), timedelta(minutes=40))
"""Between the requests for a file whose runs fail; there is one more request than pauses."""

_BYTES_A_LOOK = 10**9
"""So much is read at one look; the rest at the next ones."""

_MARK_BYTES = 4
_SHOWN = 5


@dataclass(frozen=True)
class Asked:
    """A file that a run was asked for: as it was then, how often, when last, after which run."""

    mark: str
    times: int
    at: datetime
    after_run: int

    def is_given_up(self) -> bool:
        return self.times > len(PAUSES)

    def is_due(self, now: datetime) -> bool:
        return not self.is_given_up() and now >= self.at + PAUSES[self.times - 1]


@dataclass(frozen=True)
class Memory:
    """A folder as it was at one look.

    Attributes
    ----------
    known
        Marks of the files that need nothing more.
    landing
        Name → mark of those that were new or changed.
    asked
        Name → request of those that a run was asked for.
    """

    known: frozenset[str] = frozenset()
    landing: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Asked] = field(default_factory=dict)

    def cursor(self) -> str:
        """As text. Dagster keeps one with every tick: a known file takes eight letters."""
        asked = {name: asdict(one) | {"at": str(one.at)} for name, one in self.asked.items()}
        said = {"known": "".join(sorted(self.known)), "landing": dict(self.landing), "asked": asked}
        return json.dumps(said, sort_keys=True)

    def look(self, marks: Mapping[str, str]) -> "Memory":
        """The folder now: files that are gone are forgotten, new and changed ones are landing."""
        known = self.known & set(marks.values())
        asked = {name: one for name, one in self.asked.items() if marks.get(name) == one.mark}
        landing = {
            name: mark for name, mark in marks.items() if mark not in known and name not in asked
        }
        return Memory(known, landing, asked)

    def after_run(self, run: int) -> "Memory":
        """When `run` came to its end: it has read what was asked for before it was made."""
        read = {name: one for name, one in self.asked.items() if run > one.after_run}
        asked = {name: one for name, one in self.asked.items() if name not in read}
        return replace(self, known=self.known | {one.mark for one in read.values()}, asked=asked)

    def due_again(self, now: datetime) -> list[str]:
        """The files whose runs failed, or were never made, and whose pause is over."""
        return [name for name, one in self.asked.items() if one.is_due(now)]

    def knows(self, names: Collection[str]) -> "Memory":
        """When these, which were landing, turned out to be in the lake."""
        known = self.known | {self.landing[name] for name in names}
        landing = {name: mark for name, mark in self.landing.items() if name not in names}
        return replace(self, known=known, landing=landing)

    def asks(self, names: Collection[str], now: datetime, newest_run: int) -> "Memory":
        """When a run is asked for these, which were landing or asked for before."""
        asked = dict(self.asked)
        for name in names:
            mark, times = (
                (asked[name].mark, asked[name].times) if name in asked else (self.landing[name], 0)
            )
            asked[name] = Asked(mark, times + 1, now, newest_run)
        landing = {name: mark for name, mark in self.landing.items() if name not in names}
        return replace(self, landing=landing, asked=asked)

    def key_of(self, names: Collection[str]) -> str:
        """The same for the same request only: Dagster remembers a run key for ever."""
        asked = [self.asked[name] for name in sorted(names)]
        said = " ".join(f"{one.mark}/{one.times}/{one.after_run}" for one in asked)
        return f"files-{hashlib.blake2b(said.encode(), digest_size=8).hexdigest()}"

    def told(self) -> str:
        """What is waited for, in words."""
        given_up = [name for name, one in self.asked.items() if one.is_given_up()]
        waiting = [name for name in self.asked if name not in given_up]
        parts = []
        if self.landing:
            parts.append(f"maybe not whole yet: {enumerated(self.landing)}")
        if waiting:
            parts.append(f"asked for, and no run has come to its end since: {enumerated(waiting)}")
        if given_up:
            parts.append(
                f"asked for {len(PAUSES) + 1} times in vain: {enumerated(given_up)}; see the last"
                " run, and put what it names right"
            )
        return "; ".join(parts) or "no file is new"


def memory_of(cursor: str) -> Memory:
    """What `Memory.cursor` said."""
    said, width = json.loads(cursor), 2 * _MARK_BYTES
    known = said["known"]
    return Memory(
        frozenset(known[start : start + width] for start in range(0, len(known), width)),
        said["landing"],
        {
            name: Asked(**{**one, "at": datetime.fromisoformat(one["at"])})
            for name, one in said["asked"].items()
        },
    )


def enumerated(names: Iterable[str]) -> str:
    """The names, of many the first ones.

    >>> enumerated("abcdefg")
    'a, b, c, d, e and 2 more'
    """
    names = sorted(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def marks_of(files: Iterable[Path]) -> dict[str, str]:
    """Name → mark of each file: of its name, size and time of change. Empty ones are left out."""
    marks = {}
    for path in files:
        try:
            found = path.stat()
        except FileNotFoundError:
            continue  # Gone since the folder was listed.
        if found.st_size:
            said = f"{path.name}/{found.st_size}/{found.st_mtime_ns}".encode()
            marks[path.name] = hashlib.blake2b(said, digest_size=_MARK_BYTES).hexdigest()
    return marks


def unchanged_since(before: Memory, now: Memory) -> list[str]:
    """Names of the files that were landing at both looks and did not change in between."""
    return sorted(name for name, mark in now.landing.items() if before.landing.get(name) == mark)


def split_by_content(
    names: Iterable[str], files: Iterable[Path], digests: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Of the files `names`: those whose content the lake holds, and those whose content it lacks.

    `digests` are the lake's, by name. Files beyond what one look reads are in neither list.
    """
    places = {path.name: path for path in files}
    held, lacked, n_bytes = [], [], 0
    for name in names:
        if name not in digests:
            lacked.append(name)
        elif n_bytes < _BYTES_A_LOOK:
            n_bytes += places[name].stat().st_size
            (held if digest_of(places[name]) == digests[name] else lacked).append(name)
    return held, lacked
