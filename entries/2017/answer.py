#!/usr/bin/env python
"""Answer one record of the 2017 Challenge: append `RECORD,X` to answers.txt, X of N, A, O and ~.

    python answer.py MODEL RECORD        (`next.sh RECORD` calls it so)

A record that cannot be answered counts as too noisy (~), with the reason on stderr.  Without a
usable model there is no answer and the status is 1: a file of nothing but ~ would hide it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ecg import FAILURES, LeadwiseError
from ecg.labels import AF_LETTERS
from ecg.leads import SINGLE
from ecg.records import read_record
from models.model import Model

ANSWERS = Path("answers.txt")  # of the working folder, which is the entry's


def load(folder: Path) -> Model:
    """Load the entry's model.

    Raises
    ------
    LeadwiseError
        There is none, or one that tells other classes.
    """
    if not folder.is_dir():
        raise LeadwiseError(
            f"{folder}: the weights are missing; put a model folder there, or name another one by "
            "the environment variable ENTRY_WEIGHTS"
        )
    classifier = Model.load(folder, (SINGLE,))
    if set(classifier.classes) != set(AF_LETTERS) or not classifier.recipe.head.exclusive:
        raise LeadwiseError(
            f"{folder}: its model does not give one of the classes {', '.join(AF_LETTERS)}"
        )
    return classifier


def letter_of(classifier: Model, stem: str) -> str:
    """Answer the record `stem.hea` and `stem.mat`.

    Raises
    ------
    Exception
        One of `ecg.FAILURES`: the record cannot be answered.
    """
    answer = classifier.predict(read_record(f"{stem}.hea"))
    for remark in answer.warnings:
        print(f"Note: {remark}", file=sys.stderr)
    return classifier.classes[int(answer.labels.argmax())]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the answer is its exit status."""
    parser = argparse.ArgumentParser(
        description="Answer one record of the 2017 Challenge. Research use, not a medical device."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder")
    parser.add_argument("record", metavar="RECORD", help="name of .hea and .mat, without ending")
    options = parser.parse_args(argv)
    try:
        classifier = load(options.model)
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    name, letter = Path(options.record).name, "~"
    try:
        letter = letter_of(classifier, options.record)
    except FAILURES as error:
        text = str(error).removeprefix(f"{name}: ")
        print(f"{name} is answered by ~, since it cannot be read: {text}", file=sys.stderr)
    with open(ANSWERS, "a", encoding="utf-8", newline="\n") as answers:
        answers.write(f"{name},{letter}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
