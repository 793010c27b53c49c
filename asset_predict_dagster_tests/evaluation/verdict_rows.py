"""Rows of `evaluation` made by hand: a modest model like those of the panel, figure by figure."""

from datetime import date
from typing import Any

import pandas as pd

from asset_predict_dagster.market.sessions import sessions_between

MODEST: dict[str, dict[str, Any]] = {
    "rank_ic": {
        "value": 0.0315, "low": 0.016, "high": 0.048, "naive_value": 0.0,
        "best_baseline": "momentum", "best_value": 0.0273,
        "skill": 0.0042, "skill_low": -0.013, "skill_high": 0.027, "p_value": 0.64,
    },
    "rank_ic_t": {"value": 3.9},
    "rank_ic_next_close": {"value": 0.021, "low": 0.004, "high": 0.038, "naive_value": 0.0},
    "directional_accuracy": {"value": 0.505, "low": 0.493, "high": 0.517, "naive_value": 0.496},
    "r2_return": {"value": -0.001, "low": -0.004, "high": 0.002, "naive_value": 0.0},
    "r2_price": {"value": 0.9985, "naive_value": 0.9985},
    "mape_price": {"value": 0.0162, "naive_value": 0.0161},
    "interval_coverage": {"value": 0.906, "low": 0.89, "high": 0.92},
    "accuracy": {"value": 0.4, "low": 0.39, "high": 0.41, "naive_value": 0.408},
    "log_loss": {
        "value": 1.0829, "low": 1.077, "high": 1.089, "naive_value": 1.0864,
        "skill": 0.0032, "skill_low": -0.0011, "skill_high": 0.0075,
    },
}  # fmt: skip


def evaluated(
    model: str = "random_forest",
    version: str = "1",
    window: str = "holdout",
    days: tuple[str, str] = ("2021-10-14", "2024-02-20"),
    **changes: dict[str, Any],
) -> pd.DataFrame:
    """The modest model's rows, with some figures of some metrics changed."""
    empty = dict.fromkeys(
        ("value", "low", "high", "naive_value", "best_value", "skill", "skill_low", "skill_high"),
        float("nan"),
    )
    rows = [
        {
            "model": model,
            "model_version": version,
            "window": window,
            "horizon": 1,
            "metric": metric,
            **empty,
            "p_value": float("nan"),
            "best_baseline": None,
            "first_session": pd.Timestamp(days[0]),
            "last_session": pd.Timestamp(days[1]),
            "n_sessions": len(sessions_between(*(date.fromisoformat(day) for day in days))),
            "n_forecasts": 1000,
            **MODEST.get(metric, {}),
            **changes.get(metric, {}),
        }
        for metric in MODEST
    ]
    return pd.DataFrame(rows)
