"""Splits share each class equally and keep the records of a patient together."""

from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from training.splits import read_folds, split_by_fold, stratified_split


def unbalanced(records: int = 1500, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Return labels as unequal as the Challenge's (60 % to a few) and patients of 1–4 records."""
    rng = np.random.default_rng(seed)
    shares = np.geomspace(0.6, 0.003, 22)
    labels = rng.random((records, 22)) < shares
    patients = [f"p{number}" for number in rng.integers(0, records // 2, records)]
    return labels, patients


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.25, 0.1])
def test_no_class_deviates_by_more_than_two_records_or_two_percent(seed: int, share: float) -> None:
    labels, patients = unbalanced(seed=seed)
    validation = stratified_split(labels, share=share, seed=seed, groups=patients)
    wanted, shared = share * labels.sum(0), labels[validation].sum(0)
    assert (np.abs(shared - wanted) <= np.maximum(2, 0.02 * labels.sum(0))).all()
    assert abs(validation.sum() - share * len(labels)) <= 0.02 * len(labels)


def test_records_of_a_patient_are_on_one_side() -> None:
    labels, patients = unbalanced()
    validation = stratified_split(labels, groups=patients)
    sides: dict[str, set[bool]] = {}
    for patient, side in zip(patients, validation.tolist(), strict=True):
        sides.setdefault(patient, set()).add(side)
    assert {len(both) for both in sides.values()} == {1}


def test_the_seed_decides_and_the_global_generator_is_unchanged() -> None:
    labels, _ = unbalanced(400)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = stratified_split(labels, seed=1)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.testing.assert_array_equal(stratified_split(labels, seed=1), first)
    assert (stratified_split(labels, seed=2) != first).any()


def test_two_records_are_split_and_one_is_too_few() -> None:
    validation = stratified_split(np.ones((2, 3), dtype=bool))
    assert sorted(validation.tolist()) == [False, True]
    with pytest.raises(LeadwiseError, match="1 usable records of 1 patients; a split needs two"):
        stratified_split(np.ones((1, 3), dtype=bool))


def test_a_fold_of_the_table_becomes_the_validation_records(tmp_path: Path) -> None:
    (tmp_path / "folds.tsv").write_text("record\tfold\tpatient\na\t1\tp\nb\t8\tq\n")
    folds = read_folds(tmp_path)
    assert folds == {"a": ("1", "p"), "b": ("8", "q")}
    assert split_by_fold(["a", "b", "unnamed"], folds, "8").tolist() == [False, True, False]
    with pytest.raises(LeadwiseError, match="fold 9 holds 0 of 2 records; .* the folds 1, 8"):
        split_by_fold(["a", "b"], folds, "9")
    with pytest.raises(LeadwiseError, match="no folds.tsv"):
        split_by_fold(["a"], {}, "8")


def test_a_table_without_its_columns_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folds.tsv").write_text("name,fold\na,1\n")
    with pytest.raises(LeadwiseError, match="folds.tsv: needs the columns record and fold"):
        read_folds(tmp_path)
    assert read_folds(tmp_path / "elsewhere") == {}
