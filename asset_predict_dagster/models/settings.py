"""Settings: what people write, flat names and all, becomes an experiment and a model's knobs.

One reader for the run config of Dagster, the command line, the REST API and presets, so that each
of them knows the same names, aliases too, and refuses the same mistakes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from asset_predict_dagster.errors import SettingsError, SettingTypeError, in_words, is_out_of_range
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.kinds import KINDS, settings_of
from asset_predict_dagster.models.presets import Preset, read_preset

ALIASES = {"lr": "learning_rate", "hidden_size": "units"}
"""Names that other programs use → ours; only where the model has the setting."""

PRESET = "preset"
"""Entry that is no setting: the name of what the settings that are not written come from."""

_LONGEST_NAME = 40

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

    Numbers, switches, days and lists may be written as text ("0.2", "true", "PETR4,VALE3",
    "1..5"), a dash in a name stands for an underscore, and "none" for nothing where nothing is
    allowed. What is not given has its default.

    Raises
    ------
    SettingsError
        If a setting is unknown, given twice under two names, or out of range; `SettingTypeError` if
        one is of another type.

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
        known = our_name(name)
        if known in IGNORED:
            if not (value is None or isinstance(value, str)):
                raise SettingTypeError(f"{model}: {name}={value!r} should be text")
            ignored.append(known)
            continue
        if known not in fields:
            raise SettingsError(_unknown(model, name))
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
class Asked:
    """What a person asks of a training.

    Attributes
    ----------
    experiment, knobs, ignored
        As of `parse_settings`.
    preset
        What the settings that were not written come from; None: no preset was named.
    """

    experiment: Experiment
    knobs: Any
    ignored: tuple[str, ...]
    preset: Preset | None

    @property
    def n_trials(self) -> int:
        """How many settings were tried before these were chosen."""
        return 1 if self.preset is None else self.preset.n_trials


def asked_settings(model: str, written: Mapping[str, Any], *, presets: Path, seed: int) -> Asked:
    """What is asked for: what is written, above the preset it names, above the default and `seed`.

    Parameters
    ----------
    written
        Settings by name, and perhaps `preset`, the name of a file in `presets`.

    Raises
    ------
    SettingsError
        As of `parse_settings` and `read_preset`.
    """
    written = dict(written)
    name = written.pop(PRESET, None)
    preset = read_preset(presets, name, model) if name else None
    below = {"seed": seed, **(preset.settings if preset else {})}
    # The same setting may be written under another name than the preset's.
    first = {our_name(name) for name in written}
    below = {name: value for name, value in below.items() if our_name(name) not in first}
    return Asked(*parse_settings(model, {**below, **written}), preset)


def names_of(model: str) -> dict[str, FieldInfo]:
    """Every name that a setting of the model may be written by, aliases too.

    Raises
    ------
    SettingsError
        If there is no such model.
    """
    fields = fields_of(model)
    return fields | {alias: fields[name] for alias, name in ALIASES.items() if name in fields}


def our_name(name: str) -> str:
    """Our name of what is written.

    >>> our_name("batch-size"), our_name("lr")
    ('batch_size', 'learning_rate')
    """
    plain = name.strip().replace("-", "_")
    return ALIASES.get(plain, plain)


def _unknown(model: str, name: str) -> str:
    """The sentence about a name that nobody knows: the allowed names that are near it, then the
    others as they are declared."""
    # To compare long names takes long, and nobody means one.
    name = name[:_LONGEST_NAME]
    allowed = [*names_of(model), *IGNORED]
    allowed = dict.fromkeys([*get_close_matches(name, allowed), *allowed])
    elsewhere = [m for m in KINDS if our_name(name) in fields_of(m)]
    hint = f" (it is one of {elsewhere[0]})" if elsewhere else ""
    return f"{model} has no setting '{name}'{hint}; allowed are {', '.join(allowed)}"


def _read(model: str, name: str, value: Any, field: FieldInfo) -> Any:
    """Text as what the field holds; what pydantic reads by itself is left to it."""
    allowed = (field.annotation, *get_args(field.annotation))
    # pydantic takes True for 1.
    if isinstance(value, bool) and bool not in allowed:
        raise SettingTypeError(f"{model}: {name}={value} should not be a switch")
    if not isinstance(value, str):
        return value
    text = value.strip()
    if NoneType in allowed and text.lower() in ("", "none", "null"):
        return None
    through = re.fullmatch(r"(\d{1,3}) *\.\. *(\d{1,3})", text)
    if through:
        return list(range(int(through[1]), int(through[2]) + 1))
    parts = [part.strip() for part in text.strip("[]()").split(",") if part.strip()]
    if any(get_origin(kind) is tuple for kind in allowed):
        return parts
    # Longer than any number that is allowed, and no longer than Python reads.
    return [int(p) if re.fullmatch(r"\d{1,9}", p) else p for p in parts] if "," in text else text


def _built(model: str, kind: type[BaseModel], values: dict[str, Any]) -> Any:
    try:
        return kind(**values)
    except SettingsError as refused:
        cause = refused.__cause__
        if not isinstance(cause, ValidationError):
            raise
        # A contradiction between settings is a `value_error`: each of them has its type.
        is_typed = all(
            problem["type"] == "value_error" or is_out_of_range(problem)
            for problem in cause.errors()
        )
        error = SettingsError if is_typed else SettingTypeError
        raise error(f"{model}: {in_words(cause)}") from None
