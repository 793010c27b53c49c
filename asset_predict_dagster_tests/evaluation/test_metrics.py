"""Every metric is the textbook's, whether of all sessions or of a resample of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from asset_predict_dagster.dataset.bootstrap import block_weights
from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.metrics import (
    METRICS,
    OF_ACTIONS,
    session_means,
    session_rank_ic,
    session_sums,
)
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts

ANSWERS = Path(__file__).parents[1] / "answers"
PROBABILITIES = [f"probability_{action}" for action in ACTIONS]

seeds = st.integers(0, 2**32 - 1)


def measured(name: str, rows: pd.DataFrame) -> float:
    """A metric as the evaluation reckons it: sums over sessions, then its statistic."""
    metric = METRICS[name]
    return float(metric.statistic(session_sums(metric, rows).sum(axis=0)))


def one_session(**columns) -> pd.DataFrame:
    n_rows = len(next(iter(columns.values())))
    return pd.DataFrame({"session": [pd.Timestamp("2024-01-02")] * n_rows, **columns})


def sessions_of_forecasts(seed: int, n_sessions: int = 5, n_tickers: int = 7) -> pd.DataFrame:
    """Forecasts of one model, not in order of session, with ties and zeros among them."""
    rows = made_forecasts({("m", "1"): 0.4}, n_sessions=n_sessions, n_tickers=n_tickers, seed=seed)
    rows = rows[rows["model"] == "m"].sample(frac=1.0, random_state=seed)
    random = np.random.default_rng(seed)
    columns = ["score", "expected_return", "realised_return", "realised_return_tradable"]
    rows[columns] = rows[columns].round(2)
    silent = random.random(len(rows)) < 0.2
    rows.loc[silent, ["return_low", "return_high"]] = np.nan
    return rows.reset_index(drop=True)


def answers() -> dict[str, float]:
    """What a person worked out of the seven forecasts in the file beside."""
    table = pd.read_csv(ANSWERS / "evaluation_figures.csv").set_index("metric")
    return {name: eval(answer, {}) for name, answer in table["answer"].items()}


@pytest.mark.parametrize(("name", "answer"), answers().items())
def test_seven_forecasts_of_two_sessions_worked_out_by_hand(name, answer):
    rows = pd.read_csv(ANSWERS / "evaluation_forecasts.csv", parse_dates=["session"])
    assert measured(name, rows) == pytest.approx(answer, rel=1e-9)


def test_every_metric_has_an_answer():
    assert list(answers()) == list(METRICS)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_errors_of_returns_and_prices_are_scikit_learns(seed):
    rows = sessions_of_forecasts(seed)
    last = rows["last_close"]
    pairs = {
        "return": (rows["realised_return"], rows["expected_return"]),
        "price": (last * (1 + rows["realised_return"]), last * (1 + rows["expected_return"])),
    }
    for name, (truth, forecast) in pairs.items():
        expected = {
            f"mae_{name}": sklearn.metrics.mean_absolute_error(truth, forecast),
            f"rmse_{name}": sklearn.metrics.root_mean_squared_error(truth, forecast),
            f"r2_{name}": sklearn.metrics.r2_score(truth, forecast),
        }
        assert {metric: measured(metric, rows) for metric in expected} == pytest.approx(expected)
    mape = sklearn.metrics.mean_absolute_percentage_error(*pairs["price"])
    assert measured("mape_price", rows) == pytest.approx(mape)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_classes_are_judged_as_scikit_learn_judges_them(seed):
    rows = sessions_of_forecasts(seed)
    truth, q = rows["realised_label"], rows[PROBABILITIES].to_numpy()
    likeliest = np.array(ACTIONS)[q.argmax(axis=1)]
    log_loss = sklearn.metrics.log_loss(truth, q, labels=list(ACTIONS))
    assert measured("accuracy", rows) == sklearn.metrics.accuracy_score(truth, likeliest)
    assert measured("log_loss", rows) == pytest.approx(log_loss)
    recalls, squares = [], []
    for action in ACTIONS:
        there = (truth == action).to_numpy()
        if there.any():
            recalls.append((likeliest[there] == action).mean())
    for label, row in zip(truth, q, strict=True):
        squares.append(sum((row[k] - (label == ACTIONS[k])) ** 2 for k in range(3)))
    assert measured("balanced_accuracy", rows) == pytest.approx(np.mean(recalls))
    assert measured("brier", rows) == pytest.approx(np.mean(squares))


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_each_class_is_judged_under_its_own_name_as_scikit_learn_does(seed):
    rows = sessions_of_forecasts(seed)
    likeliest = np.array(ACTIONS)[rows[PROBABILITIES].to_numpy().argmax(axis=1)]
    expected = sklearn.metrics.precision_recall_fscore_support(
        rows["realised_label"], likeliest, labels=list(ACTIONS), zero_division=np.nan
    )
    for place, action in enumerate(ACTIONS):
        for name, values in zip(("precision", "recall", "f1"), expected[:3], strict=True):
            found = measured(f"{name}_{action}", rows)
            assert found == pytest.approx(values[place], nan_ok=True), f"{name}_{action}"


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_the_calibration_error_is_what_a_loop_over_ten_bins_finds(seed):
    rows = sessions_of_forecasts(seed)
    q, label = rows[PROBABILITIES].to_numpy(), rows["realised_label"].map(ACTIONS.index).to_numpy()
    top, right = q.max(axis=1), q.argmax(axis=1) == label
    error = 0.0
    for low in range(10):
        inside = (low / 10 < top) & (top <= (low + 1) / 10)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - top[inside].mean())
    assert measured("expected_calibration_error", rows) == pytest.approx(error)


def test_one_who_is_right_as_often_as_sure_is_calibrated():
    rows = one_session(
        realised_label=["buy", "buy", "buy", "sell"],
        probability_buy=[0.75] * 4,
        probability_hold=[0.15] * 4,
        probability_sell=[0.10] * 4,
    )
    assert measured("expected_calibration_error", rows) == pytest.approx(0.0)
    sure = rows.assign(probability_buy=1.0, probability_hold=0.0, probability_sell=0.0)
    assert measured("expected_calibration_error", sure) == pytest.approx(0.25)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_ic_is_the_mean_of_pearsons_correlations_and_icir_that_in_deviations(seed):
    rows = sessions_of_forecasts(seed)
    by_session = [day for _, day in rows.groupby("session")]
    daily = {
        "ic": [pearsonr(d["score"], d["realised_return_tradable"]).statistic for d in by_session],
        "rank_ic": session_rank_ic(rows, "realised_return_tradable"),
    }
    assert measured("ic", rows) == pytest.approx(np.mean(daily["ic"]))
    for name, values in daily.items():
        ratio = np.mean(values) / np.std(values, ddof=1)
        assert measured(f"{name.removesuffix('ic')}icir", rows) == pytest.approx(ratio)


def test_the_same_correlation_every_session_has_no_deviations_to_be_told_in():
    ordered = one_session(score=[1.0, 2.0, 3.0], realised_return_tradable=[0.1, 0.2, 0.3])
    days = [ordered.assign(session=pd.Timestamp(f"2024-01-0{day}")) for day in (1, 2, 3, 4)]
    assert measured("ic", pd.concat(days)) == pytest.approx(1.0)
    assert np.isnan(measured("icir", pd.concat(days)))
    assert np.isnan(measured("rank_icir", days[0]))


@pytest.mark.parametrize(
    "metric", ["ic", "rank_ic", "log_loss", "brier", "accuracy", "mae_return", "mape_price"]
)
def test_the_mean_of_a_session_is_the_metric_of_that_session_alone(metric):
    rows = sessions_of_forecasts(seed=3)
    means = session_means(rows, metric)
    assert means.index.name == "session"
    alone = [measured(metric, day) for _, day in rows.groupby("session")]
    assert means.to_numpy() == pytest.approx(np.array(alone))
    assert means.index.tolist() == sorted(rows["session"].unique())


@pytest.mark.parametrize("name", ["r2_return", "expected_calibration_error", "sharpe"])
def test_what_is_no_mean_has_no_value_by_session(name):
    with pytest.raises(DatasetError, match=f"'{name}' has no value by session; choose one of"):
        session_means(sessions_of_forecasts(seed=3), name)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_rank_ic_is_the_mean_of_spearmans_correlations(seed):
    rows = sessions_of_forecasts(seed)
    for metric, outcome in [
        ("rank_ic", "realised_return_tradable"),
        ("rank_ic_next_close", "realised_return"),
    ]:
        daily = [
            spearmanr(day["score"], day[outcome]).statistic for _, day in rows.groupby("session")
        ]
        assert measured(metric, rows) == pytest.approx(np.mean(daily))


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_the_interval_holds_what_a_loop_counts(seed):
    rows = sessions_of_forecasts(seed)
    inside, widths = [], []
    for row in rows.itertuples():
        if not np.isnan(row.return_low):
            inside.append(row.return_low <= row.realised_return <= row.return_high)
            widths.append(row.return_high - row.return_low)
    if widths:
        assert measured("interval_coverage", rows) == pytest.approx(np.mean(inside))
        assert measured("interval_width", rows) == pytest.approx(np.mean(widths))


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_resample_is_measured_as_if_its_sessions_had_been_written_out(seed):
    rows = sessions_of_forecasts(seed, n_sessions=30, n_tickers=4)
    weights = block_weights(30, seed, n_resamples=1)[0]
    copies = []
    for weight, (session, day) in zip(weights, rows.groupby("session"), strict=True):
        for copy in range(int(weight)):
            # A copy of a session is a session of its own.
            copies.append(day.assign(session=session + pd.Timedelta(seconds=copy)))
    written_out = pd.concat(copies)
    for name, metric in METRICS.items():
        resampled = float(metric.statistic(weights @ session_sums(metric, rows)))
        assert resampled == pytest.approx(measured(name, written_out), nan_ok=True), name


def test_direction_counts_only_forecasts_and_outcomes_that_have_one():
    rows = one_session(
        realised_return=[0.01, -0.02, 0.03, 0.00, 0.01],
        expected_return=[0.02, -0.01, -0.01, 0.01, 0.00],
    )
    assert measured("directional_accuracy", rows) == pytest.approx(2 / 3)


def test_a_forecast_without_any_direction_has_no_accuracy_of_direction():
    rows = one_session(realised_return=[0.01, -0.02], expected_return=[0.0, 0.0])
    assert np.isnan(measured("directional_accuracy", rows))


def test_price_errors_worked_out_by_hand():
    # R$ 10 rises to 11 where 10.50 was said; R$ 100 falls to 90 where 100 was said.
    rows = one_session(
        last_close=[10.0, 100.0], realised_return=[0.10, -0.10], expected_return=[0.05, 0.0]
    )
    assert measured("mae_price", rows) == pytest.approx((0.5 + 10) / 2)
    assert measured("rmse_price", rows) == pytest.approx(np.sqrt((0.25 + 100) / 2))
    assert measured("mape_price", rows) == pytest.approx((0.5 / 11 + 10 / 90) / 2)


def test_r2_on_price_flatters_whoever_says_tomorrow_is_today():
    random = np.random.default_rng(3)
    daily = 0.02 * random.standard_normal((1000, 5))
    first = np.array([5.0, 10.0, 20.0, 40.0, 80.0])
    price = first * np.cumprod(1 + daily, axis=0)
    before = np.vstack([first, price[:-1]])
    walk = pd.DataFrame(
        {
            "session": np.repeat(pd.bdate_range("2020-01-02", periods=1000), 5),
            "last_close": before.ravel(),
            "realised_return": daily.ravel(),
            "expected_return": 0.0,
        }
    )
    assert measured("r2_price", walk) == pytest.approx(0.999, abs=0.001)
    assert measured("r2_return", walk) == pytest.approx(0.0, abs=0.002)


def test_three_tickers_in_order_have_a_rank_ic_of_one_and_a_swap_costs_half():
    rows = one_session(score=[1.0, 2.0, 3.0], realised_return_tradable=[-0.01, 0.0, 0.5])
    assert measured("rank_ic", rows) == pytest.approx(1.0)
    swapped = rows.assign(score=[2.0, 1.0, 3.0])
    assert measured("rank_ic", swapped) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("score", "outcome"),
    [([1.0, 2.0], [0.1, 0.2]), ([1.0] * 4, [1, 2, 3, 4]), ([1, 2, 3, 4], [0.0] * 4)],
    ids=["two tickers", "alike scores", "alike outcomes"],
)
def test_a_session_that_orders_nothing_has_no_rank_ic(score, outcome):
    rows = one_session(score=score, realised_return_tradable=outcome)
    assert session_rank_ic(rows, "realised_return_tradable").isna().all()
    assert np.isnan(measured("rank_ic", rows))


def test_a_ticker_with_a_missing_outcome_is_left_out_of_its_session():
    # Without the third: ranks 1, 2, 3 against 1, 3, 2, which correlate by 1 - 6 × 2 / 24 = .5.
    rows = one_session(score=[1.0, 2.0, 9.0, 4.0], realised_return_tradable=[1, 4, np.nan, 2])
    assert session_rank_ic(rows, "realised_return_tradable").tolist() == pytest.approx([0.5])


def test_with_two_outcomes_known_a_session_orders_nothing():
    rows = one_session(score=[1.0, 2.0, 3.0, 4.0], realised_return_tradable=[1, 2, *[np.nan] * 2])
    assert np.isnan(measured("rank_ic", rows)) and np.isnan(measured("ic", rows))


def test_scores_alike_where_the_outcome_is_known_order_nothing():
    rows = one_session(score=[2.0, 2.0, 2.0, 4.0], realised_return_tradable=[1, 2, 3, np.nan])
    assert np.isnan(measured("rank_ic", rows)) and np.isnan(measured("ic", rows))


def test_a_session_with_a_missing_score_has_no_rank_ic():
    rows = one_session(score=[1.0, 2.0, np.nan, 4.0, 3.0], realised_return_tradable=[1, 2, 3, 4, 5])
    for outcomes in (rows, rows.assign(realised_return_tradable=[1, 2, 3, 4, np.nan])):
        assert session_rank_ic(outcomes, "realised_return_tradable").isna().all()


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.1, 0.9))
def test_the_order_is_judged_as_scipy_judges_the_tickers_whose_outcome_is_known(seed, share):
    rows = sessions_of_forecasts(seed)
    is_missing = np.random.default_rng(seed).random(len(rows)) < share
    rows.loc[is_missing, "realised_return_tradable"] = np.nan
    found = {
        "rank_ic": session_means(rows, "rank_ic"),
        "ic": session_means(rows, "ic"),
        "next": session_rank_ic(rows, "realised_return"),
    }
    for session, day in rows.groupby("session"):
        left = day.dropna(subset="realised_return_tradable")
        score, outcome = left["score"], left["realised_return_tradable"]
        if len(left) < 3 or 1 in (len(set(score)), len(set(outcome))):
            assert np.isnan(found["rank_ic"][session]) and np.isnan(found["ic"][session])
        else:
            assert found["rank_ic"][session] == pytest.approx(spearmanr(score, outcome).statistic)
            assert found["ic"][session] == pytest.approx(pearsonr(score, outcome).statistic)
        whole = spearmanr(day["score"], day["realised_return"]).statistic
        assert found["next"][session] == pytest.approx(whole)


def test_outcomes_that_are_all_alike_have_no_share_to_explain():
    rows = one_session(realised_return=[0.1] * 3, expected_return=[0.0, 0.1, 0.2])
    assert np.isnan(measured("r2_return", rows))


def test_a_session_of_many_tickers_counts_as_much_as_one_of_few():
    few = one_session(score=[1.0, 2.0, 3.0], realised_return_tradable=[0.1, 0.2, 0.3])
    many = one_session(
        score=[1.0, 2.0, 3.0, 4.0, 5.0], realised_return_tradable=[0.5, 0.4, 0.3, 0.2, 0.1]
    ).assign(session=pd.Timestamp("2024-01-03"))
    assert measured("rank_ic", pd.concat([few, many])) == pytest.approx(0.0)


def test_a_session_without_rank_ic_does_not_count_in_the_mean():
    ordered = one_session(score=[1.0, 2.0, 3.0], realised_return_tradable=[0.1, 0.2, 0.3])
    constant = ordered.assign(session=pd.Timestamp("2024-01-03"), score=0.0)
    assert measured("rank_ic", pd.concat([constant, ordered])) == pytest.approx(1.0)


def test_classes_worked_out_by_hand():
    rows = one_session(
        realised_label=["buy", "sell", "sell", "hold"],
        probability_buy=[0.5, 0.2, 0.6, 0.1],
        probability_hold=[0.3, 0.2, 0.2, 0.8],
        probability_sell=[0.2, 0.6, 0.2, 0.1],
    )
    assert measured("accuracy", rows) == 3 / 4
    assert measured("balanced_accuracy", rows) == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert measured("log_loss", rows) == pytest.approx(-np.log([0.5, 0.6, 0.2, 0.8]).sum() / 4)
    squares = [0.25 + 0.09 + 0.04, 0.04 + 0.04 + 0.16, 0.36 + 0.04 + 0.64, 0.01 + 0.04 + 0.01]
    assert measured("brier", rows) == pytest.approx(sum(squares) / 4)


def test_a_class_never_seen_has_no_recall_and_lowers_no_average():
    rows = one_session(
        realised_label=["buy", "buy"],
        probability_buy=[0.8, 0.1],
        probability_hold=[0.1, 0.8],
        probability_sell=[0.1, 0.1],
    )
    assert measured("balanced_accuracy", rows) == 1 / 2


def test_certainty_that_was_wrong_is_a_finite_surprise():
    rows = one_session(
        realised_label=["sell"],
        probability_buy=[1.0],
        probability_hold=[0.0],
        probability_sell=[0.0],
    )
    assert measured("log_loss", rows) == pytest.approx(-np.log(1e-15))


@pytest.mark.parametrize("metric", [metric.name for metric in OF_ACTIONS])
def test_a_row_without_a_class_is_not_taken_for_a_sell(metric):
    known = one_session(
        realised_label=["buy", "sell"],
        probability_buy=[0.7, 0.3],
        probability_hold=[0.1, 0.1],
        probability_sell=[0.2, 0.6],
    )
    unknown = known.assign(realised_label=None)
    of_known = measured(metric, known)
    assert measured(metric, pd.concat([known, unknown])) == pytest.approx(of_known, nan_ok=True)
    assert np.isnan(measured(metric, unknown))


def test_where_nothing_was_forecast_no_session_has_a_figure():
    rows = pd.read_csv(ANSWERS / "evaluation_forecasts.csv", parse_dates=["session"]).iloc[:0]
    assert session_rank_ic(rows, "realised_return_tradable").empty
    assert session_means(rows, "mae_return").empty
