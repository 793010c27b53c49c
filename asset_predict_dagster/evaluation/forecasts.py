"""Out-of-sample forecasts: each forecast of the test sessions beside what came true.

Every figure of this project derives from the table made here. The models forecast it with
their evaluation bundles, which know the training sessions alone.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON, ACTIONS, HORIZONS, Samples
from asset_predict_dagster.dataset.splits import HOLDOUT, role_mask
from asset_predict_dagster.models.baselines import (
    BASELINE_VERSION,
    BASELINES,
    baseline_forecasts,
)
from asset_predict_dagster.models.bundle import Bundle
from asset_predict_dagster.tables import FORECASTS_OUT_OF_SAMPLE


def forecast_test_sessions(
    bundles: dict[tuple[str, str], Bundle],
    samples: Samples,
    labels: pd.DataFrame,
    last_close: np.ndarray,
    folds: pd.DataFrame,
) -> pd.DataFrame:
    """Rows of `tables.FORECASTS_OUT_OF_SAMPLE` for the window `holdout`.

    One row per model and baseline, ticker of the session's universe, test session, and horizon
    whose outcome is known.

    Parameters
    ----------
    bundles
        (model, model_version) → its evaluation bundle.
    labels
        Rows of `tables.LABELS` in the order of `samples`.
    last_close
        Shape (n_rows,), R$ per share at the close of each row's session.
    """
    test = role_mask(samples.sessions, samples.session_codes, folds, "test")
    train = role_mask(samples.sessions, samples.session_codes, folds, "train")
    rows = np.flatnonzero(test & samples.is_forecastable)
    outcomes = _Outcomes(samples, labels, last_close, rows)
    parts = []
    for (model, version), bundle in bundles.items():
        said = bundle.forecast(samples, rows)
        for step, horizon in enumerate(HORIZONS):
            parts.append(
                outcomes.beside(
                    model,
                    version,
                    horizon,
                    score=said.expected_returns[:, step],
                    expected_return=said.expected_returns[:, step],
                    probabilities=said.probabilities,
                    interval=(said.lows[:, step], said.highs[:, step]),
                )
            )
    baselines = baseline_forecasts(samples, train & samples.is_labelled, rows)
    for name in BASELINES:
        for step, horizon in enumerate(HORIZONS):
            parts.append(
                outcomes.beside(
                    name,
                    BASELINE_VERSION,
                    horizon,
                    score=baselines[name].score,
                    expected_return=baselines[name].expected_returns[:, step],
                    probabilities=baselines[name].probabilities,
                )
            )
    return pd.concat(parts, ignore_index=True)[FORECASTS_OUT_OF_SAMPLE.column_names]


class _Outcomes:
    """What came true on the given rows, ready to stand beside any forecast of them."""

    def __init__(
        self, samples: Samples, labels: pd.DataFrame, last_close: np.ndarray, rows: np.ndarray
    ):
        self.samples, self.rows = samples, rows
        self.labels = labels.iloc[rows].reset_index(drop=True)
        self.last_close = last_close[rows]

    def beside(
        self,
        model: str,
        version: str,
        horizon: int,
        *,
        score: np.ndarray,
        expected_return: np.ndarray,
        probabilities: np.ndarray,
        interval: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> pd.DataFrame:
        """One row per forecast whose outcome at `horizon` is known."""
        realised = self.labels[f"realised_return_{horizon}d"]
        tradable = self.labels[f"realised_return_tradable_{horizon}d"]
        known = (realised.notna() & tradable.notna()).to_numpy()
        sessions = self.samples.sessions.astype("datetime64[us]")
        codes = self.samples.session_codes[self.rows][known]
        is_action = horizon == ACTION_HORIZON
        low, high = interval or (np.full(len(self.rows), np.nan),) * 2
        table = pd.DataFrame(
            {
                "window": HOLDOUT,
                "session": sessions[codes],
                "target_session": sessions[codes + horizon],
                "ticker": self.samples.tickers[self.samples.ticker_codes[self.rows]][known],
                "model": model,
                "model_version": version,
                "horizon": horizon,
                "score": score[known],
                "expected_return": expected_return[known],
                "return_low": low[known],
                "return_high": high[known],
                "last_close": self.last_close[known],
                "realised_return": realised[known].to_numpy(),
                "realised_return_tradable": tradable[known].to_numpy(),
                "realised_label": self.labels["action"][known].to_numpy() if is_action else None,
            }
        )
        for position, action in enumerate(ACTIONS):
            column = probabilities[known, position] if is_action else np.nan
            table[f"probability_{action}"] = column
        return table


def accumulate(known: pd.DataFrame | None, fresh: pd.DataFrame) -> pd.DataFrame:
    """`known` rows with `fresh` in place of those of the same model, version and window.

    Works for every table keyed by these three. A baseline has no versions, so of each window only
    the baselines that stand beside the latest training are kept.
    """
    if known is None:
        return fresh
    keys = ["model", "model_version", "window"]
    replaced = pd.MultiIndex.from_frame(fresh[keys].drop_duplicates())
    is_replaced = pd.MultiIndex.from_frame(known[keys]).isin(replaced)
    return pd.concat([known[~is_replaced], fresh], ignore_index=True)


def latest(forecasts: pd.DataFrame, versions: dict[str, str]) -> pd.DataFrame:
    """The rows of the given version of each model, and of the baselines beside them."""
    wanted = forecasts["model"].map(versions).eq(forecasts["model_version"])
    return forecasts[wanted | (forecasts["model_version"] == BASELINE_VERSION)]
