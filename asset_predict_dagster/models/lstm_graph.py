"""The ONNX graph of the LSTM, built by hand from the weights of one network per seed.

The graph says what `lstm.StockLstm.forward` says, in the mean over the networks. Built by hand it
needs no torch and holds no path or name of the machine.
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
    _answer(builder, [_memory(builder, scaled, weights) for weights in networks], networks)

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

    def gemm(self, rows: str, weight: np.ndarray, bias: np.ndarray, output: str = "") -> str:
        """rows × weightᵀ + bias."""
        inputs = [rows, self.constant(weight), self.constant(bias)]
        return self.add("Gemm", inputs, output, transB=1)


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


def _memory(builder: _GraphBuilder, scaled: str, weights: Weights) -> str:
    """What one network remembers after the last step, shape (1, n, units)."""
    steps, last = scaled, ""
    n_layers = sum(name.startswith("memory.weight_ih_l") for name in weights)
    for layer in range(n_layers):
        is_top = layer == n_layers - 1
        # An output without a name is not made: of the top layer only the last step is read.
        every, last = "" if is_top else f"steps_{len(builder.nodes)}", f"last_{len(builder.nodes)}"
        inputs = [steps, *(builder.constant(part) for part in _lstm_weights(weights, layer))]
        units = weights[f"memory.weight_hh_l{layer}"].shape[1]
        builder.nodes.append(helper.make_node("LSTM", inputs, [every, last], hidden_size=units))
        if not is_top:
            # ONNX gives (lookback, directions, n, units), of one direction here.
            steps = builder.add("Squeeze", [every, builder.constant(np.array([1]))])
    return last


def _answer(builder: _GraphBuilder, memories: list[str], networks: Sequence[Weights]) -> None:
    """The two outputs: the mean over the networks of what their heads say.

    The heads of all networks are one product each, since a node costs as much as its arithmetic
    when one row is asked for: the return scores' weights are stacked, which is their mean, and
    those of the actions, whose mean is of probabilities, stand on a diagonal of blocks.
    """
    side_by_side = builder.add("Concat", memories, axis=2)  # (1, n, networks × units)
    hidden = builder.add("Squeeze", [side_by_side, builder.constant(np.array([0]))])

    n_networks, n_actions = len(networks), len(networks[0]["action_head.bias"])
    units = networks[0]["action_head.weight"].shape[1]
    action = np.zeros((n_networks, n_actions, n_networks, units), dtype=np.float32)
    for place, weights in enumerate(networks):
        action[place, :, place] = weights["action_head.weight"]
    logits = builder.gemm(
        hidden,
        action.reshape(n_networks * n_actions, n_networks * units),
        np.concatenate([weights["action_head.bias"] for weights in networks]),
    )
    shape = builder.constant(np.array([-1, n_networks, n_actions]))
    each = builder.add("Softmax", [builder.add("Reshape", [logits, shape])], axis=-1)
    builder.add("ReduceMean", [each], output=ONNX_PROBABILITIES, axes=[1], keepdims=0)

    builder.gemm(
        hidden,
        np.concatenate([weights["return_head.weight"] for weights in networks], 1) / n_networks,
        np.mean([weights["return_head.bias"] for weights in networks], axis=0),
        output=ONNX_RETURN_SCORES,
    )


def _lstm_weights(weights: Weights, layer: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W, R and B of ONNX's LSTM for one layer, with the leading axis of its one direction.

    torch stacks the gates as input, forget, cell, output; ONNX as input, output, forget, cell.
    """

    def reordered(name: str) -> np.ndarray:
        gates = np.split(weights[f"memory.{name}_l{layer}"], 4)
        return np.concatenate([gates[position] for position in (0, 3, 1, 2)])

    bias = np.concatenate([reordered("bias_ih"), reordered("bias_hh")])
    return reordered("weight_ih")[None], reordered("weight_hh")[None], bias[None]
