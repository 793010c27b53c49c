"""The ONNX graph of the LSTM, built by hand from the weights of one network per seed.

The graph says what `lstm.StockLstm.forward` says, once per network, and ends in the mean of
their answers. Built by hand it needs no torch and holds no path or name of the machine.
"""

from collections.abc import Mapping, Sequence
from typing import Any

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

Weights = Mapping[str, np.ndarray]
"""A network's `state_dict`, as arrays."""


def lstm_graph(networks: Sequence[Weights], lookback: int, clip: float) -> bytes:
    """The networks as one serialised graph, with the input and outputs of `base.py`.

    Parameters
    ----------
    networks
        One per seed. They share their scaling, which is read from the first.
    lookback
        Steps of a window.
    clip
        Scaled inputs are held within [-clip, clip].
    """
    builder = _GraphBuilder()
    scaled = _scale(builder, networks[0], clip)  # (lookback, n, n_features)
    answers = [_answer(builder, scaled, weights) for weights in networks]
    probabilities, scores = zip(*answers, strict=True)
    builder.add("Mean", list(probabilities), output=ONNX_PROBABILITIES)
    builder.add("Mean", list(scores), output=ONNX_RETURN_SCORES)

    n_features = len(networks[0]["centre"])
    n_actions = len(networks[0]["action_head.bias"])
    n_horizons = len(networks[0]["return_head.bias"])
    graph = helper.make_graph(
        builder.nodes,
        "lstm",
        [_tensor(ONNX_INPUT, lookback, n_features)],
        [_tensor(ONNX_PROBABILITIES, n_actions), _tensor(ONNX_RETURN_SCORES, n_horizons)],
        builder.constants,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


class _GraphBuilder:
    """Collects nodes and constants, and names what they give."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, values: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def add(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def _tensor(name: str, *widths: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *widths])


def _scale(builder: _GraphBuilder, weights: Weights, clip: float) -> str:
    """Missing inputs at the centre, then centred, scaled and clipped; steps come first."""
    centre = builder.constant(weights["centre"])
    is_missing = builder.add("IsNaN", [ONNX_INPUT])
    filled = builder.add("Where", [is_missing, centre, ONNX_INPUT])
    centred = builder.add("Sub", [filled, centre])
    scaled = builder.add("Div", [centred, builder.constant(weights["scale"])])
    bounds = [builder.constant(np.array(bound, dtype=np.float32)) for bound in (-clip, clip)]
    return builder.add("Transpose", [builder.add("Clip", [scaled, *bounds])], perm=[1, 0, 2])


def _answer(builder: _GraphBuilder, scaled: str, weights: Weights) -> tuple[str, str]:
    """Probabilities and return scores of one network after the last step."""
    direction = builder.constant(np.array([1]))
    steps, last = scaled, ""
    n_layers = sum(name.startswith("memory.weight_ih_l") for name in weights)
    for layer in range(n_layers):
        every, last = f"steps_{len(builder.nodes)}", f"last_{len(builder.nodes)}"
        inputs = [steps, *(builder.constant(part) for part in _lstm_weights(weights, layer))]
        units = weights[f"memory.weight_hh_l{layer}"].shape[1]
        builder.nodes.append(helper.make_node("LSTM", inputs, [every, last], hidden_size=units))
        # ONNX gives (lookback, directions, n, units), of one direction here.
        steps = builder.add("Squeeze", [every, direction])
    hidden = builder.add("Squeeze", [last, builder.constant(np.array([0]))])  # (n, units)

    def head(name: str) -> str:
        inputs = [hidden, *(builder.constant(weights[f"{name}.{k}"]) for k in ("weight", "bias"))]
        return builder.add("Gemm", inputs, transB=1)

    return builder.add("Softmax", [head("action_head")], axis=-1), head("return_head")


def _lstm_weights(weights: Weights, layer: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W, R and B of ONNX's LSTM for one layer, with the leading axis of its one direction.

    torch stacks the gates as input, forget, cell, output; ONNX as input, output, forget, cell.
    """

    def reordered(name: str) -> np.ndarray:
        gates = np.split(weights[f"memory.{name}_l{layer}"], 4)
        return np.concatenate([gates[position] for position in (0, 3, 1, 2)])

    bias = np.concatenate([reordered("bias_ih"), reordered("bias_hh")])
    return reordered("weight_ih")[None], reordered("weight_hh")[None], bias[None]
