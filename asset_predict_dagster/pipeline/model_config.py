"""Run config of the models: every setting by name, with its type, meaning, limits and default.

Made from the settings' own classes, so that the launchpad of the UI can neither lack a setting nor
tell another story of it. A name or a type that is wrong ends a run before it begins; a value that
is out of range ends the model's step before it trains.
"""

from datetime import date
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import dagster as dg
from pydantic.fields import FieldInfo

from asset_predict_dagster.models.described import limits_of, meanings_of
from asset_predict_dagster.models.settings import ALIASES, IGNORED, PRESET, names_of


def config_fields(model: str) -> dict[str, dg.Field]:
    """The config schema of a model's asset; nothing of it has to be given.

    No field has a default of its own: what is not written comes from the preset, if one is named,
    then from the settings' class.
    """
    meanings = meanings_of(model)
    preset = dg.Field(
        str,
        is_required=False,
        description=f"Name of settings that were tuned, such as {model}: they come from"
        " presets/<name>.json of the data folder. What is written here beside it goes first.",
    )
    ignored = dg.Field(
        str,
        is_required=False,
        description="Accepted for the sake of other programs, and does nothing: bundles and prices"
        " have a place of their own.",
    )
    shown = {PRESET: preset, **dict.fromkeys(IGNORED, ignored)}
    for name, field in names_of(model).items():
        meaning = f"The same as {ALIASES[name]}." if name in ALIASES else meanings.get(name, "")
        shown[name] = dg.Field(
            _config_type(f"{model}_{name}", _as_written(name, field)),
            is_required=False,
            description=" ".join(filter(None, [meaning, limits_of(name, field)])),
        )
    return shown


def _as_written(name: str, field: FieldInfo) -> Any:
    # How many there are, a list of them, or "1..5": Dagster has no type of all three.
    return Any if name == "horizons" else field.annotation


def _config_type(name: str, annotation: Any) -> Any:
    """Dagster's type of a pydantic field; `Any` where it has none, and our own reader decides."""
    options = [kind for kind in get_args(annotation) if kind is not NoneType]
    if NoneType in get_args(annotation):
        inner = _config_type(name, options[0]) if len(options) == 1 else dg.Any
        return dg.Noneable(inner)
    if get_origin(annotation) is Literal:
        return dg.Enum(name, [dg.EnumValue(value) for value in options])
    if get_origin(annotation) is tuple:
        return dg.Array(_config_type(name, options[0]))
    # YAML may write a day with or without quotes; both arrive as text.
    return {bool: bool, int: int, float: float, str: str, date: str}.get(annotation, dg.Any)
