"""REFERENCE.csv: labels of records, problems of tables, and headers of 2017."""

from pathlib import Path

import numpy as np
import pytest

from datasets.reference import labelled, labels_of, read_reference
from ecg import LeadwiseError
from ecg.matlab import write_mat
from ecg.records import find_records, read_record, write_record

NOISE = np.random.default_rng(0).normal(scale=0.3, size=(1, 600))


def table(folder: Path, text: str) -> Path:
    (folder / "REFERENCE.csv").write_text(text, encoding="utf-8")
    return folder / "REFERENCE.csv"


def test_a_table_is_read_with_any_line_ends_and_blanks(tmp_path: Path) -> None:
    path = table(
        tmp_path, "\ufeffA00001,N\r\nA00004 , A\r\n\r\nA00003,~\r\nA00002,O\r\nA00004,A\r\n"
    )
    letters, problems = read_reference(path)
    assert letters == {"A00001": "N", "A00004": "A", "A00003": "~", "A00002": "O"}
    assert list(letters) == ["A00001", "A00004", "A00003", "A00002"]
    assert problems == []


def test_problems_of_a_table_are_reported(tmp_path: Path) -> None:
    path = table(tmp_path, "A1,N\nA2,n\nA3\nA4,A,1\nA5,O\nA5,N\n")
    letters, problems = read_reference(path)
    assert letters == {"A1": "N"}
    assert list(map(str, problems)) == [
        "A2: 'A2,n' in REFERENCE.csv is not RECORD,X with X one of N A O ~",
        "A3: 'A3' in REFERENCE.csv is not RECORD,X with X one of N A O ~",
        "A4: 'A4,A,1' in REFERENCE.csv is not RECORD,X with X one of N A O ~",
        "A5: REFERENCE.csv has two labels, O and N; delete the wrong one",
    ]


def test_an_unreadable_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match=r"REFERENCE.csv: cannot be read: No such file"):
        read_reference(tmp_path / "REFERENCE.csv")
    (tmp_path / "REFERENCE.csv").write_bytes(b"\xff\xfe,N\n")
    with pytest.raises(LeadwiseError, match=r"REFERENCE.csv: cannot be read: 'utf-8' codec"):
        read_reference(tmp_path / "REFERENCE.csv")


def test_labels_come_from_headers_and_from_tables(tmp_path: Path) -> None:
    nested = tmp_path / "training2017"
    nested.mkdir()
    for folder, name, codes in ((tmp_path, "A1", ()), (tmp_path, "H1", ["164889003"]),
                                (nested, "A2", ()), (nested, "A3", ())):  # fmt: skip
        write_record(folder, name, NOISE, ["ECG"], 300, codes=codes)
    table(tmp_path, "A1,O\nA9,N\nH1,A\n")
    table(nested, "A2,~\n")
    records, _ = find_records(tmp_path)
    codes, problems = labels_of(tmp_path, records)
    assert codes == [("O",), ("~",), (), ("164889003", "A")]
    assert list(map(str, problems)) == ["A9: REFERENCE.csv lists it, but no such record was read"]
    with_labels = labelled(tmp_path, records)[0]
    assert [record.header.codes for record in with_labels] == codes
    assert [record.stem for record in with_labels] == [record.stem for record in records]
    assert records[0].header.codes == ()


def test_headers_of_2017_are_read_and_their_first_value_is_checked(
    tmp_path: Path,
) -> None:
    """As published: a date, a first value, and 0 instead of a checksum."""
    digital = np.random.default_rng(1).integers(-900, 900, (1, 2714)).astype(np.int16)
    write_mat(tmp_path / "A00001.mat", digital)
    lines = "A00001 1 300 2714 05:05:15 1/05/2000\nA00001.mat 16+24 1000/mV 16 0 {} 0 0 ECG \n"
    (tmp_path / "A00001.hea").write_text(lines.format(digital[0, 0]))
    record = read_record(tmp_path / "A00001.hea")
    assert (record.leads, record.fs, record.header.samples) == (("ECG",), 300, 2714)
    reading = record.read()
    assert (reading.errors, reading.warnings, record.header.warnings) == ((), (), ())
    np.testing.assert_allclose(reading.signal, digital / 1000, rtol=1e-6)
    (tmp_path / "A00001.hea").write_text(lines.format(digital[0, 0] + 1))
    (error,) = read_record(tmp_path / "A00001.hea").read().errors
    assert error.kind == "corrupt signal"
