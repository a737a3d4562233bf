"""Cross-validation over patients: folds, counts per class and record, calibration, coverage."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from holter.cases import EXTRA, Case
from holter.classifier import CLASSES, BeatClassifier
from holter.growing import Patient, grow
from scoring.calibration import calibration_error

FOLDS = 5
LEFT_OUT = -9  # label of a beat that is left to a person
FEWEST = 10  # marked beats of a record that counts for the median over patients
Train = Callable[[list[Patient], int], BeatClassifier]


class Agreement(NamedTuple):
    """Counts of one class, one per record."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray

    @property
    def sensitivity(self) -> float:
        """Of all records together."""
        return float(self.tp.sum() / max(1, self.tp.sum() + self.fn.sum()))

    @property
    def predictivity(self) -> float:
        """Of all records together."""
        return float(self.tp.sum() / max(1, self.tp.sum() + self.fp.sum()))

    @property
    def f1(self) -> float:
        """Of all records together."""
        return float(_f1(self.tp.sum(), self.fp.sum(), self.fn.sum()))

    @property
    def median_f1(self) -> float:
        """The median over records with at least `FEWEST` marked beats; NaN without any."""
        counted = self.tp + self.fn >= FEWEST
        values = _f1(self.tp, self.fp, self.fn)[counted]
        return float(np.median(values)) if counted.any() else float("nan")


def _f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    return np.asarray(2 * tp / np.maximum(1, 2 * tp + fp + fn))


class Labelled(Protocol):
    """Anything with the marked classes of its beats."""

    @property
    def classes(self) -> np.ndarray: ...  # noqa: D102


class Counted(Labelled, Protocol):
    """What `agreement` reads of a case."""

    @property
    def early(self) -> np.ndarray: ...  # noqa: D102

    @property
    def missed(self) -> np.ndarray: ...  # noqa: D102


def split(cases: Sequence[Labelled], seed: int) -> np.ndarray:
    """Assign each patient to a fold, (patients,); those with most S and V are spread first.

    Patients in order of their shares of all S and V beats are taken by fives, and each five is
    spread at random.
    """
    counts = np.array([[(case.classes == index).sum() for index in (1, 2)] for case in cases])
    shares = (counts / np.maximum(1, counts.sum(axis=0))).sum(axis=1)
    generator = np.random.default_rng(seed)
    folds = np.zeros(len(cases), int)
    order = np.argsort(-shares, kind="stable")
    for first in range(0, len(cases), FOLDS):
        some = order[first : first + FOLDS]
        folds[some] = generator.permutation(FOLDS)[: len(some)]
    return folds


def cross_validate(
    cases: Sequence[Case], seed: int, train: Train = grow, advance: Callable[[], object] = list
) -> list[BeatClassifier]:
    """Give each patient a classifier that was trained on those of other folds."""
    folds = split(cases, seed)
    models = {}
    for fold in range(FOLDS):
        others = [case.patient for case, own in zip(cases, folds, strict=True) if own != fold]
        models[fold] = train(others, seed)
        advance()
    return [models[fold] for fold in folds.tolist()]


def agreement(
    cases: Sequence[Counted], labels: Sequence[np.ndarray], name: str, since_review: bool = False
) -> Agreement:
    """Count how labels agree with the marked classes.

    Parameters
    ----------
    labels : sequence of np.ndarray of int, each of shape (beats,)
        Indices of `CLASSES`, or `LEFT_OUT`.
    name : str
        The class.
    since_review : bool
        Whether only beats after the first five minutes count.
    """
    wanted = CLASSES.index(name)
    counts = []
    for case, own in zip(cases, labels, strict=True):
        counted = (case.classes >= EXTRA) & (own != LEFT_OUT) & ~(case.early & since_review)
        marked, called = case.classes[counted] == wanted, own[counted] == wanted
        missed = case.missed[int(since_review) :, wanted].sum()
        counts.append(
            ((marked & called).sum(), (~marked & called).sum(), (marked & ~called).sum() + missed)
        )
    return Agreement(*np.array(counts, int).T)


def calibration(cases: Sequence[Case], probabilities: Sequence[np.ndarray]) -> dict[str, float]:
    """Compute the expected calibration error of each class over all beats."""
    classes = np.concatenate([case.classes for case in cases])
    together = np.concatenate(probabilities)
    counted = classes >= 0
    return {
        name: calibration_error(classes[counted] == index, together[counted, index])
        for index, name in enumerate(CLASSES)
    }


def without_least_sure(probabilities: Sequence[np.ndarray], share: float) -> list[np.ndarray]:
    """Label all beats but this share of them, those with the lowest probability."""
    limit = np.quantile(np.concatenate([each.max(axis=1) for each in probabilities]), share)
    return [
        np.where(each.max(axis=1) >= limit, each.argmax(axis=1), LEFT_OUT) for each in probabilities
    ]


def adapted(case: Case, model: BeatClassifier) -> BeatClassifier:
    """Adapt a model to the marked classes of a case's first five minutes."""
    known = case.early & (case.classes >= 0)
    return model.adapted(case.beats.numbers[known], case.classes[known])
