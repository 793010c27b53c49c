"""Presets: settings that were tuned, one JSON file a name, and what speaks for them.

`settings.read_preset` reads them. A name is the model's; one that was tuned on another experiment
than the default has the experiment's window behind it, so that it cannot take the other's place.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.experiment import Experiment


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
        `model` and `settings`, which a training takes; everything else is for people.

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
