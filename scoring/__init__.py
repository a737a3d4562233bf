"""Metrics of labels and probabilities.  Imports NumPy, `ecg` and `datasets`, never torch.

`METRICS` maps the names that recipes use to functions `metric(labels, outputs, probabilities,
classes) -> float`, higher is better: labels and outputs (records, classes) 0/1 or bool,
probabilities (records, classes) float, classes the SNOMED CT codes in column order.  A mean over
classes leaves out classes with an undefined measure; it is NaN if all are undefined.
"""

from collections.abc import Callable, Sequence

import numpy as np

from scoring import af
from scoring.challenge import challenge_metric
from scoring.measures import accuracy, areas, count, f_measure, macro
from scoring.segments import beat_f1, dice

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[str]], float]

METRICS: dict[str, Metric] = {
    "challenge": lambda labels, outputs, _, classes: challenge_metric(labels, outputs, classes),
    "auroc": lambda labels, _, probabilities, __: float(macro(areas(labels, probabilities).auroc)),
    "auprc": lambda labels, _, probabilities, __: float(macro(areas(labels, probabilities).auprc)),
    "f_measure": lambda labels, outputs, _, __: float(macro(f_measure(count(labels, outputs)))),
    "accuracy": lambda labels, outputs, _, __: float(accuracy(labels, outputs)),
    "af_accuracy": lambda labels, outputs, _, classes: (
        af.score_classes(labels, outputs, classes).accuracy
    ),
    "af_f1": lambda labels, outputs, _, classes: af.score_classes(labels, outputs, classes).f1_four,
}

# Of heads with classes per sample or beat: metric(confusion (classes, classes)) -> float.
DENSE_METRICS: dict[str, Callable[[np.ndarray], float]] = {"dice": dice, "beat_f1": beat_f1}
