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
from ecg.simulate import simulate
from models import SYSTEMS, recipes_by_name
from models.classifier import build, pad, probabilities_of
from models.inputs import finish, prepare, rows_of, rows_per_lead, windows
from models.losses import Batch
from models.recipe import Recipe
from tests.conftest import SMALL_NETWORKS, small

RECIPES = sorted(recipes_by_name())


def recipe_of(name: str) -> Recipe:
    return small(recipes_by_name()[name])


def inputs_of(
    recipe: Recipe, leads: tuple[str, ...], seconds: float = 4.0, seed: int = 0
) -> np.ndarray:
    record = simulate(("NSR",), seed=seed, duration_s=seconds, fs=500.0)
    return prepare(recipe, record.signal, record.leads, leads, record.fs).signal


def network_of(recipe: Recipe, leads: tuple[str, ...]) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(recipe, leads, 26)


def test_each_system_has_a_small_network_for_these_tests() -> None:
    assert set(SMALL_NETWORKS) == set(SYSTEMS)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("size", LEAD_SETS)
def test_logits_have_their_shape_and_every_weight_learns(name: str, size: int) -> None:
    recipe, leads = recipe_of(name), LEAD_SETS[size]
    network = network_of(recipe, leads).train()
    signal, length = pad([inputs_of(recipe, leads, seed=seed) for seed in range(4)])
    assert signal.shape[1] == size * rows_per_lead(recipe)
    logits = network(signal, length)
    assert logits.shape == (4, 26)
    assert torch.isfinite(logits).all()
    logits.square().mean().backward()
    for name_of_weight, weight in network.named_parameters():
        assert weight.grad is not None, name_of_weight
        assert torch.isfinite(weight.grad).all(), name_of_weight


@pytest.mark.parametrize("name", RECIPES)
def test_neither_padding_nor_neighbours_change_an_answer(name: str) -> None:
    recipe, leads = recipe_of(name), LEAD_SETS[2]
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
    shuffled = [record.leads[place].lower() for place in order]
    plain = prepare(recipe, record.signal, record.leads, STANDARD, record.fs).signal
    other = prepare(recipe, record.signal[order], shuffled, STANDARD, record.fs).signal
    np.testing.assert_array_equal(other, plain)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("size", LEAD_SETS)
def test_rows_of_the_cache_are_those_of_the_lead_set(name: str, size: int) -> None:
    """What is cached for twelve leads and cut down is what `run_model` prepares for fewer."""
    recipe, leads = recipe_of(name), LEAD_SETS[size]
    cut = inputs_of(recipe, STANDARD)[rows_of(leads, STANDARD, rows_per_lead(recipe))]
    np.testing.assert_allclose(cut, inputs_of(recipe, leads), atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_long_records_are_answered_window_by_window(name: str) -> None:
    recipe = replace(recipe_of(name), max_s=2.0)
    network = network_of(recipe, LEAD_SETS[2]).eval()
    signal = inputs_of(recipe, LEAD_SETS[2], seconds=5.0)
    device = torch.device("cpu")
    whole = probabilities_of(recipe, network, signal, device)
    pieces = windows(recipe, finish(recipe, signal))
    assert len(pieces) == 3
    with torch.inference_mode():
        each = [torch.sigmoid(network(*pad([piece])))[0].numpy() for piece in pieces]
    np.testing.assert_allclose(whole, np.mean(each, axis=0), atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_a_loss_is_finite_and_falls(name: str) -> None:
    from models import lookup

    recipe = recipe_of(name)
    network = network_of(recipe, LEAD_SETS[2]).train()
    signal, length = pad([inputs_of(recipe, LEAD_SETS[2], seed=seed) for seed in range(8)])
    labels = torch.zeros(8, 26)
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
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("system", SYSTEMS)
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
    """Once here, once in a process of its own."""
    first, second = tmp_path / "first", tmp_path / "second"
    words = [str(model_folder), str(simulated_folder)]
    assert run_model.main([*words, str(first)]) == 0
    script = Path(run_model.__file__).resolve()
    subprocess.run([sys.executable, script, *words, str(second)], check=True, capture_output=True)
    assert len(list(first.iterdir())) == 48
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name
