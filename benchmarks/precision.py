"""What bfloat16 costs in score: trained models on labelled records, in both precisions.

    python -m benchmarks.precision RECORDS MODEL [MODEL …] [--threads 2]

Each model answers with its own decision and rules.  `benchmarks.networks --beside bfloat16`
measures the gain in speed.
"""

from pathlib import Path

import numpy as np
import torch

from benchmarks.common import machine, option_parser, print_table, run
from ecg.labels import label_matrix
from ecg.records import Record, find_records
from models.classifier import Classifier
from models.folder import read_model
from scoring.challenge import challenge_metric


def measure(model: Path, records: list[Record]) -> list[str]:
    """Score a model in both precisions and return its row of the table."""
    leads = read_model(model).lead_sets[0].leads
    classifier = Classifier.load(model, leads)
    exact = [classifier.answer(record) for record in records]
    with torch.autocast("cpu", torch.bfloat16):
        low = [classifier.answer(record) for record in records]
    labels = label_matrix([record.header.codes for record in records], classifier.classes)
    outputs = [np.array([answer.labels for answer in answers]) for answers in (exact, low)]
    metrics = [challenge_metric(labels, output, classifier.classes) for output in outputs]
    change = max(
        np.abs(a.probabilities - b.probabilities).max() for a, b in zip(exact, low, strict=True)
    )
    changed = int((outputs[0] != outputs[1]).any(1).sum())
    scores = [f"{metric:.4f}" for metric in metrics]
    return [f"`{classifier.recipe.name}`", str(len(leads)), *scores,
            f"{change:.3f}", f"{changed} of {len(records)}"]  # fmt: skip


def main() -> None:
    """Run the command."""
    parser = option_parser(__doc__)
    parser.add_argument("records", metavar="RECORDS", help="folder of labelled records")
    parser.add_argument("models", metavar="MODEL", type=Path, nargs="+", help="model folders")
    parser.add_argument("--threads", type=int, default=2, help="threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{machine('torch')}; {options.threads} threads\n")
    records, _ = find_records(options.records)
    columns = ("model", "leads", "metric, float32", "bfloat16", "largest change of a probability",
               "records with other labels")  # fmt: skip
    print_table(columns, (measure(model, records) for model in options.models))


if __name__ == "__main__":
    run(main)
