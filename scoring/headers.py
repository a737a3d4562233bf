"""Labels of a folder's headers, read as each year's scorer reads them.

Source: the organisers' evaluation-2021 and evaluation-2020 (BSD-2-Clause).  Where we differ:
  - labels in headers of the second dialect (`# Dx: …`) are read; the official 2021 scorer reads
    none, and that of 2020 ends in a traceback;
  - codes that follow `#Dx:` without a blank are read, too, and lists of other forms
    (`ecg.labels.read_codes`);
  - 2020: headers without a label line are an error that names them, not a traceback.
"""

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.folders import find_headers
from ecg.headers import Message
from ecg.labels import code_of, dx_lines, is_snomed, read_codes
from scoring.outputs import list_names, read_text


class Pairs(NamedTuple):
    """Headers of a label folder and the output files of the same names."""

    headers: list[str]
    outputs: list[str]
    unused: list[str]  # names of output files without a header
    problems: list[Message]  # other files that belong to no record


class Labels(NamedTuple):
    """Labels of headers."""

    labels: np.ndarray  # (records, classes) bool
    repeated: list[str]  # headers with more than one Dx line
    unread: list[str]  # headers whose Dx lines hold words, but no code and no known name


def find_pairs(label_directory: str, output_directory: str) -> Pairs:
    """Find the headers below a folder, sorted by file name, and the output file of each.

    Parameters
    ----------
    label_directory : str
        Folder of `NAME.hea`, flat or nested, as `run_model.py` reads it.
    output_directory : str
        Folder of `NAME.csv`, flat, as `run_model.py` writes it.

    Returns
    -------
    Pairs

    Raises
    ------
    LeadwiseError
        A folder is missing or has no header, two headers have one name, or headers have no output
        file; it names them.
    """
    paths, problems = find_headers(label_directory)
    if twice := [str(problem) for problem in problems if problem.kind == "name twice"]:
        raise LeadwiseError(
            f"{label_directory}: {len(twice)} names of records occur twice, but outputs are named "
            f"by record: {list_names(twice)}. Rename these records, or remove their headers."
        )
    paths = sorted(paths, key=lambda path: path.name)
    present = set(_files(output_directory))
    expected = [f"{path.stem}.csv" for path in paths]
    if missing := [name for name in expected if name not in present]:
        raise LeadwiseError(
            f"{len(missing)} of {len(paths)} records have no output file in {output_directory}: "
            f"{list_names(missing)}. Run the model on them, or remove their headers."
        )
    unused = {name for name in present if name.endswith(".csv")} - set(expected)
    return Pairs(
        list(map(str, paths)),
        [os.path.join(output_directory, name) for name in expected],
        sorted(unused),
        problems,
    )


def _files(folder: str) -> list[str]:
    """List the files of a folder."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file()]
    except OSError as error:
        raise LeadwiseError(f"{folder}: {error.strerror}; give an existing folder.") from error


def read_labels(
    headers: Sequence[str], classes: Sequence[Sequence[str]], year: int = 2021
) -> Labels:
    """Read the labels of headers into the columns of the scored classes.

    Parameters
    ----------
    headers : sequence of str
        The .hea files, one per record.
    classes : sequence of sequences of str
        The codes that count as one class, as in `Weights.classes`; other codes are ignored.
    year : int
        2020 or 2021: the scorer's rules.

    Returns
    -------
    Labels
        Rows in the order of `headers`.

    Raises
    ------
    LeadwiseError
        A header cannot be read, or (2020) has no label line; it counts and names them.
    """
    # Comments may have another encoding: codes are ASCII.
    lines = [dx_lines(read_text(path, errors="replace")) for path in headers]
    if year == 2020:
        unlabelled = [
            path
            for path, dx in zip(headers, lines, strict=True)
            if not all(map(_has_text, dx or [""]))
        ]
        if unlabelled:
            raise LeadwiseError(
                f"{len(unlabelled)} of {len(headers)} headers have no label: "
                f"{list_names(unlabelled)}. The 2020 scorer needs a line `#Dx: …` in each; remove "
                "these records, or score by 2021."
            )
    codes = [[code for line in dx for code in _codes(line)] for dx in lines]
    unread = [
        path
        for path, own in zip(headers, codes, strict=True)
        if own and not any(map(is_snomed, own))
    ]
    repeated = [path for path, dx in zip(headers, lines, strict=True) if len(dx) > 1]
    if year == 2020:
        # As published: Dx lines are counted across headers, so that after a header with two of
        # them each record is scored by the label of the record before.
        lines = [[line] for dx in lines for line in dx][: len(headers)]
    index_of = {code: index for index, codes in enumerate(classes) for code in codes}
    labels = np.zeros((len(headers), len(classes)), dtype=bool)
    for number, dx in enumerate(lines):
        for line in dx:
            labels[number, [index_of[c] for c in _codes(line) if c in index_of]] = True
    return Labels(labels, repeated, unread)


@lru_cache(maxsize=65536)  # 88,253 headers have few different lines
def _codes(line: str) -> tuple[str, ...]:
    """Read the codes of a Dx line, names of the class table included."""
    return tuple(map(code_of, read_codes(line)))


def _has_text(line: str) -> bool:
    """Return whether a Dx line is complete; `#Dx: ` is, and means no label."""
    return ": " in line or bool(_codes(line))
