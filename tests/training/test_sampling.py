"""Sampling: which records an epoch holds."""

import numpy as np
import pytest

from models import find
from models.recipe import Recipe, part, vary
from models.sample import UNKNOWN
from tests.conftest import mapped_arrays
from training.dataset import Dataset
from training.sampling import inverse_frequency

HEAD = "diagnosis"


def dataset(labels: list[list[int]], annotated: tuple[int, ...] = (), **fields: object) -> Dataset:
    """Return records of five samples with these labels; some have known waves."""
    recipe: Recipe = vary(find("isibrno-published"), batch=2, **fields)
    count = len(labels)
    waves = np.full((count, 1, 5), UNKNOWN, np.uint8)
    waves[list(annotated), 0, 2] = 1
    signals = mapped_arrays([np.zeros((1, 5), np.float16)] * count)
    return Dataset(
        signals, {HEAD: np.array(labels, bool)}, {"waves": mapped_arrays(list(waves))}, [0], recipe
    )


def test_rare_classes_are_drawn_more_often() -> None:
    """The fact sheet's example: counts of 100 and 10; {A} 0.01, {B} 0.1, {A, B} 0.055."""
    labels = [[1, 0]] * 95 + [[1, 1]] * 5 + [[0, 1]] * 5
    drawn = inverse_frequency(dataset(labels), np.random.default_rng(0), others=100_000)
    shares = np.bincount(drawn, minlength=105) / len(drawn)
    weights = np.array([0.01] * 95 + [0.055] * 5 + [0.1] * 5)
    for group in (slice(0, 95), slice(95, 100), slice(100, 105)):
        assert shares[group].mean() == pytest.approx((weights / weights.sum())[group][0], rel=0.03)


def test_power_0_draws_all_labelled_records_alike() -> None:
    labels = [[1, 0]] * 8 + [[0, 1], [0, 0]]
    drawn = inverse_frequency(dataset(labels), np.random.default_rng(0), others=9000, power=0.0)
    counts = np.bincount(drawn, minlength=10)
    assert counts[9] == 0, "no positive class"
    assert counts[:9] == pytest.approx(1000, rel=0.15)


def test_annotated_records_always_occur() -> None:
    labels = [[1, 0], [0, 0], [0, 1], [0, 0]]
    part_of = dataset(labels, (1, 3))
    drawn = inverse_frequency(part_of, np.random.default_rng(0), annotated=3, others=4)
    assert np.bincount(drawn[:6], minlength=4).tolist() == [0, 3, 0, 3]
    assert set(drawn[6:]) <= {0, 2}
    none = dataset([[0, 0]] * 4, (1,))
    assert inverse_frequency(none, np.random.default_rng(0)).tolist() == [1], "nothing to draw"


def test_long_annotated_records_occur_more_often() -> None:
    recipe = vary(find("heartly-leadwise"), crop_s=0.02)  # 5 samples
    known = [np.full((1, samples), value, np.uint8)
             for samples, value in ((50, 1), (14, 1), (50, UNKNOWN), (3, 1))]  # fmt: skip
    known[0][0, 1:22] = known[0][0, 23:] = UNKNOWN  # 23 samples, 4 crops, are annotated
    signals = mapped_arrays([np.zeros((1, each.shape[1]), np.float16) for each in known])
    part_of = Dataset(
        signals, {HEAD: np.zeros((4, 1), bool)}, {"beats": mapped_arrays(known)}, [0], recipe
    )
    assert part_of.annotated.tolist() == [23, 14, 0, 3]
    for further, counts in ((0.0, [2, 2, 0, 2]), (1.0, [5, 3, 0, 2]), (1 / 3, [3, 2, 0, 2])):
        drawn = inverse_frequency(
            part_of, np.random.default_rng(0), annotated=2, further=further, others=9
        )
        assert np.bincount(drawn, minlength=4).tolist() == counts


def test_unknown_labels_are_not_drawn() -> None:
    part_of = dataset([[1, 0], [0, 1]])
    part_of.known[HEAD] = np.array([[True, True], [False, False]])  # type: ignore[index]
    assert set(inverse_frequency(part_of, np.random.default_rng(0), others=50)) == {0}


def test_an_epoch_has_the_drawn_records() -> None:
    sampling = part("inverse_frequency", annotated=2, others=5)
    part_of = dataset([[1, 0]] * 3 + [[0, 1]], (1,), sampling=sampling)
    assert part_of.epoch_records == 7
    epochs = []
    for seed in (0, 1, 0):
        batches = list(part_of.shuffled(np.random.default_rng(seed)))
        assert sum(map(len, batches)) == 7
        assert all(isinstance(index, int) for batch in batches for index in batch)
        epochs.append(sorted(sum(batches, [])))
    assert epochs[0] == epochs[2]
    assert all(epoch.count(1) >= 2 for epoch in epochs)
    assert dataset([[1, 0]] * 3).epoch_records == 3, "each record once"
