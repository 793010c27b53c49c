"""A signal cluster repeats the indicators of its own day, and is missing where one of them is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.dataset.signal_cluster import INPUTS, signal_clusters


def cluster_of(rsi, macd, volume, momentum):
    return signal_clusters(pd.DataFrame([[rsi, macd, volume, momentum]], columns=list(INPUTS)))[0]


@pytest.mark.parametrize(
    ("today", "by_hand"),
    [
        ((29.9, 0.1, 0.1, 0.0), "buy"),
        ((30.0, 0.1, 0.1, 0.0), "hold"),
        ((29.9, 0.0, 0.1, 0.0), "hold"),
        ((29.9, 0.1, 0.0, 0.0), "hold"),
        ((70.1, 0.1, -0.1, -0.1), "sell"),
        ((70.0, 0.1, -0.1, -0.1), "hold"),
        ((70.1, 0.1, 0.0, -0.1), "hold"),
        ((70.1, 0.1, -0.1, 0.0), "hold"),
        ((50.0, 0.1, 0.1, 0.1), "hold"),
    ],
)
def test_a_cluster_is_a_rule_of_the_same_day(today, by_hand):
    assert cluster_of(*today) == by_hand


@pytest.mark.parametrize("missing", range(4))
def test_without_one_of_its_inputs_there_is_none(missing):
    today = [29.9, 0.1, 0.1, 0.0]
    today[missing] = np.nan
    assert pd.isna(cluster_of(*today))


number = st.one_of(st.floats(-100, 100, width=32), st.just(float("nan")))


@given(days=st.lists(st.tuples(number, number, number, number), min_size=1))
def test_clusters_are_those_of_a_plain_loop(days):
    features = pd.DataFrame(days, columns=list(INPUTS), dtype="float32")
    for named, (rsi, macd, volume, momentum) in zip(signal_clusters(features), days, strict=True):
        if any(np.isnan(value) for value in (rsi, macd, volume, momentum)):
            assert pd.isna(named)
        elif rsi < 30 and macd > 0 and volume > 0:
            assert named == "buy"
        elif rsi > 70 and momentum < 0 and volume < 0:
            assert named == "sell"
        else:
            assert named == "hold"
