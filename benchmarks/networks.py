"""Revenger 2021's networks beside torch-ecg's of the same layout and weights, in one run.

    python -m venv ../oracle && ../oracle/bin/pip install -r requirements-oracle.txt
    ../oracle/bin/python -m benchmarks.networks [--rounds 5] [--threads 2]

Records are random numbers, 12 × 5000, float32.  A training step is forward, backward and AdamW with
AMSGrad on binary cross-entropy; inference is in evaluation without gradients.  Sides take turns;
each figure is the best of the rounds after one to warm up, in records a second of wall time.
"""

import argparse
import os

import torch

from benchmarks.scoring import machine
from benchmarks.speed import BACKBONES, CLASSES, LEADS, SAMPLES, Side, compared, side_of
from models.revenger2021 import Network
from tests.reference import torch_ecg_networks as theirs

LOGITS = 1e-5  # how far answers may differ, beside their size


def sides(backbone: str) -> tuple[Side, Side]:
    """Make ours and theirs, with the same weights."""
    torch.manual_seed(0)
    network, other = (build(LEADS, CLASSES, backbone=backbone) for build in (Network, theirs.build))
    theirs.give(network, other)
    return side_of(network), Side(other, other)


def measure(backbone: str, batch: int, rounds: int) -> str:
    """Measure a backbone; the answer is its row of the table."""
    both, signal = sides(backbone), torch.randn(batch, LEADS, SAMPLES)
    with torch.inference_mode():
        for side in both:
            side.network.eval()
        ours, foreign = (side.answer(signal) for side in both)
        error = float((ours - foreign).abs().max() / foreign.abs().max().clamp(min=1))
    said = f"{error:.0e}" + ("" if error <= LOGITS else ", **unequal**")
    return f"| {backbone} | {compared(both, signal, rounds)} | {said} |"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("backbones", nargs="*", default=BACKBONES, help="default: all four")
    parser.add_argument("--rounds", type=int, default=5, help="of training (default: 5)")
    parser.add_argument("--batch", type=int, default=8, help="records (default: 8)")
    parser.add_argument("--threads", type=int, default=2, help="default: 2")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes = f"{LEADS} × {SAMPLES}, batch {options.batch}"
    print(f"{machine()}, torch {torch.__version__}, {options.threads} threads, load "
          f"{os.getloadavg()[0]:.1f}; {sizes}; records/s\n")  # fmt: skip
    print("| backbone | training, ours | theirs | × | inference, ours | theirs | × | difference |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for backbone in options.backbones:
        print(measure(backbone, options.batch, options.rounds), flush=True)


if __name__ == "__main__":
    main()
