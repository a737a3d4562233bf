"""Whole networks of DualNet and ISIBrno against plain references and stored outputs.

Weights are set by a formula.  `tests/data/oracle/dualnet2017.json` has outputs of the authors' code
to six digits.  Float32 sums in another order change the fifth digit.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ecg.leads import LEAD_SETS
from models import find
from models.isibrno2020 import AlphaDropout
from models.layers import Dropout
from models.network import build
from tests.reference import isibrno2020
from tests.reference.dualnet2017 import Reference
from tests.reference.fill import fill, named_tensors, signals

AUTHORS = json.loads((Path(__file__).parents[1] / "data/oracle/dualnet2017.json").read_text())
DUALNET: dict[str, dict[str, Any]] = {
    "dualnet-s-as-published": {"published": True, "layers": 2},
    "dualnet-pp-s-as-published": {"published": True, "layers": 2, "heads": 8, "axial": 3},
    "dualnet-s": {"published": False, "layers": 2},
    "dualnet-s-no-signal": {"published": False, "layers": 0, "branches": "spectrogram"},
    "dualnet-s-no-spectrogram": {"published": False, "layers": 2, "branches": "signal"},
    "dualnet-pp-s": {"published": False, "layers": 2, "heads": 8, "axial": 3},
}
LENGTHS = (9000, 4321, 18_000)
# Fact sheet, section 3: one rate for all layers.  Section 4: two dropouts per residual block, one
# per axial block; PyTorch's encoders have their own (LSTM 1, three and one per Transformer layer).
RATE = 0.05
DROPOUTS = (nn.Dropout2d, Dropout, AlphaDropout)


def filled(name: str, leads: tuple[str, ...] = ("ECG",), classes: int = 4) -> nn.Module:
    network = build(find(name), leads, {"diagnosis": range(classes)}).eval()
    fill(named_tensors(network))
    return network


@torch.inference_mode()
def passed(network: nn.Module, signal: torch.Tensor) -> tuple[torch.Tensor, list[Any]]:
    """Return the logits of one record, and each dropout's rate with its inputs' magnitude."""
    rows: list[tuple[float, float]] = []

    def record(module: nn.Module, inputs: tuple[torch.Tensor], _: torch.Tensor) -> None:
        rate = module.p if isinstance(module, nn.Dropout2d) else module.probability
        rows.append((rate, float(inputs[0].abs().mean())))

    hooks = [
        module.register_forward_hook(record)
        for module in network.modules()
        if isinstance(module, DROPOUTS)
    ]
    logits = network(signal, torch.tensor([signal.shape[2]]))[0]
    for hook in hooks:
        hook.remove()
    return logits, rows


@pytest.mark.parametrize("case", AUTHORS["cases"], ids=lambda case: case["recipe"])
def test_dualnet_equals_the_authors_code(case: dict[str, Any]) -> None:
    network = filled(case["recipe"])
    assert sum(weights.numel() for weights in network.parameters()) == case["parameters"]
    for samples, expected in case["outputs"].items():
        logits, _ = passed(network, signals(1, int(samples)))
        torch.testing.assert_close(logits, torch.tensor(expected), atol=5e-5, rtol=5e-5)


@pytest.mark.parametrize("name", DUALNET)
def test_dualnet_equals_its_reference(name: str) -> None:
    """Logits, and the rates and places of all dropouts in blocks."""
    network = filled(name)
    for samples in LENGTHS:
        logits, rows = passed(network, signals(1, samples))
        reference = Reference(network.state_dict(), **DUALNET[name])
        with torch.inference_mode():
            expected = reference.logits(signals(1, samples)[0, 0])
        torch.testing.assert_close(logits, expected, atol=2e-5, rtol=2e-5)
        assert [rate for rate, _ in rows] == [RATE] * len(reference.places)
        assert [place for _, place in rows] == pytest.approx(reference.places, rel=1e-4)


@pytest.mark.parametrize(("name", "count"), [("dualnet-s", 1), ("dualnet-pp-s", 8)])
def test_dualnets_signal_encoders_have_the_rate(name: str, count: int) -> None:
    """One between the LSTM's two layers; four in each of two Transformer layers."""
    modules = filled(name).encoder.modules()
    kinds = (nn.LSTM, nn.MultiheadAttention)
    rates = [module.dropout for module in modules if isinstance(module, kinds)]
    rates += [
        module.p for module in filled(name).encoder.modules() if isinstance(module, nn.Dropout)
    ]
    assert rates == [RATE] * count


@pytest.mark.parametrize(
    ("name", "rate", "last"),
    [
        ("isibrno-published", 0.2, 0.5),  # fact sheet, section 2
        ("isibrno-entry1", 0.2, 0.5),
        ("isibrno-entry7", 0.05, 0.5),  # alpha dropout; Klambauer et al. 2017
    ],
)
@pytest.mark.parametrize("samples", [1000, 37])
def test_isibrno_equals_its_reference(name: str, rate: float, last: float, samples: int) -> None:
    """Logits, and the rates and places of all dropouts."""
    network = filled(name, LEAD_SETS[2], 26)
    signal = signals(network.blocks[0].shortcut.in_channels, samples)
    logits, rows = passed(network, signal)
    with torch.inference_mode():
        expected, places = isibrno2020.logits(
            network.state_dict(), signal[0], selu=name == "isibrno-entry7"
        )
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    assert [one for one, _ in rows] == [rate] * 5 + [last]
    assert [place for _, place in rows] == pytest.approx(places, rel=1e-4)


@pytest.mark.parametrize("name", ["isibrno-published", "isibrno-entry7", "dualnet-s"])
def test_dropout_drops_its_share_in_training_and_none_in_evaluation(name: str) -> None:
    leads = ("ECG",) if name == "dualnet-s" else LEAD_SETS[2]
    network = filled(name, leads)
    channels = 1 if name == "dualnet-s" else network.blocks[0].shortcut.in_channels
    shares: list[tuple[float, float, int]] = []

    def record(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        rate = module.p if isinstance(module, nn.Dropout2d) else module.probability
        dropped = output == (output.min() if isinstance(module, AlphaDropout) else 0)
        if isinstance(module, nn.Dropout2d):  # whole channels
            dropped = dropped.all(3).all(2)
        else:
            dropped = dropped[inputs[0] != 0]
        shares.append((rate, float(dropped.float().mean()), dropped.numel()))

    signal = signals(channels, 2560, records=8)
    length = torch.full((8,), 2560)
    torch.manual_seed(0)
    with torch.no_grad():
        kept = network(signal, length)
        for module in network.modules():
            if isinstance(module, DROPOUTS):
                module.train().register_forward_hook(record)
        dropped = network(signal, length)
    assert (kept - dropped).abs().max() > 0.01
    for rate, share, count in shares:
        assert share == pytest.approx(rate, abs=4 * (rate * (1 - rate) / count) ** 0.5)
