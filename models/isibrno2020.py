"""ISIBrno 2020: residual CNN, bidirectional GRU and class-wise attention.

Nejedly et al., "Utilization of residual CNN-GRU with attention mechanism for classification of
12-lead ECG", CinC 2020, doi 10.22489/CinC.2020.032, section 2.  No code was published.  Our choices
where the paper gives no detail:

- the first convolution of a block has stride 2; the shortcut is a 1 × 1 convolution with stride 2
  and batch norm (He 2016, which the paper cites);
- "increased channels" are widths 64, 64, 128, 128, 256 and 128 GRU units per direction; "basic" are
  32, 32, 64, 64, 128 and 64;
- each class has one learned query, with scaled dot-product attention over time (Vaswani 2017, which
  the paper cites);
- dropout is 0.2 after each block and 0.5 on the contexts;
- records are padded to the longest of the batch, not to 2 minutes, and a mask keeps padding out of
  norms, GRU and attention: our outputs are those of a record without padding, to 3e-8, whatever
  the length.  The paper names no mask; without one, 110 s of zeros change the outputs;
- entry 3 has neither L2 nor dropout (table 1: "without"; section 4: dropouts "decreased");
- the paper has the 24 classes and the metric of 2020 (`isibrno-2020`, which `entries/2020` trains);
  the other recipes have 2021's 26;
- entry 7, described only as "self-normalizing network", is the `SelfNormalisingNetwork` on the
  input of entry 4.

The seven entries of table 1, with scores on the Challenge's hidden validation set:

| entry | score | recipe | entry | score | recipe |
| --- | --- | --- | --- | --- | --- |
| 1 | 0.569 | `isibrno-entry1` | 5 (final) | 0.659 | `isibrno-published` |
| 2 | 0.624 | `isibrno-entry2` | 6 | 0.632 | `isibrno-entry2` |
| 3 | 0.608 | `isibrno-entry3` | 7 | 0.652 | `isibrno-entry7` |
| 4 | 0.664 | `isibrno-published` | | | |

The final entry on the hidden test sets: 0.847 (CPSC), 0.195 (G12EC), −0.006 (an undisclosed
hospital), 0.122 (all); rank 30 of 41.
"""

import math

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ecg.leads import STANDARD
from models.layers import Dropout, FeatureMaps, MaskedBatchNorm
from models.recipe import Head, Recipe, part, vary

RARE = -3.0  # an initial logit: a probability of 0.05
SELU_LOWEST = -1.0507009873554805 * 1.6732632423543772  # α' = −λα; Klambauer et al. 2017


class AlphaDropout(Dropout):
    """Dropout that preserves mean 0 and variance 1 of SELU's outputs.

    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017: dropped values become α',
    the minimum of SELU; then all values become a · value + b.
    """

    def __init__(self, probability: float) -> None:
        super().__init__(probability)
        share = 1 - probability
        self.scale = (share + SELU_LOWEST**2 * share * probability) ** -0.5  # a
        self.shift = -self.scale * probability * SELU_LOWEST  # b

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """In training, set dropped values to α', then scale and shift all values."""
        if not self.training or self.probability == 0:
            return signal
        kept = torch.where(self._mask(signal), signal, SELU_LOWEST)
        output: torch.Tensor = kept * self.scale + self.shift
        return output


class Block(nn.Module):
    """Residual block of three convolutions of kernel 3, the first with stride 2."""

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = _convolutions(channels, width, bias=False)
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for _ in self.convolutions)
        self.shortcut = nn.Conv2d(channels, width, 1, bias=False)
        self.shortcut_norm = MaskedBatchNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, signal: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map (batch, channels, 1, steps) to (batch, width, 1, ceil(steps / 2)), as `mask` is."""
        hidden = signal
        for convolution, norm in zip(self.convolutions[:-1], self.norms[:-1], strict=True):
            hidden = _apply_mask(functional.relu(norm(convolution(hidden), mask)), mask)
        hidden = self.norms[-1](self.convolutions[-1](hidden), mask)
        shortcut = self.shortcut_norm(self.shortcut(_halve(signal)), mask)
        output: torch.Tensor = self.dropout(_apply_mask(functional.relu(hidden + shortcut), mask))
        return output


class SelfNormalisingBlock(nn.Module):
    """Residual block without batch norm: SELU preserves mean 0 and variance 1 (entry 7).

    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017: SELU, weights of variance
    1 / inputs (LeCun's initialisation), alpha dropout.  Their networks are fully connected.  Our
    choices for convolutions:

    - the sum of convolutions and shortcut is divided by √2, since both have variance 1;
    - the three convolutions have a bias, initially 0, in place of batch norm's shift; the shortcut
      has none, since its output is added to that of a convolution with a bias;
    - alpha dropout is 0.05, which the authors recommend (as 0.1); with the other entries' 0.2, a
      short experiment with basic widths converged much later;
    - contexts have plain dropout, since they are not outputs of SELU.
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
        """Map (batch, channels, 1, steps) to (batch, width, 1, ceil(steps / 2)), as `mask` is."""
        hidden = signal
        for convolution in self.convolutions[:-1]:
            hidden = _apply_mask(functional.selu(convolution(hidden)), mask)
        summed = self.convolutions[-1](hidden) + self.shortcut(_halve(signal))
        # Biases and dropout make padding nonzero, so the mask is applied last.
        return _apply_mask(self.dropout(functional.selu(summed * math.sqrt(0.5))), mask)


def _convolutions(channels: int, width: int, *, bias: bool) -> nn.ModuleList:
    """Make the three convolutions of kernel 3 of a block, the first with stride 2."""
    return nn.ModuleList(
        nn.Conv2d(inputs, width, (1, 3), (1, stride), padding=(0, 1), bias=bias)
        for inputs, stride in ((channels, 2), (width, 1), (width, 1))
    )


def _halve(signal: torch.Tensor) -> torch.Tensor:
    """Take every second step, in place of the stride of a 1 × 1 convolution.

    PyTorch 2.13 corrupts memory in the backward pass of a strided 1 × 1 convolution (CPU, channels
    last, fewer than 16 channels).
    """
    return signal[..., ::2].contiguous(memory_format=torch.channels_last)


def _apply_mask(signal: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return signal if mask is None else signal * mask


class Network(nn.Module):
    """Residual blocks, a bidirectional GRU, and attention with one logit per class.

    Parameters
    ----------
    in_channels : int
        Leads times derived channels per lead.
    classes : int
        Number of logits.
    widths : tuple of int
        Channels of the blocks.
    units : int
        Units of the GRU per direction.
    dropout, context_dropout : float
        Dropout after each block; on the contexts.
    initial_logit : float
        Initial bias of the logits.
    """

    block: type[nn.Module] = Block

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        widths: tuple[int, ...],
        units: int,
        dropout: float,
        context_dropout: float,
        initial_logit: float = 0.0,
    ) -> None:
        super().__init__()
        inputs = (in_channels, *widths[:-1])
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
        self.bias = nn.Parameter(torch.full((classes,), initial_logit))
        nn.init.normal_(self.queries)
        nn.init.uniform_(self.weight, -1 / math.sqrt(2 * units), 1 / math.sqrt(2 * units))

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, samples), `length` of them valid, to logits (batch, classes)."""
        return self.forward_head(*self.forward_features(signal, length))

    def forward_features(
        self, signal: torch.Tensor, length: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the features (batch, channels, steps) and their valid steps (batch,).

        Convolutions over time are two-dimensional, with height 1 and channels last in memory: the
        same outputs, faster on CPU.
        """
        hidden = signal[:, :, None].contiguous(memory_format=torch.channels_last)
        padded = bool((length < signal.shape[2]).any())
        hidden = _apply_mask(hidden, _mask(length, hidden.shape[3]) if padded else None)
        for block in self.blocks:
            length, steps = (length + 1) // 2, (hidden.shape[3] + 1) // 2
            hidden = block(hidden, _mask(length, steps) if padded else None)
        return hidden[:, :, 0], length

    def feature_maps(self) -> FeatureMaps:
        """Name the output of the last block."""
        return FeatureMaps((self.blocks[-1],), 0.0, 2 ** len(self.blocks))

    def forward_head(self, features: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map features (batch, channels, steps) to logits by class-wise attention over time."""
        hidden = self._recur(features.transpose(1, 2), length)  # (B, steps, 2 · units)
        scores = self.keys(hidden) @ self.queries.T / math.sqrt(self.queries.shape[1])
        valid = torch.arange(hidden.shape[1], device=length.device) < length[:, None]
        scores = scores.masked_fill(~valid[..., None], -math.inf)  # (B, steps, classes)
        context = scores.softmax(1).transpose(1, 2) @ hidden  # (B, classes, 2 · units)
        logits: torch.Tensor = (self.dropout(context) * self.weight).sum(2) + self.bias
        return logits

    def _recur(self, steps: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        if bool((length == steps.shape[1]).all()):
            unpadded: torch.Tensor = self.gru(steps)[0]
            return unpadded
        packed = pack_padded_sequence(steps, length.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.gru(packed)[0], True, total_length=steps.shape[1])[0]


def _mask(length: torch.Tensor, steps: int) -> torch.Tensor:
    """Mark the valid steps: (batch, 1, 1, steps), 1 where valid."""
    valid = torch.arange(steps, device=length.device) < length[:, None]
    return valid[:, None, None].float()


class SelfNormalisingNetwork(Network):
    """The network with self-normalising blocks (entry 7).

    Its recipe's logits begin at −3 (`RARE`), our choice, since most classes are rare.  From 0, the
    network first learns that they are, its features grow without batch norm, and the GRU saturates.
    """

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
    summary="the published network on mV and two envelopes, trained for 2021's 26 classes",
    fs=250.0,
    max_s=120.0,  # section 2: padded to 2 minutes
    transforms=(
        part("fill"),
        part("resample", tolerance=0.03),  # "close to 250 Hz, e.g. 257 Hz": unchanged
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

OF_2020 = vary(
    PUBLISHED,
    name="isibrno-2020",
    summary="as published: 12 leads, the 24 classes and the metric of 2020",
    classes="scored2020",
    lead_sets=(STANDARD,),
)

LEADWISE = vary(
    PUBLISHED,
    name="isibrno-leadwise",
    summary="the published network with warm-up cosine schedule and expected-metric decoding",
    schedule=part("warmup_cosine", warmup=0.02, decay=0.5),
    decision="expected_metric",
)

# Entries 4 and 5 are `PUBLISHED`, entry 6 equals entry 2.  The z-score also removes the mean.
ENTRY_2 = vary(
    PUBLISHED,
    name="isibrno-entry2",
    source=f"{PAPER}, table 1, entries 2 and 6",
    summary="as published, on z-scores without envelopes; hidden validation score 0.624 and 0.632",
    transforms=(part("fill"), part("resample", tolerance=0.03), part("z_score")),
)

ENTRIES = (
    vary(
        ENTRY_2,
        name="isibrno-entry1",
        source=f"{PAPER}, table 1, entry 1",
        summary="entry 2 with basic widths; hidden validation score 0.569",
        network=BASIC,
    ),
    ENTRY_2,
    vary(
        ENTRY_2,
        name="isibrno-entry3",
        source=f"{PAPER}, table 1, entry 3",
        summary="entry 2 without L2 and dropout; hidden validation score 0.608",
        network=part(
            INCREASED.name, **{**INCREASED.options, "dropout": 0.0, "context_dropout": 0.0}
        ),
        optimiser=part("adam", lr=1e-3, weight_decay=0.0),
    ),
    vary(
        PUBLISHED,
        name="isibrno-entry7",
        source=f"{PAPER}, table 1, entry 7",
        summary="as published, with self-normalising blocks (SELU); hidden validation score 0.652",
        network=part(
            "selu_cnn_gru_attention",
            **{**INCREASED.options, "dropout": 0.05, "initial_logit": RARE},
        ),
    ),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        PUBLISHED,
        OF_2020,
        LEADWISE,
        *ENTRIES,
        vary(
            PUBLISHED,
            name="isibrno-class-thresholds",
            summary="as published, with one threshold per class by differential evolution",
            decision="per class",
        ),
        vary(
            LEADWISE,
            name="isibrno-rules",
            summary="`isibrno-leadwise` with rules; validation records choose how each is used",
            rules="learned",
        ),
        vary(
            LEADWISE,
            name="isibrno-basic",
            summary="`isibrno-leadwise`, basic widths and small batches, for a few hundred records",
            network=BASIC,
            batch=16,
        ),
    )
}
