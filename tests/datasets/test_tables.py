"""Tables of text: damaged ones are a sentence each, without control characters."""

import random
from pathlib import Path

import pytest

from datasets.reference import read_reference
from datasets.tables import read_rows, record_name
from ecg import LeadwiseError
from training.splits import read_folds

FOLDS = b"record\tfold\tpatient\n" + b"".join(
    b"R%03d\t%d\tp%d\n" % (n, n, n // 2) for n in range(9)
)
LETTERS = b"".join(b"A%05d,%c\n" % (n, b"NAO~"[n % 4]) for n in range(9))
INSERTS = (
    b"\0",
    b'"',
    b"\t",
    b";",
    b",",
    b"\n",
    b"\r",
    b"\x1b[31m",
    b"\xef\xbb\xbf",
    b"/",
    b"\x85",
)
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig")


def mutant(content: bytes, draw: random.Random) -> bytes:
    for _ in range(draw.choice([1, 1, 2, 5])):
        at = draw.randrange(len(content) + 1)
        content = draw.choice(
            [
                content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :],
                content[:at] + draw.choice(INSERTS) + content[at:],
                content[:at] + content[at + draw.randrange(1, 9) :],
                content[:at] + content[: draw.randrange(40)] + content[at:],
                content[:at],
                content.decode("latin-1").encode(draw.choice(ENCODINGS)),
            ]
        )
    return content


@pytest.mark.parametrize("seed", range(4))
def test_damaged_tables_are_read_or_a_sentence(tmp_path: Path, seed: int) -> None:
    draw, said, refused = random.Random(seed), [], []
    for _ in range(250):
        (tmp_path / "folds.tsv").write_bytes(mutant(FOLDS, draw))
        (tmp_path / "REFERENCE.csv").write_bytes(mutant(LETTERS, draw))
        try:
            folds = read_folds(tmp_path)
            said += [*folds, *(cell for entry in folds.values() for cell in entry)]
        except LeadwiseError as error:
            refused.append(str(error))
        try:
            letters, problems = read_reference(tmp_path / "REFERENCE.csv")
            said += [*letters, *map(str, problems)]
        except LeadwiseError as error:
            refused.append(str(error))
    assert len(said) > 1000
    assert len(refused) > 100
    assert all(text.isprintable() and len(text) < 500 for text in (*said, *refused))
    assert all(text.startswith(f"{tmp_path}/") for text in refused)


def test_lines_are_numbered_as_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(b"\r\na,b\r\n\r\n,\r\nc,d\re,f")
    rows = read_rows(tmp_path / "table")
    assert [(row.line, row.cells) for row in rows] == [
        (2, ["a", "b"]), (5, ["c", "d"]), (6, ["e", "f"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "cells"),
    [("A1;0,5;p", ["A1", "0,5", "p"]), ("A1\t0,5;1", ["A1", "0,5;1"]), ("A1,N", ["A1", "N"]),
     ("A1  N", ["A1", "N"]), ("sep=;\nA1,5;N", ["A1,5", "N"]), ('"A 1";"N"', ["A 1", "N"])],
)  # fmt: skip
def test_cells_end_at_tabs_else_semicolons_else_commas_else_blanks(
    tmp_path: Path, line: str, cells: list[str]
) -> None:
    (tmp_path / "table").write_text(line)
    assert [row.cells for row in read_rows(tmp_path / "table")] == [cells]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_each_encoding_of_a_spreadsheet_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "table").write_bytes("A1\tN\r\nB\u00e9\t~\r\n".encode(encoding))
    assert [row.cells for row in read_rows(tmp_path / "table")] == [["A1", "N"], ["B\u00e9", "~"]]


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("A1", "A1"), ("A1.hea", "A1"), ("A1.MAT", "A1"), ("x/A1.dat", "A1"), ("x\\y\\A1", "A1"),
        ("A1.5", "A1.5"), ("A1.csv", "A1.csv"), ("", ""), ("x/", ""), (".hea", ".hea"),
    ],
)  # fmt: skip
def test_names_of_records(cell: str, name: str) -> None:
    assert record_name(cell) == name
