r"""The Challenge's output files: write one, and read a folder of them as each year's scorer does.

An output file is text of four lines, cells separated by commas:

    #A0001                              the record's name
    164889003,426783006,426177001       classes: SNOMED CT codes (2021: equal ones joined by a bar)
    1,0,0                               outputs
    0.9,0.05,0.05                       probabilities

Source: the organisers' evaluation-2021 and evaluation-2020 (BSD-2-Clause).  Where we differ: the
files that end theirs in a traceback are named here, all at once.
"""

import os
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.files import atomic_write

TRUE = ("True", "true", "T", "t")


class Answers(NamedTuple):
    """What the output files of a folder say."""

    outputs: np.ndarray  # (records, classes) bool
    probabilities: np.ndarray  # (records, classes) float
    malformed: list[str]  # 2020: the files that count as all negative for their form
    empty: list[str]  # the other files without a scored class, such as those of failed records


class _Rules(NamedTuple):
    """How one year's scorer reads a file."""

    rows: Callable[[str, str], list[str] | None]  # name, text -> classes, outputs, probabilities
    codes: Callable[[str], list[str]]  # a class cell -> the codes it stands for
    positive: Callable[[str], bool]  # an output cell -> its meaning
    finite: bool  # whether probabilities that are not finite are 0 before columns are averaged


class _Group(NamedTuple):
    """The files that share a class row; most folders have one group."""

    columns: np.ndarray  # (classes, most columns a class has): where they stand, `width` for none
    width: int  # how many cells the scored classes need of each row
    numbers: list[int]  # of the records
    outputs: bytearray  # one file's cells after the other's: many small lists would take longer
    probabilities: "array[float]"  # quoted: Python 3.11 has no array[float] at run time


def save_outputs(
    path: str | os.PathLike[str],
    record_id: str,
    classes: Iterable[str],
    labels: Iterable[object],
    probabilities: Iterable[object],
) -> None:
    """Write one record's output file, aside and renamed.

    Parameters
    ----------
    path : path
        The file; its folder exists.
    record_id : str
        Name of the record.
    classes, labels, probabilities : iterables
        A cell each, written by `str`; all three empty for a record that failed.  Give labels as
        plain ints: the 2020 scorer takes `1.0` for 0.

    Raises
    ------
    LeadwiseError
        If the file cannot be written; no part of it is left.
    """
    rows = (",".join(map(str, row)) for row in (classes, labels, probabilities))
    with atomic_write(path) as draft:
        text = "".join(f"{line}\n" for line in (f"#{record_id}", *rows))
        draft.write_text(text, encoding="utf-8", newline="\n")


def read_text(path: str, errors: str = "strict") -> str:
    """Read a text file, every line end as LF; raise LeadwiseError if that cannot be done."""
    try:
        with open(path, "rb", buffering=0) as file:  # unbuffered: a fifth faster for small files
            text = file.read().decode("utf-8", errors)
    except OSError as error:
        raise LeadwiseError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise LeadwiseError(f"{path} is not text in UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def read_outputs(
    paths: Sequence[str], classes: Sequence[Sequence[str]], year: int = 2021
) -> Answers:
    """Read output files into the columns of the scored classes.

    Where several columns of a file stand for one class, its output is any and its probability the
    mean of them; a class without a column is 0.  A probability that is no number is 0.

    Parameters
    ----------
    paths : sequence of str
        The files, one a record.
    classes : sequence of sequences of str
        The codes that count as one class, as in `Weights.classes`.
    year : int
        2020 or 2021: whose rules.

    Returns
    -------
    Answers
        Rows in the order of `paths`.

    Raises
    ------
    LeadwiseError
        If files cannot be read (in 2021 also: fewer than four lines, or no cell for a scored
        class); it counts them and names the first.
    """
    rules, groups, malformed, faults = _RULES[year], dict[str, _Group](), [], []
    for number, path in enumerate(paths):
        try:
            rows = rules.rows(path, read_text(path))
            if rows is None:
                malformed.append(path)
                continue
            if rows[0] not in groups:
                groups[rows[0]] = _group(rows[0], classes, rules)
            _add(groups[rows[0]], number, path, rows, rules)
        except LeadwiseError as fault:
            faults.append(str(fault))
    if faults:
        raise LeadwiseError(
            f"{len(faults)} of {len(paths)} output files cannot be scored: {some(faults)}. "
            "Run the model on these records again."
        )
    outputs = np.zeros((len(paths), len(classes)), dtype=bool)
    probabilities = np.zeros((len(paths), len(classes)))
    empty = []
    for group in groups.values():
        outputs[group.numbers], probabilities[group.numbers] = _gather(group, rules.finite)
        empty += [paths[number] for number in group.numbers if group.width == 0]
    return Answers(outputs, probabilities, malformed, sorted(empty))


def some(names: Sequence[str]) -> str:
    """List the first three names, and say how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _group(class_row: str, classes: Sequence[Sequence[str]], rules: _Rules) -> _Group:
    """Begin a group: find the columns of each scored class in a class row."""
    cells = [rules.codes(cell.strip()) for cell in class_row.split(",")]
    places = [[i for i, cell in enumerate(cells) if set(cell) & set(codes)] for codes in classes]
    width = max((found[-1] + 1 for found in places if found), default=0)
    depth = max(1, *map(len, places))
    columns = np.array([found + [width] * (depth - len(found)) for found in places])
    return _Group(columns, width, [], bytearray(), array("d"))


def _add(group: _Group, number: int, path: str, rows: list[str], rules: _Rules) -> None:
    """Parse one file's rows into its group."""
    outputs, probabilities = (row.split(",") for row in rows[1:])
    for what, cells in (("outputs", outputs), ("probabilities", probabilities)):
        if len(cells) < group.width:
            raise LeadwiseError(f"{path} has {len(cells)} of {rows[0].count(',') + 1} {what}")
    group.numbers.append(number)
    group.outputs.extend(map(rules.positive, outputs[: group.width]))
    group.probabilities.extend(_numbers(probabilities[: group.width]))


def _gather(group: _Group, finite: bool) -> tuple[np.ndarray, np.ndarray]:
    """Bring a group's cells into the columns of the scored classes, (files, classes) each."""
    shape = len(group.numbers), group.width
    cells = np.array(group.probabilities).reshape(shape)
    if finite:
        cells[~np.isfinite(cells)] = 0.0
    # One more column stands for "none": NaN, which the mean leaves out, and False.
    cells = np.pad(cells, ((0, 0), (0, 1)), constant_values=np.nan)[:, group.columns]
    known = ~np.isnan(cells)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, and so 0, as in the 2020 scorer
        means = np.where(known, cells, 0.0).sum(axis=2) / np.maximum(1, known.sum(axis=2))
    marks = np.frombuffer(group.outputs, dtype=bool).reshape(shape)
    marks = np.pad(marks, ((0, 0), (0, 1)))[:, group.columns]
    return np.any(marks, axis=2), np.where(np.isnan(means), 0.0, means)


def _numbers(cells: list[str]) -> list[float]:
    """Read probabilities; text is 0."""
    try:
        return list(map(float, cells))
    except ValueError:
        return [_number(cell) for cell in cells]


def _number(cell: str) -> float:
    """Read a probability; text is 0."""
    try:
        return float(cell)
    except ValueError:
        return 0.0


def _rows_2021(path: str, text: str) -> list[str]:
    """Take lines 2 to 4, whatever line 1 says."""
    lines = text.split("\n", 4)
    if len(lines) < 5 and not lines[-1]:
        lines.pop()  # what follows the last line end is no line
    if len(lines) < 4:
        raise LeadwiseError(f"{path} has {len(lines)} of 4 lines")
    return lines[1:4]


def _rows_2020(_: str, text: str) -> list[str] | None:
    """Take the first three lines that are neither empty nor comments, if all are equally long."""
    lines = [line for line in text.split("\n") if line.strip()[:1] not in ("", "#")]
    if len(lines) < 3 or len({line.count(",") for line in lines}) > 1:
        return None
    return lines[:3]


@lru_cache(maxsize=4096)
def _positive_2021(cell: str) -> bool:
    """Read an output cell: any number equal to 1 is positive."""
    return _number(cell) == 1 or cell.strip() in TRUE


@lru_cache(maxsize=4096)
def _positive_2020(cell: str) -> bool:
    """Read an output cell: of the numbers `1` alone is positive, `1.0` is not."""
    return cell.strip() in ("1", *TRUE)


_RULES = {
    2020: _Rules(_rows_2020, lambda cell: [cell], _positive_2020, finite=False),
    2021: _Rules(_rows_2021, lambda cell: cell.split("|"), _positive_2021, finite=True),
}
