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
from scoring.outputs import IRREGULAR, MISNAMED, list_names, read_outputs

LEGEND = "N normal, A atrial fibrillation, O other rhythm, ~ too noisy"


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
        read = read_outputs(list(paths.values()), [(letter,) for letter in AF_LETTERS])
        rows = dict(zip(paths, read.outputs, strict=True))
        _note([Path(name).stem for name in read.empty], "output files without a class of 2017")
        text = "output files with other classes than the rest, of another model?"
        _note([Path(name).stem for name in read.foreign], text)
        _note([Path(name).stem for name in read.misnamed], MISNAMED)
        _note([Path(name).stem for name in read.irregular], IRREGULAR)
        if several := [name for name, row in rows.items() if row.sum() > 1]:
            raise LeadwiseError(
                f"{path}: {len(several)} records have more than one class: {list_names(several)}; "
                "2017's classes are exclusive, so the recipe's decision must be `highest`"
            )
        return {name: AF_LETTERS[int(row.argmax())] for name, row in rows.items() if row.any()}
    return read_letters(path)


def read_letters(path: Path) -> dict[str, str]:
    """Read a table of records and letters.

    Raises
    ------
    LeadwiseError
        It cannot be read, is empty, or a line is no record with a letter, or has a second one.
    """
    letters, problems = read_reference(path)
    if problems or not letters:
        listed = "; ".join(str(problem).removeprefix(f"{path}: ") for problem in problems[:3])
        raise LeadwiseError(f"{path}: {listed or 'holds no label'}")
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
    return "\n".join([*lines, "", LEGEND])


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
        labels = read_letters(options.reference)
        answers = read_answers(options.answers, list(labels))
        if not answers.keys() & labels.keys():
            raise LeadwiseError(
                f"{options.answers}: has no answer for any of the {len(labels)} records, such as "
                f"{list_names(list(labels))}"
            )
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
