"""Labels of records, from their headers or from tables REFERENCE.csv in their folders.

The Challenges of 2020 and 2021 store them in headers (`# Dx: …`), the Challenge of 2017 in a table
with one line `A00001,N` or `A00/A00001,N` per record and without a header line.  All other modules
use `Record.header.codes`.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from datasets.tables import Row, read_rows, record_name
from ecg.headers import Message
from ecg.labels import AF_LETTERS, SINUS_RHYTHM, class_name
from ecg.records import Record

FILE = "REFERENCE.csv"
FIBRILLATION = "164889003"
# Titles of the columns, if a table has a line of titles.
_RECORD = {"record", "recording", "record_name", "recording_id", "name", "file", "filename", "id"}
_LABEL = {"label", "class", "letter", "rhythm", "diagnosis", "reference", "answer", "target"}


class Labelled(NamedTuple):
    """Records with all their labels as codes of their headers."""

    records: list[Record]
    left_out: list[Message]  # lines of tables that give no record a label
    notes: list[Message]  # which table is used, and what disagrees


class _Table(NamedTuple):
    """A table: its path, letters by record, and the problems of its lines."""

    path: Path
    letters: Mapping[str, str]
    problems: Sequence[Message]


def read_reference(path: Path) -> tuple[dict[str, str], list[Message]]:
    """Read a table of records and their letters, as 2017 publishes it or a spreadsheet saves it.

    A line of titles, small letters, paths and file endings of records are allowed.  If most lines
    have no letter, the table has another meaning and is not used.

    Returns
    -------
    letters : dict
        From the record's name to N, A, O or ~, in the table's order.
    problems : list of Message
        Lines left out (no pair, or another letter), and records with two different letters; or why
        the table is not used.

    Raises
    ------
    LeadwiseError
        The file cannot be read.
    """
    rows = read_rows(path)
    titled = _titled(rows[0]) if rows else None
    listed: dict[str, list[str]] = {}
    problems: list[Message] = []
    rows = rows[1:] if titled else rows
    for row in rows:
        name, letter = _pair(row, titled)
        if name and letter in AF_LETTERS:
            listed.setdefault(name, []).append(letter)
        else:
            text = f"{row}, line {row.line} of {path.name}, is not RECORD,X with X one of "
            text += " ".join(AF_LETTERS)
            problems.append(Message(name or f"line {row.line}", "unknown label", text))
    if len(problems) * 2 > len(rows):
        text = f"is not used, because {len(problems)} of {len(rows)} lines have no label of 2017; "
        return {}, [Message(str(path), "no table of 2017", text + problems[0].text)]
    for name, letters in listed.items():
        if len(set(letters)) > 1:
            text = f"{path.name} has two labels, {' and '.join(letters)}; delete the wrong one"
            problems.append(Message(name, "two labels", text))
    return {name: own[0] for name, own in listed.items() if len(set(own)) == 1}, problems


def _titled(row: Row) -> tuple[int, int] | None:
    """Return the columns of record and label if the row is a line of titles; -1 for none."""
    titles = [cell.casefold().replace(" ", "_") for cell in row.cells]
    records = [column for column, title in enumerate(titles) if title in _RECORD]
    if not records or set(row.cells) & {*AF_LETTERS, "n", "a", "o"}:
        return None
    return records[0], next((column for column, t in enumerate(titles) if t in _LABEL), -1)


def _pair(row: Row, titled: tuple[int, int] | None) -> tuple[str, str]:
    """Return the record's name and the letter in capitals; empty where the row has none."""
    cells = list(row.cells)
    while len(cells) > 2 and not cells[-1]:  # as spreadsheets add
        del cells[-1]
    record, label = titled or (0, 1 if len(cells) == 2 else -1)
    name = record_name(cells[record]) if record < len(cells) else ""
    return name, cells[label].upper() if 0 <= label < len(cells) else ""


def labelled(folder: str | Path, records: Sequence[Record]) -> Labelled:
    """Give the records their labels: those of their headers, and those of the tables.

    Of several tables in the folders between `folder` and the record, the nearest that lists the
    record is used.  Its letter is added to the codes of the header.

    Parameters
    ----------
    folder : path
        The data folder.
    records : sequence of Record
        Records of this folder.

    Raises
    ------
    LeadwiseError
        A table cannot be read.
    """
    tables: dict[str, _Table | None] = {}
    above: dict[str, list[_Table]] = {}  # tables of each folder with records, the nearest first
    notes: list[Message] = []
    used: dict[Path, int] = {}
    result = []
    for record in records:
        parent = os.path.dirname(record.stem)
        if parent not in above:
            above[parent] = [t for t in _tables_above(Path(parent), Path(folder), tables) if t]
        having = [table for table in above[parent] if record.name in table.letters]
        if not having:
            result.append(record)
            continue
        used[having[0].path] = used.get(having[0].path, 0) + 1
        letter = having[0].letters[record.name]
        notes += _disagreements(record, having)
        codes = tuple(dict.fromkeys((*record.header.codes, letter)))
        result.append(replace(record, header=replace(record.header, codes=codes)))
    read = [table for table in tables.values() if table]
    left_out, remarks = _problems(read, result)
    uses = [
        Message(str(path), "labels", f"gives the labels of {count} records")
        for path, count in used.items()
    ]
    return Labelled(result, left_out, [*uses, *remarks, *notes])


def _tables_above(
    folder: Path, root: Path, tables: dict[str, _Table | None]
) -> Iterator[_Table | None]:
    """Read the tables of a folder and those above it, up to the root; each is read once."""
    while True:
        path = folder / FILE
        if str(path) not in tables:
            tables[str(path)] = _Table(path, *read_reference(path)) if path.is_file() else None
        yield tables[str(path)]
        if folder == root or folder == folder.parent or root not in folder.parents:
            return
        folder = folder.parent


def _disagreements(record: Record, tables: Sequence[_Table]) -> Iterator[Message]:
    """Name what else than the nearest table gives a record another label."""
    near, letter = tables[0].path, tables[0].letters[record.name]
    for path, letters, _ in tables[1:]:
        if letters[record.name] != letter:
            text = f"{near} has the label {letter}, {path} has {letters[record.name]}; the first "
            yield Message(record.name, "two tables", text + "is used")
    codes = record.header.codes
    if codes and _implied(codes) != letter:
        names = ", ".join(map(class_name, codes))
        text = f"the header has {names}, {near} has {letter}, which disagree; it has both labels"
        yield Message(record.name, "two sources", text)


def _implied(codes: Sequence[str]) -> str:
    """Return the letter of 2017 that a header's codes mean."""
    if letters := [code for code in codes if code in AF_LETTERS]:
        return letters[0]
    if FIBRILLATION in codes:
        return "A"
    return "N" if set(codes) == {SINUS_RHYTHM} else "O"


def _problems(
    tables: Sequence[_Table], records: Sequence[Record]
) -> tuple[list[Message], list[Message]]:
    """Return problems of records that have no label, and those that leave no record out."""
    has_label = {record.name: bool(record.header.codes) for record in records}
    left_out: list[Message] = []
    notes: list[Message] = []
    for path, letters, problems in tables:
        for problem in problems:
            is_note = problem.record == str(path) or has_label.get(problem.record, False)
            (notes if is_note else left_out).append(problem)
        text = f"{path.name} lists it, but no such record was read"
        left_out += [Message(name, "no record", text) for name in letters if name not in has_label]
    return left_out, notes
