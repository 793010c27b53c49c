"""What a trial tries: settings drawn by TPE, the same whichever process draws them.

This file imports optuna: import it inside functions only.
"""

from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from asset_predict_dagster.models.search_space import Choice, Space

JUDGED = (TrialState.COMPLETE, TrialState.PRUNED)
"""Trials of which a figure was seen."""

FAILED = "failed"
"""Attribute of a trial that could not be judged: the reason, in a sentence."""

IS_DEFAULT = "is_default"
"""Attribute of the trial of the settings that are not tuned."""


class OneSeedAPlace(BaseSampler):
    """TPE that starts afresh at each trial, from the seed and the place of the trial.

    Optuna's own would draw the same first settings again in every process that has its seed.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._tpe = TPESampler(seed=seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        place = sum(
            other.number < trial.number and not was_killed(other)
            for other in study.get_trials(deepcopy=False)
        )
        seed = np.random.SeedSequence([self._seed, place]).generate_state(1)[0]
        self._tpe = TPESampler(seed=int(seed))
        self._tpe.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        # Settings that all trials share: the default's trial draws none, so it is passed over.
        spaces = [
            other.distributions
            for other in study.get_trials(deepcopy=False, states=JUDGED)
            if IS_DEFAULT not in other.user_attrs
        ]
        return dict(sorted(spaces[0].items())) if spaces else {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)


def was_killed(trial: FrozenTrial) -> bool:
    """Whether a trial has ended without being judged or failing by itself."""
    return trial.state == TrialState.FAIL and FAILED not in trial.user_attrs


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space in Optuna's words."""
    return {
        name: CategoricalDistribution(knob.values)
        if isinstance(knob, Choice)
        else IntDistribution(knob.low, knob.high, log=knob.is_log, step=knob.step)
        if isinstance(knob.low, int) and isinstance(knob.high, int)
        else FloatDistribution(knob.low, knob.high, log=knob.is_log)
        for name, knob in space.items()
    }
