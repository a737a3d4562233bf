"""Diagnoses of the simulator, their contradictions, and random sets of them."""

from collections.abc import Collection, Sequence

import numpy as np

from ecg import LeadwiseError

# The Challenge's abbreviations, rhythms first.
RHYTHMS = ("NSR", "SB", "STach", "SA", "AF", "AFL", "PR")
ECTOPY = ("PAC", "PVC")
CONDUCTION = ("LBBB", "RBBB", "IRBBB")
DIAGNOSES = (
    *RHYTHMS,
    *ECTOPY,
    *CONDUCTION,
    *("IAVB", "LAD", "RAD", "LQRSV", "PRWP", "LQT", "TInv"),
)

# Each of the first excludes each of the second, with the reason; a group with itself: any two.
_ONE_RHYTHM = ("NSR", "SB", "STach", "AF", "AFL", "PR")
_ONE_SHAPE = (*CONDUCTION, "PR")
_WIDE = ("LBBB", "RBBB", "PR")
CONTRADICTIONS = (
    (_ONE_RHYTHM, _ONE_RHYTHM, "a heart has one rhythm at a time"),
    (
        ("SA",),
        ("AF", "AFL", "PR"),
        "breathing affects the sinus node, which is not the pacemaker here",
    ),
    (("SA",), ("STach",), "at such rates the rhythm hardly follows the breathing"),
    (("IAVB",), ("AF", "AFL", "PR"), "without conducted P waves no PQ interval exists"),
    (("IAVB", "LQT"), ("STach",), "the P wave would hide in the T wave before it"),
    (("LQT",), ("AF", "AFL"), "atrial waves hide the end of the T wave"),
    (("PAC",), ("AF", "AFL", "PR"), "premature atrial beats need a sinus rhythm"),
    (_ONE_SHAPE, _ONE_SHAPE, "a QRS complex has one shape"),
    (("LAD",), ("RAD",), "a QRS complex has one axis"),
    (("RAD",), ("LBBB", "PR"), "activation runs from the right to the left ventricle"),
    (("PRWP",), _WIDE, "the conduction alone decides on the R waves of V1 to V3"),
    (("TInv",), _WIDE, "the conduction alone inverts the T wave"),
    (("TInv",), ("AFL",), "flutter waves hide the polarity of the T wave"),
)

# Probability of each rhythm for a finding that is no rhythm; ours, so that a few hundred records
# have each finding with several rhythms.
_CARRIERS = {"NSR": 0.5, "SB": 0.2, "STach": 0.1, "AF": 0.1, "SA": 0.05, "AFL": 0.05}
_EXTRA = 0.06  # probability of each further finding; ours


def check(diagnoses: Collection[str]) -> tuple[str, ...]:
    """Check for unknown and contradictory diagnoses, and add NSR if no rhythm is given.

    Parameters
    ----------
    diagnoses : collection of str
        Abbreviations as in `DIAGNOSES`.

    Returns
    -------
    tuple of str
        In the order of `DIAGNOSES`, each once.

    Raises
    ------
    LeadwiseError
        A diagnosis is unknown, or two exclude each other.

    Examples
    --------
    >>> check(["LAD"])
    ('NSR', 'LAD')
    >>> check(["AF", "SA"])
    Traceback (most recent call last):
    ...
    ecg.LeadwiseError: SA and AF exclude each other: breathing affects the sinus node, which \
is not the pacemaker here. Leave one of them out.
    """
    if isinstance(diagnoses, str):
        diagnoses = (diagnoses,)
    unknown = sorted(set(diagnoses) - set(DIAGNOSES))
    if unknown:
        raise LeadwiseError(
            f"{unknown[0]}: no such simulated diagnosis; known are {', '.join(DIAGNOSES)}."
        )
    reason = contradiction(diagnoses)
    if reason:
        raise LeadwiseError(f"{reason}. Leave one of them out.")
    given = set(diagnoses)
    if not given.intersection(RHYTHMS):
        given.add("NSR")
    return tuple(diagnosis for diagnosis in DIAGNOSES if diagnosis in given)


def contradiction(diagnoses: Collection[str]) -> str:
    """Describe two diagnoses that exclude each other and the reason; empty if none do."""
    for firsts, seconds, reason in CONTRADICTIONS:
        for first in firsts:
            for second in seconds:
                if first != second and first in diagnoses and second in diagnoses:
                    return f"{first} and {second} exclude each other: {reason}"
    return ""


def draw_diagnoses(generator: np.random.Generator, first: str = "") -> tuple[str, ...]:
    """Draw a plausible set of diagnoses: a first one, a rhythm, rarely more.

    Parameters
    ----------
    generator : np.random.Generator
    first : str
        The first diagnosis; drawn uniformly if empty.

    Returns
    -------
    tuple of str
        At least a rhythm, at most one of `ECTOPY`, in the order of `DIAGNOSES`.

    Examples
    --------
    >>> draw_diagnoses(np.random.default_rng(1), "PVC")
    ('SB', 'PVC', 'LQRSV')
    """
    drawn = [first or str(generator.choice(DIAGNOSES))]
    if drawn[0] not in RHYTHMS:
        fitting = [rhythm for rhythm in _CARRIERS if not contradiction([*drawn, rhythm])]
        shares = np.array([_CARRIERS[rhythm] for rhythm in fitting])
        drawn.append(str(generator.choice(fitting, p=shares / shares.sum())))
    for diagnosis in DIAGNOSES[len(RHYTHMS) :]:
        wanted = generator.random() < _EXTRA
        if wanted and not _one_too_many(drawn, diagnosis):
            drawn.append(diagnosis)
    return check(drawn)


def _one_too_many(drawn: Sequence[str], diagnosis: str) -> bool:
    """Check whether the diagnosis contradicts those drawn, or is a second kind of ectopic beat."""
    second_ectopy = diagnosis in ECTOPY and not set(ECTOPY).isdisjoint(drawn)
    return second_ectopy or bool(contradiction([*drawn, diagnosis]))


def spread_diagnoses(count: int, seed: int) -> list[tuple[str, ...]]:
    """Draw sets for many records; each diagnosis is the first of one record in every 19.

    Record n depends on seed and n only: a longer list starts with the shorter one.
    """
    sets = []
    for index in range(count):
        cycle, position = divmod(index, len(DIAGNOSES))
        order = np.random.default_rng((1, seed, cycle)).permutation(len(DIAGNOSES))
        generator = np.random.default_rng((2, seed, index))
        sets.append(draw_diagnoses(generator, DIAGNOSES[order[position]]))
    return sets
