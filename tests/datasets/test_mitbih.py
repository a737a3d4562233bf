"""MIT-BIH: leads by name, beats of AAMI's classes, rhythms, and patients of two records."""

from pathlib import Path

import numpy as np
import wfdb

from datasets.mitbih import DS1, DS2, PACED, patient_of, read_mitbih
from ecg.annotations import Beats, Rhythms, aami_classes, wave_mask


def write(folder: Path, name: str, leads: list[str]) -> np.ndarray:
    digital = np.random.default_rng(int(name)).integers(900, 1100, (2000, 2))
    wfdb.wrsamp(
        name, 360, ["mV"] * 2, leads, d_signal=digital, fmt=["212"] * 2, adc_gain=[200] * 2,
        baseline=[1024] * 2, write_dir=str(folder),
    )  # fmt: skip
    wfdb.wrann(
        name, "atr", np.array([18, 77, 370, 500, 662, 946]), symbol=list("+N~AV+"),
        aux_note=["(N", "", "", "", "", "(VFL"], write_dir=str(folder),
    )  # fmt: skip
    return digital


def test_a_record_has_its_beats_and_rhythms_and_mlii_is_lead_ii(tmp_path: Path) -> None:
    write(tmp_path, "101", ["MLII", "V1"])
    digital = write(tmp_path, "114", ["V5", "MLII"])
    (first, second), problems = read_mitbih(tmp_path)
    assert not problems
    assert (first.leads, second.leads) == (("II", "V1"), ("V5", "II"))
    np.testing.assert_allclose(second.signal, (digital.T - 1024) / 200, atol=1e-6)
    marks = second.annotations()
    assert marks.beats == Beats([77, 500, 662], ["N", "A", "V"])
    assert aami_classes(marks.beats.symbols) == ["N", "S", "V"]
    assert marks.rhythms == Rhythms([18, 946], [946, 2000], ["N", "VFL"])
    assert (wave_mask(marks, 2000) == 255).all()  # no waves are marked
    assert read_mitbih(tmp_path, rename={})[0][0].leads == ("MLII", "V1")


def test_the_three_groups_are_all_records_and_share_one_patient() -> None:
    assert (len(DS1), len(DS2), len({*DS1, *DS2, *PACED})) == (22, 22, 48)
    shared = {patient_of(name) for name in DS1} & {patient_of(name) for name in DS2}
    assert shared == {"201"}
