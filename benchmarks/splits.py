"""Deviation of each class's validation share from the intended one: ours, scikit-multilearn's.

    python -m benchmarks.splits DATA

DATA holds Challenge records with a folds.tsv that names patients (PTB-XL, for example).  Both sides
split the same patients, whose records stay together.
"""

from functools import partial
from unittest.mock import patch

import numpy as np

from benchmarks.common import machine, parse_options, print_table, run, timed
from ecg.labels import CODES, class_name, label_matrix
from ecg.records import find_records
from training import splits


def without_correction(labels: np.ndarray, patients: list[str], seed: int) -> np.ndarray:
    """Split by scikit-multilearn alone."""
    with patch.object(splits, "_corrected", lambda counts, chosen, share: chosen):
        return ours(labels, patients, seed)


def ours(labels: np.ndarray, patients: list[str], seed: int) -> np.ndarray:
    """Split by the training's function."""
    return splits.stratified_split(labels, seed=seed, groups=patients)


def worst_class(labels: np.ndarray, validation: np.ndarray) -> list[str]:
    """Name the class that exceeds max(2 records, 2 %) most, and its difference."""
    total = labels.sum(0)
    difference = np.abs(labels[validation].sum(0) - splits.SHARE * total)
    tolerated = np.maximum(splits.TOLERATED_RECORDS, splits.TOLERATED_SHARE * total)
    index = int((difference / tolerated).argmax())
    share = difference[index] / max(1, total[index])
    return [class_name(CODES[index]), f"{difference[index]:.2f} of {total[index]}", f"{share:.1%}"]


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "data")
    records, _ = find_records(options.data)
    folds = splits.read_folds(options.data)
    patients = [folds.get(record.name, ("", record.name))[1] for record in records]
    labels = label_matrix([record.header.codes for record in records])
    print(f"{machine()}; {len(records)} records, {len(set(patients))} patients, share "
          f"{splits.SHARE}\n")  # fmt: skip
    rows = []
    for seed in range(3):
        for name, split in (("scikit-multilearn", without_correction), ("corrected (ours)", ours)):
            validation, duration = timed(partial(split, labels, patients, seed))
            cells = worst_class(labels, validation)
            rows.append([name, str(seed), f"{duration.wall:.1f}", *cells])
    print_table(["side", "seed", "s", "worst class", "records off", "share of the class"], rows)


if __name__ == "__main__":
    run(main)
