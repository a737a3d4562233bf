"""Barlow Twins: worked values of the fact sheet (heartly2021, section 7), and the phase."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import team_code
from ecg import LeadwiseError
from models import find
from models.recipe import Head, Recipe, part, vary
from models.sample import Batch
from tests.conftest import mapped_arrays, small
from training.checks import check_recipe, try_batch
from training.dataset import Dataset, dataset_of
from training.evaluate import LeadSetRun
from training.loop import _backward
from training.pretraining import PRETRAININGS, barlow_twins, view_loss_of, with_others

FIRST = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
SECOND = torch.tensor([[1.0, 1], [0, 1], [-1, -1], [0, -1]])


@pytest.mark.parametrize(("redundancy", "loss"), [(0.005, 0.088286), (1.0, 0.585786)])
def test_the_worked_values_of_the_fact_sheet(redundancy: float, loss: float) -> None:
    assert barlow_twins(FIRST, SECOND, redundancy=redundancy).item() == pytest.approx(
        loss, abs=1e-6
    )
    moved = barlow_twins(3 * FIRST + 7, 0.1 * SECOND - 2, redundancy=redundancy)  # standardised
    assert moved.item() == pytest.approx(loss, abs=1e-5)
    half = barlow_twins(FIRST, SECOND, redundancy=redundancy, weight=0.5)
    assert half.item() == pytest.approx(loss / 2, abs=1e-6)


def test_identical_views_of_independent_columns_have_no_loss() -> None:
    """With N − 1 in the deviation it would be 0.125."""
    assert barlow_twins(FIRST, FIRST, redundancy=0.005).item() == pytest.approx(0, abs=1e-9)


def test_a_constant_column_and_a_single_record_have_finite_gradients() -> None:
    for shape in ((4, 3), (1, 3)):
        views = torch.randn(2, *shape)
        views[:, :, 0] = 2.0
        views.requires_grad_()
        loss = barlow_twins(*views, redundancy=0.005)
        loss.backward()
        assert loss.item() >= 1
        assert torch.isfinite(views.grad).all()


def test_the_phase_is_the_first_share_of_the_training() -> None:
    recipe = vary(find("isibrno-basic"), pretraining=part("barlow", share=0.2))
    assert [view_loss_of(recipe, progress) is None for progress in (0.0, 0.19, 0.2, 1.0)] == [
        False, False, True, True,
    ]  # fmt: skip
    loss = view_loss_of(recipe, 0.0)
    assert loss(FIRST, SECOND).item() == pytest.approx(0.088286, abs=1e-6)
    weighted = vary(recipe, pretraining=part("barlow", share=0.2, redundancy=1.0, weight=0.5))
    assert view_loss_of(weighted, 0.0)(FIRST, SECOND).item() == pytest.approx(0.292893, abs=1e-6)
    assert view_loss_of(find("isibrno-basic"), 0.0) is None
    assert PRETRAININGS["none"](0.0) is None


class Small(nn.Module):
    """Two record heads over an embedding, which is the mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.one, self.two = nn.Linear(2, 4), nn.Linear(4, 3), nn.Linear(4, 1)

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> dict[str, torch.Tensor]:
        embedding = self.trunk(signal.mean(2))
        return {"one": self.one(embedding), "two": self.two(embedding), "embedding": embedding}


HEADS = (Head("one", loss=part("bce"), weight=2.0), Head("two", loss=part("bce"), weight=0.25))


def run_and_records(**changes: object) -> tuple[LeadSetRun, Dataset]:
    recipe: Recipe = vary(
        find("isibrno-basic"), heads=HEADS, augment=(part("scale", spread=0.5),),
        post_transforms=(), transforms=(), lead_sets=(("I", "II"),), max_s=10.0,
        pretraining=part("barlow", share=0.2), **changes,
    )  # fmt: skip
    draws = np.random.default_rng(0)
    signals = list((1 + draws.normal(size=(6, 12, 50))).astype(np.float16))
    labels = {"one": draws.random((6, 3)) < 0.5, "two": draws.random((6, 1)) < 0.5}
    records = dataset_of(mapped_arrays(signals), labels, ("I", "II"), recipe)
    return LeadSetRun("2-leads", {}, recipe, ("I", "II"), {}, torch.device("cpu")), records


def test_the_first_record_head_compares_two_views_and_the_others_train_as_usual() -> None:
    run, records = run_and_records()
    torch.manual_seed(0)
    network, indices = Small(), [4, 1, 2, 5]
    view_loss = view_loss_of(run.recipe, 0.0)
    losses = _backward(run, network, records, indices, np.random.default_rng(7), view_loss)
    assert network.one.weight.grad is None  # the last layer is off
    gradients = [weight.grad.clone() for weight in (network.trunk.weight, network.two.weight)]

    network.zero_grad()
    generator = np.random.default_rng(7)
    first, second = (records.batch(indices, generator) for _ in range(2))
    assert not torch.equal(first.signal, second.signal)
    outputs, others = (network(view.signal, view.length) for view in (first, second))
    usual = nn.functional.binary_cross_entropy_with_logits(outputs["two"], first.targets["two"])
    twins = barlow_twins(outputs["embedding"], others["embedding"], redundancy=0.005)
    (2 * twins + 0.25 * usual).backward()
    assert losses == pytest.approx(
        {"loss one": twins.item(), "loss two": usual.item(),
         "loss": 2 * twins.item() + 0.25 * usual.item()}
    )  # fmt: skip
    torch.testing.assert_close(gradients, [network.trunk.weight.grad, network.two.weight.grad])

    network.zero_grad()
    after = _backward(run, network, records, indices, np.random.default_rng(7), None)
    assert after["loss one"] != losses["loss one"]
    assert network.one.weight.grad is not None


def test_batches_of_the_phase_have_more_records() -> None:
    barlow = part("barlow", share=0.2, records=5)
    run, records = run_and_records()
    run = replace(run, recipe=replace(run.recipe, pretraining=barlow))
    batches: list[list[int]] = []
    draw = records.batch

    def noted(indices: list[int], generator: np.random.Generator) -> Batch:
        batches.append(indices)
        return draw(indices, generator)

    object.__setattr__(records, "batch", noted)
    for view_loss in (view_loss_of(run.recipe, 0.0), None):
        _backward(run, Small(), records, [4, 1, 2], np.random.default_rng(7), view_loss)
    first, second, usual = batches
    assert first == second
    assert (first[:3], len(set(first)), usual) == ([4, 1, 2], 5, [4, 1, 2])
    draws = np.random.default_rng(7)
    assert with_others(run.recipe, [4, 1, 2], len(records), draws) == first
    assert sorted(with_others(run.recipe, [0], 3, draws)) == [0, 1, 2]  # there are no more
    assert with_others(run.recipe, [0, 1, 2, 3, 4, 5], 6, draws) == [0, 1, 2, 3, 4, 5]


def test_a_training_begins_with_the_phase(
    simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(*values: object) -> dict[str, float]:
        phases.append(values[-1] is not None)
        return {"loss": 1.0}

    phases: list[bool] = []
    recipe = vary(small(find("isibrno-basic")), pretraining=part("barlow", share=0.5), epochs=2)
    monkeypatch.setattr("training.data.find", lambda _: recipe)
    monkeypatch.setattr("training.run.try_batch", lambda _: None)  # this network has no embedding
    monkeypatch.setattr("training.loop._backward", noted)
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    team_code.training_code(str(simulated_folder), str(tmp_path / "model"))
    half = len(phases) // 2
    assert half
    assert phases == [True] * half + [False] * half


def test_a_network_without_an_embedding_and_a_recipe_without_a_record_head_are_refused() -> None:
    barlow = part("barlow", share=0.2)
    with pytest.raises(LeadwiseError, match="'barlow' needs a network that returns an 'embedding'"):
        try_batch(vary(find("isibrno-basic"), pretraining=barlow))
    heartly = find("heartly-leadwise")
    check_recipe(replace(heartly, pretraining=barlow))
    try_batch(replace(heartly, pretraining=barlow))
    dense = replace(heartly, heads=heartly.heads[1:], pretraining=barlow)
    with pytest.raises(LeadwiseError, match="'barlow' needs a head of kind record"):
        try_batch(dense)


@pytest.mark.parametrize(("pretraining", "message"), [
    (part("best"), "no pretraining 'best'; known are none, barlow"),
    (part("barlow"), "'barlow' lacks the number share"),
    (part("barlow", share=1.5), "barlow.share: must be from 0 to 1"),
    (part("none", share=0.5), "'none' has no number 'share'"),
])  # fmt: skip
def test_wrong_numbers_of_the_pretraining_are_named(pretraining: object, message: str) -> None:
    with pytest.raises(LeadwiseError, match=message):
        check_recipe(vary(find("isibrno-basic"), pretraining=pretraining))


def test_mixup_and_pretraining_are_refused_together() -> None:
    recipe = vary(
        find("isibrno-basic"), augment=(part("mixup"),), pretraining=part("barlow", share=0.2)
    )
    with pytest.raises(LeadwiseError, match="mixup changes the records that pretraining compares"):
        check_recipe(recipe)
