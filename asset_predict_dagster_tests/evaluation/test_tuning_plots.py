"""Pictures of a tuning are small, and drawn whatever little there is to draw."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from asset_predict_dagster.evaluation.tuning_plots import history_picture, settings_picture


def trials(states: list[str]) -> pd.DataFrame:
    """One row a state, the first the default settings'; failed ones have no value."""
    values = np.linspace(0.02, 0.04, len(states))
    return pd.DataFrame(
        {
            "trial": range(len(states)),
            "state": states,
            "value": [np.nan if s == "failed" else v for s, v in zip(states, values, strict=True)],
            "standard_error": 0.005,
            "is_default": [number == 0 for number in range(len(states))],
        }
    )


def size_of(png: bytes) -> tuple[int, int]:
    assert len(png) < 50_000
    return Image.open(io.BytesIO(png)).size


def test_the_history_is_drawn_with_and_without_a_default_that_was_judged():
    whole = history_picture(trials(["complete"] * 30 + ["pruned"] * 19 + ["failed"]))
    assert size_of(whole) == (640, 256)
    alone = history_picture(trials(["failed", "complete"]))
    assert size_of(alone) == (640, 256)
    assert alone != whole


def test_importance_is_drawn_and_where_there_is_none_it_is_said():
    some = pd.DataFrame({"setting": ["max_depth", "max_features"], "importance": [0.3, 0.7]})
    none = pd.DataFrame({"setting": [], "importance": []})
    assert size_of(settings_picture(some)) == size_of(settings_picture(none)) == (640, 256)
    assert settings_picture(some) != settings_picture(none)
