r"""The Challenge's output files: writing, and reading as each year's scorer does.

An output file is text of four lines, cells separated by commas:

    #A0001                              the record's name
    164889003,426783006,426177001       classes: SNOMED CT codes (2021: equal ones joined by a bar)
    1,0,0                               outputs
    0.9,0.05,0.05                       probabilities

Source: the organisers' evaluation-2021 and evaluation-2020 (BSD-2-Clause).  Where we differ: one
error names all files that end the official scorers in a traceback.
"""

import os
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.files import atomic_write, read_bytes

TRUE = ("True", "true", "T", "t")


class Predictions(NamedTuple):
    """Outputs and probabilities of a folder of output files."""

    outputs: np.ndarray  # (records, classes) bool
    probabilities: np.ndarray  # (records, classes) float
    malformed: list[str]  # 2020: files whose format is wrong, counted as all negative
    empty: list[str]  # other files without a scored class, such as those of failed records


class _Rules(NamedTuple):
    """Rules by which one year's scorer reads a file."""

    rows: Callable[[str, str], list[str] | None]  # name, text -> classes, outputs, probabilities
    codes: Callable[[str], list[str]]  # class cell -> its codes
    positive: Callable[[str], bool]  # output cell -> positive or not
    finite: bool  # replace non-finite probabilities by 0 before averaging columns


class _Group(NamedTuple):
    """Files with the same class row; most folders have one group."""

    columns: np.ndarray  # (classes, most columns per class): column indices, `width` for none
    width: int  # number of cells per row up to the last scored class
    records: list[int]  # indices of the records
    outputs: bytearray  # cells of all files, flat: faster than many small lists
    probabilities: "array[float]"  # quoted: Python 3.11 has no array[float] at run time


def save_outputs(
    path: str | os.PathLike[str],
    record_id: str,
    classes: Iterable[str],
    labels: Iterable[object],
    probabilities: Iterable[object],
) -> None:
    """Write one record's output file atomically.

    Parameters
    ----------
    path : path
        The file, in an existing folder.
    record_id : str
        Name of the record.
    classes, labels, probabilities : iterables
        Cells, formatted by `str`; all three are empty for a failed record.  Labels must be plain
        ints: the 2020 scorer reads `1.0` as 0.

    Raises
    ------
    LeadwiseError
        The file cannot be written; no partial file is left.
    """
    rows = (",".join(map(str, row)) for row in (classes, labels, probabilities))
    with atomic_write(path) as draft:
        text = "".join(f"{line}\n" for line in (f"#{record_id}", *rows))
        draft.write_text(text, encoding="utf-8", newline="\n")


def read_text(path: str, errors: str = "strict") -> str:
    """Read a text file with every line end as LF; raise LeadwiseError if it cannot be read."""
    try:
        text = read_bytes(path).decode("utf-8", errors)
    except OSError as error:
        raise LeadwiseError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise LeadwiseError(f"{path} is not text in UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def read_outputs(
    paths: Sequence[str], classes: Sequence[Sequence[str]], year: int = 2021
) -> Predictions:
    """Read output files into the columns of the scored classes.

    If a file has several columns of one class, the class is positive if any column is, and its
    probability is their mean; a class without a column is 0.  A non-numeric probability is 0.

    Parameters
    ----------
    paths : sequence of str
        The files, one per record.
    classes : sequence of sequences of str
        The codes that count as one class, as in `Weights.classes`.
    year : int
        2020 or 2021: the scorer's rules.

    Returns
    -------
    Predictions
        Rows in the order of `paths`.

    Raises
    ------
    LeadwiseError
        Files cannot be read (2021: also fewer than four lines, or no cell for a scored class); it
        counts them and names the first.
    """
    rules, groups, malformed, errors = _RULES[year], dict[str, _Group](), [], []
    for number, path in enumerate(paths):
        try:
            rows = rules.rows(path, read_text(path))
            if rows is None:
                malformed.append(path)
                continue
            if rows[0] not in groups:
                groups[rows[0]] = _group(rows[0], classes, rules)
            _add(groups[rows[0]], number, path, rows, rules)
        except LeadwiseError as error:
            errors.append(str(error))
    if errors:
        raise LeadwiseError(
            f"{len(errors)} of {len(paths)} output files cannot be scored: {list_names(errors)}. "
            "Run the model on these records again."
        )
    outputs = np.zeros((len(paths), len(classes)), dtype=bool)
    probabilities = np.zeros((len(paths), len(classes)))
    empty = []
    for group in groups.values():
        outputs[group.records], probabilities[group.records] = _gather(group, rules.finite)
        empty += [paths[number] for number in group.records if group.width == 0]
    return Predictions(outputs, probabilities, malformed, sorted(empty))


def list_names(names: Sequence[str]) -> str:
    """List the first three names and the number of the others."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _group(class_row: str, classes: Sequence[Sequence[str]], rules: _Rules) -> _Group:
    """Create a group: find the columns of each scored class in a class row."""
    cells = [rules.codes(cell.strip()) for cell in class_row.split(",")]
    indices = [[i for i, cell in enumerate(cells) if set(cell) & set(codes)] for codes in classes]
    width = max((columns[-1] + 1 for columns in indices if columns), default=0)
    depth = max(1, *map(len, indices))
    table = np.array([columns + [width] * (depth - len(columns)) for columns in indices])
    return _Group(table, width, [], bytearray(), array("d"))


def _add(group: _Group, number: int, path: str, rows: list[str], rules: _Rules) -> None:
    """Parse one file's rows into its group."""
    outputs, probabilities = (row.split(",") for row in rows[1:])
    for what, cells in (("outputs", outputs), ("probabilities", probabilities)):
        if len(cells) < group.width:
            raise LeadwiseError(f"{path} has {len(cells)} of {rows[0].count(',') + 1} {what}")
    group.records.append(number)
    group.outputs.extend(map(rules.positive, outputs[: group.width]))
    group.probabilities.extend(_numbers(probabilities[: group.width]))


def _gather(group: _Group, finite: bool) -> tuple[np.ndarray, np.ndarray]:
    """Reorder a group's cells into the columns of the scored classes, (files, classes) each."""
    shape = len(group.records), group.width
    cells = np.array(group.probabilities).reshape(shape)
    if finite:
        cells[~np.isfinite(cells)] = 0.0
    # An additional column means "none": NaN, which the mean leaves out, and False.
    cells = np.pad(cells, ((0, 0), (0, 1)), constant_values=np.nan)[:, group.columns]
    known = ~np.isnan(cells)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN and then 0, as in the 2020 scorer
        means = np.where(known, cells, 0.0).sum(axis=2) / np.maximum(1, known.sum(axis=2))
    marks = np.frombuffer(group.outputs, dtype=bool).reshape(shape)
    marks = np.pad(marks, ((0, 0), (0, 1)))[:, group.columns]
    return np.any(marks, axis=2), np.where(np.isnan(means), 0.0, means)


def _numbers(cells: list[str]) -> list[float]:
    """Parse probabilities; text is 0."""
    try:
        return list(map(float, cells))
    except ValueError:
        return [_number(cell) for cell in cells]


def _number(cell: str) -> float:
    """Parse a probability; text is 0."""
    try:
        return float(cell)
    except ValueError:
        return 0.0


def _rows_2021(path: str, text: str) -> list[str]:
    """Return lines 2 to 4; line 1 is ignored."""
    lines = text.split("\n", 4)
    if len(lines) < 5 and not lines[-1]:
        lines.pop()  # the empty rest after the last line end
    if len(lines) < 4:
        raise LeadwiseError(f"{path} has {len(lines)} of 4 lines")
    return lines[1:4]


def _rows_2020(_: str, text: str) -> list[str] | None:
    """Return the first three lines without empty lines and comments, if all are equally long."""
    lines = [line for line in text.split("\n") if line.strip()[:1] not in ("", "#")]
    if len(lines) < 3 or len({line.count(",") for line in lines}) > 1:
        return None
    return lines[:3]


@lru_cache(maxsize=4096)
def _positive_2021(cell: str) -> bool:
    """Parse an output cell: any number equal to 1 is positive."""
    return _number(cell) == 1 or cell.strip() in TRUE


@lru_cache(maxsize=4096)
def _positive_2020(cell: str) -> bool:
    """Parse an output cell: `1` is positive, `1.0` is not."""
    return cell.strip() in ("1", *TRUE)


_RULES = {
    2020: _Rules(_rows_2020, lambda cell: [cell], _positive_2020, finite=False),
    2021: _Rules(_rows_2021, lambda cell: cell.split("|"), _positive_2021, finite=True),
}
