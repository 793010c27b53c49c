"""Sessions: the days on which B3 trades, and when each of them closes.

Source: exchange_calendars' `BVMF`. It is opened from 1986 because its default start forgets
what is older than twenty years, and up to 2099 because its default end, a year after today, would
be passed by a process that lives for years. Sessions to come follow the rules known today: a
holiday that is decreed later is known after an upgrade of exchange_calendars and a restart.
"""

import warnings
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketDataError

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

TIME_ZONE = "America/Sao_Paulo"

_FIRST_DAY, _LAST_DAY = date(1986, 1, 1), date(2099, 12, 31)


@cache
def _calendar() -> "ExchangeCalendar":
    import exchange_calendars

    with warnings.catch_warnings():
        # exchange_calendars 4.13 reads `Series.values` of aware times, which pandas 3.1 deprecates.
        warnings.filterwarnings("ignore", message="Series.values returning")
        return exchange_calendars.get_calendar("BVMF", start=str(_FIRST_DAY), end=str(_LAST_DAY))


@cache
def all_sessions() -> np.ndarray:
    """Every session known to the calendar, shape (n_sessions,), datetime64[D], sorted."""
    return _calendar().sessions.to_numpy().astype("datetime64[D]")


def sessions_between(first: date, last: date) -> np.ndarray:
    """The sessions from `first` to `last`, both included; datetime64[D], possibly none.

    >>> sessions_between(date(2024, 2, 9), date(2024, 2, 15)).astype(str).tolist()
    ['2024-02-09', '2024-02-14', '2024-02-15']
    """
    sessions = all_sessions()
    start, end = np.searchsorted(sessions, [np.datetime64(first), np.datetime64(last)])
    end += int(end < len(sessions) and sessions[end] == np.datetime64(last))
    return sessions[start:end]


def is_session(day: date) -> bool:
    """Whether B3 trades on `day`.

    >>> is_session(date(2024, 2, 13)), is_session(date(2024, 2, 14))  # Carnival, Ash Wednesday
    (False, True)
    """
    return len(sessions_between(day, day)) == 1


def session_after(session: date, steps: int = 1) -> date:
    """The session `steps` sessions after `session` (which may itself be any day).

    >>> session_after(date(2024, 2, 9))
    datetime.date(2024, 2, 14)
    """
    sessions = all_sessions()
    position = np.searchsorted(sessions, np.datetime64(session), side="right") + steps - 1
    if position >= len(sessions):
        raise MarketDataError(
            f"B3's calendar is known up to {sessions[-1]}, less than {steps} sessions after"
            f" {session}; choose an earlier ASSET_PREDICT_AS_OF"
        )
    return sessions[position].astype(date)


def opens_at(session: date) -> datetime:
    """When B3 opens in `session`, aware: what is said earlier can be acted upon in all of it.

    >>> opens_at(date(2024, 2, 14)).isoformat()  # Ash Wednesday, 13:00 in São Paulo
    '2024-02-14T16:00:00+00:00'

    Raises
    ------
    MarketDataError
        If B3 does not trade on that day.
    """
    if not is_session(session):
        raise MarketDataError(
            f"B3 does not open on {session}, which is no session of its calendar; name one that is"
        )
    return _calendar().session_open(str(session)).to_pydatetime()


def last_closed_session(now: datetime) -> date:
    """The latest session whose trading had ended at `now` (an aware datetime).

    B3's pre-market, continuous trading and closing call are over at the calendar's closing
    time; on Ash Wednesday the session opens late but closes as usual.

    Raises
    ------
    MarketDataError
        If `now` is beyond the calendar's end, which is not the last session there will be.
    """
    calendar = _calendar()
    today = now.astimezone(calendar.tz).date()
    if today > _LAST_DAY:
        raise MarketDataError(
            f"B3's calendar is known up to {_LAST_DAY}, and the clock says {today}; set the clock,"
            " or choose an earlier ASSET_PREDICT_AS_OF"
        )
    closed = all_sessions()[: np.searchsorted(all_sessions(), np.datetime64(today), side="right")]
    if closed[-1] == np.datetime64(today) and now < calendar.session_close(str(today)):
        closed = closed[:-1]
    return closed[-1].astype(date)


def not_sessions(days: pd.Series) -> pd.DataFrame:
    """The distinct days among `days` on which B3 does not trade; column `day`, sorted."""
    distinct = np.unique(days.dropna().to_numpy().astype("datetime64[D]"))
    strange = distinct[~np.isin(distinct, all_sessions())]
    return pd.DataFrame({"day": strange.astype("datetime64[us]")})


def is_traded_on(days: pd.Series) -> pd.Series:
    """Whether B3 trades on each of `days`; on a missing day it does not."""
    known = pd.DatetimeIndex(all_sessions().astype("datetime64[us]"))
    return days.isin(known)
