"""Growing trees: choice and weights of the beats, boosting, and conversion to arrays."""

from typing import Any, NamedTuple

import numpy as np

from ecg import __version__
from holter.classifier import CLASSES, LEAVES, BeatClassifier, Trees
from holter.numbers import GROUPS, INTERVALS, NAMES, PREMATURE

ROUNDS, RATE, RIDGE, LEAST_BEATS, COLUMNS, BINS = 70, 0.1, 5.0, 30, 0.3, 63  # of the boosting
MOST_NORMAL = 500  # beats of a patient with usual intervals; the same number with others
MOST_SIMULATED, MOST_MOVED = 250, 100  # beats of a patient and kind
VARIANT_WEIGHT = 0.3  # of a beat of a variant
ALONE = 20  # beats: a patient's weight in a class grows with the root of beats + ALONE
N, S, V = range(len(CLASSES))
CLASS_FACTORS = (1.0, 2.0, 1.0)  # S is found at 42 to 54 % without; chosen on DS1
_MOVED = np.array(
    [
        NAMES.index(name)
        for name in (*GROUPS["RR"], "previous beat, all leads", "next beat, all leads")
    ]
)
_EARLY, _LATE = INTERVALS.index("before / slow"), INTERVALS.index("after / slow")


class Beats(NamedTuple):
    """Numbers (beats, len(NAMES)) and classes (beats,); negative classes do not count."""

    numbers: np.ndarray
    classes: np.ndarray


class Patient(NamedTuple):
    """Beats of a training record, and of its variants with simulated rhythms or turned leads."""

    name: str
    genuine: Beats
    simulated: Beats
    turned: Beats


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
    return BeatClassifier(boosted(choose(patients, seed), seed, columns), {})


def boosted(
    chosen: Chosen, seed: int, columns: np.ndarray | None = None, rounds: int = ROUNDS
) -> Trees:
    """Boost trees that tell the classes of the chosen beats; `columns` as for `grow`."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    columns = np.arange(len(NAMES)) if columns is None else columns
    boosting = HistGradientBoostingClassifier(
        max_iter=rounds, max_leaf_nodes=LEAVES, learning_rate=RATE, l2_regularization=RIDGE,
        min_samples_leaf=LEAST_BEATS, max_features=COLUMNS, max_bins=BINS, random_state=seed,
        early_stopping=False,
    )  # fmt: skip
    boosting.fit(chosen.numbers[:, columns], chosen.classes, sample_weight=chosen.weights)
    return trees_of(boosting, columns)


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

    A class has the weight of its beats times its `CLASS_FACTORS`.

    Of normal beats a part is enough.  Ventricular beats are added a second time with the intervals
    of normal or of simulated premature beats, since most are premature single beats, and a run of
    them has regular intervals.
    """
    parts, factors = [], []
    for index, patient in enumerate(patients):
        generator = np.random.default_rng([seed, index])
        parts += [
            _thinned(patient.genuine, MOST_NORMAL, None, generator),
            _thinned(patient.simulated, 0, MOST_SIMULATED, generator),
            _moved(patient, generator),
            patient.turned,
        ]
        factors += [1.0, *[VARIANT_WEIGHT] * 3]
    weights = np.concatenate(
        [_weights(part.classes, factor) for part, factor in zip(parts, factors, strict=True)]
    )
    numbers = np.concatenate([part.numbers for part in parts])
    classes = np.concatenate([part.classes for part in parts])
    for index in range(len(CLASSES)):
        count = sum((patient.genuine.classes == index).sum() for patient in patients)
        own = classes == index
        weights[own] *= CLASS_FACTORS[index] * count / max(weights[own].sum(), 1e-9)
    kept = classes >= 0
    weights = weights[kept] * kept.sum() / weights[kept].sum()
    return Chosen(numbers[kept], classes[kept], weights)


def odd_intervals(numbers: np.ndarray) -> np.ndarray:
    """Mark the beats whose RR interval before or after is not the usual one."""
    return np.asarray(np.abs(numbers[:, [_EARLY, _LATE]]).max(axis=1, initial=0) > PREMATURE)


def _weights(classes: np.ndarray, factor: float) -> np.ndarray:
    """Weigh beats so that a patient with many beats of a class does not decide it alone."""
    counts = np.bincount(classes[classes >= 0], minlength=len(CLASSES))
    return np.where(classes >= 0, factor / np.sqrt(counts[classes] + ALONE), 0.0)


def _thinned(
    beats: Beats, normal: int, others: int | None, generator: np.random.Generator
) -> Beats:
    """Choose normal beats with usual intervals, and of those with others and of other classes."""
    odd = odd_intervals(beats.numbers)
    groups = [
        ((beats.classes == 0) & ~odd, normal),
        ((beats.classes == 0) & odd, normal if others is None else others),
        (beats.classes > 0, others),
    ]
    rows = np.concatenate(
        [generator.permutation(np.flatnonzero(which))[:most] for which, most in groups]
    )
    return Beats(beats.numbers[rows], beats.classes[rows])


def _moved(patient: Patient, generator: np.random.Generator) -> Beats:
    """Give ventricular beats the intervals of normal and of simulated premature beats."""
    genuine, simulated = patient.genuine, patient.simulated
    own = generator.permutation(np.flatnonzero(genuine.classes == V))[:MOST_MOVED]
    numbers = genuine.numbers[own]
    sources = (simulated.numbers[simulated.classes == S], genuine.numbers[genuine.classes == N])
    for rows, source in zip(np.array_split(np.arange(len(own)), 2), sources, strict=True):
        if len(source):
            others = source[generator.integers(len(source), size=len(rows))]
            numbers[np.ix_(rows, _MOVED)] = others[:, _MOVED]
    return Beats(numbers, np.full(len(own), V))


def trees_of(boosting: Any, columns: np.ndarray) -> Trees:
    """Convert scikit-learn's trees to arrays.

    Parameters
    ----------
    boosting : HistGradientBoostingClassifier
        With at most eight leaves per tree.
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
                return int(1 << leaf)
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
