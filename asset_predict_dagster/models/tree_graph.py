"""The ONNX graph of twin forests, built by hand from the arrays of their trees.

The forests were trained on bin codes. A code is the number of edges strictly below the value,
so `code <= k` says exactly `value <= edges[k]`: every threshold is written as its edge, and
the graph reads raw float32 features, with no binning step that could round differently.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from asset_predict_dagster.models.base import (
    ONNX_INPUT,
    ONNX_PROBABILITIES,
    ONNX_RETURN_SCORES,
)
from asset_predict_dagster.models.twin_forests import LEAF, Tree

ML_DOMAIN = "ai.onnx.ml"
OPSETS = {"": 17, ML_DOMAIN: 3}
IR_VERSION = 8
"""The oldest file format that knows these operators, so that old runtimes can read it."""


def twin_forest_graph(
    action_trees: list[Tree], return_trees: list[Tree], edges: list[np.ndarray]
) -> bytes:
    """Both forests as one serialised graph, with the inputs and outputs of `base.py`.

    A missing value goes where the lowest bin goes, which is always left.

    Parameters
    ----------
    action_trees
        Trees whose values are class frequencies, shape (n_nodes, 3).
    return_trees
        Trees whose values are mean return ranks, shape (n_nodes, n_horizons).
    edges
        One sorted float32 array per feature.
    """
    n_actions = action_trees[0].value.shape[1]
    n_horizons = return_trees[0].value.shape[1]
    graph = helper.make_graph(
        [
            _forest_node(action_trees, edges, ONNX_PROBABILITIES),
            _forest_node(return_trees, edges, ONNX_RETURN_SCORES),
        ],
        "twin_forests",
        [_tensor(ONNX_INPUT, len(edges))],
        [_tensor(ONNX_PROBABILITIES, n_actions), _tensor(ONNX_RETURN_SCORES, n_horizons)],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _tensor(name: str, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])


def _forest_node(trees: list[Tree], edges: list[np.ndarray], output: str) -> onnx.NodeProto:
    """One TreeEnsembleRegressor: the mean, over trees, of the value at the leaf reached."""
    sizes = [len(tree.left) for tree in trees]
    left = np.concatenate([tree.left for tree in trees])
    right = np.concatenate([tree.right for tree in trees])
    value = np.concatenate([tree.value for tree in trees])  # (n_nodes of all trees, n_targets)
    is_leaf = left == LEAF
    feature = np.where(is_leaf, 0, np.concatenate([tree.feature for tree in trees]))
    threshold = np.where(is_leaf, 0.0, np.concatenate([tree.threshold for tree in trees]))
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])

    n_targets = value.shape[1]
    n_leaves = int(is_leaf.sum())
    attributes: dict[str, Any] = {
        "n_targets": n_targets,
        "aggregate_function": "AVERAGE",
        "post_transform": "NONE",
        "nodes_treeids": tree_ids.tolist(),
        "nodes_nodeids": node_ids.tolist(),
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_featureids": feature.tolist(),
        "nodes_values": _raw_thresholds(feature, threshold, is_leaf, edges).tolist(),
        "nodes_missing_value_tracks_true": np.where(is_leaf, 0, 1).tolist(),
        "nodes_truenodeids": np.where(is_leaf, 0, left).tolist(),
        "nodes_falsenodeids": np.where(is_leaf, 0, right).tolist(),
        "target_treeids": np.repeat(tree_ids[is_leaf], n_targets).tolist(),
        "target_nodeids": np.repeat(node_ids[is_leaf], n_targets).tolist(),
        "target_ids": np.tile(np.arange(n_targets), n_leaves).tolist(),
        "target_weights": value[is_leaf].astype(np.float32).ravel().tolist(),
    }
    return helper.make_node(
        "TreeEnsembleRegressor", [ONNX_INPUT], [output], domain=ML_DOMAIN, **attributes
    )


def _raw_thresholds(
    feature: np.ndarray, threshold: np.ndarray, is_leaf: np.ndarray, edges: list[np.ndarray]
) -> np.ndarray:
    """The edge each node compares with, shape (n_nodes,), float32; zero at leaves.

    Codes are whole numbers, so a threshold of 3.5 (or of 3.0, between the codes 1 and 5) asks
    whether the code is at most 3.
    """
    table = np.zeros((len(edges), max(1, *(len(edge) for edge in edges))), dtype=np.float32)
    for row, edge in zip(table, edges, strict=True):
        row[: len(edge)] = edge
    return np.where(is_leaf, np.float32(0), table[feature, np.floor(threshold).astype(np.int64)])
