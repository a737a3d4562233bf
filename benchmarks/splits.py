"""How far each class's share is from what was asked, on real labels: ours and scikit-multilearn's.

    python -m benchmarks.splits DATA

DATA holds Challenge records with a folds.tsv that names patients (PTB-XL unpacked, say).  Both
sides get the same patients, whose records stay together.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ecg.labels import CODES, class_name, label_matrix
from ecg.records import find_records
from training import splits


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", metavar="DATA", type=Path)
    options = parser.parse_args()
    records, _ = find_records(options.data)
    folds = splits.read_folds(options.data)
    patients = [folds.get(record.name, ("", record.name))[1] for record in records]
    labels = label_matrix([record.header.codes for record in records])
    print(f"{len(records)} records, {len(set(patients))} patients, share asked {splits.SHARE}")
    print("side                      seed  seconds  worst class (records off, share of the class)")
    for seed in range(3):
        for name, split in (("scikit-multilearn", _alone), ("corrected (ours)", _ours)):
            begun = time.perf_counter()
            validation = split(labels, patients, seed)
            took = time.perf_counter() - begun
            print(f"{name:<25} {seed:>4}  {took:>7.1f}  {_worst(labels, validation)}")


def _ours(labels: np.ndarray, patients: list[str], seed: int) -> np.ndarray:
    return splits.stratified_split(labels, seed=seed, groups=patients)


def _alone(labels: np.ndarray, patients: list[str], seed: int) -> np.ndarray:
    """Split without the correction."""
    corrected: Callable[..., np.ndarray] = splits._corrected
    try:
        splits._corrected = lambda brings, chosen, share: chosen
        return splits.stratified_split(labels, seed=seed, groups=patients)
    finally:
        splits._corrected = corrected


def _worst(labels: np.ndarray, validation: np.ndarray) -> str:
    """Find the class that exceeds max(2 records, 2 %) most."""
    total = labels.sum(0)
    off = np.abs(labels[validation].sum(0) - splits.SHARE * total)
    place = int(
        (off / np.maximum(splits.TOLERATED_RECORDS, splits.TOLERATED_SHARE * total)).argmax()
    )
    share = off[place] / max(1, total[place])
    return f"{class_name(CODES[place])}: {off[place]:.2f} of {total[place]}, {share:.1%}"


if __name__ == "__main__":
    main()
