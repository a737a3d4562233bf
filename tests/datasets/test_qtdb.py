"""QTDB: waves of an expert, runs of marked beats, and oddities of single records."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from datasets.qtdb import patient_of, program_waves, read_qtdb
from ecg import LeadwiseError
from ecg.annotations import ABSENT, UNKNOWN, Spans, wave_mask

BEAT = "(p)(N)t)"  # without a T onset, as most
STEPS = np.array([-60, -50, -40, -20, 0, 20, 60, 80])
NUMBERS = np.array([0, 0, 0, 1, 1, 1, 0, 2])
PEAKS = (500, 700, 900, 1300, 1500)  # the beat at 1100 is unmarked


def write(folder: Path, name: str, extension: str = "atr", peaks: tuple[int, ...] = PEAKS) -> None:
    digital = np.random.default_rng(0).integers(950, 1050, (2000, 2))
    wfdb.wrsamp(
        name, 250, ["mV"] * 2, ["V5", "V2"], d_signal=digital, fmt=["212"] * 2,
        adc_gain=[200] * 2, baseline=[0] * 2, write_dir=str(folder),
    )  # fmt: skip
    wfdb.wrann(
        name, "qc", np.concatenate([peak + STEPS for peak in peaks]),
        symbol=list(BEAT * len(peaks)), num=np.tile(NUMBERS, len(peaks)), write_dir=str(folder),
    )  # fmt: skip
    (folder / f"{name}.qc").rename(folder / f"{name}.{extension}")


def test_waves_are_those_of_the_expert_in_runs_of_marked_beats(tmp_path: Path) -> None:
    write(tmp_path, "sel30", "q1c")
    wfdb.wrann("sel30", "atr", np.array([300, 500]), symbol=["N", "V"], write_dir=str(tmp_path))
    ((record,), problems) = read_qtdb(tmp_path)
    assert not problems
    marks = record.annotations()
    assert marks.beats.symbols.tolist() == ["N", "V"]
    assert marks.waves.kinds.tolist() == ["p", "N", "t"] * 5
    assert (marks.waves.onsets[2::3] == ABSENT).all()
    assert marks.annotated == Spans([440, 1240], [981, 1581], ["", ""])
    mask = wave_mask(marks, 2000)
    assert (mask[981:1240] == UNKNOWN).all()
    assert mask[[450, 500, 530, 570]].tolist() == [1, 2, UNKNOWN, 3]  # the T has no onset
    window = record.window(4, 8).annotations()
    assert window.annotated == Spans([240], [581], [""])
    np.testing.assert_array_equal(wave_mask(window, 1000), mask[1000:])


@pytest.mark.parametrize("peaks", [(500,), (500, 700)])
def test_few_marked_beats_are_one_run(peaks: tuple[int, ...], tmp_path: Path) -> None:
    write(tmp_path, "sel30", "q1c", peaks)
    marks = read_qtdb(tmp_path)[0][0].annotations()
    assert marks.annotated == Spans([440], [peaks[-1] + 81], [""])


def test_an_excerpt_of_mit_bih_loses_its_offset(tmp_path: Path) -> None:
    for name in ("sel102", "sel30"):
        write(tmp_path, name, "q1c")
    means = {record.name: float(record.signal.mean()) for record in read_qtdb(tmp_path)[0]}
    assert means["sel30"] == pytest.approx(5, abs=0.02)
    assert means["sel102"] == pytest.approx(-0.12, abs=0.02)


def test_another_expert_and_the_program(tmp_path: Path) -> None:
    write(tmp_path, "sel30", "pu1")
    records, problems = read_qtdb(tmp_path, "q2c")
    assert not records
    assert list(map(str, problems)) == ["sel30: no file .q2c"]
    write(tmp_path, "sel30", "q2c")
    (record,) = read_qtdb(tmp_path, "q2c")[0]
    marks = program_waves(record, 1)
    assert (len(marks.waves), set(marks.waves.leads.tolist())) == (15, {"V2"})
    assert set(marks.annotated.leads.tolist()) == {"V2"}
    with pytest.raises(LeadwiseError, match=r"sel30\.pu0: wfdb cannot read"):
        program_waves(record, 0)


def test_patients() -> None:
    assert [patient_of(name) for name in ("sel102", "sele0126", "sele0124", "sel14046")] == [
        "102", "sele0124", "sele0124", "sel14046",
    ]  # fmt: skip
