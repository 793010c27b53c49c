"""What a person asks of a training in one go: which models, and which of them is told what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from asset_predict_dagster.models.settings import (
    IGNORED,
    PRESET,
    asked_settings,
    names_of,
    our_name,
)


@dataclass(frozen=True)
class AskedTraining:
    """What to train, checked and as a run config takes it.

    Attributes
    ----------
    by_model
        Model → the settings that were written for it, by our names, of JSON's types.
    ignored
        Names that are accepted and do nothing.
    """

    by_model: Mapping[str, dict[str, Any]]
    ignored: tuple[str, ...]

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self.by_model)


def asked_training(
    models: Sequence[str], written: Mapping[str, Any], *, presets: Path, seed: int
) -> AskedTraining:
    """Every setting given to those of the models that have it, and all of them checked.

    Where two models are asked for, a setting that one of them has is told to that one. What none
    of them has is refused.

    Parameters
    ----------
    written
        Settings by name, numbers and lists as text or not (`parse_settings`), perhaps `preset`
        among them. None stands for what was not written.
    presets, seed
        As for `asked_settings`.

    Raises
    ------
    SettingsError
        If a setting is unknown, given twice under two names, or out of range.
    """
    given = {name: value for name, value in written.items() if value is not None}
    by_model: dict[str, dict[str, Any]] = {}
    ignored: set[str] = set()
    for model in models:
        # What no model has is given to each, to be refused in its own words.
        elsewhere = {name for other in models for name in names_of(other)} - set(names_of(model))
        mine = {n: value for n, value in given.items() if our_name(n) not in elsewhere}
        asked = asked_settings(model, mine, presets=presets, seed=seed)
        checked = {**dict(asked.experiment), **dict(asked.knobs)}
        names = {our_name(name) for name in mine} - {PRESET, *IGNORED}
        by_model[model] = {name: _plain(checked[name]) for name in sorted(names)}
        if PRESET in mine:
            by_model[model][PRESET] = mine[PRESET]
        ignored |= set(asked.ignored)
    return AskedTraining(by_model, tuple(sorted(ignored)))


def _plain(value: Any) -> Any:
    """As JSON and YAML have it."""
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
