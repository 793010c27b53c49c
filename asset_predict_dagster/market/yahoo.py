"""Yahoo Finance as a source: daily bars of chosen papers, with the splits undone.

What Yahoo says is landed in a folder first, one file per refresh; batches are those files. The
first refresh fetches the whole history, later ones the last sessions: new ones, and a few known
ones, for Yahoo corrects itself.

Yahoo knows neither the number of trades nor the average price, bids, asks or ISINs, and traded
values are estimated (`yahoo_bars.records_of`). A lake holds its prices or B3's, never both.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketFileError, SourceDownError
from asset_predict_dagster.market.corporate_actions import (
    combine,
    one_row_per_event,
    read_corporate_actions,
)
from asset_predict_dagster.market.sessions import all_sessions
from asset_predict_dagster.market.sources import Batch, Delivery
from asset_predict_dagster.market.yahoo_bars import (
    as_traded,
    doubts_of,
    events_of,
    records_of,
)
from asset_predict_dagster.market.yahoo_download import Answer, Download, download
from asset_predict_dagster.market.yahoo_landing import (
    EVENTS,
    LandedFile,
    Request,
    land,
    landed_events,
    landed_files,
    landed_of,
    name_of,
)

OVERLAP = 10
"""Sessions fetched and landed again at each refresh, to take over what Yahoo corrected late."""

EVENT_SESSIONS = 126
"""Sessions whose dividends and splits are asked for again: Yahoo lists some of them weeks late."""

WAITS_SECONDS = (5.0, 30.0, 120.0)
"""Between the attempts to ask for one paper."""


@dataclass(frozen=True)
class Yahoo:
    """The papers `tickers` (B3's codes) from the day `first` on, landed in `folder`.

    A session's records in a file are those of every paper. A paper that answers nothing keeps
    what was landed of it; when one answers that did not before, all is fetched anew, as the
    sessions in between would be missing.

    Attributes
    ----------
    download
        Asks Yahoo for one symbol.
    sleep
        Waits some seconds before another attempt.
    """

    folder: Path
    tickers: tuple[str, ...]
    first: date
    download: Download = download
    sleep: Callable[[float], None] = time.sleep
    origin: str = field(default="Yahoo Finance", init=False)

    def refresh(self, last: date) -> list[str]:
        """Land what is new up to the session `last`; sentences of what Yahoo lacks or doubts.

        Raises
        ------
        SourceDownError
            If Yahoo cannot be reached or answers nothing at all; nothing is landed then.
        SettingsError
            If the package yfinance is missing, or the folder cannot be written.
        """
        files = landed_files(self.folder)
        newest = files[-1] if files else None
        before = newest.request() if newest else None
        if newest is None or before is None or not self._continues(before):
            return self._land_whole(files, before, max([last, *(file.last for file in files)]))
        if newest.last >= last:
            return []
        answers = self._ask(_sessions_before(newest.last, EVENT_SESSIONS))
        if answers.keys() - set(before.answered):
            return self._land_whole(files, before, last)
        since = _sessions_before(newest.last, OVERLAP)
        return self._land(files, before, answers, since, last)

    def files(self) -> list[Path]:
        return [file.path for file in landed_files(self.folder)]

    def batches(self) -> list[Batch]:
        """The landed files, in the order they landed.

        Raises
        ------
        MarketFileError
            If nothing is landed.
        """
        files = landed_files(self.folder)
        if not files:
            raise MarketFileError(f"{self.folder} holds no bars of Yahoo yet; refresh it")
        return [Batch(file.path.name, file.digest()) for file in files]

    def read(self, batch: Batch) -> Delivery:
        """The records of one landed file.

        Raises
        ------
        MarketFileError
            If the file is not there any more or damaged.
        """
        files = {file.path.name: file for file in landed_files(self.folder)}
        if batch.name not in files:
            raise MarketFileError(f"{self.folder / batch.name} was expected, it is gone; run again")
        file = files[batch.name]
        request, records = file.request(), file.records()
        return Delivery(
            kind=request.kind,
            generated_on=request.generated_on,
            n_quotes=len(records),
            n_filtered=0,
            records=records,
            first=file.first,
            last=file.last,
        )

    def corporate_actions(self, last: date) -> pd.DataFrame:
        """Yahoo's splits and dividends, and those of a `corporate_actions.csv` in the folder.

        Where both know of an event, the CSV's word counts.
        """
        told = one_row_per_event(landed_events(self.folder), last)
        return combine(read_corporate_actions(self.folder, last), told)

    def _continues(self, before: Request) -> bool:
        """Whether the newest file is of the same papers, and the history it continues is there."""
        return (
            before.tickers == tuple(sorted(self.tickers))
            and before.first <= self.first
            and (self.folder / before.whole).exists()
        )

    def _land_whole(
        self, files: list[LandedFile], before: Request | None, until: date
    ) -> list[str]:
        first = min(self.first, before.first) if before else self.first
        return self._land(files, before, self._ask(first), first, until, is_whole=True)

    def _land(
        self,
        files: list[LandedFile],
        before: Request | None,
        answers: dict[str, Answer],
        since: date,
        until: date,
        is_whole: bool = False,
    ) -> list[str]:
        days = {
            ticker: _until(as_traded(answer), until) for ticker, answer in sorted(answers.items())
        }
        fetched = [
            records_of(ticker, rows, answers[ticker].short_name) for ticker, rows in days.items()
        ]
        records = pd.concat([*fetched]) if fetched else pd.DataFrame(columns=["session"])
        records = records[records["session"] >= pd.Timestamp(since)]
        silent = sorted(set(self.tickers) - answers.keys())
        known = files[-1].last if files and not is_whole else date.min
        if records.empty:
            raise SourceDownError(
                f"Yahoo knows of no trade from {since} to {until} of any of"
                f" {', '.join(self.tickers)}; nothing was landed, check ASSET_PREDICT_TICKERS or"
                " try again later"
            )
        self._land_events(days)
        held = records["session"].max().date()
        if held > known:
            kept = landed_of(files, silent, since, held)
            complete = pd.concat([records, kept]).sort_values(["session", "ticker"])
            number = files[-1].number + 1 if files else 1
            name = name_of(number, complete["session"].min().date(), held)
            request = Request(
                kind="yearly" if is_whole else "monthly",
                tickers=tuple(sorted(self.tickers)),
                first=since if before is None or is_whole else before.first,
                answered=tuple(sorted(answers)),
                generated_on=max(held, before.generated_on) if before else held,
                whole=name if before is None or is_whole else before.whole,
            )
            land(self.folder / name, complete, request)
        return [*doubts_of(days), *_lacks(records, silent, held, until)]

    def _ask(self, first: date) -> dict[str, Answer]:
        """Ticker → Yahoo's answer from `first` on, of those it knows."""
        answers = {ticker: self._ask_for(f"{ticker}.SA", first) for ticker in self.tickers}
        return {ticker: answer for ticker, answer in answers.items() if answer is not None}

    def _ask_for(self, symbol: str, first: date) -> Answer | None:
        for wait in WAITS_SECONDS:
            try:
                return self.download(symbol, first)
            except SourceDownError:
                self.sleep(wait)
        return self.download(symbol, first)

    def _land_events(self, days: dict[str, pd.DataFrame]) -> None:
        """What Yahoo says now of the days asked about, in place of what it said before."""
        events = landed_events(self.folder)
        for ticker, rows in days.items():
            if len(rows):
                said_anew = (events["ticker"] == ticker) & (
                    events["ex_date"] >= rows["session"].min()
                )
                events = events[~said_anew]
        told = pd.concat([events, *(events_of(ticker, rows) for ticker, rows in days.items())])
        land(self.folder / EVENTS, told.sort_values(["ticker", "ex_date", "kind"]))


def _sessions_before(last: date, n_sessions: int) -> date:
    """The first of the `n_sessions` sessions up to `last`."""
    sessions = all_sessions()
    end = int(np.searchsorted(sessions, np.datetime64(last), side="right"))
    return sessions[max(end - n_sessions, 0)].astype(date)


def _until(days: pd.DataFrame, last: date) -> pd.DataFrame:
    return days[days["session"] <= pd.Timestamp(last)]


def _lacks(records: pd.DataFrame, silent: list[str], held: date, until: date) -> list[str]:
    sentences = []
    if silent:
        sentences.append(
            f"Yahoo answered nothing for {', '.join(silent)}; what was landed of them is kept"
        )
    if held < until:
        sentences.append(f"Yahoo has no bar after {held} yet, {until} was asked for")
    of_session = records.groupby("session")["ticker"].agg(set).sort_index()
    if len(of_session) > 1:
        late = sorted(of_session.iloc[-2] - of_session.iloc[-1])
        if late:
            sentences.append(
                f"Yahoo has no bar of {', '.join(late)} on {held}, and had one the session before;"
                " they are asked for again with the next session"
            )
    return sentences
