"""Teaching: what is kept stays as it was, labels are mixed as stated, a cut training goes on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from models.classifier import build
from training.items import Items, items_of
from training.mapped import Signals
from training.teaching import TEACHERS, First, check_teaching, taught

import team_code
from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from models import find, recipes_by_name
from models.folder import TrainedSet, read_model, read_weights
from models.recipe import Part, Recipe, part
from simulate import write_records
from tests.conftest import small
from training.data import chosen_recipe
from training.loop import Task, _begin, network_of, predict, to_learning
from training.settings import Settings
from training.state import State, number_of

CPU = torch.device("cpu")
REUSE = find("revenger-branched-lw-reuse-100hz")
WAYS = [part("backbone"), part("labels", share=0.7)]


def teaching(way: Part) -> Recipe:
    """A small recipe, with all that a training can have, whose records are not made longer."""
    recipe = small(REUSE)
    return replace(
        recipe,
        network=part(recipe.network.name, **{**recipe.network.options, "width_divisor": 16}),
        finish=(part("z_score"),),
        augment=(part("mixup"), part("label_smoothing")),
        average=0.9,
        teach=way,
    )


def train(patch: pytest.MonkeyPatch, recipe: Recipe, data: Path, model: Path) -> None:
    patch.setattr("training.data.find", lambda _: recipe)
    patch.setattr("training.results.find_spec", lambda _: None)  # the picture takes longest
    patch.setenv("LEADWISE_LEADS", "12,2")
    team_code.training_code(str(data), str(model))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_records(folder, 12, seed=2, duration_s=1.0, fs=250.0)
    return folder


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def undisturbed(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Part, Path]:
    """A model of 12 leads and 2 that was trained at one go."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        train(patch, teaching(request.param), data, folder)
    return request.param, folder


def weights_of(folder: Path) -> list[dict[str, torch.Tensor]]:
    model = read_model(folder)
    return [read_weights(model, trained) for trained in model.lead_sets]


def test_the_backbone_of_the_reduced_network_is_that_of_the_first_and_the_rest_has_learned(
    undisturbed: tuple[Part, Path],
) -> None:
    """Weights and norms' statistics, of a training with averaged weights."""
    way, folder = undisturbed
    recipe = teaching(way)
    whole, reduced = weights_of(folder)
    network = build(recipe, LEAD_SETS[12], 26)
    network.load_state_dict(whole)
    expected = network.backbone_of([0, 1])
    backbone = {name for name in reduced if name.startswith("backbone.")}
    assert backbone == set(expected)
    same = [torch.equal(reduced[name], expected[name]) for name in backbone]
    assert all(same) == (way.name == "backbone")
    with torch.random.fork_rng():
        torch.manual_seed(number_of(recipe.seed, "2-leads", "weights"))
        drawn = build(recipe, LEAD_SETS[2], 26).state_dict()
    for name in reduced.keys() - backbone:
        assert not torch.equal(reduced[name], drawn[name]), name


class Interrupted(Exception):
    """In place of a kill."""


@pytest.mark.parametrize("moment", ["12-leads: epoch 1 of", "2-leads: epoch 1 of"])
def test_an_interrupted_training_ends_as_an_undisturbed_one(
    undisturbed: tuple[Part, Path],
    moment: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    way, folder = undisturbed

    def stop(text: str) -> None:
        if text.startswith(moment):
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr("training.loop.log", stop)
        with pytest.raises(Interrupted):
            train(patch, teaching(way), data, tmp_path)
    train(monkeypatch, teaching(way), data, tmp_path)
    assert f"{moment.partition(':')[0]}: going on after epoch 1." in capsys.readouterr().err
    assert sets(tmp_path) == sets(folder)


def sets(folder: Path) -> tuple[TrainedSet, ...]:
    """Weights (by their sha256), decisions and scores."""
    return read_model(folder).lead_sets


def test_a_state_that_another_network_has_taught_is_not_gone_on_from(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """As where the first lead set's state is lost, and a shorter budget makes it another one."""

    def stop(text: str) -> None:
        if text.startswith("2-leads: epoch 1 of"):
            raise Interrupted

    def other(folder: Path, name: str, weights: dict[str, torch.Tensor]) -> tuple[str, str]:
        return f"{name}.safetensors", "another network"

    with monkeypatch.context() as patch:
        patch.setattr("training.loop.log", stop)
        patch.setattr("team_code.write_weights", other)
        with pytest.raises(Interrupted):
            train(patch, teaching(WAYS[0]), data, tmp_path)
    train(monkeypatch, teaching(WAYS[0]), data, tmp_path)
    said = capsys.readouterr().err
    assert "12-leads: trained already." in said
    assert "differs in teacher; this lead set is trained anew." in said


def signals_of(records: Sequence[np.ndarray]) -> Signals:
    content = b"".join(record.tobytes() for record in records)
    return Signals(content, len(records[0]), np.array([record.shape[1] for record in records]))


def first_of(recipe: Recipe) -> tuple[First, Items]:
    """A drawn network of 12 leads as the first one, and the training part as two leads see it."""
    generator = np.random.default_rng(0)
    lengths = (300, 250, 1200, 300, 90)  # one is cut into windows
    signals = signals_of([generator.normal(size=(12, n)).astype(np.float16) for n in lengths])
    labels = generator.random((5, 26)) < 0.2
    torch.manual_seed(0)
    weights = build(recipe, LEAD_SETS[12], 26).state_dict()
    task = Task("12-leads", {}, recipe, LEAD_SETS[12], ("1",) * 26, CPU)
    first = First(task, items_of(signals, labels, LEAD_SETS[12], recipe), weights, "abc")
    return first, items_of(signals, labels, LEAD_SETS[2], recipe)


def task_of(first: First) -> Task:
    return replace(first.task, name="2-leads", key={"data": "x"}, leads=LEAD_SETS[2])


def test_labels_are_mixed_with_what_the_first_network_says_of_whole_records() -> None:
    first, learn = first_of(teaching(part("labels", share=0.7)))
    task, mixed = taught(task_of(first), learn, first)
    said = predict(first.task, network_of(first.task, first.weights), first.learn)
    assert mixed.labels.dtype == np.float32
    np.testing.assert_allclose(mixed.labels, 0.3 * learn.labels + 0.7 * said, atol=1e-7)
    assert mixed.rows == learn.rows
    assert learn.labels.dtype == bool, "the records' own labels stay as they are"
    assert task.key == {"data": "x", "teacher": "abc"}
    assert not task.kept
    drawn = mixed.part(np.array([1, 2])).batch([0])
    np.testing.assert_array_equal(drawn.labels[0], mixed.labels[1])


def test_the_labels_to_choose_on_stay_the_records_own(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    plain = team_code.train

    def train_and_note(task: Task, learn: Items, choose: Items, *rest: object) -> object:
        seen[task.name] = learn.labels, choose.labels
        return plain(task, learn, choose, *rest)

    monkeypatch.setattr("team_code.train", train_and_note)
    train(monkeypatch, teaching(WAYS[1]), data, tmp_path)
    (alone, chosen), (mixed, chosen_again) = seen["12-leads"], seen["2-leads"]
    assert alone.dtype == chosen.dtype == chosen_again.dtype == bool
    np.testing.assert_array_equal(chosen, chosen_again)
    assert np.abs(mixed - 0.3 * alone - 0.35).max() <= 0.35 + 1e-6
    assert (mixed != alone).all()


def test_only_what_is_not_kept_learns_and_what_is_kept_answers() -> None:
    """The backbone's dropout and norms are off, though the network is in training."""
    recipe = teaching(part("backbone"))
    first, learn = first_of(recipe)
    task, same = taught(task_of(first), learn, first)
    assert same is learn
    network, optimiser = _begin(task, State({}))
    learning = [weight for name, weight in network.named_parameters() if name not in task.kept]
    assert [id(one) for one in optimiser.param_groups[0]["params"]] == list(map(id, learning))
    batch = learn.batch([0, 1, 2])
    network.eval()
    expected, _ = network.forward_features(batch.signal, batch.length)
    to_learning(network)
    assert network.training
    assert network.head.training
    found, _ = network.forward_features(batch.signal, batch.length)
    assert torch.equal(found, expected)
    assert not found.requires_grad
    whole = network_of(first.task, first.weights).eval()
    every, _ = whole.forward_features(first.learn.batch([0, 1, 2]).signal, batch.length)
    ours = every.view(3, 3, 12, -1, every.shape[2])[:, :, :2].flatten(1, 3)
    torch.testing.assert_close(found, ours, atol=1e-6, rtol=0)


def test_nothing_is_taught_where_a_recipe_says_nothing() -> None:
    first, learn = first_of(teaching(part("nothing")))
    task = task_of(first)
    assert taught(task, learn, first) == (task, learn)
    assert taught(replace(task, recipe=teaching(WAYS[0])), learn, None)[1] is learn


@pytest.mark.parametrize("name", recipes_by_name())
def test_every_recipe_can_be_taught_as_it_says(name: str) -> None:
    check_teaching(find(name))


def test_the_three_ways_to_serve_few_leads_differ_in_nothing_else() -> None:
    plain = {"name": "", "summary": "", "teach": part("nothing"), "lead_sets": (), "augment": ()}
    for rate in ("", "-100hz"):
        ways = ("reuse", "zero-filled", "lead-dropout")
        recipes = [find(f"revenger-branched-lw-{way}{rate}") for way in ways]
        assert len({replace(recipe, **plain) for recipe in recipes}) == 1
        assert len(set(recipes)) == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"teach": part("soul")}, "no way to teach 'soul'; known are nothing, backbone, labels"),
        ({"teach": part("labels", share=1.5)}, "a share of 1.5 cannot be taught"),
        ({"finish": (part("record_z_score"),)}, "`finish` makes of a lead depends on the other"),
        (
            {"network": part("crnn", backbone="branched-lw")},
            "among 6 leads a lead has not as many channels as among 12; set .* lead_width",
        ),
        ({"network": part("crnn", backbone="nc-se")}, "that mixes leads cannot be reused"),
        ({"lead_sets": (LEAD_SETS[6], LEAD_SETS[3])}, "lead V2 is not in the first lead set"),
    ],
)
def test_what_cannot_be_taught_is_said_before_work_begins(
    fields: dict[str, object], said: str
) -> None:
    with pytest.raises(LeadwiseError, match=said):
        check_teaching(replace(REUSE, **fields))


def test_a_network_without_a_backbone_is_named() -> None:
    recipe = replace(find("isibrno-basic"), teach=part("backbone"))
    with pytest.raises(LeadwiseError, match="no part of 'cnn_gru_attention' can be reused"):
        check_teaching(recipe)


def test_every_way_is_tested_here() -> None:
    assert {way.name for way in WAYS} | {"nothing"} == set(TEACHERS)


@pytest.mark.parametrize("leads", ["2", "2,12"])
def test_the_teachers_lead_set_comes_first(
    leads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADWISE_LEADS", leads)
    monkeypatch.setenv("LEADWISE_RECIPE", REUSE.name)
    with pytest.raises(LeadwiseError, match="let LEADWISE_LEADS begin with it: 12,2"):
        team_code.training_code(str(tmp_path), str(tmp_path))


def test_who_would_be_taught_labels_learns_alone_without_the_teacher(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taught = chosen_recipe(Settings(recipe="house-taught", leads=(12, 2)))
    assert (taught.teach.name, capsys.readouterr().err) == ("labels", "")
    alone = chosen_recipe(Settings(recipe="house-taught", leads=(2,)))
    assert (alone.teach.name, alone.lead_sets) == ("nothing", (LEAD_SETS[2],))
    assert "to be taught, let LEADWISE_LEADS begin with it: 12,2" in capsys.readouterr().err
