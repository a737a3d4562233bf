"""The loop: a training may end early, and continues after an interruption as if there was none."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import team_code
from models import find
from models.folder import read_model
from models.recipe import Head, Recipe, part, vary
from tests.conftest import mapped_arrays, small
from training.dataset import dataset_of
from training.evaluate import LeadSetRun
from training.loop import _all_left_s, _backward, set_train_mode, training_key


def stopping() -> Recipe:
    """Return a recipe by which each epoch but the first is worse, so it stops after the third."""
    return vary(
        small(find("isibrno-basic")),
        fs=100.0,
        transforms=(part("hold"), part("resample"),
                    part("fir_band_pass", low_hz=0.5, high_hz=60)),
        post_transforms=(part("record_z_score"),),
        augment=(part("mixup"), part("random_masking")),
        loss=part("asymmetric", gamma_positive=0, gamma_negative=0.2),
        optimiser=part("adamw", lr=2e-3, weight_decay=0.01, amsgrad=True),
        schedule=part("one_cycle"),
        ema=0.99,
        stop=part("patience", epochs=2, tolerance=-1),
        epochs=8,
        decision="near ties",
    )  # fmt: skip


def test_a_training_that_stops_early_also_does_so_after_an_interruption(
    simulated_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr("training.data.find", lambda _: stopping())
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    team_code.training_code(str(simulated_folder), str(tmp_path / "whole"))
    log = capsys.readouterr().err
    assert "a record of 100 Hz holds nothing above 50 Hz; the upper edge of fir_band_pass" in log
    assert log.count("has no effect (48 records of 250 Hz)") == 1
    assert "2-leads: stopped early; the best score was in epoch " in log
    history = (tmp_path / "whole" / "history.tsv").read_text()
    assert len(history.splitlines()) == 1 + 3
    head, *rows = [line.split("\t") for line in history.splitlines()]
    losses = [float(row[head.index("loss")]) for row in rows]
    assert all(math.isfinite(float(row[head.index("training score")])) for row in rows)
    steps = (tmp_path / "whole" / "steps.tsv").read_text()
    by_step = [float(line.split("\t")[2]) for line in steps.splitlines()[1:]]
    of_epochs = np.array(by_step).reshape(3, -1)
    np.testing.assert_allclose(of_epochs.mean(1), losses, rtol=1e-4)

    def stop(text: str) -> None:
        if "epoch 2 of" in text:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("training.loop.log", stop)
        with pytest.raises(KeyboardInterrupt):
            team_code.training_code(str(simulated_folder), str(tmp_path / "cut"))
    team_code.training_code(str(simulated_folder), str(tmp_path / "cut"))
    assert "2-leads: continues after epoch 2." in capsys.readouterr().err
    assert (tmp_path / "cut" / "history.tsv").read_text() == history
    assert (tmp_path / "cut" / "steps.tsv").read_text() == steps
    (whole,), (cut,) = (read_model(tmp_path / name).lead_sets for name in ("whole", "cut"))
    assert cut == whole
    assert whole.heads["diagnosis"].decision.name == "near ties"


class TwoHeads(nn.Module):
    """Logits of two heads from each record's mean; notes the type that it computes in."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(2, 3), nn.Linear(2, 1)
        self.dtypes: set[torch.dtype] = set()

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> dict[str, torch.Tensor]:
        mean = signal.mean(2)
        outputs = {"one": self.one(mean), "two": self.two(mean)}
        self.dtypes.add(outputs["one"].dtype)
        return outputs


HEADS = (Head("one", loss=part("bce")), Head("two", loss=part("bce"), weight=0.25))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loss_is_the_weighted_sum_over_heads(precision: str) -> None:
    recipe = vary(
        find("isibrno-basic"), heads=HEADS, augment=(), post_transforms=(), transforms=(),
        lead_sets=(("I", "II"),), max_s=10.0,
    )  # fmt: skip
    draws = np.random.default_rng(0)
    signals = draws.normal(size=(6, 12, 50)).astype(np.float16)
    labels = {"one": draws.random((6, 3)) < 0.5, "two": draws.random((6, 1)) < 0.5}
    records = dataset_of(mapped_arrays(list(signals)), labels, ("I", "II"), recipe)
    network = TwoHeads()
    run = LeadSetRun(
        "2-leads", {}, recipe, ("I", "II"), {}, torch.device("cpu"), precision=precision
    )
    losses = _backward(run, network, records, [4, 1, 2], np.random.default_rng(0))
    gradient = network.two.weight.grad.clone()
    assert network.dtypes == {getattr(torch, precision)}
    network.zero_grad()
    read = torch.from_numpy(signals[[4, 1, 2], :2].astype(np.float32))
    outputs = network(read, torch.full((3,), 50))
    alone = {
        name: functional.binary_cross_entropy_with_logits(
            outputs[name], torch.from_numpy(labels[name][[4, 1, 2]].astype(np.float32))
        )
        for name in ("one", "two")
    }
    total = alone["one"] + 0.25 * alone["two"]
    total.backward()
    tolerance = 1e-6 if precision == "float32" else 1e-2
    assert losses == pytest.approx(
        {"loss": total.item(), "loss one": alone["one"].item(), "loss two": alone["two"].item()},
        rel=tolerance,
    )
    torch.testing.assert_close(gradient, network.two.weight.grad, rtol=tolerance, atol=tolerance)


def test_only_modules_whose_weights_are_all_frozen_stay_in_eval_mode() -> None:
    def part_of() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))

    network = nn.Sequential(part_of(), part_of(), nn.Dropout(0.5)).eval()
    network[0].requires_grad_(False)
    network[1][0].requires_grad_(False)
    set_train_mode(network)
    modes = {name: module.training for name, module in network.named_modules()}
    assert [name for name, training in modes.items() if not training] == [
        "0", "0.0", "0.1", "0.2", "1.0"
    ]  # fmt: skip


def test_the_key_of_a_training_holds_all_that_its_weights_depend_on() -> None:
    def key(**changes: object) -> dict[str, str]:
        given = {
            "recipe": find("house-resnet"), "device": torch.device("cpu"), "precision": "float32",
            "data": "d", "labels": {"diagnosis": np.eye(3, dtype=bool)},
            "validation": np.array([True, False, False]), **changes,
        }  # fmt: skip
        return training_key(*given.values())

    plain = key()
    assert key() == plain
    recipe = find("house-resnet")
    assert key(recipe=vary(recipe, minutes=1.0, lead_sets=recipe.lead_sets[:1])) == plain
    changes = {
        "device": {"device": torch.device("meta")}, "precision": {"precision": "bfloat16"},
        "data": {"data": "e"}, "labels": {"labels": {"diagnosis": ~np.eye(3, dtype=bool)}},
        "split": {"validation": np.array([False, True, False])},
        "recipe: seed": {"recipe": vary(recipe, seed=1)},
        "recipe: ema": {"recipe": vary(recipe, ema=0.5)},
    }  # fmt: skip
    for name, change in changes.items():
        changed = key(**change)
        assert {part for part in plain if plain[part] != changed[part]} == {name}
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert key()["threads"] == str(threads + 1) != plain["threads"]
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("left_s", "expected"), [(1000.0, 350.0), (220.0, 220.0), (-5.0, 0.0)])
def test_later_lead_sets_take_as_long_as_this_one_within_the_budget(
    left_s: float, expected: float
) -> None:
    """50 s are left of 150 s, and two sets follow."""
    total = SimpleNamespace(sets_left=3, left_s=left_s)
    assert _all_left_s(SimpleNamespace(total=total, used=100.0, left_s=50.0)) == expected
