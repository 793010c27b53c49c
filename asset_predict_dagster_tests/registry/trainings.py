"""What a training leaves behind, without the training."""

from hashlib import sha256

import numpy as np
import pandas as pd

from asset_predict_dagster.models.training import TrainedModel


def trained_model(model: str, seed: int, end: str = "2024-01-05") -> TrainedModel:
    """A training whose two digests follow from its seed."""
    return TrainedModel(
        model=model,
        evaluation_bundle=sha256(f"evaluation {model} {seed}".encode()).hexdigest(),
        serving_bundle=sha256(f"serving {model} {seed}".encode()).hexdigest(),
        settings={"n_estimators": 10, "class_weight": None, "seed": seed},
        training_end=np.datetime64(end),
        n_training_rows=1234,
        curves=pd.DataFrame(
            {
                "seed": [0, 0],
                "epoch": [1, 2],
                "train_loss": [1.1, 1.0],
                "validation_loss": [1.2, np.nan],
                "is_best": [True, False],
            }
        ),
        importance=pd.DataFrame(),
    )
