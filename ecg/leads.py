"""Leads: standard names and order, the Challenge's five lead sets, derived limb leads."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np

STANDARD = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LEAD_SETS = {
    12: STANDARD,
    6: STANDARD[:6],
    4: ("I", "II", "III", "V2"),
    3: ("I", "II", "V2"),
    2: ("I", "II"),
}
SINGLE = "ECG"  # the lead of the 2017 Challenge's records and of single-lead networks

# The frontal plane has two dimensions: each limb lead as (coefficient of I, of II), Einthoven 1912
# and Goldberger 1942.  Any two limb leads therefore determine the other four.
LIMB = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}

_STANDARD = frozenset(STANDARD)
_STANDARD_SPELLING = {lead.casefold(): lead for lead in STANDARD}


class Choice(NamedTuple):
    """Selected leads, and the names of those that are missing."""

    signal: np.ndarray
    missing: tuple[str, ...]


def canonical_name(lead: str) -> str:
    """Give a lead's standard name (`avr` is aVR); other names are returned unchanged.

    Examples
    --------
    >>> canonical_name("AVR"), canonical_name(" v1 "), canonical_name("MLII")
    ('aVR', 'V1', 'MLII')
    """
    if lead in _STANDARD:
        return lead
    return _STANDARD_SPELLING.get(lead.strip().casefold(), lead.strip())


def sort_leads(leads: Iterable[str]) -> tuple[str, ...]:
    """Sort leads into standard order; unknown names follow in the given order."""
    rank = {lead: index for index, lead in enumerate(STANDARD)}
    return tuple(sorted(leads, key=lambda lead: rank.get(lead, len(STANDARD))))


def derivable_leads(leads: Iterable[str]) -> frozenset[str]:
    """Give all leads that these determine: themselves, and six limb leads from any two.

    Examples
    --------
    >>> sorted(derivable_leads(["II", "I", "V2"]))
    ['I', 'II', 'III', 'V2', 'aVF', 'aVL', 'aVR']
    """
    have = {canonical_name(lead) for lead in leads}
    return frozenset(have | LIMB.keys() if len(have & LIMB.keys()) >= 2 else have)


def choose(signal: np.ndarray, have: Sequence[str], want: Sequence[str]) -> Choice:
    """Select leads by name; derive missing limb leads from two others, zero-fill other leads.

    Without a lead named `SINGLE`, lead I takes its place: the device of 2017, AliveCor's, measures
    between the hands.  Without lead I, a record's only lead does.

    Parameters
    ----------
    signal : np.ndarray of shape (len(have), samples)
        In mV, leads as named in `have`, in any order and case; of two leads with one name the
        first is used.
    have, want : sequence of str
        Lead names.

    Returns
    -------
    Choice
        `signal` of shape (len(want), samples), same dtype, and the names of zero-filled leads.
    """
    rows: dict[str, int] = {}
    for row, lead in enumerate(have):
        rows.setdefault(canonical_name(lead), row)
    wanted = [_single(rows) if lead == SINGLE else canonical_name(lead) for lead in want]
    if all(lead in rows for lead in wanted):
        return Choice(signal[[rows[lead] for lead in wanted]], ())
    pair = next(itertools.combinations([lead for lead in LIMB if lead in rows], 2), None)
    solve = np.linalg.inv([LIMB[lead] for lead in pair]) if pair else None
    chosen = np.zeros((len(wanted), signal.shape[1]), signal.dtype)
    missing = []
    for row, lead in enumerate(wanted):
        if lead in rows:
            chosen[row] = signal[rows[lead]]
        elif lead in LIMB and pair and solve is not None:
            first, second = (np.array(LIMB[lead]) @ solve).tolist()
            chosen[row] = first * signal[rows[pair[0]]] + second * signal[rows[pair[1]]]
        else:
            missing.append(lead)
    return Choice(chosen, tuple(missing))


def _single(rows: Collection[str]) -> str:
    """Give the lead that a single-lead network reads."""
    if SINGLE not in rows and "I" in derivable_leads(rows):
        return "I"
    return next(iter(rows)) if len(rows) == 1 else SINGLE


def serving_set(leads: Iterable[str], trained: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Choose the trained lead set for a record of these leads.

    The same set if it was trained; else the largest that the leads determine; else the set of which
    they determine most leads (of equals the smallest: fewest zero-filled leads).

    Examples
    --------
    >>> serving_set(["II", "I"], LEAD_SETS.values())
    ('I', 'II')
    >>> len(serving_set(["II", "III"], LEAD_SETS.values()))
    6
    >>> serving_set(["V2"], [("I", "II"), ("I", "II", "V2")])
    ('I', 'II', 'V2')
    """
    given = {canonical_name(lead) for lead in leads}
    have = derivable_leads(given)

    def merit(lead_set: tuple[str, ...]) -> tuple[bool, bool, int, int]:
        present = len(have.intersection(lead_set))
        return given == set(lead_set), present == len(lead_set), present, -len(lead_set)

    return max(trained, key=merit)
