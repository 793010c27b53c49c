"""The world of the year: a market with a past, and B3's files of it as they come, or do not come.

The market is the simulated one, changed from within: from one session on every move is twice as
large (the drift), and from another on nothing of the next return can be known (the skill is gone).
What B3 publishes of it lands in a folder: the years before as yearly files, then a file a session.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from asset_predict_dagster.market.cotahist import SPOT
from asset_predict_dagster.market.cotahist_writer import write_cotahist
from asset_predict_dagster.market.sessions import TIME_ZONE, session_after, sessions_between
from asset_predict_dagster.market.simulated_companies import FIRST_SESSION
from asset_predict_dagster.market.simulated_market import Simulation
from asset_predict_dagster.market.simulated_prices import (
    MAXIMUM_RETURN,
    PriceHistory,
    simulate_prices,
)

SAO_PAULO = ZoneInfo(TIME_ZONE)
EARLY, LATE = timedelta(hours=-4), timedelta(hours=2, minutes=50)
"""When the file of a session lies in the folder, from the midnight after it: one in ten lies there
in the evening already."""


@dataclass(frozen=True)
class Year:
    """What happens when. Sessions are counted from 1, the first that comes as a file of its own.

    Attributes
    ----------
    first
        The first of the year's sessions; three years of history end before it.
    drift_from, skill_until
        The session from which moves are `larger` times as large, and the last whose next return
        can be forecast.
    missing
        The session whose file comes two sessions late.
    corrected
        The session whose file is written again three sessions later, with other closes.
    downtime
        First and last of the sessions on whose mornings after nothing runs: a week.
    trainings_fail_from
        The session from which on two trainings fail.
    """

    first: date = date(2021, 1, 4)
    n_sessions: int = 250
    seed: int = 42
    strength: float = 0.15
    larger: float = 2.0
    drift_from: int = 64
    skill_until: int = 106
    missing: int = 30
    corrected: int = 40
    downtime: tuple[int, int] = (48, 52)
    trainings_fail_from: int = 19

    @cached_property
    def sessions(self) -> list[date]:
        """The year's sessions."""
        last = session_after(self.first, self.n_sessions - 1)
        return sessions_between(self.first, last).tolist()

    def session(self, number: int) -> date:
        return self.sessions[number - 1]

    def morning_after(self, number: int) -> datetime:
        """Midnight, São Paulo time, of the day after a session."""
        return midnight(self.session(number) + timedelta(days=1))


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), SAO_PAULO)


class World:
    """The market of one year, and the folder where its files land."""

    def __init__(self, year: Year, folder: Path):
        self.year = year
        self.folder = folder
        last = year.sessions[-1]
        sessions = sessions_between(FIRST_SESSION, last)
        history = simulate_prices(year.seed, year.strength, sessions)
        self.simulation = Simulation(
            changed(
                history,
                skill_until=np.datetime64(year.session(year.skill_until)),
                larger_from=np.datetime64(year.session(year.drift_from)),
                factor=year.larger,
            )
        )

    def publish_the_past(self) -> None:
        """The files of the years before, and the list of events."""
        self.folder.mkdir(parents=True)
        for of_year in range(FIRST_SESSION.year, self.year.first.year):
            days = sessions_between(date(of_year, 1, 1), date(of_year, 12, 31)).tolist()
            path = self.folder / f"COTAHIST_A{of_year}.ZIP"
            write_cotahist(self._records(days[0], days[-1]), path, generated_on=days[-1])
        # Events that lie ahead are there as well; who reads the list leaves them out.
        self.simulation.corporate_actions.to_csv(
            self.folder / "corporate_actions.csv", index=False, date_format="%Y-%m-%d"
        )

    def arrivals(self) -> list[tuple[datetime, str, date]]:
        """When, what (a file, a late file, a correction) and of which session, in order."""
        year = self.year
        missing, corrected = year.session(year.missing), year.session(year.corrected)
        coming = []
        for number, session in enumerate(year.sessions, start=1):
            due = midnight(session + timedelta(days=1)) + (LATE if number % 10 else EARLY)
            if session == missing:
                late = midnight(session_after(session, 2)) + timedelta(hours=19)
                coming.append((late, "late file", session))
            else:
                coming.append((due, "file", session))
        again = midnight(session_after(corrected, 3)) + timedelta(hours=19)
        coming.append((again, "correction", corrected))
        return sorted(coming)

    def deliver(self, what: str, session: date, arrived: datetime) -> None:
        """Let one file land."""
        records = self._records(session, session)
        made_on = session
        if what == "correction":
            records = with_other_closes(records)
            made_on = session_after(session, 3)
        path = self.folder / f"COTAHIST_D{session:%d%m%Y}.ZIP"
        write_cotahist(records, path, generated_on=made_on)
        os.utime(path, (arrived.timestamp(), arrived.timestamp()))

    def _records(self, first: date, last: date) -> pd.DataFrame:
        records = self.simulation.records_between(first, last)
        return records[records["market_type"].isin(SPOT)]


def with_other_closes(records: pd.DataFrame) -> pd.DataFrame:
    """A third of the papers closed at the day's low after all."""
    close = records["close"].copy()
    close.iloc[::3] = records["low"].iloc[::3]
    return records.assign(close=close)


def changed(
    history: PriceHistory, *, skill_until: np.datetime64, larger_from: np.datetime64, factor: float
) -> PriceHistory:
    """The same shocks, without what could be foreseen of them, and with larger moves.

    Of every return after `skill_until` what was expected at the close before is taken away: what
    is left is the part that nobody could know. From `larger_from` on log returns are `factor`
    times as large. Dividends keep their share of the price.
    """
    sessions = history.sessions
    foreseen = np.vstack([np.zeros_like(history.expected_return[:1]), history.expected_return[:-1]])
    foreseen[sessions <= skill_until] = 0.0
    stretch = np.where(sessions >= larger_from, factor, 1.0)[:, None]
    surprise = np.log1p(history.total_return - np.nan_to_num(foreseen))
    total_return = np.expm1(stretch * surprise).clip(-MAXIMUM_RETURN, MAXIMUM_RETURN)

    dividends = history.corporate_actions["amount_brl"].to_numpy(dtype=np.float64).copy()
    places = history.corporate_actions[["session", "paper"]].itertuples(index=False, name=None)
    events = {place: number for number, place in enumerate(places)}
    # Price over what it was without the change, of each paper at its last trade.
    ratio = np.ones(history.price_brl.shape[1])
    price, reference = history.price_brl.copy(), history.reference_price_brl.copy()
    for row, paper in _trades(history):
        before, dividend = ratio[paper], 0.0
        if (row, paper) in events:
            number = events[row, paper]
            dividend = np.nan_to_num(dividends[number])
            dividends[number] *= before
        if np.isfinite(history.total_return[row, paper]):
            # (price x factor + dividend) / last price - 1, solved for the price.
            factor_now, last = _undone(history, row, paper, dividend)
            grown = last * (1 + total_return[row, paper]) - dividend
            price[row, paper] = before * grown / factor_now
            ratio[paper] = price[row, paper] / history.price_brl[row, paper]
        reference[row, paper] *= before
    return replace(
        history,
        price_brl=price,
        reference_price_brl=reference,
        total_return=total_return,
        volatility=history.volatility * stretch,
        corporate_actions=history.corporate_actions.assign(amount_brl=dividends),
    )


def _trades(history: PriceHistory) -> Iterator[tuple[int, int]]:
    for row, paper in zip(*np.nonzero(history.is_traded), strict=True):
        yield int(row), int(paper)


def _undone(history: PriceHistory, row: int, paper: int, dividend: float) -> tuple[float, float]:
    """Shares after over shares before, and the price of the last trade, before the change."""
    earlier = np.flatnonzero(history.is_traded[:row, paper])[-1]
    last = history.price_brl[earlier, paper]
    after = last * (1 + history.total_return[row, paper]) - dividend
    return after / history.price_brl[row, paper], last
