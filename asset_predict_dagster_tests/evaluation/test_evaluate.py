"""A model is judged on the same rows as the naive forecast, and noise is not taken for skill."""

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.evaluate import HEADLINE, evaluate, figures, headline
from asset_predict_dagster.evaluation.metrics import METRICS, OF_ACTIONS, RANK_IC_T, session_rank_ic
from asset_predict_dagster.evaluation.newey_west import newey_west
from asset_predict_dagster.registry.promotion import has_shown_skill
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import EVALUATION
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts


@pytest.fixture(scope="module")
def forecasts():
    """A model that knows something and one that knows nothing; horizons 1 and 5."""
    skill = {("knows", "1"): 0.3, ("guesses", "1"): 0.0}
    return pd.concat([made_forecasts(skill), made_forecasts(skill, horizon=5)], ignore_index=True)


@pytest.fixture(scope="module")
def evaluation(forecasts):
    return evaluate(forecasts, seed=1)


def row(evaluation, model, metric, horizon=1):
    chosen = evaluation[
        (evaluation["model"] == model)
        & (evaluation["metric"] == metric)
        & (evaluation["horizon"] == horizon)
    ]
    return chosen.squeeze()


def test_every_metric_keeps_the_promises_of_the_table(evaluation):
    assert broken_promises(EVALUATION, evaluation).empty
    assert list(evaluation) == EVALUATION.column_names


def test_every_metric_of_the_list_is_there(evaluation):
    of_model = evaluation[(evaluation["model"] == "knows") & (evaluation["horizon"] == 1)]
    assert set(of_model["metric"]) == {*METRICS, RANK_IC_T}
    assert of_model["value"].notna().all()


def test_the_t_of_rank_ic_is_newey_and_wests(forecasts, evaluation):
    for horizon, n_lags in ((1, 4), (5, 8)):
        mine = forecasts[(forecasts["model"] == "knows") & (forecasts["horizon"] == horizon)]
        daily = session_rank_ic(mine, "realised_return_tradable").to_numpy()
        expected = newey_west(daily, n_lags).t
        assert row(evaluation, "knows", RANK_IC_T, horizon)["value"] == pytest.approx(expected)
    assert row(evaluation, "knows", RANK_IC_T)["value"] > 5
    assert abs(row(evaluation, "guesses", RANK_IC_T)["value"]) < 2.5


def test_the_value_lies_in_its_interval(evaluation):
    known = evaluation.dropna(subset=["value", "low", "high"])
    assert len(known) > 100
    dust = 1e-12
    assert (known["low"] <= known["value"] + dust).all()
    assert (known["value"] <= known["high"] + dust).all()


def test_what_was_measured_is_named(evaluation):
    of_knows = row(evaluation, "knows", "rank_ic")
    assert (of_knows["n_sessions"], of_knows["n_forecasts"]) == (120, 120 * 12)
    assert of_knows["first_session"] == pd.Timestamp("2023-01-02")
    assert of_knows["last_session"] == pd.bdate_range("2023-01-02", periods=120)[-1]


def test_actions_are_judged_at_their_own_horizon_only(evaluation):
    of_actions = evaluation["metric"].isin([metric.name for metric in OF_ACTIONS])
    assert set(evaluation[of_actions]["horizon"]) == {1}
    assert set(evaluation[~of_actions]["horizon"]) == {1, 5}


def test_planted_skill_is_found_and_noise_is_not(evaluation):
    knows, guesses = row(evaluation, "knows", "rank_ic"), row(evaluation, "guesses", "rank_ic")
    assert knows["value"] == pytest.approx(0.29, abs=0.05)  # Spearman's of a correlation of .3
    assert knows["low"] > 0
    assert guesses["low"] < 0 < guesses["high"]


def test_a_model_scored_on_noise_is_rarely_called_proven():
    skill = {(f"noise_{number}", "1"): 0.0 for number in range(30)}
    table = evaluate(made_forecasts(skill, n_sessions=252, n_tickers=8, seed=5), seed=1)
    proven = [name for name, version in skill if has_shown_skill(table, name, version)[0]]
    # An interval of 95 % errs on this side once in forty: three of thirty would be bad luck.
    assert len(proven) <= 2


def test_noise_that_claims_to_know_loses_to_the_prior():
    table = evaluate(made_forecasts({("boasts", "1"): 0.0}, claimed=0.3), seed=1)
    loss = row(table, "boasts", "log_loss")
    assert loss["value"] > loss["naive_value"]
    assert loss["naive_name"] == "prior"


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("mae_price", "naive"),
        ("r2_price", "naive"),
        ("accuracy", "majority"),
        ("balanced_accuracy", "majority"),
        ("log_loss", "prior"),
        ("brier", "prior"),
    ],
)
def test_beside_each_metric_stands_what_its_baseline_reaches_on_the_same_rows(
    evaluation, metric, name
):
    of_model = row(evaluation, "knows", metric)
    assert of_model["naive_name"] == name
    assert of_model["naive_value"] == row(evaluation, name, metric)["value"]


def test_the_naive_direction_is_up(forecasts, evaluation):
    naive = forecasts[(forecasts["model"] == "naive") & (forecasts["horizon"] == 1)]
    of_model = row(evaluation, "knows", "directional_accuracy")
    assert of_model["naive_name"] == "always_up"
    assert of_model["naive_value"] == pytest.approx((naive["realised_return"] > 0).mean())


def test_the_naive_forecast_orders_nothing_and_is_at_the_middle_of_no_interval(evaluation):
    assert row(evaluation, "knows", "rank_ic")["naive_value"] == 0.0
    assert np.isnan(row(evaluation, "naive", "rank_ic")["value"])
    assert np.isnan(row(evaluation, "knows", "interval_coverage")["naive_value"])


def test_an_honest_interval_holds_nine_outcomes_in_ten(evaluation):
    for model in ("knows", "guesses"):
        assert row(evaluation, model, "interval_coverage")["value"] == pytest.approx(0.9, abs=0.03)


def test_the_order_of_the_rows_says_nothing(forecasts, evaluation):
    shuffled = evaluate(forecasts.sample(frac=1.0, random_state=1), seed=1)
    pd.testing.assert_frame_equal(shuffled, evaluation, rtol=1e-12)


def test_windows_are_measured_apart():
    one = made_forecasts({("m", "1"): 0.3})
    other = made_forecasts({("m", "1"): 0.0}, first="2024-01-02", seed=2).assign(window="2024H1")
    both = evaluate(pd.concat([one, other], ignore_index=True), seed=1)
    for window, alone in [("holdout", one), ("2024H1", other)]:
        measured = both[both["window"] == window].reset_index(drop=True)
        pd.testing.assert_frame_equal(measured, evaluate(alone, seed=1))


@pytest.mark.parametrize("name", ["naive", "majority", "prior", "always_up"])
def test_no_figure_stands_without_the_baseline_beside_it(forecasts, name):
    with pytest.raises(DatasetError, match=f"no rows of the baseline '{name}'"):
        evaluate(forecasts[forecasts["model"] != name], seed=1)


def test_a_model_that_skipped_a_hard_session_is_not_compared(forecasts):
    hard = (forecasts["model"] == "knows") & (forecasts["session"] == pd.Timestamp("2023-01-03"))
    with pytest.raises(DatasetError, match="'knows' has 1,428 forecasts, the naive forecast 1,440"):
        evaluate(forecasts[~hard], seed=1)


def test_as_many_rows_of_other_tickers_are_not_the_same_rows(forecasts):
    renamed = (forecasts["model"] == "knows") & (forecasts["ticker"] == "TICK00")
    other = forecasts.assign(ticker=forecasts["ticker"].mask(renamed, "TICK99"))
    with pytest.raises(DatasetError, match="not of the same tickers and sessions"):
        evaluate(other, seed=1)


def test_forecasts_of_another_history_are_not_compared(forecasts):
    corrected = (forecasts["model"] == "knows") & (forecasts["ticker"] == "TICK00")
    realised = forecasts["realised_return"].mask(corrected, 0.07)
    with pytest.raises(DatasetError, match="'knows' has other outcomes beside its forecasts"):
        evaluate(forecasts.assign(realised_return=realised), seed=1)


def test_texts_and_categories_say_the_same(forecasts, evaluation):
    texts = ["window", "ticker", "model", "model_version", "realised_label"]
    as_categories = forecasts.astype(dict.fromkeys(texts, "category"))
    pd.testing.assert_frame_equal(evaluate(as_categories, seed=1), evaluation)


def test_forecasts_in_32_bits_are_measured_in_64(forecasts):
    said = ["score", "expected_return", "return_low", "return_high"]
    said += [f"probability_{action}" for action in ACTIONS]
    narrow = forecasts.astype(dict.fromkeys(said, np.float32))
    wide = narrow.astype(dict.fromkeys(said, np.float64))
    in_32, in_64 = evaluate(narrow, seed=1), evaluate(wide, seed=1)
    pd.testing.assert_frame_equal(in_32, in_64, rtol=1e-12, atol=1e-14)


def test_a_model_whose_rows_stand_in_another_order_is_measured_on_the_same_ones(
    forecasts, evaluation
):
    is_mine = forecasts["model"] == "knows"
    reversed_ = pd.concat([forecasts[~is_mine], forecasts[is_mine].iloc[::-1]])
    pd.testing.assert_frame_equal(evaluate(reversed_, seed=1), evaluation, rtol=1e-12)


def test_the_headline_leaves_baselines_and_longer_horizons_out(evaluation):
    table = headline(evaluation)
    assert list(dict.fromkeys(table["metric"])) == list(HEADLINE)
    assert table["model"].tolist() == ["guesses", "knows"] * len(HEADLINE)
    ic = table[(table["metric"] == "rank_ic") & (table["model"] == "knows")].squeeze()
    assert ic["value"] == row(evaluation, "knows", "rank_ic")["value"]
    assert set(table["horizon"]) == {1}


def test_figures_are_those_of_the_action_horizon_that_have_a_value(evaluation):
    error = row(evaluation, "knows", "mae_price")["value"]
    assert figures(evaluation, "knows")["mae_price"] == error
    assert "rank_ic" not in figures(evaluation, "naive")
