"""Which version serves is said, and two versions are compared on the sessions that both have."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.evaluation.metrics import session_means
from asset_predict_dagster.evaluation.report_input import Standing
from asset_predict_dagster.evaluation.version_table import version_table
from asset_predict_dagster_tests.evaluation.report_inputs import bare_input


def compared(other: pd.DataFrame, serving: str = "4"):
    """Version 4 of the LSTM beside other rows, which are its version 3."""
    given = bare_input()
    both = pd.concat([given.forecasts, other], ignore_index=True)
    standing = Standing("lstm", "4", serving, beside="3")
    return version_table(replace(given, forecasts=both, standings=[standing]))


@pytest.fixture(scope="module")
def forecasts():
    return bare_input().forecasts


def rows_of(forecasts: pd.DataFrame, model: str) -> pd.DataFrame:
    return forecasts[forecasts["model"] == model]


def as_the_older(forecasts: pd.DataFrame, model: str) -> pd.DataFrame:
    return rows_of(forecasts, model).assign(model="lstm", model_version="3")


def test_a_report_of_no_registered_version_has_no_row():
    assert list(version_table(bare_input()).rows) == []


def test_before_the_first_promotion_none_serves_and_none_is_compared():
    (row,) = version_table(replace(bare_input(), standings=[Standing("lstm", "1")])).rows
    assert row[:4] == ("lstm", "–", "none yet", "1 with none on these sessions")


def test_a_version_does_not_differ_from_itself(forecasts):
    for row in compared(as_the_older(forecasts, "lstm")).rows:
        assert row[3:] == ("4 less 3", "0.00000 [0.00000, 0.00000]", "–", "90")


def test_the_one_without_skill_loses_against_the_one_with_it(forecasts):
    ic, loss = compared(as_the_older(forecasts, "random_forest"), serving="3").rows
    assert [row[:3] for row in (ic, loss)] == [
        ("lstm", "rank IC", "3"),
        ("lstm", "log-loss", "3"),
    ]
    mine, other = (
        session_means(rows_of(forecasts, model), "rank_ic") for model in ("lstm", "random_forest")
    )
    difference = np.mean([mine[day] - other[day] for day in mine.index])
    assert ic[4].startswith(f"{difference:.5f} [")
    assert difference < 0


def test_sessions_of_one_version_alone_are_left_out(forecasts):
    older = as_the_older(forecasts, "random_forest")
    days = np.sort(older["session"].unique())
    for row in compared(older[older["session"].isin(days[:30])]).rows:
        assert row[-1] == "30"


def test_one_common_session_is_no_comparison(forecasts):
    older = as_the_older(forecasts, "random_forest")
    for row in compared(older[older["session"] == older["session"].min()]).rows:
        assert row[-3:] == ("–", "–", "1")
