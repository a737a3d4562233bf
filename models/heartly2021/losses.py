"""The loss of wave masks.  Beats use the shared `cross_entropy`, diagnoses `asymmetric`."""

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional

from ecg.annotations import NONE, P
from models.losses import Loss, cross_entropy

SMOOTHING = 1.0  # frames, so that a wave that is neither marked nor predicted has no loss


def segmentation(
    output: torch.Tensor | Sequence[torch.Tensor], target: torch.Tensor
) -> torch.Tensor:
    """Add cross-entropy and Dice loss over the known frames; with deep supervision, of each level.

    The paper names no loss.  Level k has 2ᵏ frames per step and the weight 1 / 2ᵏ; the target of a
    step is that of its middle frame, so waves keep their share of the steps.

    Parameters
    ----------
    output : torch.Tensor of shape (batch, 4, samples), or a sequence of them
        Logits; of a sequence, at the full rate, then at half of the rate before.
    target : torch.Tensor of shape (batch, samples)
        Class indices; −1: unknown; −2: unknown, but no P wave.
    """
    levels = [output] if isinstance(output, torch.Tensor) else output
    total = levels[0].new_zeros((), dtype=torch.float32)
    for level, logits in enumerate(levels):
        reduced = reduced_target(target, 2**level, logits.shape[2])
        loss = cross_entropy(logits, reduced) + dice(logits, reduced) + no_p(logits, reduced)
        total = total + loss / 2**level
    return total


def no_p(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Compute the mean of −ln(1 − p) of P waves where none can be: target −2.  Ours."""
    others = torch.cat([logits[:, :P], logits[:, P + 1 :]], 1).float()
    minus_log = logits.float().logsumexp(1) - others.logsumexp(1)
    known = target == -2
    return (minus_log * known).sum() / known.sum().clamp(min=1)


def reduced_target(target: torch.Tensor, factor: int, steps: int) -> torch.Tensor:
    """Take the target of the middle frame of each step; steps beyond the end are unknown.

    Examples
    --------
    >>> reduced_target(torch.tensor([[0, 0, 1, 2, 3]]), 2, 4).tolist()
    [[0, 2, -1, -1]]
    """
    padded = functional.pad(target, (0, steps * factor - target.shape[1]), value=-1)
    return padded[:, factor // 2 :: factor]


def dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Compute 1 − the mean Dice coefficient of the waves, over the known frames of the batch.

    Parameters
    ----------
    logits, target : torch.Tensor of shapes (batch, classes, samples) and (batch, samples)
    """
    known = (target >= 0)[:, None]
    probabilities = logits.float().softmax(1) * known
    # Unknown frames become `none`, which has no part in the mean.
    marked = functional.one_hot(target.clamp(min=NONE), logits.shape[1]).transpose(1, 2)
    shared, both = (probabilities * marked).sum((0, 2)), (probabilities + marked).sum((0, 2))
    coefficients = (2 * shared + SMOOTHING) / (both + SMOOTHING)
    return 1 - coefficients[NONE + 1 :].mean()


LOSSES: Mapping[str, Loss] = {"segmentation": segmentation}
