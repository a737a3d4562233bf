"""REFERENCE.csv: labels of records, problems of tables, and headers of 2017."""

from pathlib import Path

import numpy as np
import pytest

from datasets.reference import labelled, read_reference
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


@pytest.mark.parametrize(
    "text",
    [
        "A00/A1,N\nA00/A2,A\nA01/A3,~\n",  # as published
        "A1.mat,N\nA2.hea,A\nA3,~\n",
        "A1,n\nA2,a\nA3,~\n",
        "A1;N\r\nA2;A\r\nA3;~\r\n",
        "A1\tN\nA2\tA\nA3\t~",
        "A1 N\nA2  A\nA3 ~\n",
        '"A1","N"\n"A2","A"\n"A3","~"\n',
        '"A1,N"\n"A2,A"\n"A3,~"\n',
        "'A1','N'\n'A2','A'\n'A3','~'\n",
        "A1,N,,\nA2,A,,\nA3,~,,\n,,,\n",
        "sep=;\nA1;N\nA2;A\nA3;~\n",
        "Record,Label\nA1,N\nA2,A\nA3,~\n",
        "no;label;record name\n1;N;A1\n2;A;A2\n3;~;A3\n",
        "A00\\A1,N\nA00\\A2,A\nA01\\A3,~\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_as_spreadsheets_and_scripts_save_it(
    tmp_path: Path, text: str, encoding: str
) -> None:
    (tmp_path / "REFERENCE.csv").write_bytes(text.encode(encoding))
    assert read_reference(tmp_path / "REFERENCE.csv") == ({"A1": "N", "A2": "A", "A3": "~"}, [])


def test_problems_of_a_table_are_reported(tmp_path: Path) -> None:
    path = table(tmp_path, "A1,N\n\nA2,x\nA3\nA4,A,1\nA5,O\nA5,N\nA6,~\nA7,\x1b[1mN\n")
    letters, problems = read_reference(path)
    assert letters == {"A1": "N", "A6": "~"}
    assert list(map(str, problems)) == [
        "A2: 'A2,x', line 3 of REFERENCE.csv, is not RECORD,X with X one of N A O ~",
        "A3: 'A3', line 4 of REFERENCE.csv, is not RECORD,X with X one of N A O ~",
        "A4: 'A4,A,1', line 5 of REFERENCE.csv, is not RECORD,X with X one of N A O ~",
        "A7: 'A7,?[1mN', line 9 of REFERENCE.csv, is not RECORD,X with X one of N A O ~",
        "A5: REFERENCE.csv has two labels, O and N; delete the wrong one",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Recording,First_label,Second_label\nr0,2,\nr1,1,5\n",  # the Challenge of 2018
        "r0,1\nr1,2\n",
        "record,fold\nr0,A\nr1,N\n",  # letters, but of folds
        "record,sex,label\nr0,F,AF\nr1,M,SR\n",
    ],
)
def test_a_table_of_another_meaning_has_no_labels(tmp_path: Path, text: str) -> None:
    path = table(tmp_path, text)
    letters, (problem,) = read_reference(path)
    assert letters == {}
    assert str(problem).startswith(f"{path}: is not used, because 2 of 2 lines have no label of ")
    assert "line 2 of REFERENCE.csv" in str(problem) or "line 1 of REFERENCE.csv" in str(problem)


def test_an_unreadable_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match=r"REFERENCE.csv: cannot be read: No such file"):
        read_reference(tmp_path / "REFERENCE.csv")
    (tmp_path / "REFERENCE.csv").write_bytes(b"A1,N\n\xe4,N\n")
    with pytest.raises(LeadwiseError, match=r"REFERENCE.csv: line 2 is no text in UTF-8 or UTF-16"):
        read_reference(tmp_path / "REFERENCE.csv")


def write_2017(folder: Path, **codes: tuple[str, ...]) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    for name, own in codes.items():
        write_record(folder, name, NOISE, ["ECG"], 300, codes=own)


def codes_of(folder: Path) -> dict[str, tuple[str, ...]]:
    return {r.name: r.header.codes for r in labelled(folder, find_records(folder)[0]).records}


def test_labels_come_from_headers_and_from_tables(tmp_path: Path) -> None:
    nested = tmp_path / "training2017"
    write_2017(tmp_path, A1=(), H1=("164889003",))
    write_2017(nested, A2=(), A3=())
    table(tmp_path, "A1,O\nA9,N\nH1,A\n")
    table(nested, "A2,~\n")
    records, _ = find_records(tmp_path)
    found = labelled(tmp_path, records)
    assert [one.header.codes for one in found.records] == [("O",), ("~",), (), ("164889003", "A")]
    assert list(map(str, found.left_out)) == [
        "A9: REFERENCE.csv lists it, but no such record was read"
    ]
    assert list(map(str, found.notes)) == [
        f"{tmp_path / 'REFERENCE.csv'}: gives the labels of 2 records",
        f"{nested / 'REFERENCE.csv'}: gives the labels of 1 records",
    ]
    assert [record.stem for record in found.records] == [record.stem for record in records]
    assert records[0].header.codes == ()


def test_the_nearest_table_that_lists_the_record_is_used(tmp_path: Path) -> None:
    write_2017(tmp_path / "a" / "b", A1=(), A2=(), A3=())
    write_2017(tmp_path / "z", A4=())
    table(tmp_path, "A1,N\nA2,N\nA3,N\nA4,N\n")
    table(tmp_path / "a", "A1,A\nA2,O\nA4,O\n")
    table(tmp_path / "a" / "b", "A1,~\n")
    assert codes_of(tmp_path) == {"A1": ("~",), "A2": ("O",), "A3": ("N",), "A4": ("N",)}
    assert codes_of(tmp_path / "a") == {"A1": ("~",), "A2": ("O",), "A3": ()}
    notes = [str(note) for note in labelled(tmp_path, find_records(tmp_path)[0]).notes[3:]]
    near, middle, far = (
        folder / "REFERENCE.csv" for folder in (tmp_path / "a" / "b", tmp_path / "a", tmp_path)
    )
    assert notes == [
        f"A1: {near} has the label ~, {middle} has A; the first is used",
        f"A1: {near} has the label ~, {far} has N; the first is used",
        f"A2: {middle} has the label O, {far} has N; the first is used",
    ]


@pytest.mark.parametrize(
    ("codes", "letter", "disagree"),
    [
        (("164889003",), "A", False),
        (("426783006",), "N", False),
        (("426783006", "164889003"), "A", False),
        (("427084000",), "O", False),
        (("426783006",), "A", True),
        (("164889003",), "O", True),
        (("427084000", "426783006"), "N", True),
        (("426783006",), "~", True),
        (("O",), "N", True),
    ],
)
def test_a_table_that_disagrees_with_the_header_is_noted(
    tmp_path: Path, codes: tuple[str, ...], letter: str, disagree: bool
) -> None:
    write_2017(tmp_path, A1=codes)
    table(tmp_path, f"A1,{letter}\n")
    found = labelled(tmp_path, find_records(tmp_path)[0])
    assert found.records[0].header.codes == (*codes, letter)
    assert [note.kind for note in found.notes] == ["labels", *["two sources"] * disagree]
    assert found.left_out == []


def test_a_line_without_a_label_leaves_out_no_record_whose_header_has_one(tmp_path: Path) -> None:
    write_2017(tmp_path, A1=("164889003",), A2=(), A3=())
    table(tmp_path, "A1,x\nA2,x\nA3,N\nA3,N\n")
    found = labelled(tmp_path, find_records(tmp_path)[0])
    assert [problem.record for problem in found.left_out] == ["A2"]
    assert [note.record for note in found.notes][1:] == ["A1"]


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
