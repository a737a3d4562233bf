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

from ecg import LeadwiseError, printable
from ecg.files import atomic_write, read_bytes

TRUE = ("True", "true", "T", "t")
FALSE = ("False", "false", "F", "f")
NEITHER = 2  # an output cell that is neither 0 nor 1; it counts as negative
MISNAMED = "output files whose first line is not # and the name of the file"
IRREGULAR = "output files of other than four lines, or with lines of unequal lengths"
PAUSE_S = 600.0  # a run writes its files with shorter pauses


class Predictions(NamedTuple):
    """Outputs and probabilities of a folder of output files."""

    outputs: np.ndarray  # (records, classes) bool
    probabilities: np.ndarray  # (records, classes) float
    malformed: list[str]  # 2020: files whose format is wrong, counted as all negative
    empty: list[str]  # other files without a scored class, such as those of failed records
    unclear: list[str]  # files with outputs of scored classes other than 0 and 1
    infinite: list[str]  # files with probabilities of scored classes that are no finite numbers
    foreign: list[str]  # files with other classes than most have
    misnamed: list[str]  # files whose first line is not `#` and the file's name
    irregular: list[str]  # files of other than four lines, or with rows of unequal lengths


class _Rules(NamedTuple):
    """Rules by which one year's scorer reads a file."""

    rows: Callable[[str, str], list[str] | None]  # name, text -> classes, outputs, probabilities
    codes: Callable[[str], list[str]]  # class cell -> its codes
    positive: Callable[[str], int]  # output cell -> 0, 1 or NEITHER
    finite: bool  # replace non-finite probabilities by 0 before averaging columns


class _Group(NamedTuple):
    """Files with the same class row; most folders have one group."""

    columns: np.ndarray  # (classes, most columns per class): column indices, `width` for none
    width: int  # number of cells per row up to the last scored class
    records: list[int]  # indices of the records
    outputs: bytearray  # cells of all files, flat: faster than many small lists
    probabilities: "array[float]"  # quoted: Python 3.11 has no array[float] at run time
    text: list[tuple[int, int]]  # row and column of probabilities that are text


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
    misnamed, irregular = [], []
    for number, path in enumerate(paths):
        try:
            text = read_text(path)
            rows = rules.rows(path, text)
            head, *lines = text.split("\n")
            name = os.path.basename(path).removesuffix(".csv")
            if head.strip() not in (f"#{name}", f"#{printable(name)}"):
                misnamed.append(number)
            if any(map(str.strip, lines[3:])) or len({row.count(",") for row in lines[:3]}) > 1:
                irregular.append(number)
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
    unclear, infinite = np.zeros((2, len(paths)), dtype=bool)
    for group in groups.values():
        own = group.records
        outputs[own], unclear[own] = _gather_outputs(group)
        probabilities[own], infinite[own] = _gather_probabilities(group, rules.finite)
    empty = [number for group in groups.values() if group.width == 0 for number in group.records]
    by_size = sorted((len(g.records), row) for row, g in groups.items() if row.strip())
    foreign = [number for _, row in by_size[:-1] for number in groups[row].records]
    noted = (empty, np.flatnonzero(unclear).tolist(), np.flatnonzero(infinite).tolist(), foreign,
             misnamed, irregular)  # fmt: skip
    names = [[paths[number] for number in sorted(numbers)] for numbers in noted]
    return Predictions(outputs, probabilities, malformed, *names)


def older_files(paths: Sequence[str]) -> list[str]:
    """Return the files that were written long before the others, perhaps by an earlier run."""
    times = np.array([os.stat(path).st_mtime for path in paths])
    order = np.argsort(times, kind="stable")
    pauses = np.diff(times[order])
    if pauses.max(initial=0) < PAUSE_S:
        return []
    return [paths[number] for number in sorted(order[: pauses.argmax() + 1].tolist())]


def list_names(names: Sequence[str]) -> str:
    """List the first three names, safe to print, and the number of the others."""
    first = ", ".join(printable(name) for name in names[:3])
    return first + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _group(class_row: str, classes: Sequence[Sequence[str]], rules: _Rules) -> _Group:
    """Create a group: find the columns of each scored class in a class row."""
    cells = [rules.codes(cell.strip()) for cell in class_row.split(",")]
    indices = [[i for i, cell in enumerate(cells) if set(cell) & set(codes)] for codes in classes]
    width = max((columns[-1] + 1 for columns in indices if columns), default=0)
    depth = max(1, *map(len, indices))
    table = np.array([columns + [width] * (depth - len(columns)) for columns in indices])
    return _Group(table, width, [], bytearray(), array("d"), [])


def _add(group: _Group, number: int, path: str, rows: list[str], rules: _Rules) -> None:
    """Parse one file's rows into its group."""
    outputs, probabilities = (row.split(",") for row in rows[1:])
    for what, cells in (("outputs", outputs), ("probabilities", probabilities)):
        if len(cells) < group.width:
            raise LeadwiseError(f"{path} has {len(cells)} of {rows[0].count(',') + 1} {what}")
    group.records.append(number)
    group.outputs.extend(map(rules.positive, outputs[: group.width]))
    try:
        group.probabilities.extend(map(float, probabilities[: group.width]))
    except ValueError:
        numbers = list(map(_number, probabilities[: group.width]))
        row = len(group.records) - 1
        group.text.extend((row, column) for column, one in enumerate(numbers) if one is None)
        del group.probabilities[row * group.width :]  # those before the text
        group.probabilities.extend(0.0 if one is None else one for one in numbers)


def _gather_outputs(group: _Group) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs (files, classes), and which files have cells that are neither 0 nor 1."""
    marks = np.frombuffer(group.outputs, dtype=np.uint8).reshape(len(group.records), group.width)
    # An additional column means "none".
    marks = np.pad(marks, ((0, 0), (0, 1)))[:, group.columns]
    return np.any(marks == 1, axis=2), np.any(marks == NEITHER, axis=(1, 2))


def _gather_probabilities(group: _Group, finite: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (files, classes), and which files have other than finite numbers."""
    cells = np.array(group.probabilities).reshape(len(group.records), group.width)
    unusual = ~np.isfinite(cells)
    unusual[tuple(np.array(group.text, dtype=int).reshape(-1, 2).T)] = True
    if finite:
        cells[~np.isfinite(cells)] = 0.0
    # An additional column means "none": NaN, which the mean leaves out.
    cells = np.pad(cells, ((0, 0), (0, 1)), constant_values=np.nan)[:, group.columns]
    known = ~np.isnan(cells)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN and then 0, as in the 2020 scorer
        means = np.where(known, cells, 0.0).sum(axis=2) / np.maximum(1, known.sum(axis=2))
    unusual = np.pad(unusual, ((0, 0), (0, 1)))[:, group.columns]
    return np.where(np.isnan(means), 0.0, means), np.any(unusual, axis=(1, 2))


def _number(cell: str) -> float | None:
    """Parse a number; None for text."""
    try:
        return float(cell)
    except ValueError:
        return None


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
def _positive_2021(cell: str) -> int:
    """Parse an output cell: any number equal to 1 is positive."""
    return 1 if _number(cell) == 1 or cell.strip() in TRUE else _negative(cell)


@lru_cache(maxsize=4096)
def _positive_2020(cell: str) -> int:
    """Parse an output cell: `1` is positive, `1.0` is not."""
    return 1 if cell.strip() in ("1", *TRUE) else _negative(cell)


def _negative(cell: str) -> int:
    """Return 0 for an output cell that is written as negative, else NEITHER."""
    return 0 if _number(cell) == 0 or cell.strip() in FALSE else NEITHER


_RULES = {
    2020: _Rules(_rows_2020, lambda cell: [cell], _positive_2020, finite=False),
    2021: _Rules(_rows_2021, lambda cell: cell.split("|"), _positive_2021, finite=True),
}
