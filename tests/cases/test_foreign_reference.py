"""A REFERENCE.csv of another data set beside records with Dx lines is said and not used."""

import shutil
from pathlib import Path

import pytest

from models.recipe import Head
from training.data import labelled_records

CASE = Path(__file__).parents[1] / "data" / "cases" / "foreign-reference" / "data"
AF, NSR = "164889003", "426783006"
CODES = {"r0": (AF,), "r1": (NSR,), "r2": (AF,), "r3": (NSR,)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CASE, tmp_path / "data"))


def learned(data: Path) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the codes of the records of a training, and what is left out."""
    records, left_out = labelled_records(str(data), (Head(),))
    return {record.name: record.header.codes for record in records}, list(map(str, left_out))


def test_the_case(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert learned(data) == (CODES, [])
    assert capsys.readouterr().err == (
        f"Note: {data}/REFERENCE.csv: is not used, because 4 of 4 lines have no label of 2017; "
        "'r0,2,,', line 2 of REFERENCE.csv, is not RECORD,X with X one of N A O ~\n"
    )


@pytest.mark.parametrize(
    "table",
    [
        "r0,p1\nr1,p1\nr2,p2\nr3,p2\n",  # patients
        "record,fold\nr0,A\nr1,A\nr2,N\nr3,N\n",  # folds that are letters
        "r0\nr1\nr2\nr3\n",  # names alone
        "r0,M,61\nr1,F,40\nr2,F,50\nr3,M,20\n",  # sex and age
        "<html><body>404, not found</body></html>\n",
    ],
)
def test_tables_of_other_meanings(
    data: Path, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "REFERENCE.csv").write_text(table)
    assert learned(data) == (CODES, [])
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 1
    assert notes[0].startswith(f"Note: {data}/REFERENCE.csv: is not used, because ")


def test_a_table_of_2017_about_other_records(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "REFERENCE.csv").write_text("A1,N\nA2,A\n")
    text = "REFERENCE.csv lists it, but no such record was read"
    assert learned(data) == (CODES, [f"A1: {text}", f"A2: {text}"])
    assert capsys.readouterr().err == ""


def test_a_table_of_2017_about_these_records_is_said(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "REFERENCE.csv").write_text("r0,A\nr1,A\nr2,A\n")
    codes, left_out = learned(data)
    assert codes == CODES | {"r0": (AF, "A"), "r1": (NSR, "A"), "r2": (AF, "A")}
    assert left_out == []
    assert capsys.readouterr().err.splitlines() == [
        f"Note: {data}/REFERENCE.csv: gives the labels of 3 records",
        f"Note: r1: the header has NSR, {data}/REFERENCE.csv has A, which disagree; it has both "
        "labels",
    ]


def test_of_two_tables_the_nearer_is_used_and_both_are_said(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other is above it and names the same record."""
    (data / "sub").mkdir()
    for path in data.glob("r[01].*"):
        path.rename(data / "sub" / path.name)
    (data / "REFERENCE.csv").write_text("r0,N\nr2,A\n")
    (data / "sub" / "REFERENCE.csv").write_text("r0,A\n")
    assert learned(data)[0] == CODES | {"r0": (AF, "A"), "r2": (AF, "A")}
    near, far = data / "sub" / "REFERENCE.csv", data / "REFERENCE.csv"
    assert capsys.readouterr().err.splitlines() == [
        f"Note: {near}: gives the labels of 1 records",
        f"Note: {far}: gives the labels of 1 records",
        f"Note: r0: {near} has the label A, {far} has N; the first is used",
    ]
