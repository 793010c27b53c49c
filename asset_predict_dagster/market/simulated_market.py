"""The simulated market: B3 as it could have been, made from a seed, and the truth about it.

The project's default source. It needs no network, and it is the only market whose truth is
known: every true return, every corporate action, and how much can be forecast at all.
`simulated_companies` lists the papers, `simulated_prices`, `simulated_state` and
`simulated_events` hold the process, `simulated_signal` the planted skill, `simulated_records`
makes the records; `simulated` puts them into files.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.market.simulated_companies import FIRST_SESSION, PAPERS
from asset_predict_dagster.market.simulated_prices import PriceHistory, simulate_prices
from asset_predict_dagster.market.simulated_records import make_records
from asset_predict_dagster.market.simulated_signal import MAXIMUM_STRENGTH


@dataclass(frozen=True)
class SimulatedMarket:
    """A market that is the same wherever it is simulated with the same settings.

    Attributes
    ----------
    seed
        Any whole number from 0 on. Another seed, another history of the same papers.
    signal_strength
        From 0 to 0.5: the mean rank correlation per session that the best possible forecast
        reaches against the true returns (`simulated_signal`). 0 leaves nothing to find. The
        default, 0.08, is more than twice what real stocks have shown.
    """

    seed: int = 42
    signal_strength: float = 0.08

    def __post_init__(self):
        if self.seed < 0:
            raise SettingsError(f"seed is {self.seed}; a simulated market needs 0 or more")
        if not 0.0 <= self.signal_strength <= MAXIMUM_STRENGTH:
            raise SettingsError(
                f"signal_strength is {self.signal_strength}; a simulated market needs a number"
                f" from 0 (no skill to find) to {MAXIMUM_STRENGTH}"
            )

    def simulate(self, last: date) -> "Simulation":
        """The history from the first session of 2018 to `last`, or to the session before it.

        What happens in a session is the same for every `last` that includes it.
        """
        sessions = sessions_between(FIRST_SESSION, last)
        if len(sessions) == 0:
            raise SettingsError(
                f"the simulated market starts on {FIRST_SESSION}, after {last}; ask for a later day"
            )
        return Simulation(simulate_prices(self.seed, self.signal_strength, sessions))


@dataclass(frozen=True)
class Simulation:
    """A simulated history: what B3 would have published, and the truth behind it."""

    history: PriceHistory

    @property
    def sessions(self) -> np.ndarray:
        """Shape (n_sessions,), datetime64[D]."""
        return self.history.sessions

    @cached_property
    def records(self) -> pd.DataFrame:
        """Every record of every market, as `write_cotahist` takes them."""
        return make_records(self.history, slice(None))

    def records_between(self, first: date, last: date) -> pd.DataFrame:
        """The records of the sessions from `first` to `last`, both included."""
        start = np.searchsorted(self.sessions, np.datetime64(first))
        end = np.searchsorted(self.sessions, np.datetime64(last), side="right")
        return make_records(self.history, slice(int(start), int(end)))

    @cached_property
    def corporate_actions(self) -> pd.DataFrame:
        """One row per event. Key: (ticker, ex_date); sorted by ex_date, ticker.

        Columns: ticker, ex_date, kind (cash_dividend, split, grouping, bonus), amount_brl (R$ per
        share as held on the last session with the right; missing for share events), factor
        (shares after over shares before; missing for dividends).
        """
        events = self.history.corporate_actions
        named = self._named(events)
        table = pd.DataFrame(
            {
                "ticker": named["ticker"],
                "ex_date": named["session"],
                "kind": events["kind"].astype("str"),
                "amount_brl": events["amount_brl"].astype("float64"),
                "factor": events["factor"].astype("float64"),
            }
        )
        return table.sort_values(["ex_date", "ticker"], ignore_index=True)

    @cached_property
    def oracle(self) -> pd.DataFrame:
        """The best possible forecast at each close. Key: (session, ticker).

        Columns: session, ticker, score: the expected return of the paper's next session. A paper
        has a row where it has a signal: it traded that day and 125 times before. All scores are
        0 where the signal strength is.
        """
        return self._table(self.history.expected_return, "score")

    @cached_property
    def next_volatilities(self) -> pd.DataFrame:
        """What can be known of the size of the next session's return. Key: (session, ticker).

        Columns: session, ticker, market_volatility, own_volatility: standard deviations of the
        part that all papers share and of the paper's own. One row per trade.
        """
        market = self._table(self.history.market_volatility_next, "market_volatility")
        own = self._table(self.history.own_volatility_next, "own_volatility")
        return market.assign(own_volatility=own["own_volatility"])

    @cached_property
    def true_returns(self) -> pd.DataFrame:
        """One row per trade of a paper but its first. Key: (session, ticker).

        Columns: session, ticker, total_return = (close x factor + dividend) / close of the last
        trade - 1, from prices before their rounding to centavos.
        """
        return self._table(self.history.total_return, "total_return")

    @cached_property
    def listings(self) -> pd.DataFrame:
        """One row per paper that has traded: ticker, first_session, last_session (of trades)."""
        traded = self.history.is_traded
        places = np.flatnonzero(traded.any(axis=0))
        first = traded[:, places].argmax(axis=0)
        last = len(traded) - 1 - traded[::-1, places].argmax(axis=0)
        return pd.DataFrame(
            {
                "ticker": _TICKERS.take(places),
                "first_session": self.sessions[first].astype("datetime64[us]"),
                "last_session": self.sessions[last].astype("datetime64[us]"),
            }
        )

    @cached_property
    def halts(self) -> pd.DataFrame:
        """One row per halt: session (the first without trades), ticker, n_sessions as planned.

        The last of these sessions can lie behind the end of the history or of the listing.
        """
        halts = self.history.halts
        return self._named(halts).assign(n_sessions=halts["n_sessions"])

    def _table(self, values: np.ndarray, name: str) -> pd.DataFrame:
        row, place = np.nonzero(np.isfinite(values))
        places = pd.DataFrame({"session": row, "paper": place})
        return self._named(places).assign(**{name: values[row, place]})

    def _named(self, places: pd.DataFrame) -> pd.DataFrame:
        """Columns session and ticker, from the row and the column of the history's arrays."""
        session = self.sessions[places["session"].to_numpy(dtype=np.int64)]
        ticker = _TICKERS.take(places["paper"].to_numpy(dtype=np.int64))
        return pd.DataFrame({"session": session.astype("datetime64[us]"), "ticker": ticker})


_TICKERS = pd.array([paper.ticker for paper in PAPERS], dtype="str")
