"""Growing trees: choice and weights of the beats, boosting, and conversion to arrays."""

from typing import Any, NamedTuple

import numpy as np

from ecg import __version__
from holter.classifier import CLASSES, LEAVES, BeatClassifier, Trees
from holter.numbers import GROUPS, INTERVALS, NAMES, PREMATURE

ROUNDS, RATE, RIDGE, LEAST_BEATS, COLUMNS, BINS = 70, 0.1, 5.0, 30, 0.3, 63  # of the boosting
MOST_NORMAL = 500  # beats of a patient with usual intervals; the same number with others
MOST_SIMULATED, MOST_MOVED = 250, 100  # beats of a patient and kind
SIMULATED_WEIGHT = 0.3  # of a simulated beat
ALONE = 20  # beats: a patient's weight in a class grows with the root of beats + ALONE
V = CLASSES.index("V")
_MOVED = [
    NAMES.index(name)
    for name in (*GROUPS["RR"], "previous beat, all leads", "next beat, all leads")
]
_EARLY, _LATE = INTERVALS.index("before / slow"), INTERVALS.index("after / slow")


class Patient(NamedTuple):
    """Beats of a training record: numbers and classes (-1 for beats that do not count).

    `simulated` holds those of the simulated rhythms, empty arrays if none are used.
    """

    name: str
    numbers: np.ndarray
    classes: np.ndarray
    simulated: tuple[np.ndarray, np.ndarray]


class Chosen(NamedTuple):
    """Beats to train with, one row per beat, and their weights."""

    numbers: np.ndarray
    classes: np.ndarray
    weights: np.ndarray


def grow(patients: list[Patient], seed: int, columns: np.ndarray | None = None) -> BeatClassifier:
    """Train an ensemble on patients.

    Parameters
    ----------
    columns : np.ndarray of int, optional
        Indices into `NAMES` that may be used; default: all.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    chosen = choose(patients, seed)
    columns = np.arange(len(NAMES)) if columns is None else columns
    boosting = HistGradientBoostingClassifier(
        max_iter=ROUNDS, max_leaf_nodes=LEAVES, learning_rate=RATE, l2_regularization=RIDGE,
        min_samples_leaf=LEAST_BEATS, max_features=COLUMNS, max_bins=BINS, random_state=seed,
        early_stopping=False,
    )  # fmt: skip
    boosting.fit(chosen.numbers[:, columns], chosen.classes, sample_weight=chosen.weights)
    return BeatClassifier(trees_of(boosting, columns), {})


def ensemble(members: list[BeatClassifier]) -> BeatClassifier:
    """Average the log-odds of several ensembles, which gives one with all their trees."""
    parts = [member.trees for member in members]
    joined = Trees(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    baseline = np.mean([part.baseline for part in parts], axis=0)
    trees = joined._replace(values=joined.values / len(parts), baseline=baseline)
    return BeatClassifier(trees, members[0].origin)


def versions() -> dict[str, str]:
    """Name the versions on which trees depend."""
    import sklearn

    return {"leadwise": __version__, "scikit-learn": sklearn.__version__, "numpy": np.__version__}


def choose(patients: list[Patient], seed: int) -> Chosen:
    """Choose the beats of each patient, add simulated ones, and weigh them.

    Of normal beats a part is enough.  Ventricular beats are added a second time with the intervals
    of normal or of simulated premature beats, since most are premature single beats, and a run of
    them has regular intervals.
    """
    parts = []
    for index, patient in enumerate(patients):
        generator = np.random.default_rng([seed, index])
        parts += [
            (patient.name, 1.0, *_genuine(patient, generator)),
            (f"{patient.name} simulated", SIMULATED_WEIGHT, *_simulated(patient, generator)),
            (f"{patient.name} moved", SIMULATED_WEIGHT, *_moved(patient, generator)),
        ]
    _, factors, numbers, classes = zip(*parts, strict=True)
    weights = np.concatenate([_weights(*each) for each in zip(factors, classes, strict=True)])
    all_classes = np.concatenate(classes)
    counts = sum(
        np.bincount(patient.classes[patient.classes >= 0], minlength=len(CLASSES))
        for patient in patients
    )
    for index, total in enumerate(np.asarray(counts, float)):
        own = all_classes == index
        weights[own] *= total / max(weights[own].sum(), 1e-9)
    return Chosen(np.concatenate(numbers), all_classes, weights * len(weights) / weights.sum())


def _weights(factor: float, classes: np.ndarray) -> np.ndarray:
    """Weigh beats so that a patient with many beats of a class does not decide it alone."""
    counts = np.bincount(classes, minlength=len(CLASSES))
    return np.asarray(factor / np.sqrt(counts[classes] + ALONE))


def _genuine(patient: Patient, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    numbers, classes = patient.numbers, patient.classes
    odd = np.abs(numbers[:, [_EARLY, _LATE]]).max(axis=1, initial=0) > PREMATURE
    normal = [
        generator.permutation(np.flatnonzero((classes == 0) & which))[:MOST_NORMAL]
        for which in (odd, ~odd)
    ]
    rows = np.concatenate([*normal, np.flatnonzero(classes > 0)])
    return numbers[rows], classes[rows]


def _simulated(patient: Patient, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    numbers, classes = patient.simulated
    odd = np.abs(numbers[:, [_EARLY, _LATE]]).max(axis=1, initial=0) > PREMATURE
    rows = np.concatenate(
        [
            generator.permutation(np.flatnonzero(which))[:MOST_SIMULATED]
            for which in (classes == 1, (classes == 0) & odd)
        ]
    )
    return numbers[rows], classes[rows]


def _moved(patient: Patient, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give ventricular beats the intervals of other beats."""
    simulated, classes = patient.simulated
    own = generator.permutation(np.flatnonzero(patient.classes == V))[:MOST_MOVED]
    sources = [patient.numbers[patient.classes == 0], simulated[classes == 1]]
    sources = [source for source in sources if len(source)]
    if not sources or not len(classes):
        own = own[:0]
    numbers = patient.numbers[own]
    for index, rows in enumerate(np.array_split(np.arange(len(own)), max(1, len(sources)))):
        if len(rows):
            source = sources[index][generator.integers(len(sources[index]), size=len(rows))]
            numbers[np.ix_(rows, _MOVED)] = source[:, _MOVED]
    return numbers, np.full(len(own), V)


def trees_of(boosting: Any, columns: np.ndarray) -> Trees:
    """Convert scikit-learn's trees to arrays.

    Parameters
    ----------
    boosting : HistGradientBoostingClassifier
        Of three classes, with at most eight leaves per tree.
    columns : np.ndarray of int
        The numbers that it reads, as indices into `NAMES`.
    """
    trees = [tree.nodes for together in boosting._predictors for tree in together]
    result = Trees(
        np.zeros((len(trees), LEAVES - 1), np.int16),
        np.full((len(trees), LEAVES - 1), np.inf, np.float32),
        np.full((len(trees), LEAVES - 1), 255, np.uint8),
        np.zeros((len(trees), LEAVES), np.float32),
        boosting._baseline_prediction.ravel().astype(np.float32),
    )
    for index, nodes in enumerate(trees):
        splits = iter(range(LEAVES - 1))
        leaves = iter(range(LEAVES))

        def descend(node: int, index: int = index, nodes: Any = nodes, splits: Any = splits,
                    leaves: Any = leaves) -> int:  # fmt: skip
            """Convert the subtree of a node; return the bits of its leaves."""
            if nodes["is_leaf"][node]:
                leaf = next(leaves)
                result.values[index, leaf] = nodes["value"][node]
                return 1 << leaf
            split = next(splits)
            below = descend(int(nodes["left"][node]))
            result.features[index, split] = columns[nodes["feature_idx"][node]]
            result.thresholds[index, split] = _rounded_down(nodes["num_threshold"][node])
            result.kept[index, split] = 255 & ~below
            return below | descend(int(nodes["right"][node]))

        descend(0)
    return result


def _rounded_down(threshold: float) -> np.float32:
    """Round to the float32 below, so that comparisons with float32 numbers do not change."""
    rounded = np.float32(threshold)
    return rounded if rounded <= threshold else np.nextafter(rounded, np.float32(-np.inf))
