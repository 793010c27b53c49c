"""The corporate actions of the simulated market: announced for a day, effective with a trade.

Cash dividends follow each paper's months; splits, groupings and bonuses are scheduled by name
or follow from a price grown too low or too high. An ex-date is always a session in which the
paper trades, and has one event: a second one waits for the next trade.
"""

from collections import defaultdict
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from asset_predict_dagster.market.simulated_companies import PAPERS, SCHEDULED_ACTIONS, Paper

LOW_PRICE = 2.50
HIGH_PRICE = 200.0
"""Quotes, in R$, that call for a grouping (ten to one) or a split. B3 asks for a grouping
below R$ 1; the higher floor keeps the centavo small against a day's move."""

SPLIT_TO_PRICE = 50.0
"""About where a split brings a high quote, in R$."""

NOTICE = 20
"""Sessions from such a quote to the ex-date."""


class Event(NamedTuple):
    """An event to come: `paper` is its place in PAPERS."""

    paper: int
    kind: str
    factor: float = 1.0
    quotation_factor: int | None = None


class CorporateActions:
    """The events to come and those that have happened."""

    def __init__(self, sessions: np.ndarray):
        self._announced: dict[int, list[Event]] = defaultdict(list)
        self._waiting: dict[int, list[Event]] = defaultdict(list)
        self._happened: list[tuple[int, int, str, float, float]] = []
        places = {paper.ticker: place for place, paper in enumerate(PAPERS)}
        for action in SCHEDULED_ACTIONS:
            row = int(np.searchsorted(sessions, np.datetime64(action.not_before)))
            self._announced[row].append(
                Event(places[action.ticker], action.kind, action.factor, action.quotation_factor)
            )
        for place, paper in enumerate(PAPERS):
            for row in np.searchsorted(sessions, _dividend_days(paper, sessions)).tolist():
                self._announced[row].append(Event(place, "cash_dividend"))

    @property
    def happened(self) -> pd.DataFrame:
        """One row per event: session (its row), paper (its column), kind, amount_brl, factor."""
        columns = ["session", "paper", "kind", "amount_brl", "factor"]
        return pd.DataFrame(self._happened, columns=columns)

    def take_effect(
        self,
        row: int,
        price_brl: np.ndarray,
        quotation_factor: np.ndarray,
        is_held: np.ndarray,
        is_traded: np.ndarray,
        uniform: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The events of one session; changes `quotation_factor` in place where one says so.

        Parameters
        ----------
        row
            The session.
        price_brl
            Shape (n_papers,), price of one share at the last close with the right.
        quotation_factor
            Shape (n_papers,), shares per quoted price at that close.
        is_held
            Shape (n_papers,): listed, and traded before. Other papers' events do not happen.
        is_traded
            Shape (n_papers,): trades today.
        uniform
            Shape (n_papers,), the draw behind the amount of a dividend.

        Returns
        -------
        R$ of dividend per share held before, and shares after per share before, each (n_papers,).
        """
        dividend_brl, factor = np.zeros(len(price_brl)), np.ones(len(price_brl))
        for event in self._announced.pop(row, ()):
            if is_held[event.paper]:
                self._waiting[event.paper].append(event)
        for event in self._next_of_each(is_traded):
            place = event.paper
            if event.kind == "cash_dividend":
                dividend_brl[place] = _amount_brl(
                    PAPERS[place], price_brl[place], uniform[place], quotation_factor[place]
                )
                self._happened.append((row, place, event.kind, dividend_brl[place], np.nan))
            else:
                factor[place] = event.factor
                self._happened.append((row, place, event.kind, np.nan, event.factor))
            if event.quotation_factor is not None:
                quotation_factor[place] = event.quotation_factor
        return dividend_brl, factor

    def watch(self, row: int, quote_brl: np.ndarray, is_traded: np.ndarray) -> None:
        """Announce a grouping or a split where a quote of this session calls for one."""
        is_extreme = is_traded & ((quote_brl < LOW_PRICE) | (quote_brl > HIGH_PRICE))
        for place in np.flatnonzero(is_extreme).tolist():
            if self._has_share_event_ahead(row, place):
                continue
            if quote_brl[place] < LOW_PRICE:
                event = Event(place, "grouping", 0.1)
            else:
                event = Event(place, "split", float(round(quote_brl[place] / SPLIT_TO_PRICE)))
            self._announced[row + NOTICE].append(event)

    def _next_of_each(self, is_traded: np.ndarray) -> list[Event]:
        """At most one waiting event per paper that trades; share events go first."""
        events = []
        for place in sorted(place for place in self._waiting if is_traded[place]):
            waiting = self._waiting[place]
            waiting.sort(key=lambda event: event.kind == "cash_dividend")
            events.append(waiting.pop(0))
            if not waiting:
                del self._waiting[place]
        return events

    def _has_share_event_ahead(self, row: int, place: int) -> bool:
        ahead = list(self._waiting.get(place, ()))
        for later in range(row + 1, row + NOTICE + 1):
            ahead += self._announced.get(later, ())
        return any(event.paper == place and event.kind in ("split", "grouping") for event in ahead)


def _amount_brl(paper: Paper, price_brl: float, uniform: float, quotation_factor: int) -> float:
    """R$ per share: the year's yield over its payments, give or take 30 %."""
    amount = price_brl * paper.dividend_yield / len(paper.dividend_months) * (0.7 + 0.6 * uniform)
    return round(amount, 6 if quotation_factor == 1 else 9)


def _dividend_days(paper: Paper, sessions: np.ndarray) -> np.ndarray:
    """The days of the span on which a cash dividend of the paper falls due, datetime64[D]."""
    years = range(sessions[0].astype(date).year, sessions[-1].astype(date).year + 1)
    days = [date(y, month, paper.dividend_day) for y in years for month in paper.dividend_months]
    due = np.array(days, dtype="datetime64[D]")
    return due[(due > sessions[0]) & (due <= sessions[-1])]
