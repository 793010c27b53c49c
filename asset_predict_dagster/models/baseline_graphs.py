"""The ONNX graphs of the baselines: a constant beside an order, and a linear model.

Both have the input and outputs of `base.py`, and both are small enough to be read as sentences.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from asset_predict_dagster.models.base import (
    ONNX_INPUT,
    ONNX_PROBABILITIES,
    ONNX_RETURN_SCORES,
)

OPSET = 17
IR_VERSION = 8
"""The oldest file format that knows these operators, so that old runtimes can read it."""


def constant_graph(probabilities: np.ndarray, order: np.ndarray | None, n_horizons: int) -> bytes:
    """The same probabilities for every row, and a score that is a weighted sum of the features.

    Parameters
    ----------
    probabilities
        Shape (n_actions,).
    order
        Shape (n_features,), the weights; a row that lacks a feature has no score. None: there is
        one feature, which is not looked at, and every score is 0.
    n_horizons
        The score is the same at each.
    """
    n_features = 1 if order is None else len(order)
    constants = {
        "frequencies": probabilities.astype(np.float32),
        "n_actions": np.array([len(probabilities)]),
    }
    nodes = [
        helper.make_node("Shape", [ONNX_INPUT], ["n_rows"], end=1),
        helper.make_node("Concat", ["n_rows", "n_actions"], ["classes"], axis=0),
        helper.make_node("Expand", ["frequencies", "classes"], [ONNX_PROBABILITIES]),
    ]
    if order is None:
        constants |= {"nothing": np.zeros(1, np.float32), "n_horizons": np.array([n_horizons])}
        nodes += [
            helper.make_node("Concat", ["n_rows", "n_horizons"], ["horizons"], axis=0),
            helper.make_node("Expand", ["nothing", "horizons"], [ONNX_RETURN_SCORES]),
        ]
    else:
        constants["order"] = np.repeat(order[:, None], n_horizons, axis=1).astype(np.float32)
        nodes.append(helper.make_node("MatMul", [ONNX_INPUT, "order"], [ONNX_RETURN_SCORES]))
    return _serialised(nodes, constants, n_features, len(probabilities), n_horizons)


def linear_graph(
    centre: np.ndarray,
    scale: np.ndarray,
    clip: float,
    action: tuple[np.ndarray, np.ndarray],
    returns: tuple[np.ndarray, np.ndarray],
) -> bytes:
    """Features scaled and clipped, a missing one at its centre; softmax of one linear map beside
    another linear map.

    Parameters
    ----------
    centre, scale
        Shape (n_features,).
    clip
        Scaled features are held within [-clip, clip].
    action, returns
        Weights (n_features, n_actions) or (n_features, n_horizons), and intercepts.
    """
    constants = {
        "centre": centre,
        "scale": scale,
        "low": np.array(-clip),
        "high": np.array(clip),
        "action_weights": action[0],
        "action_intercepts": action[1],
        "return_weights": returns[0],
        "return_intercepts": returns[1],
    }
    nodes = [
        helper.make_node("IsNaN", [ONNX_INPUT], ["is_missing"]),
        helper.make_node("Where", ["is_missing", "centre", ONNX_INPUT], ["filled"]),
        helper.make_node("Sub", ["filled", "centre"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "low", "high"], ["held"]),
        helper.make_node("Gemm", ["held", "action_weights", "action_intercepts"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [ONNX_PROBABILITIES], axis=-1),
        helper.make_node(
            "Gemm", ["held", "return_weights", "return_intercepts"], [ONNX_RETURN_SCORES]
        ),
    ]
    as_float32 = {name: values.astype(np.float32) for name, values in constants.items()}
    return _serialised(nodes, as_float32, len(centre), action[0].shape[1], returns[0].shape[1])


def _serialised(
    nodes: Sequence[NodeProto],
    constants: dict[str, np.ndarray],
    n_features: int,
    n_actions: int,
    n_horizons: int,
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "baseline",
        [_tensor(ONNX_INPUT, n_features)],
        [_tensor(ONNX_PROBABILITIES, n_actions), _tensor(ONNX_RETURN_SCORES, n_horizons)],
        [
            numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name)
            for name, values in constants.items()
        ],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _tensor(name: str, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
