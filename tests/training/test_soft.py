"""Soft targets: read as written, used in training alone, and refused with the line."""

from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.labels import AF_LETTERS
from models import find
from models.recipe import Head, vary
from training.cache import open_cache
from training.combinations import check_combinations
from training.data import labelled_records, split_data
from training.settings import Settings
from training.soft import read_soft, soft_targets, write_soft

TARGETS = {"A2": (0.1, 0.2, 0.3, 0.4), "A1": (0.7, 0.1, 0.2, 0.0)}


def test_targets_are_read_as_written(tmp_path: Path) -> None:
    write_soft(tmp_path, AF_LETTERS, TARGETS)
    read = read_soft(tmp_path, AF_LETTERS, exclusive=True)
    assert list(read) == ["A1", "A2"]
    for name, values in TARGETS.items():
        np.testing.assert_allclose(read[name], values, atol=5e-5)


def test_records_that_are_not_listed_keep_their_labels(tmp_path: Path) -> None:
    write_soft(tmp_path, AF_LETTERS, TARGETS)
    labels = np.eye(3, 4, dtype=bool)
    targets = soft_targets(tmp_path, ["A1", "A9", "A2"], AF_LETTERS, labels, exclusive=True)
    np.testing.assert_allclose(targets, [TARGETS["A1"], labels[1], TARGETS["A2"]])
    assert targets.dtype == np.float32
    assert labels[0].tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("record\tN\tA\n", "must have the columns record, N, A, O, ~"),
        ("record\tN\tA\tO\t~\nA1\t0.5\t0.5\t0.5\t0\n", r"line 2 \(A1\) must have probabilities"),
        ("record\tN\tA\tO\t~\nA1\t1.5\t-0.5\t0\t0\n", r"line 2 \(A1\) must have probabilities"),
        ("record\tN\tA\tO\t~\nA1\t1\t0\t0\n", r"line 2 \(A1\) must have probabilities"),
        ("record\tN\tA\tO\t~\nA1\tx\t0\t0\t1\n", r"line 2 \(A1\) must have probabilities"),
        ("record\tN\tA\tO\t~\nA1\tnan\t0\t0\t1\n", r"line 2 \(A1\) must have probabilities"),
    ],
)
def test_other_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "soft.tsv").write_text(text)
    with pytest.raises(LeadwiseError, match=f"soft.tsv: {message}"):
        read_soft(tmp_path, AF_LETTERS, exclusive=True)


def test_classes_that_are_not_exclusive_have_any_probabilities(tmp_path: Path) -> None:
    write_soft(tmp_path, ("1", "2", "3"), {"A1": (0.5, 0.9, 0.8)})
    read = read_soft(tmp_path, ("3", "1"), exclusive=False)
    np.testing.assert_allclose(read["A1"], [0.8, 0.5])
    with pytest.raises(LeadwiseError, match=r"line 2 \(A1\) must have probabilities that add up"):
        read_soft(tmp_path, ("3", "1"), exclusive=True)
    (tmp_path / "soft.tsv").write_text("record\t1\t2\nA1\t0.5\t1.5\n")
    with pytest.raises(LeadwiseError, match=r"line 2 \(A1\) must have probabilities$"):
        read_soft(tmp_path, ("1", "2"), exclusive=False)


def test_a_missing_table_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match=r"soft.tsv: is missing; .* soften STUDY RUNS DATA"):
        read_soft(tmp_path, AF_LETTERS, exclusive=True)


def test_soft_targets_are_allowed_for_exclusive_classes() -> None:
    recipe = vary(find("dualnet-house"), targets="soft")
    check_combinations(recipe)
    assert not Head(targets="soft").engineered
    with pytest.raises(LeadwiseError, match="distillation cannot mix .* soft targets"):
        check_combinations(vary(find("house-taught"), targets="soft"))


def test_training_batches_have_soft_targets_and_validation_the_labels(
    folder_2017: Path, tmp_path: Path
) -> None:
    """One record of the reference is O with certainty in the table, whatever its label is."""
    for path in folder_2017.iterdir():
        (tmp_path / path.name).symlink_to(path)
    write_soft(tmp_path, AF_LETTERS, {"A00001": (0.0, 0.0, 1.0, 0.0)})
    recipe = vary(find("dualnet-house"), targets="soft", augment=())
    records, _ = labelled_records(str(tmp_path), recipe.heads)
    cache = open_cache(records, recipe, tmp_path / "cache", workers=1)
    data = split_data(records, cache, str(tmp_path), recipe, Settings())
    part = data.dataset(("ECG",), recipe)
    index = [record.name for record in records].index("A00001")
    trained = part.batch([index], np.random.default_rng(0)).targets["diagnosis"]
    assert trained.tolist() == [[0, 0, 1, 0]]
    validated = part.batch([index]).targets["diagnosis"]
    assert validated.tolist() == [data.labels["diagnosis"][index].astype(float).tolist()]
    others = np.delete(np.arange(len(records)), index)
    np.testing.assert_array_equal(data.taught["diagnosis"][others],
                                  data.labels["diagnosis"][others])  # fmt: skip
