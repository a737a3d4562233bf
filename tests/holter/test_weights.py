"""The shipped classifier of beats: its size, its origin, and its answers on stretches of MIT-BIH.

The stretches are of its training records: the values pin the answers and show no quality.
"""

from pathlib import Path

import numpy as np
import pytest

from ecg.annotation_files import read_marks
from ecg.annotations import AAMI
from ecg.records import read_record
from holter.classifier import CLASSES, load
from holter.table import read_table
from scoring.beats import match

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "weights" / "malt2021"
GENUINE = ROOT / "tests" / "data" / "genuine"
PINNED = (
    ("106s0900", [27, 0, 10], [0.726, 0.002, 0.272]),
    ("203s0750", [38, 0, 20], [0.6355, 0.0138, 0.3507]),
    ("208s1200", [47, 0, 8], [0.8345, 0.0183, 0.1472]),
    ("223s0420", [42, 0, 1], [0.9715, 0.0061, 0.0224]),
)  # made by the weights of the test


def test_the_folder_is_small_and_names_data_seeds_and_versions() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 3e6
    origin = load(FOLDER).origin
    assert "DS1" in origin["data"]
    assert len(origin["records"]) == 22
    assert origin["seeds"] == [0, 1, 2]
    assert set(origin["versions"]) == {"leadwise", "scikit-learn", "numpy"}
    assert not any(name in str(origin) for name in ("/tmp", "/home", "/work"))


def test_its_validation_is_that_of_its_table() -> None:
    lines = (FOLDER / "validation.tsv").read_text(encoding="utf-8").splitlines()
    rows = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]
    for name, value in load(FOLDER).origin["validation_f1"].items():
        own = [float(row["f1"]) for row in rows if row["class"] == name]
        assert len(own) == 3
        assert np.mean(own) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(("name", "counts", "mean"), PINNED)
def test_it_gives_its_answers_on_genuine_stretches(
    name: str, counts: list[int], mean: list[float]
) -> None:
    """Counts of N, S and V, and the mean probabilities; other processors add in another order."""
    table = read_table(read_record(GENUINE / f"{name}.hea"))
    probabilities = load(FOLDER)(table)
    labels = probabilities.argmax(axis=1)
    assert np.bincount(labels, minlength=len(CLASSES)).tolist() == counts
    np.testing.assert_allclose(probabilities.mean(axis=0), mean, atol=1e-3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_it_finds_the_ventricular_beats_of_106() -> None:
    """More than nine of ten beats: half a minute is short for references of the recording."""
    table = read_table(read_record(GENUINE / "106s0900.hea"))
    marks = [mark for mark in read_marks(str(GENUINE / "106s0900.atr")) if mark.symbol in AAMI]
    truth = np.array([AAMI[mark.symbol] == "V" for mark in marks])
    samples = np.array([mark.sample for mark in marks])
    pairs = match(samples, table.peaks, 54.0)
    called = load(FOLDER)(table).argmax(axis=1)[pairs[:, 1]] == CLASSES.index("V")
    assert truth.sum() > 5
    assert (called == truth[pairs[:, 0]]).mean() > 0.9
