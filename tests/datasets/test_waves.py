"""A training folder of several sources: names, links, marks, folds by patient."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb

from datasets.ludb import DEVELOPMENT
from datasets.waves import Row, main, with_folds
from ecg.records import find_records
from simulate import write_records
from training.splits import read_folds

GENUINE = Path(__file__).parents[1] / "data" / "genuine"


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """LUDB's records 2 and 34, QTDB's sel116 with marks of another record, MIT-BIH 116, PTB-XL."""
    folders = {name: tmp_path / name for name in ("ludb", "qtdb", "mitdb", "ptbxl")}
    for folder in folders.values():
        folder.mkdir()
    for name in ("2", "34"):
        for path in GENUINE.glob(f"ludb{name}.*"):
            target = folders["ludb"] / path.name.removeprefix("ludb")
            shutil.copy(path, target)
        header = folders["ludb"] / f"{name}.hea"
        lines = [line for line in header.read_text().splitlines() if not line.startswith("#")]
        text = "\n".join(lines).replace(f"ludb{name}", name)
        header.write_text(text + "\n#<age>: 51\n#<sex>: F\n#<diagnoses>:\n#STEMI: apical.\n")
    for folder, name, fs, leads in (("qtdb", "sel116", 250, ["CM5", "CC5"]),
                                    ("mitdb", "116", 360, ["MLII", "V1"]),
                                    ("mitdb", "102", 360, ["V5", "V2"])):  # fmt: skip
        wfdb.wrsamp(
            name, fs, ["mV"] * 2, leads, d_signal=np.full((47_000, 2), 7), fmt=["212"] * 2,
            adc_gain=[200] * 2, baseline=[0] * 2, write_dir=str(folders[folder]),
        )  # fmt: skip
        beats = {"sample": np.array([500, 900]), "symbol": ["N", "V"]}
        wfdb.wrann(name, "atr", **beats, write_dir=str(folders[folder]))
    shutil.copy(GENUINE / "sel36.q1c", folders["qtdb"] / "sel116.q1c")
    (folders["ptbxl"] / "folds.tsv").write_text("record\tfold\tpatient\nHR00001\t3\t15\n")
    return folders


def test_records_keep_signals_marks_and_patients(tmp_path: Path, sources: dict[str, Path]) -> None:
    out = tmp_path / "out"
    words = [str(out), *(word for name in sources for word in (f"--{name}", str(sources[name])))]
    assert main(words) == 0
    assert main(words) == 0  # again: links are replaced
    records = {record.name: record for record in find_records(out)[0]}
    assert set(records) == {"ludb2", "ludb34", "sel116", "mitdb116"}
    for record in records.values():
        assert not record.read().errors
    assert records["ludb34"].header.age == 51
    assert records["sel116"].leads == ("V5", "CC5")
    assert records["mitdb116"].leads == ("II", "V1")
    assert len(records["sel116"].annotations().annotated) > 20
    assert records["mitdb116"].annotations().beats.symbols.tolist() == ["N", "V"]
    folds = read_folds(out)
    assert folds["ludb34"] == ("9", "ludb34")  # of the development records
    assert folds["ludb2"][0] in "12345"
    assert folds["sel116"] == folds["mitdb116"]
    assert folds["HR00001"] == ("3", "15")


def test_simulated_records_have_marks_and_no_codes(tmp_path: Path) -> None:
    source, out = tmp_path / "simulated", tmp_path / "out"
    write_records(source, 2, annotations=True)
    assert main([str(out), "--simulated", str(source)]) == 0
    before, after = (find_records(folder)[0] for folder in (source, out))
    assert [record.name for record in after] == ["SIM00001", "SIM00002"]
    for one, other in zip(before, after, strict=True):
        assert one.header.codes
        assert not other.header.codes
        np.testing.assert_array_equal(one.signal, other.signal)
        assert len(other.annotations().waves) == len(one.annotations().waves) > 20
        assert len(other.annotations().beats) == len(one.annotations().beats) > 5
    assert {fold for fold, _ in read_folds(out).values()} == {"1", "2"}


def test_folders_of_other_sources_are_errors(
    tmp_path: Path, sources: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "out"), "--ptbxl", str(sources["ludb"])]) == 1
    assert "has no folds.tsv; prepare it with python -m datasets.ptbxl" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "out")])


def test_patients_share_a_fold_and_the_validation_fold_stays_free() -> None:
    rows = with_folds([Row("a", "", "p"), Row("b", "2", "q"), Row("c", "", "p")], "2")
    assert [row.fold for row in rows] == ["1", "2", "1"]
    many = with_folds([Row(str(one), "", str(one)) for one in range(10)], "2")
    assert [row.fold for row in many] == ["1", "3", "4", "5", "6"] * 2


def test_the_development_records_are_30_of_the_given_ones() -> None:
    assert len(set(DEVELOPMENT)) == 30
    assert all(int(name) % 5 for name in DEVELOPMENT)
