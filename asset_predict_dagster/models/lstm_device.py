"""Where the LSTM is trained, and under which conditions the same seed gives the same network.

The path through CUDA is one `.to(device)` of the network and one of every batch; it has not been
run, for want of a GPU. What is served never needs it.

This file imports torch: import it inside functions only.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from asset_predict_dagster.errors import TrainingError


def find_device(device: str, precision: str) -> torch.device:
    """The device that `LstmSettings.device` asks for, able to do what `precision` asks for.

    Raises
    ------
    TrainingError
        If CUDA is asked for and absent, or the device has no 16-bit arithmetic.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            "lstm: device is cuda, but torch finds no CUDA device here; use device auto or cpu"
        )
    found = torch.device(
        "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu",
    )
    if precision == "bfloat16" and not _has_bfloat16(found):
        raise TrainingError(
            f"lstm: precision is bfloat16, but this {found.type} has no arithmetic for it;"
            " use precision float32"
        )
    return found


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def arithmetic(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a network computes."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """So many threads of torch, put back afterwards as they were found."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def repeatable(seed: int, threads: int, device: torch.device) -> Iterator[None]:
    """Torch as a function of its seed, put back afterwards as it was found.

    Initial weights and dropout draw from torch's global generators, which are therefore forked.
    On CUDA the same seed may give other last digits: some of its sums have no fixed order.
    """
    strict_before = torch.are_deterministic_algorithms_enabled()
    warn_before = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(device.type == "cpu")
    forked = [torch.cuda.current_device()] if device.type == "cuda" else []
    try:
        with torch_threads(threads), torch.random.fork_rng(devices=forked):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(strict_before, warn_only=warn_before)


def random_states(device: torch.device) -> list[torch.Tensor]:
    """State of the generators that a training on `device` draws from."""
    cuda = [torch.cuda.get_rng_state()] if device.type == "cuda" else []
    return [torch.get_rng_state(), *cuda]


def restore_random_states(states: list[torch.Tensor], device: torch.device) -> None:
    """Put back what `random_states` gave."""
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1])
