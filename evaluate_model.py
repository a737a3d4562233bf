#!/usr/bin/env python
"""Score a folder of outputs against the labels in the headers, as the official command does.

    python evaluate_model.py LABELS OUTPUTS [SCORES [CLASS_SCORES]]

The answer is the official one of the 2021 Challenge (or of 2020: --year), to the character, but for
headers of the second dialect, whose labels are read; see scoring/headers.py.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.labels import class_name
from scoring.bootstrap import intervals
from scoring.challenge import YEARS, Scores, headline, load_weights, score
from scoring.headers import find_pairs, read_labels
from scoring.measures import count, precision, recall
from scoring.outputs import read_outputs, some


class Evaluation(NamedTuple):
    """Labels, outputs and probabilities, (records, classes) each, and their scores."""

    labels: np.ndarray
    outputs: np.ndarray
    probabilities: np.ndarray
    scores: Scores


def evaluate_model(label_directory: str, output_directory: str) -> tuple:
    """Score by the rules of 2021, and answer as the official function of this name does.

    Returns
    -------
    tuple
        classes (list of sets of codes), auroc, auprc, auroc_classes, auprc_classes, accuracy,
        f_measure, f_measure_classes, challenge_metric.

    Raises
    ------
    LeadwiseError
        If a folder or files cannot be scored; it names them.
    """
    scores = evaluate(label_directory, output_directory).scores
    auroc, auprc, accuracy, f_measure, metric = map(float, headline(scores).values())
    classes = [set(codes) for codes in load_weights().classes]
    areas = auroc, auprc, scores.auroc, scores.auprc
    return classes, *areas, accuracy, f_measure, scores.f_measure, metric


def evaluate(label_directory: str, output_directory: str, year: int = 2021) -> Evaluation:
    """Read and score two folders, with the official progress on stdout and oddities on stderr."""
    print("Loading weights...")
    classes = load_weights(year).classes
    print("Loading label and output files...")
    pairs = find_pairs(label_directory, output_directory)
    labels, doubled = read_labels(pairs.headers, classes, year)
    answers = read_outputs(pairs.outputs, classes, year)
    for path in answers.malformed:
        print(
            f"- The output file {path} has formatting errors, "
            "so all outputs are assumed to be negative for this recording."
        )
    unlabelled = [pairs.headers[number] for number in np.flatnonzero(~labels.any(axis=1))]
    _note(pairs.unused, "output files without a header, not used")
    _note(unlabelled, "records without a scored label")
    _note(answers.empty, "output files without a scored class, counted as all negative")
    if year == 2020:
        _note(doubled, "headers with two Dx lines, which shift all later labels (as officially)")
    print("Evaluating model...")
    parts = ["AUROC and AUPRC", "Accuracy", "F-measure", "Challenge metric"]
    if year == 2020:
        parts.insert(3, "F-beta and G-beta measures")
    for part in parts:  # the official lines, though all are computed at once
        print(f"- {part}...")
    scores = score(labels, answers.outputs, answers.probabilities, year)
    print("Done.")
    return Evaluation(labels, answers.outputs, answers.probabilities, scores)


def _note(paths: list[str], what: str) -> None:
    """Tell of something odd that does not stop the evaluation."""
    if paths:
        names = some([os.path.basename(path) for path in paths])
        print(f"Note: {what}: {len(paths)} ({names}).", file=sys.stderr)


def score_table(scores: Scores, year: int = 2021) -> str:
    """Format the scores file: names and values, without a newline at the end."""
    named = headline(scores, year)
    return f"{','.join(named)}\n{_cells(map(float, named.values()))}"


def class_table(scores: Scores, year: int = 2021) -> str:
    """Format the per-class file, without a newline at the end."""
    rows = {"AUROC": scores.auroc, "AUPRC": scores.auprc, "F-measure": scores.f_measure}
    head = ",".join(("Classes", *load_weights(year).names))
    return "\n".join([head, *(f"{name},{_cells(values)}" for name, values in rows.items())])


def _cells(values: Iterable[float]) -> str:
    """Format numbers as the official files have them."""
    return ",".join(f"{value:.3f}" for value in values)


def readable_classes(evaluation: Evaluation, year: int = 2021) -> str:
    """Lay the measures of each class out for people, `-` where a measure is undefined."""
    counts = count(evaluation.labels, evaluation.outputs)
    columns = {
        "labels": counts.tp + counts.fn,
        "outputs": counts.tp + counts.fp,
        "recall": recall(counts),
        "precision": precision(counts),
        "F": evaluation.scores.f_measure,
        "AUROC": evaluation.scores.auroc,
        "AUPRC": evaluation.scores.auprc,
    }
    lines = [f"{'class':12}{'codes':22}" + "".join(f"{name:>10}" for name in columns)]
    for place, codes in enumerate(load_weights(year).classes):
        line = f"{'|'.join(map(class_name, codes)):12}{'|'.join(codes):22}"
        for name, values in columns.items():
            form = ".0f" if name in ("labels", "outputs") else ".3f"
            line += f"{values[place]:10{form}}" if values[place] == values[place] else f"{'-':>10}"
        lines.append(line)
    return "\n".join(lines)


def readable_intervals(evaluation: Evaluation, year: int, resamples: int, seed: int) -> str:
    """Bootstrap the official scores, and lay their 95 % intervals out for people."""

    def resampled(times: np.ndarray) -> np.ndarray:
        scores = score(*evaluation[:3], year, times)
        return np.stack(list(headline(scores, year).values()), axis=-1)

    lower, upper = intervals(
        resampled, len(evaluation.labels), resamples, np.random.default_rng(seed)
    )
    lines = [
        f"95 % intervals, {resamples} resamples of {len(evaluation.labels)} records, seed {seed}"
    ]
    for (name, value), low, high in zip(
        headline(evaluation.scores, year).items(), lower, upper, strict=True
    ):
        lines.append(f"{name:18}{value:7.3f}  ({low:.3f} to {high:.3f})")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the answer is its exit status."""
    parser = argparse.ArgumentParser(
        description="Score a folder of outputs against the labels in a folder of headers."
    )
    parser.add_argument("labels", help="folder of headers (.hea) with their Dx lines")
    parser.add_argument("outputs", help="folder of output files, NAME.csv for each NAME.hea")
    parser.add_argument("scores", nargs="?", help="file for the scores, else they are printed")
    parser.add_argument("class_scores", nargs="?", help="file for the scores of each class")
    parser.add_argument(
        "--year", type=int, choices=YEARS, default=2021, help="whose rules (default: 2021)"
    )
    parser.add_argument("--classes", action="store_true", help="print a table of the classes")
    parser.add_argument(
        "--bootstrap", type=int, default=0, metavar="N", help="print intervals (default: none)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the resamples (default: 0)")
    options = parser.parse_args(argv)
    if options.bootstrap < 0 or options.seed < 0:
        parser.error("--bootstrap and --seed take numbers from 0 on")
    try:
        _run(options)
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    """Evaluate, write and print what was asked for."""
    for path in filter(None, (options.scores, options.class_scores)):
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise LeadwiseError(
                f"{path}: there is no folder {os.path.dirname(path)}; make it first."
            )
    evaluation = evaluate(options.labels, options.outputs, options.year)
    if options.scores:
        _write(options.scores, score_table(evaluation.scores, options.year))
    else:
        print(score_table(evaluation.scores, options.year))
    if options.class_scores:
        _write(options.class_scores, class_table(evaluation.scores, options.year))
    if options.classes:
        print(readable_classes(evaluation, options.year))
    if options.bootstrap:
        print(readable_intervals(evaluation, options.year, options.bootstrap, options.seed))


def _write(path: str, text: str) -> None:
    """Write a table, aside and renamed."""
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
