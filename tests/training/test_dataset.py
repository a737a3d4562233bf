"""The dataset of a lead set: each record is in one batch; long records give windows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS, STANDARD
from ecg.signals import record_z_score
from models import find
from models.recipe import Head, Recipe, part, recipe_from_json, recipe_to_json, vary
from models.sample import NO_P, UNKNOWN
from tests.conftest import mapped_arrays
from training.dataset import (
    MICRO_BATCH_SAMPLES,
    Dataset,
    batch_count,
    batches,
    dataset_of,
    pad_targets,
)
from training.mapped import MappedArrays

HEAD = "diagnosis"
ONE = {HEAD: np.ones((1, 1), bool)}  # labels of one record


def reading(samples: int, **fields: object) -> Recipe:
    """Return a recipe whose network reads so many samples at once."""
    return vary(find("isibrno-published"), fs=250.0, max_s=samples / 250, **fields)


@pytest.mark.parametrize("records", [1, 2, 63, 64, 65, 129, 1000])
def test_each_record_is_in_one_batch(records: int) -> None:
    lengths = np.random.default_rng(0).integers(100, 5000, records)
    cut = list(batches(lengths, 64, np.random.default_rng(1)))
    assert sorted(sum(cut, [])) == list(range(records))
    assert len(cut) == batch_count(records, 64)
    assert all(len(batch) > 1 for batch in cut) or records == 1


def test_records_of_a_batch_have_similar_lengths() -> None:
    lengths = np.repeat([2500, 30_000], [900, 124])
    padded = sum(
        len(batch) * lengths[batch].max()
        for batch in batches(lengths, 64, np.random.default_rng(0))
    )
    assert padded < 1.3 * lengths.sum()


def test_a_single_last_record_joins_those_of_similar_length() -> None:
    lengths = np.arange(1, 10)
    cut = [sorted(lengths[one].tolist()) for one in batches(lengths, 4, np.random.default_rng(0))]
    assert sorted(cut) == [[1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_batches_come_in_no_order_of_length() -> None:
    lengths = np.arange(1, 65)  # one pool of 16 batches
    firsts = [min(one) for one in batches(lengths, 4, np.random.default_rng(0))]
    assert sorted(firsts) == list(range(0, 64, 4))
    assert firsts != sorted(firsts)


def test_soft_labels_are_targets_as_they_are() -> None:
    signals = mapped_arrays([np.zeros((1, 5), np.float16)] * 2)
    soft = np.array([[0.25, 1.0], [0.0, 0.75]], np.float32)
    dataset = Dataset(signals, {HEAD: soft}, {}, channels=[0], recipe=reading(7))
    assert dataset.batch([1, 0]).targets[HEAD].tolist() == [[0.0, 0.75], [0.25, 1.0]]


def test_the_generator_decides_the_order() -> None:
    lengths = np.full(200, 2500)
    first, again, other = (
        list(batches(lengths, 16, np.random.default_rng(seed))) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_batch_is_padded_with_zeros_and_long_records_give_a_window() -> None:
    signals = mapped_arrays(
        [np.ones((2, 5), np.float16), np.arange(20, dtype=np.float16).reshape(2, 10)]
    )
    labels = {HEAD: np.eye(2, dtype=bool)}
    dataset = Dataset(signals, labels, {}, channels=[1], recipe=reading(7))
    batch = dataset.batch([0, 1], np.random.default_rng(0))
    assert batch.signal.shape == (2, 1, 7)
    assert batch.length.tolist() == [5, 7]
    assert batch.signal[0, 0].tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert np.diff(batch.signal[1, 0].numpy()).tolist() == [1] * 6
    assert batch.targets[HEAD].tolist() == [[1, 0], [0, 1]]


def unlabelled(lengths: np.ndarray, recipe: Recipe) -> Dataset:
    signals = MappedArrays(bytes(2 * int(lengths.sum())), np.float16, 1, lengths)
    labels = {HEAD: np.zeros((len(lengths), 1), bool)}
    return Dataset(signals, labels, {}, channels=[0], recipe=recipe)


def test_micro_batches_are_as_full_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Padded to the longest record of each: 3 · 100, 2 · 150, 240 and 250 samples."""
    monkeypatch.setattr("training.dataset.MICRO_BATCH_SAMPLES", 300)
    lengths = np.array([150, 100, 400, 100, 240, 100, 150])
    dataset = unlabelled(lengths, reading(250))
    assert dataset.micro_batches([0, 1, 2, 3, 4, 5, 6]) == [[1, 3, 5], [0, 6], [4], [2]]
    assert dataset.micro_batches([1, 3, 5]) == [[1, 3, 5]]
    longer = unlabelled(np.full(4, 9000), reading(150))  # cut to 150 samples each
    assert longer.micro_batches([3, 2, 1, 0]) == [[3, 2], [1, 0]]


def test_a_batch_of_long_records_is_cut_into_micro_batches() -> None:
    lengths = np.random.default_rng(0).integers(1000, 5000, 100)
    lengths[::10] = 60_000
    dataset = unlabelled(lengths, reading(30_000))
    short, mixed = [1, 5, 3, 2], list(range(0, 100, 2))
    assert dataset.micro_batches(short) == [short]
    cut = dataset.micro_batches(mixed)
    assert sorted(sum(cut, [])) == mixed
    padded = [len(one) * min(lengths[one].max(), 30_000) for one in cut]
    assert max(padded) <= MICRO_BATCH_SAMPLES
    assert sum(padded) < 1.2 * np.minimum(lengths[mixed], 30_000).sum()
    assert len(dataset.subset(np.array([0, 10])).micro_batches([1, 0])) == 1


def test_a_record_that_is_longer_than_a_micro_batch_is_one_of_its_own() -> None:
    samples = 2 * MICRO_BATCH_SAMPLES
    dataset = unlabelled(np.array([samples] * 2), reading(samples))
    assert dataset.micro_batches([1, 0]) == [[1], [0]]


def test_the_whole_record_is_normalised_before_a_window_is_taken() -> None:
    """Mean and deviation are those of the whole record, of the leads that the lead set reads."""
    rng = np.random.default_rng(0)
    record = rng.normal(size=(12, 400)).astype(np.float16)
    recipe = reading(100, post_transforms=(part("record_z_score"),))
    dataset = dataset_of(mapped_arrays([record]), ONE, LEAD_SETS[2], recipe)
    whole, _ = record_z_score(record[:2].astype(np.float32), 250)
    batch = dataset.batch([0])
    assert batch.signal.dtype == torch.float32
    np.testing.assert_array_equal(batch.signal[0], whole[:, :100])
    onset = int(np.random.default_rng(3).integers(301))
    window = dataset.batch([0], np.random.default_rng(3)).signal[0]
    np.testing.assert_array_equal(window, whole[:, onset : onset + 100])


def test_dropped_leads_do_not_count_when_the_others_are_normalised() -> None:
    rng = np.random.default_rng(0)
    record = rng.normal(size=(12, 50)).astype(np.float16)
    record[6:] *= 3
    recipe = reading(
        50,
        post_transforms=(part("record_z_score"),),
        augment=(part("lead_dropout", probability=1),),
    )
    dataset = dataset_of(mapped_arrays([record]), ONE, STANDARD, recipe)
    limb, _ = record_z_score(record[:6].astype(np.float32), 250)
    signals = [
        dataset.batch([0], np.random.default_rng(seed)).signal[0].numpy() for seed in range(40)
    ]
    limb_only = [signal for signal in signals if not signal[6:].any()]
    assert 8 <= len(limb_only) <= 24  # two of five sets hold no precordial lead
    for signal in limb_only:
        np.testing.assert_array_equal(signal[:6], limb)
    assert dataset.batch([0]).signal[0, 6:].any(), "no lead is dropped outside training"


def test_a_training_batch_is_augmented_as_its_generator_decides() -> None:
    rng = np.random.default_rng(0)
    records = [rng.normal(size=(12, 50)).astype(np.float16) for _ in range(8)]
    recipe = reading(50, augment=(part("mixup"), part("label_smoothing")))
    labels = {HEAD: np.eye(8, dtype=bool)}
    dataset = dataset_of(mapped_arrays(records), labels, LEAD_SETS[3], recipe)
    first, again, other = (
        dataset.batch(range(8), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first.signal, again.signal)
    assert torch.equal(first.targets[HEAD], again.targets[HEAD])
    assert not torch.equal(first.signal, other.signal)
    assert torch.equal(dataset.batch(range(8)).targets[HEAD], torch.eye(8))


def test_lengths_are_those_after_the_post_transforms() -> None:
    records = [np.ones((12, samples), np.float16) for samples in (300, 40, 130, 100, 300)]
    labels = {HEAD: np.ones((5, 1), bool)}
    recipe = reading(100, post_transforms=(part("fit_length", seconds=0.4, tolerance=0.4),))
    dataset = dataset_of(mapped_arrays(records), labels, LEAD_SETS[2], recipe)
    assert dataset.lengths.tolist() == [300, 100, 100, 100, 300]
    assert dataset.batch([1, 2, 3]).length.tolist() == [100, 100, 100]


def test_unknown_labels_are_nan_also_after_mixing() -> None:
    records = [np.ones((12, 40), np.float16)] * 4
    known = np.ones((4, 2), bool)
    known[0, 1] = False
    recipe = reading(40, augment=(part("mixup", alpha=5, share=1.0),))
    labels = {HEAD: np.ones((4, 2), bool)}
    dataset = dataset_of(mapped_arrays(records), labels, LEAD_SETS[2], recipe, {HEAD: known})
    plain = dataset.batch([0, 1]).targets[HEAD].numpy()
    assert np.isnan(plain).tolist() == [[False, True], [False] * 2]
    mixed = [
        dataset.batch(range(4), np.random.default_rng(seed)).targets[HEAD] for seed in range(8)
    ]
    unknown = {int(target[:, 1].isnan().sum()) for target in mixed}
    assert unknown <= {1, 2}  # the record, and the one that is mixed with it
    assert 2 in unknown
    assert not any(target[:, 0].isnan().any() for target in mixed)
    assert dataset.subset(np.array([1, 2])).known[HEAD].all()


DENSE = (
    Head(),
    Head("waves", kind="samples", classes="waves", loss=part("segment"), metric="dice"),
)


def with_waves(lengths: tuple[int, ...], recipe: Recipe) -> Dataset:
    """Return records whose signal is the number of each sample, and whose target it is modulo 4."""
    signals = [np.tile(np.arange(n, dtype=np.float16), (12, 1)) for n in lengths]
    waves = [(np.arange(n, dtype=np.uint8) % 4)[None] for n in lengths]
    labels = {HEAD: np.ones((len(lengths), 1), bool)}
    return dataset_of(
        mapped_arrays(signals), labels, LEAD_SETS[2], recipe, dense={"waves": mapped_arrays(waves)}
    )


def test_targets_per_sample_are_cut_and_padded_like_the_signal() -> None:
    dataset = with_waves((30, 90), reading(50, heads=DENSE))
    for generator in (None, np.random.default_rng(3)):
        batch = dataset.batch([0, 1], generator)
        target = batch.targets["waves"]
        assert (target.dtype, target.shape) == (torch.int64, (2, 50))
        assert torch.equal(target[0, :30], batch.signal[0, 0, :30].long() % 4)
        assert (target[0, 30:] == -1).all(), "padding has no class"
        assert torch.equal(target[1], batch.signal[1, 0].long() % 4)
    assert batch.signal[1, 0, 0] > 0, "the window of a training batch is random"
    half = dataset.subset(np.array([1])).batch([0])
    assert torch.equal(half.targets["waves"][0], half.signal[0, 0].long() % 4)


def test_targets_per_sample_follow_augmentation_and_post_transforms() -> None:
    recipe = reading(
        100, heads=DENSE, augment=(part("shift", share=0.3),),
        post_transforms=(part("fit_length", seconds=0.4, tolerance=0.5),),
    )  # fmt: skip
    dataset = with_waves((60, 120), recipe)
    offsets = set()
    for seed in range(20):
        batch = dataset.batch([0, 1], np.random.default_rng(seed))
        assert batch.signal.shape[2] == 100
        for signal, target in zip(batch.signal[:, 0], batch.targets["waves"], strict=True):
            inside = signal > 0  # sample 0 and what fills have the value 0
            assert torch.equal(target[inside], signal[inside].long() % 4)
            assert set(target[~inside].tolist()) <= {-1, 0}
            assert (target[~inside] == 0).sum() <= 1, "filled samples are unknown"
            offsets.add(int(signal.argmax()))
    assert len(offsets) > 5


def test_a_single_lead_has_the_row_of_its_lead() -> None:
    recipe = reading(20, heads=DENSE, augment=(part("single_lead", probability=1.0),))
    signal = np.tile(np.arange(1, 13, dtype=np.float16)[:, None], (1, 20))  # the lead's number
    rows = np.full((13, 20), UNKNOWN, np.uint8)
    rows[0], rows[1], rows[8] = 0, 1, 2  # all leads, I, V2
    dataset = dataset_of(
        mapped_arrays([signal]), {HEAD: np.ones((1, 1), bool)}, LEAD_SETS[4], recipe,
        dense={"waves": mapped_arrays([rows])},
    )  # fmt: skip
    seen = set()
    for seed in range(20):
        batch = dataset.batch([0], np.random.default_rng(seed))
        seen.add((*batch.signal[0, :, 0].tolist(), int(batch.targets["waves"][0, 0])))
    v2 = float(1 + STANDARD.index("V2"))
    assert seen == {(0.0, 1.0, 0.0, 0.0, 1), (0.0, v2, 0.0, 0.0, 2)}, "read as lead II"
    assert dataset.batch([0]).targets["waves"].tolist() == [[0] * 20], "validation: all leads"


def test_the_window_of_a_long_record_holds_a_known_target() -> None:
    dataset = with_waves((1000,), reading(50, heads=DENSE))
    known = np.full((1, 1000), UNKNOWN, np.uint8)
    known[0, 700:705] = 1
    dataset = replace(dataset, dense={"waves": mapped_arrays([known])})
    firsts = set()
    for seed in range(60):
        batch = dataset.batch([0], np.random.default_rng(seed))
        assert (batch.targets["waves"] == 1).any()
        assert batch.signal.shape[2] == 50
        firsts.add(int(batch.signal[0, 0, 0]))
    assert 651 <= min(firsts) < max(firsts) <= 704
    assert len(firsts) > 20


def test_engineered_labels_are_those_of_training_batches() -> None:
    signals = mapped_arrays([np.zeros((1, 5), np.float16)] * 2)
    labels, taught = {HEAD: np.array([[1], [0]], bool)}, {HEAD: np.array([[1, 0, 1], [0, 1, 1]])}
    known = {HEAD: np.array([[True], [False]])}
    dataset = Dataset(signals, labels, {}, [0], reading(7), known, taught)
    for part_of in (dataset, dataset.subset(np.array([0, 1]))):
        batch = part_of.batch([0, 1], np.random.default_rng(0)).targets[HEAD]
        assert batch[0].tolist() == [1, 0, 1]
        assert batch[1].isnan().all()
        assert part_of.batch([0]).targets[HEAD].tolist() == [[1]]


def test_facts_come_with_their_records() -> None:
    signals = mapped_arrays([np.zeros((1, 5), np.float16)] * 3)
    facts = np.arange(6, dtype=np.float32).reshape(3, 2)
    labels = {HEAD: np.ones((3, 1), bool)}
    dataset = Dataset(signals, labels, {}, [0], reading(7), facts=facts)
    assert dataset.batch([2, 0]).facts.tolist() == [[4, 5], [0, 1]]
    assert dataset.subset(np.array([1])).batch([0]).facts.tolist() == [[2, 3]]
    assert replace(dataset, facts=None).batch([0]).facts is None


def test_training_windows_are_crops_and_validation_reads_more() -> None:
    dataset = with_waves((90, 300), replace(reading(200, heads=DENSE), crop_s=50 / 250))
    batch = dataset.batch([0, 1], np.random.default_rng(0))
    assert batch.length.tolist() == [50, 50]
    assert dataset.batch([0, 1]).length.tolist() == [90, 200]
    assert replace(dataset.recipe, crop_s=0.0).crop_samples == 200
    for crop_s in (0.9, 0.001):
        with pytest.raises(LeadwiseError, match=r"crop_s: must be 0, or from one sample to max_s"):
            recipe_from_json({**recipe_to_json(dataset.recipe), "crop_s": crop_s})


def test_what_cannot_be_a_p_wave_is_no_known_class() -> None:
    target = np.array([0, 3, NO_P, UNKNOWN], np.uint8)
    assert pad_targets([target], 6).tolist() == [[0, 3, -2, -1, -1, -1]]
    waves = [np.full((1, 9), value, np.uint8) for value in (NO_P, UNKNOWN, 2)]
    signals = mapped_arrays([np.zeros((12, 9), np.float16)] * 3)
    labels = {HEAD: np.ones((3, 1), bool)}
    dataset = dataset_of(
        signals, labels, STANDARD, reading(9, heads=DENSE), dense={"waves": mapped_arrays(waves)}
    )
    assert dataset.annotated.tolist() == [0, 0, 9]
