"""The network: a signal's latent vector, a spectrogram read in its light, and the sum of both."""

import torch
from torch import nn
from torch.nn import functional

from ecg import LeadwiseError
from models.dualnet2017.activation import Pade
from models.dualnet2017.blocks import AxialBlock, ResidualBlock, halved
from models.dualnet2017.encoders import ENCODERS
from models.dualnet2017.spectrogram import (
    BINS,
    STRIDE,
    WINDOW,
    frame_count,
    log_spectrogram,
)
from models.recipe import Part

SPANS = ((140, 8), (70, 4), (35, 2))  # steps and bins before blocks 3, 4 and 5 of 60 s
FRAMES = 2**5  # one for the last block; a record below 3.3 s ends in silence
BRANCHES = ("both", "signal", "spectrogram")
PUBLISHED = ("norm", "attention")


class Network(nn.Module):
    """A signal encoder and five blocks over the log-spectrogram, added; logits.

    Parameters
    ----------
    rows : int
        1: it reads one lead.
    classes : int
        Logits.
    encoder : Part
        Of the signal, of `ENCODERS`, with its numbers.
    latent : int
        Numbers of the latent vector.
    widths : sequence of int
        Channels of the five blocks.
    axial : int
        How many of the blocks, the last ones, are of axial attention: up to 3.
    dropout : float
        Everywhere; of channels in the blocks.
    branches : str
        `both`; `signal`, whose latent vector then answers alone; or `spectrogram`, whose norms are
        then plain.
    padded : int
        Samples to which records are padded and cropped, all of which are then read as signal; the
        public code's are 18,000.  At 0 padding is masked.
    as_published : sequence of str
        What is as in the public code: `norm`, the conditional one; `attention`, the axial one.

    Raises
    ------
    LeadwiseError
        There is more than one row, or a choice is unknown; the known ones are listed.
    """

    def __init__(
        self,
        rows: int,
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
        _check(rows, encoder.name, branches, as_published)
        self.padded = padded
        self.encoder = self.blocks = self.joint = None
        if branches != "spectrogram":
            self.encoder = ENCODERS[encoder.name](latent, dropout, **encoder.options)
        if branches != "signal":
            listened = 0 if self.encoder is None else latent
            blocks = []
            for place, (channels, width) in enumerate(zip((1, *widths), widths, strict=False)):
                left = len(widths) - place
                three = (channels, width, listened)
                blocks.append(
                    AxialBlock(*three, SPANS[-left], dropout=dropout, published=as_published)
                    if left <= axial
                    else ResidualBlock(*three, dropout=dropout, published=as_published)
                )
            self.blocks = nn.ModuleList(blocks)
            self.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.joint = nn.Sequential(nn.Linear(widths[-1], latent), Pade())
        self.head = nn.Linear(latent, classes)

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, 1, samples), of which `length` are valid, to logits (batch, classes)."""
        length = length.clamp(max=self.padded) if self.padded else length
        latent = None if self.encoder is None else self.encode_signal(signal, length)
        if self.joint is not None:
            seen = self.joint(self.encode_spectrogram(signal, length, latent))
            latent = seen if latent is None else latent + seen
        logits: torch.Tensor = self.head(latent)
        return logits

    def encode_signal(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map a signal to its latent vector (batch, latent)."""
        assert self.encoder is not None
        if self.padded:
            heard = self.padded - (self.padded - WINDOW) % STRIDE  # no window holds the last few
            signal = functional.pad(signal[..., :heard], (0, max(heard - signal.shape[2], 0)))
            length = torch.full_like(length, heard)
        latent: torch.Tensor = self.encoder(signal, length)
        return latent

    def encode_spectrogram(
        self, signal: torch.Tensor, length: torch.Tensor, latent: torch.Tensor | None
    ) -> torch.Tensor:
        """Map a signal to the mean over its spectrogram of the last block's channels."""
        assert self.blocks is not None
        hidden, mask = self.spectrogram(signal, length)
        for block in self.blocks:
            hidden, mask = block(hidden, latent, mask), halved(mask)
        if mask is None:
            return hidden.mean((2, 3))
        return hidden.sum((2, 3)) / mask.sum((2, 3))  # what is no record's is 0

    def spectrogram(
        self, signal: torch.Tensor, length: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Give log-spectrograms (batch, 1, frames, 33) and which frames of them are a record's.

        These are None where all are.  As published they are 0 behind a record, which is louder
        than nearly all that is in one, and count as its own.
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


def _check(rows: int, encoder: str, branches: str, published: tuple[str, ...]) -> None:
    if rows != 1:
        raise LeadwiseError(f"this network reads one lead, not {rows}")
    named = [("encoder", encoder, tuple(ENCODERS)), ("branches", branches, BRANCHES)]
    named += [("part as published", part, PUBLISHED) for part in published]
    for what, name, known in named:
        if name not in known:
            raise LeadwiseError(f"no {what} '{name}'; known are {', '.join(known)}")


NETWORKS = {"dual": Network}
