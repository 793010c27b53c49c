"""Who serves is decided by the rule in `promotion.py`, branch by branch."""

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.forecasts import accumulate
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.registry.promotion import MIN_COMMON_SESSIONS, decide, has_shown_skill
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts


def judged(
    ic=(0.02, 0.01, 0.03),
    log_loss=1.07,
    version="1",
    window="holdout",
    horizon=1,
    skill_high=np.nan,
    excess=(np.nan, np.nan, np.nan),
):
    """The two figures of a version that the rule looks at: rank IC with its interval, log-loss.

    `excess` is the rank IC beyond the best without a model, with its interval.
    """
    value, low, high = ic
    beyond = dict(zip(("skill", "skill_low", "skill_high"), excess, strict=True))
    common = {
        "model": "lstm",
        "model_version": version,
        "window": window,
        "horizon": horizon,
    }
    return pd.DataFrame(
        [
            {
                "metric": "rank_ic",
                "value": value,
                "low": low,
                "high": high,
                "naive_value": 0.0,
                "best_baseline": "reversal",
                **beyond,
            },
            {
                "metric": "log_loss",
                "value": log_loss,
                "naive_value": 1.08,
                "skill_high": skill_high,
            },
        ]
    ).assign(**common)


PROVEN, UNPROVEN = {"ic": (0.02, 0.01, 0.03)}, {"ic": (0.02, -0.01, 0.05)}


def rankings(version: str, n_right: int, n_wrong: int, first="2023-01-02") -> pd.DataFrame:
    """Sessions in which a version put three tickers in the right order, then in the wrong one.

    Its daily rank ICs are n_right times 1, then n_wrong times -1.
    """
    n_sessions = n_right + n_wrong
    sign = np.r_[np.ones(n_right), -np.ones(n_wrong)]
    return pd.DataFrame(
        {
            "model": "lstm",
            "model_version": version,
            "window": "holdout",
            "horizon": 1,
            "session": np.repeat(pd.bdate_range(first, periods=n_sessions), 3),
            "ticker": np.tile(["TICK1", "TICK2", "TICK3"], n_sessions),
            "score": (sign[:, None] * [1.0, 2.0, 3.0]).ravel(),
            "realised_return_tradable": np.tile([0.01, 0.02, 0.03], n_sessions),
        }
    )


def decision(challenger, champion, forecasts, challenger_version="2"):
    evaluation = pd.concat([judged(**challenger, version="2"), judged(**champion, version="1")])
    return decide("lstm", challenger_version, "1", evaluation, forecasts, seed=1)


BETTER = pd.concat([rankings("1", 0, 100), rankings("2", 100, 0)])
WORSE = pd.concat([rankings("1", 100, 0), rankings("2", 0, 100)])
ALIKE = pd.concat([rankings("1", 50, 50), rankings("2", 50, 50)])


@pytest.mark.parametrize(
    ("ic", "log_loss", "proven"),
    [
        ((0.02, 0.01, 0.03), 1.07, True),
        ((0.02, 0.01, 0.03), 1.08, True),  # as good as the prior is not worse
        ((0.02, 0.01, 0.03), 1.09, False),
        ((0.02, 0.00, 0.04), 1.07, False),  # an interval that touches zero is not above it
        ((0.02, -0.01, 0.05), 1.07, False),
        ((-0.02, -0.03, -0.01), 1.07, False),
        ((np.nan, np.nan, np.nan), 1.07, False),
        ((0.02, 0.01, 0.03), np.nan, False),
    ],
)
def test_skill_is_a_rank_ic_beyond_doubt_and_a_log_loss_not_worse_than_the_priors(
    ic, log_loss, proven
):
    found, numbers = has_shown_skill(judged(ic, log_loss), "lstm", "1")
    assert found is proven
    assert f"{ic[0]:.4f}" in numbers


@pytest.mark.parametrize(("skill_high", "proven"), [(0.001, True), (0.0, True), (-0.001, False)])
def test_a_log_loss_above_the_priors_counts_once_chance_is_ruled_out(skill_high, proven):
    found, _ = has_shown_skill(judged(log_loss=1.09, skill_high=skill_high), "lstm", "1")
    assert found is proven


def test_only_the_holdout_at_the_horizon_of_the_action_counts():
    evaluation = pd.concat(
        [
            judged(**UNPROVEN),
            judged(**PROVEN, window="2023H1"),
            judged(**PROVEN, horizon=5),
            judged(**PROVEN, version="2"),
        ]
    )
    assert not has_shown_skill(evaluation, "lstm", "1")[0]
    assert has_shown_skill(evaluation, "lstm", "2")[0]


def test_a_version_that_was_never_evaluated_cannot_be_judged():
    with pytest.raises(DatasetError, match=r"lstm 9 has no evaluation; materialise"):
        has_shown_skill(judged(), "lstm", "9")


@pytest.mark.parametrize(("figures", "proven"), [(PROVEN, True), (UNPROVEN, False)])
def test_somebody_must_serve_so_the_first_is_promoted(figures, proven):
    verdict = decide("lstm", "1", None, judged(**figures), ALIKE, seed=1)
    assert (verdict.decision, verdict.is_proven) == ("promoted", proven)
    assert verdict.reason.startswith("first champion")


@pytest.mark.parametrize(("figures", "proven"), [(PROVEN, True), (UNPROVEN, False)])
def test_the_champion_trained_again_is_confirmed(figures, proven):
    verdict = decide("lstm", "1", "1", judged(**figures), ALIKE, seed=1)
    assert (verdict.decision, verdict.is_proven) == ("confirmed", proven)


def test_a_proven_champion_does_not_give_way_to_an_unproven_challenger():
    verdict = decision(UNPROVEN, PROVEN, BETTER)
    assert (verdict.decision, verdict.is_proven) == ("kept", True)
    assert "version 2 has not shown skill" in verdict.reason


@pytest.mark.parametrize(
    ("challenger", "champion", "proven"),
    [(PROVEN, PROVEN, True), (UNPROVEN, UNPROVEN, False), (PROVEN, UNPROVEN, True)],
    ids=["both proven", "neither proven", "only the challenger proven"],
)
@pytest.mark.parametrize("forecasts", [ALIKE, BETTER], ids=["as good", "better"])
def test_a_challenger_that_is_not_worse_beyond_doubt_is_promoted(
    challenger, champion, proven, forecasts
):
    verdict = decision(challenger, champion, forecasts)
    assert (verdict.decision, verdict.is_proven) == ("promoted", proven)
    assert "on 100 common sessions" in verdict.reason


@pytest.mark.parametrize(
    ("challenger", "champion", "champion_proven"),
    [(PROVEN, PROVEN, True), (UNPROVEN, UNPROVEN, False), (PROVEN, UNPROVEN, False)],
    ids=["both proven", "neither proven", "only the challenger proven"],
)
def test_a_challenger_worse_beyond_doubt_is_not_promoted(challenger, champion, champion_proven):
    verdict = decision(challenger, champion, WORSE)
    # The status that is published is the one of whoever serves: here the champion's.
    assert (verdict.decision, verdict.is_proven) == ("kept", champion_proven)
    assert "[-2.0000, -2.0000]" in verdict.reason


def test_a_challenger_a_little_worse_gets_the_benefit_of_the_doubt():
    # 52 right of 100 against 50 right: two sessions make the difference.
    little = pd.concat([rankings("1", 52, 48), rankings("2", 50, 50)])
    assert decision(PROVEN, PROVEN, little).decision == "promoted"


@pytest.mark.parametrize(
    ("n_common", "outcome"), [(MIN_COMMON_SESSIONS, "kept"), (MIN_COMMON_SESSIONS - 1, "promoted")]
)
def test_too_few_common_sessions_alone_say_nothing(n_common, outcome):
    forecasts = pd.concat([rankings("1", n_common, 0), rankings("2", 0, 100)])
    verdict = decision(PROVEN, PROVEN, forecasts)
    assert verdict.decision == outcome
    assert ("only 59 sessions in common" in verdict.reason) == (outcome == "promoted")


# One below the other by .05, each known to within .03 or .04: the difference to within .05.
@pytest.mark.parametrize(
    ("mine", "theirs", "outcome", "interval"),
    [
        ((0.01, -0.03, 0.04), (0.07, 0.03, 0.10), "kept", "[-0.1100, -0.0100]"),
        ((0.01, -0.03, 0.04), (0.06, 0.02, 0.09), "promoted", "[-0.1000, 0.0000]"),
        ((0.07, 0.03, 0.10), (0.01, -0.03, 0.04), "promoted", "[0.0100, 0.1100]"),
    ],
    ids=["worse beyond doubt", "worse by doubt", "better"],
)
def test_where_sessions_are_too_few_each_is_compared_with_its_own_baselines(
    mine, theirs, outcome, interval
):
    """√(.04² + .03²) = .05: lower end of the one, upper end of the other, at right angles."""
    later = pd.concat([rankings("1", 100, 0), rankings("2", 0, 100, first="2024-01-02")])
    verdict = decision({**PROVEN, "excess": mine}, {**PROVEN, "excess": theirs}, later)
    assert verdict.decision == outcome
    assert "only 0 sessions in common with version 1" in verdict.reason
    assert f"{mine[0]:.4f} (reversal), version 1's {theirs[0]:.4f}" in verdict.reason
    assert "rank IC minus that of the best without a model, on its own" in verdict.reason
    assert f"difference {interval}" in verdict.reason.replace("-0.0000", "0.0000")


def test_enough_common_sessions_make_the_baselines_no_matter():
    much_worse, much_better = (0.0, -0.01, 0.01), (0.5, 0.49, 0.51)
    verdict = decision({**PROVEN, "excess": much_worse}, {**PROVEN, "excess": much_better}, BETTER)
    assert verdict.decision == "promoted"
    assert "without a model" not in verdict.reason


def test_without_figures_against_baselines_nothing_is_said_against_a_challenger():
    """Those of an earlier program have none."""
    apart = pd.concat([rankings("1", 100, 0), rankings("2", 0, 100, first="2024-01-02")])
    known = {**PROVEN, "excess": (0.0, -0.01, 0.01)}
    for challenger, champion, who in ((known, PROVEN, "1"), (PROVEN, known, "2")):
        verdict = decision(challenger, champion, apart)
        assert verdict.decision == "promoted"
        assert f"of version {who} nobody knows how it did against baselines" in verdict.reason


def test_no_common_session_at_all_is_no_comparison():
    forecasts = pd.concat([rankings("1", 100, 0), rankings("2", 0, 100, first="2024-01-02")])
    verdict = decision(PROVEN, PROVEN, forecasts)
    assert verdict.decision == "promoted"
    assert "only 0 sessions in common" in verdict.reason


def test_only_sessions_that_both_forecast_are_compared():
    # The champion was right on 200 sessions that the challenger never saw, wrong where both were.
    forecasts = pd.concat(
        [
            rankings("1", 200, 0, first="2022-01-03"),
            rankings("1", 0, 80, first="2023-01-02"),
            rankings("2", 80, 0, first="2023-01-02"),
        ]
    )
    verdict = decision(PROVEN, PROVEN, forecasts)
    assert "on 80 common sessions [2.0000, 2.0000]" in verdict.reason


def test_another_horizon_model_or_window_takes_no_part_in_the_comparison():
    noise = pd.concat(
        [
            WORSE.assign(horizon=5),
            WORSE.assign(model="random_forest"),
            WORSE.assign(window="2023H1"),
        ]
    )
    assert "[2.0000, 2.0000]" in decision(PROVEN, PROVEN, pd.concat([BETTER, noise])).reason


def test_the_rule_on_forecasts_of_known_skill():
    """A model that knows takes over from a guesser, and gives way to none."""
    first = made_forecasts({("lstm", "1"): 0.0}, n_sessions=150, seed=2)
    second = made_forecasts({("lstm", "2"): 0.3}, n_sessions=150)
    third = made_forecasts({("lstm", "3"): 0.0}, claimed=0.2, n_sessions=150)
    evaluation = forecasts = None
    verdicts = []
    for version, champion, rows in [("1", None, first), ("2", "1", second), ("3", "2", third)]:
        forecasts = accumulate(forecasts, rows)
        evaluation = accumulate(evaluation, evaluate(rows, seed=1))
        verdict = decide("lstm", version, champion, evaluation, forecasts, seed=1)
        verdicts.append((verdict.decision, verdict.is_proven))
    assert verdicts == [("promoted", False), ("promoted", True), ("kept", True)]


@pytest.mark.parametrize("champion", [None, "1"])
def test_a_scoped_challenger_is_refused_whatever_it_has_shown(champion):
    scope = Experiment(label="signal_cluster").scope
    evaluation = pd.concat([judged(**PROVEN, version="2"), judged(**UNPROVEN, version="1")])
    verdict = decide("lstm", "2", champion, evaluation, BETTER, 1, scope)
    assert verdict.decision == "kept" and not verdict.is_proven
    assert verdict.reason.startswith("version 2 has signal_cluster labels, is scoped and never")
    assert verdict.reason.endswith("has predicted nothing")
    verdict = decide("lstm", "2", champion, evaluation, BETTER, 1, Experiment(horizon=5).scope)
    assert verdict.reason == "version 2 is scoped and never serves: horizon=5"


@pytest.mark.parametrize("champion", [None, "1"])
def test_a_failed_check_keeps_a_challenger_out_by_its_name(champion):
    evaluation = pd.concat([judged(**PROVEN, version="2"), judged(**UNPROVEN, version="1")])
    failed = ["quotes: quotes_are_fresh", "folds: roles_are_purged"]
    verdict = decide("lstm", "2", champion, evaluation, BETTER, 1, failed_checks=failed)
    assert (verdict.decision, verdict.is_proven) == ("kept", False)
    assert verdict.reason == (
        "version 2 is kept out by failed checks: quotes: quotes_are_fresh, folds: roles_are_purged"
    )


def test_a_failed_check_says_nothing_against_the_champion_trained_again():
    verdict = decide("lstm", "1", "1", judged(**PROVEN), ALIKE, 1, failed_checks=["quotes: late"])
    assert verdict.decision == "confirmed"


def test_what_a_person_rolled_back_from_is_not_promoted_again_however_good():
    evaluation = pd.concat([judged(**PROVEN, version="2"), judged(**UNPROVEN, version="1")])
    verdict = decide("lstm", "2", "1", evaluation, BETTER, 1, put_aside={"2", "3"})
    assert (verdict.decision, verdict.is_proven) == ("kept", False)
    assert "version 2 stays out: a person put it aside" in verdict.reason
    assert decide("lstm", "2", "1", evaluation, BETTER, 1, put_aside={"3"}).decision == "promoted"


def test_a_champion_that_was_never_evaluated_has_shown_no_skill():
    """A person may promote any version by hand."""
    verdict = decide("lstm", "2", "1", judged(**UNPROVEN, version="2"), ALIKE, seed=1)
    assert verdict.decision == "promoted"


@pytest.mark.parametrize(("figures", "proven"), [(PROVEN, True), (UNPROVEN, False)])
def test_a_champion_that_says_nothing_any_more_stands_in_nobodys_way(figures, proven):
    """However proven it is: somebody must serve, and it is as if nobody did."""
    evaluation = pd.concat([judged(**figures, version="2"), judged(**PROVEN, version="1")])
    verdict = decide("lstm", "2", "1", evaluation, WORSE, 1, silent="it was trained 61 days ago")
    assert (verdict.decision, verdict.is_proven) == ("promoted", proven)
    assert verdict.reason.startswith(
        "version 1 says nothing any more (it was trained 61 days ago); it has"
    )


def test_nor_does_it_let_in_what_is_scoped_failed_a_check_or_was_put_aside():
    evaluation = pd.concat([judged(**PROVEN, version="2"), judged(**PROVEN, version="1")])
    for kept_by in ({"scope": "horizon=5"}, {"failed_checks": ["quotes"]}, {"put_aside": {"2"}}):
        verdict = decide("lstm", "2", "1", evaluation, BETTER, 1, silent="old", **kept_by)
        assert (verdict.decision, verdict.is_proven) == ("kept", True)
