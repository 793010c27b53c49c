"""A report opens with what a reader who is no statistician should take away, in plain words."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.backtest import Backtest
from asset_predict_dagster.evaluation.costs import Costs
from asset_predict_dagster.evaluation.positions import Strategy
from asset_predict_dagster.evaluation.verdict import Verdict, judge
from asset_predict_dagster_tests.evaluation.verdict_rows import evaluated

LONG_SHORT = Strategy("long_short", "long_short")
LONG_ONLY = Strategy("long_only", "long_only")
N_SESSIONS = 504


def earned(
    strategy: Strategy, gross_bp: float, cost_bp: float, n_trials: int = 1, stretch: int = 1
) -> Backtest:
    """Half the equity traded a session; returns are 50 bp above their mean for a stretch of
    sessions, then as many below it.
    """
    swing = np.resize(np.repeat([0.005, -0.005], stretch), N_SESSIONS)
    gross = gross_bp * 1e-4 + swing
    cost = np.full(N_SESSIONS, cost_bp * 1e-4)
    daily = pd.DataFrame(
        {
            "session": pd.bdate_range("2022-01-03", periods=N_SESSIONS),
            "gross_return": gross,
            "cost": cost,
            "net_return": gross - cost,
            "turnover": 0.5,
            "long_exposure": 0.5,
            "short_exposure": 0.5,
            "n_positions": 20,
        }
    )
    return Backtest(strategy, Costs(), daily, n_trials)


def verdict(days=("2021-10-14", "2024-02-20"), options=None, **changes) -> Verdict:
    table = evaluated(days=days, **changes)
    return judge(table, "random_forest", "1", "holdout", **(options or {}))


def n_words(text: str) -> int:
    return len(text.split())


# --- Whole texts, as they are read ------------------------------------------------------------

RANK_IC = "rank IC 0.0315 (95 % interval 0.0160 to 0.0480)"
WHEN = "From 2021-10-14 to 2024-02-20 (585 sessions)"
PRICE = (
    "Its price R² of 0.9985 is no skill: tomorrow = today has 0.9985 (mean errors 1.62 and 1.61 %)."
)
RISKS = "Luck, other years or survivors could make this wrong: see the warnings."


def test_what_is_said_of_a_model_whose_skill_does_not_survive_costs():
    costly = (earned(LONG_SHORT, 1.0, 6.0), earned(LONG_ONLY, 8.0, 5.0))
    said = verdict(options={"backtests": costly})
    assert said.claim == "skill"
    assert said.headline == f"random_forest has shown skill before costs only: {RANK_IC}."
    assert said.paragraph == (
        f"{WHEN} random_forest ordered the next session's returns better than chance, and tomorrow"
        f" = today cannot order them: {RANK_IC}. Of two stocks, its favourite did better about 51.1"
        " times in 100 (a coin: 50). Its lead over momentum, which needs no model, is not shown:"
        f" +0.0042 (-0.0130 to 0.0270). {PRICE} After costs nothing is shown to be left:"
        " long_short has Sharpe ratio -1.59 (-1.90 to -1.27), earning 2.0 (0.0 to 4.0) bp of what"
        f" it trades, paying 12.0. {RISKS}"
    )
    assert n_words(said.paragraph) <= 120
    assert said.warnings[-1] == (
        "long_only after costs: Sharpe ratio 0.95 (0.64 to 1.27), truly above 0 with a probability"
        " of 0.91 (deflated Sharpe ratio). The market's own rise is in it."
    )


def test_what_is_said_of_a_model_that_shows_nothing():
    said = verdict(rank_ic={"value": 0.004, "low": -0.012, "high": 0.02}, rank_ic_t={"value": 0.5})
    assert said.claim == "no_skill"
    assert said.headline == (
        "random_forest has not shown skill, rank IC 0.0040 (95 % interval -0.0120 to 0.0200): the"
        " interval of its rank IC reaches 0 or below."
    )
    assert said.paragraph == (
        f"{WHEN} random_forest has not shown that it knows more than tomorrow = today: the interval"
        " of its rank IC reaches 0 or below; the rank IC is 0.5 Newey-West errors from 0, 1.96 are"
        " needed. Chance is 0, and it has rank IC 0.0040 (95 % interval -0.0120 to 0.0200). Its"
        " lead over momentum, which needs no model, is not shown: +0.0042 (-0.0130 to 0.0270)."
        f" {PRICE} No cost is deducted. {RISKS}"
    )


def test_what_is_said_of_a_leak():
    right = {"value": 0.995, "low": 0.994, "high": 0.996}
    said = verdict(accuracy=right)
    assert said.claim == "impossible"
    why = "99.5 % of its actions are right, and saying the commonest one always is right in 40.8 %"
    assert said.headline == f"Impossible skill, so look for a leak: {why}."
    assert said.paragraph == (
        f"{WHEN} random_forest knows more than an honest forecast can: {why}. Look for a label made"
        " of the same day, a feature that knows a later session, or test sessions that were learned"
        " from; `asset-predict leaks` looks for them too. Until it is found, believe no figure of"
        " this model."
    )


def test_what_is_said_of_a_same_day_label():
    said = verdict(options={"label": "signal_cluster"})
    assert said.claim == "not_judged"
    assert said.paragraph == (
        f"{WHEN} random_forest is not judged: its label is a function of the same day's features."
        " Accuracy on it says nothing: a model that is always right has predicted nothing. No skill"
        " is claimed."
    )


def test_perfection_on_a_same_day_label_is_impossible_and_explained():
    right = {"value": 0.999, "low": 0.998, "high": 1.0, "naive_value": 0.98}
    said = verdict(options={"label": "signal_cluster"}, accuracy=right)
    assert said.claim == "impossible"
    assert "who is right about it has predicted nothing" in said.paragraph


# --- The sentences --------------------------------------------------------------------------


def test_a_lead_over_the_best_baseline_is_shown_only_where_both_tests_say_so():
    lead = {"skill": 0.012, "skill_low": 0.002, "skill_high": 0.022, "p_value": 0.02}
    assert "lead over momentum, which needs no model, is shown: +0.0120" in (
        verdict(rank_ic=lead).paragraph
    )
    for doubt in ({"skill_low": -0.001}, {"p_value": 0.06}):
        assert "is not shown: +0.0120" in verdict(rank_ic=lead | doubt).paragraph


def test_ridge_is_named_beside_but_is_no_baseline_of_nobody():
    ridge = evaluated(model="ridge", version="baseline", rank_ic={"value": 0.0366})
    both = pd.concat([evaluated(), ridge], ignore_index=True)
    said = judge(both, "random_forest", "1", "holdout").paragraph
    assert "(-0.0130 to 0.0270); ridge, a linear model, has 0.0366." in said
    assert "a linear model" not in judge(both, "ridge", "baseline", "holdout").paragraph


def test_without_a_baseline_that_orders_no_lead_is_claimed():
    nobody = {"best_baseline": None, "skill": float("nan")}
    assert "lead" not in verdict(rank_ic=nobody).paragraph


@pytest.mark.parametrize("ic", [0.03, 0.1, 0.19])
def test_the_favourite_of_two_wins_as_often_as_said(ic):
    """Compared with draws: scores and returns whose rank correlation is `ic`."""
    random = np.random.default_rng(3)
    correlation = 2 * np.sin(np.pi * ic / 6)
    score = random.standard_normal((2, 400_000))
    noise = random.standard_normal(score.shape)
    outcome = correlation * score + np.sqrt(1 - correlation**2) * noise
    won = ((score[0] > score[1]) == (outcome[0] > outcome[1])).mean()
    said = verdict(rank_ic={"value": ic, "low": ic - 0.01, "high": ic + 0.01}).paragraph
    times = float(said.split("did better about ")[1].split()[0])
    assert times == pytest.approx(100 * won, abs=0.3)


def test_something_is_left_after_costs_where_the_net_ratio_is_sure():
    said = verdict(options={"backtests": [earned(LONG_SHORT, 12.0, 2.0)]})
    assert "skill before and after costs" in said.headline
    assert "After costs something is left: long_short has Sharpe ratio 3.17" in said.paragraph


def test_the_rise_of_the_market_is_not_taken_for_skill():
    said = verdict(options={"backtests": [earned(LONG_ONLY, 12.0, 2.0)]})
    assert "in its order only; a gain before costs is not shown" in said.headline
    assert "No gain is shown before costs, nor after: long_only has" in said.paragraph


def test_sessions_that_are_alike_make_a_ratio_less_sure():
    """The deflated ratio takes sessions as independent (.98 here); the interval does not."""
    alike = earned(LONG_SHORT, 6.5, 2.0, stretch=21)
    deflated = alike.figures().set_index("metric").loc["deflated_sharpe_ratio", "value"]
    assert deflated > 0.95
    assert "after costs" not in verdict(options={"backtests": [alike]}).headline


def test_an_order_that_is_sure_may_earn_nothing_that_is():
    """Measured on B3: gross Sharpe ratio .82 with an interval that reaches below 0."""
    unsure = earned(LONG_SHORT, 2.0, 6.0, stretch=21)
    gross = unsure.figures().set_index("metric").loc["sharpe_gross"]
    assert gross["value"] > 0 > gross["low"]
    said = verdict(options={"backtests": [unsure]})
    assert said.claim == "skill"
    assert "skill in its order only; a gain before costs is not shown: rank IC" in said.headline
    assert "No gain is shown before costs, nor after: long_short has" in said.paragraph
    assert n_words(said.paragraph) <= 120


def test_without_a_backtest_no_gain_is_spoken_of():
    assert "skill in its order; no gain was measured: rank IC" in verdict().headline


def test_what_survives_costs_may_not_survive_the_number_of_trials():
    once = verdict(options={"backtests": [earned(LONG_SHORT, 6.5, 2.0)]})
    best_of_many = verdict(options={"backtests": [earned(LONG_SHORT, 6.5, 2.0, n_trials=500)]})
    assert "skill before and after costs" in once.headline
    assert "skill before costs only" in best_of_many.headline
    assert any("the best of 500 variants has by luck" in w for w in best_of_many.warnings)


@settings(max_examples=30)
@given(
    ic=st.floats(-1, 1),
    t=st.floats(-50, 50),
    loss=st.floats(0.01, 2),
    right=st.floats(0, 1),
    label=st.sampled_from(["forward_return", "triple_barrier", "signal_cluster"]),
    planted=st.sampled_from([None, 0.0, 0.08, 0.5]),
)
def test_whatever_was_measured_is_told_in_few_words_and_without_a_gap(
    ic, t, loss, right, label, planted
):
    said = verdict(
        options={"label": label, "planted_strength": planted},
        rank_ic={"value": ic, "low": ic - 0.01, "high": ic + 0.01},
        rank_ic_t={"value": t},
        log_loss={"value": loss, "low": loss, "high": loss},
        accuracy={"value": right, "low": right, "high": right},
        directional_accuracy={"value": right, "low": right, "high": right},
    )
    assert n_words(said.paragraph) <= 120
    assert "nan" not in f"{said.headline} {said.paragraph}"
    assert "\n" not in said.headline
    if label == "signal_cluster":
        assert said.claim != "skill"


# --- What would make it wrong ---------------------------------------------------------------


def warned(said: Verdict, words: str) -> bool:
    return any(words in warning for warning in said.warnings)


@pytest.mark.parametrize(("loss", "is_told"), [(1.0864, False), (1.0887, True)])
def test_probabilities_that_are_no_better_than_frequencies_are_told(loss, is_told):
    said = verdict(log_loss={"value": loss})
    assert said.claim == "skill"
    assert warned(said, "do not act on them") is is_told


def test_real_prices_may_be_those_of_survivors_and_simulated_ones_say_nothing_of_b3():
    assert warned(verdict(), "only papers that still trade")
    simulated = verdict(options={"planted_strength": 0.08})
    assert warned(simulated, "simulated with a planted signal of 0.08")
    assert "nothing here is about B3" in simulated.paragraph
    assert not warned(simulated, "still trade")


@pytest.mark.parametrize(
    ("days", "options", "is_told"),
    [
        (("2018-01-02", "2018-12-28"), {}, True),
        (("2023-07-03", "2024-12-30"), {}, True),
        (("2024-02-23", "2025-02-27"), {}, False),
        (("2016-01-04", "2017-12-28"), {}, False),
        (("2018-01-02", "2018-12-28"), {"planted_strength": 0.08}, False),
    ],
)
def test_years_that_were_scored_before_confirm_nothing_new(days, options, is_told):
    assert warned(verdict(days=days, options=options), "Years looked at before") is is_told


def test_less_than_a_year_is_little():
    assert warned(verdict(days=("2023-01-02", "2023-06-30")), "less than a year")
    assert not warned(verdict(), "less than a year")


def test_the_best_of_many_variants_is_held_against_luck():
    """500 standard normal numbers: the largest is expected at 3.05 (Bailey and López de Prado)."""
    many = {"n_trials": 500}
    assert warned(verdict(options=many), "would be 3.1 errors above 0; this one is 3.9.")
    doubtful = verdict(options=many, rank_ic_t={"value": 2.5})
    assert warned(doubtful, "this one is 2.5, which luck explains.")
    assert not warned(verdict(), "variants")


def test_more_than_was_ever_found_needs_a_reason():
    high = {"value": 0.05, "low": 0.03, "high": 0.07}
    assert warned(verdict(rank_ic=high), "A rank IC of 0.0500 needs a reason")
    assert "0.0700). A rank IC of 0.0500 needs a reason" in verdict(rank_ic=high).headline
    assert not warned(verdict(), "needs a reason")
    assert not warned(verdict(options={"planted_strength": 0.08}, rank_ic=high), "needs a reason")


def test_the_half_years_of_a_walk_forward_say_how_steady_it_was():
    halves = [
        ("2022H1", "2022-01-03", "2022-06-30", 0.04),
        ("2022H2", "2022-07-01", "2022-12-29", -0.0123),
        ("2023H1", "2023-01-02", "2023-06-30", 0.01),
    ]
    parts = [evaluated(window="walk_forward", days=("2022-01-03", "2023-06-30"))]
    for window, first, last, ic in halves:
        parts.append(evaluated(window=window, days=(first, last), rank_ic={"value": ic}))
    table = pd.concat(parts, ignore_index=True)
    said = judge(table, "random_forest", "1", "walk_forward")
    assert warned(said, "above 0 in 2 of 3 windows; the weakest is 2022H2 with -0.0123.")
    assert warned(judge(table, "random_forest", "1", "2022H1"), "One window tells nothing")


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        ({"value": 0.85, "low": 0.83, "high": 0.87}, "held 85.0 % of the outcomes: they are too n"),
        ({"value": 0.95, "low": 0.94, "high": 0.96}, "held 95.0 % of the outcomes: they are too w"),
    ],
)
def test_intervals_that_do_not_hold_nine_in_ten_are_named(coverage, words):
    assert warned(verdict(interval_coverage=coverage), words)
    assert not warned(verdict(), "intervals held")


def test_a_window_that_was_not_evaluated_is_refused():
    with pytest.raises(DatasetError, match="no rows of random_forest 1 in the window '2030H1'"):
        judge(evaluated(), "random_forest", "1", "2030H1")
