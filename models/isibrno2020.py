"""ISIBrno 2020: a residual CNN, a bidirectional GRU and an attention vector for each class.

Nejedly et al., "Utilization of residual CNN-GRU with attention mechanism for classification of
12-lead ECG", CinC 2020, doi 10.22489/CinC.2020.032, section 2.  No code was published; what the
paper leaves open, and our choice:

- stride at the first convolution of a block, shortcut a 1 × 1 convolution with stride 2 and batch
  norm (He 2016, the reference that the paper gives);
- widths 64, 64, 128, 128, 256 and a GRU of 128 units each way for "increased channels"; 32 … 128
  and 64 for "basic";
- one learned query a class, scaled dot product over time (Vaswani 2017, which the paper cites);
- dropout 0.2 after each block, 0.5 on the contexts;
- records are padded to the longest of the batch and masked, not to 2 minutes: the same outputs;
- entry 3 has neither L2 nor dropout (table 1: "without"; section 4: dropouts "decreased");
- entry 7, of which the paper says "self-normalizing network" alone: see `SelfNormalisingBlock`;
  it reads what entry 4 reads.

Table 1's seven entries, with the scores of the Challenge's hidden validation part:

| entry | score | recipe | entry | score | recipe |
| --- | --- | --- | --- | --- | --- |
| 1 | 0.569 | `isibrno-entry1` | 5 (final) | 0.659 | `isibrno-published` |
| 2 | 0.624 | `isibrno-entry2` | 6 | 0.632 | `isibrno-entry2` |
| 3 | 0.608 | `isibrno-entry3` | 7 | 0.652 | `isibrno-entry7` |
| 4 | 0.664 | `isibrno-published` | | | |
"""

import math

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models.layers import Dropout, MaskedBatchNorm
from models.recipe import Head, Recipe, part, vary

SELU_LOWEST = -1.0507009873554805 * 1.6732632423543772  # α' = −λα; Klambauer et al. 2017


class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1 of what SELU gives.

    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017, "alpha dropout": a dropped
    value becomes α', the lowest one of SELU; then all are a · value + b.
    """

    def __init__(self, probability: float) -> None:
        super().__init__(probability)
        share = 1 - probability
        self.scale = (share + SELU_LOWEST**2 * share * probability) ** -0.5  # a
        self.shift = -self.scale * probability * SELU_LOWEST  # b

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Set values to α' in training, then scale and shift all of them."""
        if not self.training or self.probability == 0:
            return signal
        return torch.where(self._kept(signal), signal, SELU_LOWEST) * self.scale + self.shift


class Block(nn.Module):
    """Three convolutions of kernel 3, the first halving the rate, and a shortcut."""

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = _convolutions(channels, width, bias=False)
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for _ in self.convolutions)
        self.shortcut = nn.Conv2d(channels, width, 1, bias=False)
        self.shortcut_norm = MaskedBatchNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, signal: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map (batch, channels, 1, steps) to (batch, width, 1, ceil(steps / 2)); result's mask."""
        hidden = signal
        for convolution, norm in zip(self.convolutions[:-1], self.norms[:-1], strict=True):
            hidden = _keep(functional.relu(norm(convolution(hidden), mask)), mask)
        hidden = self.norms[-1](self.convolutions[-1](hidden), mask)
        shortcut = self.shortcut_norm(self.shortcut(_halve(signal)), mask)
        return self.dropout(_keep(functional.relu(hidden + shortcut), mask))


class SelfNormalisingBlock(nn.Module):
    """The same block without batch norm: SELU keeps mean 0 and variance 1 by itself (entry 7).

    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017: SELU, weights of variance
    1 / inputs (LeCun's), alpha dropout.  Their networks are fully connected; our choice:

    - the sum of convolutions and shortcut is divided by √2, for each has variance 1;
    - the three convolutions have a bias, 0 at first, for batch norm's shift is gone; the shortcut
      has none, for it is added to a convolution that has one;
    - alpha dropout 0.05, which they found good (as 0.1): in a short trial on basic widths the other
      entries' 0.2 began to learn far later; the contexts keep plain dropout, for what the GRU gives
      is no SELU's.
    """

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = _convolutions(channels, width, bias=True)
        self.shortcut = nn.Conv2d(channels, width, 1, bias=False)
        for weights in self.parameters():
            if weights.dim() == 1:  # a bias
                nn.init.zeros_(weights)
            else:
                nn.init.kaiming_normal_(weights, nonlinearity="linear")  # variance 1 / inputs
        self.dropout = AlphaDropout(dropout)

    def forward(self, signal: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map (batch, channels, 1, steps) to (batch, width, 1, ceil(steps / 2)); result's mask."""
        hidden = signal
        for convolution in self.convolutions[:-1]:
            hidden = _keep(functional.selu(convolution(hidden)), mask)
        summed = self.convolutions[-1](hidden) + self.shortcut(_halve(signal))
        # Biases and dropout leave something in the padding, so the mask is last.
        return _keep(self.dropout(functional.selu(summed * math.sqrt(0.5))), mask)


def _convolutions(channels: int, width: int, *, bias: bool) -> nn.ModuleList:
    """Make a block's three convolutions of kernel 3, of which the first halves the rate."""
    return nn.ModuleList(
        nn.Conv2d(inputs, width, (1, 3), (1, stride), padding=(0, 1), bias=bias)
        for inputs, stride in ((channels, 2), (width, 1), (width, 1))
    )


def _halve(signal: torch.Tensor) -> torch.Tensor:
    """Take every second step, for a convolution of kernel 1 that then needs no stride.

    PyTorch 2.13 corrupts memory in the backward pass of a strided 1 × 1 one (CPU, channels last,
    fewer than 16 channels).
    """
    return signal[..., ::2].contiguous(memory_format=torch.channels_last)


def _keep(signal: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return signal if mask is None else signal * mask


class Network(nn.Module):
    """Five blocks, a bidirectional GRU, an attention vector and a logit for each class.

    Parameters
    ----------
    rows : int
        Rows of the input: leads times kinds of rows.
    classes : int
        Logits.
    widths : tuple of int
        Channels of the blocks.
    units : int
        Of the GRU, each way.
    dropout, context_dropout : float
        After each block; on the contexts.
    """

    block: type[nn.Module] = Block

    def __init__(
        self,
        rows: int,
        classes: int,
        *,
        widths: tuple[int, ...],
        units: int,
        dropout: float,
        context_dropout: float,
    ) -> None:
        super().__init__()
        inputs = (rows, *widths[:-1])
        self.blocks = nn.ModuleList(
            self.block(channels, width, dropout)
            for channels, width in zip(inputs, widths, strict=True)
        )
        self.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.gru = nn.GRU(widths[-1], units, batch_first=True, bidirectional=True)
        self.keys = nn.Linear(2 * units, units // 2)
        self.queries = nn.Parameter(torch.empty(classes, units // 2))
        self.dropout = Dropout(context_dropout)
        self.weight = nn.Parameter(torch.empty(classes, 2 * units))
        self.bias = nn.Parameter(torch.zeros(classes))
        nn.init.normal_(self.queries)
        nn.init.uniform_(self.weight, -1 / math.sqrt(2 * units), 1 / math.sqrt(2 * units))

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, rows, samples), of which `length` are valid, to logits (batch, classes)."""
        return self.forward_head(*self.forward_features(signal, length))

    def forward_features(
        self, signal: torch.Tensor, length: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the last convolutional map (batch, channels, steps) and its valid steps (batch,).

        Convolutions over time are two-dimensional ones of height 1 with channels last in memory:
        the same numbers, faster on CPU.
        """
        hidden = signal[:, :, None].contiguous(memory_format=torch.channels_last)
        padded = bool((length < signal.shape[2]).any())
        hidden = _keep(hidden, _mask(length, hidden.shape[3]) if padded else None)
        for block in self.blocks:
            length, steps = (length + 1) // 2, (hidden.shape[3] + 1) // 2
            hidden = block(hidden, _mask(length, steps) if padded else None)
        return hidden[:, :, 0], length

    def forward_head(self, features: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Let each class attend to the steps that speak for it."""
        hidden = self._recur(features.transpose(1, 2), length)  # (B, steps, 2 · units)
        scores = self.keys(hidden) @ self.queries.T / math.sqrt(self.queries.shape[1])
        valid = torch.arange(hidden.shape[1], device=length.device) < length[:, None]
        scores = scores.masked_fill(~valid[..., None], -math.inf)  # (B, steps, classes)
        context = scores.softmax(1).transpose(1, 2) @ hidden  # (B, classes, 2 · units)
        return (self.dropout(context) * self.weight).sum(2) + self.bias

    def _recur(self, steps: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        if bool((length == steps.shape[1]).all()):
            return self.gru(steps)[0]
        packed = pack_padded_sequence(steps, length.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.gru(packed)[0], True, total_length=steps.shape[1])[0]


def _mask(length: torch.Tensor, steps: int) -> torch.Tensor:
    """Mark the valid steps: (batch, 1, 1, steps), 1 where valid."""
    valid = torch.arange(steps, device=length.device) < length[:, None]
    return valid[:, None, None].float()


class SelfNormalisingNetwork(Network):
    """The network of self-normalising blocks (entry 7)."""

    block = SelfNormalisingBlock


NETWORKS = {"cnn_gru_attention": Network, "selu_cnn_gru_attention": SelfNormalisingNetwork}

BASIC = part(
    "cnn_gru_attention", widths=(32, 32, 64, 64, 128), units=64, dropout=0.2, context_dropout=0.5
)
INCREASED = part(
    "cnn_gru_attention", widths=(64, 64, 128, 128, 256), units=128, dropout=0.2, context_dropout=0.5
)

PAPER = "Nejedly et al., CinC 2020, doi 10.22489/CinC.2020.032"

PUBLISHED = Recipe(
    name="isibrno-published",
    system="isibrno2020",
    source=f"{PAPER}, section 2, entry 5",
    summary="residual CNN, GRU and class-wise attention on mV and two envelopes, as published",
    fs=250.0,
    max_s=120.0,  # section 2: padded to 2 minutes
    transforms=(
        part("fill"),
        part("resample", tolerance=0.03),  # "close to 250 Hz, e.g. 257 Hz" as they are
        part("remove_mean"),
        part("envelopes", low_hz=8, mid_hz=24),
    ),
    network=INCREASED,
    optimiser=part("adam", lr=1e-3, weight_decay=1e-6),
    schedule=part("plateau", factor=0.5, patience=7),
    epochs=75,
    batch=64,
    heads=(Head(loss=part("bce")),),
)

LEADWISE = vary(
    PUBLISHED,
    name="isibrno-leadwise",
    summary="the published network; its rate falls to zero, its labels expect the highest metric",
    schedule=part("warmup_cosine", warmup=0.02, decay=0.5),
    decision="expected_metric",
)

# Entries 4 and 5 are `PUBLISHED`, entry 6 is entry 2 again.  The z-score takes the mean as well.
ENTRY_2 = vary(
    PUBLISHED,
    name="isibrno-entry2",
    source=f"{PAPER}, table 1, entries 2 and 6",
    summary="as published, on z-scores without envelopes; hidden validation part 0.624 and 0.632",
    transforms=(part("fill"), part("resample", tolerance=0.03), part("z_score")),
)

ENTRIES = (
    vary(
        ENTRY_2,
        name="isibrno-entry1",
        source=f"{PAPER}, table 1, entry 1",
        summary="entry 2 with basic widths; hidden validation part 0.569",
        network=BASIC,
    ),
    ENTRY_2,
    vary(
        ENTRY_2,
        name="isibrno-entry3",
        source=f"{PAPER}, table 1, entry 3",
        summary="entry 2 without L2 and dropout; hidden validation part 0.608",
        network=part(
            INCREASED.name, **{**INCREASED.options, "dropout": 0.0, "context_dropout": 0.0}
        ),
        optimiser=part("adam", lr=1e-3, weight_decay=0.0),
    ),
    vary(
        PUBLISHED,
        name="isibrno-entry7",
        source=f"{PAPER}, table 1, entry 7",
        summary="as published, of self-normalising blocks (SELU); hidden validation part 0.652",
        network=part("selu_cnn_gru_attention", **{**INCREASED.options, "dropout": 0.05}),
    ),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        PUBLISHED,
        LEADWISE,
        *ENTRIES,
        vary(
            PUBLISHED,
            name="isibrno-class-thresholds",
            summary="as published, with a threshold for each class by differential evolution",
            decision="per class",
        ),
        vary(
            LEADWISE,
            name="isibrno-rules",
            summary="`isibrno-leadwise`, whose labels rules join as the validation part decides",
            rules="learned",
        ),
        vary(
            LEADWISE,
            name="isibrno-basic",
            summary="entry 1's basic widths and small batches, for a few hundred records",
            network=BASIC,
            batch=16,
        ),
    )
}
