"""Asked: what a version of a model says, now, of the tickers that a person names.

It is said by the code that writes the table `predictions`, from the rows that the lake holds, and
is written nowhere. A ticker that cannot be forecast honestly has a row with the reason.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.errors import MarketDataError, SettingsError, TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.predictions.daily import Serving, predict_last_session
from asset_predict_dagster.predictions.due import MOST_LATE, sessions_late
from asset_predict_dagster.predictions.served_samples import RECENT_SESSIONS
from asset_predict_dagster.predictions.symbols import NearNames, normalised
from asset_predict_dagster.tables import PATH_HORIZONS, QUOTES, UNIVERSE

_NEAR = 3


def codes_of(typed: Sequence[str]) -> list[str]:
    """B3's codes of what people type, each once; none at all is refused.

    >>> codes_of(["petr4", "PETR4.SA", "vale3,itub4"])
    ['PETR4', 'VALE3', 'ITUB4']
    """
    names = [name for text in typed for name in text.replace(",", " ").split()]
    if not names:
        raise SettingsError("a ticker such as PETR4 was expected, and none was given")
    return list(dict.fromkeys(normalised(name) for name in names))


def refuse_unknown(codes: Sequence[str], known: Collection[str]) -> None:
    """Raise `SettingsError` about a ticker that nothing is known of, with those that are near."""
    for code in codes:
        if code not in known:
            near = NearNames.of(dict.fromkeys(known, "")).near(code, n=_NEAR)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise SettingsError(f"no quotes of '{code}' among {len(known):,} papers{hint}")


def ask(
    lake: Lake,
    serving: Serving,
    tickers: Sequence[str],
    days_ahead: int,
    last_closed: date,
    now: datetime,
    expires_after: timedelta,
) -> pd.DataFrame:
    """Rows as `with_task` has them: each ticker, the next `days_ahead` sessions, in that order.

    Parameters
    ----------
    tickers
        From `codes_of`.
    days_ahead
        Sessions after `last_closed`, 1 to 30; where quotes are late fewer can be forecast.
    last_closed, now
        By the clock; `now` is aware. Later quotes (the clock was moved back) are not looked at.
    expires_after
        As for `predict_last_session`.

    Raises
    ------
    SettingsError
        If a ticker is unknown or of a kind that is not forecast, or `days_ahead` out of range.
    MarketDataError
        If the newest quotes are too old to say anything.
    TableError
        If a table has not been made, or two are of different runs.
    RegistryError
        If the version has learned from sessions after the one that it would forecast.
    """
    refuse_range(days_ahead)
    known = lake.distinct(QUOTES, ["ticker"])["ticker"]
    refuse_unknown(tickers, set(known))
    quoted = [day.date() for day in lake.distinct(QUOTES, ["session"])["session"]]
    quoted = [day for day in quoted if day <= last_closed]
    late = _lateness(quoted, last_closed)
    days = quoted[-max(RECENT_SESSIONS, serving.bundle.card["lookback"]) :]
    quotes, universe, features = (
        lake.read(table, where={"session": days}) for table in (QUOTES, UNIVERSE, FEATURES)
    )
    _refuse_other_rows(quotes, universe, features)
    said = predict_last_session(
        [serving], quotes, universe, features, now, late, expires_after=expires_after
    )
    _refuse_unsaid(tickers, said, universe)
    return with_task(_of(said, tickers, late + days_ahead), serving)


def refuse_range(days_ahead: Any) -> None:
    """Raise `SettingsError` about what is no number of sessions, or more than is spoken of."""
    # Python takes True for 1.
    is_whole = isinstance(days_ahead, Integral) and not isinstance(days_ahead, bool)
    if not is_whole or not 1 <= days_ahead <= PATH_HORIZONS[-1]:
        raise SettingsError(
            f"days_ahead is 1 to {PATH_HORIZONS[-1]} sessions; found {days_ahead!r}; give a whole"
            " number of them"
        )


def _of(said: pd.DataFrame, tickers: Sequence[str], last_horizon: int) -> pd.DataFrame:
    rows = said[said["ticker"].isin(tickers) & (said["horizon"] <= last_horizon)]
    place = rows["ticker"].map({code: at for at, code in enumerate(tickers)})
    order = rows.assign(_place=place).sort_values(["_place", "horizon"]).index
    return rows.loc[order].reset_index(drop=True)


def with_task(said: pd.DataFrame, serving: Serving) -> pd.DataFrame:
    """Rows of `tables.PREDICTIONS` as the lake gives them back, and what their action is of.

    A scoped version's `action` and its probabilities need not be of the session after `session`:
    three columns say what it learned.

    - `action_horizon`: they are of so many sessions after `session`; 0: of `session` itself.
    - `label`: what buy, hold and sell mean (`dataset.labels.LabelDefinition`).
    - `scope`: what the version's experiment has else than the default (`Experiment.scope`); empty:
      nothing, it may serve.
    """
    experiment = Experiment.from_card(serving.bundle.card["experiment"])
    is_of_next = experiment.label != "signal_cluster"
    return _typed(said).assign(
        action_horizon=np.int32(experiment.horizon if is_of_next else 0),
        label=experiment.label,
        scope=experiment.scope,
    )


def _typed(said: pd.DataFrame) -> pd.DataFrame:
    """Days and whole numbers as the lake gives them back."""
    return said.astype(
        {
            "session": "datetime64[us]",
            "target_session": "datetime64[us]",
            "horizon": "int32",
            "sessions_late": "int32",
        }
    )


def _lateness(quoted: Sequence[date], last_closed: date) -> int:
    """Sessions that have closed since the last one with quotes."""
    if not quoted:
        raise MarketDataError(
            f"there are no quotes up to {last_closed}; run `asset-predict ingest`, or correct"
            " ASSET_PREDICT_AS_OF"
        )
    late = sessions_late(quoted, last_closed)
    if late > MOST_LATE:
        raise MarketDataError(
            f"the newest quotes are of {quoted[-1]}, {late} sessions behind the last closed one,"
            f" {last_closed}, and beyond {MOST_LATE} nothing is said; run `asset-predict ingest`"
        )
    return late


def _refuse_other_rows(quotes: pd.DataFrame, *others: pd.DataFrame) -> None:
    for other in others:
        if len(other) != len(quotes) or not all(
            (other[name].array == quotes[name].array).all() for name in QUOTES.key
        ):
            raise TableError(
                "quotes, universe and features are of different runs: one is being made anew, or"
                " did not come to its end; run `asset-predict ingest`"
            )


def _refuse_unsaid(tickers: Sequence[str], said: pd.DataFrame, universe: pd.DataFrame) -> None:
    """Raise `SettingsError` about a ticker that has no row at all: it says why."""
    there = set(said["ticker"])
    for code in tickers:
        if code in there:
            continue
        mine = universe[universe["ticker"] == code]
        if mine.empty:
            why = f"it has not been quoted in the last {RECENT_SESSIONS} sessions"
        else:
            why = (
                f"it is a paper of the kind {mine['asset_class'].iloc[-1]}, and"
                " ASSET_PREDICT_ASSET_CLASSES does not name that"
            )
        raise SettingsError(f"'{code}' is not forecast: {why}; choose another")
