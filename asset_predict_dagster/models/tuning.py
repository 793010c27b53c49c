"""Tuning: settings tried on purged folds, the default ones first, the best kept as a preset.

A trial is one set of settings; its steps are the folds of `tuning_folds`, each a model fitted anew.
After each fold but the last, a trial that is below the median of the others so far is given up.

Searching settings is largely searching noise. So the preset says how much better than the default
it did on the very same sessions, the standard error of that, and how much better the best of so
many equal trials would look by luck alone. It counts every trial ever run, for whoever deflates a
figure by the number of tries.
"""

import hashlib
import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from asset_predict_dagster import __version__
from asset_predict_dagster.errors import AssetPredictError, SettingsError
from asset_predict_dagster.models.kinds import learner_of, settings_of, space_of
from asset_predict_dagster.models.presets import write_preset
from asset_predict_dagster.models.search_space import (
    refuse_another_search,
    settings_of_trial,
)
from asset_predict_dagster.models.tuned import (
    BY_SESSION,
    PARTS,
    WORTH,
    Tuned,
    summary,
    trials_table,
)
from asset_predict_dagster.models.tuning_folds import TuningData, judge

if TYPE_CHECKING:
    from optuna import Trial

    from asset_predict_dagster.models.studies import OpenStudy

Report = Callable[[dict[str, Any]], None]
"""Hears of every trial of this process that has ended; `describe_trial` says it in words."""

LEAST_OTHERS = 5
"""Trials that must have got to a step before another is given up there."""


def tune(
    model: str,
    base: BaseModel,
    data: TuningData,
    feature_names: tuple[str, ...],
    *,
    store: Path,
    presets: Path,
    now: datetime,
    n_trials: int = 50,
    timeout: float | None = None,
    report: Report | None = None,
) -> Tuned:
    """Run trials until the study has `n_trials`, and keep the best settings as a preset.

    Several processes may do it at once: together they run `n_trials`. A study that has them
    already runs none and writes its preset again; one that was killed goes on where it was.

    Parameters
    ----------
    base
        The settings that are not searched, the seed among them; they are the first trial.
    feature_names
        Columns of the samples that the model reads, in this order.
    store
        The SQLite file of the studies.
    presets
        The folder that the preset is written to.
    now
        Stands in the preset.
    timeout
        Seconds after which no further trial begins; the first one of a call always does. One that
        is under way is ended.

    Raises
    ------
    SettingsError
        If the model has no search space, or `n_trials` or `timeout` cannot be.
    TrainingError
        If no trial could be judged, or the file or the folder cannot be written.
    """
    space = space_of(model)
    if not isinstance(base, settings_of(model)):
        raise SettingsError(f"{model}: settings are of another model, {type(base).__name__}")
    refuse_another_search(model, base)
    if n_trials < 1:
        raise SettingsError(f"n_trials should be at least 1; found {n_trials}")
    if timeout is not None and not timeout > 0:
        raise SettingsError(f"timeout should be above 0 seconds; found {timeout}")
    from asset_predict_dagster.models.studies import opened

    facts = _facts(model, base, data, feature_names)
    name = f"{model}-{_digest({**facts, 'data': data.digest, 'space': repr(space)})[:12]}"
    begun = time.monotonic()
    with opened(store, name, base.model_dump().get("seed", 0), facts) as study:
        n_run = 0
        while not (n_run and timeout is not None and time.monotonic() - begun >= timeout):
            trial = study.next_trial(n_trials, space)
            if trial is None:
                break
            _run(study, trial, model, base, data, feature_names)
            n_run += 1
            if report is not None:
                spent = time.monotonic() - begun
                report(_progress(study, trial.number, n_trials, spent / n_run, spent, timeout))
        # A process that is done later knows more; it must also be the one that writes later.
        with study.lock:
            tuned = summary(study, model, base, data.experiment, study.trials_ever(model))
            write_preset(presets, tuned.preset, _content(tuned, data, now))
    return tuned


def describe_trial(progress: dict[str, Any]) -> str:
    """One reported trial in words.

    >>> describe_trial({"trial": 3, "n_ended": 4, "n_trials": 50, "state": "complete",
    ...     "value": 0.0312, "best": 0.0312, "default": 0.0305, "seconds_left": 61.2, "reason": ""})
    'trial 3 (4 of 50 ended) complete: 0.0312; best 0.0312, default 0.0305, about 61 s left'
    """
    said = progress["reason"] or _number(progress["value"])
    return (
        f"trial {progress['trial']} ({progress['n_ended']} of {progress['n_trials']} ended)"
        f" {progress['state']}: {said}; best {_number(progress['best'])}, default"
        f" {_number(progress['default'])}, about {progress['seconds_left']:.0f} s left"
    )


def _run(
    study: "OpenStudy",
    trial: "Trial",
    model: str,
    base: BaseModel,
    data: TuningData,
    feature_names: tuple[str, ...],
) -> None:
    """Judge a trial fold by fold, and close it."""
    from optuna.trial import TrialState

    from asset_predict_dagster.models.studies import is_behind
    from asset_predict_dagster.models.trial_sampler import FAILED, IS_DEFAULT

    is_default = IS_DEFAULT in trial.user_attrs
    seen: list[np.ndarray] = []
    try:
        settings = settings_of_trial(base, trial.params)
        for step, window in enumerate(data.windows):
            seen.append(judge(learner_of(model, settings, feature_names), data, window))
            trial.report(float(np.concatenate(seen).sum(axis=1).mean()), step)
            is_last = window == data.windows[-1]
            if not (is_last or is_default) and is_behind(
                study.study, trial.number, step, LEAST_OTHERS
            ):
                break
    except AssetPredictError as error:
        trial.set_user_attr(FAILED, str(error))
        study.study.tell(trial, state=TrialState.FAIL)
        return
    sessions = np.concatenate(seen)
    worth = dict(zip(PARTS, sessions.mean(axis=0).tolist(), strict=True))
    trial.set_user_attr(WORTH, {**worth, BY_SESSION: sessions.sum(axis=1).round(6).tolist()})
    if len(seen) < len(data.windows):
        study.study.tell(trial, state=TrialState.PRUNED)
    else:
        study.study.tell(trial, float(sessions.sum(axis=1).mean()))


def _progress(
    study: "OpenStudy",
    number: int,
    n_trials: int,
    pace: float,
    spent: float,
    timeout: float | None,
) -> dict[str, Any]:
    trials = study.trials()
    table = trials_table(trials)
    row = table[table["trial"] == number].iloc[0]
    n_ended = int((table["state"] != "running").sum())
    left = pace * max(n_trials - len(trials), 0)
    return {
        "trial": number,
        "n_ended": n_ended,
        "n_trials": n_trials,
        "state": row["state"],
        "value": row["value"],
        "best": table["value"][table["state"] == "complete"].max(),
        "default": table["value"][table["is_default"]].max(),
        "seconds_left": left if timeout is None else max(min(left, timeout - spent), 0.0),
        "reason": row["reason"],
    }


def _facts(
    model: str, base: BaseModel, data: TuningData, feature_names: tuple[str, ...]
) -> dict[str, Any]:
    """What a study is of, in JSON's own values, but for the data themselves."""
    settings = base.model_dump(mode="json")
    settings.pop("n_jobs", None)  # a forest does not depend on it
    first, last = data.samples.sessions[[0, -1]]
    return {
        "model": model,
        "settings": settings,
        "experiment": data.experiment.as_card(),
        "features": list(feature_names),
        "sessions": [str(first), str(last)],
        "code_version": __version__,
    }


def _content(tuned: Tuned, data: TuningData, now: datetime) -> dict[str, Any]:
    numbers = ("value", "default_value", "advantage", "standard_error", "luck", "verdict")
    return {
        "model": tuned.model,
        "settings": tuned.settings,
        **{name: getattr(tuned, name) for name in numbers},
        "study": tuned.study,
        "n_trials": tuned.n_trials,
        "n_trials_ever": tuned.n_trials_ever,
        "last_session": str(data.samples.sessions[-1]),
        "span": data.experiment.definition.span,
        "tuned_at": now.isoformat(timespec="seconds"),
    }


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _number(value: float) -> str:
    return "unknown" if np.isnan(value) else f"{value:.4f}"
