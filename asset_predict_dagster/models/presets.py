"""Presets: settings that were tuned, one JSON file a name, and what speaks for them.

A name is the model's; one that was tuned on another experiment than the default has the
experiment's window behind it, so that it cannot take the other's place.

A preset knows the outcomes that it was chosen by. A training whose test holds any of them refuses
it: what was chosen on a test's sessions looks better there than it is.
"""

import json
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import SettingsError, TrainingError
from asset_predict_dagster.models.experiment import Experiment


@dataclass(frozen=True)
class Preset:
    """Settings that were kept, and what they were chosen by.

    Attributes
    ----------
    n_trials
        Out of how many tried ones they were chosen; 1: there was no other.
    last_session, span
        The last session whose label they were chosen by, and how many sessions after it that
        label looks; None where nobody says so.
    """

    settings: dict[str, Any]
    n_trials: int
    name: str = ""
    last_session: date | None = None
    span: int = 0


def preset_name(model: str, experiment: Experiment) -> str:
    """The name under which settings of a model are kept.

    >>> preset_name("lstm", Experiment()), preset_name("lstm", Experiment(horizon=5))
    ('lstm', 'lstm_scoped_c020264b')
    """
    return model if experiment.is_default else f"{model}_{experiment.window}"


def write_preset(folder: Path, name: str, content: dict[str, Any]) -> Path:
    """Put `<folder>/<name>.json` in place in one step, and return where it is.

    Parameters
    ----------
    content
        What `read_preset` reads; everything else is for people.

    Raises
    ------
    TrainingError
        If the folder cannot be written.
    """
    target = folder / f"{name}.json"
    text = json.dumps({"name": name, **content}, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as beside:
            written = Path(beside) / target.name
            written.write_text(text + "\n", encoding="utf-8")
            os.replace(written, target)
    except OSError as error:
        raise TrainingError(
            f"presets cannot be written to {folder}: {error.strerror}; point ASSET_PREDICT_DATA at"
            " a folder that can"
        ) from error
    return target


def read_preset(folder: Path, name: str, model: str) -> Preset:
    """What `<folder>/<name>.json` keeps: `model`, `settings`, `n_trials_ever`, `last_session`,
    `span`.

    Other entries of the file, such as how it was found, are for people. One that a person wrote
    needs the first two alone: then one set was tried, and no session is known to have decided.

    Raises
    ------
    SettingsError
        If there is no such preset, it is damaged, or it is of another model.
    """
    # A name, not a path, and none that no file can have: callers of the service choose it.
    path = folder / f"{name}.json"
    if not re.fullmatch(r"\w[\w-]{0,59}", name) or not path.is_file():
        there = ", ".join(sorted(found.stem for found in folder.glob("*.json"))) or "none"
        raise SettingsError(f"{model}: there is no preset '{name}'; there are {there}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        of_model = content["model"]
        last = content.get("last_session")
        preset = Preset(
            dict(content["settings"]),
            int(content.get("n_trials_ever", 1)),
            name,
            None if last is None else date.fromisoformat(last),
            int(content.get("span", 0)),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsError(
            f"preset '{name}' should be JSON with the entries model and settings ({error}); tune"
            " again"
        ) from None
    if of_model != model:
        raise SettingsError(f"preset '{name}' is of {of_model}, not of {model}; choose another")
    return preset


def refuse_known_test(
    preset: Preset, sessions: np.ndarray, folds: pd.DataFrame, window: str
) -> None:
    """Refuse a preset that was chosen by outcomes of the sessions it would be tested on.

    Parameters
    ----------
    sessions
        Shape (n_sessions,), datetime64, sorted: all that the samples have.
    folds
        Rows of `tables.FOLDS`, those of `window` among them.

    Raises
    ------
    SettingsError
        If the test begins before the last outcome that decided.
    """
    if preset.last_session is None:
        return
    of_test = folds[(folds["window"] == window) & (folds["role"] == "test")]
    first = np.datetime64(of_test["session"].min(), "D")
    days = sessions.astype("datetime64[D]")
    n_decided = np.searchsorted(days, np.datetime64(preset.last_session), side="right")
    if np.searchsorted(days, first) < n_decided + preset.span:
        raise SettingsError(
            f"preset '{preset.name}' was chosen by labels up to {preset.last_session}, which look"
            f" {preset.span} sessions ahead, and the test of window {window} begins on {first}:"
            " what it would be tested on has chosen it; tune this experiment, or test on later"
            " sessions"
        )
