"""Label engineering of HeartlyAI 2021, and the way back to the Challenge's classes.

Sodmann et al. 2021, section 2.  The classes NSR and SB become combinations of new classes, so that
a record of atrial fibrillation and one of sinus rhythm differ in what they have, not in a name:

- NSR: sinus rhythm, healthy;
- SB: sinus rhythm, bradycardia;
- no rhythm diagnosis at all: sinus rhythm;
- every record without NSR: pathological.

The paper mentions 29 classes; these rules give 27.  It has no way back: ours takes the products of
the probabilities.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from ecg.labels import CODES, SINUS_RHYTHM, codes_by_name, label_matrix, same_as

HEALTHY, SINUS, PATHOLOGICAL = "healthy", "sinus rhythm", "pathological"
BRADYCARDIA, SINUS_BRADYCARDIA = "426627000", "426177001"
CLASSES = (
    *(code for code in CODES if code not in (SINUS_RHYTHM, SINUS_BRADYCARDIA)),
    HEALTHY, SINUS, PATHOLOGICAL,
)  # fmt: skip
# Abbreviations of the organisers' tables; unscored rhythms count as rhythm diagnoses.
RHYTHMS = (
    "AF", "AFL", "Brady", "NSR", "PR", "SA", "SB", "STach",
    "AAR", "AIVR", "AJR", "AFAFL", "AP", "ARH", "ATach", "AVJR", "AVNRT", "AVRT", "BTS", "CAF",
    "IR", "JE", "JTach", "PAF", "PSVT", "PVT", "RAF", "SAAWR", "SARR", "SVT", "VEsR", "VF", "VFL",
    "VPP", "VTach", "WAP",
)  # fmt: skip


def engineered(codes: Iterable[str]) -> frozenset[str]:
    """Give the classes of a record's codes; codes that are not scored have no class.

    Examples
    --------
    >>> sorted(engineered(["426177001"]))
    ['426627000', 'pathological', 'sinus rhythm']
    """
    own = {same_as(code) for code in codes}
    classes = own & set(CLASSES)
    if SINUS_RHYTHM in own:
        classes |= {SINUS, HEALTHY}
    else:
        classes.add(PATHOLOGICAL)
    if SINUS_BRADYCARDIA in own:
        classes |= {SINUS, BRADYCARDIA}
    if not own & {codes_by_name()[name] for name in RHYTHMS}:
        classes.add(SINUS)
    return frozenset(classes)


def engineered_matrix(codes: Sequence[Iterable[str]]) -> np.ndarray:
    """Turn the codes of each record into labels of training: bool (records, 27)."""
    return label_matrix([engineered(own) for own in codes], CLASSES)


def challenge_logits(logits: torch.Tensor) -> torch.Tensor:
    """Compute the logits of the Challenge's 26 classes.

    The probability of NSR is healthy · sinus rhythm, of SB sinus rhythm · bradycardia, and of Brady
    bradycardia · (1 − sinus rhythm).

    Parameters
    ----------
    logits : torch.Tensor of shape (records, 27)
        In the order of `CLASSES`.

    Returns
    -------
    torch.Tensor of shape (records, 26)
        In the order of `ecg.labels.CODES`.
    """
    of_class = dict(zip(CLASSES, logits.unbind(1), strict=True))
    sinus, bradycardia = of_class[SINUS], of_class[BRADYCARDIA]
    of_class[SINUS_RHYTHM] = _both(of_class[HEALTHY], sinus)
    of_class[SINUS_BRADYCARDIA] = _both(sinus, bradycardia)
    of_class[BRADYCARDIA] = _both(bradycardia, -sinus)
    return torch.stack([of_class[code] for code in CODES], 1)


def _both(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Compute the logit of the product of two probabilities, given as logits."""
    # 1 − p q = (1 − p) + p (1 − q)
    log_product = logsigmoid(first) + logsigmoid(second)
    log_rest = torch.logaddexp(logsigmoid(-first), logsigmoid(first) + logsigmoid(-second))
    return log_product - log_rest
