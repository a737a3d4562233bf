"""The training loop beside a plain one (tests/reference/plain_training.py): equal weights.

Each recipe brings other parts of the loop together.  Micro-batches are made small, so gradients of
a batch are accumulated; the plain training takes whole batches.
"""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from ecg.leads import LEAD_SETS
from models import find
from models.recipe import Recipe, part, vary
from tests.conftest import mapped_arrays
from tests.reference.plain_training import Trained, plain_training
from training.budget import TotalBudget
from training.dataset import Dataset, dataset_of
from training.evaluate import LeadSetRun, fit_heads
from training.loop import train
from training.state import TrainingState, load_state

LEADS = LEAD_SETS[2]
CLASSES = {"diagnosis": ("a", "b", "c")}
NAME = "2-leads"
RECORDS, TRAINED = 43, 29  # a last batch of one record is merged into the one before


class Masked(nn.Module):
    """A convolution and the mean over each record's samples."""

    def __init__(self, channels: int, classes: int, *, norm: bool, dropout: float) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels, 8, 7, padding=3)
        self.norm = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(8, classes)

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        inside = (torch.arange(signal.shape[2]) < length[:, None])[:, None]
        hidden = torch.relu(self.convolution(signal)) * inside
        return self.last(self.dropout(self.norm(hidden.sum(2) / length[:, None])))


def recipe(norm: bool, dropout: float, **changes: object) -> Recipe:
    """Vary a recipe of three classes, chosen by their best macro F-measure."""
    return vary(
        find("isibrno-basic"), fs=100.0, max_s=1.5, transforms=(part("fill"),),
        network=part("masked", norm=norm, dropout=dropout), loss=part("bce"), batch=4, epochs=6,
        classes="all", metric="f_measure", decision="global", **{"augment": (), **changes},
    )  # fmt: skip


SCALED = (part("scale", spread=0.3),)
STOPPING = "micro-batches, plateau, patience"
RECIPES = {
    "norm, dropout, augmentation, EMA": (
        recipe(True, 0.3, augment=SCALED, ema=0.9,
               optimiser=part("adamw", lr=0.03, weight_decay=0.2),
               schedule=part("warmup_cosine", warmup=0.2, decay=0.5)),
        False,
    ),
    STOPPING: (
        recipe(False, 0.0, optimiser=part("adam", lr=0.05),
               schedule=part("plateau", factor=0.3, patience=1), stop=part("patience", epochs=1)),
        True,
    ),
    "equal scores": (recipe(False, 0.0, optimiser=part("adam", lr=1e-9)), False),
    "micro-batches, EMA, one cycle": (
        recipe(False, 0.0, ema=0.8, optimiser=part("adam", lr=0.05), schedule=part("one_cycle")),
        True,
    ),
    "accumulation, EMA": (
        recipe(False, 0.3, ema=0.8, optimiser=part("adam", lr=0.05),
               accumulation=part("squares", at=(0.25, 0.6))),
        False,
    ),
}  # fmt: skip


def dataset(recipe: Recipe) -> Dataset:
    """Draw records of 60 to 140 samples, whose labels follow their signals with much noise."""
    draws = np.random.default_rng(3)
    labels = draws.random((RECORDS, 3)) < 0.4
    signals = []
    for row in labels:
        signal = draws.normal(size=(12, int(draws.integers(60, 140))))
        signal[0] += 0.5 * row[0] - 0.5 * row[1]
        signal[1] += 0.5 * row[2]
        signals.append(signal.astype(np.float16))
    return dataset_of(mapped_arrays(signals), {"diagnosis": labels}, LEADS, recipe)


Both = tuple[Trained, TrainingState, LeadSetRun, Dataset]


@pytest.fixture(scope="module", params=RECIPES.values(), ids=RECIPES.keys())
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    """Train by the loop and plainly."""
    recipe, pieces = request.param
    file = tmp_path_factory.mktemp("twin") / "state.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.isibrno2020.NETWORKS", {"masked": Masked})
        if pieces:
            patch.setattr("training.dataset.MICRO_BATCH_SAMPLES", 250)
        records = dataset(recipe)
        train_part = records.subset(np.arange(TRAINED))
        validation = records.subset(np.arange(TRAINED, RECORDS))
        if pieces:
            assert len(train_part.micro_batches(range(4))) > 1
        torch.manual_seed(0)
        first = Masked(2, 3, **recipe.network.options)
        run = LeadSetRun(
            NAME, {}, recipe, LEADS, CLASSES, torch.device("cpu"), init=first.state_dict()
        )
        state = train(run, train_part, validation, train_part, TotalBudget(1e9, 1), file)
        assert load_state(file, {}).finished
        network = Masked(2, 3, **recipe.network.options)
        network.load_state_dict(first.state_dict())
        plain = plain_training(network, train_part, validation, NAME, fixed_batches=not pieces)
        yield plain, state, run, validation


def test_the_loop_computes_what_a_plain_training_computes(
    both: Both,
) -> None:
    plain, state, run, validation = both
    losses = [row["loss"] for row in state.history]
    assert losses == pytest.approx(plain.losses, abs=1e-6)
    assert state.scores == pytest.approx(plain.scores, abs=1e-9)
    assert state.best_epoch == plain.best_epoch
    assert state.best.keys() == plain.weights.keys()
    for name, weight in plain.weights.items():
        if "num_batches" not in name:
            torch.testing.assert_close(state.best[name], weight, atol=2e-6, rtol=1e-5)
    heads, final = fit_heads(run, state, validation, np.empty((0, 0)))
    fitted = heads["diagnosis"]
    (threshold,) = set(fitted.decision.options["values"])
    predicted = plain.predictions >= threshold
    assert fitted.scores["f_measure"] == pytest.approx(max(plain.scores), abs=1e-9)
    assert final["diagnosis"].decision == pytest.approx(max(plain.scores), abs=1e-9)
    assert final["diagnosis"].rules is None
    labels = validation.labels["diagnosis"]
    both_positive, positive = (labels & predicted).sum(0), labels.sum(0) + predicted.sum(0)
    assert np.mean(2 * both_positive / positive) == pytest.approx(max(plain.scores), abs=1e-9)


def test_the_trainings_are_hard_enough(both: Both, request: pytest.FixtureRequest) -> None:
    plain, _, run, _ = both
    assert plain.best_epoch < len(plain.scores)  # the best epoch is not the last one
    name = request.node.callspec.id
    assert (len(set(plain.scores)) == 1) == (name == "equal scores")
    assert (len(plain.scores) < run.recipe.epochs) == (name == STOPPING)
