"""Our own system: a small residual network at 100 Hz.

It combines components of the other systems and of the Challenge's winners: pre-activated residual
blocks with squeeze and excitation, several weak regularisers (mixup, shifts, scaling, noise,
channel dropout, weight decay), a one-cycle schedule, and prediction by the exponential moving
average of the weights.  The loss is the unweighted cross-entropy, because expected-metric decoding
needs calibrated probabilities.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.layers import ByLength, Convolution, FeatureMaps, Members, SqueezeExcitation
from models.losses import bce
from models.recipe import Head, Recipe, part, vary
from models.sample import Sample

PRIOR = -3.0  # initial bias of the logits: most classes are rare
TERRITORIES = (  # leads that look at one part of the heart
    {"II", "III", "aVF"},
    {"I", "aVL", "V5", "V6"},
    {"V1", "V2"},
    {"V3", "V4"},
    {"aVR"},
)


class Block(nn.Module):
    """Norm and convolution, twice, then squeeze and excitation, and a shortcut; He et al. 2016.

    If the block halves the rate, the shortcut averages pairs of steps.  In training, the block is
    skipped for a record with the probability `skip`; Huang et al., ECCV 2016 (stochastic depth).
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        *,
        halve: bool,
        dropout: float,
        skip: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.first = Convolution(
            channels, width, kernel, stride=2 if halve else 1, activation=nn.ReLU(inplace=True)
        )
        self.dropout = nn.Dropout2d(dropout)
        self.second = Convolution(width, width, kernel, norm=False)
        self.attention = SqueezeExcitation(width)
        self.skip = skip
        changed = halve or channels != width
        self.halving = nn.AvgPool2d((1, 2), ceil_mode=True) if halve else nn.Identity()
        self.shortcut = Convolution(channels, width, 1, norm=False) if changed else nn.Identity()

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, 1, steps) to (batch, width, 1, steps or half of them)."""
        hidden = functional.relu(self.norm(signal))
        shortcut = self.shortcut(self.halving(signal))
        hidden = self.second(self.dropout(self.first(hidden)))
        scale = self.attention.scale(hidden)
        if self.training and self.skip:
            scale = scale * functional.dropout(scale.new_ones(len(scale), 1, 1, 1), self.skip)
        return torch.addcmul(shortcut, hidden, scale)


class Backbone(ByLength):
    """A stem and stages of blocks; the output is each channel's mean and maximum over time.

    Parameters
    ----------
    rows : int
        Channels of the input, one per lead.
    widths, blocks : sequence of int
        Channels and blocks of each stage; the stem and each further stage halve the rate.
    kernel : int
        Length of the blocks' convolutions in steps.
    dropout : float
        Probability of channel dropout in the blocks.
    skip : float
        Probability that a record skips the last block in training; that of the blocks before it
        falls linearly.
    """

    def __init__(
        self,
        rows: int,
        *,
        widths: tuple[int, ...],
        blocks: tuple[int, ...],
        kernel: int,
        dropout: float,
        skip: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = Convolution(rows, widths[0], 15, stride=2, norm=False)
        stages: list[nn.Module] = []
        channels = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for number in range(count):
                halve = stage > 0 and number == 0
                own = skip * (len(stages) + 1) / sum(blocks)
                stages.append(
                    Block(channels, width, kernel, halve=halve, dropout=dropout, skip=own)
                )
                channels = width
        self.blocks = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(channels)
        self.activation = nn.ReLU()
        self.stride = 2 ** len(widths)

    def feature_maps(self) -> FeatureMaps:
        """Name the last feature map; its steps are centred as the shortcuts' pairs of steps are."""
        return FeatureMaps((self.activation,), self.stride / 2 - 1, self.stride)

    def forward_features(
        self, signal: torch.Tensor, length: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the last feature map (batch, channels, steps) and its valid steps (batch,)."""
        hidden = signal[:, :, None].contiguous(memory_format=torch.channels_last)
        features = self.activation(self.norm(self.blocks(self.stem(hidden))))[:, :, 0]
        return features, torch.full_like(length, features.shape[2])

    def forward_head(self, features: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, steps) to (batch, 2 · channels); all steps are valid."""
        return torch.cat([features.mean(2), features.amax(2)], 1)


class Network(Backbone):
    """A backbone and one linear layer; returns logits.

    Parameters
    ----------
    rows : int
    classes : int
        Number of logits.
    widths, blocks, kernel, dropout, skip
        Of the backbone.
    head_dropout : float
        Probability of dropout before the last layer.
    frozen : bool
        Whether only the last layer is trained, and the backbone keeps its initial weights.
    """

    def __init__(
        self,
        rows: int,
        classes: int,
        *,
        widths: tuple[int, ...] = (48, 64, 96, 128, 192),
        blocks: tuple[int, ...] = (1, 1, 2, 2, 2),
        kernel: int = 9,
        dropout: float = 0.1,
        skip: float = 0.0,
        head_dropout: float = 0.3,
        frozen: bool = False,
    ) -> None:
        super().__init__(
            rows, widths=widths, blocks=blocks, kernel=kernel, dropout=dropout, skip=skip
        )
        self.requires_grad_(not frozen)
        last = nn.Linear(2 * widths[-1], classes)
        nn.init.constant_(last.bias, PRIOR)
        self.head = nn.Sequential(nn.Dropout(head_dropout), last)

    def forward_head(self, features: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, steps) to logits (batch, classes); all steps are valid."""
        logits: torch.Tensor = self.head(super().forward_head(features, length))
        return logits


class Ensemble(Members):
    """Several networks.

    Parameters
    ----------
    rows, classes : int
    members : int
        Number of networks.
    options
        Of `Network`.
    """

    def __init__(self, rows: int, classes: int, *, members: int, **options: Any) -> None:
        super().__init__([Network(rows, classes, **options) for _ in range(members)])


def bce_of_each(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Compute the mean over members, records and classes of the binary cross-entropy.

    With the loss of the mean logit the members would not be independent.

    Parameters
    ----------
    output : torch.Tensor of shape (members, batch, classes)
    target : torch.Tensor of shape (batch, classes)
    """
    return torch.stack([bce(logits, target) for logits in output.unbind()]).mean()


def territory_dropout(
    sample: Sample, generator: np.random.Generator, *, probability: float
) -> Sample:
    """Set the leads of one territory to 0 with this probability, if others have a signal."""
    if generator.random() >= probability:
        return sample
    territory = TERRITORIES[generator.integers(len(TERRITORIES))]
    outside = np.array([lead not in territory for lead in sample.leads])
    if not sample.signal[outside].any():
        return sample
    zero = sample.signal.dtype.type(0)
    return replace(sample, signal=np.where(outside[:, None], sample.signal, zero))


AUGMENTATIONS: dict[str, Callable[..., Sample]] = {"territory_dropout": territory_dropout}
NETWORKS = {"resnet": Network, "resnets": Ensemble}
LOSSES = {"bce_of_each": bce_of_each}

RESNET = Recipe(
    name="house-resnet",
    system="house2026",
    source="ours; scores: docs/results.md",
    summary="pre-activated SE-ResNet, mixup, one-cycle schedule, EMA, expected-metric decoding",
    fs=100.0,
    max_s=10.0,
    stride_s=4.0,
    transforms=(part("hold", limit_mv=20), part("resample")),
    post_transforms=(part("fit_length", tolerance=0.4),),
    network=part("resnet"),
    optimiser=part("adamw", lr=4e-3, weight_decay=0.02),
    schedule=part("one_cycle", warmup=0.2),
    augment=(
        part("shift", share=0.1),
        part("scale", spread=0.15),
        part("noise", mv=0.01),
        part("mixup", alpha=0.3, share=1.0),
    ),
    ema=0.998,
    epochs=25,
    batch=64,
    heads=(Head(loss=part("bce"), decision="expected_metric", rules="learned"),),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        RESNET,
        vary(
            RESNET,
            name="house-taught",
            summary="`house-resnet` with distillation (share 0.5) from 12 leads to fewer",
            transfer=part("distillation", share=0.5),
        ),
        vary(
            RESNET,
            name="house-pair",
            summary="ensemble of two networks of `house-taught`",
            network=part("resnets", members=2),
            loss=part("bce_of_each"),
            transfer=part("distillation", share=0.5),
        ),
        vary(
            RESNET,
            name="house-lead-dropout",
            summary="`house-resnet`, one network for all lead sets by lead dropout",
            augment=(part("lead_dropout", probability=0.5), *RESNET.augment),
            lead_sets=RESNET.lead_sets[:1],
        ),
        vary(
            RESNET,
            name="house-statements",
            summary="`house-resnet` for all codes of the training headers, without scaling",
            augment=tuple(one for one in RESNET.augment if one.name != "scale"),
            classes="all",
            decision="global",
            rules="off",
            metric="auroc",
        ),
    )
}
