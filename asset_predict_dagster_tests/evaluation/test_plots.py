"""Pictures are small PNGs of what they are given, in one piece even where data is thin."""

from datetime import date
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from PIL import Image

from asset_predict_dagster.evaluation.plots import (
    curves_picture,
    importance_picture,
    market_picture,
    skill_picture,
)
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts
from asset_predict_dagster_tests.market.simulated_tables import market_as_of
from asset_predict_dagster_tests.registry.trainings import importance

LARGEST = 50_000
"""Bytes: what Dagster's UI shows inline without effort."""


def curves(n_seeds: int = 3, n_epochs: int = 40) -> pd.DataFrame:
    epoch = np.arange(1, n_epochs + 1)
    return pd.concat(
        pd.DataFrame(
            {
                "seed": seed,
                "epoch": epoch,
                "train_loss": 1 / epoch,
                "validation_loss": 0.5 + abs(epoch - 10 - seed) / 40,
                "learning_rate": 0.005 * 0.9**epoch,
                "is_best": epoch == 10 + seed,
            }
        )
        for seed in range(n_seeds)
    )


def forecasts() -> pd.DataFrame:
    return made_forecasts({("lstm", "3"): 0.2, ("random_forest", "12"): 0.0}, n_sessions=252)


def market_until(last: date) -> bytes:
    market = market_as_of(last)
    return market_picture(market.quotes, market.universe)


def size_of(png: bytes) -> tuple[int, int]:
    return Image.open(BytesIO(png)).size


@pytest.mark.parametrize(
    "draw",
    [
        lambda: market_until(date(2020, 6, 30)),
        lambda: market_until(date(2018, 2, 1)),  # nobody is in the universe yet
        lambda: skill_picture(forecasts()),
        lambda: skill_picture(forecasts().assign(score=0.0)),
        lambda: curves_picture(curves()),
        lambda: curves_picture(curves(n_seeds=1, n_epochs=1)),
        lambda: importance_picture(importance(35)),
        lambda: importance_picture(importance(3)),
        lambda: importance_picture(importance(0)),
    ],
    ids=[
        "market",
        "market without a universe",
        "skill",
        "skill of nobody",
        "curves",
        "curves of one epoch",
        "importance",
        "importance of few",
        "importance of none",
    ],
)
def test_a_picture_is_a_small_png_with_something_on_it(draw):
    content = draw()
    assert len(content) <= LARGEST
    pixels = imread(BytesIO(content), format="png")
    assert pixels.shape[1] == 640
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 10


def test_the_same_forecasts_make_the_same_picture():
    assert skill_picture(forecasts()) == skill_picture(forecasts())


def test_who_orders_nothing_has_no_line():
    rows = forecasts()
    orders = ~rows["model"].isin(["naive", "prior", "majority", "always_up"])
    assert skill_picture(rows) == skill_picture(rows[orders])


def test_another_skill_makes_another_picture():
    other = made_forecasts({("lstm", "3"): 0.3, ("random_forest", "12"): 0.0}, n_sessions=252)
    assert skill_picture(forecasts()) != skill_picture(other)


def test_of_many_features_the_twenty_that_are_needed_most_are_drawn():
    twenty, many = (importance_picture(importance(n)) for n in (20, 35))
    assert many == twenty
    shuffled = importance(35).sample(frac=1, random_state=1)
    assert importance_picture(shuffled) == twenty
    assert size_of(twenty)[1] > size_of(importance_picture(importance(5)))[1]


@pytest.mark.parametrize("side", ["log_loss_high", "rank_ic_low"])
def test_an_interval_is_drawn_and_not_its_middle_alone(side):
    features = importance(4)
    wider = features.assign(**{side: 3 * features[side]})
    assert importance_picture(wider) != importance_picture(features)


def test_a_picture_says_which_sessions_it_is_of():
    for draw, table in ((curves_picture, curves()), (importance_picture, importance(4))):
        assert draw(table, "validation 2019") != draw(table, "validation 2020") != draw(table)


def test_the_learning_rate_is_drawn_below_the_losses():
    assert curves_picture(curves()) != curves_picture(curves().assign(learning_rate=0.005))
