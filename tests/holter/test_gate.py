"""The gate: artefacts are told from beats, its files are checked, and noise follows from it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.beats import detect
from ecg.records import read_record
from holter.activity import noise
from holter.analysis import find_beats
from holter.classifier import describe_table
from holter.gate import Gate, load_gate, passed, write_gate
from holter.growing import Chosen, boosted
from holter.numbers import NAMES
from holter.table import read_table
from leadwise import WEIGHTS
from simulate import simulate
from tests.holter.test_activity import measured
from tests.holter.test_table import in_memory

FS = 250
GENUINE = Path("tests/data/genuine")
SIGNAL = simulate(["PVC"], seed=2, duration_s=300, fs=FS, leads=("II", "V1")).signal


PINNED = (
    ("106s0900", 37, 7.391),
    ("203s0750", 58, 6.619),
    ("208s1200", 55, 7.924),
    ("223s0420", 43, 7.978),
)  # made by the weights of the test


def trained() -> Gate:
    """Train trees for which a beat is what has a positive first number."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(400, len(NAMES))).astype(np.float32)
    lesson = Chosen(numbers, (numbers[:, 0] > 0).astype(int), np.ones(400))
    return Gate(boosted(lesson, 0, rounds=5))


def test_trees_of_two_classes_give_the_log_odds_of_a_beat() -> None:
    gate = trained()
    numbers = np.zeros((2, len(NAMES)), np.float32)
    numbers[:, 0] = (-2, 2)
    log_odds = gate.trees.log_odds(gate.trees.leaves(numbers))
    assert log_odds.shape == (2, 1)
    assert log_odds[0, 0] < 0 < log_odds[1, 0]


def test_a_gate_is_written_and_read(tmp_path: Path) -> None:
    assert load_gate(tmp_path) is None
    gate = trained()
    write_gate(gate, tmp_path, {})
    again = load_gate(tmp_path)
    assert again is not None
    assert len(again.sha256) == 64
    for one, other in zip(again.trees, gate.trees, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_gate_of_other_shapes_is_refused(tmp_path: Path) -> None:
    gate = trained()
    wide = gate.trees._replace(baseline=np.zeros(3, np.float32))
    write_gate(replace(gate, trees=wide), tmp_path, {})
    with pytest.raises(LeadwiseError, match="shapes or types are not those of trees"):
        load_gate(tmp_path)


def test_noise_nearby_demands_more_certainty() -> None:
    times = np.arange(60.0)
    log_odds = np.full(60, 0.5)
    assert passed(log_odds, times).all()
    log_odds[40:] = -0.5
    assert passed(log_odds, times)[:25].all()
    assert not passed(log_odds, times)[35:].any()


def test_the_shipped_gate_keeps_beats_of_clear_recordings() -> None:
    gate = load_gate(WEIGHTS / "malt2021")
    assert gate is not None
    record = in_memory(SIGNAL, FS)
    whole, parts = (find_beats(record, gate=gate, part_s=part_s) for part_s in (300, 11))
    assert whole.peaks - len(whole.table) <= 1
    assert len(whole.noise) == 0
    np.testing.assert_array_equal(parts.table.peaks, whole.table.peaks)


@pytest.mark.parametrize(("name", "kept", "mean"), PINNED)
def test_the_shipped_gate_gives_its_answers_on_genuine_stretches(
    name: str, kept: int, mean: float
) -> None:
    gate = load_gate(WEIGHTS / "malt2021")
    assert gate is not None
    table = read_table(read_record(GENUINE / f"{name}.hea"))
    assert gate(table).sum() == kept
    assert gate.log_odds(describe_table(table)).mean() == pytest.approx(mean, abs=1e-2)


def test_artefacts_make_noise_and_beats_deny_it() -> None:
    peaks = detect(SIGNAL, FS)
    beats = np.ones(len(peaks), bool)
    beats[(peaks > 100 * FS) & (peaks < 120 * FS)] = False
    ((onset, offset),) = noise(measured(SIGNAL), peaks, FS, beats)
    assert (abs(onset / FS - 100) < 2, abs(offset / FS - 120) < 2) == (True, True)
    muscle = SIGNAL.copy()
    muscle[:, 40 * FS : 60 * FS] += np.random.default_rng(0).normal(0, 1, (2, 20 * FS))
    activity = measured(muscle)
    assert len(noise(activity, peaks, FS)) == 1
    assert len(noise(activity, peaks, FS, np.ones(len(peaks), bool))) == 0
