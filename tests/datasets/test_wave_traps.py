"""Traps of LUDB, QTDB and MIT-BIH, on genuine marks: what is not marked is unknown, not absent."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb

from datasets.ludb import read_ludb
from datasets.mitbih import read_mitbih
from datasets.qtdb import read_qtdb
from ecg.annotation_files import read_annotations, read_marks
from ecg.annotations import ABSENT, NONE, QRS, UNKNOWN, P, T, wave_mask
from ecg.records import Record, read_record

GENUINE = Path(__file__).parents[1] / "data" / "genuine"


def qtdb(folder: Path, name: str, gain: int = 200, samples: int = 47_000) -> Record:
    """Read genuine marks with a flat signal in place of the record's own."""
    digital = np.full((samples, 2), 1024)
    wfdb.wrsamp(
        name, 250, ["mV"] * 2, ["MLII", "V5"], d_signal=digital, fmt=["212"] * 2,
        adc_gain=[200] * 2, baseline=[0] * 2, write_dir=str(folder),
    )  # fmt: skip
    header = folder / f"{name}.hea"
    header.write_text(header.read_text().replace(" 200(0)/mV", f" {gain}(0)/mV"))
    marks = name if (GENUINE / f"{name}.q1c").is_file() else "sel36"
    shutil.copy(GENUINE / f"{marks}.q1c", folder / f"{name}.q1c")
    return read_qtdb(folder)[0][0]


def test_a_qrs_complex_without_onset_is_unknown_before_its_peak() -> None:
    record = read_record(GENUINE / "ludb34.hea")
    marks = record.annotations()
    own = marks.waves.take((marks.waves.leads == "V1") & (marks.waves.kinds == "N"))
    lacking = own.take(own.onsets == ABSENT)
    assert lacking.peaks.tolist() == [1221, 1721, 2722, 3222, 3722]
    assert (lacking.offsets > lacking.peaks).all()
    mask = wave_mask(marks, 5000, lead="V1")
    assert (mask[lacking.peaks] == QRS).all()
    assert (mask[lacking.peaks - 1] == UNKNOWN).all()


def test_a_t_wave_without_qrs_complex_leaves_the_stretch_before_it_unknown() -> None:
    """The second QRS complex in V5 of LUDB's record 8 has no mark."""
    marks = read_annotations(str(GENUINE / "ludb8"), ["V5"], 500, 5000, ["v5"])
    mask = wave_mask(marks, 5000, lead="V5")
    assert (mask[842:1156] == UNKNOWN).all()
    assert mask[841] == mask[1156] == T
    assert (mask[1267:1438] == NONE).all()


def test_leads_in_small_letters_are_the_standard_leads(tmp_path: Path) -> None:
    record = ludb(tmp_path, "51")
    assert record.leads == ("aVR", "V1")


def ludb(folder: Path, age: str) -> Record:
    np.ones((5, 2), "<i2").tofile(folder / "1.dat")
    lines = ["1 2 500 5", *(f"1.dat 16 7(5)/mV 0 0 1 5 0 {lead}" for lead in ("avr", "v1"))]
    lines += [f"#<age>: {age}", "#<sex>: F", "#<diagnoses>:", "#Rhythm: Sinus rhythm."]
    (folder / "1.hea").write_text("\n".join(lines) + "\n")
    return read_ludb(folder)[0][0]


def test_a_hidden_age_is_unknown(tmp_path: Path) -> None:
    assert ludb(tmp_path, "51").header.age == 51
    hidden = ludb(tmp_path, ">89").header
    assert math.isnan(hidden.age)
    assert hidden.sex == "female"


def test_u_waves_are_none_of_the_three_waves(tmp_path: Path) -> None:
    record = qtdb(tmp_path, "sel36")
    marks = record.annotations()
    u_waves = marks.waves.take(marks.waves.kinds == "u")
    assert len(u_waves) == 31
    mask = wave_mask(marks, record.samples)
    assert set(mask[u_waves.peaks].tolist()) <= {NONE, UNKNOWN}


def test_a_beat_without_p_mark_is_unknown_where_its_p_would_be(tmp_path: Path) -> None:
    """One of 31 beats of sel36 has a P mark: atrial waves were there, or not."""
    record = qtdb(tmp_path, "sel36")
    marks = record.annotations()
    mask, waves = wave_mask(marks, record.samples), marks.waves
    qrs = waves.take(waves.kinds == "N")
    before = np.array([mask[onset - 1] for onset in qrs.onsets.tolist()])
    assert (before == UNKNOWN).sum() == 30
    assert (mask == P).any()
    t_ends = waves.offsets[waves.kinds == "t"]
    assert all((mask[end - 1] == T) for end in t_ends.tolist())


def test_a_record_with_marks_of_qrs_alone_says_nothing_of_p_and_t(tmp_path: Path) -> None:
    record = qtdb(tmp_path, "sel35")
    mask = wave_mask(record.annotations(), record.samples)
    assert set(np.unique(mask).tolist()) == {QRS, UNKNOWN}


def test_marks_count_only_within_the_marked_run(tmp_path: Path) -> None:
    record = qtdb(tmp_path, "sel36")
    marks = record.annotations()
    first, last = marks.annotated.onsets.min(), marks.annotated.offsets.max()
    mask = wave_mask(marks, record.samples)
    assert (mask[:first] == UNKNOWN).all()
    assert (mask[last:] == UNKNOWN).all()
    assert first == min(mark.sample for mark in read_marks(str(tmp_path / "sel36.q1c")))


@pytest.mark.parametrize(("name", "millivolts"), [("sel102", 0.0), ("sel36", 5.12)])
def test_the_pedestal_of_four_excerpts_is_removed(
    tmp_path: Path, name: str, millivolts: float
) -> None:
    assert qtdb(tmp_path, name).signal.mean() == pytest.approx(millivolts)


def test_a_gain_of_zero_is_wfdbs_default_and_named(tmp_path: Path) -> None:
    record = qtdb(tmp_path, "sel36", gain=0)
    assert record.signal.mean() == pytest.approx(1024 / 200)
    assert {warning.kind for warning in record.header.warnings} == {"no gain"}


def test_the_marks_of_a_program_are_not_read(tmp_path: Path) -> None:
    marks = qtdb(tmp_path, "sel36").annotations()
    for signal in "01":
        shutil.copy(GENUINE / "sel35.q1c", tmp_path / f"sel36.pu{signal}")
    again = read_qtdb(tmp_path)[0][0].annotations()
    assert again.waves == marks.waves
    assert again.annotated == marks.annotated


def test_beats_do_not_mark_waves_and_mlii_is_lead_ii(tmp_path: Path) -> None:
    for ending in ("hea", "dat", "atr"):
        shutil.copy(GENUINE / f"208s0360.{ending}", tmp_path)
    record = read_mitbih(tmp_path)[0][0]
    assert record.leads[0] == "II"
    marks = record.annotations()
    assert len(marks.beats) == 54
    assert (wave_mask(marks, record.samples) == UNKNOWN).all()
