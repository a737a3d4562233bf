"""Parts of a recipe that cannot work together are refused before the first record is read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import models.house2026
import train_model
from ecg import LeadwiseError
from models import find, recipes_by_name
from models.recipe import Head, Part, Recipe, part, vary
from tests.conftest import small
from training.checks import check_recipe, try_batch
from training.run import train_folder
from training.settings import Settings

HOUSE, DUALNET = small(find("house-resnet")), small(find("dualnet-s"))
WAVES = Head("waves", "samples", classes="waves", loss=part("cross_entropy"), metric="dice")
RULED = {"classes": "network21+rules5", "rules": "off"}
ALL: dict[str, Any] = {"classes": "all", "decision": "global", "rules": "off", "metric": "auroc"}


def checked(recipe: Recipe) -> None:
    check_recipe(recipe)
    try_batch(recipe)


def changed(augment: tuple[Part, ...], **names: Any) -> tuple[Part, ...]:
    """Change numbers of the first augmentation with them."""
    return tuple(
        part(one.name, **{**one.options, **names}) if names.keys() <= one.options.keys() else one
        for one in augment
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({**ALL, "decision": "expected_metric"}, "decision 'expected_metric' needs the classes 's"),
        ({**ALL, "metric": "challenge"}, "the metric 'challenge' needs the classes 'scored'"),
        ({**ALL, "rules": "learned"}, "the rules 'learned' change scored classes alone"),
        ({**ALL, "rules": "published"}, "the rules 'published' change scored classes alone"),
        (RULED, "nothing answers five of the classes 'network21.rules5'; set rules to 'pub"),
        ({**RULED, "rules": "replace", "mask": "sources"}, "label engineering needs the mask '"),
        ({"metric": "af_f1"}, "the metric 'af_f1' needs the exclusive classes 'af'"),
        ({"metric": "af_accuracy"}, "the metric 'af_accuracy' needs the exclusive classes 'af'"),
        ({"decision": "highest"}, "the decision 'highest' gives each record one class; set exclus"),
        ({"exclusive": True, "rules": "off"}, "exclusive classes need the decision 'highest', not"),
        ({"exclusive": True, "decision": "highest"}, "rules could leave none or several of exclus"),
        ({"loss": part("cross_entropy")}, "the loss 'cross_entropy' is for samples and beats"),
        (
            {"loss": part("weighted_cross_entropy", weights=(1.0,) * 26)},
            "the loss 'weighted_cross_entropy' needs exclusive classes",
        ),
        ({"loss": part("weighted_bce", weights=(1.0,))}, "1 weights for 26 classes"),
        ({"classes": "waves"}, "the classes 'waves' are those of samples or beats"),
        ({"lead_sets": (("I", "II"), ("V1", "V2"))}, "two lead sets have the same size"),
        (
            {"lead_sets": (("ECG",),), "augment": (part("lead_dropout", probability=0.5),)},
            "lead_dropout needs the twelve leads, and would set ECG to 0",
        ),
        ({"transfer": part("frozen_backbone")}, "no part of 'resnet' can be reused"),
        ({"transfer": part("distillation", share=2)}, "distillation with share 2"),
        ({"transfer": part("distillation")}, "'distillation' lacks the number share"),
        ({"transfer": part("none", share=1)}, "'none' has no number 'share'"),
        (
            {"post_transforms": (part("fit_length", seconds=20, tolerance=0.4),)},
            "'fit_length' makes 2000 samples of 750, but the network reads at most 1000",
        ),
        ({"stride_s": 11.0}, "stride_s: must be 0, or from max_s / 100 to max_s"),
        ({"stride_s": 0.01}, "stride_s: must be 0, or from max_s / 100 to max_s"),
        ({"max_s": 1e-3}, "max_s: 0.001 s at 100 Hz are 0.1 samples"),
        ({"max_s": 86_400.0}, "max_s: 86400 s at 100 Hz are 8.64e[+]06 samples"),
        ({"optimiser": part("adamw")}, "'adamw' lacks the number lr"),
        ({"optimiser": part("adamw", lr=-1.0)}, "the optimiser 'adamw' cannot be made: ValueErr"),
        ({"optimiser": part("adamw", lr="0.1")}, "adamw.lr: must be a number, not '0.1'"),
        ({"schedule": part("one_cycle", warmup=1.0)}, "the schedule 'one_cycle' fails: ZeroDiv"),
        ({"schedule": part("steps", at=(0.5,), factor=-1)}, "'steps' multiplies the learning rate"),
        ({"augment": (part("shift", share="x"),)}, "shift.share: must be a number, not 'x'"),
        ({"network": part("resnet", widths=(10**6,) * 3, blocks=(1, 1, 1))}, "more than 300,000"),
        ({"network": part("resnets", members=10**6)}, "more than 300,000,000 weights or 20,000 te"),
        ({"network": part("resnet", kernel="9")}, "resnet.kernel: must be a whole number, not '9'"),
        ({"network": part("resnet", dropout=2.0)}, "resnet.dropout: must be from 0 to 1, not 2.0"),
        ({"network": part("resnet", widht=(8,))}, "has no number 'widht'; known are widths"),
        ({"ema": 2.0}, ".ema: must be from 0 to 1, not 2.0"),
        ({"seed": -1}, ".seed: must be from 0 to .*, not -1"),
        ({"batch": 0}, ".batch: must be from 1 to"),
        ({"fs": 0.0}, ".fs: must be from 1 to 10000, not 0.0"),
        ({"transforms": (part("resample", to_hz=1e12),)}, "to_hz: must be from 0 to 10000"),
        (
            {"transforms": (part("butterworth_band_pass", low_hz=9, high_hz=2), part("resample"))},
            "the transform 'butterworth_band_pass' fails on a trial signal: ValueError",
        ),
    ],
)  # fmt: skip
def test_parts_that_cannot_work_together_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LeadwiseError, match=f"^house-resnet.*{message}"):
        checked(vary(HOUSE, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": "sources"}, "all labels of exclusive classes are known; set the mask 'sources'"),
        ({"decision": "near ties"}, "exclusive classes need the decision 'highest', not 'near ti"),
        ({"decision": "expected_metric"}, "'expected_metric' needs the classes 'scored'"),
        ({"exclusive": False}, "the metric 'af_accuracy' needs the exclusive classes 'af'"),
        ({"classes": "icentia"}, "the metric 'af_accuracy' needs the exclusive classes 'af'"),
        ({"classes": "af2", "metric": "accuracy"}, "4 weights for 2 classes"),
        ({"max_s": 30.0}, "'stretch' makes up to 61 s .longest_s., but the network reads"),
        ({"augment": changed(DUALNET.augment, longest_s=70.0)}, "'stretch' makes up to 70 s"),
        ({"lead_sets": (("I", "II"),)}, "one lead|one channel|1 channel"),
    ],
)  # fmt: skip
def test_exclusive_classes_have_their_own_conflicts(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LeadwiseError, match=message):
        checked(vary(DUALNET, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": "beats"}, "kind samples needs the classes 'waves', not 'beats'"),
        ({"metric": "beat_f1"}, "kind samples needs the metric 'dice', not 'beat_f1'"),
        ({"decision": "per class"}, "kind samples takes the highest class, not the decision 'per"),
        ({"mask": "sources"}, "mask and rules have no effect on kind samples"),
        ({"rules": "learned"}, "mask and rules have no effect on kind samples"),
        ({"kind": "beats"}, "kind beats needs the classes 'beats', not 'waves'"),
    ],
)
def test_dense_heads_have_their_own_conflicts(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LeadwiseError, match=f"head 'waves': {message}"):
        check_recipe(replace(HOUSE, augment=(), heads=(Head(), replace(WAVES, **changes))))


def test_a_conflict_is_found_before_the_data_folder_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = vary(HOUSE, **{**ALL, "decision": "expected_metric"})
    monkeypatch.setattr("training.data.find", lambda _: recipe)
    with pytest.raises(LeadwiseError, match="expected_metric"):
        train_folder(str(tmp_path / "none"), str(tmp_path / "model"), Settings(recipe="x"))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", recipes_by_name())
def test_every_recipe_passes_the_trial_batch(name: str) -> None:
    try_batch(small(find(name)))


def test_the_checks_change_no_random_state() -> None:
    before, drawn = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    checked(HOUSE)
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(drawn, np.random.get_state()[1])  # noqa: NPY002


def most(probabilities: np.ndarray, *, share: float) -> np.ndarray:
    """Label classes with at least a share of the highest probability."""
    return probabilities >= share * probabilities.max(axis=1, keepdims=True)


class Joined(nn.Module):
    """Two logits to train, others to predict."""

    def __init__(self, channels: int, classes: int, *, predicted: int) -> None:
        super().__init__()
        self.train_head, self.head = nn.Linear(channels, 2), nn.Linear(channels, predicted)

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        head = self.train_head if self.training else self.head
        return head(signal.mean(2))


def test_a_network_trained_on_other_labels_must_predict_the_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    joined = {"joined": lambda codes: np.zeros((len(codes), 2), bool)}
    monkeypatch.setattr(models.house2026, "TARGETS", joined, raising=False)
    monkeypatch.setattr(models.house2026, "NETWORKS", {"joined": Joined})
    recipe = vary(HOUSE, targets="joined", augment=(), network=part("joined", predicted=26))
    try_batch(recipe)
    with pytest.raises(LeadwiseError, match=r"shape \(2, 25\).* needs \(2, 26\)"):
        try_batch(vary(recipe, network=part("joined", predicted=25)))


def test_a_system_may_have_decisions_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = vary(HOUSE, decision="most", rules="off")
    with pytest.raises(LeadwiseError, match="no decision 'most'; known are global, per class, "):
        checked(own)
    monkeypatch.setattr(models.house2026, "DECISIONS", {"most": most}, raising=False)
    with pytest.raises(LeadwiseError, match="decision: 'most' lacks the number share"):
        checked(own)
    fits = {"most": lambda probabilities, labels, classes, seed: part("most", share=0.5)}
    monkeypatch.setattr(models.house2026, "FITS", fits, raising=False)
    checked(own)
    fits["most"] = lambda probabilities, labels, classes, seed: part("most", share="0.5")
    with pytest.raises(LeadwiseError, match="most.share: must be a number, not '0.5'"):
        checked(own)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widht": 3}, "mine.json: recipe: unknown field 'widht'"),
        ({"batch": -1}, "mine.json: recipe.batch: must be from 1 to"),
        ({"epochs": "3"}, "mine.json: recipe.epochs: must be a whole number, not '3'"),
        ({"network": {"widht": [8]}}, "mine: 'resnet' has no number 'widht'"),
        ({"network": {"widths": [10**6] * 5}}, "mine: the network 'resnet' has more than 300,000,"),
        ({"classes": "all"}, "mine: head 'diagnosis': the decision 'expected_metric' needs"),
    ],
)
def test_the_command_refuses_a_recipe_file_before_it_reads_the_data(
    changes: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "A.hea").write_text("unreadable")
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"base": "house-resnet", **changes}))
    words = [str(tmp_path / "data"), str(tmp_path / "model"), "--recipe", str(path)]
    assert train_model.main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "model").exists()
