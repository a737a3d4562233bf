"""HeartlyAI's own augmentations."""

import numpy as np
import pytest

from models.heartly2021.augment import hum, one_lead_dropout
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
