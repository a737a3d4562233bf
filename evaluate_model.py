#!/usr/bin/env python
"""Score a folder of outputs against the labels in the headers, as the official command does.

    python evaluate_model.py LABELS OUTPUTS [SCORES [CLASS_SCORES]]

The scores are those of the official scorer of 2021 (or of 2020: --year), to the character, except
for headers of the second dialect, whose labels are read; see scoring/headers.py.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ecg import LeadwiseError, printable
from ecg.files import atomic_write
from ecg.labels import class_name, read_codes
from ecg.progress import quiet_pipe
from ecg.records import summarise
from scoring.bootstrap import intervals
from scoring.challenge import YEARS, Scores, headline, load_weights, score
from scoring.headers import Pairs, find_pairs, read_labels
from scoring.measures import count, precision, recall
from scoring.outputs import (
    IRREGULAR,
    MISNAMED,
    Predictions,
    list_names,
    older_files,
    read_outputs,
    read_text,
)


class Evaluation(NamedTuple):
    """Labels, outputs and probabilities, (records, classes) each, and their scores."""

    labels: np.ndarray
    outputs: np.ndarray
    probabilities: np.ndarray
    scores: Scores


def evaluate_model(label_directory: str, output_directory: str) -> tuple[Any, ...]:
    """Score by the rules of 2021; the result is that of the official function of this name.

    Returns
    -------
    tuple
        classes (list of sets of codes), auroc, auprc, auroc_classes, auprc_classes, accuracy,
        f_measure, f_measure_classes, challenge_metric.

    Raises
    ------
    LeadwiseError
        A folder or files cannot be scored; it names them.
    """
    scores = evaluate(label_directory, output_directory).scores
    auroc, auprc, accuracy, f_measure, metric = map(float, headline(scores).values())
    classes = [set(codes) for codes in load_weights().classes]
    areas = auroc, auprc, scores.auroc, scores.auprc
    return classes, *areas, accuracy, f_measure, scores.f_measure, metric


def evaluate(label_directory: str, output_directory: str, year: int = 2021) -> Evaluation:
    """Read and score two folders, with the official progress on stdout and notes on stderr."""
    print("Loading weights...")
    classes = load_weights(year).classes
    print("Loading label and output files...")
    pairs = find_pairs(label_directory, output_directory)
    _check_labels(label_directory, output_directory, pairs.headers)
    labels, repeated, unread = read_labels(pairs.headers, classes, year)
    predictions = read_outputs(pairs.outputs, classes, year)
    for path in predictions.malformed:
        print(
            f"- The output file {printable(path)} has formatting errors, "
            "so all outputs are assumed to be negative for this recording."
        )
    unlabelled = [pairs.headers[number] for number in np.flatnonzero(~labels.any(axis=1))]
    _note(unread, "headers whose Dx line holds no code and no known name")
    _note_files(pairs, unlabelled, predictions, year)
    if year == 2020:
        _note(repeated, "headers with two Dx lines, which shift all later labels (as officially)")
    print("Evaluating model...")
    measures = ["AUROC and AUPRC", "Accuracy", "F-measure", "Challenge metric"]
    if year == 2020:
        measures.insert(3, "F-beta and G-beta measures")
    for measure in measures:  # the official lines; all are computed at once
        print(f"- {measure}...")
    scores = score(labels, predictions.outputs, predictions.probabilities, year)
    print("Done.")
    return Evaluation(labels, predictions.outputs, predictions.probabilities, scores)


def _check_labels(label_directory: str, output_directory: str, headers: list[str]) -> None:
    """Refuse headers without any code, such as 2017's."""
    if any(read_codes(read_text(path, errors="replace")) for path in headers):  # ends at the first
        return
    raise LeadwiseError(
        f"{label_directory}: none of its {len(headers)} headers has a code in a Dx line, so there "
        "is nothing to score. The labels of 2017 are in a table; score them by "
        f"`python -m scoring.af REFERENCE.csv {output_directory}`."
    )


def _note_files(pairs: Pairs, unlabelled: list[str], predictions: Predictions, year: int) -> None:
    """Print notes about files that are not read as their writer may expect."""
    for problem in summarise(pairs.problems):
        print(f"Note: {printable(problem)}.", file=sys.stderr)
    _note(pairs.unused, "output files without a header, not used")
    _note(unlabelled, "records without a scored label")
    if len(unlabelled) == len(pairs.headers):
        print("Note: no record has a scored label, so these scores mean nothing.", file=sys.stderr)
    _note(predictions.empty, "output files without a scored class, counted as all negative")
    _note(predictions.foreign, "output files with other classes than the rest, of another model?")
    _note(predictions.misnamed, MISNAMED)
    _note(predictions.irregular, IRREGULAR)
    _note(older_files(pairs.outputs), "output files much older than the rest, of an earlier run?")
    _note(predictions.unclear, "output files with outputs other than 0 and 1, counted as negative")
    counted = "0" if year == 2021 else "in 2020"
    text = f"output files with probabilities that are no finite numbers, counted as {counted}"
    _note(predictions.infinite, text)


def _note(paths: list[str], text: str) -> None:
    """Print a note about files to stderr."""
    if paths:
        names = list_names([os.path.basename(path) for path in paths])
        print(f"Note: {text}: {len(paths)} ({names}).", file=sys.stderr)


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
    """Format numbers as in the official files."""
    return ",".join(f"{value:.3f}" for value in values)


def format_classes(evaluation: Evaluation, year: int = 2021) -> str:
    """Format the measures of each class as text, `-` for an undefined measure."""
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
    for index, codes in enumerate(load_weights(year).classes):
        line = f"{'|'.join(map(class_name, codes)):12}{'|'.join(codes):22}"
        for name, values in columns.items():
            form = ".0f" if name in ("labels", "outputs") else ".3f"
            line += f"{values[index]:10{form}}" if values[index] == values[index] else f"{'-':>10}"
        lines.append(line)
    return "\n".join(lines)


def format_intervals(evaluation: Evaluation, year: int, resamples: int, seed: int) -> str:
    """Bootstrap the official scores and format their 95 % intervals as text."""

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


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description="Score a folder of outputs against the labels in a folder of headers."
    )
    parser.add_argument("labels", help="folder of headers (.hea) with Dx lines, flat or nested")
    parser.add_argument("outputs", help="folder of output files, NAME.csv for each NAME.hea")
    parser.add_argument("scores", nargs="?", help="file for the scores (default: print them)")
    parser.add_argument("class_scores", nargs="?", help="file for the scores of each class")
    parser.add_argument(
        "--year", type=int, choices=YEARS, default=2021, help="rules of this year (default: 2021)"
    )
    parser.add_argument("--classes", action="store_true", help="print a table of the classes")
    parser.add_argument(
        "--bootstrap",
        type=int,
        default=0,
        metavar="N",
        help="print 95 %% intervals from N resamples (default: none)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the resamples (default: 0)")
    options = parser.parse_args(argv)
    if options.bootstrap < 0 or options.seed < 0:
        parser.error("--bootstrap and --seed must be 0 or more")
    try:
        _run(options)
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    """Evaluate, then write and print the requested tables."""
    for path in filter(None, (options.scores, options.class_scores)):
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise LeadwiseError(
                f"{path}: the folder {os.path.dirname(path)} does not exist; create it first."
            )
    evaluation = evaluate(options.labels, options.outputs, options.year)
    if options.scores:
        _write(options.scores, score_table(evaluation.scores, options.year))
    else:
        print(score_table(evaluation.scores, options.year))
    if options.class_scores:
        _write(options.class_scores, class_table(evaluation.scores, options.year))
    if options.classes:
        print(format_classes(evaluation, options.year))
    if options.bootstrap:
        print(format_intervals(evaluation, options.year, options.bootstrap, options.seed))


def _write(path: str, text: str) -> None:
    """Write a table atomically."""
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
