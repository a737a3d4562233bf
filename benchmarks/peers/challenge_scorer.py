"""The Challenge's scorers of 2021 and 2020, typed loop by loop from their description.

Slow, simple and independent of `scoring`, of which nothing is imported here.  Arrays are (records,
classes).  Tests and `benchmarks.scoring` compare ours with it.  Source: evaluation-2021,
evaluation-2020 (BSD-2-Clause).
"""

import math
import os
from pathlib import Path

import numpy as np

Columns = tuple[list[set[str]], list[bool], list[float]]  # classes, outputs, probabilities
SINUS_RHYTHM = "426783006"
EQUAL_2020 = {"59118001": "713427006", "63593006": "284470004", "17338001": "427172004"}


def load_weights(path: str | Path, year: int) -> tuple[list[set[str]], np.ndarray]:
    """Return the classes (sets of codes) and the weights (NaN where a cell is not finite)."""
    with open(path) as file:
        table = [line.strip().split(",") for line in file]
    names = table[0][1:]
    values = [[number(cell) for cell in row[1:]] for row in table[1:]]
    indices = [j for j in range(len(names)) if year == 2021 or names[j] not in EQUAL_2020]
    classes = []
    for j in indices:
        codes = set(names[j].split("|"))
        if year == 2020:
            codes |= {other for other, first in EQUAL_2020.items() if first == names[j]}
        classes.append(codes)
    weights = np.array([[values[j][k] for k in indices] for j in indices])
    weights[~np.isfinite(weights)] = math.nan
    return classes, weights


def number(cell: str, otherwise: float = math.nan) -> float:
    """Return the number in a cell, or the other value if it holds none."""
    try:
        return float(cell)
    except ValueError:
        return otherwise


def find_files(label_folder: str | Path, output_folder: str | Path) -> tuple[list[str], list[str]]:
    """Return the paths of headers and of the outputs of the same names."""
    headers, outputs = [], []
    for name in sorted(os.listdir(label_folder)):
        path = os.path.join(label_folder, name)
        if os.path.isfile(path) and name.lower().endswith(".hea") and not name.startswith("."):
            output = os.path.join(output_folder, os.path.splitext(name)[0] + ".csv")
            if not os.path.isfile(output):
                raise OSError(f"{output} is missing")
            headers.append(path)
            outputs.append(output)
    if not headers:
        raise OSError("no headers")
    return headers, outputs


def read_labels(headers: list[str], classes: list[set[str]], year: int) -> np.ndarray:
    """Read dialect 1 as the official scorers do (dialect 2 has no label here)."""
    diagnoses = []
    for path in headers:
        codes = []
        with open(path) as file:
            for line in file:
                if line.startswith("#Dx"):
                    if year == 2020:
                        diagnoses.append([code.strip() for code in line.split(": ")[1].split(",")])
                    elif ": " in line:
                        codes += [code.strip() for code in line.split(": ")[1].split(",")]
        if year == 2021:
            diagnoses.append(codes)
    labels = np.zeros((len(headers), len(classes)), dtype=bool)
    for i in range(len(headers)):
        for j, names in enumerate(classes):
            labels[i, j] = any(code in names for code in diagnoses[i])
    return labels


def read_outputs(
    paths: list[str], classes: list[set[str]], year: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs and probabilities."""
    outputs = np.zeros((len(paths), len(classes)), dtype=bool)
    probabilities = np.zeros((len(paths), len(classes)))
    for i, path in enumerate(paths):
        cells = read_file_2021(path) if year == 2021 else read_file_2020(path)
        for j, codes in enumerate(classes):
            columns = [k for k, column in enumerate(cells[0]) if column & codes]
            if columns:
                outputs[i, j] = any(cells[1][k] for k in columns)
                values = [cells[2][k] for k in columns]
                values = [value for value in values if not math.isnan(value)]
                mean = sum(values) / len(values) if values else 0.0
                probabilities[i, j] = 0.0 if math.isnan(mean) else mean
    return outputs, probabilities


def read_file_2021(path: str) -> Columns:
    """Return classes (sets of codes), outputs and probabilities of a file."""
    with open(path) as file:
        lines = [line.rstrip("\n").split(",") for line in file]
    if len(lines) < 4:
        raise ValueError(f"{path} is too short")
    columns = [set(cell.strip().split("|")) for cell in lines[1]]
    marks = [number(cell) == 1 or cell.strip() in ("True", "true", "T", "t") for cell in lines[2]]
    values = [number(cell) if math.isfinite(number(cell)) else 0.0 for cell in lines[3]]
    return columns, marks, values


def read_file_2020(path: str) -> Columns:
    """Return the same; a file in another format counts as empty."""
    with open(path) as file:
        rows = [line for line in file if line.strip() and not line.strip().startswith("#")]
    lines = [[cell.strip() for cell in line.split(",")] for line in rows]
    if len(lines) < 3 or any(len(line) != len(lines[0]) for line in lines):
        return [], [], []
    columns = [{cell} for cell in lines[0]]
    marks = [cell in ("1", "True", "true", "T", "t") for cell in lines[1]]
    return columns, marks, [number(cell, otherwise=0.0) for cell in lines[2]]


def mean_of_known(values: list[float]) -> float:
    """Return the mean of the values that are not NaN."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def divide(part: float, whole: float) -> float:
    """Divide; by 0 the result is NaN."""
    return part / whole if whole else math.nan


def accuracy(labels: np.ndarray, outputs: np.ndarray) -> float:
    """Return the share of records whose outputs all equal the labels."""
    correct = 0
    for i in range(len(labels)):
        if all(labels[i, j] == outputs[i, j] for j in range(labels.shape[1])):
            correct += 1
    return correct / len(labels)


def confusion(
    labels: np.ndarray, outputs: np.ndarray, j: int, shared: bool = False
) -> tuple[float, float, float]:
    """Return TP, FP and FN of class j; if shared, a record weighs 1 / its number of labels."""
    tp = fp = fn = 0.0
    for i in range(len(labels)):
        weight = 1 / max(1, sum(labels[i])) if shared else 1
        if labels[i, j] and outputs[i, j]:
            tp += weight
        elif outputs[i, j]:
            fp += weight
        elif labels[i, j]:
            fn += weight
    return tp, fp, fn


def f_measures(labels: np.ndarray, outputs: np.ndarray) -> list[float]:
    """Return the F-measure of each class."""
    measures = []
    for j in range(labels.shape[1]):
        tp, fp, fn = confusion(labels, outputs, j)
        measures.append(divide(2 * tp, 2 * tp + fp + fn))
    return measures


def beta_measures(
    labels: np.ndarray, outputs: np.ndarray, beta: float = 2
) -> tuple[list[float], list[float]]:
    """Return F-beta and G-beta of each class."""
    f_beta, g_beta = [], []
    for j in range(labels.shape[1]):
        tp, fp, fn = confusion(labels, outputs, j, shared=True)
        f_beta.append(divide((1 + beta**2) * tp, (1 + beta**2) * tp + fp + beta**2 * fn))
        g_beta.append(divide(tp, tp + fp + beta * fn))
    return f_beta, g_beta


def areas(labels: np.ndarray, probabilities: np.ndarray) -> tuple[list[float], list[float]]:
    """Return AUROC and AUPRC of each class."""
    auroc, auprc = [], []
    for j in range(labels.shape[1]):
        roc, pr = areas_of_class(list(labels[:, j]), list(probabilities[:, j]))
        auroc.append(roc)
        auprc.append(pr)
    return auroc, auprc


def areas_of_class(positive: list[bool], values: list[float]) -> tuple[float, float]:
    """Return AUROC and AUPRC, summed over thresholds from the largest value down."""
    order = sorted(range(len(values)), key=lambda i: -values[i])
    tp = fp = 0
    fn = sum(positive)
    tn = len(positive) - fn
    before = divide(tp, tp + fn), divide(tn, tn + fp)
    roc = pr = 0.0
    i = 0
    for threshold in sorted(set(values), reverse=True):
        while i < len(order) and values[order[i]] >= threshold:
            if positive[order[i]]:
                tp, fn = tp + 1, fn - 1
            else:
                fp, tn = fp + 1, tn - 1
            i += 1
        tpr, tnr = divide(tp, tp + fn), divide(tn, tn + fp)
        roc += 0.5 * (tpr - before[0]) * (tnr + before[1])
        pr += (tpr - before[0]) * divide(tp, tp + fp)
        before = tpr, tnr
    return roc, pr


def total_score(weights: np.ndarray, labels: np.ndarray, outputs: np.ndarray) -> float:
    """Return the sum of the weighted confusions."""
    records, classes = labels.shape
    confusions = np.zeros((classes, classes))
    for i in range(records):
        shared = max(1, sum(bool(labels[i, j] or outputs[i, j]) for j in range(classes)))
        for j in range(classes):
            if labels[i, j]:
                for k in range(classes):
                    if outputs[i, k]:
                        confusions[j, k] += 1 / shared
    return float(np.nansum(weights * confusions))


def challenge_metric(
    weights: np.ndarray, labels: np.ndarray, outputs: np.ndarray, classes: list[set[str]]
) -> float:
    """Return the Challenge metric: 1 for the labels, 0 for sinus rhythm alone."""
    inactive = np.zeros_like(outputs)
    for j, codes in enumerate(classes):
        if SINUS_RHYTHM in codes:
            inactive[:, j] = True
    observed = total_score(weights, labels, outputs)
    correct = total_score(weights, labels, labels)
    lowest = total_score(weights, labels, inactive)
    # Sums that the official loops find equal may differ in the last bits in another order.
    if math.isclose(correct, lowest, rel_tol=1e-12, abs_tol=1e-12):
        return 0.0
    return (observed - lowest) / (correct - lowest)


def evaluate(
    label_folder: str | Path, output_folder: str | Path, weights_path: str | Path, year: int
) -> tuple[list[set[str]], dict[str, float], dict[str, list[float]]]:
    """Return classes and all scores, by the names of cases.json, and the per-class lists."""
    classes, weights = load_weights(weights_path, year)
    headers, paths = find_files(label_folder, output_folder)
    labels = read_labels(headers, classes, year)
    outputs, probabilities = read_outputs(paths, classes, year)
    auroc, auprc = areas(labels, probabilities)
    f_measure = f_measures(labels, outputs)
    scores = {
        "auroc": mean_of_known(auroc),
        "auprc": mean_of_known(auprc),
        "accuracy": accuracy(labels, outputs),
        "f_measure": mean_of_known(f_measure),
        "challenge_metric": challenge_metric(weights, labels, outputs, classes),
    }
    if year == 2020:
        f_beta, g_beta = beta_measures(labels, outputs)
        scores["fbeta_measure"] = mean_of_known(f_beta)
        scores["gbeta_measure"] = mean_of_known(g_beta)
    return classes, scores, {"auroc": auroc, "auprc": auprc, "f_measure": f_measure}
