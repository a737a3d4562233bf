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

from collections.abc import Iterable

import numpy as np

from ecg.labels import CODES, SINUS_RHYTHM, codes_by_name, same_as

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


def challenge_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Compute the probabilities of the Challenge's 26 classes.

    NSR is healthy · sinus rhythm; SB is sinus rhythm · bradycardia; Brady is
    bradycardia · (1 − sinus rhythm).

    Parameters
    ----------
    probabilities : np.ndarray of shape (records, 27)
        In the order of `CLASSES`; labels of 0 and 1 are converted exactly.

    Returns
    -------
    np.ndarray of shape (records, 26)
        In the order of `ecg.labels.CODES`.
    """
    of_class = dict(zip(CLASSES, np.asarray(probabilities, float).T, strict=True))
    sinus, bradycardia = of_class[SINUS], of_class[BRADYCARDIA]
    of_class[SINUS_RHYTHM] = of_class[HEALTHY] * sinus
    of_class[SINUS_BRADYCARDIA] = sinus * bradycardia
    of_class[BRADYCARDIA] = bradycardia * (1 - sinus)
    return np.stack([of_class[code] for code in CODES], axis=1)
