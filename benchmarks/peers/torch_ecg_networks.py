"""torch-ecg's networks in the published settings; `build` imports torch-ecg."""

import warnings
from copy import deepcopy
from typing import Any

import torch
from torch import nn

NAMES = {
    "nc-se": "resnet_nature_comm_se",
    "nc-bs": "resnet_nature_comm_bottle_neck_se",
    "nc-bg": "resnet_nature_comm_bottle_neck_gc",
    "tresnet-n": "tresnetN",
    "tresnet-p": "tresnetP",
    "tresnet-f": "tresnetF",
    "branched": "multi_scopic",
    "branched-lw": "multi_scopic_leadwise",
}
LEAD_WIDTHS = {12: 16, 6: 24, 4: 24, 3: 32, 2: 32}  # published, in the first block


def build(
    leads: int,
    classes: int,
    *,
    backbone: str,
    lstm: bool = False,
    attention: str = "none",
    linear: int = 1,
) -> nn.Module:
    """Build torch-ecg's network; the options are those of our `Network`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch-ecg's own imports emit warnings
        from torch_ecg.model_configs import ECG_CRNN_CONFIG
        from torch_ecg.models import ECG_CRNN

        config: Any = deepcopy(ECG_CRNN_CONFIG)
        config.cnn.name = NAMES[backbone]
        if backbone == "branched-lw":
            part, base = config.cnn[config.cnn.name], leads * LEAD_WIDTHS[leads]
            part.groups, part.block.batch_norm = leads, "group_norm"
            part.num_filters = [[base, 2 * base, 4 * base]] * 3
        config.rnn.name = "lstm" if lstm else "none"
        config.attn.name = attention
        config.clf.out_channels = [1024] if linear == 2 else []
        network: nn.Module = ECG_CRNN([str(index) for index in range(classes)], leads, config)
        return network


def tensors(network: nn.Module) -> list[torch.Tensor]:
    """Return weights and statistics in the order that ours have; constants are left out."""
    state = network.state_dict(keep_vars=True)
    fixed = ("filt", "num_batches_tracked")
    return [value for name, value in state.items() if not name.endswith(fixed)]


@torch.no_grad()
def copy_weights(network: nn.Module, other: nn.Module) -> None:
    """Copy our network's weights and statistics to torch-ecg's."""
    for own, foreign in zip(tensors(network), tensors(other), strict=True):
        foreign.copy_(own.reshape(foreign.shape))
