"""Bundles small enough to know what they say: a forest of few trees, and a graph with a memory."""

from functools import cache

import numpy as np
import onnx
from onnx import TensorProto, helper

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS
from asset_predict_dagster.models.base import ONNX_INPUT, ONNX_PROBABILITIES, ONNX_RETURN_SCORES
from asset_predict_dagster.models.bundle import Bundle
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner
from asset_predict_dagster.tables import PATH_HORIZONS
from asset_predict_dagster_tests.market.simulated_tables import MarketTables

FEATURES = ("log_return_1d", "volatility_21d", "rank_log_return_5d", "market_return_1d")


def _bundle(model: str, lookback: int, onnx_graph: bytes) -> Bundle:
    return Bundle(
        digest=f"digest of {model}",
        onnx=onnx_graph,
        card={
            "model": model,
            "feature_names": list(FEATURES),
            "lookback": lookback,
            "training_sessions": ["2018-01-02", "2018-06-29"],
            "horizons": list(HORIZONS),
            "actions": list(ACTIONS),
            "experiment": {"horizon": 1, "span": 6},
            "calibration": {
                "slope": 0.8,
                "bias": [0.1, 0.0, -0.1],
                "scale": [0.05, 0.06, 0.07, 0.08, 0.09],
                "width": [1.6 * h**0.5 for h in PATH_HORIZONS],
            },
        },
    )


def forest_bundle(market: MarketTables) -> Bundle:
    """Five trees on everything labelled."""
    samples = market.samples
    learner = RandomForestLearner(FEATURES, ForestSettings(n_estimators=5, min_samples_leaf=200))
    trained = learner.fit(samples, samples.is_labelled, np.zeros(samples.n_rows, dtype=bool))
    return _bundle("random_forest", 1, trained.onnx)


@cache
def memory_bundle(lookback: int) -> Bundle:
    """Forecasts the sum of the last `lookback` daily returns: it misses none of them.

    The score is that sum at every horizon; buy rises and sell falls with it. A session without
    a row adds nothing.
    """
    is_return = np.array([[name == "log_return_1d"] for name in FEATURES], dtype=np.float32)
    constants = {
        "zero": np.zeros(1, dtype=np.float32),
        "steps": np.array([1], dtype=np.int64),
        "is_return": is_return,
        "every_horizon": np.ones((1, len(HORIZONS)), dtype=np.float32),
        "every_class": np.array([[10.0, 0.0, -10.0]], dtype=np.float32),
    }
    nodes = [
        helper.make_node("IsNaN", [ONNX_INPUT], ["missing"]),
        helper.make_node("Where", ["missing", "zero", ONNX_INPUT], ["known"]),
        helper.make_node("ReduceSum", ["known", "steps"], ["sums"], keepdims=0),
        helper.make_node("MatMul", ["sums", "is_return"], ["total"]),
        helper.make_node("MatMul", ["total", "every_horizon"], [ONNX_RETURN_SCORES]),
        helper.make_node("MatMul", ["total", "every_class"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [ONNX_PROBABILITIES], axis=1),
    ]
    shape = ["n", lookback, len(FEATURES)]
    graph = helper.make_graph(
        nodes,
        "memory",
        [helper.make_tensor_value_info(ONNX_INPUT, TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(ONNX_PROBABILITIES, TensorProto.FLOAT, ["n", 3]),
            helper.make_tensor_value_info(
                ONNX_RETURN_SCORES, TensorProto.FLOAT, ["n", len(HORIZONS)]
            ),
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return _bundle("memory", lookback, model.SerializeToString())
