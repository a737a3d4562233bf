"""The network: latent vectors of a signal encoder and a spectrogram encoder, added."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ecg import LeadwiseError
from models.dualnet2017.activation import Pade
from models.dualnet2017.blocks import AxialBlock, ResidualBlock, halve_mask
from models.dualnet2017.encoders import ENCODERS
from models.dualnet2017.spectrogram import (
    BINS,
    HOP,
    STRIDE,
    WINDOW,
    frame_count,
    log_spectrogram,
)
from models.facts import RHYTHM
from models.house2026 import Backbone
from models.layers import FeatureMaps, Members
from models.recipe import Part

SPANS = ((140, 8), (70, 4), (35, 2))  # steps and bins of 60 s before blocks 3, 4 and 5
FRAMES = 2**5  # minimum, one step after five blocks; records below 3.3 s are padded
BRANCHES = ("both", "signal", "spectrogram")
PUBLISHED = ("norm", "attention")
RHYTHM_UNITS = 32


class Network(nn.Module):
    """A signal encoder, five blocks over the log-spectrogram, and a linear head; logits.

    Parameters
    ----------
    in_channels : int
        1, for one lead.
    classes : int
        Number of logits.
    encoder : Part
        Signal encoder: key of `ENCODERS`, with options.
    latent : int
        Size of the latent vector.
    widths : sequence of int
        Channels of the five blocks.
    axial : int
        Number of blocks, from the last one, with axial attention: up to 3.
    dropout : float
        Dropout in all layers; in blocks, of channels.
    branches : str
        `both`, `signal` or `spectrogram`; in the last case the blocks have plain batch norms.
    padded : int
        Number of samples to which records are padded or cropped, and all of which count as signal;
        18,000 in the public code.  With 0, padding is masked.
    as_published : sequence of str
        Layers as in the public code: `norm` (conditional), `attention` (axial).

    Raises
    ------
    LeadwiseError
        The input has more than one channel, or an option is unknown; the message lists the known
        ones.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        encoder: Part,
        latent: int,
        widths: tuple[int, ...],
        axial: int = 0,
        dropout: float = 0.05,
        branches: str = "both",
        padded: int = 0,
        as_published: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        _check(in_channels, encoder.name, branches, as_published)
        self.padded = padded
        self.encoder = self.blocks = self.joint = None
        if branches != "spectrogram":
            self.encoder = ENCODERS[encoder.name](latent, dropout, **encoder.options)
        if branches != "signal":
            condition = 0 if self.encoder is None else latent
            blocks = []
            for index, (channels, width) in enumerate(zip((1, *widths), widths, strict=False)):
                remaining = len(widths) - index
                sizes = (channels, width, condition)
                blocks.append(
                    AxialBlock(*sizes, SPANS[-remaining], dropout=dropout, published=as_published)
                    if remaining <= axial
                    else ResidualBlock(*sizes, dropout=dropout, published=as_published)
                )
            self.blocks = nn.ModuleList(blocks)
            self.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.joint = nn.Sequential(nn.Linear(widths[-1], latent), Pade())
        self.head = nn.Linear(latent, classes)

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, 1, samples), of which `length` are valid, to logits (batch, classes)."""
        logits: torch.Tensor = self.head(self.latent_of(signal, length))
        return logits

    def latent_of(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Compute what the last layer reads: (batch, latent)."""
        length = length.clamp(max=self.padded) if self.padded else length
        latent = None if self.encoder is None else self.encode_signal(signal, length)
        if self.joint is not None:
            spectral = self.joint(self.encode_spectrogram(signal, length, latent))
            latent = spectral if latent is None else latent + spectral
        assert latent is not None
        return latent

    def feature_maps(self) -> FeatureMaps:
        """Name the output of the last block, or of a convolutional encoder without blocks.

        Raises
        ------
        LeadwiseError
            The network has neither.
        """
        if self.blocks is not None:
            frames = 2 ** len(self.blocks)  # per step, from average pooling
            return FeatureMaps((self.blocks[-1],), HOP * (frames - 1) / 2, HOP * frames, time=2)
        if not isinstance(self.encoder, Backbone):
            raise LeadwiseError(
                "a signal encoder that is an LSTM or a Transformer over windows has no feature "
                "maps, so Grad-CAM cannot explain it; use a network with a spectrogram encoder"
            )
        return self.encoder.feature_maps()

    def encode_signal(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Compute the latent vectors (batch, latent) of signals (batch, 1, samples)."""
        assert self.encoder is not None
        if self.padded:
            covered = self.padded - (self.padded - WINDOW) % STRIDE  # end of the last full window
            signal = functional.pad(signal[..., :covered], (0, max(covered - signal.shape[2], 0)))
            length = torch.full_like(length, covered)
        latent: torch.Tensor = self.encoder(signal, length)
        return latent

    def encode_spectrogram(
        self, signal: torch.Tensor, length: torch.Tensor, latent: torch.Tensor | None
    ) -> torch.Tensor:
        """Compute the last block's features, averaged over the spectrogram (batch, channels)."""
        assert self.blocks is not None
        hidden, mask = self.spectrogram(signal, length)
        for block in self.blocks:
            hidden, mask = block(hidden, latent, mask), halve_mask(mask)
        if mask is None:
            return hidden.mean((2, 3))
        return hidden.sum((2, 3)) / mask.sum((2, 3))  # padding is 0

    def spectrogram(
        self, signal: torch.Tensor, length: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute log-spectrograms (batch, 1, frames, 33) and the mask of valid frames.

        The mask is None if all frames are valid, and with `padded`.  Padding is 0, which exceeds
        most values of a record.
        """
        frames = int(frame_count(torch.tensor(self.padded))) if self.padded else FRAMES
        logs = log_spectrogram(signal[:, 0], length, shortest=frames)
        count = frame_count(length).clamp(min=1 if self.padded else FRAMES)
        mask = (torch.arange(logs.shape[1], device=length.device) < count[:, None])[
            :, None, :, None
        ]
        hidden = logs[:, None].contiguous(memory_format=torch.channels_last)
        if bool(mask.all()):
            return hidden, None
        return hidden * mask, None if self.padded else mask.expand(-1, -1, -1, BINS)


class RhythmNetwork(Network):
    """The network, whose latent vector gets a sum of functions of the RR intervals' numbers.

    Their last layer is initialised with 0, so that a network of the signal alone, from which a
    training can begin, is changed only by what is learned.  Options are those of `Network`.
    """

    def __init__(self, in_channels: int, classes: int, **options: Any) -> None:
        super().__init__(in_channels, classes, **options)
        latent = self.head.in_features
        self.rhythm = nn.Sequential(
            nn.Linear(len(RHYTHM), RHYTHM_UNITS), nn.ReLU(), nn.Linear(RHYTHM_UNITS, latent)
        )
        for weights in self.rhythm[-1].parameters():
            nn.init.zeros_(weights)

    def forward(
        self, signal: torch.Tensor, length: torch.Tensor, rhythm: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Map signals, lengths and `models.facts.RHYTHM` (none: too few beats) to logits."""
        if rhythm is None:
            rhythm = torch.eye(len(RHYTHM), device=signal.device)[-1:].expand(len(signal), -1)
        logits: torch.Tensor = self.head(self.latent_of(signal, length) + self.rhythm(rhythm))
        return logits


class Ensemble(Members):
    """Several networks.

    Parameters
    ----------
    in_channels, classes : int
    members : int
        Number of networks.
    options
        Of `Network`.
    """

    def __init__(self, in_channels: int, classes: int, *, members: int, **options: Any) -> None:
        super().__init__([Network(in_channels, classes, **options) for _ in range(members)])


def _check(channels: int, encoder: str, branches: str, published: tuple[str, ...]) -> None:
    if channels != 1:
        raise LeadwiseError(f"this network reads one lead, not {channels}")
    named = [("encoder", encoder, tuple(ENCODERS)), ("branches", branches, BRANCHES)]
    named += [("layer as published", layer, PUBLISHED) for layer in published]
    for what, name, known in named:
        if name not in known:
            raise LeadwiseError(f"no {what} '{name}'; known are {', '.join(known)}")


NETWORKS = {"dual": Network, "dual_rhythm": RhythmNetwork, "duals": Ensemble}
