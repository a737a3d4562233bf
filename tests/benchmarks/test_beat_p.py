"""P waves of a network as numbers of beats."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.beat_p import combined, p_numbers, p_probability
from ecg.records import read_record, write_record
from models.model import Model
from models.segmenter import Segmenter
from simulate import simulate

WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "heartly2021"


def test_the_numbers_of_p() -> None:
    """P waves 160 ms before two R peaks, none before the third, and one 600 ms before it."""
    probability = np.zeros(2000, np.float32)
    peaks = np.array([300, 600, 900])
    for centre in (260, 560, 750):
        probability[centre - 5 : centre + 6] = 0.5
        probability[centre] = 0.9
    numbers = p_numbers(probability, 250.0, peaks)
    assert numbers.shape == (3, 7)
    largest, place, total, own_largest, own_place, own_total, earlier = numbers.T
    assert largest == pytest.approx([0.9, 0.9, 0])
    assert place[:2] == pytest.approx([-0.16, -0.16])
    assert total == pytest.approx([5.9 / 250, 5.9 / 250, 0], abs=1e-6)
    assert own_largest == pytest.approx([0, 0, -0.9])
    assert own_place == pytest.approx([0, 0, 0]), "no place without a P wave"
    assert own_total == pytest.approx([0, 0, -5.9 / 250], abs=1e-6)
    assert earlier == pytest.approx([0, 0, 0.9])


def test_the_probability_of_a_long_record_has_no_gap(tmp_path: Path) -> None:
    made = simulate(seed=3, duration_s=1000, fs=360.0, leads=("II", "V1"))
    write_record(tmp_path, "long", made.signal, ["MLII", "V1"], 360.0)
    record = read_record(tmp_path / "long.hea")
    probability, fs = p_probability(Segmenter(Model.load(WEIGHTS)), record)
    assert fs == 250
    assert len(probability) == pytest.approx(250_000, abs=2)
    peaks = np.rint(np.asarray(made.r_peaks) * 250 / 360).astype(int)
    numbers = p_numbers(probability, fs, peaks)
    assert (numbers[1:, 0] > 0.5).mean() > 0.98, "each beat of sinus rhythm has a P wave"


def test_v_and_the_others_are_combined() -> None:
    """V has its probability; N and S share the rest as the other classifier has them."""
    v, others = np.array([[0.5, 0.1, 0.4], [0, 0, 1]]), np.array([[0.2, 0.6, 0.2], [0.1, 0.3, 0.6]])
    (both,) = combined([v], [others])
    assert both == pytest.approx(np.array([[0.15, 0.45, 0.4], [0, 0, 1]]))
