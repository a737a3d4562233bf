"""The contract that every recipe of `SYSTEMS` keeps (docs/design.md)."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import run_model
import team_code
from ecg.leads import LEAD_SETS, STANDARD
from ecg.records import find_records
from models import SYSTEMS, lookup, recipes_by_name
from models.house2026 import Ensemble
from models.inputs import channels_of, channels_per_lead, post_transform, prepare, window_bounds
from models.network import build, from_logits, outputs_of, pad, predict_signal
from models.recipe import Head, Recipe
from simulate import simulate
from tests.conftest import SMALL_NETWORKS, small

RECIPES = sorted(recipes_by_name())
CLASSES = {"af": 4, "af2": 2, "icentia": 4}  # otherwise the Challenge's 26


def recipe_of(name: str) -> Recipe:
    return small(recipes_by_name()[name])


def all_leads_of(recipe: Recipe) -> tuple[str, ...]:
    """Return the twelve leads, or the only lead set of a recipe that reads another lead."""
    known = recipe.lead_sets[0][0] in STANDARD
    return STANDARD if known else recipe.lead_sets[0]


def lead_sets_of(recipe: Recipe) -> list[tuple[str, ...]]:
    return [*LEAD_SETS.values()] if all_leads_of(recipe) == STANDARD else [*recipe.lead_sets]


def few_leads_of(recipe: Recipe) -> tuple[str, ...]:
    return lead_sets_of(recipe)[-1]


LEAD_SETS_OF_EACH = pytest.mark.parametrize(
    ("name", "leads"),
    [
        pytest.param(name, leads, id=f"{name}-{len(leads)}")
        for name, recipe in sorted(recipes_by_name().items())
        for leads in lead_sets_of(recipe)
    ],
)
# The records of these tests have twelve leads and the Challenge's classes.
SYSTEMS_OF_TWELVE = [
    system
    for system in SYSTEMS
    if any(
        recipe.system == system and all_leads_of(recipe) == STANDARD
        for recipe in recipes_by_name().values()
    )
]


def inputs_of(
    recipe: Recipe, leads: tuple[str, ...], seconds: float = 4.0, seed: int = 0
) -> np.ndarray:
    record = simulate(("NSR",), seed=seed, duration_s=seconds, fs=500.0)
    have = (*all_leads_of(recipe), *record.leads)[:12]  # a lead of any other name is lead I
    return prepare(recipe, record.signal, have, leads, record.fs).signal


def class_count(head: Head) -> int:
    return CLASSES.get(head.classes, 26)


def network_of(recipe: Recipe, leads: tuple[str, ...]) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(recipe, leads, {head.name: range(class_count(head)) for head in recipe.heads})


def test_small_networks_are_of_systems() -> None:
    """A system without one, such as a new one, is tested at its own size."""
    assert set(SMALL_NETWORKS) <= set(SYSTEMS)


@LEAD_SETS_OF_EACH
def test_logits_have_their_shape_and_every_weight_has_a_gradient(
    name: str, leads: tuple[str, ...]
) -> None:
    recipe = recipe_of(name)
    network = network_of(recipe, leads).train()
    signal, length = pad([inputs_of(recipe, leads, seed=seed) for seed in range(4)])
    assert signal.shape[1] == len(leads) * channels_per_lead(recipe)
    outputs = outputs_of(recipe, network, signal, length)
    assert list(outputs) == [head.name for head in recipe.heads]
    # In training an ensemble returns the logits of each member.
    members = (len(network.members),) if isinstance(network, Ensemble) else ()
    for head in recipe.heads:
        assert outputs[head.name].shape == (*members, 4, class_count(head))
        assert torch.isfinite(outputs[head.name]).all()
    sum(logits.square().mean() for logits in outputs.values()).backward()
    for name_of_weight, weight in network.named_parameters():
        assert weight.grad is not None, name_of_weight
        assert torch.isfinite(weight.grad).all(), name_of_weight


@pytest.mark.parametrize("name", RECIPES)
def test_neither_padding_nor_other_records_change_outputs(name: str) -> None:
    recipe = recipe_of(name)
    leads = few_leads_of(recipe)
    network = network_of(recipe, leads).eval()
    signals = [inputs_of(recipe, leads, seconds=seconds) for seconds in (1.5, 4.0, 6.3)]
    with torch.inference_mode():
        each = [outputs_of(recipe, network, *pad([signal])) for signal in signals]
        together = outputs_of(recipe, network, *pad(signals))
    for head in recipe.heads:
        alone = torch.cat([outputs[head.name] for outputs in each])
        assert alone.shape == (3, class_count(head))
        torch.testing.assert_close(together[head.name], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", RECIPES)
def test_the_order_of_a_records_leads_does_not_matter(name: str) -> None:
    recipe = recipe_of(name)
    record = simulate(("AF",), seed=1, duration_s=3.0)
    order = np.random.default_rng(0).permutation(12)
    have = (*all_leads_of(recipe), *record.leads)[:12]
    shuffled = [have[index] if have[index] == "ECG" else have[index].lower() for index in order]
    plain = prepare(recipe, record.signal, have, all_leads_of(recipe), record.fs).signal
    other = prepare(recipe, record.signal[order], shuffled, all_leads_of(recipe), record.fs).signal
    np.testing.assert_array_equal(other, plain)


@LEAD_SETS_OF_EACH
def test_channels_of_the_cache_equal_those_of_the_lead_set(
    name: str, leads: tuple[str, ...]
) -> None:
    """Cached channels of twelve leads, reduced to a lead set, equal those that prediction reads."""
    recipe = recipe_of(name)
    whole = all_leads_of(recipe)
    reduced = inputs_of(recipe, whole)[channels_of(leads, whole, channels_per_lead(recipe))]
    np.testing.assert_allclose(reduced, inputs_of(recipe, leads), atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_probabilities_of_long_records_are_means_over_windows(name: str) -> None:
    recipe = recipe_of(name)
    recipe = replace(recipe, max_s=2.0, stride_s=min(recipe.stride_s, 1.5))
    network = network_of(recipe, few_leads_of(recipe)).eval()
    signal = inputs_of(recipe, few_leads_of(recipe), seconds=5.0)
    output = predict_signal(recipe, network, signal, torch.device("cpu"))
    ready, _ = post_transform(recipe, signal)
    bounds = window_bounds(recipe, ready.shape[1])
    assert len(bounds) >= 3
    assert output.bounds == bounds
    for head in recipe.heads:
        with torch.inference_mode():
            each = [
                from_logits(head, outputs_of(recipe, network, *pad([window]))[head.name])[0]
                for window in (ready[:, onset:offset] for onset, offset in bounds)
            ]
        np.testing.assert_allclose(output.windows[head.name], each, atol=1e-6)
        np.testing.assert_allclose(
            output.probabilities[head.name], np.mean(each, axis=0), atol=1e-6
        )


@pytest.mark.parametrize("name", RECIPES)
def test_a_loss_is_finite_and_falls(name: str) -> None:
    recipe = recipe_of(name)
    leads = few_leads_of(recipe)
    network = network_of(recipe, leads).train()
    signal, length = pad([inputs_of(recipe, leads, seed=seed) for seed in range(8)])
    targets = {}
    for head in recipe.heads:
        labels = torch.zeros(8, class_count(head))
        if head.exclusive:
            labels[torch.arange(8), (torch.arange(8) % 4 > 0).long()] = 1
        else:
            labels[::2, 3] = 1
        targets[head.name] = labels
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(8):
        outputs = outputs_of(recipe, network, signal, length)
        loss = torch.zeros(())
        for head in recipe.heads:
            function = lookup(recipe, "LOSSES", head.loss.name)
            value = function(outputs[head.name], targets[head.name], **head.loss.options)
            assert value.shape == ()
            loss = loss + head.weight * value
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.isfinite(losses).all()
    assert min(losses) < 0.8 * losses[0]  # at this rate a deep network may overshoot in between


@pytest.mark.parametrize("system", SYSTEMS_OF_TWELVE)
def test_two_epochs_then_run_model(
    system: str, simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(name for name in RECIPES if recipes_by_name()[name].system == system)
    monkeypatch.setattr("training.data.find", lambda _: recipe_of(name))
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    team_code.training_code(str(simulated_folder), str(tmp_path / "model"))
    model = team_code.load_model(str(tmp_path / "model"), ("I", "II"))
    record = find_records(simulated_folder)[0][0]
    header = Path(record.stem + ".hea").read_text()
    classes, labels, probabilities = team_code.run_model(model, header, record.digital())
    assert len(classes) == len(labels) == len(probabilities) == 26
    assert set(labels) <= {0, 1}
    assert all(0 <= value <= 1 for value in probabilities)


def test_predictions_are_reproducible(
    model_folder: Path, simulated_folder: Path, tmp_path: Path
) -> None:
    """In separate processes: earlier work of a process moves memory, which changes last digits."""
    first, second = tmp_path / "first", tmp_path / "second"
    command = [sys.executable, run_model.__file__, str(model_folder), str(simulated_folder)]
    for outputs in (first, second):
        subprocess.run([*command, str(outputs)], check=True, capture_output=True)
    assert len(list(first.iterdir())) == 48
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name
