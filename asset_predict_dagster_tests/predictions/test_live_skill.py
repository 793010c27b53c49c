"""A skill that was shown is missed when it is gone; what was never shown cannot be lost."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.predictions.cusum import PATH, Cusum, fit_cusum
from asset_predict_dagster.predictions.live_skill import live_rows
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts
from asset_predict_dagster_tests.predictions.simulated_life import watched, without_skill

FIRST_LIVE = np.datetime64("2024-01-01")
NOTHING = float("nan")


def life(
    skill: float,
    n_live: int = 150,
    seed: int = 1,
    n_tickers: int = 40,
    claimed: float | None = None,
):
    """A holdout of 260 sessions, and what a model of that skill says afterwards."""
    table = made_forecasts(
        {("lstm", "4"): skill},
        claimed,
        n_sessions=260 + n_live,
        n_tickers=n_tickers,
        first="2023-01-02",
        seed=seed,
    )
    first = np.unique(table["session"])[260]
    model = table[table["model"] == "lstm"]
    return table[table["session"] < first], model[model["session"] >= first].reset_index(drop=True)


def rank_ic(forecasts: pd.DataFrame, live: pd.DataFrame, version: str = "4"):
    return watched(forecasts, "lstm", version, live)[0]


# The sequential test


def test_the_cusum_is_the_one_of_a_plain_loop():
    # Promised 2 ± 1: each session adds (1 - figure), and never below 0.
    cusum = Cusum(mean=2.0, deviation=1.0, threshold=3.0, delay=1.0)
    height, heights = 0.0, []
    for figure in [2.0, 0.0, 0.0, NOTHING, 3.0, -1.0, 9.0]:
        height = cusum.step(height, figure)
        heights.append(height)
    assert heights == [0.0, 1.0, 2.0, 2.0, 0.0, 2.0, 0.0]


def test_an_unchanged_skill_rarely_alarms():
    """Years that no threshold was made from; one in twenty is meant, one in five allowed."""
    alarmed = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        shown = 0.12 + 0.16 * random.standard_normal(260)
        cusum = fit_cusum(shown, standard_error=0.01, seed=1)
        years = 0.12 + 0.16 * random.standard_normal((200, PATH))
        height, highest = np.zeros(200), np.zeros(200)
        for figures in years.T:
            height = np.maximum(0, height + (cusum.mean / 2 - figures) / cusum.deviation)
            highest = np.maximum(highest, height)
        alarmed.append((highest > cusum.threshold).mean())
    assert 0.01 < np.mean(alarmed) < 0.2


def test_doubt_about_what_was_shown_raises_the_threshold():
    shown = 0.1 + 0.16 * np.random.default_rng(1).standard_normal(260)
    sure, unsure = (fit_cusum(shown, error, seed=1) for error in (0.0, 0.02))
    assert unsure.threshold > sure.threshold
    assert unsure.delay > sure.delay


@pytest.mark.parametrize(
    "shown", [np.full(100, 0.1), np.r_[-np.ones(60), np.zeros(60)], np.arange(59.0)]
)
def test_a_promise_of_nothing_cannot_be_tested(shown):
    with pytest.raises(DatasetError, match="a mean above 0 shown on 60 sessions"):
        fit_cusum(shown, 0.01, seed=1)


# A model's skill


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_strong_skill_that_goes_on_raises_no_alarm(seed):
    watch = rank_ic(*life(0.12, seed=seed))
    assert watch.promise.is_shown
    assert watch.promise.low < 0.12 < watch.promise.high
    assert not watch.is_losing
    assert not watch.path["is_alarm"].any()
    assert "rank_ic: kept; version 4's holdout 0.1" in watch.reason


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_strong_skill_that_is_gone_is_noticed_within_a_quarter(seed):
    forecasts, live = life(0.12, seed=seed)
    watch = rank_ic(forecasts, without_skill(live, FIRST_LIVE, seed))
    began = int(watch.path["is_alarm"].to_numpy().argmax())
    assert watch.is_losing
    assert 0 < began < 63
    assert watch.since == watch.path["session"].iloc[began].date()
    assert f"rank_ic: lost since {watch.since}" in watch.reason
    assert watch.n_live == 63
    assert watch.live < 0.06


def test_a_model_without_shown_skill_has_none_to_lose():
    forecasts, live = life(0.0, claimed=0.1)
    for watch in watched(forecasts, "lstm", "4", live):
        assert not watch.promise.is_shown
        assert not watch.is_losing
        assert "none shown, so none to lose" in watch.reason


def test_a_short_holdout_shows_nothing():
    forecasts, live = life(0.5)
    few = forecasts[forecasts["session"] < np.unique(forecasts["session"])[59]]
    watch = rank_ic(few, live)
    assert not watch.promise.is_shown
    assert watch.reason == "rank_ic: none shown, version 4's holdout has 59 of 60 sessions needed"


def test_better_probabilities_than_the_priors_are_a_skill_too():
    forecasts, live = life(0.5)
    gain = watched(forecasts, "lstm", "4", live)[1]
    assert gain.figure == "log_loss_gain"
    assert gain.promise.is_shown
    assert not gain.is_losing
    lost = watched(forecasts, "lstm", "4", without_skill(live, FIRST_LIVE, 1))[1]
    assert lost.is_losing


def test_the_log_loss_gain_is_that_of_a_plain_loop():
    forecasts, live = life(0.5, n_live=3, n_tickers=5)
    live.loc[0, "realised_label"] = None
    prior = forecasts[forecasts["model"] == "prior"].iloc[0]
    watch = watched(forecasts, "lstm", "4", live)[1]
    for row in watch.path.itertuples():
        gains = [
            np.log(one[f"probability_{one['realised_label']}"])
            - np.log(prior[f"probability_{one['realised_label']}"])
            for _, one in live[live["session"] == row.session].iterrows()
            if isinstance(one["realised_label"], str)
        ]
        assert row.figure == pytest.approx(np.mean(gains))


def test_training_again_without_an_alarm_does_not_forget_what_was_seen():
    forecasts, live = life(0.12)
    gone = without_skill(live, FIRST_LIVE, 1)
    days = np.unique(gone["session"])
    once = rank_ic(forecasts, gone[gone["session"] <= days[6]]).path
    retrained = gone[gone["session"] <= days[6]].copy()
    retrained["model_version"] = np.where(retrained["session"] < days[3], "3", "4")
    assert not once["is_alarm"].any()
    again = rank_ic(forecasts, retrained).path
    assert again["cusum"].tolist() == once["cusum"].tolist()


def retrained_every_ten_sessions(forecasts: pd.DataFrame, live: pd.DataFrame):
    """What versions 4, 5, ... say, each with the 260 sessions before it as its holdout."""
    said = pd.concat([forecasts[forecasts["model"] == "lstm"], live], ignore_index=True)
    days, first = np.unique(said["session"]), np.unique(live["session"])[0]
    place = np.searchsorted(days, said["session"].to_numpy()) - np.searchsorted(days, first)
    holdouts, speaking = [forecasts], live.assign(model_version="4")
    for version in range(5, 4 + len(np.unique(live["session"])) // 10):
        since = 10 * (version - 4)
        before = (place < since) & (place >= since - 260)
        holdouts.append(said[before].assign(model_version=str(version)))
        its_time = live["session"] >= days[np.searchsorted(days, first) + since]
        speaking.loc[its_time, "model_version"] = str(version)
    return pd.concat(holdouts, ignore_index=True), speaking


def test_training_on_the_days_without_skill_does_not_lower_what_was_promised():
    forecasts, live = life(0.08)
    gone = without_skill(live, FIRST_LIVE, 1)
    once = rank_ic(forecasts, gone)
    holdouts, speaking = retrained_every_ten_sessions(forecasts, gone)
    until = speaking[speaking["session"] <= pd.Timestamp(once.since)]
    serving = until["model_version"].iloc[-1]
    watch = rank_ic(holdouts, until, version=serving)
    assert int(serving) > 5
    assert watch.since == once.since
    assert watch.promise.version == "4"
    assert "version 4's holdout 0.0" in watch.reason


def test_what_a_version_says_live_is_no_part_of_what_it_promised():
    """A champion is forecast anew beside each challenger, on sessions that it served as well."""
    forecasts, live = life(0.08)
    gone = without_skill(live, FIRST_LIVE, 1)
    grown = pd.concat([forecasts, gone[gone["session"] < np.unique(gone["session"])[40]]])
    alone, moved_on = rank_ic(forecasts, gone), rank_ic(grown, gone)
    assert moved_on.promise.mean == alone.promise.mean
    assert moved_on.since == alone.since


def test_the_watch_begins_with_the_first_version_that_has_shown_a_skill():
    forecasts, live = life(0.12)
    luckless = life(0.0, claimed=0.1)[0]
    luckless = luckless[luckless["model"] == "lstm"].assign(model_version="3")
    days = np.unique(live["session"])
    speaking = live.assign(model_version=np.where(live["session"] < days[20], "3", "4"))
    watch = rank_ic(pd.concat([forecasts, luckless]), speaking)
    assert watch.path["cusum"].isna().tolist() == [True] * 20 + [False] * 130
    assert watch.promise.version == "4"


def test_a_promise_is_a_year_old_at_most():
    forecasts, live = life(0.12, n_live=260)
    days = np.unique(live["session"])
    speaking = live.assign(model_version=np.where(live["session"] < days[5], "3", "4"))
    third = forecasts[forecasts["model"] == "lstm"].assign(model_version="3")
    watch = rank_ic(pd.concat([forecasts, third]), speaking)
    assert watch.promise.version == "4"
    assert len(watch.path) == PATH


def test_training_after_an_alarm_starts_anew():
    forecasts, live = life(0.12)
    gone = without_skill(live, FIRST_LIVE, 1)
    lost = rank_ic(forecasts, gone)
    after = pd.Timestamp(lost.since) + pd.Timedelta(days=4)
    versions = np.where(gone["session"] <= after, "3", "4")
    path = rank_ic(forecasts, gone.assign(model_version=versions)).path
    first = path[path["model_version"] == "4"].iloc[0]
    assert path[path["model_version"] == "3"]["is_alarm"].iloc[-1]
    assert not first["is_alarm"]
    assert first["cusum"] < 3


def test_an_alarm_of_the_version_before_is_not_the_serving_ones():
    """Trained tonight: the new version has not spoken yet, and need not be trained again."""
    forecasts, live = life(0.12)
    gone = without_skill(live, FIRST_LIVE, 1).assign(model_version="3")
    watch = rank_ic(forecasts, gone)
    assert watch.path["is_alarm"].iloc[-1]
    assert not watch.is_losing


def test_an_alarm_ends_when_the_skill_is_back():
    forecasts, live = life(0.3, n_live=200)
    first = np.unique(live["session"])[40]
    gone = without_skill(live[live["session"] < first], FIRST_LIVE, 1)
    watch = rank_ic(forecasts, pd.concat([gone, live[live["session"] >= first]]))
    assert watch.path["is_alarm"].any()
    assert not watch.is_losing


def test_before_the_first_outcome_nothing_is_lost():
    forecasts, live = life(0.12)
    watch = rank_ic(forecasts, live[:0])
    assert not watch.is_losing
    assert watch.n_live == 0
    assert "none live yet" in watch.reason


def test_a_version_that_was_never_judged_promises_nothing_anybody_knows():
    forecasts, live = life(0.12)
    with pytest.raises(DatasetError, match="no row of version 5 at horizon 1"):
        rank_ic(forecasts, live, version="5")


def test_what_was_said_is_laid_beside_what_came_true():
    days = pd.to_datetime(["2024-02-08", "2024-02-08"]).as_unit("us")
    key = {"session": days, "ticker": ["ABCD3", "WXYZ3"], "horizon": [1, 1]}
    said = {f"probability_{action}": [0.2, 0.3] for action in ("buy", "hold", "sell")}
    predictions = pd.DataFrame(key | said)
    later = predictions.assign(horizon=2)
    outcomes = pd.DataFrame(
        key | {"model_version": "4", "expected_return": 0.01, "realised_return": [0.02, -0.02]}
    )
    volatility = pd.DataFrame({"session": days[:1], "ticker": ["ABCD3"], "volatility_21d": [0.03]})
    rows = live_rows(
        pd.concat([predictions, later]),
        pd.concat([outcomes, outcomes.assign(horizon=2)]),
        volatility,
    )
    assert rows["realised_return"].tolist() == [0.02, -0.02]
    assert rows["probability_hold"].tolist() == [0.2, 0.3]
    assert rows["realised_label"].tolist()[0] == "buy"
    assert rows["realised_label"].isna().tolist() == [False, True]
    assert date(2024, 2, 8) == rows["session"].iloc[0].date()
