"""Outputs read back: what a run says of a folder of labelled records, scored with any decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np

from ecg.records import read_record
from models.decision import decide
from models.recipe import Part
from scoring.bootstrap import intervals
from scoring.challenge import load_weights, prepare
from scoring.challenge import score as score_all
from scoring.headers import find_pairs, read_labels
from scoring.measures import macro
from scoring.outputs import read_outputs
from training.rules import read_answers
from training.settings import read_settings, workers_of

RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Decided:
    """Scores of one decision; `interval` is the metric's 95 % interval by bootstrap."""

    metric: float
    interval: tuple[float, float]
    f_measure: float
    auroc: float
    auprc: float


class Gain(NamedTuple):
    """A gain in the Challenge metric, and its paired bootstrap's standard error."""

    gain: float
    error: float

    def __str__(self) -> str:
        """Write both."""
        return f"{signed(self.gain)} ± {self.error:.4f}"


@dataclass(frozen=True, eq=False)
class Scored:
    """Labels, probabilities and the files' outputs, (records, classes) in the Challenge's order.

    The outputs are what the model's decision and rules made of the probabilities.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    outputs: np.ndarray
    names: tuple[str, ...] = ()  # of the records

    def decided(self, decision: Part) -> Decided:
        """Score what a decision makes of the probabilities."""
        return scores_of(self.labels, decide(decision, self.probabilities), self.probabilities)


def scores_of(labels: np.ndarray, outputs: np.ndarray, probabilities: np.ndarray) -> Decided:
    """Score outputs, (records, classes) as all three arrays are."""
    scores = score_all(labels, outputs, probabilities)
    ready = prepare(labels)
    low, high = intervals(
        lambda times: ready.metric(outputs, times)[:, None],
        len(labels), RESAMPLES, np.random.default_rng(0),
    )[:, 0]  # fmt: skip
    return Decided(
        float(scores.challenge), (float(low), float(high)), float(macro(scores.f_measure)),
        float(macro(scores.auroc)), float(macro(scores.auprc)),
    )  # fmt: skip


def paired_gain(labels: np.ndarray, before: np.ndarray, after: np.ndarray) -> Gain:
    """Measure what other outputs gain; both see the same resamples of the records."""
    ready, records = prepare(labels), len(labels)
    generator = np.random.default_rng(0)
    times = generator.multinomial(records, np.full(records, 1 / records), RESAMPLES)
    gains = ready.metric(after, times) - ready.metric(before, times)
    return Gain(float(ready.metric(after) - ready.metric(before)), float(gains.std(ddof=1)))


def read_scored(
    labels: Path, outputs: Path, classes: Sequence[Sequence[str]] = load_weights(2021).classes
) -> Scored:
    """Read a folder of headers and the outputs on it.

    Parameters
    ----------
    classes : sequence of sequences of str
        The codes that count as one class; by default the Challenge's.

    Raises
    ------
    LeadwiseError
        They do not fit each other.
    """
    pairs = find_pairs(str(labels), str(outputs))
    truth, _ = read_labels(pairs.headers, classes, 2021)
    names = tuple(Path(header).stem for header in pairs.headers)
    said = read_outputs(pairs.outputs, classes, 2021)
    return Scored(truth, said.probabilities, said.outputs, names)


@cache
def ruled(
    records: Path, names: tuple[str, ...], lead_sets: tuple[tuple[str, ...], ...]
) -> dict[tuple[str, ...], np.ndarray]:
    """Let the rules judge records as lead sets see them, (records, rules) int8 of each."""
    read = [read_record(records / f"{name}.hea") for name in names]
    return read_answers(read, lead_sets, workers_of(read_settings()))


def with_interval(scores: Decided) -> str:
    """Write the metric with its interval."""
    low, high = scores.interval
    return f"{scores.metric:.3f} ({low:.3f} to {high:.3f})"


def spread(metrics: Sequence[float]) -> str:
    """Write mean and range of scores that differ by their seeds."""
    return f"{mean(metrics):.3f} ({min(metrics):.3f} to {max(metrics):.3f})"


def signed(gain: float) -> str:
    """Write a gain with its sign, and no -0.0000."""
    return f"{round(gain, 4) + 0.0:+.4f}"
