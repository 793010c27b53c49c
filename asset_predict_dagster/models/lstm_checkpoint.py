"""Where a killed training left off: one file, written whole after every epoch.

The file carries a key, the digest of everything that decides how the training goes. A file of any
other training is never taken up: it is said so in the log, and it is written over.

This file imports torch: import it inside functions only.
"""

import hashlib
import io
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asset_predict_dagster import __version__
from asset_predict_dagster.errors import TrainingError
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
            content = torch.load(self.path, weights_only=True, map_location="cpu")
        except FileNotFoundError:
            return None
        except Exception as error:  # a stranger's bytes: torch does not say how it may fail
            _log.warning("lstm: %s is no checkpoint (%r); starting afresh", self.path, error)
            return None
        if not isinstance(content, dict) or content.get("key") != self.key:
            _log.warning("lstm: %s is of other settings or data; starting afresh", self.path)
            return None
        _log.info("lstm: taken up from %s", self.path)
        return content["state"]

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file by `state` in one step.

        Raises
        ------
        TrainingError
            If it cannot be written.
        """
        file = io.BytesIO()
        torch.save({"key": self.key, "state": state}, file)
        beside = self.path.with_name(self.path.name + ".writing")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as opened:
                opened.write(file.getvalue())
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(beside, self.path)
        except OSError as error:
            raise TrainingError(
                f"lstm: the checkpoint {self.path} cannot be written: {error.strerror};"
                " choose a place that can, or train without one"
            ) from error

    def remove(self) -> None:
        """There is nothing left to take up."""
        self.path.unlink(missing_ok=True)
