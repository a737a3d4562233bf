"""Losses that systems share: `loss(network, batch, **numbers) -> scalar, {name: value}`.

Labels may be soft (mixup, label smoothing).  The asymmetric loss (Ridnik et al., ICCV 2021) makes
sure negatives count less; it exists in three forms, which differ in what focuses and how they add:
the paper's that Kang & Wen give, the one that their code computes, and the original.  With p the
probability, m the margin and p_m = max(p − m, 0):

| name | an element's loss for the label y | classes |
| --- | --- | --- |
| `asymmetric` | −y (1−p)^γ₊ log p − (1−y) p_m^γ₋ log(1−p_m) | mean |
| `asymmetric_deep_psp` | −y (1−p)^γ₊ log p − (1−y) p^γ₋ log(1−p_m) | mean |
| `asymmetric_alibaba` | −[y log p + (1−y) log(1−p_m)] (y(1−p) + (1−y)p_m)^(γ₊y + γ₋(1−y)) | sum |

A label that nobody knows is NaN: its element costs 0 and moves no weight, and the mean is still
over all elements, so that the known ones weigh what they weigh without a mask.

Over records all take the mean, where the original adds up: a batch may be cut into pieces, and a
step of Adam's kind does not depend on the scale.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ecg import LeadwiseError

SMALLEST = 1e-8  # argument of a logarithm; Ridnik et al.'s code

Loss = Callable[..., tuple[torch.Tensor, dict[str, Any]]]

# Records a class in the authors' table of the Challenge's data; Kang & Wen's weighted BCE.
COUNTS = {
    "164889003": 5238,  # AF
    "164890007": 8373,  # AFL
    "6374002": 501,  # BBB
    "426627000": 284,  # Brady
    "164909002": 1494,  # CLBBB
    "713427006": 4828,  # CRBBB
    "270492004": 3534,  # IAVB
    "713426002": 1857,  # IRBBB
    "39732003": 7631,  # LAD
    "445118002": 2186,  # LAnFB
    "164947007": 392,  # LPR
    "251146004": 1599,  # LQRSV
    "111975006": 1907,  # LQT
    "698252002": 1767,  # NSIVCB
    "426783006": 28891,  # NSR
    "284470004": 3258,  # PAC
    "10370003": 1481,  # PR
    "365413008": 638,  # PRWP
    "427172004": 1938,  # PVC
    "164917005": 2076,  # QAb
    "47665007": 1280,  # RAD
    "427393009": 3788,  # SA
    "426177001": 18918,  # SB
    "427084000": 9645,  # STach
    "164934002": 11716,  # TAb
    "59931005": 3988,  # TInv
}


class Batch(NamedTuple):
    """What a training step sees; padded at the end with zeros, `length` in samples."""

    signal: torch.Tensor  # (batch, rows, samples) float32
    length: torch.Tensor  # (batch,) int64
    labels: torch.Tensor  # (batch, classes) float32, 0 to 1, NaN where not known


def bce(network: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Compute the mean binary cross-entropy over records and classes."""
    logits = network(batch.signal, batch.length)
    labels, known = _known(batch.labels)
    return functional.binary_cross_entropy_with_logits(logits.float(), labels, known), {}


def weighted_bce(
    network: nn.Module, batch: Batch, *, weights: Sequence[float]
) -> tuple[torch.Tensor, dict[str, float]]:
    """Compute the mean over records and classes of each class's weight times its cross-entropy.

    Raises
    ------
    LeadwiseError
        There is not one weight a class.
    """
    logits = network(batch.signal, batch.length).float()
    labels, known = _known(batch.labels)
    weight = _weights(weights, logits) * known
    return functional.binary_cross_entropy_with_logits(logits, labels, weight), {}


def _known(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give labels without NaN, and 1 where they are known, else 0: (batch, classes) both."""
    unknown = labels.isnan()
    return labels.masked_fill(unknown, 0), (~unknown).float()


def constant_weights(classes: Sequence[str]) -> tuple[float, ...]:
    """Give the weight of each class, by code: half of the largest class's records over its own.

    Examples
    --------
    >>> constant_weights(["426783006", "164889003"])  # NSR, AF
    (0.5, 2.7578)
    """
    return tuple(round(0.5 * max(COUNTS.values()) / COUNTS[code], 4) for code in classes)


def weighted_cross_entropy(
    network: nn.Module, batch: Batch, *, weights: Sequence[float]
) -> tuple[torch.Tensor, dict[str, float]]:
    """Compute the mean over records of Σ α y (−log p), p the softmax over exclusive classes.

    As Reich & Kruk print it.  PyTorch's `cross_entropy` with weights divides by the sum of the
    records' weights instead, so that in a batch of one class they do nothing.

    Raises
    ------
    LeadwiseError
        There is not one weight a class.
    """
    logits = network(batch.signal, batch.length).float()
    weight = _weights(weights, logits)
    return -(weight * batch.labels * logits.log_softmax(1)).sum(1).mean(), {}


def weighted_cross_entropy_as_coded(
    network: nn.Module, batch: Batch, *, weights: Sequence[float]
) -> tuple[torch.Tensor, dict[str, float]]:
    """Compute `weighted_cross_entropy` over the number of classes, as Reich & Kruk's code does."""
    loss, values = weighted_cross_entropy(network, batch, weights=weights)
    return loss / len(weights), values


def _weights(weights: Sequence[float], logits: torch.Tensor) -> torch.Tensor:
    """See that there is one weight a class, and give them as a tensor."""
    if len(weights) != logits.shape[1]:
        raise LeadwiseError(f"{len(weights)} weights for {logits.shape[1]} classes")
    return logits.new_tensor(weights)


def asymmetric(
    logits: torch.Tensor, labels: torch.Tensor, *,
    gamma_positive: float, gamma_negative: float, margin: float = 0.05,
) -> torch.Tensor:  # fmt: skip
    """Compute each element's asymmetric loss; Kang & Wen 2022, equations 4 and 5.

    Parameters
    ----------
    logits, labels : torch.Tensor of shape (batch, classes)
    gamma_positive, gamma_negative : float
        γ₊ and γ₋: how much less sure elements count.
    margin : float
        Probability below which a negative counts nothing.

    Returns
    -------
    torch.Tensor of shape (batch, classes)
    """
    shifted = _shifted(logits, margin)
    return _two_sided(logits, labels, shifted, shifted, gamma_positive, gamma_negative)


def asymmetric_deep_psp(
    logits: torch.Tensor, labels: torch.Tensor, *,
    gamma_positive: float, gamma_negative: float, margin: float = 0.05,
) -> torch.Tensor:  # fmt: skip
    """Compute each element's loss as torch-ecg's "deep-psp" does: negatives are focused by p.

    All published runs used it.  Parameters and result are those of `asymmetric`.
    """
    shifted, plain = _shifted(logits, margin), torch.sigmoid(logits)
    return _two_sided(logits, labels, shifted, plain, gamma_positive, gamma_negative)


def asymmetric_alibaba(
    logits: torch.Tensor, labels: torch.Tensor, *,
    gamma_positive: float = 1, gamma_negative: float = 4, margin: float = 0.05,
    weight_gradient: bool = True,
) -> torch.Tensor:  # fmt: skip
    """Compute each element's loss as Ridnik et al.'s own code does, with its defaults.

    Parameters
    ----------
    logits, labels, gamma_positive, gamma_negative, margin
        Those of `asymmetric`.
    weight_gradient : bool
        Whether gradients pass through the weight; an option of the original.

    Returns
    -------
    torch.Tensor of shape (batch, classes)
    """
    shifted, probability = _shifted(logits, margin), torch.sigmoid(logits)
    entropy = labels * _log(probability) + (1 - labels) * _log(1 - shifted)
    base = labels * torch.sigmoid(-logits) + (1 - labels) * shifted  # 1 − p is σ(−x), more exactly
    weight = _focus(base, gamma_positive * labels + gamma_negative * (1 - labels))
    return -entropy * (weight if weight_gradient else weight.detach())


def _two_sided(
    logits: torch.Tensor, labels: torch.Tensor, shifted: torch.Tensor, focusing: torch.Tensor,
    gamma_positive: float, gamma_negative: float,
) -> torch.Tensor:  # fmt: skip
    """Add the losses as positive and as negative, each by its share in the label."""
    positive = _focus(torch.sigmoid(-logits), gamma_positive) * functional.logsigmoid(logits)
    negative = _focus(focusing, gamma_negative) * _log(1 - shifted)
    return -labels * positive - (1 - labels) * negative


def _shifted(logits: torch.Tensor, margin: float) -> torch.Tensor:
    return (torch.sigmoid(logits) - margin).clamp(min=0)


def _log(values: torch.Tensor) -> torch.Tensor:
    return values.clamp(min=SMALLEST).log()


def _focus(base: torch.Tensor, gamma: float | torch.Tensor) -> torch.Tensor:
    """Raise to a power; what a base of 0 weighs is 0, and 0^γ has no gradient for γ < 1."""
    return torch.where(base > 0, base, 1.0) ** gamma


def _loss_of(elements: Callable[..., torch.Tensor], *, summed: bool = False) -> Loss:
    """Make a loss of a function of logits and labels: mean or sum of classes, mean of records."""

    def loss(
        network: nn.Module, batch: Batch, **numbers: float
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        logits = network(batch.signal, batch.length).float()
        labels, known = _known(batch.labels)
        found = elements(logits, labels, **numbers) * known
        return (found.sum(1) if summed else found).mean(), {}

    return loss


LOSSES: Mapping[str, Loss] = {
    "bce": bce,
    "weighted_bce": weighted_bce,
    "weighted_cross_entropy": weighted_cross_entropy,
    "weighted_cross_entropy_as_coded": weighted_cross_entropy_as_coded,
    "asymmetric": _loss_of(asymmetric),
    "asymmetric_deep_psp": _loss_of(asymmetric_deep_psp),
    "asymmetric_alibaba": _loss_of(asymmetric_alibaba, summed=True),
}
