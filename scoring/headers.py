"""The labels of a folder's headers, as each year's scorer reads them.

Source: the organisers' evaluation-2021 and evaluation-2020 (BSD-2-Clause).  Where we differ:
  - headers of the second dialect (`# Dx: …`) have their labels read; the official 2021 scorer sees
    none there, and the one of 2020 ends in a traceback;
  - codes that follow `#Dx:` without a blank are read, too;
  - 2020: headers without a label line are named, where the official scorer ends in a traceback.
"""

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.labels import read_codes
from scoring.outputs import read_text, some

_DX_LINE = re.compile(r"\n(#[ \t]*Dx.*)")  # begins with a fixed text, so it is searched for fast


class Pairs(NamedTuple):
    """The files of a label folder and of an output folder that belong together."""

    headers: list[str]
    outputs: list[str]
    unused: list[str]  # names of output files without a header


class Truth(NamedTuple):
    """What the headers say."""

    labels: np.ndarray  # (records, classes) bool
    doubled: list[str]  # the headers with more than one Dx line


def find_pairs(label_directory: str, output_directory: str) -> Pairs:
    """Find the headers of a folder, sorted by name, and the output file of each.

    Parameters
    ----------
    label_directory, output_directory : str
        Folders of `NAME.hea` (in any case, not hidden) and of `NAME.csv`; nested ones are ignored.

    Returns
    -------
    Pairs

    Raises
    ------
    LeadwiseError
        If a folder is missing, there is no header, or headers have no output file; it names them.
    """
    names = [n for n in _files(label_directory) if n.lower().endswith(".hea") and n[0] != "."]
    if not names:
        raise LeadwiseError(f"{label_directory} holds no header (.hea); give the folder of labels.")
    present = set(_files(output_directory))
    wanted = [f"{os.path.splitext(name)[0]}.csv" for name in names]
    if missing := [name for name in wanted if name not in present]:
        raise LeadwiseError(
            f"{len(missing)} of {len(names)} records have no output file in {output_directory}: "
            f"{some(missing)}. Run the model on them, or take their headers away."
        )
    unused = {name for name in present if name.endswith(".csv")} - set(wanted)
    return Pairs(
        [os.path.join(label_directory, name) for name in names],
        [os.path.join(output_directory, name) for name in wanted],
        sorted(unused),
    )


def _files(folder: str) -> list[str]:
    """List the files of a folder, sorted."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except OSError as error:
        raise LeadwiseError(f"{folder}: {error.strerror}; give a folder that is there.") from error


def read_labels(
    headers: Sequence[str], classes: Sequence[Sequence[str]], year: int = 2021
) -> Truth:
    """Read the labels of headers into the columns of the scored classes.

    Parameters
    ----------
    headers : sequence of str
        The .hea files, one a record.
    classes : sequence of sequences of str
        The codes that count as one class, as in `Weights.classes`; other codes are ignored.
    year : int
        2020 or 2021: whose rules.

    Returns
    -------
    Truth
        Rows in the order of `headers`.

    Raises
    ------
    LeadwiseError
        If a header cannot be read, or (2020) has no label line; it counts and names them.
    """
    # A comment in another encoding does not hurt: codes are ASCII.
    lines = [_DX_LINE.findall("\n" + read_text(path, errors="replace")) for path in headers]
    if year == 2020:
        bare = [p for p, dx in zip(headers, lines, strict=True) if not all(map(_says, dx or [""]))]
        if bare:
            raise LeadwiseError(
                f"{len(bare)} of {len(headers)} headers have no label: {some(bare)}. The 2020 "
                "scorer needs a line `#Dx: …` in each; take these records away, or score by 2021."
            )
    doubled = [path for path, dx in zip(headers, lines, strict=True) if len(dx) > 1]
    if year == 2020:
        # The official fault, kept: Dx lines are counted across the headers, so that after a header
        # with two of them each record is scored by the label of the one before.
        lines = [[line] for dx in lines for line in dx][: len(headers)]
    place_of = {code: place for place, codes in enumerate(classes) for code in codes}
    labels = np.zeros((len(headers), len(classes)), dtype=bool)
    for number, dx in enumerate(lines):
        for line in dx:
            labels[number, [place_of[c] for c in _codes(line) if c in place_of]] = True
    return Truth(labels, doubled)


_codes = lru_cache(maxsize=65536)(read_codes)  # few lines differ among 88,253 headers


def _says(line: str) -> bool:
    """Tell whether a Dx line says something, if only that there is no label (`#Dx: `)."""
    return ": " in line or bool(_codes(line))
