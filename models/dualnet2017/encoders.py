"""Signal encoders: from a signal of one lead to a latent vector of `size` elements.

They map (batch, 1, samples), of which `length` are valid and the rest 0, to (batch, size).  In
evaluation, a record's vector depends neither on padding nor on the rest of the batch.
"""

from collections.abc import Callable

import torch
from torch import nn

from ecg import LeadwiseError
from models.dualnet2017.spectrogram import WINDOW, window_count, windows
from models.house2026 import Backbone

POSITIONS = 80  # learned positions, for windows up to 60 s; later windows share the last one


class Recurrent(nn.Module):
    """An LSTM over windows of 256 samples; its output at the last window.

    Parameters
    ----------
    size : int
        Units per layer.
    dropout : float
        Dropout between layers.
    layers : int
    """

    def __init__(self, size: int, dropout: float, *, layers: int) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(WINDOW, size, layers, batch_first=True, dropout=between)

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, 1, samples) to (batch, size)."""
        hidden = self.lstm(windows(signal[:, 0]))[0]  # (batch, windows, size)
        last = window_count(length) - 1
        latent: torch.Tensor = hidden[torch.arange(len(hidden), device=hidden.device), last]
        return latent


class Transformer(nn.Module):
    """A Transformer encoder whose tokens are windows of the signal; the mean of its outputs.

    Parameters
    ----------
    size : int
        256, the width of a window.
    dropout : float
    heads, hidden, layers : int
        Attention heads, units of the feed-forward networks, post-norm layers.

    Raises
    ------
    LeadwiseError
        The size is not 256.
    """

    def __init__(self, size: int, dropout: float, *, heads: int, hidden: int, layers: int) -> None:
        super().__init__()
        if size != WINDOW:
            raise LeadwiseError(
                f"a Transformer over windows has a latent size of {WINDOW}, not {size}"
            )
        self.position = nn.Parameter(0.1 * torch.randn(POSITIONS, WINDOW))
        layer = nn.TransformerEncoderLayer(
            WINDOW, heads, hidden, dropout, activation="gelu", batch_first=True
        )
        last_norm = nn.LayerNorm(WINDOW)
        self.layers = nn.TransformerEncoder(layer, layers, last_norm, enable_nested_tensor=False)

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, 1, samples) to (batch, 256)."""
        tokens = windows(signal[:, 0])  # (batch, windows, 256)
        index = torch.arange(tokens.shape[1], device=tokens.device)
        count = window_count(length)[:, None]
        padding = index >= count
        tokens = tokens + self.position[index.clamp(max=POSITIONS - 1)]
        ignored = padding if bool(padding.any()) else None
        hidden: torch.Tensor = self.layers(tokens, src_key_padding_mask=ignored)
        return hidden.masked_fill(padding[..., None], 0).sum(1) / count


class Residual(Backbone):
    """The residual blocks of `models.house2026` over samples; mean and maximum over time.

    In training, padding counts as signal.

    Parameters
    ----------
    size : int
        Twice the last stage's channels.
    dropout : float
        Dropout of channels.
    widths : sequence of int
        Channels of the stages before the last; the stem and all stages but the first halve the
        rate.
    blocks : sequence of int
        Blocks per stage, including the last one.
    head_dropout : float
        Dropout of the latent vector.
    """

    def __init__(
        self,
        size: int,
        dropout: float,
        *,
        widths: tuple[int, ...],
        blocks: tuple[int, ...],
        head_dropout: float,
    ) -> None:
        super().__init__(1, widths=(*widths, size // 2), blocks=blocks, kernel=9, dropout=dropout)
        self.head_dropout = nn.Dropout(head_dropout)

    def forward_head(self, features: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, steps) to (batch, size); all steps are valid."""
        latent: torch.Tensor = self.head_dropout(super().forward_head(features, length))
        return latent


ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "lstm": Recurrent,
    "transformer": Transformer,
    "residual": Residual,
}
