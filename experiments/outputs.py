"""Labels and outputs of a folder of records, and the measures that compare them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np

from datasets.reference import FILE as REFERENCE
from datasets.reference import read_reference
from ecg import LeadwiseError
from ecg.folders import find_headers
from ecg.labels import AF_LETTERS, CODES, label_matrix
from ecg.records import read_record
from models.decision import decide
from models.recipe import Part
from scoring.bootstrap import intervals
from scoring.challenge import Prepared, load_weights, prepare
from scoring.headers import find_pairs, read_labels
from scoring.measures import accuracy, areas, count, f_measure, macro
from scoring.outputs import read_outputs, read_text
from training.decisions import read_answers
from training.settings import read_settings, workers_of

RESAMPLES = 1000
NO = "–"


@dataclass(frozen=True, eq=False)
class Scored:
    """Labels, probabilities and outputs, all (records, classes).

    `outputs` are predicted labels after the model's decision and rules.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    outputs: np.ndarray
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = CODES

    @cached_property
    def prepared(self) -> Prepared:
        """The labels, prepared for the Challenge metric."""
        return prepare(self.labels)

    def decided(self, decision: Part) -> "Scored":
        """Replace the outputs by those of a decision."""
        return replace(self, outputs=decide(decision, self.probabilities))

    @property
    def columns(self) -> list[int]:
        """Columns of PTB-XL's statements; unlike SNOMED CT codes they are not numbers."""
        return [column for column, name in enumerate(self.classes) if not name.isdigit()]


class Measure(NamedTuple):
    """A measure's title and function: (scored, times or None) → (resamples,) or a number."""

    title: str
    of: Callable[[Scored, np.ndarray | None], np.ndarray]


class Value(NamedTuple):
    """A measure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Format for a table."""
        if np.isnan(self.value):
            return NO
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


class Gain(NamedTuple):
    """A difference with its standard error by paired bootstrap."""

    gain: float
    error: float

    def __str__(self) -> str:
        """Format for a table."""
        return f"{signed(self.gain)} ± {self.error:.4f}"


def _f1(scored: Scored, times: np.ndarray | None) -> np.ndarray:
    return f_measure(count(scored.labels, scored.outputs, times))


def _statements(scored: Scored, times: np.ndarray | None) -> np.ndarray:
    labels, probabilities = (x[:, scored.columns] for x in (scored.labels, scored.probabilities))
    return macro(areas(labels, probabilities, times).auroc)


MEASURES: Mapping[str, Measure] = {
    "challenge": Measure("Challenge metric", lambda s, t: s.prepared.metric(s.outputs, t)),
    "accuracy": Measure("accuracy", lambda s, t: accuracy(s.labels, s.outputs, t)),
    "f_measure": Measure("macro F1", lambda s, t: macro(_f1(s, t))),
    "af_f1": Measure(
        "F1 over N, A, O", lambda s, t: macro(_f1(s, t)[..., : 3 if s.classes == AF_LETTERS else 0])
    ),
    "auroc": Measure("AUROC", lambda s, t: macro(areas(s.labels, s.probabilities, t).auroc)),
    "auprc": Measure("AUPRC", lambda s, t: macro(areas(s.labels, s.probabilities, t).auprc)),
    "statements": Measure("macro AUC of the statements", _statements),
}


def measured(scored: Scored, name: str = "challenge") -> Value:
    """Compute a measure, a key of `MEASURES`, and its interval."""
    measure, generator = MEASURES[name].of, np.random.default_rng(0)
    low, high = intervals(
        lambda times: measure(scored, times)[:, None], len(scored.labels), RESAMPLES, generator
    )[:, 0]
    return Value(float(measure(scored, None)), float(low), float(high))


def paired_gain(before: Scored, after: Scored, name: str = "challenge") -> Gain:
    """Measure the gain from one set of outputs to another, on the same resamples."""
    measure, records = MEASURES[name].of, len(before.labels)
    times = np.random.default_rng(0).multinomial(records, np.full(records, 1 / records), RESAMPLES)
    gains = measure(after, times) - measure(before, times)
    gain = measure(after, None) - measure(before, None)
    return Gain(float(gain), float(np.nanstd(gains, ddof=1)))


def classes_of(outputs: Path) -> tuple[str, ...]:
    """Read the classes of a folder's outputs from the first file that has any.

    Raises
    ------
    LeadwiseError
        The folder holds no output with classes.
    """
    for path in sorted(outputs.glob("*.csv")):
        rows = read_text(str(path)).splitlines()
        if len(rows) > 1 and rows[1].strip():
            return tuple(cell.strip() for cell in rows[1].split(","))
    raise LeadwiseError(f"{outputs}: holds no output file (.csv) with classes")


def read_scored(records: Path, outputs: Path, classes: Sequence[str] = CODES) -> Scored:
    """Read a folder's labels, from headers or (2017's) REFERENCE.csv, and the outputs on them.

    Parameters
    ----------
    classes : sequence of str
        The model's classes; with 2017's, a record without an output counts as noise.

    Raises
    ------
    LeadwiseError
        Records and outputs do not fit each other.
    """
    pairs = find_pairs(str(records), str(outputs))
    names = tuple(Path(header).stem for header in pairs.headers)
    groups = [tuple(name.split("|")) for name in classes]
    paths = pairs.outputs
    if "A" in {letter for group in groups for letter in group}:  # 2017's
        letters, _ = read_reference(records / REFERENCE)
        known = {letter for group in groups for letter in group}  # "af_n" lacks O and ~
        names = tuple(name for name in names if letters.get(name) in known)
        paths = [str(outputs / f"{name}.csv") for name in names]
        labels = label_matrix([[letters[name]] for name in names], tuple(classes))
    else:
        if tuple(classes) == CODES:
            groups = list(load_weights(2021).classes)
        labels = read_labels(pairs.headers, groups, 2021).labels
    answers = read_outputs(paths, groups, 2021)
    decided = answers.outputs.copy()
    decided |= ~decided.any(1, keepdims=True) & np.array(["~" in group for group in groups])
    return Scored(labels, answers.probabilities, decided, names, tuple(classes))


def pooled(parts: Sequence[Scored]) -> Scored:
    """Join the records of several folds.

    Raises
    ------
    LeadwiseError
        A record is in two of them, or their classes differ.
    """
    names = tuple(name for each in parts for name in each.names)
    if len(set(names)) < len(names) or len({each.classes for each in parts}) > 1:
        raise LeadwiseError("folds with common records or different classes cannot be joined")
    labels, probabilities, outputs = (
        np.concatenate([getattr(each, name) for each in parts])
        for name in ("labels", "probabilities", "outputs")
    )
    return Scored(labels, probabilities, outputs, names, parts[0].classes)


@cache
def rule_answers(
    records: Path, names: tuple[str, ...], leads: tuple[str, ...], detector: str = "house"
) -> np.ndarray:
    """Apply the rules of a detector to records with these leads: int8 (records, rules)."""
    paths = {path.stem: path for path in find_headers(records)[0]}
    read = [read_record(paths[name]) for name in names]
    workers = workers_of(read_settings())
    return read_answers(read, (leads,), workers, detector=detector)[leads]


def spread(values: Sequence[float]) -> str:
    """Format mean and range of values that differ by seed."""
    if np.isnan(values).any():
        return NO
    return f"{mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def signed(gain: float) -> str:
    """Format a gain with its sign, without -0.0000."""
    return f"{round(gain, 4) + 0.0:+.4f}"
