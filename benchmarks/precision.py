"""What bfloat16 gains in speed and costs in score, beside float32, in one run.

    python -m benchmarks.precision [--rounds 3] [--threads 2]
    python -m benchmarks.precision --score RECORDS MODEL [MODEL …]

The first measures Revenger 2021's networks on random numbers, 12 × 5000, as `benchmarks.networks`
does; sides take turns.  The second lets trained models answer labelled records in both precisions,
with the decision and rules that each of them has.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch

from benchmarks.scoring import machine
from benchmarks.speed import BACKBONES, CLASSES, LEADS, SAMPLES, Side, compared, side_of
from ecg.labels import label_matrix
from ecg.records import Record, find_records
from models.classifier import Classifier
from models.folder import read_model
from models.revenger2021 import Network
from scoring.challenge import challenge_metric


def lowered(side: Side) -> Side:
    """Call the same network in bfloat16, where PyTorch's autocast takes it."""

    def answer(signal: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits = side.answer(signal)
        return logits.float()

    return Side(side.network, answer)


def measure(backbone: str, batch: int, rounds: int) -> str:
    """Measure a backbone; the answer is its row of the table."""
    torch.manual_seed(0)
    exact = side_of(Network(LEADS, CLASSES, backbone=backbone))
    low, signal = lowered(exact), torch.randn(batch, LEADS, SAMPLES)
    exact.network.eval()
    with torch.inference_mode():
        moved = low.answer(signal).sigmoid() - exact.answer(signal).sigmoid()
    cells = compared((low, exact), signal, rounds)
    return f"| {backbone} | {cells} | {float(moved.abs().max()):.4f} |"


def score(model: Path, records: list[Record]) -> str:
    """Score a model's answers in both precisions; the answer is its row of the table."""
    leads = read_model(model).lead_sets[0].leads
    classifier = Classifier.load(model, leads)
    exact = [classifier.answer(record) for record in records]
    with torch.autocast("cpu", torch.bfloat16):
        low = [classifier.answer(record) for record in records]
    labels = label_matrix([record.header.codes for record in records], classifier.classes)
    before, after = (np.array([one.labels for one in some]) for some in (exact, low))
    metrics = [challenge_metric(labels, some, classifier.classes) for some in (before, after)]
    moved = max(
        np.abs(a.probabilities - b.probabilities).max() for a, b in zip(exact, low, strict=True)
    )
    return (
        f"| `{classifier.recipe.name}` | {len(leads)} | {metrics[0]:.4f} | {metrics[1]:.4f} | "
        f"{moved:.3f} | {(before != after).any(1).sum()} of {len(records)} |"
    )


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="of training (default: 3)")
    parser.add_argument("--batch", type=int, default=8, help="records (default: 8)")
    parser.add_argument("--threads", type=int, default=2, help="default: 2")
    parser.add_argument(
        "--score", type=Path, nargs="+", metavar="PATH",
        help="labelled records, then models that answer them in both precisions",
    )  # fmt: skip
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.score:
        records, *models = options.score
        print("| model | leads | float32 | bfloat16 | largest change of a probability | "
              "records with other labels |")  # fmt: skip
        print("| --- | --- | --- | --- | --- | --- |")
        found, _ = find_records(records)
        for model in models:
            print(score(model, found), flush=True)
        return
    sizes = f"{LEADS} × {SAMPLES}, batch {options.batch}"
    print(f"{machine()}, torch {torch.__version__}, {options.threads} threads, load "
          f"{os.getloadavg()[0]:.1f}; {sizes}; records/s\n")  # fmt: skip
    print("| backbone | training, bfloat16 | float32 | × | inference, bfloat16 | float32 | × | "
          "largest change of a probability |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for backbone in BACKBONES:
        print(measure(backbone, options.batch, options.rounds), flush=True)


if __name__ == "__main__":
    main()
