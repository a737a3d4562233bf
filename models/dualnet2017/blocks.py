"""Blocks of the spectrogram encoder: each halves time and frequency, and listens to the signal.

Maps are (batch, channels, steps, bins); a mask (batch, 1, steps, bins) marks what is a record's,
and None that all is.  What lies behind a record is 0 before each convolution, as are the borders.
"""

import torch
from torch import nn

from models.dualnet2017.activation import Pade
from models.dualnet2017.attention import AxialAttention
from models.layers import MaskedBatchNorm


class ConditionalNorm(nn.Module):
    """Batch norm whose scale and shift a latent vector changes; de Vries et al., NIPS 2017.

    (1 + Δγ) · BN(x) + Δβ, where (Δγ, Δβ) = W z begin as 0.  DualNet's code has no "1 +", so that a
    latent vector of 0 switches its branch off: `as_published`.

    Parameters
    ----------
    width : int
        Channels.
    latent : int
        Numbers of the vector; 0 makes a plain batch norm.
    """

    def __init__(self, width: int, latent: int, *, as_published: bool = False) -> None:
        super().__init__()
        self.norm = MaskedBatchNorm(width)
        self.own = 0.0 if as_published else 1.0  # the scale before the vector changes it
        self.condition = nn.Linear(latent, 2 * width, bias=False) if latent else None
        if self.condition is not None and not as_published:
            nn.init.zeros_(self.condition.weight)

    def forward(
        self, signal: torch.Tensor, latent: torch.Tensor | None, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Normalise (batch, width, steps, bins) by a vector (batch, latent)."""
        normed = self.norm(signal, None if mask is None else mask.float())
        if self.condition is None or latent is None:
            return normed
        scale, shift = self.condition(latent)[:, :, None, None].chunk(2, 1)
        return torch.addcmul(shift, normed, scale + self.own)


class ResidualBlock(nn.Module):
    """Two convolutions of 3 × 3 beside a shortcut, then half the steps and bins."""

    def __init__(
        self,
        channels: int,
        width: int,
        latent: int,
        *,
        dropout: float,
        published: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.first_norm = ConditionalNorm(width, latent, as_published="norm" in published)
        self.activation = Pade()
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = ConditionalNorm(width, latent, as_published="norm" in published)
        self.shortcut = _shortcut(channels, width)
        self.last_activation = Pade()
        self.dropout = nn.Dropout2d(dropout)
        self.pool = nn.AvgPool2d(2)

    def forward(
        self, signal: torch.Tensor, latent: torch.Tensor | None, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Map (batch, channels, steps, bins) to (batch, width, ⌊steps / 2⌋, ⌊bins / 2⌋)."""
        hidden = self.activation(self.first_norm(self.first(signal), latent, mask))
        hidden = self.second(keep(self.dropout(hidden), mask))
        hidden = self.second_norm(hidden, latent, mask) + self.shortcut(signal)
        return keep(self.pool(self.dropout(self.last_activation(hidden))), halved(mask))


class AxialBlock(nn.Module):
    """Attention along time, then along frequency, between two convolutions of 1 × 1.

    Parameters
    ----------
    span : tuple of int
        Of the attentions, in steps and in bins.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        latent: int,
        span: tuple[int, int],
        *,
        dropout: float,
        published: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 1, bias=False)
        self.first_norm = ConditionalNorm(width, latent, as_published="norm" in published)
        self.activation = Pade()
        self.over_time, self.over_bins = (
            AxialAttention(width, length, as_published="attention" in published) for length in span
        )
        self.dropout = nn.Dropout2d(dropout)
        self.pool = nn.AvgPool2d(2)
        self.second = nn.Conv2d(width, width, 1, bias=False)
        self.second_norm = ConditionalNorm(width, latent, as_published="norm" in published)
        self.shortcut = _shortcut(channels, width)
        self.last_activation = Pade()

    def forward(
        self, signal: torch.Tensor, latent: torch.Tensor | None, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Map (batch, channels, steps, bins) to (batch, width, ⌊steps / 2⌋, ⌊bins / 2⌋)."""
        hidden = self.activation(self.first_norm(self.first(signal), latent, mask))
        turned = None if mask is None else mask.transpose(2, 3)
        hidden = self.over_time(hidden.transpose(2, 3), turned).transpose(2, 3)
        hidden = self.dropout(self.over_bins(hidden, mask))
        rest = halved(mask)
        hidden = self.second_norm(self.second(self.pool(hidden)), latent, rest)
        made = self.last_activation(hidden + self.shortcut(self.pool(signal)))
        return keep(made, rest)


def _shortcut(channels: int, width: int) -> nn.Module:
    return nn.Identity() if channels == width else nn.Conv2d(channels, width, 1, bias=False)


def keep(signal: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Set what is no record's to 0."""
    return signal if mask is None else signal * mask.to(signal.dtype)


def halved(mask: torch.Tensor | None) -> torch.Tensor | None:
    """Mark the steps and bins of which both halves are a record's."""
    return None if mask is None else mask[:, :, 1::2, 1::2]
