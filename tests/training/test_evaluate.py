"""Evaluation: predictions do not depend on batches; classes per sample and beat are aligned."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from models import find
from models.network import from_logits
from models.recipe import Head, Recipe, part, vary
from models.sample import UNKNOWN
from scoring import METRICS
from tests.conftest import mapped_arrays, small
from training.dataset import Dataset, dataset_of
from training.evaluate import LeadSetRun, _confusion, predict, score_head

HEADS = (
    Head(),
    Head("waves", kind="samples", classes="all", metric="dice"),
    Head("beats", kind="beats", classes="all", metric="beat_f1"),
)
CLASSES = {"diagnosis": ("1", "2"), "waves": ("0",) * 4, "beats": ("0",) * 3}
LENGTHS = (300, 90, 1200, 640, 1001, 17)


class Reading(nn.Module):
    """Outputs the class of each sample, which lead I holds for waves and lead II for beats."""

    def __init__(self, channels: int, classes: dict[str, int]) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = {"diagnosis": torch.zeros(len(signal), self.classes["diagnosis"])}
        for channel, name in enumerate(("waves", "beats")):
            classes = torch.arange(self.classes[name], dtype=torch.float32)[:, None]
            outputs[name] = -20 * (signal[:, channel, None] - classes).abs()
        return outputs


@pytest.fixture(params=[(), (part("fit_length", seconds=1.0, tolerance=0.1),)], ids=["", "fitted"])
def recipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Windows of 500 samples, which overlap in longer records."""
    networks = {"reading": Reading}
    monkeypatch.setattr("models.isibrno2020.NETWORKS", networks)
    return vary(
        find("isibrno-basic"), heads=HEADS, fs=500.0, max_s=1.0, stride_s=0.5, batch=2,
        transforms=(part("fill"),), post_transforms=request.param, network=part("reading"),
        augment=(),
    )  # fmt: skip


def dataset(recipe: Recipe) -> Dataset:
    """Records whose first two leads are the targets of the dense heads, a tenth of it unknown."""
    generator = np.random.default_rng(0)
    signals, waves, beats = [], [], []
    for samples in LENGTHS:
        wave = np.repeat(generator.integers(0, 4, samples // 8 + 1), 8)[:samples]
        beat = np.repeat(generator.integers(0, 3, samples // 9 + 1), 9)[:samples]
        signals.append(np.stack([wave, beat, *np.zeros((10, samples))]).astype(np.float16))
        for values, targets in ((wave, waves), (beat, beats)):
            target = values.astype(np.uint8)
            target[generator.random(samples) < 0.1] = UNKNOWN
            targets.append(target[None])
    dense = {"waves": mapped_arrays(waves), "beats": mapped_arrays(beats)}
    labels = {"diagnosis": np.eye(6, 2, dtype=bool)}
    return dataset_of(mapped_arrays(signals), labels, LEAD_SETS[2], recipe, dense=dense)


def test_predictions_of_samples_are_compared_with_the_targets_of_the_same_samples(
    recipe: Recipe,
) -> None:
    run = LeadSetRun("2-leads", {}, recipe, LEAD_SETS[2], CLASSES, torch.device("cpu"))
    records = dataset(recipe)
    predictions = predict(run, run.network(), records)
    assert predictions["diagnosis"].tolist() == [[0.5, 0.5]] * 6
    for name in ("waves", "beats"):
        confusion = predictions[name]
        assert (confusion.dtype, confusion.shape) == (np.int64, (len(CLASSES[name]),) * 2)
        assert np.count_nonzero(confusion - np.diag(np.diag(confusion))) == 0, "all are right"
    assert score_head(recipe, HEADS[1], predictions["waves"], records, CLASSES["waves"])[0] == 1
    assert score_head(recipe, HEADS[2], predictions["beats"], records, CLASSES["beats"])[0] == 1
    known = np.concatenate([target[0] for target in records.dense["waves"]])
    expected = [(known == index).sum() for index in range(4)]
    assert np.diag(predictions["waves"]).tolist() == expected, "every known sample counts once"


def test_one_beat_is_one_count_by_its_mean_probability() -> None:
    probabilities = np.zeros((2, 12))
    probabilities[:, :5] = [[0.6], [0.4]]
    probabilities[:, 2] = [0.0, 1.0]  # the mean of the first beat is 0.48, 0.52
    probabilities[:, 8:] = [[0.2], [0.8]]
    target = np.array([0, 0, 0, 0, 0, -1, -1, 1, 1, 1, 0, 0])
    counts = _confusion(HEADS[2], target, probabilities)
    assert counts.tolist() == [[0, 2], [0, 1]]
    assert _confusion(HEADS[1], target, probabilities).sum() == 10
    assert _confusion(HEADS[2], np.full(12, -1), probabilities).tolist() == [[0, 0], [0, 0]]


def test_batches_and_padding_do_not_change_predictions() -> None:
    recipe = vary(small(find("isibrno-basic")), max_s=2.0, stride_s=0.0, batch=3)
    classes = {"diagnosis": ("1",) * 5}
    run = LeadSetRun("2-leads", {}, recipe, LEAD_SETS[2], classes, torch.device("cpu"))
    generator = np.random.default_rng(0)
    kinds = 12 * 3 if any(each.name == "envelopes" for each in recipe.transforms) else 12
    signals = [generator.normal(size=(kinds, n)).astype(np.float16) for n in LENGTHS]
    labels = {"diagnosis": np.zeros((6, 5), bool)}
    records = dataset_of(mapped_arrays(signals), labels, LEAD_SETS[2], recipe)
    torch.manual_seed(0)
    network = run.network()
    together = predict(run, network, records)["diagnosis"]
    alone = [
        predict(run, network, records.subset(np.array([index])))["diagnosis"][0]
        for index in range(6)
    ]
    assert together.dtype == np.float64
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.ptp(together, axis=0).min() > 1e-4, "records differ"


def test_exclusive_classes_are_scored_by_the_highest_and_others_by_the_best_threshold() -> None:
    labels = np.eye(4, dtype=bool)[[0, 1, 2, 3, 0]]
    logits = torch.from_numpy(np.where(labels, 1.0, 0.0))
    letters = ("N", "A", "O", "~")
    recipe = find("isibrno-basic")
    exclusive = Head(classes="af", exclusive=True, metric="af_accuracy")
    records = dataset_of(
        mapped_arrays([np.zeros((12, 3), np.float16)] * 5), {"diagnosis": labels}, LEAD_SETS[2],
        vary(recipe, transforms=(part("fill"),)),
    )  # fmt: skip
    score, threshold = score_head(
        recipe, exclusive, from_logits(exclusive, logits), records, letters
    )
    assert score == 1
    assert math.isnan(threshold)
    other = Head(classes="af", metric="f_measure")
    score, threshold = score_head(recipe, other, from_logits(other, logits), records, letters)
    assert score == 1
    assert 0.5 < threshold < 0.74


def test_the_epoch_is_scored_by_the_decision_of_the_recipe_if_it_has_no_numbers() -> None:
    """At 0.5 both records are right; the best threshold of the global decision is as good."""
    recipe = find("revenger-nc-se")
    labels = np.zeros((2, 26), bool)
    labels[0, 0] = labels[1, 1] = True
    records = dataset_of(
        mapped_arrays([np.zeros((12, 3), np.float16)] * 2), {"diagnosis": labels}, LEAD_SETS[2],
        vary(recipe, transforms=(part("fill"),)),
    )  # fmt: skip
    low = np.where(labels, 0.3, 0.28)  # the highest and all near ties, of 26 classes
    score, threshold = score_head(recipe, recipe.head, low, records, CODES)
    assert math.isnan(threshold)
    fitted = score_head(recipe, replace(recipe.head, decision="global"), low, records, CODES)
    assert fitted == (1.0, pytest.approx(0.29, abs=0.011))
    everything = METRICS["challenge"](labels, np.ones_like(labels), low, CODES)
    assert score == pytest.approx(everything)
    assert score < 0.5
