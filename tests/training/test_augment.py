"""Augmentation: what is mixed, smoothed, masked, dropped and moved, how much, by which draws."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS, STANDARD, derivable_leads
from models import find
from models.recipe import Head, part, vary
from models.sample import UNKNOWN, Batch, Sample, follow
from training.augment import (
    AUGMENTATIONS,
    BATCHES,
    RECORDS,
    augment_batch,
    augment_sample,
    label_smoothing,
    lead_dropout,
    mixup,
    noise,
    random_masking,
    scale,
    shift,
)
from training.checks import check_recipe

FS = 500.0
HEADS = (Head(),)
HEAD = HEADS[0].name


def batch_of(size: int = 64, samples: int = 20, channels: int = 2) -> Batch:
    rng = torch.Generator().manual_seed(0)
    labels = (torch.rand(size, 26, generator=rng) < 0.1).float()
    signal = torch.randn(size, channels, samples, generator=rng)
    return Batch(signal, torch.full((size,), samples), {HEAD: labels})


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def tensors(batch: Batch) -> list[torch.Tensor]:
    return [batch.signal, batch.length, *batch.targets.values()]


@pytest.mark.parametrize("name", BATCHES)
def test_only_the_generator_decides_and_the_given_batch_is_unchanged(name: str) -> None:
    batch = batch_of(samples=2000)
    before = [tensor.clone() for tensor in tensors(batch)]
    first, again, other = (BATCHES[name](batch, HEADS, FS, generator(seed)) for seed in (1, 1, 2))
    for given, copy, one, two in zip(
        tensors(batch), before, tensors(first), tensors(again), strict=True
    ):
        assert torch.equal(given, copy)
        assert torch.equal(one, two)
        assert one.shape == given.shape
        assert one.dtype == given.dtype
    assert not all(map(torch.equal, tensors(first), tensors(other)))
    assert (first.targets[HEAD] >= 0).all()
    assert (first.targets[HEAD] <= 1).all()


def test_mixup_mixes_pairs_by_one_share_and_targets_alike() -> None:
    batch = batch_of()
    labels = batch.targets[HEAD]
    for seed in range(20):
        own = generator(seed).beta(0.3, 0.3)  # the first number drawn
        mixed = mixup(batch, HEADS, FS, generator(seed))
        for index in range(64):
            rest = (mixed.signal[index] - own * batch.signal[index]) / (1 - own + 1e-12)
            partner = int((batch.signal - rest).abs().sum((1, 2)).argmin())
            expected = own * batch.signal[index] + (1 - own) * batch.signal[partner]
            torch.testing.assert_close(mixed.signal[index], expected, atol=1e-5, rtol=0)
            if own < 0.9:  # else the partner is lost in rounding
                target = own * labels[index] + (1 - own) * labels[partner]
                torch.testing.assert_close(mixed.targets[HEAD][index], target, atol=1e-6, rtol=0)


def test_mixup_permutes_about_the_stated_share_and_leaves_the_others_exactly() -> None:
    batch = batch_of()
    alike = [
        (mixup(batch, HEADS, FS, generator(seed)).signal == batch.signal)
        .all(2).all(1).float().mean()
        for seed in range(300)
    ]  # fmt: skip
    # 0.6 ± 0.1 of 64 are permuted; one of them is its own partner on average.
    assert np.mean(alike) == pytest.approx(0.4 + 1 / 64, abs=0.03)
    assert np.std(alike) == pytest.approx(0.1, abs=0.03)
    none = mixup(batch, HEADS, FS, generator(), share=0)
    assert torch.equal(none.signal, batch.signal)


def test_a_mixture_has_the_longer_of_two_lengths() -> None:
    batch = batch_of(size=2)
    batch = batch._replace(length=torch.tensor([5, 20]))
    mixtures = (mixup(batch, HEADS, FS, generator(seed), share=1) for seed in range(50))
    swapped = next(mixed for mixed in mixtures if not torch.equal(mixed.signal, batch.signal))
    assert swapped.length.tolist() == [20, 20]


def test_label_smoothing() -> None:
    """y ← (1 − ε) y + ε / K, for about 0.8 of the records."""
    batch = batch_of()
    labels = batch.targets[HEAD]
    shares = []
    for seed in range(100):
        target = label_smoothing(batch, HEADS, FS, generator(seed)).targets[HEAD]
        smoothed = (target != labels).any(1)
        expected = torch.where(labels > 0, 0.9 + 0.1 / 26, 0.1 / 26)
        torch.testing.assert_close(target[smoothed], expected[smoothed])
        shares.append(float(smoothed.float().mean()))
    assert np.mean(shares) == pytest.approx(0.8, abs=0.03)


def test_label_smoothing_leaves_classes_per_sample_as_they_are() -> None:
    heads = (*HEADS, Head("waves", kind="samples"))
    batch = batch_of()
    waves = torch.randint(-1, 4, (64, 20), generator=torch.Generator().manual_seed(1))
    batch = batch._replace(targets={**batch.targets, "waves": waves})
    smoothed = label_smoothing(batch, heads, FS, generator(), share=1.0).targets
    assert torch.equal(smoothed["waves"], waves)
    assert not torch.equal(smoothed[HEAD], batch.targets[HEAD])


def test_random_masking_sets_short_intervals_of_all_leads_to_zero() -> None:
    batch = batch_of(samples=5000)
    batch = batch._replace(length=torch.where(torch.arange(64) < 32, 5000, 2500))
    masked = random_masking(batch, HEADS, FS, generator(), share=1).signal
    blank = masked == 0
    assert torch.equal(blank.all(1), blank.any(1)), "all leads at once"
    assert torch.equal(masked[~blank], batch.signal[~blank])
    assert not blank[32:, :, 2500:].any(), "padding is no signal"
    assert float(blank[:32].float().mean()) == pytest.approx(0.15 * 0.13 / 0.18, abs=0.03)
    edges = np.flatnonzero(np.diff(np.pad(blank[0, 0].numpy().astype(int), 1)))
    widths = edges[1::2] - edges[::2]
    assert widths.min() >= 40 - 1  # 0.08 s, halved and doubled
    touched = [
        (random_masking(batch, HEADS, FS, generator(seed)).signal == 0)
        .any(2).any(1).float().mean()
        for seed in range(20)
    ]  # fmt: skip
    assert np.mean(touched) == pytest.approx(0.3, abs=0.05)


def test_lead_dropout_shows_what_the_five_sets_determine() -> None:
    signal = np.ones((24, 5), np.float16)  # twelve leads, then again twelve envelopes
    sample = Sample(signal, STANDARD * 2, FS)
    wanted = {frozenset(derivable_leads(lead_set)) for lead_set in LEAD_SETS.values()}
    seen = []
    for seed in range(200):
        shown = lead_dropout(sample, generator(seed), probability=0.5).signal
        assert shown.dtype == np.float16
        assert (shown[:12] == shown[12:]).all()
        seen.append(frozenset(np.array(STANDARD)[shown[:12, 0] == 1].tolist()))
    assert set(seen) == wanted
    assert np.mean([len(leads) == 12 for leads in seen]) == pytest.approx(0.5 + 0.5 / 5, abs=0.1)
    rarely = [lead_dropout(sample, generator(seed), probability=0.1) for seed in range(300)]
    assert np.mean([one is not sample for one in rarely]) == pytest.approx(0.1, abs=0.05)


def test_a_name_is_of_one_kind() -> None:
    assert len(AUGMENTATIONS) == len(RECORDS) + len(BATCHES)


def test_shift_moves_a_record_to_either_side_and_fills_with_zeros() -> None:
    signal = np.arange(1, 101, dtype=np.float32)[None].repeat(2, 0)
    moves = set()
    for seed in range(300):
        moved = shift(Sample(signal, ("I", "II"), FS), generator(seed), share=0.1).signal
        (inside,) = np.nonzero(moved[0])
        by = int(inside[0] - (moved[0, inside[0]] - 1))
        expected = np.zeros(100)
        expected[max(by, 0) : 100 + min(by, 0)] = signal[0, max(-by, 0) : 100 - max(by, 0)]
        np.testing.assert_array_equal(moved, [expected, expected])
        moves.add(by)
    assert moves == set(range(-10, 11))


def test_a_record_is_scaled_by_one_factor_about_1() -> None:
    sample = Sample(np.ones((3, 50), np.float32), STANDARD[:3], FS)
    factors = []
    for seed in range(400):
        scaled = scale(sample, generator(seed), spread=0.15).signal
        assert np.ptp(scaled) == 0
        factors.append(scaled[0, 0])
    logarithms = np.log(factors)
    assert abs(logarithms.mean()) < 0.03
    assert abs(logarithms.std() - 0.15) < 0.02


def test_noise_is_white_and_of_the_stated_strength() -> None:
    flat = Sample(np.zeros((2, 5000), np.float32), ("I", "II"), FS)
    added = noise(flat, generator(), mv=0.01).signal
    assert abs(added.std() - 0.01) < 0.0005
    assert abs(np.corrcoef(added)[0, 1]) < 0.05
    assert abs(np.corrcoef(added[0, 1:], added[0, :-1])[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("shift", {"share": 0.1}), ("scale", {"spread": 1.0}), ("noise", {"mv": 1})],
)
def test_only_the_generator_decides_and_the_given_record_is_unchanged(
    name: str, numbers: dict[str, float]
) -> None:
    signal = np.random.default_rng(0).normal(size=(2, 100)).astype(np.float16)
    before = signal.copy()
    first, again, other = (
        RECORDS[name](Sample(signal, ("I", "II"), FS), generator(seed), **numbers).signal
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(signal, before)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.dtype == signal.dtype


MOVES: dict[str, dict[str, float]] = {
    "shift": {"share": 0.3},
    "stretch": {"probability": 1.0, "least": 0.7, "most": 1.3, "longest_s": 2.2},
    "delay": {"probability": 1.0, "most_s": 1.0, "longest_s": 2.5},
    "warp": {"probability": 1.0, "most": 0.1, "points": 8},
    "warp_as_published": {"probability": 1.0, "most": 0.1, "points": 8},
}


@pytest.mark.parametrize("name", MOVES)
def test_targets_move_with_the_signal(name: str) -> None:
    """The same change of the target painted as a signal gives the moved target."""
    target = np.repeat(np.array([1, 2, 1, 2, 1, 2, 1], np.uint8), 130)  # 1.8 s
    painted = target[None].astype(np.float32)
    for seed in range(30):
        sample = Sample(painted, ("I",), FS, {"waves": target})
        moved = RECORDS[name](sample, generator(seed), **MOVES[name])
        signal, waves = moved.signal[0], moved.targets["waves"]
        if name == "warp_as_published":  # it fades the signal to half at both ends
            signal = signal / (1 - np.abs(np.linspace(-1, 1, len(signal))) / 2)
        assert (waves.dtype, waves.shape) == (np.uint8, signal.shape)
        filled = waves == UNKNOWN
        assert (signal[filled] == 0).all()
        assert (signal[~filled] != 0).all()
        assert filled.any() == (name in ("shift", "delay") and (signal == 0).any())
        # Between two samples the nearer one counts.
        assert np.abs(waves - signal)[~filled].max() <= 0.5 + 1e-3


@pytest.mark.parametrize("name", sorted(set(RECORDS) - set(MOVES)))
def test_what_does_not_move_the_signal_leaves_the_targets(name: str) -> None:
    recipes = [find(name) for name in ("dualnet-house", "dualnet-s", "dualnet-s-as-published")]
    numbers = {each.name: each.options for recipe in recipes for each in recipe.augment}
    numbers |= {"lead_dropout": {"probability": 1}, "scale": {"spread": 1}}
    numbers |= {"single_lead": {"probability": 1}}
    options = dict(numbers[name])
    if "probability" in options:
        options["probability"] = 1.0
    target = np.random.default_rng(0).integers(0, 4, 900).astype(np.uint8)
    signal = np.random.default_rng(1).normal(size=(1, 900))
    sample = Sample(signal, ("I",), 300.0, {"w": target[None]})
    changed = RECORDS[name](sample, generator(), **options)
    assert changed.signal.shape == signal.shape
    np.testing.assert_array_equal(changed.targets["w"], target[None])


def test_a_single_marked_lead_has_its_own_targets() -> None:
    waves = np.array([[1, 1], [2, 2], [UNKNOWN, UNKNOWN], [3, 3]], np.uint8)  # all, I, II, V1
    beats = np.array([[0, UNKNOWN]], np.uint8)
    signal = np.array([[5, 5], [6, 6], [7, 7]])
    sample = Sample(signal, ("I", "II", "V1"), FS, {"waves": waves, "beats": beats})
    drawn = [RECORDS["single_lead"](sample, generator(seed), probability=0.8) for seed in range(99)]
    seen = {(tuple(one.signal[:, 0]), one.targets["waves"][0, 0]) for one in drawn}
    assert seen == {((5, 6, 7), 1), ((0, 5, 0), 2), ((0, 7, 0), 3)}, "II has no marks"
    hidden = replace(sample, signal=np.array([[0.0, 0], [1, 1], [1, 1]]))
    drawn_of = [RECORDS["single_lead"](hidden, generator(s), probability=1.0) for s in range(20)]
    assert {tuple(one.signal[:, 0]) for one in drawn_of} == {(0, 1, 0)}, "I is absent"
    assert sum(one.targets["waves"][0, 0] == 1 for one in drawn) == pytest.approx(20, abs=10)
    assert all(one.targets["beats"] is beats for one in drawn)


def test_a_record_without_marks_keeps_its_leads() -> None:
    unknown = {"waves": np.full((3, 4), UNKNOWN, np.uint8)}
    for targets in ({}, unknown, {"waves": np.ones((1, 4), np.uint8)}):
        sample = Sample(np.ones((2, 4)), ("I", "II"), FS, targets)
        assert RECORDS["single_lead"](sample, generator(), probability=1.0) is sample


def test_follow_takes_the_source_of_each_sample_and_unknown_where_there_is_none() -> None:
    targets = {"w": np.array([3, 4, 5], np.uint8), "b": np.array([0, UNKNOWN, 1], np.uint8)}
    moved = follow(targets, np.array([-1, 0, 0, 2, 1, -1]))
    assert moved["w"].tolist() == [UNKNOWN, 3, 3, 5, 4, UNKNOWN]
    assert moved["b"].tolist() == [UNKNOWN, 0, 0, 1, UNKNOWN, UNKNOWN]
    assert {target.dtype for target in moved.values()} == {np.dtype(np.uint8)}
    sample = Sample(np.zeros((1, 3)), ("I",), FS, targets).moved(np.ones((1, 2)), np.array([2, -1]))
    assert sample.targets["w"].tolist() == [5, UNKNOWN]
    assert (sample.signal.tolist(), sample.fs) == ([[1, 1]], FS)


def test_a_system_may_have_augmentations_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def negate(sample: Sample, generator: np.random.Generator, *, by: float) -> Sample:
        return replace(sample, signal=-by * sample.signal)

    recipe = vary(find("isibrno-basic"), augment=(part("negate", by=2), part("mixup")))
    with pytest.raises(LeadwiseError, match="no 'negate' among AUGMENTATIONS; similar are invert"):
        check_recipe(recipe)
    own: dict[str, Callable[..., Sample]] = {"negate": negate}
    monkeypatch.setattr("models.isibrno2020.AUGMENTATIONS", own, raising=False)
    check_recipe(recipe)
    sample = Sample(np.ones((2, 3)), ("I", "II"), FS)
    assert (augment_sample(recipe, sample, generator()).signal == -2).all()
    batch = batch_of()
    one, two = augment_batch(recipe, batch, generator(1)), mixup(batch, HEADS, 500, generator(1))
    assert all(map(torch.equal, tensors(one), tensors(two)))
    with pytest.raises(LeadwiseError, match="no 'negate' among AUGMENTATIONS"):
        check_recipe(vary(find("house-resnet"), augment=recipe.augment))


def test_mixup_cannot_mix_classes_per_sample() -> None:
    heads = (Head(), Head("waves", kind="samples", classes="all", metric="dice"))
    recipe = vary(find("isibrno-basic"), heads=heads, augment=(part("mixup"),))
    with pytest.raises(LeadwiseError, match="isibrno-basic: mixup cannot mix classes per sample"):
        check_recipe(recipe)


def test_of_few_records_often_none_is_changed() -> None:
    """A Normal number with mean 0.2 and deviation 0.05 rounds to 0."""
    batch = batch_of(size=4)
    for seed in range(20):
        smoothed = label_smoothing(batch, HEADS, FS, generator(seed), share=0.05)
        assert torch.equal(smoothed.targets[HEAD], batch.targets[HEAD])
