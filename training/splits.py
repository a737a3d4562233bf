"""Splits of the records into training and validation."""

import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from datasets.sources import labelled_classes, source_of
from datasets.tables import Row, read_rows, record_name
from ecg import LeadwiseError
from ecg.progress import log
from ecg.records import Record
from models.recipe import Share

SHARE = 0.25  # of validation records; Nejedly et al., CinC 2020, section 2
# Tolerated deviation of a class: so many records, or this share of the class, whichever is more.
TOLERATED_RECORDS, TOLERATED_SHARE = 2.0, 0.02
_MOST_MOVES = 10_000
_MOST_DRAWS = 1000  # of a source; each class of 20 records is missed by 1 % of them
# Titles of columns in folds.tsv, small letters alone; each has one meaning.
_TITLES = {
    "record": "record", "recordname": "record", "recordid": "record", "recording": "record",
    "fold": "fold", "stratfold": "fold",
    "patient": "patient", "patientid": "patient", "patientname": "patient", "subject": "patient",
    "subjectid": "patient", "person": "patient",
}  # fmt: skip


def read_folds(folder: Path) -> dict[str, tuple[str, str]]:
    """Read `folds.tsv` (record, fold, patient) of a data folder: record to (fold, patient).

    The table may be saved by a spreadsheet, with records named by path or file.  Without this file
    the result is empty; without a column or cell of the patient a record is its own patient.

    Raises
    ------
    LeadwiseError
        The table cannot be read, has other columns, or a line that is not as its title; it names
        the line.
    """
    path = folder / "folds.tsv"
    if not path.is_file():
        _refuse_other_names(folder)
        return {}
    rows = read_rows(path)
    columns = _columns(path, rows)
    folds: dict[str, tuple[str, str]] = {}
    for row in rows[1:]:
        while len(row.cells) > len(rows[0].cells) and not row.cells[-1]:
            del row.cells[-1]  # as spreadsheets add
        if len(row.cells) != len(rows[0].cells):
            raise LeadwiseError(
                f"{path}: line {row.line} has {len(row.cells)} cells, its title "
                f"{len(rows[0].cells)}: {row}"
            )
        cells = {title: row.cells[column] for title, column in columns.items()}
        record, fold = record_name(cells["record"]), _whole(cells["fold"])
        if not record or not fold:
            raise LeadwiseError(f"{path}: line {row.line} lacks the record or its fold: {row}")
        entry = fold, _whole(cells.get("patient", "")) or record
        if folds.setdefault(record, entry) != entry:
            raise LeadwiseError(
                f"{path}: line {row.line} has another fold or patient of {record} than a line "
                "before; delete the wrong one"
            )
    return folds


def _refuse_other_names(folder: Path) -> None:
    """Refuse a table that has the name that a spreadsheet gave it, and a folder of its name."""
    for name in ("folds.tsv", "folds.csv", "folds.tsv.txt", "Folds.tsv"):
        if os.path.lexists(folder / name):
            raise LeadwiseError(f"{folder / name}: the table of folds must be a file folds.tsv")


def _columns(path: Path, rows: Sequence[Row]) -> dict[str, int]:
    """Find the columns record, fold and patient by the titles in the first row."""
    titles = [re.sub("[^a-z]", "", cell.casefold()) for cell in rows[0].cells] if rows else []
    columns: dict[str, int] = {}
    for column, title in enumerate(titles):
        known = _TITLES.get(title, title)
        if columns.setdefault(known, column) != column and known in _TITLES.values():
            raise LeadwiseError(f"{path}: has two columns {known}; delete the wrong one")
    if not {"record", "fold"} <= columns.keys():
        raise LeadwiseError(f"{path}: needs the columns record and fold, separated by tabs")
    return {title: column for title, column in columns.items() if title in _TITLES.values()}


def _whole(cell: str) -> str:
    """Write a whole number without decimals, which tables of numbers add: 9.0."""
    return cell[:-2] if re.fullmatch(r"\d+\.0", cell) else cell


def check_folds(folder: str, records: Sequence[Record], fold: str | None) -> None:
    """Check the table of folds before the records are prepared, and log what it leaves open.

    Parameters
    ----------
    records : sequence of Record
        Records of the folder.
    fold : str or None
        The validation fold, if one is set.

    Raises
    ------
    LeadwiseError
        The table cannot be used, does not name the records, or lacks the validation fold.
    """
    path, names = Path(folder, "folds.tsv"), [record.name for record in records]
    for parent in sorted({Path(record.stem).parent for record in records} - {path.parent}):
        if (parent / path.name).exists():
            log(f"Note: {parent / path.name} is not used; only {path} is.")
    folds = read_folds(path.parent)
    if fold is not None:
        split_by_fold(names, folds, fold)
    if not folds:
        return
    spelled = {listed.casefold() for listed in folds}
    unlisted = [name for name in names if name not in folds]
    misspelt = [name for name in unlisted if name.casefold() in spelled]
    if misspelt or len(unlisted) == len(names):
        raise LeadwiseError(
            f"{path}: does not list the record {(misspelt or names)[0]} by its name (it lists "
            f"{', '.join(list(folds)[:3])}); write names as those of the headers"
        )
    if unlisted:
        log(f"Note: {path} does not list {len(unlisted)} records ({', '.join(unlisted[:3])}); "
            "each is its own patient, and never of a validation fold.")  # fmt: skip
    titles = read_rows(path)[:1]
    if "patient" not in _columns(path, titles):
        log(f"Note: {path} has no column patient (it has {titles[0]}); each record is its own.")
    alone = [name for name, (_, patient) in folds.items() if patient == name]
    if 0 < len(alone) < len(folds):
        log(f"Note: {path} names no patient of {len(alone)} records ({', '.join(alone[:3])}).")
    known = {listed for listed, _ in folds.values()}
    if (words := {listed for listed in known if not listed.isdecimal()}) and words < known:
        log(f"Note: {path} has folds that are no numbers: {', '.join(sorted(words))}.")
    listed = [(folds[name][1], folds[name][0] == fold) for name in names if name in folds]
    sides = [{patient for patient, held in listed if held is side} for side in (True, False)]
    if both := sorted(sides[0] & sides[1]):
        log(f"Note: {path} has {len(both)} patients ({', '.join(both[:3])}) in the validation fold "
            "and in others; the score is optimistic.")  # fmt: skip


def split_by_fold(names: Sequence[str], folds: dict[str, tuple[str, str]], fold: str) -> np.ndarray:
    """Mark the records of one fold of the table for validation.

    Records that are not in the table are training records.

    Returns
    -------
    np.ndarray of bool, shape (records,)
        True: validation.

    Raises
    ------
    LeadwiseError
        The table is missing, or the fold has none or all of the records.
    """
    if not folds:
        raise LeadwiseError("a validation fold is set, but the data folder has no folds.tsv")
    validation = np.array([folds.get(name, ("", ""))[0] == fold for name in names], dtype=bool)
    if validation.all() or not validation.any():
        known = ", ".join(sorted({entry[0] for entry in folds.values()})[:20])
        raise LeadwiseError(
            f"validation fold {fold} holds {validation.sum()} of {len(names)} records; "
            f"folds.tsv names the folds {known}"
        )
    return validation


def stratified_split(
    labels: np.ndarray, *, share: float = SHARE, seed: int = 0, groups: Sequence[str] | None = None
) -> np.ndarray:
    """Mark a share of the records for validation, about the same share of each class.

    scikit-multilearn's iterative stratification of order 2 (Sechidis 2011, Szymański 2017), applied
    to groups.  Then groups change sides as long as this brings the classes' counts and the number
    of records closer to the share.

    Parameters
    ----------
    labels : np.ndarray of bool, shape (records, classes)
    share : float
        Of the records, 0–1.
    seed : int
        The same seed gives the same split.
    groups : sequence of str, optional
        Records of one group (patient) stay on one side.

    Returns
    -------
    np.ndarray of bool, shape (records,)
        True: validation.

    Raises
    ------
    LeadwiseError
        The records have fewer than two groups.
    """
    units, unit_of = np.unique(
        np.arange(len(labels)) if groups is None else np.asarray(groups), return_inverse=True
    )
    if len(units) < 2:
        raise LeadwiseError(
            f"{len(labels)} usable records of {len(units)} patients; a split needs two patients"
        )
    # Positives of each class per group, and (last column) its number of records.
    counts = np.zeros((len(units), labels.shape[1] + 1))
    np.add.at(counts, unit_of, np.column_stack([labels, np.ones(len(labels))]))
    order = np.random.default_rng(seed).permutation(len(units))
    chosen = np.zeros(len(units), dtype=bool)
    chosen[order] = _iterative(counts[order, :-1] > 0, share, seed)
    chosen = _corrected(counts, chosen, share)
    if chosen.all() or not chosen.any():  # few records
        chosen[order[0]] = not chosen[order[0]]
    return chosen[unit_of]


def _iterative(positive: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Call scikit-multilearn's stratifier, which draws from NumPy's global generator."""
    from skmultilearn.model_selection import IterativeStratification

    before = np.random.get_state()  # noqa: NPY002 - it cannot be given a generator or a seed
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stratifier = IterativeStratification(
                n_splits=2, order=2, sample_distribution_per_fold=[share, 1 - share]
            )
            _, validation = next(stratifier.split(np.zeros((len(positive), 1)), positive))
    finally:
        np.random.set_state(before)  # noqa: NPY002
    chosen = np.ones(len(positive), dtype=bool)
    chosen[validation] = False
    return ~chosen


def _corrected(counts: np.ndarray, chosen: np.ndarray, share: float) -> np.ndarray:
    """Move single groups to the other side, the best one first, until no move helps."""
    total = counts.sum(0)
    weight = 1 / np.maximum(TOLERATED_RECORDS, TOLERATED_SHARE * total) ** 2
    move_cost = (counts**2) @ weight
    chosen = chosen.copy()
    for _ in range(_MOST_MOVES):
        deviation = counts[chosen].sum(0) - share * total
        sign = np.where(chosen, -1.0, 1.0)
        change = move_cost + 2 * sign * (counts @ (weight * deviation))
        best = int(change.argmin())
        if change[best] > -1e-9:
            break
        chosen[best] = not chosen[best]
    return chosen


def split_within_sources(
    labels: np.ndarray, names: Sequence[str], *, share: float, seed: int = 0,
    groups: Sequence[str] | None = None,
) -> np.ndarray:  # fmt: skip
    """Mark a share of the records of each source for validation, at random.

    Kang & Wen 2022 draw until both sides hold every class that the source labels: those with 20
    records (`datasets.sources`).  A source where no draw does keeps the last one.

    Parameters
    ----------
    labels : np.ndarray of bool, shape (records, classes)
    names : sequence of str
        Names of the records, which tell the source.
    share, seed, groups
        As in `stratified_split`.

    Returns
    -------
    np.ndarray of bool, shape (records,)
        True: validation.

    Raises
    ------
    LeadwiseError
        No source has records of two groups.
    """
    sources = np.array([source_of(name) for name in names])
    units = np.array(names if groups is None else groups)
    validation = np.zeros(len(labels), bool)
    for source, needed in labelled_classes(sources.tolist(), labels).items():
        members = np.flatnonzero(sources == source)
        own, unit_of = np.unique(units[members], return_inverse=True)
        generator = np.random.default_rng((seed, *source.encode()))
        for _ in range(_MOST_DRAWS if len(own) > 1 else 0):
            order = generator.permutation(len(own))
            sizes = np.bincount(unit_of)[order]
            count = np.searchsorted(np.cumsum(sizes), share * len(members)) + 1
            chosen = np.isin(unit_of, order[: min(count, len(own) - 1)])
            sides = (labels[members][chosen], labels[members][~chosen])
            if all(side[:, needed].any(0).all() for side in sides):
                break
        else:
            log(f"Note: no split of {source} has each of its classes on both sides.")
            chosen = np.zeros(len(members), bool) if len(own) < 2 else chosen
        validation[members] = chosen
    if not validation.any():
        raise LeadwiseError(f"{len(labels)} usable records; a split needs two patients of a source")
    return validation


def _stratified(
    labels: np.ndarray, names: Sequence[str], groups: Sequence[str], seed: int, *,
    share: Share = SHARE,
) -> np.ndarray:  # fmt: skip
    return stratified_split(labels, share=share, seed=seed, groups=groups)


def _within_sources(
    labels: np.ndarray, names: Sequence[str], groups: Sequence[str], seed: int, *, share: Share
) -> np.ndarray:
    return split_within_sources(labels, names, share=share, seed=seed, groups=groups)


# split(labels, names, groups, seed, **numbers) -> bool (records,), True: validation
SPLITS: dict[str, Callable[..., np.ndarray]] = {
    "stratified": _stratified,
    "within_sources": _within_sources,
}
