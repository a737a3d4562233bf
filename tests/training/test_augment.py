"""Augmentation: what is mixed, smoothed, masked and dropped, how much of it, and by whose dice."""

import numpy as np
import pytest
import torch

from ecg.leads import LEAD_SETS, STANDARD, derivable_leads
from models.losses import Batch
from training.augment import (
    AUGMENTATIONS,
    BATCHES,
    RECORDS,
    label_smoothing,
    lead_dropout,
    mixup,
    noise,
    random_masking,
    scale,
    shift,
)

FS = 500.0


def batch_of(size: int = 64, samples: int = 20, rows: int = 2) -> Batch:
    rng = torch.Generator().manual_seed(0)
    labels = (torch.rand(size, 26, generator=rng) < 0.1).float()
    signal = torch.randn(size, rows, samples, generator=rng)
    return Batch(signal, torch.full((size,), samples), labels)


def dice(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", BATCHES)
def test_the_generator_alone_decides_and_the_batch_given_is_left_as_it_was(name: str) -> None:
    batch = batch_of(samples=2000)
    before = Batch(*(part.clone() for part in batch))
    first, again, other = (BATCHES[name](batch, FS, dice(seed)) for seed in (1, 1, 2))
    for given, kept, one, two in zip(batch, before, first, again, strict=True):
        assert torch.equal(given, kept)
        assert torch.equal(one, two)
        assert one.shape == given.shape
        assert one.dtype == given.dtype
    assert not all(torch.equal(one, two) for one, two in zip(first, other, strict=True))
    assert (first.labels >= 0).all()
    assert (first.labels <= 1).all()


def test_mixup_mixes_pairs_by_one_share_and_labels_alike() -> None:
    batch = batch_of()
    for seed in range(20):
        own = dice(seed).beta(0.3, 0.3)  # the first number drawn
        mixed = mixup(batch, FS, dice(seed))
        for place in range(64):
            rest = (mixed.signal[place] - own * batch.signal[place]) / (1 - own + 1e-12)
            partner = int((batch.signal - rest).abs().sum((1, 2)).argmin())
            expected = own * batch.signal[place] + (1 - own) * batch.signal[partner]
            torch.testing.assert_close(mixed.signal[place], expected, atol=1e-5, rtol=0)
            if own < 0.9:  # else the partner is lost in rounding
                labels = own * batch.labels[place] + (1 - own) * batch.labels[partner]
                torch.testing.assert_close(mixed.labels[place], labels, atol=1e-6, rtol=0)


def test_mixup_permutes_about_the_stated_share_and_leaves_the_others_exactly() -> None:
    batch = batch_of()
    alike = [
        (mixup(batch, FS, dice(seed)).signal == batch.signal).all(2).all(1).float().mean()
        for seed in range(300)
    ]
    # 0.6 ± 0.1 of 64 are permuted, one of them stays on its own place on average.
    assert np.mean(alike) == pytest.approx(0.4 + 1 / 64, abs=0.03)
    assert np.std(alike) == pytest.approx(0.1, abs=0.03)
    none = mixup(batch, FS, dice(), share=0)
    assert torch.equal(none.signal, batch.signal)


def test_a_mixture_is_as_long_as_its_longer_part() -> None:
    batch = batch_of(size=2)
    batch = batch._replace(length=torch.tensor([5, 20]))
    swapped = next(
        mixed.length for seed in range(50)
        if not torch.equal((mixed := mixup(batch, FS, dice(seed), share=1)).signal, batch.signal)
    )  # fmt: skip
    assert swapped.tolist() == [20, 20]


def test_label_smoothing() -> None:
    """y ← (1 − ε) y + ε / K, for about 0.8 of the records."""
    batch = batch_of()
    shares = []
    for seed in range(100):
        labels = label_smoothing(batch, FS, dice(seed)).labels
        moved = (labels != batch.labels).any(1)
        expected = torch.where(batch.labels > 0, 0.9 + 0.1 / 26, 0.1 / 26)
        torch.testing.assert_close(labels[moved], expected[moved])
        shares.append(float(moved.float().mean()))
    assert np.mean(shares) == pytest.approx(0.8, abs=0.03)


def test_random_masking_blanks_all_leads_for_a_moment() -> None:
    batch = batch_of(samples=5000)
    batch = batch._replace(length=torch.where(torch.arange(64) < 32, 5000, 2500))
    masked = random_masking(batch, FS, dice(), share=1).signal
    blank = masked == 0
    assert torch.equal(blank.all(1), blank.any(1)), "all leads at once"
    assert torch.equal(masked[~blank], batch.signal[~blank])
    assert not blank[32:, :, 2500:].any(), "padding is no signal"
    assert float(blank[:32].float().mean()) == pytest.approx(0.15 * 0.13 / 0.18, abs=0.03)
    row = np.flatnonzero(np.diff(np.pad(blank[0, 0].numpy().astype(int), 1)))
    widths = row[1::2] - row[::2]
    assert widths.min() >= 40 - 1  # 0.08 s, halved and doubled
    touched = [
        (random_masking(batch, FS, dice(seed)).signal == 0).any(2).any(1).float().mean()
        for seed in range(20)
    ]
    assert np.mean(touched) == pytest.approx(0.3, abs=0.05)


def test_lead_dropout_shows_what_the_five_sets_determine() -> None:
    signal = np.ones((24, 5), np.float16)  # twelve leads, then again twelve envelopes
    leads = STANDARD * 2
    wanted = {frozenset(derivable_leads(lead_set)) for lead_set in LEAD_SETS.values()}
    seen = []
    for seed in range(200):
        shown = lead_dropout(signal, leads, FS, dice(seed), probability=0.5)
        assert shown.dtype == np.float16
        assert (shown[:12] == shown[12:]).all()
        seen.append(frozenset(np.array(STANDARD)[shown[:12, 0] == 1].tolist()))
    assert set(seen) == wanted
    assert np.mean([len(leads) == 12 for leads in seen]) == pytest.approx(0.5 + 0.5 / 5, abs=0.1)


def test_a_name_is_of_one_kind() -> None:
    assert len(AUGMENTATIONS) == len(RECORDS) + len(BATCHES)


def test_a_record_moves_to_either_side_and_zeros_come_in() -> None:
    signal = np.arange(1, 101, dtype=np.float32)[None].repeat(2, 0)
    moves = set()
    for seed in range(300):
        moved = shift(signal, ("I", "II"), FS, dice(seed), share=0.1)
        (places,) = np.nonzero(moved[0])
        by = int(places[0] - (moved[0, places[0]] - 1))
        expected = np.zeros(100)
        expected[max(by, 0) : 100 + min(by, 0)] = signal[0, max(-by, 0) : 100 - max(by, 0)]
        np.testing.assert_array_equal(moved, [expected, expected])
        moves.add(by)
    assert moves == set(range(-10, 11))


def test_a_record_is_scaled_by_one_factor_about_1() -> None:
    signal = np.ones((3, 50), np.float32)
    factors = []
    for seed in range(400):
        scaled = scale(signal, STANDARD[:3], FS, dice(seed), spread=0.15)
        assert np.ptp(scaled) == 0
        factors.append(scaled[0, 0])
    logarithms = np.log(factors)
    assert abs(logarithms.mean()) < 0.03
    assert abs(logarithms.std() - 0.15) < 0.02


def test_noise_is_white_and_as_strong_as_stated() -> None:
    added = noise(np.zeros((2, 5000), np.float32), ("I", "II"), FS, dice(), mv=0.01)
    assert abs(added.std() - 0.01) < 0.0005
    assert abs(np.corrcoef(added)[0, 1]) < 0.05
    assert abs(np.corrcoef(added[0, 1:], added[0, :-1])[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("shift", {"share": 0.1}), ("scale", {"spread": 1.0}), ("noise", {"mv": 1})],
)
def test_records_are_altered_by_the_generator_alone_and_aside(
    name: str, numbers: dict[str, float]
) -> None:
    signal = np.random.default_rng(0).normal(size=(2, 100)).astype(np.float16)
    before = signal.copy()
    first, again, other = (
        RECORDS[name](signal, ("I", "II"), FS, dice(seed), **numbers) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(signal, before)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.dtype == signal.dtype
