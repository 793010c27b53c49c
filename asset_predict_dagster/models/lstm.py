"""The network: features of consecutive sessions in, action and return forecasts out.

One LSTM layer reads a ticker's sessions; after each of them two linear heads answer. The
scaling is part of the network, so that raw features go in, in training as in serving.

This file imports torch: import it inside functions only.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.dataset.scaling import CLIP, RobustScaling
from asset_predict_dagster.models.lstm_device import torch_threads

_WINDOWS_AT_ONCE = 4_096


@dataclass(frozen=True)
class Scaling:
    """Centre and scale of each feature, shape (n_features,), float32."""

    centre: Tensor
    scale: Tensor

    @classmethod
    def of(cls, features: np.ndarray) -> "Scaling":
        """Of training rows, shape (n, n_features): `RobustScaling`'s, as tensors."""
        fitted = RobustScaling.fit(features)
        return cls(centre=torch.from_numpy(fitted.centre), scale=torch.from_numpy(fitted.scale))

    def apply(self, features: Tensor) -> Tensor:
        """Raw features, shape (..., n_features), scaled and clipped; a missing one becomes 0."""
        scaled = (features - self.centre).div_(self.scale).clamp_(-CLIP, CLIP)
        return scaled.nan_to_num_(nan=0.0)


class StockLstm(nn.Module):
    """LSTM, dropout, and a linear head each for the action and for the returns.

    Parameters
    ----------
    scaling
        Of the training rows; kept as buffers, so it is saved with the weights.
    units, num_layers
        Size of the memory, and layers of it.
    dropout
        Share of the memory's outputs hidden from the next layer and from the heads.
    n_horizons
        Horizons the return head forecasts.
    """

    centre: Tensor
    scale: Tensor

    def __init__(
        self, scaling: Scaling, units: int, num_layers: int, dropout: float, n_horizons: int
    ) -> None:
        super().__init__()
        self.register_buffer("centre", scaling.centre.clone())
        self.register_buffer("scale", scaling.scale.clone())
        # torch warns of a dropout between layers where there is one layer only.
        between = dropout if num_layers > 1 else 0.0
        self.memory = nn.LSTM(len(scaling.centre), units, num_layers, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.action_head = nn.Linear(units, len(ACTIONS))
        self.return_head = nn.Linear(units, n_horizons)

    def every_step(self, scaled: Tensor) -> tuple[Tensor, Tensor]:
        """Answers after each session, which is how the network is trained.

        Takes scaled features (steps, sequences, n_features); gives action logits
        (steps, sequences, 3) and return scores (steps, sequences, n_horizons). The memory
        starts empty.
        """
        hidden, _ = self.memory(scaled)  # (steps, sequences, units)
        hidden = self.dropout(hidden)
        return self.action_head(hidden), self.return_head(hidden)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Answers after the last session, which is how the network is served.

        Takes raw features (n, lookback, n_features); gives probabilities (n, 3) and return
        scores (n, n_horizons).
        """
        scaled = Scaling(self.centre, self.scale).apply(windows)
        hidden, _ = self.memory(scaled.transpose(0, 1))  # (lookback, n, units)
        last = self.dropout(hidden[-1])  # (n, units)
        return self.action_head(last).softmax(dim=-1), self.return_head(last)


def forecast(networks: list[StockLstm], windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean answers of the networks: probabilities (n, 3) and return scores (n, n_horizons).

    On one thread and a few windows at a time. For people, tests and the check that a graph says
    the same; serving runs the ONNX graph of the same networks.
    """
    answers = []
    with torch.no_grad(), torch_threads(1):
        for some in torch.from_numpy(windows).split(_WINDOWS_AT_ONCE):
            probabilities, scores = zip(
                *(network.eval()(some) for network in networks), strict=True
            )
            answers.append((torch.stack(probabilities).mean(0), torch.stack(scores).mean(0)))
    probabilities, scores = zip(*answers, strict=True)
    return torch.cat(probabilities).numpy(), torch.cat(scores).numpy()


def save_networks(networks: list[StockLstm], facts: dict[str, Any]) -> bytes:
    """The networks' weights, and what is needed to build them again, as a `.pt` file.

    `facts` are plain values for the reader: feature names, settings. Nothing in the file needs
    pickle's code execution: `torch.load(..., weights_only=True)` opens it.
    """
    first = networks[0]
    shape = {
        "units": first.memory.hidden_size,
        "num_layers": first.memory.num_layers,
        "dropout": first.dropout.p,
        "n_horizons": first.return_head.out_features,
    }
    content = {"facts": facts, "shape": shape, "networks": [n.state_dict() for n in networks]}
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def load_networks(native: bytes) -> list[StockLstm]:
    """The networks of a file of `save_networks`, ready to forecast."""
    content = torch.load(io.BytesIO(native), weights_only=True)
    networks = []
    for weights in content["networks"]:
        scaling = Scaling(centre=weights["centre"], scale=weights["scale"])
        network = StockLstm(scaling, **content["shape"])
        network.load_state_dict(weights)
        networks.append(network.eval())
    return networks
