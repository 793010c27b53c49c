"""What is searched: the range of each setting that a tuning may change.

`kinds.py` says which space is which model's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from asset_predict_dagster.errors import SettingsError


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where `low` is whole."""

    low: float
    high: float
    step: int = 1
    is_log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of these."""

    values: tuple[int, ...]


Space = Mapping[str, Range | Choice]
"""Name of a setting → what it may be."""

GROWTH: Mapping[str, Range] = {
    "min_samples_leaf": Range(20, 1_000, is_log=True),
    "max_features": Range(0.1, 0.8),
    "max_samples": Range(0.1, 0.8),
    "max_depth": Range(4, 16),
}
"""How the trees of a forest grow: for a tuning, and for the search within a fit."""

LSTM_SPACE: Mapping[str, Range | Choice] = {
    "units": Range(32, 256, step=16),
    "num_layers": Range(1, 4),
    "dropout": Range(0.1, 0.5),
    "learning_rate": Range(1e-5, 1e-2, is_log=True),
    "batch_size": Choice((16, 32, 64, 128, 256)),
    "weight_decay": Range(1e-6, 1e-3, is_log=True),
}
"""Of the LSTM. The default settings need not lie in a space: they are always tried first."""

_OF_THE_RUN = ("seed", "n_jobs", "threads", "device")
"""Settings that say where and from which start something runs, not what it is."""


def refuse_another_search(model: str, base: BaseModel) -> None:
    """A forest that searches by itself would not grow as the trial says: `SettingsError`."""
    search = getattr(base, "search", "none")
    if search != "none":
        raise SettingsError(f"{model}: search={search} within a tuning; tune with search=none")


def settings_of_trial(base: BaseModel, drawn: Mapping[str, Any]) -> BaseModel:
    """`base` with what a trial drew, rounded to four digits, in its place.

    What nobody gave follows from what was drawn, as where a person writes it.
    """
    # Sixteen digits would say more than is known, and a person is to read them.
    rounded = {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in drawn.items()
    }
    return type(base)(**{**base.model_dump(exclude_unset=True), **rounded})


def worth_keeping(settings: BaseModel, base: BaseModel) -> dict[str, Any]:
    """The settings of a preset: what is not the default, or was tuned away from `base`.

    Seed, threads and device are left out.
    """
    default, before = (other.model_dump(mode="json") for other in (type(settings)(), base))
    return {
        name: value
        for name, value in settings.model_dump(mode="json").items()
        if name not in _OF_THE_RUN and (value != default[name] or value != before[name])
    }
