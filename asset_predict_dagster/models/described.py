"""Settings in words: what each means and may be, from its own class, for whoever shows them."""

import inspect
import re
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.kinds import settings_of

_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def meanings_of(model: str) -> dict[str, str]:
    """Name of each setting of a model, its experiment's included → what it means.

    Raises
    ------
    SettingsError
        If there is no such model.
    """
    return described(settings_of(model)) | described(Experiment)


def described(settings: type[BaseModel]) -> dict[str, str]:
    """Name of each setting → what the section Attributes of the class's docstring says of it."""
    text = inspect.cleandoc(settings.__doc__ or "").partition("Attributes\n----------\n")[2]
    meanings = {}
    # An entry is a line of names at the margin, and the indented lines below it.
    for names, meaning in re.findall(r"^(\w[\w, ]*)\n((?:[ ]+\S.*\n?|\n)+)", text, re.MULTILINE):
        for name in names.split(","):
            meanings[name.strip()] = " ".join(meaning.split())
    return meanings


def limits_of(name: str, field: FieldInfo) -> str:
    """What a setting may be and what it is by default, in brackets.

    >>> limits_of("val_size", Experiment.model_fields["val_size"])
    '(above 0, below 1; default 0.2)'
    """
    said = [
        f"{word} {getattr(limit, sign)}"
        for limit in field.metadata
        for sign, word in _LIMITS.items()
        if hasattr(limit, sign)
    ]
    choices = [choice for kind in _kinds(field) for choice in get_args(kind)]
    if choices:
        said.append(f"one of {', '.join(map(str, choices))}")
    # The seed of a run is a setting of the environment.
    default = "that of SEED" if name == "seed" else field.get_default(call_default_factory=True)
    shown = "none" if default in (None, ()) else default
    return f"({'; '.join([*filter(None, [', '.join(said)]), f'default {shown}'])})"


def _kinds(field: FieldInfo) -> list[Any]:
    """The choices of a setting that is one of some words, as types."""
    options = (field.annotation, *get_args(field.annotation))
    return [kind for kind in options if get_origin(kind) is Literal]
