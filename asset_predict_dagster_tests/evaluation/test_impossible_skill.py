"""What no honest forecast reaches is found at every horizon, and nobody honest is accused of it."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.impossible_skill import impossible_figures
from asset_predict_dagster.evaluation.verdict import judge
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster_tests.evaluation.report_inputs import report_input
from asset_predict_dagster_tests.evaluation.verdict_rows import evaluated

EMPTY = dict.fromkeys(
    ("value", "low", "high", "naive_value", "best_value", "skill", "skill_low", "skill_high"),
    float("nan"),
)


YEARS = sessions_between(date(2020, 1, 2), date(2023, 12, 28))


def row(metric: str, horizon: int = 1, n_sessions: int = 585, **figures: float) -> dict:
    days = {"first_session": YEARS[0], "last_session": YEARS[n_sessions - 1]}
    return {"metric": metric, "horizon": horizon, **days, **EMPTY, **figures}


def accused(*rows: dict, planted_strength: float | None = None) -> list[tuple[str, int]]:
    found = impossible_figures(pd.DataFrame(list(rows)), planted_strength)
    return [(one.metric, one.horizon) for one in found]


@pytest.mark.parametrize(
    ("horizon", "limit"),
    [(1, 0.200), (2, 0.283), (5, 0.447), (10, 0.632), (30, 0.632)],
)
def test_a_rank_ic_may_grow_with_the_root_of_the_horizon_up_to_ten_sessions(horizon, limit):
    below, above = (
        row("rank_ic", horizon, value=ic, low=ic, high=ic) for ic in (limit - 0.01, limit + 0.01)
    )
    assert accused(below) == []
    assert accused(above) == [("rank_ic", horizon)]


@pytest.mark.parametrize(("horizon", "share"), [(1, 0.05), (5, 0.25), (10, 0.5)])
def test_the_variance_explained_and_the_error_undone_tell_of_the_same_knowledge(horizon, share):
    """Who explains v of the variance leaves √(1 - v) of the error: .025, .134, .293 undone."""
    undone = 1 - np.sqrt(1 - share)
    for metric in ("mae_return", "mae_price", "mape_price"):
        assert accused(row(metric, horizon, skill=0.9, skill_low=undone - 0.002)) == []
        assert accused(row(metric, horizon, skill=0.9, skill_low=undone + 0.002)) == [
            (metric, horizon)
        ]
    assert accused(row("r2_return", horizon, value=0.9, low=share - 0.002)) == []
    assert accused(row("r2_return", horizon, value=0.9, low=share + 0.002)) == [
        ("r2_return", horizon)
    ]


def widths(width: float, held: float, horizon: int = 1) -> tuple[dict, dict, dict]:
    return (
        row("mae_return", horizon, naive_value=0.02),
        row("interval_width", horizon, value=width, low=width, high=width),
        row("interval_coverage", horizon, value=held, low=held, high=held),
    )


def test_intervals_that_hold_much_and_are_next_to_nothing_wide_know_what_comes():
    """Two mean moves of .02, times √.95, are .039."""
    assert accused(*widths(0.038, 0.9)) == [("interval_width", 1)]
    assert accused(*widths(0.040, 0.9)) == []
    assert accused(*widths(0.00002, 1.0, horizon=30)) == [("interval_width", 30)]


def test_narrow_intervals_that_hold_little_know_nothing():
    assert accused(*widths(0.00002, 0.01)) == []


def test_an_interval_without_a_width_accuses_nobody():
    assert accused(row("interval_coverage", value=1.0, low=1.0, high=1.0)) == []


@given(sigma=st.floats(1e-4, 0.2), horizon=st.integers(1, 30))
def test_an_interval_of_normal_moves_is_never_accused(sigma, horizon):
    width, move = 2 * 1.6449 * sigma, sigma * np.sqrt(2 / np.pi)
    rows = list(widths(width, 0.9, horizon))
    rows[0]["naive_value"] = move
    assert accused(*rows) == []


def test_a_paper_of_overnight_interest_is_easily_forecast():
    """It rises on 99 of 100 days by the same: errors and intervals of nothing are honest."""
    easy = [
        row("mae_price", skill=0.99, skill_low=0.98),
        *widths(0.0001, 0.95),
        row("directional_accuracy", value=0.99, low=0.98, high=1.0, naive_value=0.99),
    ]
    assert accused(*easy) == []
    easy[-1]["naive_value"] = 0.6
    assert {metric for metric, _ in accused(*easy)} >= {"mae_price", "interval_width"}


def test_fewer_than_five_outcomes_that_do_not_overlap_accuse_nobody():
    perfect = {"value": 1.0, "low": 1.0, "high": 1.0}
    assert accused(row("rank_ic", 10, n_sessions=49, **perfect)) == []
    assert accused(row("rank_ic", 10, n_sessions=50, **perfect)) == [("rank_ic", 10)]


def test_what_was_planted_may_gather_too():
    oracle = {"value": 0.9, "low": 0.89, "high": 0.91}
    assert accused(row("rank_ic", 5, **oracle), planted_strength=0.5) == []
    assert accused(row("rank_ic", 5, **oracle), planted_strength=0.08) == [("rank_ic", 5)]


# --- From forecasts to a verdict: the answer given at one horizon alone -----------------------


@pytest.fixture(scope="module")
def forecasts():
    one = report_input().forecasts
    later = one.assign(horizon=5)
    return pd.concat([one, later], ignore_index=True)


def verdict_when(forecasts: pd.DataFrame, horizon: int, **told: str | float):
    given = forecasts.copy()
    is_its = (given["model"] == "lstm") & (given["horizon"] == horizon)
    for column, source in told.items():
        given.loc[is_its, column] = given[source] if isinstance(source, str) else source
    return judge(evaluate(given, seed=1), "lstm", "4", "holdout")


def test_nobody_is_accused_who_was_told_nothing(forecasts):
    assert verdict_when(forecasts, 5).claim != "impossible"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"score": "realised_return_tradable"}, "rank IC against the tradable return over 5"),
        ({"expected_return": "realised_return"}, "of directions over 5 sessions right"),
        (
            {"return_low": "realised_return", "return_high": "realised_return"},
            "its intervals over 5 sessions are 0.00 mean moves wide and hold 100.0 %",
        ),
    ],
)
def test_the_answer_five_sessions_ahead_is_found_out(forecasts, told, words):
    said = verdict_when(forecasts, 5, **told)
    assert said.claim == "impossible"
    assert words in said.headline


def test_a_price_ten_sessions_ahead_without_error_is_found_out():
    table = evaluated()
    is_one = table["metric"] == "mape_price"
    later = table[is_one].assign(metric="mae_price", horizon=10, skill=1.0, skill_low=1.0)
    both = pd.concat([table, later], ignore_index=True)
    said = judge(both, "random_forest", "1", "holdout")
    assert said.headline == (
        "Impossible skill, so look for a leak: its error of the forecast price over 10 sessions is"
        " 100.0 % below the best without a model, and no honest one is 29.3 % below."
    )
