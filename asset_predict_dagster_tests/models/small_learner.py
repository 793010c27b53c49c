"""A third model in one file: least squares on the features, fitted in a moment."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from asset_predict_dagster.dataset.samples import ACTIONS, Samples
from asset_predict_dagster.dataset.scaling import RobustScaling
from asset_predict_dagster.models.base import (
    ONNX_INPUT,
    ONNX_PROBABILITIES,
    ONNX_RETURN_SCORES,
    Trained,
)


class LeastSquares:
    """Scores and class logits are linear in the session's features; a missing one counts 0."""

    name = "least_squares"
    lookback = 1

    def __init__(self, feature_names: tuple[str, ...], seed: int = 42) -> None:
        self.feature_names = feature_names
        self.settings: dict[str, Any] = {"seed": seed}

    def fit(self, samples: Samples, train: np.ndarray, validation: np.ndarray) -> Trained:
        return self.refit(samples, train, {"n_rows": int(train.sum())})

    def refit(self, samples: Samples, rows: np.ndarray, chosen: dict[str, Any]) -> Trained:
        features = samples.columns(self.feature_names)[rows]
        of_classes = np.eye(len(ACTIONS))[samples.action[rows]]
        targets = np.hstack([of_classes, samples.return_ranks[rows]])
        weights = np.linalg.lstsq(np.nan_to_num(features), targets, rcond=None)[0]
        weights = weights.astype(np.float32)

        def native_forecast(given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            said = np.nan_to_num(given) @ weights
            odds = np.exp(said[:, : len(ACTIONS)])
            return odds / odds.sum(axis=1, keepdims=True), said[:, len(ACTIONS) :]

        return Trained(
            native_name="model.npy",
            native=weights.tobytes(),
            onnx=linear_graph(weights),
            chosen=chosen,
            native_forecast=native_forecast,
            scaling=RobustScaling.fit(features),
        )


def linear_graph(weights: np.ndarray) -> bytes:
    """Softmax of the first columns and the others as they are; weights (n_features, 3 + H)."""
    n_features, n_outputs = weights.shape
    n_classes = len(ACTIONS)
    constants = {
        "zero": np.zeros(1, dtype=np.float32),
        "of_classes": weights[:, :n_classes],
        "of_scores": weights[:, n_classes:],
    }
    nodes = [
        helper.make_node("IsNaN", [ONNX_INPUT], ["missing"]),
        helper.make_node("Where", ["missing", "zero", ONNX_INPUT], ["known"]),
        helper.make_node("MatMul", ["known", "of_classes"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [ONNX_PROBABILITIES], axis=1),
        helper.make_node("MatMul", ["known", "of_scores"], [ONNX_RETURN_SCORES]),
    ]

    def tensor(name: str, width: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])

    graph = helper.make_graph(
        nodes,
        "least_squares",
        [tensor(ONNX_INPUT, n_features)],
        [tensor(ONNX_PROBABILITIES, n_classes), tensor(ONNX_RETURN_SCORES, n_outputs - n_classes)],
        [numpy_helper.from_array(np.ascontiguousarray(v), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString(deterministic=True)
