"""Transfer between lead sets: frozen weights, distilled targets, interrupted trainings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import team_code
import training.run
from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from models import find, recipes_by_name
from models.folder import TrainedSet, read_model, read_weights
from models.network import build
from models.recipe import Head, Part, Recipe, part, vary
from simulate import write_records
from tests.conftest import mapped_arrays, small
from training.data import chosen_recipe
from training.dataset import Dataset, dataset_of
from training.evaluate import LeadSetRun, predict
from training.loop import _start, set_train_mode
from training.settings import Settings
from training.state import TrainingState, number_of
from training.transfer import TRANSFERS, FirstRun, check_transfer, transferred

CPU = torch.device("cpu")
REUSE = find("revenger-branched-lw-reuse-100hz")
FROZEN, DISTILLED = part("frozen_backbone"), part("distillation", share=0.7)
HEAD = "diagnosis"
CLASSES = {HEAD: ("1",) * 26}


def transferring(transfer: Part) -> Recipe:
    """Return a small recipe with all that a training can have, whose records are not padded."""
    recipe = small(REUSE)
    return vary(
        recipe,
        network=part(recipe.network.name, **{**recipe.network.options, "width_divisor": 16}),
        post_transforms=(part("z_score"),),
        augment=(part("mixup"), part("label_smoothing")),
        ema=0.9,
        transfer=transfer,
    )


def train(patch: pytest.MonkeyPatch, recipe: Recipe, data: Path, model: Path) -> None:
    patch.setattr("training.data.find", lambda _: recipe)
    patch.setattr("training.run.plot_training", lambda *_: None)  # the picture takes longest
    patch.setenv("LEADWISE_LEADS", "12,2")
    team_code.training_code(str(data), str(model))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_records(folder, 12, seed=2, duration_s=1.0, fs=250.0)
    return folder


@pytest.fixture(scope="module", params=[FROZEN, DISTILLED], ids=lambda transfer: transfer.name)
def uninterrupted(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Part, Path]:
    """A model of 12 leads and 2 that was trained without interruption."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        train(patch, transferring(request.param), data, folder)
    return request.param, folder


def weights_of(folder: Path) -> list[dict[str, torch.Tensor]]:
    model = read_model(folder)
    return [read_weights(model, trained) for trained in model.lead_sets]


def test_only_a_frozen_backbone_equals_the_first_one_and_all_else_is_trained(
    uninterrupted: tuple[Part, Path],
) -> None:
    """Weights and norms' statistics of a training with averaged weights."""
    transfer, folder = uninterrupted
    recipe = transferring(transfer)
    whole, reduced = weights_of(folder)
    network = build(recipe, LEAD_SETS[12], CLASSES)
    network.load_state_dict(whole)
    expected = network.backbone_of([0, 1])
    backbone = {name for name in reduced if name.startswith("backbone.")}
    assert backbone == set(expected)
    same = [torch.equal(reduced[name], expected[name]) for name in backbone]
    assert all(same) == (transfer.name == "frozen_backbone")
    with torch.random.fork_rng():
        torch.manual_seed(number_of(recipe.seed, "2-leads", "weights"))
        drawn = build(recipe, LEAD_SETS[2], CLASSES).state_dict()
    for name in reduced.keys() - backbone:
        assert not torch.equal(reduced[name], drawn[name]), name


class Interrupted(Exception):
    """Raised instead of a kill."""


@pytest.mark.parametrize("moment", ["12-leads: epoch 1 of", "2-leads: epoch 1 of"])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    uninterrupted: tuple[Part, Path],
    moment: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    transfer, folder = uninterrupted

    def stop(text: str) -> None:
        if text.startswith(moment):
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr("training.loop.log", stop)
        with pytest.raises(Interrupted):
            train(patch, transferring(transfer), data, tmp_path)
    train(monkeypatch, transferring(transfer), data, tmp_path)
    assert f"{moment.partition(':')[0]}: continues after epoch 1." in capsys.readouterr().err
    assert sets(tmp_path) == sets(folder)


def sets(folder: Path) -> tuple[TrainedSet, ...]:
    """Weights (by their sha256), decisions and scores."""
    return read_model(folder).lead_sets


def test_a_state_with_another_first_network_is_not_continued(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """As if the first lead set's state was lost, and a shorter budget gives another network."""

    def stop(text: str) -> None:
        if text.startswith("2-leads: epoch 1 of"):
            raise Interrupted

    def other(folder: Path, name: str, weights: dict[str, torch.Tensor]) -> tuple[str, str]:
        return f"{name}.safetensors", "another network"

    with monkeypatch.context() as patch:
        patch.setattr("training.loop.log", stop)
        patch.setattr("training.run.write_weights", other)
        with pytest.raises(Interrupted):
            train(patch, transferring(FROZEN), data, tmp_path)
    train(monkeypatch, transferring(FROZEN), data, tmp_path)
    log = capsys.readouterr().err
    assert "12-leads: already trained." in log
    assert "differs in first network; this lead set is trained again." in log


def first_of(recipe: Recipe) -> tuple[FirstRun, Dataset]:
    """Return a random network of 12 leads as the first one, and the dataset of two leads."""
    generator = np.random.default_rng(0)
    lengths = (300, 250, 1200, 300, 90)  # one is cut into windows
    signals = mapped_arrays([generator.normal(size=(12, n)).astype(np.float16) for n in lengths])
    labels = {HEAD: generator.random((5, 26)) < 0.2}
    torch.manual_seed(0)
    weights = build(recipe, LEAD_SETS[12], CLASSES).state_dict()
    run = LeadSetRun("12-leads", {}, recipe, LEAD_SETS[12], CLASSES, CPU)
    first = FirstRun(run, dataset_of(signals, labels, LEAD_SETS[12], recipe), weights, "abc")
    return first, dataset_of(signals, labels, LEAD_SETS[2], recipe)


def run_of(first: FirstRun) -> LeadSetRun:
    return replace(first.run, name="2-leads", key={"data": "x"}, leads=LEAD_SETS[2])


def test_targets_are_mixed_with_the_first_networks_probabilities_of_whole_records() -> None:
    first, train_part = first_of(transferring(DISTILLED))
    run, mixed = transferred(run_of(first), train_part, first)
    probabilities = predict(first.run, first.run.network(first.weights), first.train_part)[HEAD]
    own = train_part.labels[HEAD]
    assert mixed.labels[HEAD].dtype == np.float32
    np.testing.assert_allclose(mixed.labels[HEAD], 0.3 * own + 0.7 * probabilities, atol=1e-7)
    assert mixed.channels == train_part.channels
    assert own.dtype == bool, "the records' own labels are unchanged"
    assert run.key == {"data": "x", "first network": "abc"}
    assert not run.frozen
    batch = mixed.subset(np.array([1, 2])).batch([0])
    np.testing.assert_array_equal(batch.targets[HEAD][0], mixed.labels[HEAD][1])


def test_labels_of_validation_records_are_not_mixed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    plain = training.run.train

    def train_and_note(
        run: LeadSetRun, train_part: Dataset, validation_part: Dataset, *rest: object
    ) -> object:
        seen[run.name] = train_part.labels[HEAD], validation_part.labels[HEAD]
        return plain(run, train_part, validation_part, *rest)

    monkeypatch.setattr("training.run.train", train_and_note)
    train(monkeypatch, transferring(DISTILLED), data, tmp_path)
    (alone, validation), (mixed, validation_again) = seen["12-leads"], seen["2-leads"]
    assert alone.dtype == validation.dtype == validation_again.dtype == bool
    np.testing.assert_array_equal(validation, validation_again)
    assert np.abs(mixed - 0.3 * alone - 0.35).max() <= 0.35 + 1e-6
    assert (mixed != alone).all()


def test_frozen_weights_are_not_trained_and_their_modules_stay_in_eval_mode() -> None:
    """Dropout and norms of the backbone are in eval mode while the network is trained."""
    recipe = transferring(FROZEN)
    first, train_part = first_of(recipe)
    run, same = transferred(run_of(first), train_part, first)
    assert same is train_part
    network, optimiser = _start(run, TrainingState({}))
    trained = [weight for name, weight in network.named_parameters() if name not in run.frozen]
    assert [id(one) for one in optimiser.param_groups[0]["params"]] == list(map(id, trained))
    batch = train_part.batch([0, 1, 2])
    network.eval()
    expected, _ = network.forward_features(batch.signal, batch.length)
    set_train_mode(network)
    assert network.training
    assert network.head.training
    features, _ = network.forward_features(batch.signal, batch.length)
    assert torch.equal(features, expected)
    assert not features.requires_grad
    whole = first.run.network(first.weights).eval()
    every, _ = whole.forward_features(first.train_part.batch([0, 1, 2]).signal, batch.length)
    ours = every.view(3, 3, 12, -1, every.shape[2])[:, :, :2].flatten(1, 3)
    torch.testing.assert_close(features, ours, atol=1e-6, rtol=0)


def test_without_transfer_run_and_records_are_unchanged() -> None:
    first, train_part = first_of(transferring(part("none")))
    run = run_of(first)
    assert transferred(run, train_part, first) == (run, train_part)
    first_run = replace(run, recipe=transferring(FROZEN))
    assert transferred(first_run, train_part, None) == (first_run, train_part)


@pytest.mark.parametrize("name", recipes_by_name())
def test_the_transfer_of_every_recipe_is_possible(name: str) -> None:
    check_transfer(find(name))
    with pytest.raises(LeadwiseError, match="no transfer 'soul'"):
        check_transfer(replace(find(name), transfer=part("soul")))


def test_the_three_recipes_for_few_leads_differ_in_nothing_else() -> None:
    plain = {"name": "", "summary": "", "transfer": part("none"), "lead_sets": (), "augment": ()}
    for rate in ("", "-100hz"):
        ways = ("reuse", "zero-filled", "lead-dropout")
        recipes = [find(f"revenger-branched-lw-{way}{rate}") for way in ways]
        assert len({replace(recipe, **plain) for recipe in recipes}) == 1
        assert len(set(recipes)) == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"transfer": part("soul")},
            "no transfer 'soul'; known are none, frozen_backbone, ",
        ),
        ({"transfer": part("distillation", share=1.5)}, "share 1.5; use 0 < share <= 1"),
        ({"post_transforms": (part("record_z_score"),)}, "a post-transform mixes leads, so"),
        (
            {"network": part("crnn", backbone="branched-lw")},
            "with 6 leads a lead has another number of channels than with 12; set .* lead_width",
        ),
        ({"network": part("crnn", backbone="nc-se")}, "that mixes leads cannot be reused"),
        ({"lead_sets": (LEAD_SETS[6], LEAD_SETS[3])}, "lead V2 is not in the first lead set"),
    ],
)
def test_an_impossible_transfer_is_an_error_before_work_starts(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(LeadwiseError, match=message):
        check_transfer(vary(REUSE, **fields))


def test_distillation_needs_a_first_head_of_records() -> None:
    heads = (Head("waves", kind="samples", classes="all", metric="dice"), Head())
    with pytest.raises(LeadwiseError, match="distillation needs a first head of kind record"):
        check_transfer(vary(REUSE, heads=heads, transfer=DISTILLED))


def test_a_network_without_a_backbone_is_named() -> None:
    recipe = replace(find("isibrno-basic"), transfer=FROZEN)
    with pytest.raises(LeadwiseError, match="no part of 'cnn_gru_attention' can be reused"):
        check_transfer(recipe)


def test_every_transfer_is_tested_here() -> None:
    assert {FROZEN.name, DISTILLED.name, "none"} == set(TRANSFERS)


@pytest.mark.parametrize("leads", ["2", "2,12"])
def test_the_lead_set_whose_backbone_is_reused_must_be_trained_first(
    leads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADWISE_LEADS", leads)
    monkeypatch.setenv("LEADWISE_RECIPE", REUSE.name)
    with pytest.raises(
        LeadwiseError, match="reuse the network of 12 leads; start LEADWISE_LEADS with it: 12,2"
    ):
        team_code.training_code(str(tmp_path), str(tmp_path))


def test_without_the_first_lead_set_there_is_no_distillation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    distilled = chosen_recipe(Settings(recipe="house-taught", leads=(12, 2)))
    assert (distilled.transfer.name, capsys.readouterr().err) == ("distillation", "")
    alone = chosen_recipe(Settings(recipe="house-taught", leads=(2,)))
    assert (alone.transfer.name, alone.lead_sets) == ("none", (LEAD_SETS[2],))
    assert (
        "no distillation without the network of 12 leads; start LEADWISE_LEADS with it: 12,2"
        in capsys.readouterr().err
    )
