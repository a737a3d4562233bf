"""Axial attention with relative positions, along one axis; Wang et al., "Axial-DeepLab", ECCV 2020.

The logits have a content term and two position terms:
logits_ij = q_i·k_j + q_i·r^q_{i-j} + k_j·r^k_{j-i}.
With `as_published`, they are those of DualNet's code: the content term multiplies the two position
terms, and the key term takes the key at the query's position.  The number of heads, 16, is
DualNet's (Axial-DeepLab: 8).  Weights are initialised as in Axial-DeepLab; with `as_published`, as
in DualNet.
"""

import math

import torch
from torch import nn

from models.layers import MaskedBatchNorm

HEADS = 16


class AxialAttention(nn.Module):
    """Attention along the last axis, separately at each index of the axis before.

    Parameters
    ----------
    width : int
        Channels in and out; an even number per head.
    span : int
        Number of distances with an embedding of their own; larger ones share the last one.
    as_published : bool
        Whether logits and initial weights are those of DualNet's code.
    """

    def __init__(self, width: int, span: int, *, as_published: bool = False) -> None:
        super().__init__()
        self.head_width = width // HEADS
        self.span, self.as_published = span, as_published
        self.project = nn.Conv2d(width, 2 * width, 1, bias=False)
        self.norm = MaskedBatchNorm(2 * width)
        self.relative = nn.Parameter(
            torch.randn(2 * self.head_width, 2 * span - 1)
        )  # r^q, r^k, r^v
        self.map_norm = MaskedBatchNorm(3 * HEADS)
        self.out_norm = MaskedBatchNorm(2 * width)
        if not as_published:
            nn.init.normal_(self.project.weight, std=math.sqrt(1 / width))
            nn.init.normal_(self.relative, std=math.sqrt(1 / self.head_width))

    def forward(self, signal: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map (batch, width, rows, steps) to the same; `mask` (batch, 1, rows, steps) is bool."""
        batch, width, rows, steps = signal.shape
        half = self.head_width // 2
        hidden = self.norm(self.project(signal), _float(mask))
        hidden = (
            hidden if mask is None else hidden * mask
        )  # published logits sum over all positions
        hidden = hidden.view(batch, HEADS, 2 * self.head_width, rows, steps)
        q, k, v = torch.split(hidden, [half, half, self.head_width], dim=2)
        r_q, r_k, r_v = torch.split(self._positions(steps), [half, half, self.head_width])
        maps = similarities(q, k, r_q, r_k, as_published=self.as_published)
        pairs = None if mask is None else mask[..., None, :] & mask[..., None]  # (B, 1, O, n, n)
        logits = maps.view(batch, 3 * HEADS, rows * steps, steps)
        logits = self.map_norm(logits, None if pairs is None else pairs.flatten(2, 3).float())
        logits = logits.view(batch, 3, HEADS, rows, steps, steps).sum(1)
        if mask is not None:  # rows without a valid step attend to all steps, to avoid NaN
            attended = mask | ~mask.any(-1, keepdim=True)
            logits = logits.masked_fill(~attended[..., None, :], -math.inf)
        content, position = weighted_sums(logits.softmax(-1), v, r_v)
        pairwise = torch.stack([content, position], 3).reshape(batch, 2 * width, rows, steps)
        output: torch.Tensor = self.out_norm(pairwise, _float(mask))
        return output.view(batch, width, 2, rows, steps).sum(2)

    def _positions(self, steps: int) -> torch.Tensor:
        """Give the embeddings of i - j: (2 · head_width, steps, steps)."""
        index = torch.arange(steps, device=self.relative.device)
        distance = (index[:, None] - index).clamp(1 - self.span, self.span - 1)
        return self.relative[:, distance + self.span - 1]


def similarities(
    q: torch.Tensor, k: torch.Tensor, r_q: torch.Tensor, r_k: torch.Tensor, *, as_published: bool
) -> torch.Tensor:
    """Compute the three terms of the logits: content, query and key.

    Parameters
    ----------
    q, k : torch.Tensor of shape (batch, heads, channels, rows, steps)
    r_q, r_k : torch.Tensor of shape (channels, steps, steps)
        Embedding of i - j at [:, i, j].

    Returns
    -------
    torch.Tensor of shape (batch, 3, heads, rows, steps, steps)
        Similarity of the query at i and the key at j at [..., i, j].
    """
    query = torch.einsum("bhcri,cij->bhrij", q, r_q)
    if as_published:
        key = torch.einsum("bhcri,cij->bhrij", k, r_k)
        content = query.transpose(3, 4) @ key
    else:
        key = torch.einsum("bhcrj,cji->bhrij", k, r_k)
        content = torch.einsum("bhcri,bhcrj->bhrij", q, k)
    return torch.stack([content, query, key], 1)


def weighted_sums(
    attention: torch.Tensor, v: torch.Tensor, r_v: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight values and positions by attention: two of (batch, heads, channels, rows, steps)."""
    content = torch.einsum("bhrij,bhcrj->bhcri", attention, v)
    return content, torch.einsum("bhrij,cij->bhcri", attention, r_v)


def _float(mask: torch.Tensor | None) -> torch.Tensor | None:
    return None if mask is None else mask.float()
