"""What the LSTM is told to get right, worked out by hand."""

import numpy as np
import pytest
import torch

from asset_predict_dagster.models.lstm_losses import TaskWeights, focal_loss, inverse_frequency
from asset_predict_dagster.models.lstm_settings import LstmSettings


def test_without_focus_or_weights_the_focal_loss_is_the_cross_entropy():
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    action = torch.tensor([0, 2])
    plain = focal_loss(logits, action, gamma=0.0, class_weights=torch.ones(3))
    torch.testing.assert_close(plain, torch.nn.functional.cross_entropy(logits, action))


def test_focus_takes_weight_from_what_is_easy():
    """At p = 1/2 and gamma 2 a row counts a quarter."""
    logits, action = torch.tensor([[0.0, 0.0, -100.0]]), torch.tensor([0])
    focused = focal_loss(logits, action, gamma=2.0, class_weights=torch.ones(3))
    assert focused.item() == pytest.approx(np.log(2) / 4)


def test_balanced_classes_count_alike():
    weights = inverse_frequency(torch.tensor([0, 0, 0, 2]))
    assert weights.tolist() == pytest.approx([4 / 6, 1, 2])  # 3 rows of 4/6 weigh as 1 of 2


def test_fixed_weights_are_those_given():
    weights = TaskWeights(LstmSettings(loss_weight_action=2.0, loss_weight_return=0.5))
    losses = torch.tensor([1.0, 4.0])
    assert weights(losses).item() == weights.judged(losses).item() == 4.0
    assert list(weights.parameters()) == []


def test_learned_weights_start_from_those_given_and_settle_at_half_the_inverse_loss():
    """exp(-s) L + s / 2 is least where exp(-s) = 1 / (2 L)."""
    knobs = LstmSettings(
        loss_weight_action=2.0, loss_weight_return=0.5, task_weighting="uncertainty"
    )
    weights, losses = TaskWeights(knobs), torch.tensor([1.0, 4.0])
    [log_variances] = weights.parameters()
    assert (-log_variances).exp().tolist() == pytest.approx([2.0, 0.5])
    with torch.no_grad():
        log_variances[:] = (2 * losses).log()
    weights(losses).backward()
    assert log_variances.grad is not None
    assert log_variances.grad.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert weights.judged(losses).item() == 4.0  # validation is judged by the weights given
