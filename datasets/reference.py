"""Where a record's labels stand: in its header, or in the table REFERENCE.csv of its folder.

The Challenges of 2020 and 2021 write them into headers (`# Dx: …`), the one of 2017 into a table
beside the records: a line `A00001,N` each, without a head.  Everything else reads a record's codes
and need not know.
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
    """Read a table of records and letters.

    Returns
    -------
    letters : dict
        From the record's name to N, A, O or ~, in the table's order.
    problems : list of Message
        What is left out: lines that are no pair or have another letter, and records with two
        different ones.

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
    found: dict[str, list[str]] = {}
    problems: list[Message] = []
    for name, *rest in rows:
        if len(rest) == 1 and rest[0].strip() in AF_LETTERS:
            found.setdefault(name.strip(), []).append(rest[0].strip())
        else:
            text = f"'{','.join([name, *rest])[:60]}' in {path.name} is not RECORD,X with X one of "
            problems.append(Message(name.strip(), "unknown label", text + " ".join(AF_LETTERS)))
    for name, letters in found.items():
        if len(set(letters)) > 1:
            text = f"{path.name} calls it {' and '.join(letters)}; strike out what is wrong"
            problems.append(Message(name, "two labels", text))
    return {name: own[0] for name, own in found.items() if len(set(own)) == 1}, problems


def labels_of(
    folder: str | Path, records: Sequence[Record]
) -> tuple[list[tuple[str, ...]], list[Message]]:
    """Find the labels of records: what their headers say, then what the tables beside them say.

    Parameters
    ----------
    folder : path
        The data folder; a table may stand here, and in each folder that holds records.
    records : sequence of Record
        Found below it.

    Returns
    -------
    codes : list of tuples of str
        Of each record: SNOMED CT codes, or a letter of 2017; empty where nothing is said.
    problems : list of Message
        What is odd about the tables: their own problems, and names that no record bears.

    Raises
    ------
    LeadwiseError
        A table cannot be read.
    """
    places = {Path(folder), *(Path(record.stem).parent for record in records)}
    letters: dict[str, str] = {}
    problems: list[Message] = []
    for path in sorted(place / FILE for place in places):
        if path.is_file():
            found, odd = read_reference(path)
            letters = {**found, **letters}
            problems += odd
    known = {record.name for record in records}
    text = f"{FILE} names it, but there is no such record to read"
    problems += [Message(name, "no record", text) for name in letters if name not in known]
    told = [(letters[record.name],) if record.name in letters else () for record in records]
    return [
        (*record.header.codes, *own) for record, own in zip(records, told, strict=True)
    ], problems


def labelled(folder: str | Path, records: Sequence[Record]) -> tuple[list[Record], list[Message]]:
    """Give the records, each with all its labels as its header's codes; see `labels_of`."""
    codes, problems = labels_of(folder, records)
    return [
        replace(record, header=replace(record.header, codes=own))
        for record, own in zip(records, codes, strict=True)
    ], problems
