"""PTB-XL as PhysioNet ships it: a small simulated copy becomes a data folder."""

import csv
from pathlib import Path

import numpy as np
import pytest

from datasets.ptbxl import CODE_OF, STATEMENTS_OF, main, read_table
from ecg import LeadwiseError
from ecg.records import find_records, read_record
from simulate import simulate
from training.splits import read_folds

HEAD = ("ecg_id", "patient_id", "age", "sex", "height", "heart_axis", "scp_codes", "strat_fold",
        "filename_lr", "filename_hr")  # fmt: skip
# Rows of PTB-XL 1.0.3 and the codes of the Challenge's headers for them (2021).
ROWS = [
    ("1", "15709.0", "56.0", "1", "", "", "{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}", "3"),
    ("2", "13243.0", "19.0", "0", "", "", "{'NORM': 80.0, 'SBRAD': 0.0}", "2"),
    ("21837", "9178.0", "300.0", "0", "", "ALAD", "{'AFIB': 0.0, 'LAFB': 99.0, 'IMI': 35.0}", "10"),
    ("8", "15709.0", "", "1", "160", "AXR", "{'PRC(S)': 100.0, 'LAO/LAE': 50.0}", "3"),
]  # fmt: skip
CODES = {
    "HR00001": ("251146004", "426783006"),
    "HR00002": ("426177001", "426783006"),
    "HR21837": ("164865005", "164889003", "39732003", "445118002"),
    "HR00008": ("164884008", "251200008", "67741000119109"),
}


def write_ptbxl(folder: Path, rows=ROWS) -> None:
    """Write a table, and per row a simulated record in both rates, as WFDB format 16."""
    folder.mkdir(exist_ok=True)
    lines = []
    for number, row in enumerate(rows):
        files = []
        for rate, ending in ((100, "lr"), (500, "hr")):
            stem = f"{int(row[0]):05d}_{ending}"
            files.append(f"records{rate}/{int(row[0]) // 1000 * 1000:05d}/{stem}")
            path = folder / files[-1]
            path.parent.mkdir(parents=True, exist_ok=True)
            record = simulate(["NSR"], seed=number, fs=rate)
            digital = np.rint(record.signal * 1000).astype("<i2")
            head = [f"{stem} 12 {rate} {digital.shape[1]}"]
            head += [
                f"{stem}.dat 16 1000.0(0)/mV 16 0 {one[0]} {one.sum(dtype=np.int16)} 0 "
                f"{lead.upper()}"
                for lead, one in zip(record.leads, digital, strict=True)
            ]
            path.with_suffix(".hea").write_text("\n".join(head) + "\n")
            path.with_suffix(".dat").write_bytes(digital.T.tobytes())
        lines.append((*row, *files))
    write_table(folder, lines)


def write_table(folder: Path, lines, head=HEAD) -> None:
    with open(folder / "ptbxl_database.csv", "w", newline="") as file:
        csv.writer(file).writerows([head, *lines])


def table_of(folder: Path) -> list[list[str]]:
    with open(folder / "ptbxl_database.csv", newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_ptbxl(tmp_path / "in")
    return tmp_path / "in"


@pytest.mark.parametrize(("rate", "ending"), [(100, "lr"), (500, "hr")])
@pytest.mark.parametrize("how", [[], ["--copy"]])
def test_records_have_the_challenges_names_and_codes(rate, ending, how, source, tmp_path):
    out = tmp_path / "out"
    assert main([str(source), str(out), "--rate", str(rate), *how]) == 0
    records, problems = find_records(out)
    assert not problems
    assert {record.name: record.header.codes for record in records} == CODES
    for record in records:
        assert record.fs == rate
        assert record.leads[3:6] == ("aVR", "aVL", "aVF")
        reading = record.read()
        assert not reading.unusable
        number = int(record.name[2:])
        stem = source / f"records{rate}" / f"{number // 1000 * 1000:05d}" / f"{number:05d}_{ending}"
        assert (record.digital() == read_record(f"{stem}.hea").digital()).all()
        assert (out / f"{record.name}.dat").is_symlink() == (not how)
    by_name = {record.name: record.header for record in records}
    assert [by_name[name].age for name in ("HR00001", "HR00002")] == [56, 19]
    assert np.isnan([by_name[name].age for name in ("HR21837", "HR00008")]).all()
    assert [by_name[name].sex for name in ("HR00001", "HR00002")] == ["female", "male"]
    assert read_folds(out) == {
        "HR00001": ("3", "15709"), "HR00002": ("2", "13243"), "HR21837": ("10", "9178"),
        "HR00008": ("3", "15709")}  # fmt: skip
    assert {path.suffix for path in out.iterdir()} == {".hea", ".dat", ".tsv"}


def test_every_statement_has_one_code():
    assert len(CODE_OF) == sum(len(names.split()) for names in STATEMENTS_OF.values()) == 71


def test_the_same_command_resumes_and_changes_nothing(source, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([str(source), str(out)]) == 0
    first = {path: (path.lstat().st_mtime_ns, path.read_bytes()) for path in out.glob("HR*")}
    for name in ("HR00002.hea", "HR00008.dat"):
        (out / name).unlink()
    (out / ".HR00002.hea.123.part").write_text("half")
    assert main([str(source), str(out)]) == 0
    again = {path: (path.lstat().st_mtime_ns, path.read_bytes()) for path in out.glob("HR*")}
    assert {path: content for path, (_, content) in again.items()} == {
        path: content for path, (_, content) in first.items()}  # fmt: skip
    changed = {path.name for path in first if first[path][0] != again[path][0]}
    assert changed == {"HR00002.hea", "HR00008.dat"}
    assert not list(out.glob(".*"))
    assert "4 records of 3 patients" in capsys.readouterr().err
    assert main([str(source), str(out), "--rate", "100"]) == 0  # the other rate replaces all
    assert {record.fs for record in find_records(out)[0]} == {100}
    assert main([str(source), str(out), "--rate", "100", "--copy"]) == 0
    assert not any(path.is_symlink() for path in out.iterdir())
    assert main([str(source), str(out), "--rate", "100"]) == 0
    assert all(path.is_symlink() for path in out.glob("*.dat"))


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [("scp_codes", "{'NORM': 1", "unusable row"), ("scp_codes", "['NORM']", "not statements"),
     ("scp_codes", "{'NEW': 100.0}", "'NEW' is no statement of PTB-XL"),
     ("scp_codes", "__import__('os')", "unusable row"), ("scp_codes", "{5: 1}", "5 is no state"),
     ("heart_axis", "XYZ", "heart_axis 'XYZ'"), ("sex", "female", "sex 'female'"),
     ("strat_fold", "11", "strat_fold 11"), ("strat_fold", "", "unusable row"),
     ("patient_id", "", "unusable row"), ("patient_id", "inf", "unusable row"),
     ("age", "old", "unusable row"),
     ("filename_hr", "../../etc/passwd", "no path below"), ("filename_hr", "", "no path below"),
     ("filename_hr", "records500/00000/99999_hr", "No such file"),
     ("ecg_id", "1", "in the table twice"), ("ecg_id", "two", "line 3: unusable row")],
)  # fmt: skip
def test_a_bad_row_is_named_and_the_others_are_prepared(
    column, cell, message, source, tmp_path, capsys
):
    lines = table_of(source)
    lines[1][HEAD.index(column)] = cell
    write_table(source, lines)
    assert main([str(source), str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "3 records of 2 patients" in error
    assert "1 left out" in error
    assert sorted(read_folds(tmp_path / "out")) == ["HR00001", "HR00008", "HR21837"]
    assert not (tmp_path / "out" / "HR00002.hea").exists()


def test_a_cut_row_is_named(source, tmp_path, capsys):
    lines = table_of(source)
    write_table(source, [lines[0], lines[1][:3], *lines[2:]])
    assert main([str(source), str(tmp_path / "out")]) == 1
    assert "HR00002: unusable row" in capsys.readouterr().err
    assert len(read_folds(tmp_path / "out")) == 3


def test_signals_that_are_not_their_headers_are_named(source, tmp_path, capsys):
    folder = source / "records500" / "00000"
    (folder / "00002_hr.dat").write_bytes(bytes(100))
    (folder / "00008_hr.hea").write_text("nothing\n")
    (folder / "00001_hr.hea").write_text((folder / "00001_hr.hea").read_text().replace(
        "00001_hr.dat", "other.dat"))  # fmt: skip
    assert main([str(source), str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    for text in ("HR00002", "has 100 bytes, not 120000", "HR00008", "HR00001",
                 "does not name 00001_hr.dat", "1 records of 1 patients"):  # fmt: skip
        assert text in error


@pytest.mark.parametrize("table", [None, b"name,age\n1,2\n", b"", b"\xff\xfe\x00"])
def test_another_folder_is_refused(table, source, tmp_path, capsys):
    path = source / "ptbxl_database.csv"
    path.unlink()
    if table is not None:
        path.write_bytes(table)
    assert main([str(source), str(tmp_path / "out")]) == 1
    assert "ptbxl_database.csv: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_other_records_is_refused(source, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "A0001.hea").write_text("A0001 1 500\n")
    assert main([str(source), str(tmp_path / "out")]) == 1
    assert "holds 1 records that the table lacks (A0001, …); choose a new OUT" in (
        capsys.readouterr().err)  # fmt: skip
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_a_missing_rate_is_named(source, tmp_path, capsys):
    (source / "records500").rename(source / "elsewhere")
    assert main([str(source), str(tmp_path / "out")]) == 1
    assert "has no folder records500; choose the other --rate?" in capsys.readouterr().err


def test_a_table_that_a_spreadsheet_saved_is_read(source):
    path = source / "ptbxl_database.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    rows, problems = read_table(path, 500)
    assert ([row.record for row in rows], problems) == (list(CODES), [])
    with pytest.raises(LeadwiseError, match="cannot be read"):
        read_table(source, 500)
