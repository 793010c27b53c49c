"""Settings: what people write, flat names and all, becomes an experiment and a model's knobs.

One reader for the run config of Dagster, the command line, the REST API and presets, so that each
of them knows the same names and refuses the same mistakes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from asset_predict_dagster.errors import SettingsError, in_words
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.kinds import KINDS, settings_of

ALIASES = {"lr": "learning_rate", "hidden_size": "units"}
"""Names that other programs use → ours; only where the model has the setting."""

IGNORED = ("model_dir", "model_path", "price_col")
"""Accepted for the sake of existing clients: bundles and prices have a place of their own."""


def fields_of(model: str) -> dict[str, FieldInfo]:
    """Every setting of a model by name: those of the experiment, then its own knobs.

    Raises
    ------
    SettingsError
        If there is no such model.
    """
    return {**Experiment.model_fields, **settings_of(model).model_fields}


def parse_settings(model: str, given: Mapping[str, Any]) -> tuple[Experiment, Any, tuple[str, ...]]:
    """The experiment, the model's own settings, and the names that are accepted but do nothing.

    Numbers, switches, days and lists may be written as text ("0.2", "true", "PETR4,VALE3"), a
    dash in a name stands for an underscore, and "none" for nothing where nothing is allowed.
    What is not given has its default.

    Raises
    ------
    SettingsError
        If a setting is unknown, given twice under two names, or out of range.

    Examples
    --------
    >>> experiment, knobs, ignored = parse_settings(
    ...     "lstm", {"hidden_size": "48", "horizon": 5, "model_dir": "models"})
    >>> knobs.units, experiment.horizon, ignored
    (48, 5, ('model_dir',))
    """
    fields = fields_of(model)
    found: dict[str, Any] = {}
    written: dict[str, str] = {}
    ignored = []
    for name, value in given.items():
        plain = name.strip().replace("-", "_")
        if plain in IGNORED:
            if not isinstance(value, str):
                raise SettingsError(f"{model}: {name}={value!r} should be text")
            ignored.append(plain)
            continue
        known = ALIASES.get(plain, plain)
        if known not in fields:
            raise SettingsError(_unknown(model, name, plain))
        if known in found:
            raise SettingsError(
                f"{model}: '{written[known]}' and '{name}' are the same setting; give one of them"
            )
        found[known] = _read(model, name, value, fields[known])
        written[known] = name
    asked = {name: value for name, value in found.items() if name in Experiment.model_fields}
    knobs = {name: value for name, value in found.items() if name not in asked}
    return (
        _built(model, Experiment, asked),
        _built(model, settings_of(model), knobs),
        tuple(sorted(ignored)),
    )


@dataclass(frozen=True)
class Preset:
    """Settings that were kept, and out of how many tried ones they were chosen (1: none other)."""

    settings: dict[str, Any]
    n_trials: int


def read_preset(folder: Path, name: str, model: str) -> Preset:
    """What `<folder>/<name>.json` keeps: {"model": ..., "settings": {...}, "n_trials_ever": ...}.

    Other entries of the file, such as how it was found, are for people. One that a person wrote
    need not say how many were tried.

    Raises
    ------
    SettingsError
        If there is no such preset, it is damaged, or it is of another model.
    """
    # A name, not a path: callers of the service choose it.
    path = folder / f"{name}.json"
    if not re.fullmatch(r"\w[\w-]*", name) or not path.is_file():
        there = ", ".join(sorted(found.stem for found in folder.glob("*.json"))) or "none"
        raise SettingsError(f"{model}: there is no preset '{name}'; there are {there}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        of_model, settings = content["model"], dict(content["settings"])
        n_trials = int(content.get("n_trials_ever", 1))
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsError(
            f"preset '{name}' should be JSON with the entries model and settings ({error}); tune"
            " again"
        ) from None
    if of_model != model:
        raise SettingsError(f"preset '{name}' is of {of_model}, not of {model}; choose another")
    return Preset(settings, n_trials)


def _unknown(model: str, name: str, plain: str) -> str:
    """The sentence about a name that nobody knows; the nearest allowed names come first."""
    allowed = [*fields_of(model), *IGNORED]
    allowed += [alias for alias, known in ALIASES.items() if known in allowed]
    allowed.sort(key=lambda other: -SequenceMatcher(None, plain, other).ratio())
    elsewhere = [m for m in KINDS if ALIASES.get(plain, plain) in fields_of(m)]
    hint = f" (it is one of {elsewhere[0]})" if elsewhere else ""
    return f"{model} has no setting '{name}'{hint}; allowed are {', '.join(allowed)}"


def _read(model: str, name: str, value: Any, field: FieldInfo) -> Any:
    """Text as what the field holds; what pydantic reads by itself is left to it."""
    allowed = (field.annotation, *get_args(field.annotation))
    # pydantic takes True for 1.
    if isinstance(value, bool) and bool not in allowed:
        raise SettingsError(f"{model}: {name}={value} should not be a switch")
    if not isinstance(value, str):
        return value
    text = value.strip()
    if NoneType in allowed and text.lower() in ("", "none", "null"):
        return None
    parts = [part.strip() for part in text.strip("[]()").split(",") if part.strip()]
    if any(get_origin(kind) is tuple for kind in allowed):
        return parts
    return [int(p) if p.isdecimal() else p for p in parts] if "," in text else text


def _built(model: str, kind: type[BaseModel], values: dict[str, Any]) -> Any:
    try:
        return kind(**values)
    except SettingsError as refused:
        if isinstance(refused.__cause__, ValidationError):
            raise SettingsError(f"{model}: {in_words(refused.__cause__)}") from None
        raise
