"""Signal encoders: from a signal of one lead to a latent vector of `size` numbers.

They map (batch, 1, samples), of which `length` are valid and the rest is 0, to (batch, size);
neither padding nor neighbours change a vector in evaluation.
"""

from collections.abc import Callable

import torch
from torch import nn

from ecg import LeadwiseError
from models.dualnet2017.spectrogram import WINDOW, window_count, windows
from models.house2026 import Backbone

PLACES = 80  # windows of 60 s: positions that are learned; later windows share the last one


class Recurrent(nn.Module):
    """An LSTM over windows of 256 samples; what it says at a record's last window.

    Parameters
    ----------
    size : int
        Units of each layer.
    dropout : float
        Between the layers.
    layers : int
    """

    def __init__(self, size: int, dropout: float, *, layers: int) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(WINDOW, size, layers, batch_first=True, dropout=between)

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, 1, samples) to (batch, size)."""
        said = self.lstm(windows(signal[:, 0]))[0]  # (batch, windows, size)
        last = window_count(length) - 1
        spoken: torch.Tensor = said[torch.arange(len(said), device=said.device), last]
        return spoken


class Transformer(nn.Module):
    """A Transformer encoder over windows as they are, taken as tokens; the mean of a record's.

    Parameters
    ----------
    size : int
        256, as wide as a window.
    dropout : float
    heads, hidden, layers : int
        Heads, units of the feed-forward part, layers with their norms last.

    Raises
    ------
    LeadwiseError
        The size is another one.
    """

    def __init__(self, size: int, dropout: float, *, heads: int, hidden: int, layers: int) -> None:
        super().__init__()
        if size != WINDOW:
            raise LeadwiseError(f"a Transformer over windows says {WINDOW} numbers, not {size}")
        self.position = nn.Parameter(0.1 * torch.randn(PLACES, WINDOW))
        layer = nn.TransformerEncoderLayer(
            WINDOW, heads, hidden, dropout, activation="gelu", batch_first=True
        )
        last_norm = nn.LayerNorm(WINDOW)
        self.layers = nn.TransformerEncoder(layer, layers, last_norm, enable_nested_tensor=False)

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, 1, samples) to (batch, 256)."""
        tokens = windows(signal[:, 0])  # (batch, windows, 256)
        place = torch.arange(tokens.shape[1], device=tokens.device)
        count = window_count(length)[:, None]
        padding = place >= count
        tokens = tokens + self.position[place.clamp(max=PLACES - 1)]
        said = self.layers(tokens, src_key_padding_mask=padding if bool(padding.any()) else None)
        return said.masked_fill(padding[..., None], 0).sum(1) / count


class Residual(Backbone):
    """The house's residual blocks over the samples; mean and maximum over time.

    In training the zeros behind a record are part of it.

    Parameters
    ----------
    size : int
        Twice the last stage's channels.
    dropout : float
        Of channels.
    widths : sequence of int
        Channels of the stages before the last; the stem halves the rate, and so does each stage but
        the first.
    blocks : sequence of int
        Of each stage, the last one included.
    head_dropout : float
        Of the numbers that it says.
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
