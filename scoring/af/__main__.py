"""Score answers as the 2017 Challenge does: `python -m scoring.af REFERENCE.csv ANSWERS`.

ANSWERS is an `answers.txt` (lines `A00001,N`) or a folder of output files.  What the organisers'
scorer stops at, another letter than the four, is named.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datasets.reference import read_reference
from ecg import LeadwiseError
from ecg.labels import AF_LETTERS, label_matrix
from scoring.af import AfScores, score
from scoring.outputs import read_outputs, some


def read_answers(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Read the answers to the named records: an `answers.txt`, or a folder of output files.

    Returns
    -------
    dict
        From a record's name to its letter; records without an answer are not in it, others may be.

    Raises
    ------
    LeadwiseError
        A file cannot be read, or holds what is no answer, or two for one record.
    """
    if path.is_dir():
        files = {name: path / f"{name}.csv" for name in names}
        there = {name: str(file) for name, file in files.items() if file.is_file()}
        found = read_outputs(list(there.values()), [(letter,) for letter in AF_LETTERS]).outputs
        if twice := [name for name, row in zip(there, found, strict=True) if row.sum() > 1]:
            raise LeadwiseError(
                f"{path}: {len(twice)} records have more than one class: {some(twice)}; 2017's "
                "classes are exclusive, so let the recipe's decision be `highest`"
            )
        rows = zip(there, found, strict=True)
        return {name: AF_LETTERS[int(row.argmax())] for name, row in rows if row.any()}
    letters, problems = read_reference(path)
    if problems:
        raise LeadwiseError(f"{path}: {'; '.join(map(str, problems[:3]))}")
    return letters


def matrices(labels: Mapping[str, str], answers: Mapping[str, str]) -> tuple[np.ndarray, ...]:
    """Lay labels and the answers to them out as arrays (records, 4) of bool."""
    told = [[answers[name]] if name in answers else [] for name in labels]
    return label_matrix([[one] for one in labels.values()], AF_LETTERS), label_matrix(
        told, AF_LETTERS
    )


def readable(scores: AfScores) -> str:
    """Lay scores out for people."""
    lines = [f"{'accuracy':20}{scores.accuracy:.4f}",
             f"{'F1 over N, A, O':20}{scores.f1_three:.4f}",
             f"{'F1 over N, A, O, ~':20}{scores.f1_four:.4f}", "",
             "label" + "".join(f"{letter:>7}" for letter in AF_LETTERS) + "     F1"]  # fmt: skip
    for letter, row, f1 in zip(AF_LETTERS, scores.confusion, scores.f1, strict=True):
        shown = f"{f1:7.4f}" if f1 == f1 else f"{'-':>7}"
        lines.append(f"{letter:5}" + "".join(f"{number:7d}" for number in row) + shown)
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the answer is its exit status."""
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
            what = "; ".join(map(str, problems[:3])) or "holds no label"
            raise LeadwiseError(f"{options.reference}: {what}")
        answers = read_answers(options.answers, list(labels))
        scores = score(*matrices(labels, answers))
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    _note([name for name in labels if name not in answers], "records without an answer, now ~")
    _note([name for name in answers if name not in labels], "answers without a label, not used")
    nowhere = [letter for letter, f1 in zip(AF_LETTERS, scores.f1, strict=True) if f1 != f1]
    _note(nowhere, "classes that nobody names, left out of the means")
    print(f"{len(labels)} records")
    print(readable(scores))
    return 0


def _note(names: list[str], what: str) -> None:
    """Tell of something odd that does not stop the scoring."""
    if names:
        print(f"Note: {what}: {len(names)} ({some(names)}).", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
