"""Served: what versions say of every ticker, what they are, and how far off they were."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON, ACTIONS
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.predictions.daily import Serving, predict_last_session
from asset_predict_dagster.registry.registered import Registered, importance_of
from asset_predict_dagster.service.papers import Market
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.service.snapshot import Figures, Said, State, Version
from asset_predict_dagster.tables import FORECASTS_OUT_OF_SAMPLE, PATH_HORIZONS

NOT_FORECAST = "asset_class"
"""Reason of a paper of a kind that is not forecast, as in `universe`."""

_JUDGED = ["model", "model_version", "ticker", "session", "target_session", "last_close"]
_RETURNS = ["expected_return", "realised_return"]


@dataclass(frozen=True)
class Serves:
    """A version that is asked, and what the registry knows of it; None if it has been lost."""

    serving: Serving
    known: Registered | None
    is_champion: bool


def versions_of(
    lake: Lake,
    places: Places,
    state: State,
    serving: Sequence[Serves],
    market: Market,
    sessions_late: int,
    expires_after: timedelta,
) -> Iterator[Version]:
    """Each of the versions, asked of the last session of the market, which is so many late."""
    if not serving:
        return
    said = _said(serving, market, sessions_late, expires_after)
    last_close = market.quotes.groupby("ticker")["close"].last()
    judged = _judged(lake, state, serving, market.quotes["session"].max())
    for one in serving:
        asked, known, card = one.serving, one.known, one.serving.bundle.card
        measured = _measured_card(places, known)
        mine = said[asked.model]
        others = {
            ticker: Said(NOT_FORECAST, float(close))
            for ticker, close in last_close.items()
            if ticker not in mine
        }
        yield Version(
            model=asked.model,
            version=asked.version,
            status=asked.status,
            is_champion=one.is_champion,
            # A table has it as pandas', which the server would import to read the snapshot.
            trained_at=datetime.fromisoformat(asked.trained_at.isoformat()),
            training_end=date.fromisoformat(card["training_sessions"][1]),
            feature_names=tuple(card["feature_names"]),
            importance=importance_of(places.registry_database, known.run_id if known else ""),
            n_training_rows=measured.get("n_training_rows"),
            n_validation_rows=(measured.get("validation") or {}).get("n_rows"),
            training_seconds=known.training_seconds if known else None,
            said=mine | others,
            figures=_figures(judged, asked),
        )


def _said(
    serving: Sequence[Serves], market: Market, sessions_late: int, expires_after: timedelta
) -> dict[str, dict[str, Said]]:
    """Model → ticker → what it says, by the code that writes the table `predictions`."""
    table = predict_last_session(
        [one.serving for one in serving],
        market.quotes,
        market.universe,
        market.features,
        datetime.now(UTC),
        sessions_late,
        expires_after=expires_after,
    )
    table = table.assign(ticker=_present_codes(table["ticker"], market.quotes))
    found: dict[str, dict[str, Said]] = {}
    table = table.sort_values(["model", "ticker", "horizon"], ignore_index=True)
    first = PATH_HORIZONS[sessions_late]
    returns, lows, highs = (
        table[name].to_numpy(dtype=np.float64).reshape(-1, len(PATH_HORIZONS) - sessions_late)
        for name in ("expected_return", "price_low", "price_high")
    )
    heads = table[table["horizon"] == first]
    for at, row in enumerate(heads.itertuples()):
        said = found.setdefault(row.model, {})
        if pd.isna(row.action):
            said[row.ticker] = Said(row.reason, row.last_close)
            continue
        probabilities = tuple(float(getattr(row, f"probability_{action}")) for action in ACTIONS)
        said[row.ticker] = Said(
            row.reason,
            row.last_close,
            row.action,
            probabilities,
            returns[at].copy(),
            lows[at].copy(),
            highs[at].copy(),
        )
    return found


def _present_codes(tickers: pd.Series, quotes: pd.DataFrame) -> pd.Series:
    """The codes that papers are known by now, of those that they traded under in the session."""
    today = quotes[quotes["session"] == quotes["session"].max()]
    present = tickers.map(today.set_index("traded_as")["ticker"])
    return present.fillna(tickers)


def _measured_card(places: Places, known: Registered | None) -> dict[str, Any]:
    """The card of the bundle that was measured: what serves was fitted again, on more rows.

    Forecasts need none of it: it is empty where it cannot be read.
    """
    if known is None:
        return {}
    try:
        return json.loads((places.bundles / known.evaluation_bundle / "card.json").read_bytes())
    except (OSError, ValueError):
        return {}


def _judged(
    lake: Lake, state: State, serving: Sequence[Serves], last: pd.Timestamp
) -> pd.DataFrame:
    """Forecasts of the next session whose outcome was known by `last`, of the versions asked."""
    version = state.versions[FORECASTS_OUT_OF_SAMPLE.name]
    if version is None:
        return pd.DataFrame(columns=[*_JUDGED, *_RETURNS])
    rows = lake.read(
        FORECASTS_OUT_OF_SAMPLE,
        columns=[*_JUDGED, *_RETURNS],
        version=version,
        where={
            "window": [HOLDOUT],
            "model": sorted({one.serving.model for one in serving}),
            "model_version": sorted({one.serving.version for one in serving}),
            "horizon": [ACTION_HORIZON],
        },
    )
    return rows[rows["target_session"] <= last]


def _figures(judged: pd.DataFrame, asked: Serving) -> Mapping[str, Figures]:
    """Errors of the price in R$, ticker by ticker, as `evaluation/metrics.py` defines them."""
    mine = judged[
        (judged["model"] == asked.model) & (judged["model_version"] == asked.version)
    ].dropna(subset=_RETURNS)
    return {str(ticker): _figures_of(rows) for ticker, rows in mine.groupby("ticker")}


def _figures_of(rows: pd.DataFrame) -> Figures:
    last = rows["last_close"].to_numpy()
    realised = last * (1 + rows["realised_return"].to_numpy())
    predicted = last * (1 + rows["expected_return"].to_numpy())
    mae, rmse, mape, r2 = price_errors(realised, predicted)
    naive_mae, naive_rmse, naive_mape, naive_r2 = price_errors(realised, last)
    sessions = rows["session"]
    return Figures(
        n=len(rows),
        mae=mae,
        rmse=rmse,
        mape=mape,
        r2=r2,
        naive_mae=naive_mae,
        naive_rmse=naive_rmse,
        naive_mape=naive_mape,
        naive_r2=naive_r2,
        first_session=sessions.min().date(),
        last_session=sessions.max().date(),
    )


def price_errors(realised: np.ndarray, predicted: np.ndarray) -> tuple[float, float, float, float]:
    """MAE and RMSE (R$), MAPE (fraction) and R² of predicted prices, shape (n,).

    R² is missing where the realised price never changes, and MAPE where it is 0.

    >>> [round(x, 3) for x in price_errors(np.array([10.0, 20.0]), np.array([11.0, 19.0]))]
    [1.0, 1.0, 0.075, 0.96]
    """
    error = realised - predicted
    spread = float(((realised - realised.mean()) ** 2).sum())
    squares = float((error**2).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        mape = float(np.mean(np.abs(error) / realised))
    return (
        float(np.abs(error).mean()),
        float(np.sqrt((error**2).mean())),
        mape if np.isfinite(mape) else float("nan"),
        1 - squares / spread if spread > 0 else float("nan"),
    )
