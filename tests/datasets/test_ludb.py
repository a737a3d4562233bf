"""LUDB: codes of texts, signals in mV, waves per lead, and unknown texts."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from datasets.ludb import CLASS_OF, WITHOUT_CLASS, codes_of, read_ludb, texts_of
from ecg import LeadwiseError
from ecg.annotations import QRS, UNKNOWN, Spans, wave_mask
from ecg.labels import CLASSES, class_name, code_of, codes_by_name, label_matrix, same_as
from ecg.leads import STANDARD

# Record 1 as published: its own gain for each lead.
GAINS = (1716, 1206, 1229, 1368, 1368, 698, 1372, 1572, 2259, 2317, 2074, 1457)
TEXTS = (
    "Rhythm: Sinus bradycardia.",
    "Electric axis of the heart: left axis deviation. ",
    "Atrial extrasystole, type: single PAC.",
    "Atrial extrasystole: low atrial.",
    "Left ventricular hypertrophy. ",
)


def write(folder: Path, name: str, microvolts: np.ndarray, texts: tuple[str, ...] = TEXTS) -> None:
    """Write a record (12, samples) as LUDB does: format 16, leads in small letters."""
    microvolts.T.astype("<i2").tofile(folder / f"{name}.dat")
    lines = [f"{name} 12 500 {microvolts.shape[1]}"]
    for lead, gain, row in zip(STANDARD, GAINS, microvolts, strict=True):
        checksum = row.astype(np.int16).sum(dtype=np.int16)
        lines.append(f"{name}.dat 16 {gain}(5)/mV 0 0 {row[0]} {checksum} 0 {lead.lower()}")
    lines += ["#<age>: 51", "#<sex>: F", "#<diagnoses>:", *(f"#{text}" for text in texts)]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")


def test_a_record_has_its_codes_and_its_true_amplitude(tmp_path: Path) -> None:
    microvolts = np.random.default_rng(0).integers(-2000, 2000, (12, 50))
    write(tmp_path, "1", microvolts)
    (tmp_path / "1.hea-").write_text("the header as published")
    (record,), problems = read_ludb(tmp_path)
    assert not problems
    assert record.leads == STANDARD
    np.testing.assert_allclose(record.signal, microvolts / 1000, rtol=1e-6)
    assert [class_name(code) for code in record.header.codes] == ["SB", "LAD", "PAC"]


def test_each_lead_has_its_own_marks(tmp_path: Path) -> None:
    write(tmp_path, "1", np.random.default_rng(0).integers(-2000, 2000, (12, 900)))
    for lead, onset in (("avr", 400), ("v1", 404)):
        samples = onset + np.array([0, 18, 38, 132, 199, 234])
        wfdb.wrann("1", "atr", samples, symbol=list("(N)(t)"), write_dir=str(tmp_path))
        (tmp_path / "1.atr").rename(tmp_path / f"1.{lead}")
    marks = read_ludb(tmp_path)[0][0].annotations()
    assert marks.waves.leads.tolist() == ["aVR", "aVR", "V1", "V1"]
    assert marks.annotated == Spans([400, 404], [635, 639], ["aVR", "V1"])
    mask = wave_mask(marks, 450, fs=250.0, lead="V1")
    assert np.flatnonzero(mask == QRS).tolist() == list(range(202, 222))
    assert (wave_mask(marks, 900, lead="II") == UNKNOWN).all()


def test_texts_start_below_diagnoses_and_end_at_their_full_stop() -> None:
    assert texts_of("1 12 500\n#<diagnoses>:\n#A: b. \n#\n#C.\n") == ("A: b", "C")
    assert texts_of("1 12 500\n#<age>: 51\n") == ()


def test_an_unknown_text_is_an_error_that_names_record_and_text(tmp_path: Path) -> None:
    write(tmp_path, "7", np.ones((12, 5), int), ("Rhythm: Junctional.",))
    with pytest.raises(
        LeadwiseError, match="^7: 'Rhythm: Junctional' is an unknown text.*datasets/ludb.py"
    ):
        read_ludb(tmp_path)


def test_a_folder_of_another_data_set_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "7", np.ones((12, 5), int), ())
    with pytest.raises(LeadwiseError, match="^7: no text below <diagnoses>"):
        read_ludb(tmp_path)


def test_each_text_is_in_one_table_and_each_class_is_scored() -> None:
    assert not CLASS_OF.keys() & WITHOUT_CLASS.keys()
    scored = {code for codes in CLASSES for code in codes}
    assert {codes_by_name()[name] for name in CLASS_OF.values()} <= scored
    assert codes_of(["Left ventricular hypertrophy", "STEMI: apical"]) == ()
    assert all(WITHOUT_CLASS.values())


def test_equivalent_codes_of_the_challenge_are_one_class() -> None:
    both = ["Complete right bundle branch block"], ["Complete left bundle branch block"]
    assert label_matrix([codes_of(texts) for texts in both]).sum(axis=1).tolist() == [1, 1]


def test_texts_have_the_code_of_the_organisers_for_this_diagnosis() -> None:
    """By their table's full name; the others are written out."""
    others = {
        "Rhythm: Atrial flutter, typical": "164890007",
        "I degree AV block": "270492004",
        "Complete left bundle branch block": "733534002",
        "Left anterior hemiblock": "445118002",
        "Non-specific intravintricular conduction delay": "698252002",
        "Atrial extrasystole": "284470004",
        "Ventricular extrasystole": "427172004",
        "UNIpolar ventricular pacing": "10370003",
        "BIpolar ventricular pacing": "10370003",
        "Biventricular pacing": "10370003",
    }
    for text in CLASS_OF:
        (code,) = codes_of([text])
        assert same_as(code) == same_as(others.get(text) or code_of(text.split(": ")[-1])), text
