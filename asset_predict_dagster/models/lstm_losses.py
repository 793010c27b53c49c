"""What the LSTM is told to get right: a loss for each head, and how the two add up.

This file imports torch: import it inside functions only.
"""

import torch
from torch import Tensor, nn

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.models.lstm_settings import LstmSettings


def inverse_frequency(action: Tensor) -> Tensor:
    """Weight of each class, shape (3,), such that every class that occurs counts alike.

    The rows' mean weight is 1; a class that never occurs weighs 1.
    """
    counts = torch.bincount(action, minlength=len(ACTIONS)).float()
    n_classes = (counts > 0).sum()
    return torch.where(counts > 0, len(action) / (n_classes * counts.clamp(min=1)), 1.0)


def focal_loss(logits: Tensor, action: Tensor, gamma: float, class_weights: Tensor) -> Tensor:
    """Mean of `-weight (1 - p)^gamma log p`, with p the probability of what happened.

    `logits` is (n, 3), `action` (n,). With gamma 0 and weights 1 it is the cross-entropy.

    References
    ----------
    Lin et al. (2017), Focal Loss for Dense Object Detection, equation 5.
    """
    log_p = logits.log_softmax(dim=-1).gather(1, action[:, None]).squeeze(1)  # (n,)
    return -(class_weights[action] * (1 - log_p.exp()) ** gamma * log_p).mean()


class TaskWeights(nn.Module):
    """How the losses of the two heads, action and returns, shape (2,), become one number.

    With `task_weighting` uncertainty, each weight is `exp(-s)` of a learned log-variance s, and
    the sum carries `s / 2` for each so that no weight can vanish for nothing. They start from
    the weights given, are clipped and stepped with the network, and never decayed.

    References
    ----------
    Kendall, Gal and Cipolla (2018), Multi-Task Learning Using Uncertainty to Weigh Losses,
    equations 7 to 10.
    """

    given: Tensor

    def __init__(self, settings: LstmSettings) -> None:
        super().__init__()
        weights = [settings.loss_weight_action, settings.loss_weight_return]
        self.register_buffer("given", torch.tensor(weights))
        self.log_variances = None
        if settings.task_weighting == "uncertainty":
            self.log_variances = nn.Parameter(-self.given.log())

    def forward(self, losses: Tensor) -> Tensor:
        """What a step lowers."""
        if self.log_variances is None:
            return self.judged(losses)
        return ((-self.log_variances).exp() * losses + self.log_variances / 2).sum()

    def judged(self, losses: Tensor) -> Tensor:
        """What epochs, and ways of training, are compared by: the sum by the weights given."""
        return (self.given * losses).sum()
