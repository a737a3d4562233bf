"""One contract, every recipe: what DESIGN's section 3 asks of each, found by walking `SYSTEMS`."""

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
from models import SYSTEMS, recipes_by_name
from models.classifier import build, from_logits, pad, probabilities_of
from models.inputs import channels_of, channels_per_lead, finish, prepare, windows
from models.losses import Batch
from models.recipe import Recipe
from simulate import simulate
from tests.conftest import SMALL_NETWORKS, small

RECIPES = sorted(recipes_by_name())
CLASSES = {"af": 4, "af2": 2, "icentia": 4}  # else the Challenge's 26


def recipe_of(name: str) -> Recipe:
    return small(recipes_by_name()[name])


def all_leads_of(recipe: Recipe) -> tuple[str, ...]:
    """The twelve, or the only lead set of a recipe that reads another lead."""
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
    have = (*all_leads_of(recipe), *record.leads)[:12]  # lead I is the lead of any other name
    return prepare(recipe, record.signal, have, leads, record.fs).signal


def classes_of(recipe: Recipe) -> int:
    return CLASSES.get(recipe.classes, 26)


def network_of(recipe: Recipe, leads: tuple[str, ...]) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(recipe, leads, classes_of(recipe))


def test_each_system_has_a_small_network_for_these_tests() -> None:
    assert set(SMALL_NETWORKS) == set(SYSTEMS)


@LEAD_SETS_OF_EACH
def test_logits_have_their_shape_and_every_weight_learns(name: str, leads: tuple[str, ...]) -> None:
    recipe = recipe_of(name)
    network = network_of(recipe, leads).train()
    signal, length = pad([inputs_of(recipe, leads, seed=seed) for seed in range(4)])
    assert signal.shape[1] == len(leads) * channels_per_lead(recipe)
    logits = network(signal, length)
    assert logits.shape == (4, classes_of(recipe))
    assert torch.isfinite(logits).all()
    logits.square().mean().backward()
    for name_of_weight, weight in network.named_parameters():
        assert weight.grad is not None, name_of_weight
        assert torch.isfinite(weight.grad).all(), name_of_weight


@pytest.mark.parametrize("name", RECIPES)
def test_neither_padding_nor_neighbours_change_an_answer(name: str) -> None:
    recipe = recipe_of(name)
    leads = few_leads_of(recipe)
    network = network_of(recipe, leads).eval()
    signals = [inputs_of(recipe, leads, seconds=seconds) for seconds in (1.5, 4.0, 6.3)]
    with torch.inference_mode():
        alone = torch.cat([network(*pad([signal])) for signal in signals])
        together = network(*pad(signals))
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)  # as DESIGN states


@pytest.mark.parametrize("name", RECIPES)
def test_the_order_of_a_records_leads_does_not_matter(name: str) -> None:
    recipe = recipe_of(name)
    record = simulate(("AF",), seed=1, duration_s=3.0)
    order = np.random.default_rng(0).permutation(12)
    have = (*all_leads_of(recipe), *record.leads)[:12]
    shuffled = [have[place] if have[place] == "ECG" else have[place].lower() for place in order]
    plain = prepare(recipe, record.signal, have, all_leads_of(recipe), record.fs).signal
    other = prepare(recipe, record.signal[order], shuffled, all_leads_of(recipe), record.fs).signal
    np.testing.assert_array_equal(other, plain)


@LEAD_SETS_OF_EACH
def test_rows_of_the_cache_are_those_of_the_lead_set(name: str, leads: tuple[str, ...]) -> None:
    """What is cached for twelve leads and cut down is what `run_model` prepares for fewer."""
    recipe = recipe_of(name)
    whole = all_leads_of(recipe)
    cut = inputs_of(recipe, whole)[channels_of(leads, whole, channels_per_lead(recipe))]
    np.testing.assert_allclose(cut, inputs_of(recipe, leads), atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_long_records_are_answered_window_by_window(name: str) -> None:
    recipe = recipe_of(name)
    recipe = replace(recipe, max_s=2.0, stride_s=min(recipe.stride_s, 1.5))
    network = network_of(recipe, few_leads_of(recipe)).eval()
    signal = inputs_of(recipe, few_leads_of(recipe), seconds=5.0)
    device = torch.device("cpu")
    whole = probabilities_of(recipe, network, signal, device)
    pieces = windows(recipe, finish(recipe, signal))
    assert len(pieces) >= 3
    with torch.inference_mode():
        each = [from_logits(recipe, network(*pad([piece])))[0] for piece in pieces]
    np.testing.assert_allclose(whole, np.mean(each, axis=0), atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_a_loss_is_finite_and_falls(name: str) -> None:
    from models import lookup

    recipe = recipe_of(name)
    leads = few_leads_of(recipe)
    network = network_of(recipe, leads).train()
    signal, length = pad([inputs_of(recipe, leads, seed=seed) for seed in range(8)])
    labels = torch.zeros(8, classes_of(recipe))
    if recipe.exclusive:
        labels[torch.arange(8), (torch.arange(8) % 4 > 0).long()] = 1
    else:
        labels[::2, 3] = 1
    loss_function = lookup(recipe, "LOSSES", recipe.loss.name)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(8):
        loss, _ = loss_function(network, Batch(signal, length, labels), **recipe.loss.options)
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


def test_a_model_answers_with_the_same_files_each_time(
    model_folder: Path, simulated_folder: Path, tmp_path: Path
) -> None:
    """In processes of their own: what ran before in one moves memory, and with it last digits."""
    first, second = tmp_path / "first", tmp_path / "second"
    words = [sys.executable, run_model.__file__, str(model_folder), str(simulated_folder)]
    for outputs in (first, second):
        subprocess.run([*words, str(outputs)], check=True, capture_output=True)
    assert len(list(first.iterdir())) == 48
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name
