"""Initialising from a pretrained model: all layers but the last; an interrupted one continues."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import team_code
import train_model
from ecg import LeadwiseError
from ecg.labels import AF_LETTERS
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
from models.network import build
from models.recipe import Recipe, part, vary
from tests.conftest import save_untrained, small
from training.evaluate import LeadSetRun
from training.loop import _start
from training.settings import VARIABLES
from training.state import TrainingState
from training.transfer import _shapes, initialised, read_pretrained

CPU = torch.device("cpu")
BASIC = small(find("isibrno-basic"))  # that of the model of the fixture
LAST = {"queries", "weight", "bias"}  # of a network with attention per class


def run_of(recipe: Recipe, leads: tuple[str, ...], classes: int = 26) -> LeadSetRun:
    names = {"diagnosis": tuple(map(str, range(classes)))}
    return LeadSetRun(f"{len(leads)}-leads", {"data": "x"}, recipe, leads, names, CPU)


def at_start(run: LeadSetRun) -> Mapping[str, torch.Tensor]:
    return _start(run, TrainingState(run.key))[0].state_dict()


def test_all_layers_but_the_last_are_the_models_and_the_last_is_random(
    model_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    model = read_model(model_folder)
    pretrained = read_pretrained(str(model_folder), BASIC)
    assert set(pretrained) == set(LEAD_SETS.values())
    for trained in model.lead_sets:
        plain = run_of(BASIC, trained.leads)
        run = initialised(plain, pretrained)
        weights, drawn, own = read_weights(model, trained), at_start(plain), at_start(run)
        assert set(own) == set(weights)
        for name, weight in own.items():
            assert torch.equal(weight, (drawn if name in LAST else weights)[name]), name
        assert not any(torch.equal(weights[name], drawn[name]) for name in ("queries", "weight"))
        assert run.key == {"data": "x", "initial weights": trained.sha256}
    log = capsys.readouterr().err
    assert log.splitlines()[0].startswith("12-leads: initialised with 130 of the 133 tensors of")
    assert "the tensors of the last layer (queries, weight, bias) are random." in log


def test_other_classes_change_the_last_layer_alone(model_folder: Path) -> None:
    pretrained = read_pretrained(str(model_folder), BASIC)
    many, few = (at_start(initialised(run_of(BASIC, LEAD_SETS[2], n), pretrained)) for n in (26, 4))
    assert few["queries"].shape[0] == 4
    for name in many.keys() - LAST:
        assert torch.equal(many[name], few[name])


def test_without_a_model_the_run_is_unchanged() -> None:
    run = run_of(BASIC, LEAD_SETS[2])
    assert initialised(run, read_pretrained(None, BASIC)) is run


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


def test_a_single_network_initialises_every_member_of_an_ensemble(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    torch.manual_seed(0)
    single, trio = find("dualnet-house"), find("dualnet-trio")
    network = build(single, ("ECG",), {"diagnosis": AF_LETTERS})
    save_untrained(single, network, tmp_path)
    weights = network.state_dict()
    fitting = read_pretrained(str(tmp_path), trio)[("ECG",)].weights
    names = {name for name in weights if not name.startswith("head.")}
    assert set(fitting) == {f"members.{n}.{name}" for n in range(3) for name in names}
    for name, weight in fitting.items():
        assert torch.equal(weight, weights[name.split(".", 2)[2]]), name
    log = capsys.readouterr().err
    assert f"initialised with {len(names)} of the {len(weights)} tensors of" in log
    assert "copied to 3 members" in log


def test_weights_that_a_network_freezes_itself_are_not_trained() -> None:
    run = run_of(vary(find("house-resnet"), network=part("resnet", frozen=True)), LEAD_SETS[2])
    network, optimiser = _start(run, TrainingState(run.key))
    trained = [weight for name, weight in network.named_parameters() if name.startswith("head.")]
    assert [weight for weight in network.parameters() if weight.requires_grad] == trained
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(trained) == 2


def test_tensors_that_do_not_fit_stay_random_and_are_counted_in_the_log(
    model_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    wider = part(BASIC.network.name, **{**BASIC.network.options, "widths": (8, 8, 8, 16, 16)})
    other = vary(BASIC, network=wider, lead_sets=(LEAD_SETS[2],))
    pretrained = read_pretrained(str(model_folder), other)
    log = capsys.readouterr().err
    own = at_start(initialised(run_of(other, LEAD_SETS[2]), pretrained))
    drawn = at_start(run_of(other, LEAD_SETS[2]))
    weights = read_weights(*_two_leads(model_folder))
    fitting = {name for name in own if name not in LAST and own[name].shape == weights[name].shape}
    assert set(pretrained[LEAD_SETS[2]].weights) == fitting
    for name, weight in own.items():
        assert torch.equal(weight, (weights if name in fitting else drawn)[name]), name
    unfit = len(own) - len(fitting) - len(LAST)
    assert 0 < unfit < len(fitting)
    assert f"initialised with {len(fitting)} of the {len(weights)} tensors" in log
    assert f" and {unfit} that do not fit (" in log


def _two_leads(folder: Path) -> tuple:
    model = read_model(folder)
    return model, next(entry for entry in model.lead_sets if len(entry.leads) == 2)


def test_a_model_of_which_no_tensor_fits_is_an_error(model_folder: Path) -> None:
    message = "'isibrno-basic' of isibrno2020 has no weights for .*; use a model of house2026"
    with pytest.raises(LeadwiseError, match=message):
        read_pretrained(str(model_folder), small(find("house-resnet")))
    options = {**BASIC.network.options, "widths": (4, 4, 4, 4, 12), "units": 6}
    other = vary(BASIC, network=part(BASIC.network.name, **options), name="other")
    message = "none of the 133 tensors of 'isibrno-basic' fits the network of 'other' in name and"
    with pytest.raises(LeadwiseError, match=message):
        read_pretrained(str(model_folder), other)


def test_so_is_one_without_the_lead_set_and_an_empty_folder(
    model_folder: Path, tmp_path: Path
) -> None:
    single, message = (
        vary(BASIC, lead_sets=(("ECG",),)),
        "has no network for the leads ECG",
    )
    with pytest.raises(LeadwiseError, match=f"{message}; it has I, II, III"):
        read_pretrained(str(model_folder), single)
    with pytest.raises(LeadwiseError, match=r"holds no model.json; train a model first"):
        read_pretrained(str(tmp_path), BASIC)


def test_weights_in_half_precision_are_loaded_in_full(model_folder: Path, tmp_path: Path) -> None:
    model, trained = _two_leads(model_folder)
    weights = halved(read_weights(model, trained))
    file, sha256 = write_weights(tmp_path, "2-leads", weights)
    halves = replace(trained, file=file, sha256=sha256)
    write_model(replace(model, path=tmp_path, lead_sets=(halves,)))
    recipe = vary(BASIC, lead_sets=(LEAD_SETS[2],))
    own = at_start(
        initialised(run_of(recipe, LEAD_SETS[2]), read_pretrained(str(tmp_path), recipe))
    )
    for name in own.keys() - LAST:
        assert own[name].dtype in (torch.float32, torch.int64)
        assert torch.equal(own[name], weights[name].to(own[name].dtype))


def test_frozen_weights_take_precedence() -> None:
    run = run_of(BASIC, LEAD_SETS[2])
    name, drawn = next(iter(at_start(run).items()))
    both = replace(run, init={name: drawn + 1}, frozen={name: drawn + 2})
    assert torch.equal(at_start(both)[name], drawn + 2)


class Interrupted(Exception):
    """Raised instead of a kill."""


def train(patch: pytest.MonkeyPatch, data: Path, model: Path, init_from: Path | None) -> None:
    patch.setattr("training.data.find", lambda _: vary(BASIC, ema=0.9))
    patch.setattr("training.run.plot_training", lambda *_: None)  # the picture takes longest
    patch.setenv("LEADWISE_LEADS", "2")
    patch.setenv("LEADWISE_INIT_FROM", str(init_from or ""))
    team_code.training_code(str(data), str(model))


def sets(folder: Path) -> tuple[TrainedSet, ...]:
    """Weights (by their sha256), decisions and scores."""
    return read_model(folder).lead_sets


def interrupt(patch: pytest.MonkeyPatch, data: Path, model: Path, init_from: Path | None) -> None:
    def stop(text: str) -> None:
        if text.startswith("2-leads: epoch 1 of"):
            raise Interrupted

    patch.setattr("training.loop.log", stop)
    with pytest.raises(Interrupted):
        train(patch, data, model, init_from)


def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    model_folder: Path, simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    whole, cut, plain = (tmp_path / name for name in ("whole", "cut", "plain"))
    train(monkeypatch, simulated_folder, whole, model_folder)
    with monkeypatch.context() as patch:
        interrupt(patch, simulated_folder, cut, model_folder)
    train(monkeypatch, simulated_folder, cut, model_folder)
    assert "2-leads: continues after epoch 1." in capsys.readouterr().err
    assert sets(cut) == sets(whole)
    (trained,) = (entry for entry in sets(model_folder) if len(entry.leads) == 2)
    assert read_model(cut).training["init_from"] == {
        "model": str(model_folder), "2-leads": trained.sha256
    }  # fmt: skip
    train(monkeypatch, simulated_folder, plain, None)
    assert "init_from" not in read_model(plain).training
    assert sets(plain)[0].sha256 != sets(whole)[0].sha256


def test_a_training_with_other_initial_weights_is_not_continued(
    model_folder: Path, simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        interrupt(patch, simulated_folder, tmp_path, None)
    train(monkeypatch, simulated_folder, tmp_path, model_folder)
    log = capsys.readouterr().err
    assert "differs in initial weights; this lead set is trained again." in log
    assert "continues" not in log


@pytest.mark.parametrize("old", ["--begin", "LEADWISE_BEGIN"])
def test_the_old_names_of_the_setting_still_work(
    old: str, model_folder: Path, simulated_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("training.data.find", lambda _: BASIC)
    monkeypatch.setattr("training.run.plot_training", lambda *_: None)
    for name in VARIABLES:  # the command sets them; after the test they are unset again
        monkeypatch.setenv(name, "")
    words = [str(simulated_folder), str(tmp_path), "--leads", "2", "--epochs", "1"]
    if old == "--begin":
        words += [old, str(model_folder)]
    else:
        monkeypatch.setenv(old, str(model_folder))
    assert train_model.main(words) == 0
    assert "2-leads: initialised with 130 of the 133 tensors" in capsys.readouterr().err
    assert read_model(tmp_path).training["init_from"]["model"] == str(model_folder)
    with pytest.raises(SystemExit):
        train_model.main(["--help"])
    assert "--begin" not in capsys.readouterr().out, "the help shows the new name alone"
