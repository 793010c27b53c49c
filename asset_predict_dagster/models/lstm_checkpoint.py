"""Where a killed fit or refit left off: one file, written whole after every epoch.

The file carries a key, the digest of everything that decides how the training goes. A file of any
other training is never taken up: it is said so in the log, and it is written over. Two trainings
at once may share a file: the one that wrote last can be taken up, and neither disturbs the other.

This file imports torch: import it inside functions only.
"""

import hashlib
import io
import json
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asset_predict_dagster import __version__
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.durable import write_through
from asset_predict_dagster.models.lstm_panel import Panel
from asset_predict_dagster.models.lstm_settings import LstmSettings

_log = logging.getLogger(__name__)


def training_key(
    panel: Panel,
    settings: LstmSettings,
    replayed_rates: list[list[float]] | None,
    device: torch.device,
) -> str:
    """Digest of the settings, the data, the rows, the versions and the device of a training."""
    facts = {
        "settings": settings.model_dump(),
        "replayed_rates": replayed_rates,
        "device": device.type,
        "versions": [__version__, torch.__version__],
        "shapes": [panel.features.shape, panel.return_ranks.shape],
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in ("features", "columns", "action", "return_ranks", "train", "validation"):
        digest.update(np.ascontiguousarray(getattr(panel, name)))
    for name in ("session", "ticker"):
        digest.update(np.ascontiguousarray(getattr(panel, name)))
    return digest.hexdigest()


class Checkpoint:
    """The file at `path`, for the training with this key."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key

    def read(self) -> dict[str, Any] | None:
        """What the training left there; None if nothing, or another training's."""
        try:
            key, state = self._content()
        except FileNotFoundError:
            return None
        except Exception as error:  # a stranger's bytes: torch does not say how it may fail
            _log.warning("lstm: %s is no checkpoint (%r); starting afresh", self.path, error)
            return None
        if key != self.key:
            _log.warning("lstm: %s is of other settings or data; starting afresh", self.path)
            return None
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file by `state` in one step.

        Raises
        ------
        TrainingError
            If it cannot be written.
        """
        file = io.BytesIO()
        torch.save({"key": self.key, "state": state}, file)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A folder of its own: two trainings that write at once never meet.
            with tempfile.TemporaryDirectory(prefix=".writing-", dir=self.path.parent) as workplace:
                beside = Path(workplace) / self.path.name
                write_through(beside, file.getvalue())
                os.replace(beside, self.path)
        except OSError as error:
            raise TrainingError(
                f"lstm: the checkpoint {self.path} cannot be written: {error.strerror};"
                " choose a place that can, or train without one"
            ) from error

    def remove(self) -> None:
        """There is nothing left to take up; what another training wrote there since stays."""
        with suppress(Exception):  # a stranger's bytes, or none: not ours to remove
            if self._content()[0] == self.key:
                self.path.unlink(missing_ok=True)

    def _content(self) -> tuple[str, Any]:
        content = torch.load(self.path, weights_only=True, map_location="cpu")
        return content["key"], content["state"]
