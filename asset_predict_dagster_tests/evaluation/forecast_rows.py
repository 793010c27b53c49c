"""Rows of `forecasts_out_of_sample` made to order: models whose skill is known."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.models.baselines import BASELINE_VERSION, BASELINES
from asset_predict_dagster.tables import FORECASTS_OUT_OF_SAMPLE

DAILY_VOLATILITY = 0.02
PRIOR = np.diff(norm.cdf([-np.inf, -0.5, 0.5, np.inf]))[::-1]
"""Of buy, hold and sell, where a move of half a volatility is one."""


def made_forecasts(
    skill: dict[tuple[str, str], float],
    claimed: float | None = None,
    n_sessions: int = 120,
    n_tickers: int = 12,
    first: str = "2023-01-02",
    seed: int = 1,
    horizon: int = 1,
) -> pd.DataFrame:
    """Rows of one window and horizon: every (model, version) of `skill`, and the baselines.

    Returns are normal, in units of the volatility; a model's score correlates with them by its
    skill. Its probabilities and interval are exactly right if its skill were the `claimed` one,
    by default the true one.
    """
    random = np.random.default_rng(seed)
    shape = n_sessions * n_tickers
    sessions = pd.bdate_range(first, periods=n_sessions + horizon).as_unit("us")
    move = random.standard_normal(shape)
    realised = DAILY_VOLATILITY * move
    label = np.array(ACTIONS)[np.select([move > 0.5, move < -0.5], [0, 2], default=1)]
    common = pd.DataFrame(
        {
            "window": "holdout",
            "session": np.repeat(sessions[:n_sessions], n_tickers),
            "target_session": np.repeat(sessions[horizon:], n_tickers),
            "ticker": np.tile([f"TICK{number:02d}" for number in range(n_tickers)], n_sessions),
            "horizon": horizon,
            "last_close": np.tile(np.linspace(5.0, 60.0, n_tickers), n_sessions),
            "realised_return": realised,
            "realised_return_tradable": realised,
            "realised_label": label if horizon == 1 else None,
        }
    )
    parts = []
    for (model, version), true_skill in skill.items():
        score = true_skill * move + np.sqrt(1 - true_skill**2) * random.standard_normal(shape)
        said = true_skill if claimed is None else claimed
        spread = np.sqrt(1 - said**2)
        expected = DAILY_VOLATILITY * said * score
        half = DAILY_VOLATILITY * spread * norm.ppf(0.95)
        rise = norm.sf((0.5 - said * score) / spread)
        fall = norm.cdf((-0.5 - said * score) / spread)
        parts.append(
            _rows(
                common,
                model,
                version,
                score=score,
                expected_return=expected,
                probabilities=np.column_stack([rise, 1 - rise - fall, fall]),
                interval=(expected - half, expected + half),
            )
        )
    classes = {"majority": np.eye(3)[PRIOR.argmax()], "always_up": np.eye(3)[0]}
    for name in BASELINES:
        orders = name in ("momentum", "reversal")
        parts.append(
            _rows(
                common,
                name,
                BASELINE_VERSION,
                score=random.standard_normal(shape) if orders else np.zeros(shape),
                expected_return=np.zeros(shape),
                probabilities=np.tile(classes.get(name, PRIOR), (shape, 1)),
                interval=(np.full(shape, np.nan),) * 2,
            )
        )
    return pd.concat(parts, ignore_index=True)[FORECASTS_OUT_OF_SAMPLE.column_names]


def _rows(common, model, version, *, score, expected_return, probabilities, interval):
    table = common.assign(
        model=model,
        model_version=version,
        score=score,
        expected_return=expected_return,
        return_low=interval[0],
        return_high=interval[1],
    )
    is_action = (common["horizon"] == 1).to_numpy()
    for position, action in enumerate(ACTIONS):
        table[f"probability_{action}"] = np.where(is_action, probabilities[:, position], np.nan)
    return table
