"""Annotated recordings as training cases, on stretches of MIT-BIH, and validation's arithmetic."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg.annotations import AAMI
from holter.cases import EXTRA, NEITHER, Case, read_case
from holter.classifier import CLASSES
from holter.growing import Beats, Patient
from holter.numbers import NAMES, Description
from holter.validation import (
    LEFT_OUT,
    agreement,
    calibration,
    split,
    without_least_sure,
)

GENUINE = Path(__file__).parents[1] / "data" / "genuine"


def case(name: str, classes: list[int], missed: tuple[int, int] = (0, 0)) -> Case:
    """Make a case whose first half is early; `missed` V beats before and after five minutes."""
    count = len(classes)
    beats = Description(
        np.zeros((count, len(NAMES)), np.float32), np.zeros((count, 2)), np.zeros(count)
    )
    none = Beats(beats.numbers[:0], np.zeros(0, int))
    own = np.array(classes)
    counts = np.zeros((2, len(CLASSES)), int)
    counts[:, 2] = missed
    patient = Patient(name, Beats(beats.numbers, own), none, none)
    return Case(name, beats, own, np.arange(count) < count // 2, counts, patient)


def test_marked_classes_are_found_at_the_detected_peaks() -> None:
    """208: the marks of the stretch, counted by wfdb; fusion beats count neither way."""
    read = read_case(GENUINE / "208s1200")
    marks = wfdb.rdann(str(GENUINE / "208s1200"), "atr")
    names = [AAMI[symbol] for symbol in marks.symbol if symbol in AAMI]
    for index, name in enumerate(CLASSES):
        found = (read.classes == index).sum() + read.missed[:, index].sum()
        assert found == names.count(name), name
    assert (read.classes == NEITHER).sum() <= names.count("F") + names.count("Q")
    assert names.count("V") == 3
    assert read.missed.sum() <= 1
    assert (read.classes == EXTRA).sum() <= 2


def test_variants_of_a_record_have_their_own_numbers_and_classes() -> None:
    patient = read_case(GENUINE / "106s0900").patient
    assert len(patient.simulated.classes) == 2 * len(patient.genuine.classes)
    assert set(np.unique(patient.simulated.classes)) <= {-1, 0, 1}
    assert (patient.turned.classes == 2).any()
    for beats in (patient.genuine, patient.simulated, patient.turned):
        assert beats.numbers.shape == (len(beats.classes), len(NAMES))
        assert np.isfinite(beats.numbers).all()


def test_a_case_is_read_the_same_twice() -> None:
    first, second = (read_case(GENUINE / "108s1020").patient for _ in range(2))
    np.testing.assert_array_equal(first.simulated.numbers, second.simulated.numbers)
    np.testing.assert_array_equal(first.turned.numbers, second.turned.numbers)


def test_agreement_by_hand() -> None:
    """Two records; V: 2 correct, 2 false (one at no beat), 1 not called, 3 without a peak."""
    cases = [case("a", [2, 2, 0, EXTRA, NEITHER, 2], (1, 2)), case("b", [0, 0, 1, 0])]
    labels = [np.array([2, 2, 0, 2, 2, 0]), np.array([0, 2, 1, 0])]
    counts = agreement(cases, labels, "V")
    assert [column.tolist() for column in counts] == [[2, 0], [1, 1], [4, 0]]
    assert counts.sensitivity == pytest.approx(2 / 6)
    assert counts.predictivity == pytest.approx(2 / 4)
    assert counts.f1 == pytest.approx(4 / 10)
    later = agreement(cases, labels, "V", since_review=True)
    assert [column.tolist() for column in later] == [[0, 0], [1, 0], [3, 0]]


def test_the_median_is_over_records_with_ten_marked_beats() -> None:
    cases = [case("a", [2] * 10), case("b", [2] * 20), case("c", [2] * 9)]
    labels = [np.array([2] * 10), np.array([2] * 10 + [0] * 10), np.zeros(9, int)]
    assert agreement(cases, labels, "V").median_f1 == pytest.approx((1 + 2 / 3) / 2)


def test_beats_left_to_a_person_do_not_count() -> None:
    cases = [case("a", [2, 2, 0, 0])]
    probabilities = [np.array([[0.1, 0.0, 0.9], [0.5, 0.1, 0.4], [0.9, 0.0, 0.1], [0.8, 0.1, 0.1]])]
    labels = without_least_sure(probabilities, 0.25)
    assert labels[0].tolist() == [2, LEFT_OUT, 0, 0]
    assert agreement(cases, labels, "V").f1 == 1.0
    assert agreement(cases, without_least_sure(probabilities, 0.0), "V").sensitivity == 0.5


def test_calibration_is_zero_for_true_shares() -> None:
    cases = [case("a", [0, 0, 0, 2] * 50)]
    errors = calibration(cases, [np.tile([0.75, 0.0, 0.25], (200, 1))])
    assert errors == pytest.approx({"N": 0.0, "S": 0.0, "V": 0.0})


@pytest.mark.parametrize("seed", range(3))
def test_folds_have_all_patients_and_spread_ectopic_beats(seed: int) -> None:
    cases = [case(str(index), [0] * 50 + [2] * (10 * (index < 5)) + [1]) for index in range(22)]
    folds = split(cases, seed)
    assert sorted(np.bincount(folds, minlength=5)) == [4, 4, 4, 5, 5]
    assert sorted(folds[:5]) == [0, 1, 2, 3, 4]
