"""Whole networks against stored outputs of others' for the same weights, set by a formula.

`tests/data/oracle/torch-ecg.json` was written by `tests/reference/make_oracle.py`.  All numbers
have six significant digits; float32 sums in another order change the fifth.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models.layers import Dropout
from models.revenger2021 import Network
from tests.reference.fill import fill, named_tensors, signals

CASES = json.loads((Path(__file__).parents[1] / "data/oracle/torch-ecg.json").read_text())["cases"]


def name_of(case: dict[str, Any]) -> str:
    return " ".join(map(str, (case["leads"], *case["options"].values())))


def assert_near(own: Any, expected: Any) -> None:
    torch.testing.assert_close(
        torch.as_tensor(own).double(), torch.as_tensor(expected).double(), atol=5e-5, rtol=5e-5
    )


def outputs(network: Network, leads: int, samples: int) -> torch.Tensor:
    with torch.inference_mode():
        return network(signals(leads, samples), torch.tensor([samples]))[0]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_revenger_equals_torch_ecg(case: dict[str, Any]) -> None:
    leads, lengths = case["leads"], [int(samples) for samples in case["outputs"]]
    network = Network(leads, 26, **case["options"]).eval()
    fill(named_tensors(network))
    rows: list[tuple[float, float]] = []

    def record(module: nn.Module, inputs: tuple[torch.Tensor], _: torch.Tensor) -> None:
        rows.append((module.probability, float(inputs[0].abs().mean())))

    hooks = [
        module.register_forward_hook(record)
        for module in network.modules()
        if isinstance(module, Dropout) and module.probability > 0
    ]
    for samples, expected in case["outputs"].items():
        assert_near(outputs(network, leads, int(samples)), expected)
        if int(samples) == lengths[0]:
            assert_near(rows, case["dropouts"])  # each at its place
    if network.lstm is not None:
        assert [network.lstm.dropout] == case["dropouts_in_lstm"]
    for hook in hooks:
        hook.remove()
    if "training" in case:
        check_training(network, case["training"])


def check_training(network: Network, expected: dict[str, Any]) -> None:
    """Compare a training pass without dropout: logits, and the norms' statistics after it."""
    network.train()
    for module in network.modules():
        if isinstance(module, Dropout):
            module.probability = 0.0
    network.lstm.dropout = 0.0
    with torch.no_grad():
        output = network(signals(12, 400, records=3), torch.full((3,), 400))
    assert_near(output, expected["output"])
    statistics = [tensor for name, tensor in named_tensors(network) if "running" in name]
    assert_near([float(tensor.mean()) for tensor in statistics], expected["statistics"])
