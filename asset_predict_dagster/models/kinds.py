"""Kinds of model: what can be trained, by name. A third model is one file and one line here.

Nothing is imported before it is asked for: torch and scikit-learn take seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from asset_predict_dagster.dataset.model_columns import (
    FOREST_FEATURES,
    LSTM_FEATURES,
    RIDGE_FEATURES,
)
from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.base import Learner


@dataclass(frozen=True)
class Kind:
    """Where a model's learner and its settings are, as `module:class` of this package, and what
    it reads of the catalogue.

    The learner is made as `learner(feature_names, settings)`, and with what it takes besides.
    """

    learner: str
    settings: str
    feature_names: tuple[str, ...]


KINDS: Mapping[str, Kind] = {
    "random_forest": Kind(
        "random_forest:RandomForestLearner", "forest_settings:ForestSettings", FOREST_FEATURES
    ),
    "lstm": Kind("lstm_learner:LstmLearner", "lstm_settings:LstmSettings", LSTM_FEATURES),
    "ridge": Kind("linear:LinearLearner", "linear:LinearSettings", RIDGE_FEATURES),
}
"""Registered name → what it is."""


def settings_of(model: str) -> type[BaseModel]:
    """The class of a model's settings; unknown or impossible ones it refuses itself."""
    return _loaded(_kind(model).settings)


def features_of(model: str) -> tuple[str, ...]:
    """The features that a model is given, in order."""
    return _kind(model).feature_names


def learner_of(
    model: str, settings: BaseModel, feature_names: tuple[str, ...] | None = None, **more: Any
) -> Learner:
    """The learner of a model, ready to fit.

    Parameters
    ----------
    settings
        An instance of `settings_of(model)`.
    feature_names
        Columns of the samples that it reads, in this order; None: those of `features_of`.
    more
        What only some learners take: the forest's `span` and `embargo`, the LSTM's `report` and
        `checkpoint`.

    Raises
    ------
    SettingsError
        If there is no such model, or the settings are another one's.
    """
    wanted = settings_of(model)
    if not isinstance(settings, wanted):
        raise SettingsError(
            f"{model} takes {wanted.__name__}; found {type(settings).__name__}, which are"
            " another model's"
        )
    names = features_of(model) if feature_names is None else feature_names
    return _loaded(_kind(model).learner)(names, settings, **more)


def _kind(model: str) -> Kind:
    if model not in KINDS:
        raise SettingsError(f"there is no model '{model}'; choose one of {', '.join(KINDS)}")
    return KINDS[model]


def _loaded(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(f"{__package__}.{module}"), name)
