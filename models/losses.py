"""Losses that systems share: `loss(output, target, **numbers) -> scalar`.

Targets may be soft (mixup, label smoothing).  The asymmetric loss (Ridnik et al., ICCV 2021) gives
easy negatives less weight.  It has three forms: `asymmetric` of Kang & Wen's paper,
`asymmetric_deep_psp` of their code, and `asymmetric_alibaba`, the original.  They differ in the
focusing term and in the sum.  With p the probability, m the margin and p_m = max(p − m, 0):

| name | loss of one element with target y | over classes |
| --- | --- | --- |
| `asymmetric` | −y (1−p)^γ₊ log p − (1−y) p_m^γ₋ log(1−p_m) | mean |
| `asymmetric_deep_psp` | −y (1−p)^γ₊ log p − (1−y) p^γ₋ log(1−p_m) | mean |
| `asymmetric_alibaba` | −[y log p + (1−y) log(1−p_m)] (y(1−p) + (1−y)p_m)^(γ₊y + γ₋(1−y)) | sum |

An unknown target is NaN, or −1 for classes per sample.  It adds 0 to the loss and has no gradient.
The mean is over known and unknown elements, so the weight of an element does not depend on a mask.

All losses are means over records; the original is a sum.  With a mean, a batch can be split into
micro-batches, and the steps of Adam-like optimisers do not depend on the scale.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch.nn import functional

from ecg import LeadwiseError

SMALLEST = 1e-8  # smallest argument of a logarithm; Ridnik et al.'s code

Loss = Callable[..., torch.Tensor]

# Records per class in the authors' table of the Challenge's data; Kang & Wen's weighted BCE.
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


def bce(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Compute the mean binary cross-entropy over records and classes.

    Parameters
    ----------
    output : torch.Tensor of shape (batch, classes)
        Logits.
    target : torch.Tensor of shape (batch, classes)
        0 to 1; NaN: unknown.
    """
    labels, known = _known(target)
    return functional.binary_cross_entropy_with_logits(output.float(), labels, known)


def weighted_bce(
    output: torch.Tensor, target: torch.Tensor, *, weights: Sequence[float]
) -> torch.Tensor:
    """Compute the mean over records and classes of the binary cross-entropy times class weights.

    Raises
    ------
    LeadwiseError
        The number of weights is not the number of classes.
    """
    logits = output.float()
    labels, known = _known(target)
    weight = _weights(weights, logits) * known
    return functional.binary_cross_entropy_with_logits(logits, labels, weight)


def _known(target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return targets with 0 for NaN, and 1 where they are known, else 0: (batch, classes) both."""
    unknown = target.isnan()
    return target.masked_fill(unknown, 0), (~unknown).float()


def constant_weights(classes: Sequence[str]) -> tuple[float, ...]:
    """Compute the weight of each class, by code: half the largest of `COUNTS` / its own count.

    Examples
    --------
    >>> constant_weights(["426783006", "164889003"])  # NSR, AF
    (0.5, 2.7578)
    """
    return tuple(round(0.5 * max(COUNTS.values()) / COUNTS[code], 4) for code in classes)


def weighted_cross_entropy(
    output: torch.Tensor, target: torch.Tensor, *, weights: Sequence[float]
) -> torch.Tensor:
    """Compute the mean over records of Σ α y (−log p), p the softmax over exclusive classes.

    The output is (batch, classes), or (members, batch, classes) of networks that are trained
    independently; then the mean is over members too.

    This is the formula in Reich & Kruk's paper.  PyTorch's `cross_entropy` divides by the sum of
    the records' weights instead, so weights have no effect if all records have the same class.

    Raises
    ------
    LeadwiseError
        The number of weights is not the number of classes.
    """
    logits = output.float()
    labels, _ = _known(target)
    weight = _weights(weights, logits)
    return -(weight * labels * logits.log_softmax(-1)).sum(-1).mean()


def weighted_cross_entropy_as_coded(
    output: torch.Tensor, target: torch.Tensor, *, weights: Sequence[float]
) -> torch.Tensor:
    """Divide `weighted_cross_entropy` by the number of classes, as Reich & Kruk's code does."""
    return weighted_cross_entropy(output, target, weights=weights) / len(weights)


def cross_entropy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Compute the mean cross-entropy over all known samples of a head with classes per sample.

    Parameters
    ----------
    output : torch.Tensor of shape (batch, classes, samples)
        Logits.
    target : torch.Tensor of shape (batch, samples)
        Class indices; negative: unknown.
    """
    known = target.clamp(min=-1)
    total = functional.cross_entropy(output.float(), known, ignore_index=-1, reduction="sum")
    return total / (target >= 0).sum().clamp(min=1)


def _weights(weights: Sequence[float], logits: torch.Tensor) -> torch.Tensor:
    """Check that each class has a weight, and return them as a tensor."""
    if len(weights) != logits.shape[-1]:
        raise LeadwiseError(f"{len(weights)} weights for {logits.shape[-1]} classes")
    return logits.new_tensor(weights)


def asymmetric(
    logits: torch.Tensor, labels: torch.Tensor, *,
    gamma_positive: float, gamma_negative: float, margin: float = 0.05,
) -> torch.Tensor:  # fmt: skip
    """Compute the asymmetric loss of each element; Kang & Wen 2022, equations 4 and 5.

    Parameters
    ----------
    logits, labels : torch.Tensor of shape (batch, classes)
    gamma_positive, gamma_negative : float
        γ₊ and γ₋: the higher, the less weight easy elements have.
    margin : float
        Probability below which a negative has no loss.

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
    """Compute the loss as torch-ecg's "deep-psp" does: p, not p_m, focuses negatives.

    All published runs used it.  Parameters and result are those of `asymmetric`.
    """
    shifted, plain = _shifted(logits, margin), torch.sigmoid(logits)
    return _two_sided(logits, labels, shifted, plain, gamma_positive, gamma_negative)


def asymmetric_alibaba(
    logits: torch.Tensor, labels: torch.Tensor, *,
    gamma_positive: float = 1, gamma_negative: float = 4, margin: float = 0.05,
    weight_gradient: bool = True,
) -> torch.Tensor:  # fmt: skip
    """Compute the loss as Ridnik et al.'s own code does, with its defaults.

    Parameters
    ----------
    logits, labels, gamma_positive, gamma_negative, margin
        Those of `asymmetric`.
    weight_gradient : bool
        Whether gradients pass through the focusing weight; an option of the original.

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
    """Add the losses of positive and negative, weighted by `labels` and `1 - labels`."""
    positive = _focus(torch.sigmoid(-logits), gamma_positive) * functional.logsigmoid(logits)
    negative = _focus(focusing, gamma_negative) * _log(1 - shifted)
    return -labels * positive - (1 - labels) * negative


def _shifted(logits: torch.Tensor, margin: float) -> torch.Tensor:
    return (torch.sigmoid(logits) - margin).clamp(min=0)


def _log(values: torch.Tensor) -> torch.Tensor:
    return values.clamp(min=SMALLEST).log()


def _focus(base: torch.Tensor, gamma: float | torch.Tensor) -> torch.Tensor:
    """Raise to a power; 0 is replaced by 1, because 0^γ has no finite gradient for γ < 1."""
    return torch.where(base > 0, base, 1.0) ** gamma


def _loss_of(elements: Callable[..., torch.Tensor], *, summed: bool = False) -> Loss:
    """Turn a loss per element into a scalar: mean or sum over classes, mean over records."""

    def loss(output: torch.Tensor, target: torch.Tensor, **numbers: float) -> torch.Tensor:
        labels, known = _known(target)
        values = elements(output.float(), labels, **numbers) * known
        return (values.sum(1) if summed else values).mean()

    return loss


LOSSES: Mapping[str, Loss] = {
    "bce": bce,
    "weighted_bce": weighted_bce,
    "weighted_cross_entropy": weighted_cross_entropy,
    "weighted_cross_entropy_as_coded": weighted_cross_entropy_as_coded,
    "cross_entropy": cross_entropy,
    "asymmetric": _loss_of(asymmetric),
    "asymmetric_deep_psp": _loss_of(asymmetric_deep_psp),
    "asymmetric_alibaba": _loss_of(asymmetric_alibaba, summed=True),
}
