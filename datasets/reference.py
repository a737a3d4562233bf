"""Labels of records, from their headers or from the table REFERENCE.csv in their folder.

The Challenges of 2020 and 2021 store them in headers (`# Dx: …`), the Challenge of 2017 in a table
with one line `A00001,N` per record and without a header line.  All other modules use
`Record.header.codes`.
"""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ecg import LeadwiseError
from ecg.headers import Message
from ecg.labels import AF_LETTERS
from ecg.records import Record

FILE = "REFERENCE.csv"


def read_reference(path: Path) -> tuple[dict[str, str], list[Message]]:
    """Read a table of records and their letters.

    Returns
    -------
    letters : dict
        From the record's name to N, A, O or ~, in the table's order.
    problems : list of Message
        Lines left out (no pair, or another letter), and records with two different letters.

    Raises
    ------
    LeadwiseError
        The file cannot be read.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as table:
            rows = [row for row in csv.reader(table) if row]
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LeadwiseError(f"{path}: cannot be read: {error}") from error
    listed: dict[str, list[str]] = {}
    problems: list[Message] = []
    for name, *rest in rows:
        if len(rest) == 1 and rest[0].strip() in AF_LETTERS:
            listed.setdefault(name.strip(), []).append(rest[0].strip())
        else:
            text = f"'{','.join([name, *rest])[:60]}' in {path.name} is not RECORD,X with X one of "
            problems.append(Message(name.strip(), "unknown label", text + " ".join(AF_LETTERS)))
    for name, letters in listed.items():
        if len(set(letters)) > 1:
            text = f"{path.name} has two labels, {' and '.join(letters)}; delete the wrong one"
            problems.append(Message(name, "two labels", text))
    return {name: own[0] for name, own in listed.items() if len(set(own)) == 1}, problems


def labels_of(
    folder: str | Path, records: Sequence[Record]
) -> tuple[list[tuple[str, ...]], list[Message]]:
    """Collect the labels of records: those of their headers, then those of the tables.

    Parameters
    ----------
    folder : path
        The data folder; it and each folder with records may have a table.
    records : sequence of Record
        Records of this folder.

    Returns
    -------
    codes : list of tuples of str
        Per record: SNOMED CT codes, or a letter of 2017; empty without labels.
    problems : list of Message
        Problems of the tables, and their names without a record.

    Raises
    ------
    LeadwiseError
        A table cannot be read.
    """
    folders = {Path(folder), *(Path(record.stem).parent for record in records)}
    letters: dict[str, str] = {}
    problems: list[Message] = []
    for path in sorted(each / FILE for each in folders):
        if path.is_file():
            own_letters, own_problems = read_reference(path)
            letters = {**own_letters, **letters}
            problems += own_problems
    known = {record.name for record in records}
    text = f"{FILE} lists it, but no such record was read"
    problems += [Message(name, "no record", text) for name in letters if name not in known]
    codes = [
        (*record.header.codes, letters[record.name])
        if record.name in letters
        else record.header.codes
        for record in records
    ]
    return codes, problems


def labelled(folder: str | Path, records: Sequence[Record]) -> tuple[list[Record], list[Message]]:
    """Give the records with all their labels as codes of their headers; see `labels_of`."""
    codes, problems = labels_of(folder, records)
    return [
        replace(record, header=replace(record.header, codes=own))
        for record, own in zip(records, codes, strict=True)
    ], problems
