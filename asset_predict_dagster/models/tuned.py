"""What a study amounts to: its best settings, and how little or much speaks for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.stats import norm

from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.presets import preset_name
from asset_predict_dagster.models.search_space import settings_of_trial, worth_keeping

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from asset_predict_dagster.models.studies import OpenStudy

WORTH = "worth"
"""Attribute of a trial that was judged: a number for each of `PARTS`, and a list, `BY_SESSION`."""

PARTS = ("log_loss_skill", "rank_ic")
"""The means of the two numbers that make a trial's value."""

BY_SESSION = "by_session"
"""A trial's value in each session, in order of time."""

LEAST_COMPLETE = 5
"""Complete trials that drew their settings before it is asked which settings mattered."""


@dataclass(frozen=True)
class Tuned:
    """What a study amounts to so far.

    Attributes
    ----------
    model, study, preset
        Names of the model, its study, and the preset that now holds `settings`.
    settings
        The best ones, by the names that a training takes; what is the default is left out.
    value, default_value
        Of the best trial and of the default settings: the mean over sessions of the number that
        `tuning_folds` defines. None where the default settings could not be judged.
    advantage, standard_error
        Of the best over the default: mean over the same sessions, and its standard error.
    luck
        The advantage that the best of as many trials would show if none of them were any better.
    verdict
        The same in a sentence.
    n_trials, n_trials_ever
        Trials of which a figure was seen: in this study, and of this model in any.
    trials
        A row a trial, in order: `trial, state` (complete, pruned, failed, running), `value`,
        `standard_error, log_loss_skill, rank_ic, is_default, is_best, seconds, reason`, and what
        it drew. A value that is not known is NaN, of a pruned trial it is that of its folds so far.
    importance
        A row a setting, `setting, importance`: its share of what separates the good trials from
        the others (PED-ANOVA); empty before five that drew are
        complete, and while they are all alike.
    """

    model: str
    study: str
    preset: str
    settings: dict[str, Any]
    value: float
    default_value: float | None
    advantage: float | None
    standard_error: float | None
    luck: float | None
    verdict: str
    n_trials: int
    n_trials_ever: int
    trials: pd.DataFrame
    importance: pd.DataFrame


def summary(
    study: "OpenStudy", model: str, base: BaseModel, experiment: Experiment, n_ever: int
) -> Tuned:
    """What the trials of a study amount to; `n_ever` is what `studies.trials_ever` says.

    Raises
    ------
    TrainingError
        If no trial is complete.
    """
    from asset_predict_dagster.models.trial_sampler import IS_DEFAULT

    trials = study.trials()
    table = trials_table(trials)
    complete = table[table["state"] == "complete"]
    if complete.empty:
        n_running = int((table["state"] == "running").sum())
        if n_running:
            raise TrainingError(
                f"{model}: none of {len(table)} trials has ended, and {n_running} of them run in"
                " another process, which will write the preset"
            )
        raise TrainingError(
            f"{model}: all of {len(table)} trials failed, the first because"
            f" {table['reason'].iloc[0]}; mend that, and tune with a larger n_trials"
        )
    best = next(t for t in trials if t.number == complete.loc[complete["value"].idxmax(), "trial"])
    default = next((t for t in trials if IS_DEFAULT in t.user_attrs and t.value is not None), None)
    n_judged = int(table["state"].isin(("complete", "pruned")).sum())
    advantage = error = luck = None
    if default is not None:
        apart = np.subtract(_by_session(best), _by_session(default))
        advantage, error = float(apart.mean()), standard_error(apart)
        luck = error * expected_maximum(n_judged - 1)
    settings = worth_keeping(settings_of_trial(base, best.params), base)
    return Tuned(
        model=model,
        study=study.study.study_name,
        preset=preset_name(model, experiment),
        settings=worth_keeping(experiment, experiment) | settings,
        value=float(best.value or 0.0),
        default_value=None if default is None else float(default.value or 0.0),
        advantage=advantage,
        standard_error=error,
        luck=luck,
        verdict=_verdict(advantage, error, luck, n_judged, best is default),
        n_trials=n_judged,
        n_trials_ever=n_ever,
        trials=table.assign(is_best=table["trial"] == best.number),
        importance=_importance(trials),
    )


def _verdict(
    advantage: float | None,
    error: float | None,
    luck: float | None,
    n_judged: int,
    is_default: bool,
) -> str:
    if advantage is None or error is None or luck is None:
        return "the default settings have not been judged, so nothing is known to be better"
    if is_default:
        return f"the default settings are the best of {n_judged} trials"
    said = f"better than the default by {advantage:.4f} (standard error {error:.4f})"
    if advantage <= error:
        return f"{said}: within one standard error, so no better settings were found"
    if advantage <= luck:
        return f"{said}: no more than the {luck:.4f} that luck gives the best of {n_judged} trials"
    return f"{said}: more than the {luck:.4f} that luck gives the best of {n_judged} trials"


def trials_table(trials: Sequence["FrozenTrial"]) -> pd.DataFrame:
    """A row a trial: the columns of `Tuned.trials`, but for `is_best`."""
    from asset_predict_dagster.models.trial_sampler import FAILED, IS_DEFAULT

    rows = [
        {
            "trial": trial.number,
            "state": {"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower()),
            "value": np.nan if trial.value is None else trial.value,
            "standard_error": standard_error(_by_session(trial)),
            **{part: trial.user_attrs.get(WORTH, {}).get(part, np.nan) for part in PARTS},
            "is_default": IS_DEFAULT in trial.user_attrs,
            "seconds": trial.duration.total_seconds() if trial.duration else np.nan,
            "reason": trial.user_attrs.get(FAILED, ""),
            **trial.params,
        }
        for trial in trials
    ]
    return pd.DataFrame(rows)


def _by_session(trial: "FrozenTrial") -> list[float]:
    return trial.user_attrs.get(WORTH, {}).get(BY_SESSION, [])


def _importance(trials: Sequence["FrozenTrial"]) -> pd.DataFrame:
    import optuna

    # The default settings were not drawn: they say nothing of the space.
    drawn = [trial for trial in trials if trial.params and trial.state.name == "COMPLETE"]
    shares: dict[str, float] = {}
    if len(drawn) >= LEAST_COMPLETE and len({trial.value for trial in drawn}) > 1:
        alone = optuna.create_study(direction="maximize")
        alone.add_trials(drawn)
        shares = optuna.importance.get_param_importances(alone)
    return pd.DataFrame({"setting": list(shares), "importance": list(shares.values())})


def expected_maximum(n: int) -> float:
    """Of `n` independent standard normal numbers, nearly (Bailey and López de Prado 2014); 0 if 0.

    >>> [round(expected_maximum(n), 2) for n in (0, 1, 2, 10, 50)]
    [0.0, 0.0, 0.52, 1.57, 2.28]
    """
    if n < 2:
        return 0.0
    weight = np.euler_gamma
    return float((1 - weight) * norm.ppf(1 - 1 / n) + weight * norm.ppf(1 - 1 / (n * np.e)))


def standard_error(by_session: Sequence[float] | np.ndarray) -> float:
    """Of the mean; NaN of fewer than two sessions. Returns of one session ahead do not overlap."""
    n = len(by_session)
    return float(np.std(by_session, ddof=1) / np.sqrt(n)) if n > 1 else np.nan
