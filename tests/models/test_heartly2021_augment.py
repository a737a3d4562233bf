"""HeartlyAI's own augmentations."""

from dataclasses import replace

import numpy as np
import pytest

from ecg.annotations import QRS, UNKNOWN
from models.heartly2021.augment import hum, one_lead_dropout, pacing
from models.sample import Sample


def sample(leads: int = 3) -> Sample:
    signal = np.random.default_rng(0).normal(size=(leads, 1000)).astype(np.float16)
    return Sample(signal, ("I", "II", "V2")[:leads], 500.0)


def test_one_lead_is_set_to_zero_as_often_as_stated() -> None:
    generator, counts = np.random.default_rng(1), np.zeros(4, int)
    given = sample()
    for _ in range(2000):
        changed = one_lead_dropout(given, generator, probability=0.3)
        present = changed.signal.any(axis=1)
        np.testing.assert_array_equal(changed.signal[present], given.signal[present])
        counts[3 if present.all() else int(np.flatnonzero(~present)[0])] += 1
        assert present.sum() >= 2
    assert counts == pytest.approx([200, 200, 200, 1400], abs=60)  # 4 standard deviations
    assert sample().signal.tobytes() == given.signal.tobytes()


def test_the_last_lead_with_a_signal_is_kept() -> None:
    alone = sample()
    alone.signal[1:] = 0
    for record in (alone, sample(1)):
        changed = one_lead_dropout(record, np.random.default_rng(0), probability=1.0)
        assert changed.signal.any()


def test_hum_is_of_50_or_60_hz_in_all_leads_with_its_own_amplitude_in_each() -> None:
    generator, found = np.random.default_rng(2), []
    given = sample()
    for _ in range(60):
        changed = hum(given, generator, probability=0.5, mv=0.4)
        assert changed.signal.dtype == np.float16
        added = (changed.signal - given.signal).astype(float)
        if not added.any():
            continue
        spectrum = np.abs(np.fft.rfft(added, axis=1)) / 500  # amplitudes, 0.5 Hz per bin
        found.append(spectrum.argmax(axis=1)[0] / 2)
        assert spectrum.max() <= 0.41
        assert len(set(spectrum.max(axis=1).round(3))) == 3
    assert set(found) == {50.0, 60.0}
    assert 18 <= len(found) <= 42


def test_a_pacing_spike_stands_before_each_marked_qrs_and_leaves_the_marks() -> None:
    given = sample()
    waves = np.zeros((1, 1000), np.uint8)
    waves[0, 5:50] = waves[0, 300:350] = waves[0, 700:750] = QRS
    marked = replace(given, targets={"waves": waves})
    for seed in range(20):
        changed = pacing(marked, np.random.default_rng(seed), probability=1.0, mv=2.0)
        added = (changed.signal - given.signal).astype(float)
        starts = np.flatnonzero(np.diff((np.abs(added) > 0.02).any(0).astype(int)) == 1) + 1
        assert len(starts) in (2, 3), "one before the start of the record is left out"
        assert all(0 <= 300 - start <= 25 or 0 <= 700 - start <= 25 for start in starts[-2:])
        assert np.abs(added).max() < 2.01
        assert changed.targets is marked.targets
        np.testing.assert_array_equal(marked.signal, given.signal)


def test_pacing_spikes_of_unmarked_records_are_regular() -> None:
    given = replace(sample(), targets={"waves": np.full((1, 1000), UNKNOWN, np.uint8)})
    still = replace(given, signal=np.ones_like(given.signal))
    still.signal[2] = 0
    counts = []
    for seed in range(200):
        changed = pacing(still, np.random.default_rng(seed), probability=0.5, mv=1.0).signal
        assert not changed[2].any(), "an absent lead stays absent"
        added = changed - still.signal
        if added.any():
            at = np.flatnonzero(np.diff((added != 0).any(0).astype(int), prepend=0) == 1)
            assert ((np.diff(at) >= 299) & (np.diff(at) <= 600)).all()  # 0.6 to 1.2 s at 500 Hz
            counts.append(len(at))
    assert 70 <= len(counts) <= 130
    assert {1, 2, 3} <= set(counts) <= {1, 2, 3, 4}
