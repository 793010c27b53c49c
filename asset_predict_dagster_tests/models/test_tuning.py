"""Tuning goes on where it was, counts what it tried, and does not take luck for skill."""

import json
import multiprocessing
from dataclasses import replace

import numpy as np
import optuna
import pytest

from asset_predict_dagster.errors import SettingsError, TrainingError
from asset_predict_dagster.models import tuning
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.forest_settings import ForestSettings
from asset_predict_dagster.models.kinds import space_of
from asset_predict_dagster.models.lstm_settings import LstmSettings
from asset_predict_dagster.models.settings import parse_settings, read_preset
from asset_predict_dagster.models.studies import is_behind, opened, trials_ever
from asset_predict_dagster.models.tuned import expected_maximum
from asset_predict_dagster.models.tuning import describe_trial
from asset_predict_dagster_tests.models.tuning_market import (
    BASE,
    NOW,
    QuickJudge,
    data,
    tune,
    tune_elsewhere,
)

DRAWN = ["min_samples_leaf", "max_features", "max_samples", "max_depth"]


@pytest.fixture(scope="module")
def given():
    return data()


@pytest.fixture
def quick(monkeypatch):
    """Trials that take no time; the mechanics of a study do not depend on what they judge."""
    judge = QuickJudge()
    monkeypatch.setattr(tuning, "judge", judge)
    return judge


def drawn(tuned):
    """What each trial that counts drew and came to, in order."""
    return tuned.trials[[*DRAWN, "state", "value", "is_default"]].reset_index(drop=True)


# --- Real models -------------------------------------------------------------------------------


def test_a_forest_is_tuned_from_its_own_settings_on(given, tmp_path):
    told = []
    tuned = tune(tmp_path, given, 3, report=told.append)
    first, *others = (row for _, row in tuned.trials.iterrows())
    assert first["is_default"] and np.isnan(first["max_depth"])
    for trial in others:
        assert not trial["is_default"] and 4 <= trial["max_depth"] <= 16
    assert tuned.value == tuned.trials["value"].max()
    assert tuned.default_value == first["value"]
    both = tuned.trials[["log_loss_skill", "rank_ic"]].sum(axis=1)
    assert tuned.trials["value"].to_numpy() == pytest.approx(both.to_numpy())
    assert [trial["n_ended"] for trial in told] == [1, 2, 3]
    assert [trial["trial"] for trial in told] == [0, 1, 2]
    assert told[0]["seconds_left"] > told[1]["seconds_left"] > told[2]["seconds_left"] == 0
    assert "best" in describe_trial(told[2])


def test_a_network_is_tuned_too(given, tmp_path):
    base = LstmSettings(epochs=1, n_seeds=1, lookback=5, block_sessions=16)
    tuned = tune(tmp_path, given, 2, model="lstm", base=base)
    assert tuned.trials["state"].tolist() == ["complete", "complete"]
    assert tuned.trials["units"].iloc[1] % 16 == 0
    assert read_preset(tmp_path / "presets", "lstm", "lstm").settings == tuned.settings


# --- Going on ----------------------------------------------------------------------------------


def test_n_trials_is_what_the_study_has_in_the_end(quick, given, tmp_path):
    whole = tune(tmp_path / "whole", given, 14)
    for n_trials in (1, 5, 14):
        told = []
        parts = tune(tmp_path / "parts", given, n_trials, report=told.append)
        assert parts.n_trials == n_trials
    assert len(told) == 9
    assert drawn(parts).equals(drawn(whole))
    # Beyond the tenth trial the settings come from what went before, not from chance.
    assert len(drawn(whole)[DRAWN].drop_duplicates()) == 14
    before = quick.n_judged
    assert drawn(tune(tmp_path / "parts", given, 8)).equals(drawn(whole))
    assert quick.n_judged == before


def test_another_seed_draws_other_settings(quick, given, tmp_path):
    one = tune(tmp_path, given, 3)
    other = tune(tmp_path, given, 3, base=BASE.model_copy(update={"seed": 43}))
    assert one.study != other.study
    assert not drawn(one).equals(drawn(other))


def test_a_killed_study_ends_as_an_undisturbed_one(quick, given, tmp_path):
    """Killed in its twelfth trial, which draws from those before it."""
    processes = multiprocessing.get_context("spawn")
    told = processes.Queue()
    killed = processes.Process(
        target=tune_elsewhere, args=(str(tmp_path), given, 14, QuickJudge(dies_after=31), told)
    )
    killed.start()
    killed.join(60)
    assert killed.exitcode == -9
    assert drawn(tune(tmp_path, given, 14)).equals(drawn(tune(tmp_path / "whole", given, 14)))
    assert sorted(path.name for path in (tmp_path / "studies.db.locks").iterdir()) == ["study.lock"]


def test_processes_share_the_trials_of_a_study(given, tmp_path):
    processes = multiprocessing.get_context("spawn")
    told = processes.Queue()
    workers = [
        processes.Process(
            target=tune_elsewhere, args=(str(tmp_path), given, 16, QuickJudge(seconds=0.05), told)
        )
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    numbers = [told.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert all(numbers)
    assert sorted(numbers[0] + numbers[1]) == list(range(16))
    tuned = tune(tmp_path, given, 16)
    assert tuned.trials["is_default"].sum() == 1
    assert len(drawn(tuned)[DRAWN].drop_duplicates()) == 16
    assert (
        read_preset(tmp_path / "presets", "random_forest", "random_forest").settings
        == tuned.settings
    )


def test_no_trial_begins_after_the_timeout_but_the_first(quick, given, tmp_path):
    told = []
    tuned = tune(tmp_path, given, 5, timeout=1e-9, report=told.append)
    assert tuned.n_trials == 1
    assert told[0]["seconds_left"] == 0
    assert tune(tmp_path, given, 5, timeout=1e-9).n_trials == 2
    assert tune(tmp_path, given, 5, timeout=60.0).n_trials == 5


# --- Figures that may meet ---------------------------------------------------------------------


def test_figures_of_other_data_or_settings_never_meet(quick, given, tmp_path):
    wider = replace(given, experiment=Experiment(horizon=5))
    other = replace(given, tradable=given.tradable + 0.1)
    base = BASE.model_copy(update={"n_estimators": 3})
    fewer = given.samples.feature_names[:3]
    studies = [
        tune(tmp_path, given, 1).study,
        tune(tmp_path, wider, 1).study,
        tune(tmp_path, other, 1).study,
        tune(tmp_path, given, 1, base=base).study,
        tune(tmp_path, given, 1, feature_names=fewer).study,
    ]
    assert len(set(studies)) == 5
    threads = BASE.model_copy(update={"n_jobs": 2})
    again = tune(tmp_path, given, 2, base=threads)
    assert again.study == studies[0]
    assert (again.n_trials, again.n_trials_ever) == (2, 6)


def test_every_trial_of_a_model_is_counted_whatever_it_was_judged_on(quick, given, tmp_path):
    assert trials_ever(tmp_path / "studies.db", "random_forest") == 0
    tune(tmp_path, given, 3)
    tune(tmp_path, replace(given, tradable=given.tradable + 0.1), 4)
    assert trials_ever(tmp_path / "studies.db", "random_forest") == 7
    assert trials_ever(tmp_path / "studies.db", "lstm") == 0


# --- What speaks for the best ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        # Three standard errors, and luck gives the best of five candidates 1.19.
        (3.0, "better than the default by 0.0300 (standard error 0.0100): more than the 0.0119"),
        (1.1, "better than the default by 0.0110 (standard error 0.0100): no more than the 0.0119"),
        (0.9, "within one standard error, so no better settings were found"),
        (-1.0, "the default settings are the best of 6 trials"),
    ],
)
def test_the_best_is_held_against_noise_and_luck(monkeypatch, given, tmp_path, gain, verdict):
    """Each trial but the default gains the same, ± .1, in each of 3 × 34 sessions."""
    swing = np.tile([0.1, -0.1], 17) * np.sqrt(101 / 102)

    def judge(learner, _, window):
        is_default = learner.settings["max_features"] == BASE.max_features
        worth = np.zeros(34) if is_default else swing + gain * 0.1 / np.sqrt(102)
        return np.column_stack([worth, np.zeros(34)])

    monkeypatch.setattr(tuning, "judge", judge)
    tuned = tune(tmp_path, given, 6)
    scale = 0.01 * np.sqrt(102) / 10
    assert verdict.split(":")[-1].split(" 0.")[0] in tuned.verdict
    if gain > 0:
        assert tuned.advantage == pytest.approx(gain * 0.1 / np.sqrt(102), abs=1e-6)
        assert tuned.standard_error == pytest.approx(0.1 / np.sqrt(102), rel=1e-3)
        assert tuned.luck == pytest.approx(1.19 * scale * 0.98, rel=0.02)
    else:
        assert tuned.advantage == 0 and tuned.settings == {"n_estimators": 2, "max_depth": 6}


def test_luck_is_the_best_of_so_many_numbers_drawn_from_nothing():
    random = np.random.default_rng(0)
    for n in (5, 20, 100):
        drawn_best = random.standard_normal((4_000, n)).max(axis=1).mean()
        assert expected_maximum(n) == pytest.approx(drawn_best, rel=0.05)


def test_the_preset_is_what_training_takes_and_says_what_speaks_for_it(quick, given, tmp_path):
    tuned = tune(tmp_path, given, 12)
    content = json.loads((tmp_path / "presets" / "random_forest.json").read_text())
    assert content["study"] == tuned.study
    assert content["tuned_at"] == NOW.isoformat()
    assert (content["n_trials"], content["n_trials_ever"]) == (12, 12)
    assert content["value"] - content["default_value"] == pytest.approx(tuned.advantage, abs=1e-6)
    assert content["verdict"] == tuned.verdict
    settings = read_preset(tmp_path / "presets", "random_forest", "random_forest").settings
    _, knobs, _ = parse_settings("random_forest", settings)
    best = tuned.trials[tuned.trials["is_best"]].iloc[0]
    assert knobs.max_depth == best["max_depth"]
    assert knobs.max_features == pytest.approx(best["max_features"], rel=1e-3)
    assert tuned.importance["importance"].sum() == pytest.approx(1)
    assert set(tuned.importance["setting"]) == set(DRAWN)


def test_a_scoped_tuning_leaves_the_other_preset_alone(quick, given, tmp_path):
    five = Experiment(horizon=5)
    tune(tmp_path, given, 1)
    tuned = tune(tmp_path, replace(given, experiment=five), 2)
    assert tuned.preset == f"random_forest_{five.window}"
    settings = read_preset(tmp_path / "presets", tuned.preset, "random_forest").settings
    assert parse_settings("random_forest", settings)[0] == five
    kept = read_preset(tmp_path / "presets", "random_forest", "random_forest")
    assert "horizon" not in kept.settings


# --- Trials that are given up, or fail ---------------------------------------------------------


def test_a_trial_below_the_median_of_enough_others_is_behind():
    study = optuna.create_study(direction="maximize")
    for value in (0.1, 0.2, 0.4, 0.5, 9.0):
        trial = study.ask()
        trial.report(value, 0)
        study.tell(trial, value)
    for value, behind in ((0.41, False), (0.4, False), (0.39, True)):
        # It stays under way, and so is no judge of the next.
        trial = study.ask()
        trial.report(value, 0)
        assert is_behind(study, trial.number, 0, least=5) == behind
        assert not is_behind(study, trial.number, 0, least=6)


def test_trials_are_given_up(quick, given, tmp_path):
    worst = ForestSettings(max_features=0.1, max_depth=1)
    tuned = tune(tmp_path, given, 20, base=worst)
    states = tuned.trials["state"].value_counts()
    assert states["pruned"] > 0
    assert quick.n_judged < 60
    pruned = tuned.trials[tuned.trials["state"] == "pruned"]
    assert not pruned["is_best"].any()
    assert tuned.n_trials == 20


def test_the_default_settings_are_judged_to_the_end_however_late(quick, given, tmp_path):
    """Another process took them, let eight better ones pass, and is gone."""
    worst = ForestSettings(max_features=0.1, max_depth=1)
    name = tune(tmp_path / "elsewhere", given, 1, base=worst).study
    with opened(tmp_path / "studies.db", name, worst.seed, {}) as slow:
        taken = slow.next_trial(9, space_of("random_forest"))
        assert tune(tmp_path, given, 9, base=worst).default_value is None
    tuned = tune(tmp_path, given, 9, base=worst)
    default = tuned.trials[tuned.trials["is_default"]].iloc[0]
    assert default["trial"] > taken.number
    assert default["state"] == "complete"
    assert default["value"] == tuned.trials["value"].min()
    assert tuned.n_trials == 9


def test_a_trial_that_fails_says_why_and_the_study_goes_on(quick, given, tmp_path):
    quick.fails_at = tuple(range(4, 11, 2))
    told = []
    base = BASE.model_copy(update={"max_depth": None})
    tuned = tune(tmp_path, given, 12, base=base, report=told.append)
    failed = tuned.trials[tuned.trials["state"] == "failed"]
    assert len(failed) > 0
    for _, trial in failed.iterrows():
        assert trial["reason"] == f"a depth of {trial['max_depth']:.0f} is refused"
    assert len(tuned.trials) == len(told) == 12
    assert tuned.n_trials == 12 - len(failed)
    assert any("failed: a depth of" in describe_trial(trial) for trial in told)


def test_nothing_is_called_better_than_a_default_that_could_not_be_judged(quick, given, tmp_path):
    quick.fails_at = (BASE.max_depth,)
    tuned = tune(tmp_path, given, 4)
    assert tuned.default_value is tuned.advantage is None
    assert "have not been judged" in tuned.verdict


def test_a_study_of_failures_alone_is_an_error_with_the_first_reason(quick, given, tmp_path):
    quick.fails_at = tuple(range(1, 17))
    with pytest.raises(TrainingError, match="all of 3 trials failed, the first because a depth"):
        tune(tmp_path, given, 3)
    assert not (tmp_path / "presets").exists()


def test_a_defect_stops_the_study_and_its_trial_does_not_count(monkeypatch, given, tmp_path):
    def broken(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(tuning, "judge", broken)
        with pytest.raises(ZeroDivisionError):
            tune(tmp_path, given, 2)
    monkeypatch.setattr(tuning, "judge", QuickJudge())
    tuned = tune(tmp_path, given, 2)
    assert tuned.trials["state"].tolist() == ["complete", "complete"]
    assert tuned.trials["is_default"].tolist() == [True, False]


# --- What cannot be asked ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"model": "momentum"}, "no search space of 'momentum'"),
        ({"base": LstmSettings()}, "random_forest: settings are of another model, LstmSettings"),
        ({"base": ForestSettings(search="random")}, "search=random within a tuning"),
        ({"n_trials": 0}, "n_trials should be at least 1; found 0"),
        ({"timeout": 0.0}, "timeout should be above 0 seconds; found 0.0"),
        ({"timeout": float("nan")}, "timeout should be above 0 seconds; found nan"),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_anything_is_written(asked, reason, given, tmp_path):
    with pytest.raises(SettingsError, match=reason):
        tune(tmp_path, given, **{"n_trials": 2, **asked})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_holds_no_studies_is_said_to_and_left_alone(quick, given, tmp_path):
    (tmp_path / "studies.db").write_bytes(b"not a database" * 100)
    with pytest.raises(TrainingError, match=r"studies\.db should be a file of studies"):
        tune(tmp_path, given, 1)
    assert (tmp_path / "studies.db").read_bytes().startswith(b"not a database")


def test_a_place_that_cannot_be_written_is_said(quick, given, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="studies cannot be kept in"):
        tune(tmp_path / "file", given, 1)
    (tmp_path / "presets").write_text("")
    with pytest.raises(TrainingError, match="presets cannot be written to"):
        tune(tmp_path, given, 1)
