"""Speed of networks: records a second of a training step and of answering, sides taking turns."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

LEADS, SAMPLES, CLASSES = 12, 5000, 26
BACKBONES = ("nc-se", "nc-bs", "branched", "branched-lw")  # those that the paper's authors ship


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


def compared(both: Sequence[Side], signal: torch.Tensor, rounds: int) -> str:
    """Measure two sides on a batch: a table's cells, training and then inference.

    Each is records a second of the first side, of the second, and the first one's in parts of the
    second one's.
    """
    with torch.inference_mode():
        for side in both:
            side.network.eval()
        inference = race([answered(side, signal) for side in both], 3 * rounds)
    training = race([trained(side, signal, CLASSES) for side in both], rounds)
    records = len(signal)
    return " | ".join(
        f"{records / first_s:.3g} | {records / second_s:.3g} | {second_s / first_s:.2f}"
        for first_s, second_s in (training, inference)
    )


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
