"""Outputs read back: what a run says of a folder of labelled records, scored with any decision."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.decision import decide
from models.recipe import Part
from scoring.bootstrap import intervals
from scoring.challenge import load_weights, prepare
from scoring.challenge import score as score_all
from scoring.headers import find_pairs, read_labels
from scoring.measures import macro
from scoring.outputs import read_outputs

RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Decided:
    """Scores of one decision; `interval` is the metric's 95 % interval by bootstrap."""

    metric: float
    interval: tuple[float, float]
    f_measure: float
    auroc: float
    auprc: float


@dataclass(frozen=True, eq=False)
class Scored:
    """Labels and probabilities, (records, classes), in the order of the Challenge's classes."""

    labels: np.ndarray
    probabilities: np.ndarray
    names: tuple[str, ...] = ()  # of the records

    def decided(self, decision: Part) -> Decided:
        """Score what a decision makes of the probabilities."""
        outputs = decide(decision, self.probabilities)
        scores = score_all(self.labels, outputs, self.probabilities)
        ready = prepare(self.labels)
        low, high = intervals(
            lambda times: ready.metric(outputs, times)[:, None],
            len(self.labels), RESAMPLES, np.random.default_rng(0),
        )[:, 0]  # fmt: skip
        return Decided(
            float(scores.challenge), (float(low), float(high)), float(macro(scores.f_measure)),
            float(macro(scores.auroc)), float(macro(scores.auprc)),
        )  # fmt: skip


def read_scored(labels: Path, outputs: Path) -> Scored:
    """Read a folder of headers and the outputs on it.

    Raises
    ------
    LeadwiseError
        They do not fit each other.
    """
    classes = load_weights(2021).classes
    pairs = find_pairs(str(labels), str(outputs))
    truth, _ = read_labels(pairs.headers, classes, 2021)
    names = tuple(Path(header).stem for header in pairs.headers)
    return Scored(truth, read_outputs(pairs.outputs, classes, 2021).probabilities, names)


def with_interval(scores: Decided) -> str:
    """Write the metric with its interval."""
    low, high = scores.interval
    return f"{scores.metric:.3f} ({low:.3f} to {high:.3f})"
