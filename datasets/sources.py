"""Sources: the collection that a record comes from, by its name.

The collections differ in annotators, lists of diagnoses and devices; the Challenge's hidden test
data include collections without public training data.  Prefixes and numbers are those of the public
data of 2021 (Reyna et al., CinC 2021).
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

PREFIXES: Mapping[str, str] = {
    "A": "cpsc2018",
    "Q": "cpsc-extra",
    "I": "incart",
    "S": "ptb",
    "HR": "ptb-xl",
    "E": "georgia",
    "JS": "chapman-shaoxing",
    "SIM": "simulated",  # ours, `simulate`
    "ludb": "ludb",  # this and the next as `datasets.waves` names them
    "mitdb": "mit-bih",
    "sel": "qtdb",
    "sele": "qtdb",
}
LAST_OF_CHAPMAN = 10646  # Ningbo's records start at JS10647
ENOUGH = 20  # positive records of a class that a source labels; Kang & Wen 2022's code
_NAME = re.compile(r"([A-Za-z]+)(\d+)")


def source_of(name: str) -> str:
    """Give the source of a record, or `unknown` for names of no known source.

    Examples
    --------
    >>> [source_of(name) for name in ("JS10646", "JS10647", "S0001", "sele0104", "mine")]
    ['chapman-shaoxing', 'ningbo', 'ptb', 'qtdb', 'unknown']
    """
    match = _NAME.fullmatch(name)
    if not match:
        return "unknown"
    prefix, number = match.groups()
    if prefix == "JS" and int(number) > LAST_OF_CHAPMAN:
        return "ningbo"
    return PREFIXES.get(prefix, "unknown")


def labelled_classes(sources: Sequence[str], labels: np.ndarray) -> dict[str, np.ndarray]:
    """Find the classes that each source labels: those with at least 20 positive records.

    Parameters
    ----------
    sources : sequence of str
        One per record.
    labels : np.ndarray of bool, shape (records, classes)

    Returns
    -------
    dict of str to np.ndarray of bool, shape (classes,)
    """
    of_record = np.array(sources)
    return {
        str(source): labels[of_record == source].sum(0) >= ENOUGH for source in np.unique(of_record)
    }
