"""Axial attention with relative positions, along one axis; Wang et al., "Axial-DeepLab", ECCV 2020.

Content meets content and both meet positions: logits_ij = q_i·k_j + q_i·r^q_{i-j} + k_j·r^k_{j-i}.
DualNet's code computes something else, which `as_published` keeps: its first map multiplies the two
*embedded* maps, and its key term takes the key at the query's place.  16 heads are DualNet's
(Axial-DeepLab has 8); weights begin as Axial-DeepLab's do, `as_published` as DualNet's.
"""

import math

import torch
from torch import nn

from models.layers import MaskedBatchNorm

HEADS = 16


class AxialAttention(nn.Module):
    """Attention along the last axis of a map, for each row of it on its own.

    Parameters
    ----------
    width : int
        Channels in and out; an even number for each head.
    span : int
        Longest axis with positions of its own; places further apart share the last one.
    as_published : bool
        Whether logits and first weights are those of DualNet's code.
    """

    def __init__(self, width: int, span: int, *, as_published: bool = False) -> None:
        super().__init__()
        self.each = width // HEADS
        self.span, self.as_published = span, as_published
        self.project = nn.Conv2d(width, 2 * width, 1, bias=False)
        self.norm = MaskedBatchNorm(2 * width)
        self.relative = nn.Parameter(torch.randn(2 * self.each, 2 * span - 1))  # r^q, r^k, r^v
        self.map_norm = MaskedBatchNorm(3 * HEADS)
        self.out_norm = MaskedBatchNorm(2 * width)
        if not as_published:
            nn.init.normal_(self.project.weight, std=math.sqrt(1 / width))
            nn.init.normal_(self.relative, std=math.sqrt(1 / self.each))

    def forward(self, signal: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map (batch, width, rows, steps) to the same; `mask` (batch, 1, rows, steps) is bool."""
        batch, width, rows, steps = signal.shape
        half = self.each // 2
        hidden = self.norm(self.project(signal), _numbers(mask))
        hidden = hidden if mask is None else hidden * mask  # published logits sum over all places
        hidden = hidden.view(batch, HEADS, 2 * self.each, rows, steps)
        q, k, v = hidden.split([half, half, self.each], dim=2)
        r_q, r_k, r_v = self._positions(steps).split([half, half, self.each])
        maps = similarities(q, k, r_q, r_k, as_published=self.as_published)
        pairs = None if mask is None else mask[..., None, :] & mask[..., None]  # (B, 1, O, n, n)
        logits = maps.view(batch, 3 * HEADS, rows * steps, steps)
        logits = self.map_norm(logits, None if pairs is None else _numbers(pairs.flatten(2, 3)))
        logits = logits.view(batch, 3, HEADS, rows, steps, steps).sum(1)
        if mask is not None:  # a row without any valid place attends to all, and counts nowhere
            heard = mask | ~mask.any(-1, keepdim=True)
            logits = logits.masked_fill(~heard[..., None, :], -math.inf)
        content, position = gathered(logits.softmax(-1), v, r_v)
        pairwise = torch.stack([content, position], 3).reshape(batch, 2 * width, rows, steps)
        made = self.out_norm(pairwise, _numbers(mask))
        return made.view(batch, width, 2, rows, steps).sum(2)

    def _positions(self, steps: int) -> torch.Tensor:
        """Give the embeddings of i - j: (2 · each, steps, steps)."""
        place = torch.arange(steps, device=self.relative.device)
        apart = (place[:, None] - place).clamp(1 - self.span, self.span - 1)
        return self.relative[:, apart + self.span - 1]


def similarities(
    q: torch.Tensor, k: torch.Tensor, r_q: torch.Tensor, r_k: torch.Tensor, *, as_published: bool
) -> torch.Tensor:
    """Compute the three maps whose sum are the logits: content, query term, key term.

    Parameters
    ----------
    q, k : torch.Tensor of shape (batch, heads, channels, rows, steps)
    r_q, r_k : torch.Tensor of shape (channels, steps, steps)
        At [:, i, j] the embedding of i - j.

    Returns
    -------
    torch.Tensor of shape (batch, 3, heads, rows, steps, steps)
        At [..., i, j] what the query at i has to do with the key at j.
    """
    query = torch.einsum("bhcri,cij->bhrij", q, r_q)
    if as_published:
        key = torch.einsum("bhcri,cij->bhrij", k, r_k)
        content = query.transpose(3, 4) @ key
    else:
        key = torch.einsum("bhcrj,cji->bhrij", k, r_k)
        content = torch.einsum("bhcri,bhcrj->bhrij", q, k)
    return torch.stack([content, query, key], 1)


def gathered(
    attention: torch.Tensor, v: torch.Tensor, r_v: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum values and their positions by attention: two of (batch, heads, channels, rows, steps)."""
    content = torch.einsum("bhrij,bhcrj->bhcri", attention, v)
    return content, torch.einsum("bhrij,cij->bhcri", attention, r_v)


def _numbers(mask: torch.Tensor | None) -> torch.Tensor | None:
    return None if mask is None else mask.float()
