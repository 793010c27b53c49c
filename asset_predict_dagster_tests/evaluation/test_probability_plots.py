"""What was said beside what happened: counted by hand, and in intervals that hold the truth."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.evaluation.probability_plots import (
    confusion,
    confusion_picture,
    reliability,
    reliability_picture,
)
from asset_predict_dagster_tests.evaluation.forecast_rows import PRIOR, made_forecasts


def said(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    """One row each: what happened, and the probabilities of buy, hold and sell."""
    columns = ["action", *(f"probability_{name}" for name in ACTIONS)]
    return pd.DataFrame(rows, columns=columns).assign(session=pd.Timestamp("2024-01-02"))


def model_rows(skill: float, claimed: float) -> pd.DataFrame:
    """A model's forecasts of 480 sessions × 12 tickers, whose probabilities claim a skill."""
    made = made_forecasts({("lstm", "1"): skill}, claimed=claimed, n_sessions=480)
    return made[made["model"] == "lstm"].rename(columns={"realised_label": "action"})


def test_actions_are_counted_by_what_happened_and_what_was_likeliest():
    rows = said(
        ("buy", 0.5, 0.3, 0.2),
        ("buy", 0.2, 0.3, 0.5),
        ("hold", 0.3, 0.4, 0.3),
        ("sell", 0.3, 0.4, 0.3),
        ("sell", 0.1, 0.4, 0.5),
    )
    assert confusion(rows).to_numpy().tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 1]]
    assert list(confusion(rows).index) == list(confusion(rows).columns) == list(ACTIONS)


def test_a_tenth_says_what_was_forecast_and_what_share_came_true():
    rows = said(
        *[("buy", 0.2, 0.5, 0.3), ("sell", 0.2, 0.5, 0.3), ("hold", 0.2, 0.5, 0.3)],
        *[("buy", 0.6, 0.2, 0.2), ("buy", 0.6, 0.2, 0.2), ("hold", 0.6, 0.2, 0.2)],
    )
    table = reliability(rows, n_bins=2)
    buy = table[table["action"] == "buy"]
    assert buy["said"].tolist() == pytest.approx([0.2, 0.6])
    assert buy["happened"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert buy["n_rows"].tolist() == [3, 3]


def test_who_says_the_same_of_every_row_has_one_point_on_the_diagonal():
    rows = model_rows(0.1, 0.1)
    for action, share in zip(ACTIONS, PRIOR, strict=True):
        rows[f"probability_{action}"] = share
    table = reliability(rows)
    assert table["action"].tolist() == list(ACTIONS)
    assert table["happened"].tolist() == pytest.approx(PRIOR.tolist(), abs=0.02)


def test_probabilities_that_are_right_lie_within_their_intervals():
    table = reliability(model_rows(0.3, 0.3))
    assert len(table) == 30
    inside = (table["low"] <= table["said"]) & (table["said"] <= table["high"])
    assert inside.mean() > 0.8
    assert (table["low"] <= table["happened"]).all()
    assert (table["happened"] <= table["high"]).all()


def test_a_model_that_claims_too_much_leaves_the_diagonal():
    table = reliability(model_rows(0.0, 0.5))
    buy = table[table["action"] == "buy"]
    assert buy["said"].iloc[0] < buy["low"].iloc[0]
    assert buy["said"].iloc[-1] > buy["high"].iloc[-1]


@pytest.mark.parametrize("draw", [confusion_picture, reliability_picture])
def test_a_picture_is_small_whatever_little_it_has_to_show(draw):
    for rows in (model_rows(0.1, 0.1), said(("buy", 0.5, 0.3, 0.2))):
        content = draw(rows, "validation 2020-01-02 to 2021-01-04")
        assert len(content) < 50_000
        image = Image.open(BytesIO(content))
        assert image.width == 640
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize("draw", [confusion_picture, reliability_picture])
def test_the_same_forecasts_make_the_same_picture_and_others_another(draw):
    rows = model_rows(0.1, 0.1)
    assert draw(rows) == draw(rows)
    assert draw(rows) != draw(model_rows(0.3, 0.3))
    assert draw(rows) != draw(rows, "of sessions that are named")
