#!/usr/bin/env python
"""Answer one record of the 2017 Challenge: append `RECORD,X` to answers.txt, X of N, A, O and ~.

    python answer.py [--probabilities FILE] MODEL RECORD       (called by `next.sh RECORD`)

FILE gets `RECORD,P`, the probability of atrial fibrillation, which the Challenge did not ask for.

A record that cannot be read is answered by ~ (too noisy), with the reason on stderr.  Without a
usable model no answer is written and the status is 1: a file of ~ alone would hide the error.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from ecg import FAILURES, LeadwiseError
from ecg.labels import AF_LETTERS
from ecg.leads import SINGLE
from ecg.progress import quiet_pipe
from ecg.records import read_record
from models.model import Model

ANSWERS = Path("answers.txt")  # in the working directory, the entry's folder


def load(folder: Path) -> Model:
    """Load the entry's model.

    Raises
    ------
    LeadwiseError
        The folder is missing, or its model has other classes.
    """
    if not folder.is_dir():
        raise LeadwiseError(
            f"{folder}: the weights are missing; put a model folder there, or set the environment "
            "variable ENTRY_WEIGHTS to another one"
        )
    model = Model.load(folder, (SINGLE,))
    if set(model.classes) != set(AF_LETTERS) or not model.recipe.head.exclusive:
        raise LeadwiseError(
            f"{folder}: the model does not choose one of the classes {', '.join(AF_LETTERS)}"
        )
    return model


def answer_of(model: Model, stem: str) -> tuple[str, float]:
    """Return the letter and P(AF) for the record `stem.hea` and `stem.mat`.

    Raises
    ------
    Exception
        One of `ecg.FAILURES`: the record cannot be read.
    """
    prediction = model.predict(read_record(f"{stem}.hea"))
    for warning in prediction.warnings:
        print(f"Note: {warning}", file=sys.stderr)
    return model.classes[int(prediction.labels.argmax())], prediction.named()["A"]


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description="Answer one record of the 2017 Challenge. Research use, not a medical device."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder")
    parser.add_argument("record", metavar="RECORD", help="path of .hea and .mat, without ending")
    parser.add_argument(
        "--probabilities", type=Path, metavar="FILE",
        help="append RECORD,P with the probability of atrial fibrillation to this file",
    )  # fmt: skip
    options = parser.parse_args(argv)
    try:
        model = load(options.model)
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    name, letter, probability = Path(options.record).name, "~", math.nan
    try:
        letter, probability = answer_of(model, options.record)
    except FAILURES as error:
        text = str(error).removeprefix(f"{name}: ")
        print(f"{name} is answered by ~ because it cannot be read: {text}", file=sys.stderr)
    lines = {ANSWERS: f"{name},{letter}\n"}
    if options.probabilities:
        lines[options.probabilities] = f"{name},{probability:.4f}\n"
    for path, line in lines.items():
        try:
            with open(path, "a", encoding="utf-8", newline="\n") as file:
                file.write(line)
        except OSError as error:
            print(f"Error: {path.resolve()}: cannot be written: {error.strerror}; run next.sh in a "
                  "folder that can be written", file=sys.stderr)  # fmt: skip
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
