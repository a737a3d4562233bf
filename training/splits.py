"""Splits of the records into training and validation."""

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecg import LeadwiseError

SHARE = 0.25  # of validation records; Nejedly et al., CinC 2020, section 2
# Tolerated deviation of a class: so many records, or this share of the class, whichever is more.
TOLERATED_RECORDS, TOLERATED_SHARE = 2.0, 0.02
_MOST_MOVES = 10_000


def read_folds(folder: Path) -> dict[str, tuple[str, str]]:
    """Read `folds.tsv` (record, fold, patient) of a data folder: record to (fold, patient).

    Without this file the result is empty; without a column patient each record is its own patient.

    Raises
    ------
    LeadwiseError
        The table lacks the columns record and fold.
    """
    path = folder / "folds.tsv"
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8") as table:
        rows = csv.DictReader(table, delimiter="\t")
        if not {"record", "fold"} <= set(rows.fieldnames or ()):
            raise LeadwiseError(f"{path}: needs the columns record and fold, separated by tabs")
        return {row["record"]: (row["fold"], row.get("patient") or row["record"]) for row in rows}


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
        known = ", ".join(sorted({entry[0] for entry in folds.values()}))
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
