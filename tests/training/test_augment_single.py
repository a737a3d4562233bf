"""Augmentation of one lead: what each does, corrected and as published; dualnet2017's numbers."""

from collections.abc import Callable

import numpy as np
import pytest

from models import find
from models.sample import Sample
from training.augment import RECORDS, augment_sample

FS = 300.0
LEADS = ("ECG",)
# Of the recipes, with probability 1.
NUMBERS = {
    each.name: {**each.options, "probability": 1.0}
    for name in ("dualnet-house", "dualnet-s", "dualnet-s-as-published")
    for each in reversed(find(name).augment)
}
NUMBERS["baseline_wander"]["amplitude"] = 0.3
SINGLE = sorted(RECORDS.keys() - {"lead_dropout", "single_lead", "shift", "scale", "noise"})


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def augmented(name: str, signal: np.ndarray, seed: int = 0, **numbers: float) -> np.ndarray:
    sample = Sample(signal, LEADS, FS)
    return RECORDS[name](sample, generator(seed), **{**NUMBERS[name], **numbers}).signal


def noise(samples: int = 9000) -> np.ndarray:
    return generator(99).normal(size=(1, samples)).astype(np.float16)  # as the cache holds it


@pytest.mark.parametrize("name", SINGLE)
def test_only_the_generator_decides_and_the_given_record_is_unchanged(name: str) -> None:
    signal = noise()
    before = signal.copy()
    first, again, other = (augmented(name, signal, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(signal, before)  # fault 4
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert first.shape != signal.shape or (first != signal).any()
    fixed = name.startswith(("band_pass", "invert"))  # nothing of them is drawn
    assert fixed or first.shape != other.shape or (first != other).any()


@pytest.mark.parametrize("name", SINGLE)
def test_it_acts_as_often_as_stated(name: str) -> None:
    signal = noise(600)
    times = [augmented(name, signal, seed, probability=0.2) is not signal for seed in range(500)]
    assert np.mean(times) == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("samples", [1, 2, 20])
def test_records_of_a_few_samples_are_augmented(name: str, samples: int) -> None:
    for seed in range(20):
        signal = augmented(name, np.ones((1, samples), np.float32), seed)
        assert signal.shape[0] == 1
        assert signal.shape[1] >= 1
        assert np.isfinite(signal).all()


def test_cutout_zeroes_450_consecutive_samples_and_sample_dropout_270_single_ones() -> None:
    ones = np.ones((1, 9000), np.float32)
    thirds = set()
    for seed in range(50):
        (blank,) = np.nonzero(augmented("cutout", ones, seed)[0] == 0)
        assert len(blank) == 450 == blank[-1] - blank[0] + 1
        thirds.add(blank[0] // 3000)
        (dropped,) = np.nonzero(augmented("sample_dropout", ones, seed)[0] == 0)
        assert len(dropped) == 270
        assert np.ptp(dropped) > 8000
    assert thirds == {0, 1, 2}
    assert (augmented("sample_dropout", np.ones((1, 20), np.float32)) == 0).sum() == 1


def test_a_warp_by_0_is_the_identity_and_as_published_a_fade() -> None:
    """Faults 2 and 3."""
    signal = noise().astype(np.float32)
    np.testing.assert_allclose(augmented("warp", signal, most=0.0), signal, atol=1e-5)
    ones = np.ones((1, 9000), np.float32)
    for seed in range(5):
        np.testing.assert_allclose(augmented("warp", ones, seed), ones, atol=1e-6)
    faded = augmented("warp_as_published", ones, most=0.0)[0]
    indices = [0, 1, 2250, 4500, 6750, 8999]
    expected = [0.25, 0.5001, 0.7500, 0.9999, 0.7499, 0.25]
    assert faded[indices] == pytest.approx(expected, abs=6e-5)


def test_a_warp_moves_samples_by_up_to_its_share_and_stays_inside() -> None:
    ramp = np.arange(9000, dtype=np.float32)[None]
    farthest = [np.abs(augmented("warp", ramp, seed) - ramp).max() for seed in range(200)]
    assert max(farthest) <= 0.075 * 8999 / 2 + 0.01
    assert max(farthest) > 0.9 * 0.075 * 8999 / 2
    # Linear between the middles of twelve equal parts, constant in the outer half parts.
    offset = (augmented("warp", ramp, 3) - ramp)[0].astype(np.float64)
    bends = np.flatnonzero(np.abs(np.diff(offset, 2)) > 0.01) + 1
    inside = bends[(bends > 340) & (bends < 8660)]  # outside, positions are clipped to the record
    assert {round((bend - 374.5) / 750) for bend in inside} == set(range(12))
    assert np.abs((inside - 374.5 + 375) % 750 - 375).max() <= 1


def test_stretch_changes_the_rate_and_ends_at_60_s() -> None:
    ramp = np.arange(9000, dtype=np.float32)[None]
    same = augmented("stretch", ramp, least=1.2, most=1.2, longest_s=60.0)
    assert same.shape == (1, 10_800)
    np.testing.assert_allclose(np.diff(same), 8999 / 10_799, atol=1e-3)
    long = np.zeros((1, 18_000), np.float32)
    assert augmented("stretch", long, least=1.2, most=1.2, longest_s=60.0).shape == (1, 18_000)
    lengths = [augmented("stretch", ramp, seed).shape[1] for seed in range(300)]
    assert 7200 <= min(lengths) < 7300
    assert 10_700 < max(lengths) <= 10_800


def test_delay_lengthens_by_at_most_3999_zeros_or_the_record() -> None:
    ones = np.ones((1, 9000), np.float32)
    grown = []
    for seed in range(400):
        delayed = augmented("delay", ones, seed)
        grown.append(delayed.shape[1] - 9000)
        assert not delayed[0, : grown[-1]].any()
        assert delayed[0, grown[-1] :].all()
    assert 0 <= min(grown) < 50
    assert 3950 < max(grown) <= 3999
    short = [augmented("delay", ones[:, :100], seed).shape[1] for seed in range(100)]
    assert max(short) <= 199
    assert augmented("delay", np.ones((1, 18_000), np.float32), longest_s=60).shape == (1, 18_000)


def test_amplify_and_baseline_wander_stay_within_their_bounds() -> None:
    signal = noise().astype(np.float32)
    factors, heights, rates, phases = [], [], [], []
    for seed in range(300):
        ratio = augmented("amplify", signal, seed)[signal != 0] / signal[signal != 0]
        assert np.ptp(ratio) < 1e-5
        factors.append(ratio.mean())
        added = augmented("baseline_wander", np.zeros((1, 9000), np.float32), seed)[0]
        heights.append(np.abs(added).max())
        phases.append(np.arcsin(added[0] / heights[-1]))
        rates.append(np.count_nonzero(np.diff(np.sign(added))) / 2 / 30)
    assert min(factors) == pytest.approx(0.85, abs=0.01)
    assert max(factors) == pytest.approx(1.15, abs=0.01)
    assert max(heights) == pytest.approx(0.3, abs=0.01)
    assert min(rates) == pytest.approx(0.2, abs=0.05)
    assert max(rates) == pytest.approx(1.0, abs=0.05)
    assert (min(phases), max(phases)) == (pytest.approx(0, abs=0.02), pytest.approx(1, abs=0.02))


def test_invert_changes_the_sign() -> None:
    signal = noise().astype(np.float32)
    assert np.array_equal(augmented("invert", signal), -signal)


GAINS = {0.1: -60.47, 0.15: -25.16, 0.2: -3.01, 0.3: 0, 1: 0, 10: 0, 40: -0.28, 45: -3.01,
         50: -11.27, 60: -31.0}  # fmt: skip


@pytest.mark.parametrize("name", ["band_pass", "band_pass_as_published"])
@pytest.mark.parametrize("hertz", GAINS)
def test_the_band_passes_have_the_published_gains(name: str, hertz: float) -> None:
    """Of a sine after 300 s, when the ringing has decayed."""
    time = np.arange(int(400 * FS)) / FS
    last = slice(-int(100 * FS), None)
    sine = np.sin(2 * np.pi * hertz * time)[None]
    filtered = augmented(name, sine)[0, last]
    wave = np.exp(2j * np.pi * hertz * time[last])
    gain = 20 * np.log10(2 * np.abs((filtered * wave).mean()))
    assert gain == pytest.approx(GAINS[hertz], abs=0.05 if hertz < 60 else 0.1)


def test_the_band_pass_starts_in_the_steady_state_of_the_first_sample() -> None:
    """Fault 17: from rest a record with 100 µV offset still rings with 16 µV after 5 s."""
    offset = np.full((1, 9000), 100.0)
    assert np.abs(augmented("band_pass", offset)).max() < 1e-3
    ringing = np.abs(augmented("band_pass_as_published", offset))[0, int(5 * FS) :].max()
    assert ringing == pytest.approx(16, abs=1)


def test_a_recipe_applies_them_in_the_published_order(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, float]] = []

    def noted(name: str) -> Callable[..., Sample]:
        def note(sample: Sample, generator: np.random.Generator, **numbers: float) -> Sample:
            calls.append((name, sample.fs))
            return sample

        return note

    for name in SINGLE:
        monkeypatch.setitem(RECORDS, name, noted(name))
    augment_sample(find("dualnet-s"), Sample(noise(), LEADS, FS), generator())
    order = (
        "cutout", "sample_dropout", "warp", "stretch", "amplify", "delay", "baseline_wander",
        "band_pass",
    )  # fmt: skip
    assert calls == [(name, FS) for name in order]
