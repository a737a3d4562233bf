"""The Perceiver of HeartlyAI 2021: latents that read tokens by cross-attention.

Jaegle et al. 2021.  Its sizes are not published; the defaults are ours: 64 latents of 256, four
rounds of one cross-attention and two layers of self-attention, with equal weights from the second
round on, four heads, and Fourier features of the token's position.  The cost is linear in the
number of tokens.
"""

import torch
from torch import nn

BANDS = 6  # Fourier features: sine and cosine of each, and the position itself
SELF_LAYERS = 2


class Attention(nn.Module):
    """Attention with norms before it, then a perceptron; both with shortcuts."""

    def __init__(self, width: int, inputs: int, heads: int) -> None:
        super().__init__()
        self.norm, self.input_norm = nn.LayerNorm(width), nn.LayerNorm(inputs)
        self.attention = nn.MultiheadAttention(
            width, heads, kdim=inputs, vdim=inputs, batch_first=True
        )
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, latents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Update latents (batch, latents, width) by tokens (batch, tokens, inputs)."""
        inputs = self.input_norm(tokens)
        read, _ = self.attention(self.norm(latents), inputs, inputs, need_weights=False)
        hidden = latents + read
        updated: torch.Tensor = hidden + self.perceptron(hidden)
        return updated


class Round(nn.Module):
    """One cross-attention from the tokens, then self-attention of the latents."""

    def __init__(self, width: int, inputs: int, heads: int) -> None:
        super().__init__()
        self.cross = Attention(width, inputs, heads)
        self.own = nn.ModuleList(Attention(width, width, heads) for _ in range(SELF_LAYERS))

    def forward(self, latents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Update latents (batch, latents, width) by tokens (batch, tokens, inputs)."""
        hidden: torch.Tensor = self.cross(latents, tokens)
        for layer in self.own:
            hidden = layer(hidden, hidden)
        return hidden


class Perceiver(nn.Module):
    """Read tokens into latents; the result is the mean of the latents.

    Parameters
    ----------
    inputs : int
        Numbers per token.
    latents, width, rounds, heads : int
        Number and size of the latents; rounds of attention; heads of each attention.
    """

    def __init__(
        self, inputs: int, *, latents: int = 64, width: int = 256, rounds: int = 4, heads: int = 4
    ) -> None:
        super().__init__()
        self.latents = nn.Parameter(nn.init.normal_(torch.empty(latents, width), std=0.02))
        size = inputs + 2 * BANDS + 1
        self.first = Round(width, size, heads)
        self.further = Round(width, size, heads) if rounds > 1 else None
        self.rounds = rounds

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map (batch, tokens, inputs) to (batch, width)."""
        batch, count, _ = tokens.shape
        position = _positions(count, tokens).expand(batch, -1, -1)
        tokens = torch.cat([tokens, position], 2)
        hidden: torch.Tensor = self.first(self.latents.expand(batch, -1, -1), tokens)
        for _ in range(self.rounds - 1):
            assert self.further is not None
            hidden = self.further(hidden, tokens)
        return hidden.mean(1)


def _positions(count: int, like: torch.Tensor) -> torch.Tensor:
    """Compute the Fourier features of the positions −1 … 1: (1, count, 2 · BANDS + 1)."""
    position = torch.linspace(-1, 1, count, device=like.device, dtype=like.dtype)[:, None]
    angles = torch.pi * position * 2.0 ** torch.arange(BANDS, device=like.device)
    return torch.cat([position, angles.sin(), angles.cos()], 1)[None]
