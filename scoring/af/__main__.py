"""Score answers as the 2017 Challenge does: `python -m scoring.af REFERENCE.csv ANSWERS`.

ANSWERS is an `answers.txt` (lines `A00001,N`) or a folder of output files.  Another letter than the
four, at which the organisers' scorer stops, is an error that names it.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datasets.reference import read_reference
from ecg import LeadwiseError
from ecg.labels import AF_LETTERS, label_matrix
from ecg.progress import quiet_pipe
from scoring.af import AfScores, score
from scoring.outputs import list_names, read_outputs


def read_answers(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Read the answers to the named records from an `answers.txt` or a folder of output files.

    Returns
    -------
    dict
        Letters by record name; records without an answer are absent, other records may be present.

    Raises
    ------
    LeadwiseError
        A file cannot be read, or holds an invalid answer, or two for one record.
    """
    if path.is_dir():
        files = {name: path / f"{name}.csv" for name in names}
        paths = {name: str(file) for name, file in files.items() if file.is_file()}
        outputs = read_outputs(list(paths.values()), [(letter,) for letter in AF_LETTERS]).outputs
        rows = dict(zip(paths, outputs, strict=True))
        if several := [name for name, row in rows.items() if row.sum() > 1]:
            raise LeadwiseError(
                f"{path}: {len(several)} records have more than one class: {list_names(several)}; "
                "2017's classes are exclusive, so the recipe's decision must be `highest`"
            )
        return {name: AF_LETTERS[int(row.argmax())] for name, row in rows.items() if row.any()}
    letters, problems = read_reference(path)
    if problems:
        raise LeadwiseError(f"{path}: {'; '.join(map(str, problems[:3]))}")
    return letters


def matrices(labels: Mapping[str, str], answers: Mapping[str, str]) -> tuple[np.ndarray, ...]:
    """Convert labels and their answers to arrays (records, 4) of bool."""
    truth = [[letter] for letter in labels.values()]
    answered = [[answers[name]] if name in answers else [] for name in labels]
    return label_matrix(truth, AF_LETTERS), label_matrix(answered, AF_LETTERS)


def format_scores(scores: AfScores) -> str:
    """Format scores and confusion matrix as text."""
    lines = [f"{'accuracy':20}{scores.accuracy:.4f}",
             f"{'F1 over N, A, O':20}{scores.f1_three:.4f}",
             f"{'F1 over N, A, O, ~':20}{scores.f1_four:.4f}", "",
             "label" + "".join(f"{letter:>7}" for letter in AF_LETTERS) + "     F1"]  # fmt: skip
    for letter, row, f1 in zip(AF_LETTERS, scores.confusion, scores.f1, strict=True):
        shown = f"{f1:7.4f}" if f1 == f1 else f"{'-':>7}"
        lines.append(f"{letter:5}" + "".join(f"{number:7d}" for number in row) + shown)
    return "\n".join(lines)


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scoring.af",
        description="Score answers by the 2017 Challenge's measures.",
    )
    parser.add_argument("reference", type=Path, help="table of labels: lines A00001,N")
    parser.add_argument("answers", type=Path, help="answers.txt, or a folder of output files")
    options = parser.parse_args(argv)
    try:
        labels, problems = read_reference(options.reference)
        if problems or not labels:
            problem = "; ".join(map(str, problems[:3])) or "holds no label"
            raise LeadwiseError(f"{options.reference}: {problem}")
        answers = read_answers(options.answers, list(labels))
        if not answers.keys() & labels.keys():
            raise LeadwiseError(f"{options.answers}: has no answer for any of the records")
        scores = score(*matrices(labels, answers))
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    _note(
        [name for name in labels if name not in answers], "records without an answer, counted as ~"
    )
    _note([name for name in answers if name not in labels], "answers without a label, not used")
    absent = [letter for letter, f1 in zip(AF_LETTERS, scores.f1, strict=True) if f1 != f1]
    _note(absent, "classes absent from labels and answers, left out of the means")
    print(f"{len(labels)} records")
    print(format_scores(scores))
    return 0


def _note(names: list[str], text: str) -> None:
    """Print a note about records or classes to stderr."""
    if names:
        print(f"Note: {text}: {len(names)} ({list_names(names)}).", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
