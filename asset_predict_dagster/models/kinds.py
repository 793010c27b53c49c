"""Kinds of model: what can be trained, by name. A third model is one file and one line here.

All that is made once for each model is made from its line: its asset with the run config, its
tuning, its presets, its place in the registry, in the evaluation and among the predictions.

The baselines follow the same protocol, `base.Learner`. Ridge has settings and is calibrated, so it
has a line here. The others only count (`baselines.BaselineLearner`): they have nothing to set, so
they are made by their name where figures are compared, and not here.

Nothing is imported before it is asked for: torch and scikit-learn take seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from asset_predict_dagster.dataset.model_columns import (
    FOREST_FEATURES,
    LSTM_FEATURES,
    RIDGE_FEATURES,
)
from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models import search_space
from asset_predict_dagster.models.base import Learner


@dataclass(frozen=True)
class Kind:
    """One model: where it is, what it reads, what of it is searched, and what people see of it.

    Attributes
    ----------
    learner, settings
        `module:class` of this package. The learner is made as `learner(feature_names, settings)`,
        with what it `takes` besides; the settings refuse unknown or impossible ones themselves.
    feature_names
        What it reads of the catalogue, in order.
    takes
        Those of `OFFERED` that its learner has a parameter for.
    space
        What a tuning may change; empty: it is not tuned.
    summary
        What its asset says of itself, in a sentence; empty: a baseline, which has no asset and is
        never registered.
    made_with
        What its asset is made with, as tags of the UI.
    """

    learner: str
    settings: str
    feature_names: tuple[str, ...]
    takes: tuple[str, ...] = ()
    space: search_space.Space = field(default_factory=dict)
    summary: str = ""
    made_with: tuple[str, ...] = ()


OFFERED = ("span", "embargo", "report", "checkpoint")
"""What a learner may be told of its training: sessions after t that a label looks at, and sessions
left out beyond; whom to tell of every epoch (`lstm_training.Report`); the path to put it away at,
until `forget()` is called."""

KINDS: Mapping[str, Kind] = {
    "random_forest": Kind(
        "random_forest:RandomForestLearner",
        "forest_settings:ForestSettings",
        FOREST_FEATURES,
        takes=("span", "embargo"),
        space=search_space.GROWTH,
        summary="Twin forests, of the action and of the returns: one registered version, two"
        " bundles.",
        made_with=("scikitlearn", "onnx"),
    ),
    "lstm": Kind(
        "lstm_learner:LstmLearner",
        "lstm_settings:LstmSettings",
        LSTM_FEATURES,
        takes=("report", "checkpoint"),
        space=search_space.LSTM_SPACE,
        summary="An LSTM with two heads, action and returns: one registered version, two bundles.",
        made_with=("pytorch", "onnx"),
    ),
    "ridge": Kind("linear:LinearLearner", "linear:LinearSettings", RIDGE_FEATURES),
}
"""Registered name → what it is."""

MODEL_NAMES = tuple(name for name, kind in KINDS.items() if kind.summary)
"""The models that are trained, registered, evaluated and served, in this order."""


def settings_of(model: str) -> type[BaseModel]:
    """The class of a model's settings; unknown or impossible ones it refuses itself."""
    return _loaded(_kind(model).settings)


def features_of(model: str) -> tuple[str, ...]:
    """The features that a model is given, in order."""
    return _kind(model).feature_names


def space_of(model: str) -> search_space.Space:
    """What a tuning of the model may change, or `SettingsError` if there is nothing."""
    if model not in KINDS or not KINDS[model].space:
        tuned = [name for name, kind in KINDS.items() if kind.space]
        raise SettingsError(f"there is no search space of '{model}'; tune {' or '.join(tuned)}")
    return KINDS[model].space


def learner_of(
    model: str, settings: BaseModel, feature_names: tuple[str, ...] | None = None, **offered: Any
) -> Learner:
    """The learner of a model, ready to fit.

    Parameters
    ----------
    settings
        An instance of `settings_of(model)`.
    feature_names
        Columns of the samples that it reads, in this order; None: those of `features_of`.
    offered
        Some of `OFFERED`; the learner is given those that it takes.

    Raises
    ------
    SettingsError
        If there is no such model, or the settings are another one's.
    """
    unknown = sorted(offered.keys() - set(OFFERED))
    if unknown:
        raise TypeError(f"learners may be offered {OFFERED}, not {unknown}")
    wanted = settings_of(model)
    if not isinstance(settings, wanted):
        raise SettingsError(
            f"{model} takes {wanted.__name__}; found {type(settings).__name__}, which are"
            " another model's"
        )
    kind = _kind(model)
    names = kind.feature_names if feature_names is None else feature_names
    told = {name: offered[name] for name in kind.takes if name in offered}
    return _loaded(kind.learner)(names, settings, **told)


def _kind(model: str) -> Kind:
    if model in KINDS:
        return KINDS[model]
    from asset_predict_dagster.models.baselines import BASELINES

    known = ", ".join(KINDS)
    if model in BASELINES:
        raise SettingsError(
            f"{model} is a baseline that counts and has nothing to set, so it is not trained by"
            f" itself; choose one of {known}, and find it beside their figures"
        )
    raise SettingsError(f"there is no model '{model}'; choose one of {known}")


def _loaded(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(f"{__package__}.{module}"), name)
