"""Reduced-lead records: the official bytes, and errors of bad records."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

import extract_leads_wfdb
from ecg.records import read_record, write_record

DATA = Path(__file__).parent / "data"
SAMPLES = DATA / "challenge-samples"
CASES = json.loads((DATA / "official-helper-cases.json").read_text(encoding="utf-8"))
LEADS = ("II", "V2", "I")


def extract(*arguments: object) -> int:
    return extract_leads_wfdb.main([str(argument) for argument in arguments])


def make(folder: Path, name: str, leads: tuple[str, ...] = LEADS) -> np.ndarray:
    """Write a record of 3 samples in the second dialect and return it in mV."""
    folder.mkdir(exist_ok=True)
    signal = np.arange(3.0 * len(leads)).reshape(len(leads), 3)
    write_record(folder, name, signal, leads, 500, age=50, codes=["426783006"])
    return signal


def test_official_bytes(tmp_path: Path) -> None:
    official = CASES["extract_leads"][0]
    assert official["record"] == "A0689"
    assert extract("-i", SAMPLES, "-o", tmp_path, "-l", *official["leads"]) == 0
    mat = (tmp_path / "A0689.mat").read_bytes()
    assert len(mat) == official["mat_size"]
    assert mat[:24].hex() == official["mat_first_24_bytes_hex"]
    assert hashlib.sha256(mat).hexdigest() == official["mat_sha256"]
    assert (tmp_path / "A0689.hea").read_bytes() == official["header"].encode()
    names = {path.name for path in SAMPLES.iterdir()} - {"README.md"}
    assert {path.name for path in tmp_path.iterdir()} == names


@pytest.mark.parametrize("case", CASES["extract_leads"], ids=lambda case: case["record"])
def test_official_headers(case: dict) -> None:
    given = next(
        entry["header"] for entry in CASES["headers"] if entry["header"].startswith(case["record"])
    )
    header, rows = extract_leads_wfdb.reduce_header(given, case["leads"], "x")
    assert header == case["header"]
    assert rows == [("I", "II", "", "", "", "", "", "V2").index(lead) for lead in case["leads"]]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.hea")), ids=lambda path: path.stem)
def test_both_dialects_give_the_same_signal(path: Path, tmp_path: Path) -> None:
    leads = ("V3", "aVR", "I")
    extract("-i", SAMPLES, "-o", tmp_path, "-l", *leads)
    whole, reduced = read_record(path), read_record(tmp_path / path.name)
    assert reduced.leads == leads
    assert reduced.read().errors == ()
    np.testing.assert_array_equal(reduced.signal, whole.signal[[8, 3, 0]])
    kept = (reduced.header.identity, reduced.header.codes, reduced.header.sex)
    assert kept == (whole.header.identity, whole.header.codes, whole.header.sex)


def test_any_case_nested_folders_and_another_key(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / "sub", "A.1")
    assert extract("-i", tmp_path / "in", "-o", tmp_path / "out", "-l", "v2") == 0
    assert (tmp_path / "out" / "A.1.hea").read_text().splitlines()[0] == "A.1 1 500 3"
    np.testing.assert_array_equal(
        loadmat(tmp_path / "out" / "A.1.mat")["val"], [[3000, 4000, 5000]]
    )
    # The official command reads the variable of this name and writes it under the same name.
    from scipy.io import savemat

    savemat(tmp_path / "in" / "sub" / "A.1.mat", {"ecg": np.int16([[1], [2], [3]])}, format="5")
    assert extract("-i", tmp_path / "in", "-o", tmp_path / "out", "-l", "I", "II", "-k", "ecg") == 0
    np.testing.assert_array_equal(loadmat(tmp_path / "out" / "A.1.mat")["ecg"], [[3], [1]])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b"X 1 500 3\r\nX.mat 16+24 1000/mV 16 0 0 0 0 I\r\n#Dx: 1\r\n", b"#Dx: 1\n"),
        (b"X 1 500  3\nX.mat 16+24 1000/mV 16 0 0 0 0 I\n#Dx: 1", b"#Dx: 1"),
        (b"X 1 500 3\nX.mat 16+24 1000/mV 16 0 0 0 0 I\n#Sx: M\xe4rz\n\n", b"#Sx: M\xe4rz\n\n"),
    ],
)
def test_the_rest_of_a_header_is_unchanged(text: bytes, kept: bytes, tmp_path: Path) -> None:
    make(tmp_path / "in", "X", ("I",))
    (tmp_path / "in" / "X.hea").write_bytes(text)
    assert extract("-i", tmp_path / "in", "-o", tmp_path / "out", "-l", "I") == 0
    expected = b"X 1 500 3\nX.mat 16+24 1000/mV 16 0 0 0 0 I\n" + kept
    assert (tmp_path / "out" / "X.hea").read_bytes() == expected


def test_bad_records_are_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    for name in ("cut", "good", "lone", "other", "short", "word"):
        make(folder, name, ("I", "II") if name == "other" else LEADS)
    (folder / "cut.mat").write_bytes((folder / "cut.mat").read_bytes()[:-1])
    (folder / "lone.mat").unlink()
    (folder / "short.mat").write_bytes((folder / "other.mat").read_bytes())
    (folder / "word.hea").write_text("word\n")
    (folder / "gone.hea").symlink_to(tmp_path / "nowhere")
    (folder / "nohead.mat").touch()
    assert extract("-i", folder, "-o", out, "-l", "I", "V2") == 1
    captured = capsys.readouterr()
    assert captured.out == f"1 records written to {out}.\n"
    assert captured.err.splitlines() == [
        "Error: nohead: has a signal but no header",
        "Error: cut: the .mat is cut off: 41 of 42 bytes; fetch the file again",
        "Error: gone: the header cannot be read: No such file or directory",
        "Error: lone: the signal cannot be read: No such file or directory",
        "Error: other: has no lead V2; its leads are I, II",
        "Error: short: the header names 3 leads, the signal has 2 rows; the lead of each row is "
        "unknown",
        "Error: word: line 1 of the header must be NAME LEADS FS SAMPLES; it is 'word'",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["good.hea", "good.mat"]


def test_leads_are_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = make(tmp_path / "in", "A", ("MLII", "V2", "ECG 3"))
    command = ("-i", tmp_path / "in", "-o", tmp_path / "out", "-l", "V1", "II")
    assert extract(*command) == 1
    assert extract(*command, "--rename", "mlii=II, ECG 3=V1") == 0
    record = read_record(tmp_path / "out" / "A.hea")
    assert record.leads == ("V1", "II")
    assert record.read().errors == ()
    np.testing.assert_allclose(record.signal, signal[[2, 0]])
    lines = (tmp_path / "out" / "A.hea").read_text().splitlines()
    old = (tmp_path / "in" / "A.hea").read_text().splitlines()
    assert lines[1:3] == [old[3].replace("ECG 3", "V1"), old[1].replace("MLII", "II")]
    assert lines[3:] == old[4:]
    monkeypatch.setenv("LEADWISE_RENAME", "MLII=II,ECG 3=V1")
    assert extract(*command) == 0
    assert extract(*command, "--rename", "") == 1, "the option replaces the variable"


@pytest.mark.parametrize("rename", ["MLII", "MLII=II,V2=II", "MLII=X", ""])
def test_a_wrong_name_ends_with_status_2(
    rename: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "in", "A")
    command = ("-i", tmp_path / "in", "-o", tmp_path / "out", "-l", "I", "--rename", rename)
    if not rename:  # as not given
        assert extract(*command) == 0
        return
    with pytest.raises(SystemExit, match="^2$"):
        extract(*command)
    assert "NEW is one of I to V6 or ECG, each once" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_new_name_that_another_lead_has_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "in", "A", ("MLII", "II"))
    command = ("-i", tmp_path / "in", "-o", tmp_path / "out", "-l", "II", "--rename", "MLII=II")
    assert extract(*command) == 1
    assert "Error: A: MLII cannot be renamed to II: another of its" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["in", "in/below", "link"])
def test_refuses_to_write_into_the_input_folder(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "in", "A")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    assert extract("-i", tmp_path / "in", "-o", tmp_path / target, "-l", "I") == 1
    assert "is inside the input folder; give a folder outside of it" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before


def test_errors_of_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert extract("-i", tmp_path / "none", "-o", tmp_path / "out", "-l", "I") == 1
    assert extract("-i", tmp_path, "-o", tmp_path / "out", "-l", "I") == 1
    make(tmp_path / "in", "A")
    (tmp_path / "file").touch()
    assert extract("-i", tmp_path / "in", "-o", tmp_path / "file", "-l", "I") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"Error: {tmp_path / 'none'}: no such folder",
        f"Error: {tmp_path}: holds no record (no .hea file); is it the data folder?",
        f"Error: {tmp_path / 'file'}: cannot be created: File exists",
    ]


def test_command_as_the_organisers_call_it(tmp_path: Path) -> None:
    make(tmp_path / "in", "A")
    command = [sys.executable, "extract_leads_wfdb.py", "--input_directory", str(tmp_path / "in"),
               "--output_directory", str(tmp_path / "out"), "--reduced_leads", "I"]  # fmt: skip
    assert subprocess.run(command, cwd=DATA.parent.parent, check=False).returncode == 0
    assert (tmp_path / "out" / "A.mat").exists()
    command[-2:] = ["--leads", "I"]
    answer = subprocess.run(command, cwd=DATA.parent.parent, check=False, capture_output=True)
    assert answer.returncode == 2
