"""Every figure that people read has a name in words, and its digits are the number's."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.evaluation.metric_words import ABSENT, advantage, words_of, written
from asset_predict_dagster.evaluation.metrics import METRICS, RANK_IC_T
from asset_predict_dagster.evaluation.performance import performance
from asset_predict_dagster.evaluation.trading_words import _LABELS, trading_number


@pytest.mark.parametrize("metric", [*METRICS, RANK_IC_T])
def test_every_metric_has_a_name_and_a_meaning(metric):
    words = words_of(metric)
    assert words.meaning
    assert "_" not in words.label


def test_every_figure_of_a_backtest_has_a_name():
    daily = pd.DataFrame(
        {
            "session": pd.bdate_range("2024-01-02", periods=30),
            **dict.fromkeys(("gross_return", "net_return"), np.linspace(-0.01, 0.02, 30)),
            **dict.fromkeys(("cost", "turnover", "long_exposure", "short_exposure"), 0.1),
            "n_positions": 10,
        }
    )
    assert set(performance(daily)["metric"]) == set(_LABELS)


@given(st.floats(-1e6, 1e6))
def test_what_is_written_is_the_number_rounded(value):
    assert float(written(value)) == pytest.approx(value, abs=5.1e-5)
    assert float(written(value, "share").removesuffix(" %")) == pytest.approx(
        100 * value, abs=5.1e-3, rel=1e-12
    )
    assert float(written(value, "reais").removeprefix("R$ ")) == pytest.approx(value, abs=5.1e-4)


@given(st.floats(-1e-6, 1e-6))
def test_nothing_is_below_nothing(value):
    for said in (written(value), advantage("rank_ic", value, value, value)):
        assert not re.search(r"[-+]0\.0000", said)
    assert trading_number("sharpe_net", value) == "0.00"


def test_a_loss_that_is_lower_and_a_score_that_is_higher_are_both_an_advantage():
    assert advantage("log_loss", 0.01, 0.0, 0.02).startswith("+1.00 %")
    assert advantage("accuracy", 0.01, 0.0, 0.02).startswith("+1.00 %")
    assert advantage("rank_ic", 0.01, 0.0, 0.02).startswith("+0.0100")
    assert advantage("interval_coverage", float("nan"), 0.0, 0.0) == ABSENT
