"""Each model is given features of the catalogue, none twice and none that the panel misleads on."""

import pytest

from asset_predict_dagster.dataset.catalogue import FEATURE_NAMES, OF_THE_MARKET
from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES, LSTM_FEATURES

each_model = pytest.mark.parametrize(
    "columns", [FOREST_FEATURES, LSTM_FEATURES], ids=["forest", "lstm"]
)


@each_model
def test_every_column_is_one_that_models_may_see(columns: tuple[str, ...]):
    assert set(columns) <= set(FEATURE_NAMES)


@each_model
def test_no_column_is_given_twice(columns: tuple[str, ...]):
    assert len(columns) == len(set(columns))


@each_model
def test_ranks_the_level_of_volatility_and_the_market_are_all_there(columns: tuple[str, ...]):
    assert any(name.startswith("rank_") for name in columns)
    assert {"volatility_21d", "volatility_63d"} <= set(columns)
    assert {feature.name for feature in OF_THE_MARKET} & set(columns)


@each_model
def test_a_spread_that_nobody_could_measure_is_left_out(columns: tuple[str, ...]):
    assert not [name for name in columns if "spread" in name]
