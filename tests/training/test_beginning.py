"""Beginning with another model: all but the last layer is its, and a cut training goes on."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training.beginning import _shapes, beginnings, begun

import team_code
from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from models import find
from models.folder import (
    TrainedSet,
    halved,
    read_model,
    read_weights,
    write_model,
    write_weights,
)
from models.recipe import Recipe, part
from tests.conftest import small
from training.loop import Task, _begin
from training.state import State

CPU = torch.device("cpu")
BASIC = small(find("isibrno-basic"))  # as the model of the fixture
LAST = {"queries", "weight", "bias"}  # of a network whose classes attend apart


def task_of(recipe: Recipe, leads: tuple[str, ...], classes: int = 26) -> Task:
    key = {"data": "x"}
    return Task(f"{len(leads)}-leads", key, recipe, leads, tuple(map(str, range(classes))), CPU)


def at_start(task: Task) -> Mapping[str, torch.Tensor]:
    return _begin(task, State(task.key))[0].state_dict()


def test_all_but_the_last_layer_is_the_models_and_the_rest_as_it_was_drawn(
    model_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    model = read_model(model_folder)
    given = beginnings(str(model_folder), BASIC)
    assert set(given) == set(LEAD_SETS.values())
    for trained in model.lead_sets:
        plain = task_of(BASIC, trained.leads)
        task = begun(plain, given)
        weights, drawn, own = read_weights(model, trained), at_start(plain), at_start(task)
        assert set(own) == set(weights)
        for name, weight in own.items():
            assert torch.equal(weight, (drawn if name in LAST else weights)[name]), name
        assert not any(torch.equal(weights[name], drawn[name]) for name in ("queries", "weight"))
        assert task.key == {"data": "x", "begin": trained.sha256}
    said = capsys.readouterr().err
    assert said.splitlines()[0].startswith("12-leads: begins with 130 of the 133 tensors of")
    assert "drawn anew are those of the last layer (queries, weight, bias)." in said


def test_other_classes_begin_alike(model_folder: Path) -> None:
    given = beginnings(str(model_folder), BASIC)
    many, few = (at_start(begun(task_of(BASIC, LEAD_SETS[2], n), given)) for n in (26, 4))
    assert few["queries"].shape[0] == 4
    for name in many.keys() - LAST:
        assert torch.equal(many[name], few[name])


def test_without_a_model_a_network_begins_as_it_is_drawn() -> None:
    task = task_of(BASIC, LEAD_SETS[2])
    assert begun(task, beginnings(None, BASIC)) is task


@pytest.mark.parametrize(
    ("name", "last"),
    [("isibrno-entry7", sorted(LAST)), ("revenger-nc-se", ["head.3.bias", "head.3.weight"]),
     ("revenger-post-challenge", ["head.0.bias", "head.0.weight"]),
     ("house-pair", [f"members.{n}.head.1.{what}" for n in (0, 1) for what in ("bias", "weight")]),
     ("dualnet-pp-icentia", ["head.bias", "head.weight"])],
)  # fmt: skip
def test_the_last_layer_is_found_in_every_system(name: str, last: list[str]) -> None:
    recipe = small(find(name))
    assert sorted(_shapes(recipe, recipe.lead_sets[0])[1]) == last


def test_what_does_not_fit_is_drawn_and_said(
    model_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    wider = part(BASIC.network.name, **{**BASIC.network.options, "widths": (8, 8, 8, 16, 16)})
    other = replace(BASIC, network=wider, lead_sets=(LEAD_SETS[2],))
    given = beginnings(str(model_folder), other)
    said = capsys.readouterr().err
    own = at_start(begun(task_of(other, LEAD_SETS[2]), given))
    drawn = at_start(task_of(other, LEAD_SETS[2]))
    weights = read_weights(*_two_leads(model_folder))
    fitting = {name for name in own if name not in LAST and own[name].shape == weights[name].shape}
    assert set(given[LEAD_SETS[2]].weights) == fitting
    for name, weight in own.items():
        assert torch.equal(weight, (weights if name in fitting else drawn)[name]), name
    unfit = len(own) - len(fitting) - len(LAST)
    assert 0 < unfit < len(fitting)
    assert f"begins with {len(fitting)} of the {len(weights)} tensors" in said
    assert f", and {unfit} others that do not fit (" in said


def _two_leads(folder: Path) -> tuple:
    model = read_model(folder)
    return model, next(entry for entry in model.lead_sets if len(entry.leads) == 2)


def test_a_model_of_which_nothing_fits_is_refused(model_folder: Path) -> None:
    said = "is 'isibrno-basic' of isibrno2020, and nothing .* begin with a model of house2026"
    with pytest.raises(LeadwiseError, match=said):
        beginnings(str(model_folder), small(find("house-resnet")))
    options = {**BASIC.network.options, "widths": (4, 4, 4, 4, 12), "units": 6}
    other = replace(BASIC, network=part(BASIC.network.name, **options), name="other")
    said = "none of the 133 tensors of 'isibrno-basic' fits the network of 'other' in name and shap"
    with pytest.raises(LeadwiseError, match=said):
        beginnings(str(model_folder), other)


def test_so_is_one_without_the_lead_set_and_no_model_at_all(
    model_folder: Path, tmp_path: Path
) -> None:
    single, said = (
        replace(BASIC, lead_sets=(("ECG",),)),
        "no network of the leads ECG to begin with",
    )
    with pytest.raises(LeadwiseError, match=f"{said}; it has one of I, II, III"):
        beginnings(str(model_folder), single)
    with pytest.raises(LeadwiseError, match=r"holds no model.json; train a model first"):
        beginnings(str(tmp_path), BASIC)


def test_a_model_in_half_precision_is_begun_with_in_full(
    model_folder: Path, tmp_path: Path
) -> None:
    model, trained = _two_leads(model_folder)
    weights = halved(read_weights(model, trained))
    file, sha256 = write_weights(tmp_path, "2-leads", weights)
    halves = replace(trained, file=file, sha256=sha256)
    write_model(replace(model, path=tmp_path, lead_sets=(halves,)))
    recipe = replace(BASIC, lead_sets=(LEAD_SETS[2],))
    own = at_start(begun(task_of(recipe, LEAD_SETS[2]), beginnings(str(tmp_path), recipe)))
    for name in own.keys() - LAST:
        assert own[name].dtype in (torch.float32, torch.int64)
        assert torch.equal(own[name], weights[name].to(own[name].dtype))


def test_what_another_network_has_taught_is_kept_before_it() -> None:
    task = task_of(BASIC, LEAD_SETS[2])
    name, drawn = next(iter(at_start(task).items()))
    both = replace(task, begin={name: drawn + 1}, kept={name: drawn + 2})
    assert torch.equal(at_start(both)[name], drawn + 2)


class Interrupted(Exception):
    """In place of a kill."""


def train(patch: pytest.MonkeyPatch, data: Path, model: Path, begin: Path | None) -> None:
    patch.setattr("training.data.find", lambda _: replace(BASIC, average=0.9))
    patch.setattr("training.results.find_spec", lambda _: None)  # the picture takes longest
    patch.setenv("LEADWISE_LEADS", "2")
    patch.setenv("LEADWISE_BEGIN", str(begin or ""))
    team_code.training_code(str(data), str(model))


def sets(folder: Path) -> tuple[TrainedSet, ...]:
    """Weights (by their sha256), decisions and scores."""
    return read_model(folder).lead_sets


def interrupt(patch: pytest.MonkeyPatch, data: Path, model: Path, begin: Path | None) -> None:
    def stop(text: str) -> None:
        if text.startswith("2-leads: epoch 1 of"):
            raise Interrupted

    patch.setattr("training.loop.log", stop)
    with pytest.raises(Interrupted):
        train(patch, data, model, begin)


def test_an_interrupted_training_ends_as_an_undisturbed_one(
    model_folder: Path, simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    whole, cut, plain = (tmp_path / name for name in ("whole", "cut", "plain"))
    train(monkeypatch, simulated_folder, whole, model_folder)
    with monkeypatch.context() as patch:
        interrupt(patch, simulated_folder, cut, model_folder)
    train(monkeypatch, simulated_folder, cut, model_folder)
    assert "2-leads: going on after epoch 1." in capsys.readouterr().err
    assert sets(cut) == sets(whole)
    (trained,) = (entry for entry in sets(model_folder) if len(entry.leads) == 2)
    assert read_model(cut).training["begin"] == {
        "model": str(model_folder), "2-leads": trained.sha256
    }  # fmt: skip
    train(monkeypatch, simulated_folder, plain, None)
    assert "begin" not in read_model(plain).training
    assert sets(plain)[0].sha256 != sets(whole)[0].sha256


def test_a_training_that_began_otherwise_is_not_gone_on_with(
    model_folder: Path, simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        interrupt(patch, simulated_folder, tmp_path, None)
    train(monkeypatch, simulated_folder, tmp_path, model_folder)
    said = capsys.readouterr().err
    assert "differs in begin; this lead set is trained anew." in said
    assert "going on" not in said
