"""Blocks of the spectrogram encoder, conditioned on the signal encoder's latent vector.

Each block halves time and frequency.  Features have shape (batch, channels, steps, bins).  A mask
(batch, 1, steps, bins) is True where the record is valid; None if all is.  Padding is 0 before each
convolution, as are the borders.
"""

import torch
from torch import nn

from models.dualnet2017.activation import Pade
from models.dualnet2017.attention import AxialAttention
from models.layers import MaskedBatchNorm


class ConditionalNorm(nn.Module):
    """Conditional batch norm with a latent vector z; de Vries et al., NIPS 2017.

    (1 + Δγ) · BN(x) + Δβ, where (Δγ, Δβ) = W z and W is initially 0.  With `as_published` the "1 +"
    is missing, as in DualNet's code, so a latent vector of 0 gives 0.

    Parameters
    ----------
    width : int
        Channels.
    latent : int
        Size of the latent vector; 0 gives a plain batch norm.
    """

    def __init__(self, width: int, latent: int, *, as_published: bool = False) -> None:
        super().__init__()
        self.norm = MaskedBatchNorm(width)
        self.base_scale = 0.0 if as_published else 1.0
        self.condition = nn.Linear(latent, 2 * width, bias=False) if latent else None
        if self.condition is not None and not as_published:
            nn.init.zeros_(self.condition.weight)

    def forward(
        self, signal: torch.Tensor, latent: torch.Tensor | None, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Normalise (batch, width, steps, bins), given latent vectors (batch, latent)."""
        normed: torch.Tensor = self.norm(signal, None if mask is None else mask.float())
        if self.condition is None or latent is None:
            return normed
        scale, shift = self.condition(latent)[:, :, None, None].chunk(2, 1)
        return torch.addcmul(shift, normed, scale + self.base_scale)


class ResidualBlock(nn.Module):
    """Residual block of two 3 × 3 convolutions, then average pooling by 2."""

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
        hidden = self.second(apply_mask(self.dropout(hidden), mask))
        hidden = self.second_norm(hidden, latent, mask) + self.shortcut(signal)
        return apply_mask(self.pool(self.dropout(self.last_activation(hidden))), halve_mask(mask))


class AxialBlock(nn.Module):
    """Residual block of attention along time and frequency between two 1 × 1 convolutions.

    Parameters
    ----------
    span : tuple of int
        Spans of the two attentions, in steps and in bins.
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
        transposed = None if mask is None else mask.transpose(2, 3)
        hidden = self.over_time(hidden.transpose(2, 3), transposed).transpose(2, 3)
        hidden = self.dropout(self.over_bins(hidden, mask))
        mask = halve_mask(mask)
        hidden = self.second_norm(self.second(self.pool(hidden)), latent, mask)
        output = self.last_activation(hidden + self.shortcut(self.pool(signal)))
        return apply_mask(output, mask)


def _shortcut(channels: int, width: int) -> nn.Module:
    return nn.Identity() if channels == width else nn.Conv2d(channels, width, 1, bias=False)


def apply_mask(signal: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Set padding to 0."""
    return signal if mask is None else signal * mask.to(signal.dtype)


def halve_mask(mask: torch.Tensor | None) -> torch.Tensor | None:
    """Give the mask after pooling by 2: a step is valid if both its inputs are."""
    return None if mask is None else mask[:, :, 1::2, 1::2]
