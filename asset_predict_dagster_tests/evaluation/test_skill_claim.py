"""Skill is claimed by one test and nothing else, and what cannot be honest is called so."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.impossible_skill import impossible_figures
from asset_predict_dagster.evaluation.skill_claim import (
    claim_of,
    measured,
    n_sessions,
    windows_within,
)
from asset_predict_dagster_tests.evaluation.verdict_rows import MODEST, evaluated

NOBODY = float("nan")


def rows(days=("2021-10-14", "2024-02-20"), **changes):
    return measured(evaluated(days=days, **changes), "random_forest", "1", "holdout")


def claim(label="forward_return", planted_strength=None, **changes):
    read = rows(**changes)
    found = impossible_figures(read.reset_index(), planted_strength)
    return claim_of(read, label=label, found=found)


def test_a_modest_order_that_is_sure_is_skill():
    assert claim() == ("skill", [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rank_ic": {"low": 0.0}}, "the interval of its rank IC reaches 0 or below"),
        ({"rank_ic_t": {"value": 1.9}}, "the rank IC is 1.9 Newey-West errors from 0, 1.96 are"),
        (
            {"log_loss": {"value": 1.0965, "skill_high": -0.0001}},
            "worse than the class frequencies: log-loss 1.0965",
        ),
    ],
)
def test_each_of_the_three_conditions_is_needed(changes, reason):
    said, reasons = claim(**changes)
    assert said == "no_skill"
    assert len(reasons) == 1
    assert reason in reasons[0]


@pytest.mark.parametrize("skill_high", [0.0, 0.004])
def test_a_log_loss_that_chance_may_have_put_above_the_priors_is_not_worse(skill_high):
    assert claim(log_loss={"value": 1.0887, "skill_high": skill_high})[0] == "skill"


@pytest.mark.parametrize(("value", "said"), [(1.0864, "skill"), (1.0865, "no_skill")])
def test_where_the_log_loss_has_no_interval_its_value_decides(value, said):
    assert claim(log_loss={"value": value, "skill_high": NOBODY})[0] == said


def test_of_rows_that_do_not_count_their_sessions_the_calendar_does():
    uncounted = rows(days=("2024-01-02", "2024-01-05")).assign(n_sessions=NOBODY)
    assert n_sessions(uncounted) == 4


def test_an_order_that_is_surely_wrong_is_no_skill():
    wrong = {"value": -0.0315, "low": -0.048, "high": -0.016}
    assert claim(rank_ic=wrong, rank_ic_t={"value": -3.9})[0] == "no_skill"


FIGURES = st.floats(-0.02, 0.04)


@given(
    other=st.sampled_from(sorted(set(MODEST) - {"rank_ic", "rank_ic_t", "log_loss"})),
    value=FIGURES,
    lead=st.floats(-0.02, 0.02),
)
def test_no_other_figure_can_claim_or_deny_skill(other, value, lead):
    told = {other: {"value": value, "skill": lead, "skill_low": lead, "p_value": 0.0001}}
    assert claim(**told)[0] == "skill"
    assert claim(rank_ic={"low": -0.001}, **told)[0] == "no_skill"


@pytest.mark.parametrize("metric", ["rank_ic", "rank_ic_t", "log_loss"])
def test_without_a_figure_of_the_test_nothing_is_judged(metric):
    missing = {"value": NOBODY, "low": NOBODY, "high": NOBODY}
    assert claim(**{metric: missing}) == ("not_judged", [f"{metric} could not be measured"])


def test_fifty_nine_sessions_decide_nothing():
    assert n_sessions(rows(days=("2023-01-02", "2023-03-28"))) == 60
    assert claim(days=("2023-01-02", "2023-03-28"))[0] == "skill"
    said, reasons = claim(days=("2023-01-02", "2023-03-27"))
    assert (said, reasons) == ("not_judged", ["59 sessions decide nothing; 60 are the least"])


# --- What no honest forecast reaches --------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "figures", "words"),
    [
        ("rank_ic", (0.21, 0.201, 0.22), "its rank IC against the tradable return is 0.210"),
        ("rank_ic", (-0.21, -0.22, -0.201), "against the tradable return is -0.210"),
        ("rank_ic_next_close", (0.92, 0.91, 0.93), "against the next session's return is 0.920"),
        ("directional_accuracy", (0.62, 0.605, 0.64), "it calls 62.0 % of directions right"),
        ("directional_accuracy", (0.3, 0.25, 0.39), "it calls 30.0 % of directions right"),
        ("r2_return", (0.06, 0.051, 0.07), "it explains 6.0 % of the returns' variance"),
        ("accuracy", (0.57, 0.557, 0.58), "57.0 % of its actions are right"),
        ("log_loss", (0.9, 0.88, 0.92), "its log-loss is 0.900"),
    ],
)
def test_each_figure_beyond_its_limit_is_called_impossible(metric, figures, words):
    value, low, high = figures
    said, reasons = claim(**{metric: {"value": value, "low": low, "high": high}})
    assert said == "impossible"
    assert words in reasons[0]


@pytest.mark.parametrize(
    ("metric", "figures"),
    [
        ("rank_ic", (0.21, 0.199, 0.22)),
        ("directional_accuracy", (0.62, 0.60, 0.64)),
        ("r2_return", (0.06, 0.049, 0.07)),
        ("accuracy", (0.57, 0.555, 0.58)),
        ("log_loss", (0.9, 0.88, 0.924)),
    ],
)
def test_chance_alone_accuses_nobody(metric, figures):
    value, low, high = figures
    assert claim(**{metric: {"value": value, "low": low, "high": high}})[0] != "impossible"


def test_a_paper_that_rises_every_day_makes_directions_easy():
    """An exchange-traded fund of overnight interest: always up is right in 99 of 100 sessions."""
    easy = {"value": 0.99, "low": 0.98, "high": 1.0, "naive_value": 0.99}
    assert claim(directional_accuracy=easy)[0] == "skill"


def test_a_label_that_is_nearly_always_hold_makes_accuracy_easy():
    easy = {"value": 0.991, "low": 0.99, "high": 0.992, "naive_value": 0.99}
    assert claim(accuracy=easy)[0] == "skill"
    assert claim(accuracy={**easy, "value": 0.995, "low": 0.994})[0] == "impossible"


def test_an_oracle_of_a_planted_market_is_not_accused_of_a_leak():
    """Measured: the oracle of a market of strength .5, 2021, 198 sessions."""
    oracle = {
        "rank_ic": {"value": 0.4714, "low": 0.4574, "high": 0.4847},
        "rank_ic_next_close": {"value": 0.4822, "low": 0.4673, "high": 0.4974},
        "r2_return": {"value": 0.1827, "low": 0.1629, "high": 0.201},
        "directional_accuracy": {
            "value": 0.6634, "low": 0.6501, "high": 0.675, "naive_value": 0.487,
        },
        "accuracy": {"value": 0.491, "low": 0.4819, "high": 0.4999, "naive_value": 0.3658},
        "log_loss": {"value": 0.9863, "low": 0.9753, "high": 0.9976, "naive_value": 1.0962},
    }  # fmt: skip
    assert claim(planted_strength=0.5, **oracle)[0] == "skill"
    accused = {one.metric for one in impossible_figures(rows(**oracle).reset_index())}
    assert accused == {"rank_ic", "rank_ic_next_close", "r2_return", "directional_accuracy"}


def test_more_than_was_planted_is_a_leak_by_more_than_chance():
    more = {"value": 0.55, "low": 0.54, "high": 0.56}
    assert claim(planted_strength=0.5, rank_ic=more)[0] == "skill"
    assert claim(planted_strength=0.5, rank_ic={**more, "low": 0.551})[0] == "impossible"


def test_on_a_market_without_a_signal_the_limit_is_that_of_real_prices():
    high = {"value": 0.21, "low": 0.201, "high": 0.22}
    assert claim(planted_strength=0.0, rank_ic=high)[0] == "impossible"
    assert claim(planted_strength=0.15, rank_ic={**high, "low": 0.199})[0] == "skill"


def test_nineteen_sessions_accuse_nobody():
    high = {"value": 0.9, "low": 0.8, "high": 1.0}
    assert claim(days=("2023-01-02", "2023-01-26"), rank_ic=high)[0] == "not_judged"
    assert claim(days=("2023-01-02", "2023-01-27"), rank_ic=high)[0] == "impossible"


# --- A label that is none -------------------------------------------------------------------


def test_a_same_day_label_is_never_skill():
    assert claim(label="signal_cluster") == (
        "not_judged",
        ["its label is a function of the same day's features"],
    )


def test_perfect_accuracy_on_a_same_day_label_is_impossible_as_a_forecast():
    perfect = {"value": 0.999, "low": 0.998, "high": 1.0, "naive_value": 0.99}
    assert claim(label="signal_cluster", accuracy=perfect)[0] == "impossible"


# --- Which rows are read --------------------------------------------------------------------


def test_the_action_may_be_judged_at_another_horizon_than_the_order():
    table = evaluated()
    of_action = table["metric"].isin(["accuracy", "log_loss"])
    later = table.assign(horizon=np.where(of_action, 5, 1))
    table = pd.concat([later[~of_action].assign(horizon=5, value=0.9), later])
    read = measured(table, "random_forest", "1", "holdout")
    assert read.loc["rank_ic", "value"] == MODEST["rank_ic"]["value"]
    assert read.loc["log_loss", "horizon"] == 5


def test_a_version_that_was_not_evaluated_is_not_judged_by_anothers_rows():
    with pytest.raises(DatasetError, match="no rows of random_forest 2 in the window 'holdout'"):
        measured(evaluated(), "random_forest", "2", "holdout")


def test_windows_are_those_inside_the_judged_one():
    parts = [
        evaluated(window="walk_forward", days=("2022-01-03", "2022-12-29")),
        evaluated(window="2022H2", days=("2022-07-01", "2022-12-29")),
        evaluated(window="2022H1", days=("2022-01-03", "2022-06-30")),
        evaluated(window="2021H2", days=("2021-07-01", "2021-12-30")),
        evaluated(window="2023H1", days=("2023-01-02", "2023-06-30")),
        evaluated(version="2", window="2022H1", days=("2022-01-03", "2022-06-30")),
    ]
    table = pd.concat(parts, ignore_index=True)
    judged = measured(table, "random_forest", "1", "walk_forward")
    assert list(windows_within(table, "random_forest", "1", judged)["window"]) == [
        "2022H1",
        "2022H2",
    ]
