"""Leads: standard names and order, the Challenge's five lead sets, derived limb leads."""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError

STANDARD = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
ALONE = "II"  # the place of any lead that a network of twelve leads reads alone
LEAD_SETS = {
    12: STANDARD,
    6: STANDARD[:6],
    4: ("I", "II", "III", "V2"),
    3: ("I", "II", "V2"),
    2: ("I", "II"),
}
SINGLE = "ECG"  # the lead of the 2017 Challenge's records and of single-lead networks
MODIFIED = ("MLII", "MLI", "MLIII")  # of Holter recorders: electrodes on the torso, not the limbs

Rename = tuple[tuple[str, str], ...]  # old and new name of each lead; `read_rename`

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
_CHEST = {f"C{number}": f"V{number}" for number in range(1, 7)}  # IEC 60601-2-25's names
_SPELLING = {lead.casefold(): lead for lead in (*STANDARD, *_CHEST, SINGLE, *MODIFIED)} | {
    "di": "I", "dii": "II", "diii": "III", "ml2": "MLII",
}  # fmt: skip
_PREFIX = re.compile(r"lead[\s_:.-]*", re.IGNORECASE)  # of `Lead I` and `lead_II`


class Choice(NamedTuple):
    """Selected leads, and the names of those that are missing."""

    signal: np.ndarray
    missing: tuple[str, ...]


def canonical_name(lead: str) -> str:
    """Give a lead's standard name (`avr` is aVR); other names are returned unchanged.

    Examples
    --------
    >>> canonical_name("AVR"), canonical_name(" v1 "), canonical_name("Lead II")
    ('aVR', 'V1', 'II')
    >>> canonical_name("mlii"), canonical_name("-aVR")
    ('MLII', '-aVR')
    """
    if lead in _STANDARD:
        return lead
    stripped = lead.strip()
    plain = _PREFIX.sub("", stripped, count=1) if stripped[:1] in "lL" else stripped
    return _SPELLING.get(plain.casefold(), stripped)


def standard_names(leads: Sequence[str], rename: Rename = ()) -> tuple[str, ...]:
    """Give the leads of a record their standard names, or those that the user gives them.

    C1 to C6 are V1 to V6, unless the record has a V lead of this number, too.

    Raises
    ------
    LeadwiseError
        Another lead has the new name of one.

    Examples
    --------
    >>> standard_names(["i", "C1", "C2", "V2", "MLII"], (("MLII", "II"),))
    ('I', 'V1', 'C2', 'V2', 'II')
    """
    new = {old.casefold(): name for old, name in rename}
    names = [new.get(lead.strip().casefold()) or canonical_name(lead) for lead in leads]
    if not _STANDARD.issuperset(names):
        names = [name if _CHEST.get(name) in names else _CHEST.get(name, name) for name in names]
    for old, name in rename:
        if names.count(name) > 1 and old.casefold() in (lead.strip().casefold() for lead in leads):
            raise LeadwiseError(
                f"{old} cannot be renamed to {name}: another of its leads has this name"
            )
    return tuple(names)


def read_rename(text: str) -> Rename:
    """Read new names of leads.

    Parameters
    ----------
    text : str
        `OLD=NEW,OLD=NEW`, each NEW a standard name or ECG.

    Raises
    ------
    ValueError
        The text is of another form, or a name occurs twice on one side.

    Examples
    --------
    >>> read_rename("MLII=II, C1=V1")
    (('MLII', 'II'), ('C1', 'V1'))
    """
    pairs = [tuple(map(str.strip, pair.split("="))) for pair in text.split(",")]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ValueError(text)
    rename = tuple((old, canonical_name(new)) for old, new in pairs)
    for names in zip(*((old.casefold(), new) for old, new in rename), strict=True):
        if len(set(names)) < len(names):
            raise ValueError(text)
    if not {new for _, new in rename} <= {*STANDARD, SINGLE}:
        raise ValueError(text)
    return rename


def list_leads(leads: Sequence[str], most: int = 12) -> str:
    """List the names of leads, at most so many."""
    names = ", ".join(lead or "(no name)" for lead in leads[:most])
    return names + (f" and {len(leads) - most} more" if len(leads) > most else "")


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
    between the hands.  Without lead I, lead II or Holter's MLII does, or a record's only lead, if
    its name is known.

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


def _single(leads: Collection[str]) -> str:
    """Give the lead that a single-lead network reads, of leads with standard names."""
    if SINGLE in leads:
        return SINGLE
    if "I" in derivable_leads(leads):
        return "I"
    known = [lead for lead in ("II", *MODIFIED, *STANDARD) if lead in leads]
    return known[0] if known and (known[0] in ("II", *MODIFIED) or len(leads) == 1) else SINGLE


def readable(leads: Iterable[str], lead_set: Iterable[str]) -> set[str]:
    """Give the leads of a lead set that a record of these leads has or determines."""
    given = {canonical_name(lead) for lead in leads}
    have = derivable_leads(given)
    if _single(given) in have:
        have |= {SINGLE}
    return set(have.intersection(lead_set))


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

    def merit(lead_set: tuple[str, ...]) -> tuple[bool, bool, int, int]:
        present = len(readable(given, lead_set))
        return given == set(lead_set), present == len(lead_set), present, -len(lead_set)

    return max(trained, key=merit)


def refusal(leads: Sequence[str], lead_set: Sequence[str]) -> str:
    """Describe why the network of a lead set cannot read a record of these leads; empty if it can.

    It cannot if the record has none of its leads, or if leads are missing while others have unknown
    names: these may be the missing ones.

    Examples
    --------
    >>> refusal(["V1"], ["I", "V1"]), refusal(["V1", "V7"], ["I", "V1", "V2"])[:40]
    ('', 'its leads are V1, V7; the network reads ')
    """
    present = readable(leads, lead_set)
    unknown = [lead for lead in leads if lead not in _STANDARD and lead not in lead_set]
    if present and (not unknown or len(present) == len(set(lead_set))):
        return ""
    text = f"its leads are {list_leads(leads)}; the network reads {list_leads(lead_set)}"
    if not unknown:
        return text
    old = next(filter(None, unknown), "OLD")
    new = next(lead for lead in lead_set if lead not in present)
    new = {SINGLE: "I", "MLI": "I", "MLII": "II", "MLIII": "III"}.get(old, new)
    return f"{text}. If you know what these leads are, name them: --rename {old}={new}"


def lead_warnings(leads: Sequence[str], lead_set: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Describe which leads of a record the network of a lead set ignores, as (kind, sentence)."""
    single = _single(set(leads))
    used = {*lead_set, single} if SINGLE in lead_set else set(lead_set)
    if single in used - {"I", *lead_set}:
        yield "other single lead", f"{single} is read in place of lead I"
    if unknown := [lead for lead in leads if lead and lead not in _STANDARD | used]:
        text = "not read: no known name; --rename OLD=NEW gives a lead another"
        yield "unknown leads", f"{list_leads(unknown)} {text}"
    read = derivable_leads(used)
    if unread := [lead for lead in leads if lead in _STANDARD and lead not in read]:
        text = f"{list_leads(unread)} not read; the network reads {list_leads(lead_set)}"
        yield "unread leads", text
