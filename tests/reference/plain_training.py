"""A plain training: what `training.loop` and `training.evaluate` compute, in one short loop.

No budget, state, micro-batches, progress or heads: whole batches in one list of epochs.
"""

import math
import zlib
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn

from training.dataset import Dataset
from training.optim import ACCUMULATIONS, MOMENTA, SCHEDULES

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Trained(NamedTuple):
    """Losses and scores of all epochs; the best one, its weights and its predictions."""

    losses: list[float]
    scores: list[float]
    best_epoch: int
    weights: dict[str, torch.Tensor]
    predictions: np.ndarray


def plain_training(
    network: nn.Module, train: Dataset, validation: Dataset, name: str, *, fixed_batches: bool
) -> Trained:
    """Train by the recipe of the dataset; `fixed_batches`: draw an augmentation for each batch."""
    recipe = train.recipe
    numbers = dict(recipe.optimiser.numbers)
    optimiser = OPTIMISERS[recipe.optimiser.name](network.parameters(), **numbers)
    schedule, momentum = SCHEDULES[recipe.schedule.name], MOMENTA.get(recipe.schedule.name)
    accumulate = ACCUMULATIONS[recipe.accumulation.name]
    average = {key: value.detach().clone() for key, value in network.named_parameters()}
    losses, scores, best, step = [], [], None, 0
    steps = recipe.epochs * len(list(train.shuffled(np.random.default_rng(0))))
    for epoch in range(1, recipe.epochs + 1):
        of_epoch, summed = [], []
        batches = list(train.shuffled(_generator(recipe.seed, name, epoch)))
        for number, indices in enumerate(batches):
            torch.manual_seed(_hash(recipe.seed, name, epoch, number))
            draws = _generator(recipe.seed, name, epoch, number)
            batch = train.batch(indices, draws if fixed_batches else None)
            progress = step / steps
            for group in optimiser.param_groups:
                factor = schedule(progress, scores, **recipe.schedule.options)
                group["lr"] = numbers["lr"] * factor
                if momentum:
                    group["betas"] = (momentum(progress, scores, **recipe.schedule.options), 0.999)
            network.train()
            logits, targets = network(batch.signal, batch.length), batch.targets["diagnosis"]
            probabilities = torch.sigmoid(logits.double())
            terms = targets * probabilities.log() + (1 - targets) * (1 - probabilities).log()
            loss = -terms.mean()
            of_epoch.append(loss.item())
            summed.append(torch.autograd.grad(loss, list(network.parameters())))
            enough = len(summed) >= accumulate(progress, **recipe.accumulation.options)
            if enough or number == len(batches) - 1:
                for value, *gradients in zip(network.parameters(), *summed, strict=True):
                    value.grad = sum(gradients) / len(gradients)
                optimiser.step()
                decay = min(recipe.ema, (1 + step) / (10 + step))
                for key, value in network.named_parameters():
                    average[key] = decay * average[key] + (1 - decay) * value.detach()
                summed = []
            step += 1
        losses.append(sum(of_epoch) / len(of_epoch))
        predicting = _averaged(network, average, train, name, epoch) if recipe.ema else network
        predictions = _predictions(predicting, validation)
        scores.append(_best_f1(validation.labels["diagnosis"], predictions))
        if scores[-1] > max(scores[:-1], default=-math.inf):
            best = epoch, deepcopy(predicting.state_dict()), predictions
        if _stopped(scores, recipe.stop.options):
            break
    assert best is not None
    return Trained(losses, scores, *best)


def _averaged(
    network: nn.Module, average: dict[str, torch.Tensor], train: Dataset, name: str, epoch: int
) -> nn.Module:
    """Copy the network with averaged weights; average batch-norm statistics over an epoch."""
    copied = deepcopy(network).eval()
    copied.load_state_dict({**copied.state_dict(), **average})
    norms = [module for module in copied.modules() if isinstance(module, nn.BatchNorm1d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's cumulative average
        norm.train()
    draws = _generator(train.recipe.seed, name, epoch, "average")
    with torch.no_grad():
        for indices in train.shuffled(draws) if norms else ():
            batch = train.batch(indices, draws)
            copied(batch.signal, batch.length)
    return copied


def _predictions(network: nn.Module, records: Dataset) -> np.ndarray:
    """Predict the records one by one, without padding."""
    network.eval()
    with torch.no_grad():
        batches = [records.batch([index]) for index in range(len(records))]
        logits = torch.cat([network(batch.signal, batch.length) for batch in batches])
    return torch.sigmoid(logits.double()).numpy()


def _best_f1(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Compute the macro F-measure of the best of 99 global thresholds."""
    return max(
        f1_score(labels, probabilities >= percent / 100, average="macro", zero_division=0)
        for percent in range(1, 100)
    )


def _stopped(scores: list[float], options: dict[str, float]) -> bool:
    """Check whether all of the last epochs were worse than the best one before them."""
    if not options:
        return False
    epochs = int(options["epochs"])
    return len(scores) > epochs and max(scores[-epochs:]) < max(scores[:-epochs])


def _hash(*counters: int | str) -> int:
    return zlib.crc32(repr(counters).encode())


def _generator(*counters: int | str) -> np.random.Generator:
    return np.random.default_rng(_hash(*counters))
