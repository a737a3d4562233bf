"""Speed of networks: records a second of a training step and of answering, sides taking turns."""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


class Side(NamedTuple):
    """One side's network, and how it is called."""

    network: nn.Module
    answer: Callable[[torch.Tensor], torch.Tensor]


def side_of(network: nn.Module) -> Side:
    """Call one of our networks on records that are all as long as the batch."""

    def answer(signal: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = network(signal, torch.full((len(signal),), signal.shape[2]))
        return logits

    return Side(network, answer)


def trained(side: Side, signal: torch.Tensor, classes: int) -> Callable[[], None]:
    """Give a function that takes a training step: AdamW with AMSGrad on cross-entropy."""
    optimiser = torch.optim.AdamW(side.network.parameters(), lr=1e-3, amsgrad=True)
    labels = (torch.rand(len(signal), classes) < 0.06).float()

    def step() -> None:
        side.network.train()
        loss = functional.binary_cross_entropy_with_logits(side.answer(signal), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def answered(side: Side, signal: torch.Tensor) -> Callable[[], None]:
    """Give a function that answers a batch."""

    def answer() -> None:
        side.answer(signal)

    return answer


def race(functions: list[Callable[[], None]], rounds: int) -> list[float]:
    """Call functions in turns; the answer is the least seconds that each took."""
    took: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds + 1):
        for times, function in zip(took, functions, strict=True):
            begun = time.perf_counter()
            function()
            times.append(time.perf_counter() - begun)
    return [min(times[1:]) for times in took]


def records_per_s(
    network: nn.Module, leads: int, samples: int, classes: int, *, batch: int, rounds: int
) -> tuple[float, float]:
    """Measure one of our networks on random numbers: training and answering, records a second."""
    side, signal = side_of(network), torch.randn(batch, leads, samples)
    network.eval()
    with torch.inference_mode():
        (answering_s,) = race([answered(side, signal)], 3 * rounds)
    (training_s,) = race([trained(side, signal, classes)], rounds)
    return batch / training_s, batch / answering_s
