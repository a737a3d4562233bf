"""Write `tests/data/oracle/torch-ecg.json`: outputs of torch-ecg's networks for given weights.

    make oracle
    .venv-oracle/bin/python -m tests.reference.make_oracle

`tests/models/test_oracle.py` compares them with ours, without torch-ecg.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.peers.torch_ecg_networks import NAMES, build
from tests.reference.fill import fill, named_tensors, signals

PATH = Path(__file__).parents[1] / "data/oracle/torch-ecg.json"
CLASSES = 26
WHOLE: dict[str, Any] = {"lstm": True, "attention": "se", "linear": 2}
# Leads, samples and options.  TResNets need a multiple of 4 samples; ours pad other lengths.
CASES: list[tuple[int, list[int], dict[str, Any]]] = [
    *((12, [1000, 996], {"backbone": name, **WHOLE}) for name in NAMES),
    *((12, [999, 1001], {"backbone": name}) for name in ("nc-se", "branched")),
    *(
        (12, [1000], {"backbone": "nc-se", "lstm": lstm, "attention": attention, "linear": linear})
        for lstm in (False, True)
        for attention in ("none", "se", "gc")
        for linear in (1, 2)
    ),
    *((2, [1000], {"backbone": name}) for name in NAMES),
    *((leads, [1000], {"backbone": "branched-lw"}) for leads in (6, 4, 3)),
]


def dropouts(network: nn.Module, signal: torch.Tensor) -> dict[str, Any]:
    """List the rate of each dropout and its inputs' mean magnitude, in the order of the pass.

    Those inside the LSTM are listed apart, since PyTorch's LSTM has no module for them.  So are
    those of logits, which torch-ecg has after a head of one layer.
    """
    rows: dict[str, list[Any]] = {"dropouts": [], "dropouts_in_lstm": [], "dropouts_of_logits": []}

    def record(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        name = names[module]
        if name.startswith("rnn"):
            rows["dropouts_in_lstm"].append(module.p)
        elif inputs[0].shape[-1] == CLASSES:
            rows["dropouts_of_logits"].append(module.p)
        else:
            rows["dropouts"].append([module.p, rounded(inputs[0].abs().mean())])

    names = {
        module: name
        for name, module in network.named_modules()
        if isinstance(module, nn.Dropout) and module.p > 0
    }
    hooks = [module.register_forward_hook(record) for module in names]
    network(signal)
    for hook in hooks:
        hook.remove()
    return rows


def trained(network: nn.Module, signal: torch.Tensor) -> dict[str, Any]:
    """Run one training pass without dropout; return logits and the norms' statistics after it."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    output = network(signal)
    statistics = [tensor for name, tensor in named_tensors(network) if "running" in name]
    return {
        "output": rounded(output),
        "statistics": [rounded(tensor.mean()) for tensor in statistics],
    }


def rounded(tensor: torch.Tensor) -> Any:
    """Round to six significant digits."""
    if tensor.ndim:
        return [rounded(part) for part in tensor]
    return float(f"{float(tensor):.6g}")


@torch.no_grad()
def outputs_of(leads: int, lengths: list[int], options: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs of one network in evaluation and, if it is whole, in training."""
    network = build(leads, CLASSES, **options).eval()
    fill(named_tensors(network))
    signal = signals(leads, lengths[0])
    case = {
        "leads": leads,
        "options": options,
        "outputs": {
            str(samples): rounded(network(signals(leads, samples))[0]) for samples in lengths
        },
        **dropouts(network, signal),
    }
    if len(lengths) > 1 and options.get("lstm"):
        case["training"] = trained(network, signals(leads, 400, records=3))
    return case


if __name__ == "__main__":
    cases = ",\n".join(json.dumps(outputs_of(*case)) for case in CASES)
    PATH.write_text(f'{{"torch-ecg": "0.0.33", "cases": [\n{cases}\n]}}\n')
