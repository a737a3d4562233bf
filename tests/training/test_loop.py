"""The loop: names are checked before work begins; a training may end early, and go on as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import team_code
from ecg import LeadwiseError
from ecg.labels import POLICIES
from models import find, recipes_by_name
from models.folder import read_model
from models.recipe import Recipe, part
from scoring import METRICS
from tests.conftest import small
from training.loop import OPTIMISERS, _set_rate, check_names


@pytest.mark.parametrize("name", recipes_by_name())
def test_every_recipe_names_what_there_is(name: str) -> None:
    check_names(find(name))


@pytest.mark.parametrize("name", recipes_by_name())
def test_every_recipe_is_chosen_by_a_metric_of_its_classes(name: str) -> None:
    recipe = find(name)
    classes = POLICIES[recipe.classes]([["NORM"], ["SR"]])
    labels = np.eye(len(classes), dtype=bool)
    score = METRICS[recipe.select](labels, labels, labels.astype(float), classes)
    assert score == pytest.approx(1)


@pytest.mark.parametrize("field", ["decision", "rules", "select"])
def test_unknown_names_are_answered_with_the_known_ones(field: str) -> None:
    with pytest.raises(LeadwiseError, match=f"no {field} 'best'; known are"):
        check_names(replace(find("isibrno-published"), **{field: "best"}))


@pytest.mark.parametrize(
    ("field", "said"),
    [("optimiser", "no optimiser"), ("schedule", "no schedule"), ("stop", "no stop"),
     ("loss", "no 'best' among LOSSES; known are asymmetric"), ("augment", "no augmentation"),
     ("steps", "no 'best' among TRANSFORMS"), ("finish", "no 'best' among TRANSFORMS")],
)  # fmt: skip
def test_so_are_unknown_parts(field: str, said: str) -> None:
    best = part("best")
    value = (best,) if field in ("augment", "steps", "finish") else best
    with pytest.raises(LeadwiseError, match=said):
        check_names(replace(find("isibrno-published"), **{field: value}))


def test_the_schedule_sets_the_rate_and_one_cycle_momentum_too() -> None:
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    recipe = replace(find("isibrno-basic"), optimiser=part("adamw", lr=2e-3))
    for name, progress, lr, betas in (
        ("constant", 0.3, 2e-3, (0.9, 0.999)),
        ("one_cycle", 0.0, 8e-5, (0.95, 0.999)),
        ("one_cycle", 0.3, 2e-3, (0.85, 0.999)),
    ):
        _set_rate(replace(recipe, schedule=part(name)), optimiser, progress, [])
        assert optimiser.param_groups[0]["lr"] == pytest.approx(lr)
        assert optimiser.param_groups[0]["betas"] == pytest.approx(betas)


def stopping() -> Recipe:
    """A recipe by which each epoch but the first is worse: it stops after the third."""
    return replace(
        small(find("isibrno-basic")),
        fs=100.0,
        steps=(part("hold"), part("resample", to_hz=100),
               part("fir_band_pass", low_hz=0.5, high_hz=60)),
        finish=(part("record_z_score"),),
        augment=(part("mixup"), part("random_masking")),
        loss=part("asymmetric", gamma_positive=0, gamma_negative=0.2),
        optimiser=part("adamw", lr=2e-3, weight_decay=0.01, amsgrad=True),
        schedule=part("one_cycle"),
        average=0.99,
        stop=part("patience", epochs=2, tolerance=-1),
        epochs=8,
        decision="near ties",
    )  # fmt: skip


def test_a_training_that_stops_early_does_so_after_an_interruption_too(
    simulated_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr("training.data.find", lambda _: stopping())
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    team_code.training_code(str(simulated_folder), str(tmp_path / "whole"))
    said = capsys.readouterr().err
    assert "Note: at 100 Hz nothing lies above 50 Hz; the upper edge of fir_band_pass" in said
    assert said.count("does nothing (48 records of 250 Hz)") == 1
    assert "2-leads: the score rises no more; the best epoch was " in said
    history = (tmp_path / "whole" / "history.tsv").read_text()
    assert len(history.splitlines()) == 1 + 3

    def stop(text: str) -> None:
        if "epoch 2 of" in text:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("training.loop.log", stop)
        with pytest.raises(KeyboardInterrupt):
            team_code.training_code(str(simulated_folder), str(tmp_path / "cut"))
    team_code.training_code(str(simulated_folder), str(tmp_path / "cut"))
    assert "2-leads: going on after epoch 2." in capsys.readouterr().err
    assert (tmp_path / "cut" / "history.tsv").read_text() == history
    (whole,), (cut,) = (read_model(tmp_path / name).lead_sets for name in ("whole", "cut"))
    assert cut == whole
    assert whole.decision.name == "near ties"


def test_radam_takes_the_steps_of_the_package_that_dualnet_used() -> None:
    """Σ p² from (1, -2, 3); dualnet2017's fact sheet, section 13."""
    place = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    radam = OPTIMISERS["radam"]([place], **find("dualnet-s").optimiser.options)
    expected = {
        1: (0.998, -1.996, 2.994), 5: (0.990022, -1.980044, 2.970065),
        6: (0.989996, -1.980018, 2.970039), 8: (0.989925, -1.979946, 2.969968),
    }  # fmt: skip
    for step in range(1, 9):
        radam.zero_grad()
        place.square().sum().backward()
        radam.step()
        if step in expected:
            assert place.detach().tolist() == pytest.approx(expected[step], abs=2e-6)
