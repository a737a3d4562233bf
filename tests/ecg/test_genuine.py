"""Genuine excerpts: beats of MIT-BIH, beats and intervals of LUDB, rapid rhythms of 2017.

The scores are those of the present detector and rules, as floors.  `tests/data/README.md` has the
sources.
"""

from pathlib import Path

import numpy as np
import pytest

from ecg.beats import detect, heart_rate, quality
from ecg.records import Record, read_record
from ecg.rules import judge, measure
from scoring.beats import BeatCounts, count

FOLDER = Path(__file__).parents[1] / "data" / "genuine"

# Beats by the experts; then missed and false ones with both leads, MLII alone, V1 alone.
HALF_MINUTES = {
    "106s0900": (37, (0, 0), (0, 0), (0, 3)),
    "108s1020": (28, (0, 0), (0, 0), (2, 5)),
    "108s1710": (37, (0, 0), (5, 4), (1, 1)),
    "201s1560": (28, (0, 0), (0, 0), (0, 0)),
    "203s0750": (58, (0, 0), (0, 1), (19, 1)),
    "203s1020": (50, (0, 0), (0, 0), (3, 2)),
    "207s0600": (36, (0, 0), (0, 0), (0, 0)),
    "208s0360": (54, (0, 0), (0, 0), (11, 6)),
    "208s1200": (54, (0, 1), (2, 1), (22, 5)),
    "223s0420": (43, (0, 0), (0, 0), (3, 1)),
}
# Medians over the beats of eight leads by the experts, ms: PQ and QT (None without P waves); beats
# per minute from the marks of lead II; the rules that answer yes.
LUDB = {
    "ludb2": (196, 404, 65.8, "sinus arrhythmia, PRWP"),
    "ludb13": (231, 467, 58.8, "long PR"),
    "ludb34": (None, 442, 59.9, "RAD, pacing"),
    "ludb41": (148, 402, 49.2, "bradycardia, sinus bradycardia"),
    "ludb82": (160, 457, 51.8, "LAD"),
    "ludb88": (None, 385, 89.5, ""),
    "ludb99": (154, 320, 78.5, "sinus arrhythmia, RAD"),
    "ludb141": (154, 378, 61.8, ""),
    "ludb156": (138, 400, 56.7, ""),
    "ludb168": (132, 399, 61.8, "RAD"),
}
SINUS = [name for name, row in LUDB.items() if row[0]]


def read(name: str) -> Record:
    return read_record(FOLDER / f"{name}.hea")


def compare(record: Record, leads: slice, tolerance_ms: float = 150.0) -> BeatCounts:
    marks = record.annotations().beats.samples
    detected = detect(record.signal[leads], record.fs)
    return count(marks, detected, record.fs, tolerance_ms=tolerance_ms)


@pytest.mark.parametrize("name", HALF_MINUTES)
def test_beats_of_half_minutes(name: str) -> None:
    record = read(name)
    beats, *allowed = HALF_MINUTES[name]
    assert len(record.annotations().beats) == beats
    for leads, (missed, false) in zip((slice(2), slice(1), slice(1, 2)), allowed, strict=True):
        counts = compare(record, leads)
        assert counts.fn <= missed
        assert counts.fp <= false


def test_sensitivity_and_positive_predictivity_of_all_half_minutes() -> None:
    """Both leads: 425 of 425 beats and one false; within 25 ms 377 of 425."""
    wide = [compare(read(name), slice(2)) for name in HALF_MINUTES]
    assert sum(counts.tp for counts in wide) == 425
    assert sum(counts.fp for counts in wide) <= 1
    narrow = [compare(read(name), slice(2), 25.0) for name in HALF_MINUTES]
    assert sum(counts.tp for counts in narrow) >= 377


@pytest.mark.parametrize("name", LUDB)
def test_beats_of_ludb(name: str) -> None:
    """Within 75 ms of the marks in lead II, which begin and end within the record."""
    record = read(name)
    waves = record.annotations().waves
    marks = waves.peaks[(waves.leads == "II") & (waves.kinds == "N")]
    outer = np.array([[-np.inf, marks[0] - 38], [marks[-1] + 38, np.inf]])
    detected = detect(record.signal, 500)
    counts = count(marks, detected, 500, tolerance_ms=75, left_out=outer)
    assert (counts.fn, counts.fp) == (0, 0)
    assert heart_rate(detected, 500) == pytest.approx(LUDB[name][2], rel=0.03)


def medians(record: Record) -> tuple[float, float]:
    """Measure PQ and QT in ms by the experts' marks in all leads."""
    waves = record.annotations().waves
    pq, qt = [], []
    for lead in record.leads:
        own = waves.take(waves.leads == lead)
        p_onset = qrs_onset = -1
        for onset, offset, kind in zip(own.onsets, own.offsets, own.kinds, strict=True):
            if kind == "N":
                pq += [2 * (onset - p_onset)] if p_onset >= 0 and onset >= 0 else []
                p_onset, qrs_onset = -1, onset
            elif kind == "t":
                qt += [2 * (offset - qrs_onset)] if qrs_onset >= 0 and offset >= 0 else []
                qrs_onset = -1
            else:
                p_onset = onset
    return float(np.median(pq)) if pq else np.nan, float(np.median(qt))


@pytest.mark.parametrize("name", LUDB)
def test_the_marks_are_read_as_written_out(name: str) -> None:
    pq, qt, *_ = LUDB[name]
    measured = medians(read(name))
    assert measured[1] == pytest.approx(qt, abs=1)
    assert np.isnan(measured[0]) if pq is None else measured[0] == pytest.approx(pq, abs=1)


def test_pq_and_qt_against_the_experts() -> None:
    """PQ is 11 ms short to 3 ms long, QT 40 to 6 ms short: experts mark the T wave's foot."""
    pq_errors, qt_errors = [], []
    for name in SINUS:
        record = read(name)
        values, _ = measure(record.signal, record.leads, record.fs)
        pq_errors.append(values["PQ"] - LUDB[name][0])
        qt_errors.append(values["QT"] - LUDB[name][1])
        assert values["P"] > 2.9  # a P wave
    assert -12 <= min(pq_errors) <= max(pq_errors) <= 4
    assert -41 <= min(qt_errors) <= max(qt_errors) <= -5
    assert np.mean(pq_errors) == pytest.approx(-2.9, abs=1)
    assert np.mean(qt_errors) == pytest.approx(-19.8, abs=2)
    without = [read(name) for name in LUDB if name not in SINUS]  # paced; fibrillation
    assert all(measure(r.signal, r.leads, r.fs).values["P"] < 1.1 for r in without)


@pytest.mark.parametrize("name", LUDB)
def test_rules_on_ludb(name: str) -> None:
    record = read(name)
    findings = judge(record.signal, record.leads, record.fs)
    assert ", ".join(rule for rule, finding in findings.items() if finding.answer) == LUDB[name][3]
    assert all(finding.answer is not None for finding in findings.values())


@pytest.mark.parametrize(("name", "beats", "bpm"), [("A00078", 62, 234), ("A01452", 53, 200)])
def test_rapid_rhythms(name: str, beats: int, bpm: int) -> None:
    """Counted by eye: regular, one beat after the other; neither has a level of rest."""
    record = read(name)
    detected = detect(record.signal, record.fs)
    assert len(detected) == pytest.approx(beats, abs=1)
    assert heart_rate(detected, record.fs) == pytest.approx(bpm, abs=3)
    assert np.ptp(np.diff(detected)) <= 9  # 30 ms


@pytest.mark.parametrize(
    ("name", "mlii", "v1"),
    [("106s0900", 1.0, 0.97), ("108s1020", 1.0, 0.86), ("108s1710", 0.89, 0.97),
     ("208s1200", 1.0, 0.91)],
)  # fmt: skip
def test_quality_of_genuine_leads(name: str, mlii: float, v1: float) -> None:
    record = read(name)
    marks = record.annotations().beats.samples
    assert quality(record.signal, record.fs, marks) == pytest.approx([mlii, v1], abs=0.03)
