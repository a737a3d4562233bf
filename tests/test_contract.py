"""The contract that every recipe of `SYSTEMS` keeps (docs/design.md).

A recipe of these tests, with three heads, keeps it too, so each check works for every kind of head.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import models.house2026
import run_model
import team_code
from ecg.labels import CODES, POLICIES
from ecg.leads import LEAD_SETS, STANDARD
from ecg.records import find_records, read_record
from models import SYSTEMS, lookup, recipes_by_name
from models.heartly2021.network import EMBEDDING
from models.inputs import channels_of, channels_per_lead, post_transform, prepare, window_bounds
from models.layers import Members
from models.losses import Loss
from models.network import build, from_logits, outputs_of, pad, predict_signal
from models.recipe import Head, Recipe, part, recipe_from_json, recipe_to_json, vary
from simulate import simulate, write_records
from tests.conftest import SMALL_NETWORKS, save_untrained, small
from tests.test_dense_heads import RECIPE as THREE_HEADS
from tests.test_dense_heads import Tiny

ALL = {**recipes_by_name(), THREE_HEADS.name: THREE_HEADS}
RECIPES = sorted(ALL)
# Those whose labels can be unknown: by a mask, or since records have labels of some heads alone.
MASKED = [
    name
    for name in RECIPES
    if len(ALL[name].heads) > 1 or any(head.mask != "off" for head in ALL[name].heads)
]


@pytest.fixture(autouse=True)
def _three_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.house2026.NETWORKS, THREE_HEADS.network.name, Tiny)


@pytest.fixture(scope="module")
def annotated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 simulated records of 3 s at 250 Hz with annotation files."""
    folder = tmp_path_factory.mktemp("annotated")
    write_records(folder, 24, seed=4, duration_s=3.0, fs=250.0, annotations=True)
    return folder


def recipe_of(name: str) -> Recipe:
    return THREE_HEADS if name == THREE_HEADS.name else small(ALL[name])


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
        for name, recipe in sorted(ALL.items())
        for leads in lead_sets_of(recipe)
    ],
)
# The first recipe of each system, and all with several heads or a dense one, are trained.  The
# records of these tests have twelve leads and the Challenge's classes.
OF_TWELVE = [name for name in RECIPES if all_leads_of(ALL[name]) == STANDARD]
FIRST = {ALL[name].system: name for name in reversed(OF_TWELVE)}
TRAINED = [
    name
    for name in OF_TWELVE
    if name in FIRST.values() or len(ALL[name].heads) > 1 or ALL[name].head.dense
]


def inputs_of(
    recipe: Recipe, leads: tuple[str, ...], seconds: float = 4.0, seed: int = 0
) -> np.ndarray:
    record = simulate(("NSR",), seed=seed, duration_s=seconds, fs=500.0)
    have = (*all_leads_of(recipe), *record.leads)[:12]  # a lead of any other name is lead I
    return prepare(recipe, record.signal, have, leads, record.fs).signal


def class_count(head: Head) -> int:
    """Count the classes that the network learns; of `all` codes of the records they are 26 here."""
    return len(head.learned(POLICIES[head.classes]([]) or CODES))


def column_count(recipe: Recipe, head: Head) -> int:
    """Count the columns in training, which label engineering changes."""
    if head.targets == "labels":
        return class_count(head)
    columns: int = lookup(recipe, "TARGETS", head.targets, {})([[]]).shape[1]
    return columns


def levels_of(output: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """List the logits of an output: one tensor, or with deep supervision several."""
    return output if isinstance(output, tuple) else (output,)


def targets_of(recipe: Recipe, head: Head, length: torch.Tensor) -> torch.Tensor:
    """Make known targets for a batch of signals, of which half or more have one class."""
    batch, columns = len(length), column_count(recipe, head)
    classes = (torch.arange(batch) % 4 > 0).long()
    if head.dense:
        samples = torch.arange(int(length.max()))
        return classes[:, None].where(samples < length[:, None], torch.tensor(-1))
    labels = torch.zeros(batch, columns)
    if head.exclusive:
        labels[torch.arange(batch), classes] = 1
    else:
        labels[::2, min(3, columns - 1)] = 1
    return labels


def loss_of(recipe: Recipe, head: Head, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    loss: torch.Tensor = lookup(recipe, "LOSSES", head.loss.name)(
        output, target, **head.loss.options
    )
    return loss


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
    assert set(outputs) - {EMBEDDING} == {head.name for head in recipe.heads}
    # In training an ensemble returns the logits of each member.
    members = (len(network.members),) if isinstance(network, Members) else ()
    for head in recipe.heads:
        samples = (signal.shape[2],) if head.dense else ()
        levels = levels_of(outputs[head.name])
        assert levels[0].shape == (*members, 4, column_count(recipe, head), *samples)
        assert all(torch.isfinite(level).all() for level in levels)
    logits = [level for output in outputs.values() for level in levels_of(output)]
    sum(each.square().mean() for each in logits).backward()
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
        for index, signal in enumerate(signals):
            alone, among = each[index][head.name][0], together[head.name][index]
            if head.dense:
                assert alone.shape == (class_count(head), signal.shape[1])
                among = among[:, : signal.shape[1]]
            torch.testing.assert_close(among, alone, atol=1e-5, rtol=0)


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
        if head.dense:  # the mean of each sample over the windows that read it
            total, count = np.zeros((class_count(head), ready.shape[1])), np.zeros(ready.shape[1])
            for (onset, offset), window in zip(bounds, each, strict=True):
                total[:, onset:offset] += window
                count[onset:offset] += 1
            mean = total / np.maximum(count, 1)
        else:
            np.testing.assert_allclose(output.windows[head.name], each, atol=1e-6)
            mean = np.mean(each, axis=0)
        np.testing.assert_allclose(output.probabilities[head.name], mean, atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_the_loss_of_each_head_is_finite_and_falls(name: str) -> None:
    recipe = recipe_of(name)
    leads = few_leads_of(recipe)
    network = network_of(recipe, leads).train()
    signal, length = pad([inputs_of(recipe, leads, seed=seed) for seed in range(8)])
    targets = {head.name: targets_of(recipe, head, length) for head in recipe.heads}
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(20):
        outputs = outputs_of(recipe, network, signal, length)
        values = {}
        for head in recipe.heads:
            values[head.name] = loss_of(recipe, head, outputs[head.name], targets[head.name])
            assert values[head.name].shape == ()
        optimiser.zero_grad()
        sum(values[head.name] * head.weight for head in recipe.heads).backward()
        optimiser.step()
        losses.append([float(value.detach()) for value in values.values()])
    assert np.isfinite(losses).all()
    # A deep network may overshoot in between; at 1e-2 one never fell on some processors.
    assert (np.min(losses, axis=0) < 0.8 * np.array(losses[0])).all()


@pytest.mark.parametrize("name", MASKED)
def test_unknown_targets_add_nothing_to_the_loss_of_a_head(name: str) -> None:
    """Unknown is NaN for a record's label and -1 for a sample; its output has no gradient."""
    recipe = recipe_of(name)
    leads = few_leads_of(recipe)
    network = network_of(recipe, leads).train()
    signal, length = pad([inputs_of(recipe, leads, seed=seed) for seed in range(4)])
    outputs = outputs_of(recipe, network, signal, length)
    for head in recipe.heads:
        check_unknown_targets(recipe, head, outputs[head.name], length)


def check_unknown_targets(
    recipe: Recipe, head: Head, output: torch.Tensor | tuple[torch.Tensor, ...],
    length: torch.Tensor,
) -> None:  # fmt: skip
    target, levels = targets_of(recipe, head, length), levels_of(output)
    for records in (slice(1, 3), slice(None)):  # two of the four, all
        target[records] = -1 if head.dense else torch.nan
        loss = loss_of(recipe, head, output, target)
        assert torch.isfinite(loss), f"{head.loss.name}: is {loss} with unknown targets"
        for gradient in torch.autograd.grad(loss, levels, retain_graph=True):
            of_unknown = gradient.movedim(-3 if head.dense else -2, 0)[records]
            assert (of_unknown == 0).all(), f"{head.loss.name}: unknown targets have a gradient"
            assert torch.isfinite(gradient).all(), head.loss.name
    assert loss == 0, f"{head.loss.name}: unknown targets add {loss}"


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: (torch.sigmoid(output) - target).square().mean(),
        lambda output, target: (torch.sigmoid(output) - target.nan_to_num()).square().mean(),
    ],
    ids=["NaN", "negative"],
)
def test_a_loss_that_ignores_unknown_targets_is_found(
    loss: Loss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(models.house2026.LOSSES, "careless", loss)
    head = Head(loss=part("careless"))
    output = torch.zeros(4, 26, requires_grad=True)
    with pytest.raises(AssertionError, match="careless: (is nan with|unknown targets have)"):
        check_unknown_targets(THREE_HEADS, head, output, torch.full((4,), 100))


@pytest.mark.parametrize("name", RECIPES)
def test_a_saved_network_is_loaded_with_equal_outputs(name: str, tmp_path: Path) -> None:
    recipe = recipe_of(name)
    assert recipe_from_json(json.loads(json.dumps(recipe_to_json(recipe)))) == recipe
    leads = few_leads_of(recipe)
    recipe = replace(recipe, lead_sets=(leads,))
    network = network_of(recipe, leads).eval()
    model = save_untrained(recipe, network, tmp_path)
    assert model.recipe == recipe
    batch = pad([inputs_of(recipe, leads)])
    _, loaded = model.network_for(leads)
    with torch.inference_mode():
        before, after = (outputs_of(recipe, one, *batch) for one in (network, loaded))
    for head in recipe.heads:
        torch.testing.assert_close(after[head.name], before[head.name], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", TRAINED)
def test_two_epochs_then_run_model(
    name: str, simulated_folder: Path, annotated_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    recipe = vary(recipe_of(name), epochs=2)
    dense = any(head.dense for head in recipe.heads)
    data = annotated_folder if dense else simulated_folder
    monkeypatch.setattr("training.data.find", lambda _: recipe)
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    team_code.training_code(str(data), str(tmp_path / "model"))
    model = team_code.load_model(str(tmp_path / "model"), ("I", "II"))
    path = find_records(data)[0][0].stem
    record = read_record(f"{path}.hea")
    assert (model.predict(record).annotations is not None) == dense
    if all(head.dense for head in recipe.heads):
        return
    header = Path(f"{path}.hea").read_text()
    classes, labels, probabilities = team_code.run_model(model, header, record.digital())
    first = next(head for head in recipe.heads if not head.dense)
    assert len(classes) == len(labels) == len(probabilities)
    assert tuple(classes) == POLICIES[first.classes](classes)
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
