"""Speed of Revenger 2021's networks: compared with torch-ecg's, or bfloat16 with float32.

    python -m venv ../oracle && ../oracle/bin/pip install -r requirements-oracle.txt
    ../oracle/bin/python -m benchmarks.networks [--rounds 5] [--threads 2]
    python -m benchmarks.networks --compare bfloat16 [--rounds 3]
    python -m benchmarks.networks RECORDS MODEL [MODEL …]

Signals are random numbers, 12 × 5000.  A training step is forward, backward and AdamW with AMSGrad
on binary cross-entropy; inference runs in evaluation mode without gradients.  Both sides alternate
after one round as warm-up.  Figures are records per second of wall time in the best round; a ratio
has its range over the rounds.  The last command scores trained models on labelled records in both
precisions, each with its own decision and rules.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.common import best, machine, parse_options, print_table, ratio, run, take_turns
from benchmarks.peers import torch_ecg_networks
from ecg import LeadwiseError
from ecg.labels import label_matrix
from ecg.records import Record, find_records
from models.folder import read_model
from models.model import Model
from models.revenger2021 import Network
from scoring.challenge import challenge_metric

LEADS, SAMPLES, CLASSES = 12, 5000, 26
BACKBONES = ("nc-se", "nc-bs", "branched", "branched-lw")  # those in the authors' code
LOGITS = 1e-5  # tolerated difference from torch-ecg, relative to the largest logit


class Side(NamedTuple):
    """A network and the function that runs it on signals."""

    network: nn.Module
    logits: Callable[[torch.Tensor], torch.Tensor]


def our_side(network: nn.Module) -> Side:
    """Run one of our networks on records as long as the batch."""

    def logits(signal: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = network(signal, torch.full((len(signal),), signal.shape[2]))
        return output

    return Side(network, logits)


def with_torch_ecg(backbone: str) -> tuple[Side, Side]:
    """Build our network and torch-ecg's with the same weights."""
    network = Network(LEADS, CLASSES, backbone=backbone)
    peer = torch_ecg_networks.build(LEADS, CLASSES, backbone=backbone)
    torch_ecg_networks.copy_weights(network, peer)
    return our_side(network), Side(peer, peer)


def with_bfloat16(backbone: str) -> tuple[Side, Side]:
    """Build one network, run in bfloat16 (PyTorch's autocast) and in float32."""
    exact = our_side(Network(LEADS, CLASSES, backbone=backbone))

    def logits(signal: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            output = exact.logits(signal)
        return output.float()

    return Side(exact.network, logits), exact


SIDES = {"torch-ecg": with_torch_ecg, "bfloat16": with_bfloat16}
NAMES = {"torch-ecg": ("ours", "torch-ecg"), "bfloat16": ("bfloat16", "float32")}


def training_step(side: Side, signal: torch.Tensor, classes: int = CLASSES) -> Callable[[], None]:
    """Return a function that takes one training step."""
    optimiser = torch.optim.AdamW(side.network.parameters(), lr=1e-3, amsgrad=True)
    labels = (torch.rand(len(signal), classes) < 0.06).float()

    def step() -> None:
        side.network.train()
        loss = functional.binary_cross_entropy_with_logits(side.logits(signal), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def inference(side: Side, signal: torch.Tensor) -> Callable[[], None]:
    """Set evaluation mode; return a function that runs the network without gradients."""
    side.network.eval()

    def infer() -> None:
        with torch.inference_mode():
            side.logits(signal)

    return infer


def records_per_s(
    network: nn.Module, leads: int, samples: int, classes: int, *, batch: int, rounds: int
) -> tuple[float, float]:
    """Measure training and inference of one of our networks in records per second."""
    side, signal = our_side(network), torch.randn(batch, leads, samples)
    inferring = take_turns([inference(side, signal)], 3 * rounds)
    training = take_turns([training_step(side, signal, classes)], rounds)
    return batch / best(training[0]).wall, batch / best(inferring[0]).wall


def measure(backbone: str, comparison: str, batch: int, rounds: int) -> list[str]:
    """Measure a backbone and return its row of the table."""
    torch.manual_seed(0)
    sides, signal = SIDES[comparison](backbone), torch.randn(batch, LEADS, SAMPLES)
    with torch.inference_mode():
        for side in sides:
            side.network.eval()
        first, second = (side.logits(signal) for side in sides)
    logits = float((first - second).abs().max() / second.abs().max().clamp(min=1))
    probabilities = float((first.sigmoid() - second.sigmoid()).abs().max())
    if comparison == "torch-ecg" and logits > LOGITS:
        raise LeadwiseError(f"{backbone}: logits differ by {logits:.0e}, more than {LOGITS:g}")
    inferring = take_turns([inference(side, signal) for side in sides], 3 * rounds)
    training = take_turns([training_step(side, signal) for side in sides], rounds)
    cells = []
    for durations in (training, inferring):
        ours, peer = durations
        cells += [f"{batch / best(side).wall:.3g}" for side in (ours, peer)] + [ratio(peer, ours)]
    return [backbone, *cells, f"{logits:.0e}", f"{probabilities:.4f}"]


def score(model: Path, records: list[Record]) -> list[str]:
    """Score a model in both precisions and return its row of the table."""
    leads = read_model(model).lead_sets[0].leads
    loaded = Model.load(model, leads)
    exact = [loaded.predict(record) for record in records]
    with torch.autocast("cpu", torch.bfloat16):
        low = [loaded.predict(record) for record in records]
    labels = label_matrix([record.header.codes for record in records], loaded.classes)
    outputs = [np.array([answer.labels for answer in answers]) for answers in (exact, low)]
    metrics = [challenge_metric(labels, output, loaded.classes) for output in outputs]
    change = max(
        np.abs(a.probabilities - b.probabilities).max() for a, b in zip(exact, low, strict=True)
    )
    changed = int((outputs[0] != outputs[1]).any(1).sum())
    scores = [f"{metric:.4f}" for metric in metrics]
    return [f"`{loaded.recipe.name}`", str(len(leads)), *scores,
            f"{change:.3f}", f"{changed} of {len(records)}"]  # fmt: skip


def main() -> None:
    """Run the command."""
    options = parse_options(
        __doc__,
        "score*",
        backbones=list(BACKBONES),
        compare=tuple(SIDES),
        rounds=5,
        batch=8,
        threads=2,
    )
    torch.set_num_threads(options.threads)
    print(f"{machine('torch')}; {options.threads} threads; ", end="")
    if options.score:
        records, _ = find_records(options.score[0])
        print("trained models\n")
        columns = ("model", "leads", "metric, float32", "bfloat16", "probabilities differ by",
                   "records with other labels")  # fmt: skip
        print_table(columns, (score(model, records) for model in options.score[1:]))
        return
    print(f"{LEADS} × {SAMPLES}, batch {options.batch}; records/s\n")
    first, second = NAMES[options.compare]
    speeds = (f"training, {first}", second, "×", f"inference, {first}", second, "×")
    print_table(
        ["backbone", *speeds, "logits differ by", "probabilities by"],
        (
            measure(backbone, options.compare, options.batch, options.rounds)
            for backbone in options.backbones
        ),
    )


if __name__ == "__main__":
    run(main)
