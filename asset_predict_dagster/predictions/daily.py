"""Daily predictions: what each champion says at the close of the last session, of the next thirty.

A ticker that cannot be forecast honestly is refused by name, with the reason and without action
or forecast; one whose forecast is to be doubted is marked: `refusals.py`.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON, ACTIONS
from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.models.bundle import Bundle, Forecasts
from asset_predict_dagster.predictions.refusals import first_reasons, has_expired
from asset_predict_dagster.predictions.served_samples import RECENT_SESSIONS, served_samples
from asset_predict_dagster.tables import PATH_HORIZONS, PREDICTIONS, REFUSED


@dataclass(frozen=True)
class Serving:
    """The champion of one model: its registered version, its bundle, whether it is proven, and when
    it was last trained (aware)."""

    model: str
    version: str
    status: str
    bundle: Bundle
    trained_at: datetime


def predict_last_session(
    champions: list[Serving],
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
    features: pd.DataFrame,
    created_at: datetime,
    sessions_late: int = 0,
    *,
    expires_after: timedelta | None = None,
) -> pd.DataFrame:
    """Rows of `tables.PREDICTIONS`: every champion × forecastable ticker × horizon.

    The session is the last one in `quotes`; target sessions follow B3's calendar. Each ticker is
    called what it traded as in the session, whatever its code has become since.

    Parameters
    ----------
    quotes, universe, features
        Rows of the tables of those names, with the same keys in the same order.
    created_at
        The clock, aware.
    sessions_late
        Sessions that have closed since, without quotes: what is about those is left out, and the
        rest is marked `late_data`.
    expires_after
        A champion that is older says nothing: `refusals.has_expired`. None: however old.

    Raises
    ------
    RegistryError
        If a champion has learned from sessions after the one it would predict.
    """
    sessions = np.unique(quotes["session"].to_numpy())
    session = sessions[-1]
    day = pd.Timestamp(session).date()
    for champion in champions:
        _refuse_hindsight(champion, day)
    recent = (quotes["session"] >= sessions[-RECENT_SESSIONS:][0]).to_numpy()
    lookback = max(champion.bundle.card["lookback"] for champion in champions)
    samples = served_samples(features, universe, lookback)
    latest = _latest_rows(quotes[recent], universe[recent], session)
    is_today = samples.sessions[samples.session_codes] == session.astype("datetime64[D]")
    rows = np.flatnonzero(is_today & samples.is_forecastable)
    names = samples.tickers[samples.ticker_codes[rows]]
    order = pd.Index(names).get_indexer(latest["ticker"])
    latest["illiquid"] |= order < 0

    paths = _paths(latest, session)
    asked = session_after(day, sessions_late)
    parts = []
    for champion in champions:
        unfamiliar = champion.bundle.is_unfamiliar(samples, rows)
        reasons = first_reasons(
            {
                "stale_quote": latest["stale_quote"].to_numpy(),
                "illiquid": latest["illiquid"].to_numpy(),
                "model_expired": expires_after is not None
                and has_expired(champion.trained_at, asked, created_at, expires_after),
                "late_data": sessions_late > 0,
                "out_of_distribution": np.append(unfamiliar, False)[order],
            }
        )
        forecasts = champion.bundle.forecast(samples, rows, len(PATH_HORIZONS))
        parts.append(_said(paths, champion, forecasts, reasons, order))
    table = pd.concat(parts, ignore_index=True).assign(
        created_at=created_at, sessions_late=sessions_late
    )
    table = table[table["horizon"] > sessions_late].reset_index(drop=True)
    return _as_traded(table, quotes[quotes["session"] == session])[PREDICTIONS.column_names]


def _as_traded(table: pd.DataFrame, today: pd.DataFrame) -> pd.DataFrame:
    """The same under the codes of the day, which the outcomes know them by."""
    codes = today.set_index("ticker")["traded_as"]
    traded_as = table["ticker"].map(codes)
    # Of a paper that did not trade, and has since taken a code that another one traded under,
    # nothing is said: it would be taken for the other's.
    is_named = traded_as.notna() | ~table["ticker"].isin(codes)
    return table.assign(ticker=traded_as.fillna(table["ticker"]))[is_named]


def _paths(latest: pd.DataFrame, session: np.datetime64) -> pd.DataFrame:
    """The rows of `latest` once per horizon, the nearest horizon first."""
    day = pd.Timestamp(session).date()
    targets = pd.to_datetime([session_after(day, horizon) for horizon in PATH_HORIZONS])
    paths = pd.concat([latest] * len(PATH_HORIZONS), ignore_index=True)
    return paths.assign(
        session=session,
        target_session=targets.repeat(len(latest)),
        horizon=np.repeat(PATH_HORIZONS, len(latest)),
    )


def _said(
    paths: pd.DataFrame,
    champion: Serving,
    forecasts: Forecasts,
    reasons: np.ndarray,
    order: np.ndarray,
) -> pd.DataFrame:
    """What one champion says of every row of `paths`.

    `order` places its forecasts in `latest`; a row with a reason to be refused has none.
    """
    n_horizons = len(PATH_HORIZONS)
    order = np.where(np.isin(reasons, REFUSED), -1, order)

    def by_horizon(values: np.ndarray) -> np.ndarray:
        """(n_forecast, n_horizons) → (n_paths,)."""
        return _place(values, order).T.ravel()

    actions = _likeliest(forecasts.probabilities)
    last = paths["last_close"]
    table = paths.assign(
        model=champion.model,
        model_version=champion.version,
        status=champion.status,
        reason=np.tile(reasons, n_horizons),
        action=np.tile(pd.Series(actions).reindex(order).to_numpy(), n_horizons),
        expected_return=by_horizon(forecasts.expected_returns),
        price_low=last * (1 + by_horizon(forecasts.lows)),
        price_high=last * (1 + by_horizon(forecasts.highs)),
    )
    table["predicted_price"] = last * (1 + table["expected_return"])
    for position, action in enumerate(ACTIONS):
        placed = _place(forecasts.probabilities[:, position], order)
        table[f"probability_{action}"] = np.tile(placed, n_horizons)
    return table


def _refuse_hindsight(champion: Serving, session: date) -> None:
    if champion.bundle.learned_until > session:
        raise RegistryError(
            f"version {champion.version} of {champion.model} has learned from sessions up to"
            f" {champion.bundle.learned_until}, so what it says at the close of {session} would be"
            " hindsight; run complete_pipeline or retrain as of that session"
        )


def strongest(predictions: pd.DataFrame, n: int = 10) -> pd.DataFrame:
    """The n next-session forecasts that differ most from 'nothing happens', by expected return.

    Columns: ticker, model, model_version, status, action, expected_return, last_close,
    predicted_price, price_low, price_high, session, target_session, reason. Refused rows are left
    out, and those that are out of distribution: a wrong price would lead the list. The next session
    is that after the one asked about, also where the forecast is late; the action of a late one is
    of a session that is over, and shown as "-".
    """
    is_next = predictions["horizon"] - predictions["sessions_late"] == ACTION_HORIZON
    is_odd = predictions["reason"].isin([*REFUSED, "out_of_distribution"])
    rows = predictions[is_next & ~is_odd]
    rows = rows.assign(action=rows["action"].where(rows["sessions_late"] == 0, "-"))
    order = rows["expected_return"].abs().sort_values(ascending=False, kind="stable").index[:n]
    who = ["ticker", "model", "model_version", "status"]
    said = ["action", "expected_return", "last_close", "predicted_price", "price_low", "price_high"]
    return rows.loc[order, [*who, *said, "session", "target_session", "reason"]]


def _latest_rows(
    quotes: pd.DataFrame, universe: pd.DataFrame, session: np.datetime64
) -> pd.DataFrame:
    """One row per ticker of a class we forecast: its last close, and why it may be refused."""
    both = quotes[["ticker", "session", "close"]].assign(
        is_of_class=universe["reason"].to_numpy() != "asset_class",
        in_universe=universe["in_universe"].to_numpy(),
    )
    latest = both.groupby("ticker", as_index=False).last()
    latest = latest[latest["is_of_class"]].reset_index(drop=True)
    return pd.DataFrame(
        {
            "ticker": latest["ticker"],
            "last_close": latest["close"],
            "stale_quote": latest["session"] < session,
            "illiquid": ~latest["in_universe"],
        }
    )


def _likeliest(probabilities: np.ndarray) -> np.ndarray:
    return np.array(ACTIONS, dtype=object)[probabilities.argmax(axis=1)]


def _place(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """values[order], missing where order is -1: the ticker was refused."""
    nothing = np.full((1, *values.shape[1:]), np.nan)
    return np.concatenate([values, nothing])[order]
