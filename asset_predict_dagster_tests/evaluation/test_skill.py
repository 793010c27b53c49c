"""Skill is what a model adds to the best that anybody could have said without one."""

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.bootstrap import block_weights
from asset_predict_dagster.evaluation.comparisons import diebold_mariano
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.metrics import METRICS, session_means, session_sums
from asset_predict_dagster.evaluation.skill import OPPONENTS
from asset_predict_dagster.models.baselines import RIDGE
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts

SKILL = ["best_baseline", "best_value", "skill", "skill_low", "skill_high", "p_value"]


@pytest.fixture(scope="module")
def forecasts():
    return made_forecasts({("knows", "1"): 0.3, ("guesses", "1"): 0.0})


@pytest.fixture(scope="module")
def evaluation(forecasts):
    return evaluate(forecasts, seed=1)


def rows_of(forecasts, model):
    return forecasts[forecasts["model"] == model]


def row(evaluation, model, metric):
    chosen = (evaluation["model"] == model) & (evaluation["metric"] == metric)
    return evaluation[chosen].squeeze()


def test_the_best_baseline_is_the_best_of_those_that_are_no_model(evaluation):
    for metric in METRICS.values():
        values = {name: row(evaluation, name, metric.name)["value"] for name in OPPONENTS}
        if metric.name in ("rank_ic", "rank_ic_next_close", "ic", "rank_icir", "icir"):
            values = {name: np.nan_to_num(value) for name, value in values.items()}
        values = {name: value for name, value in values.items() if np.isfinite(value)}
        mine = row(evaluation, "knows", metric.name)
        if metric.name == "directional_accuracy":
            continue  # its opponent says more here than it does for itself
        if not metric.has_skill or not values:  # nobody says sell without a model
            assert mine[SKILL].isna().all()
        else:
            best = (min if metric.better == "less" else max)(values.values())
            assert mine["best_value"] == best, metric.name
            assert values[mine["best_baseline"]] == best, metric.name


def test_whoever_stands_beside_the_metric_is_named_where_several_are_as_good(evaluation):
    named = {
        metric: row(evaluation, "knows", metric)["best_baseline"]
        for metric in ("mae_return", "r2_price", "log_loss", "brier")
    }
    assert named == {
        "mae_return": "naive",
        "r2_price": "naive",
        "log_loss": "prior",
        "brier": "prior",
    }


@pytest.mark.parametrize(("sign", "name"), [(1, "always_up"), (-1, "always_down")])
def test_the_best_direction_without_a_model_is_where_most_went(forecasts, sign, name):
    # A market that rises, or falls, by a quarter of its deviation: three in five go along.
    moved = sign * (forecasts["realised_return"] + 0.005)
    mine = row(
        evaluate(forecasts.assign(realised_return=moved), 1), "knows", "directional_accuracy"
    )
    along = (sign * moved[forecasts["model"] == "naive"] > 0).mean()
    assert along > 0.55
    assert (mine["best_baseline"], mine["naive_name"]) == (name, "always_up")
    assert mine["best_value"] == pytest.approx(along)
    assert mine["skill"] == pytest.approx(mine["value"] - along)


def test_who_only_orders_has_a_direction_by_the_sign_of_its_score(forecasts):
    is_momentum = forecasts["model"] == "momentum"
    known = forecasts["score"].mask(is_momentum, forecasts["realised_return"])
    found = evaluate(forecasts.assign(score=known), seed=1)
    mine = row(found, "knows", "directional_accuracy")
    assert (mine["best_baseline"], mine["best_value"]) == ("momentum", 1.0)
    assert np.isnan(row(found, "momentum", "directional_accuracy")["value"])  # it expects nothing


@pytest.mark.parametrize(("n_tickers", "n_sessions"), [(1, 2), (1, 60), (2, 60)])
def test_of_one_ticker_or_two_what_cannot_be_told_is_missing_and_nothing_warns(
    n_tickers, n_sessions
):
    few = made_forecasts({("m", "1"): 0.2}, n_tickers=n_tickers, n_sessions=n_sessions)
    assert np.isnan(row(evaluate(few, seed=1), "m", "rank_ic")["value"])


def test_of_a_loss_skill_is_the_share_that_is_saved_and_of_a_score_what_is_gained(evaluation):
    loss, score = row(evaluation, "knows", "log_loss"), row(evaluation, "knows", "ic")
    assert loss["skill"] == 1 - loss["value"] / loss["best_value"]
    assert score["skill"] == score["value"] - score["best_value"]


def test_the_baselines_are_not_measured_by_themselves_but_ridge_is_a_model(evaluation):
    is_opponent = evaluation["model"].isin(OPPONENTS)
    assert evaluation.loc[is_opponent, SKILL].isna().all(axis=None)
    assert row(evaluation, RIDGE, "log_loss")["best_baseline"] == "prior"


def test_who_cannot_order_is_beaten_by_any_order_and_counts_as_nought():
    momentum_fails = made_forecasts({("m", "1"): 0.2}, seed=3)
    is_order = momentum_fails["model"].isin(["momentum", "reversal"])
    wrong = -momentum_fails["realised_return"]
    rows = momentum_fails.assign(score=momentum_fails["score"].mask(is_order, wrong))
    ic = row(evaluate(rows, seed=1), "m", "rank_ic")
    assert (ic["best_baseline"], ic["best_value"]) == ("naive", 0.0)
    assert (ic["skill"], ic["skill_low"], ic["skill_high"]) == (ic["value"], ic["low"], ic["high"])


def test_the_interval_of_skill_draws_the_same_sessions_for_both(forecasts, evaluation):
    metric = METRICS["log_loss"]
    weights = block_weights(120, seed=1)
    mine, prior = (
        metric.statistic(weights @ session_sums(metric, rows_of(forecasts, name)))
        for name in ("knows", "prior")
    )
    found = row(evaluation, "knows", "log_loss")
    ends = np.quantile(1 - mine / prior, [0.025, 0.975])
    assert [found["skill_low"], found["skill_high"]] == pytest.approx(ends)


def test_the_p_value_is_diebold_and_marianos_against_the_best(forecasts, evaluation):
    for metric in ("rank_ic", "brier", "mae_price", "accuracy"):
        found = row(evaluation, "knows", metric)
        mine = session_means(rows_of(forecasts, "knows"), metric)
        best = session_means(rows_of(forecasts, found["best_baseline"]), metric)
        assert found["p_value"] == pytest.approx(diebold_mariano(mine, best).p_value), metric


def test_outcomes_that_overlap_are_compared_with_more_lags():
    rows = made_forecasts({("m", "1"): 0.2}, horizon=5)
    rows = rows[rows["horizon"] == 5]
    found = row(evaluate(rows, seed=1), "m", "mae_return")
    mine, naive = (session_means(rows_of(rows, name), "mae_return") for name in ("m", "naive"))
    assert found["p_value"] == pytest.approx(diebold_mariano(mine, naive, horizon=5).p_value)
    assert found["p_value"] != pytest.approx(diebold_mariano(mine, naive).p_value)


def test_every_fifth_session_ahead_of_its_target_overlaps_with_fewer():
    rows = made_forecasts({("m", "1"): 0.2}, n_sessions=300, horizon=7)
    days = np.sort(rows["session"].unique())
    rows = rows[rows["session"].isin(days[::5])]
    found = row(evaluate(rows, seed=1), "m", "mae_return")
    mine, naive = (session_means(rows_of(rows, name), "mae_return") for name in ("m", "naive"))
    # Seven sessions hold the next one that was forecast, and not the one after it.
    assert found["p_value"] == pytest.approx(diebold_mariano(mine, naive, horizon=2).p_value)


def test_a_metric_that_is_no_mean_has_skill_and_no_test(evaluation):
    for metric in ("rmse_return", "balanced_accuracy", "f1_buy", "icir"):
        assert np.isnan(row(evaluation, "knows", metric)["p_value"])
        assert np.isfinite(row(evaluation, "knows", metric)["skill"])


def test_nobody_is_asked_to_be_better_calibrated_than_frequencies(evaluation):
    found = row(evaluation, "knows", "expected_calibration_error")
    assert found[SKILL].isna().all()
    assert found["naive_name"] == "prior"
    assert found["naive_value"] < 0.02


def test_skill_that_is_there_is_found_and_noise_has_none(evaluation):
    knows, guesses = row(evaluation, "knows", "log_loss"), row(evaluation, "guesses", "log_loss")
    assert knows["skill_low"] > 0
    assert knows["p_value"] < 0.001
    # One who guesses and says so is the prior: it has neither skill nor the lack of it.
    assert guesses["skill"] == pytest.approx(0.0, abs=1e-6)


def test_noise_is_seldom_found_better_than_the_best_of_six():
    skill = {(f"noise_{number}", "1"): 0.0 for number in range(30)}
    rows = made_forecasts(skill, claimed=0.1, n_sessions=250, n_tickers=8, seed=5)
    table = evaluate(rows, seed=1)
    of_noise = table[table["model"].str.startswith("noise") & (table["metric"] == "log_loss")]
    assert (of_noise["skill_low"] > 0).sum() <= 2
    assert (of_noise["skill"] < 0).mean() > 0.5


def test_two_sessions_are_too_few_for_a_test():
    rows = made_forecasts({("m", "1"): 0.2}, n_sessions=1)
    found = row(evaluate(rows, seed=1), "m", "mae_return")
    assert pd.isna(found["p_value"])
    assert np.isfinite(found["skill"])
