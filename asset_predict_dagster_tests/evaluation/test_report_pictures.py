"""A report's figures are small pictures too, for a page that shows many of them."""

from dataclasses import replace

import pytest

from asset_predict_dagster.evaluation.report_pictures import pictures
from asset_predict_dagster_tests.evaluation.report_inputs import bare_input, walk_forward_input


@pytest.fixture(scope="module")
def drawn():
    return pictures(walk_forward_input())


def test_each_kind_of_figure_is_there_and_small(drawn):
    of_each = {
        f"{kind}_{model}"
        for kind in ("reliability", "confusion")
        for model in ("random_forest", "lstm")
    }
    money = {"equity_long_short", "equity_long_only"}
    assert set(drawn) == of_each | money | {"rank_ic_by_month", "coverage"}
    for png in drawn.values():
        assert png.startswith(b"\x89PNG")
        assert len(png) <= 50_000


def test_what_there_is_nothing_of_is_not_drawn():
    given = bare_input()
    assert set(pictures(replace(given, forecasts=given.forecasts.head(0)))) == {"coverage"}


def test_the_same_report_is_the_same_pictures():
    given = bare_input()
    assert pictures(given) == pictures(given)
