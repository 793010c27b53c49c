"""B3's archive of historical quotes: which of its files a folder lacks, fetched into it."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.cotahist_name import Kind, period_of
from asset_predict_dagster.market.landing import generated_on, remove_partials
from asset_predict_dagster.market.sessions import sessions_between

if TYPE_CHECKING:
    from asset_predict_dagster.market.b3_download import Downloads, Patience

FEW_SESSIONS = 10
"""Up to so many sessions of the running year are fetched day by day; for more its yearly file is
one download instead of many. The daily files of as many sessions are watched for corrections."""


@dataclass(frozen=True)
class B3Archive:
    """The address B3 publishes its historical quotes at, or a mirror of it.

    Attributes
    ----------
    address
        The files are `{address}/COTAHIST_A2023.ZIP` and `{address}/COTAHIST_D26022024.ZIP`. A
        user and a password in it are not shown.
    first_year
        The first year to fetch.
    patience
        How long to wait and how often to ask again; None: as `b3_download.Patience` says.
    sleep
        Waits so many seconds.
    """

    address: str = field(repr=False)
    first_year: int
    patience: "Patience | None" = None
    sleep: Callable[[float], None] = time.sleep

    def complete(self, folder: Path, last: date) -> list[str]:
        """Bring a folder up to session `last`; what was fetched and what B3 lacks, in sentences.

        Fetched are: the yearly file of each finished year that the folder lacks or has only as it
        was before the year's end; of the running year the yearly file if more than ten sessions
        are in no file, for B3 renews it while the year runs; then the daily file of each session
        that is in no file, of the running and the last finished year. A yearly or monthly file
        counts up to the day its header says it was generated, which B3's own include. Days on
        which B3 does not trade are never asked for.

        The daily files of the last ten sessions and the yearly file of the last finished year are
        asked for again, and replaced if B3 has corrected them. Other files of the folder are never
        touched, and what B3 has is never guessed: a file that is not there is told in a sentence,
        as not published yet for the last two sessions, as a gap for older ones. What comes is read
        before it is put in its place: an answer that is cut off, or that holds quotes of other
        days, is asked for again and never kept.

        Raises
        ------
        SourceDownError
            If a file cannot be fetched, or not as its name promises. Those fetched whole before
            stay, and every other file of the folder is as it was.
        """
        # `requests` takes a tenth of a second, which those who do not download save.
        from asset_predict_dagster.market.b3_download import Downloads, Patience

        folder.mkdir(parents=True, exist_ok=True)
        remove_partials(folder)
        with Downloads(self.address, folder, self.patience or Patience(), self.sleep) as downloads:
            visit = _Visit(folder, downloads, last)
            for year in range(self.first_year, last.year + 1):
                visit.fetch_year(year)
                visit.fetch_days(year)
            visit.fetch_corrections()
        return visit.sentences(downloads.address)


class _Visit:
    """One visit to the archive: what the folder holds, what was asked for and what came of it."""

    def __init__(self, folder: Path, downloads: "Downloads", last: date) -> None:
        self._folder, self._downloads, self._last = folder, downloads, last
        self._holdings: dict[str, tuple[Kind, date, date]] = {}
        for path in folder.iterdir():
            self._hold(path)
        self._asked: set[str] = set()
        self._fetched: list[str] = []
        self._corrected: list[str] = []
        self._missing_years: list[int] = []
        self._missing_days: list[date] = []

    def fetch_year(self, year: int) -> None:
        """The yearly file, if the folder lacks it or much of the running year."""
        if self._is_finished(year):
            final = _sessions(year, date(year, 12, 31))[-1]
            is_wanted = not any(
                kind == "yearly" and first.year == year and until >= final
                for kind, first, until in self._holdings.values()
            )
        else:
            is_wanted = len(self._lacking(year)) > FEW_SESSIONS
        if is_wanted and not self._fetch(_yearly(year)):
            self._missing_years.append(year)

    def fetch_days(self, year: int) -> None:
        """The daily files of the sessions still lacking, as far back as B3 keeps them."""
        is_running = year == self._last.year
        if year in self._missing_years and not is_running:
            return
        for day in self._lacking(year):
            is_kept = year >= self._last.year - 1
            if not (is_kept and self._fetch(_daily(day))):
                self._missing_days.append(day)

    def fetch_corrections(self) -> None:
        """What B3 may have corrected since it was fetched."""
        year = self._last.year if self._is_finished(self._last.year) else self._last.year - 1
        names = [_yearly(year), *map(_daily, self._recent(FEW_SESSIONS))]
        for name in names:
            is_known = name not in self._asked and (self._folder / name).exists()
            if is_known and self._downloads.fetch(name) == "fetched":
                self._corrected.append(name)

    def sentences(self, address: str) -> list[str]:
        told = []
        if self._fetched:
            told.append(f"Fetched {_listed(self._fetched)} from {address}.")
        if self._corrected:
            told.append(f"B3 has corrected {_listed(self._corrected)}: fetched again.")
        late = self._recent(2)
        names = [_daily(day) for day in self._missing_days if day in late]
        if names:
            told.append(f"B3 has not published {_listed(names)} yet.")
        gaps = [f"{day}" for day in self._missing_days if day not in late]
        if gaps:
            told.append(f"B3 has no file for {_listed(gaps)}, though it traded on each such day.")
        if self._missing_years:
            years = [f"{year}" for year in self._missing_years]
            told.append(f"B3 has no yearly file of {_listed(years)}.")
        return told

    def _fetch(self, name: str) -> bool:
        """Ask for a file; whether B3 has it."""
        self._asked.add(name)
        outcome = self._downloads.fetch(name)
        if outcome == "fetched":
            self._fetched.append(name)
            self._hold(self._folder / name)
        return outcome != "missing"

    def _hold(self, path: Path) -> None:
        """Note which days a file covers: none if it is no market file or has no header."""
        with contextlib.suppress(MarketFileError):
            period, generated = period_of(path), generated_on(path)
            if generated is not None:
                until = period.last if period.kind == "daily" else min(period.last, generated)
                self._holdings[path.name] = (period.kind, period.first, until)

    def _lacking(self, year: int) -> list[date]:
        """The sessions of the year up to `last` that no file of the folder covers."""
        spans = {(first, until) for _, first, until in self._holdings.values()}
        days = _sessions(year, self._last)
        return [day for day in days if not any(first <= day <= until for first, until in spans)]

    def _recent(self, sessions: int) -> list[date]:
        """The last sessions up to `last`."""
        return sessions_between(self._last - timedelta(days=60), self._last)[-sessions:].tolist()

    def _is_finished(self, year: int) -> bool:
        return self._last >= _sessions(year, date(year, 12, 31))[-1]


def _sessions(year: int, last: date) -> list[date]:
    return sessions_between(date(year, 1, 1), min(last, date(year, 12, 31))).tolist()


def _yearly(year: int) -> str:
    return f"COTAHIST_A{year}.ZIP"


def _daily(day: date) -> str:
    return f"COTAHIST_D{day:%d%m%Y}.ZIP"


def _listed(names: list[str]) -> str:
    """Up to four names; of more the first three, their number and the last."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} … {names[-1]} ({len(names):,} in all)"
    return ", ".join(names)
