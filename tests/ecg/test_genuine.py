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


PINNED = ("P", "PQ", "QT", "axis", "limb QRS", "R in V1", "R in V2", "R in V3", "R in V4")
MEASURES = {
    "ludb2": (5.38509, 193.758, 383.479, 55.119, 0.864, 0.098, 0.1546, 0.20905, 1.1563),
    "ludb13": (3.82542, 218.996, 457.547, 8.74277, 1.7765, 0.4286, 0.73155, 0.45915, 0.81815),
    "ludb34": (1.29456, 94.6611, 453.287, 146.288, 0.803375, 0, 0.00505, 0, 0.057675),
    "ludb41": (6.25496, 141.458, 385.327, 79.0634, 1.36, 0.179025, 0.2472, 0.47795, 0.604625),
    "ludb82": (5.35751, 153.608, 421.469, -70.5847, 0.6765, 0.23765, 0.4402, 0.8675, 1.32545),
    "ludb88": (0.826418, 196.207, 394.491, 25.7945, 0.755625, 0.237875, 0.48, 0.4929, 1.0015),
    "ludb99": (3.65277, 153.973, 302.039, 94.9146, 1.92125, 0.265425, 0.6153, 0.58315, 0.717475),
    "ludb141": (9.21153, 149.67, 359.682, 10.3768, 1.17525, 0.2511, 0.367275, 0.556675, 1.54395),
    "ludb156": (8.72836, 132.804, 384.579, 37.1155, 1.46875, 0.25305, 0.2873, 0.4693, 1.65225),
    "ludb168": (2.31458, 135.381, 379.214, 112.25, 1.21837, 0.4542, 0.616975, 1.17905, 1.2117),
}


@pytest.mark.parametrize("name", MEASURES)
def test_measures_at_the_experts_marks_are_those_of_the_version_before(name: str) -> None:
    """Any constant of the average beat moves them; the scores against the experts are above."""
    record = read(name)
    waves = record.annotations().waves
    marks = waves.peaks[(waves.leads == "II") & (waves.kinds == "N")]
    values, _ = measure(record.signal, record.leads, record.fs, marks)
    measured = [values[key] for key in PINNED]
    assert measured == pytest.approx(MEASURES[name], rel=1e-4, abs=1e-6)


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
