"""Which diagnoses the simulator knows, which of them exclude each other, and how sets are drawn."""

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

# Each of the first with each of the second, and why not; a group against itself: any two of it.
_ONE_RHYTHM = ("NSR", "SB", "STach", "AF", "AFL", "PR")
_ONE_SHAPE = (*CONDUCTION, "PR")
_WIDE = ("LBBB", "RBBB", "PR")
CONTRADICTIONS = (
    (_ONE_RHYTHM, _ONE_RHYTHM, "a heart has one rhythm at a time"),
    (("SA",), ("AF", "AFL", "PR"), "breathing moves the sinus node, which does not lead here"),
    (("SA",), ("STach",), "at such rates the rhythm hardly follows the breathing"),
    (("IAVB",), ("AF", "AFL", "PR"), "without conducted P waves there is no PQ interval"),
    (("IAVB", "LQT"), ("STach",), "the P wave would hide in the T wave before it"),
    (("LQT",), ("AF", "AFL"), "the QT interval cannot be told from these atrial waves"),
    (("PAC",), ("AF", "AFL", "PR"), "there is no sinus beat to come before"),
    (_ONE_SHAPE, _ONE_SHAPE, "a QRS complex has one shape"),
    (("LAD",), ("RAD",), "a QRS complex has one axis"),
    (("RAD",), ("LBBB", "PR"), "activation runs from the right to the left ventricle"),
    (("PRWP",), _WIDE, "the conduction alone decides on the R waves of V1 to V3"),
    (("TInv",), _WIDE, "the conduction alone turns the T wave round"),
    (("TInv",), ("AFL",), "the T wave cannot be told from the flutter waves"),
)

# How often each rhythm carries a finding that is no rhythm; ours, so that a few hundred records
# show each finding on several rhythms.
_CARRIERS = {"NSR": 0.5, "SB": 0.2, "STach": 0.1, "AF": 0.1, "SA": 0.05, "AFL": 0.05}
_EXTRA = 0.06  # chance of each further finding; ours


def check(diagnoses: Collection[str]) -> tuple[str, ...]:
    """Refuse unknown and contradictory diagnoses, and add NSR where no rhythm is named.

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
        Names the unknown diagnosis and lists the known, or the two that exclude each other and
        says why.

    Examples
    --------
    >>> check(["LAD"])
    ('NSR', 'LAD')
    >>> check(["AF", "SA"])
    Traceback (most recent call last):
    ...
    ecg.LeadwiseError: SA and AF exclude each other: breathing moves the sinus node, which does \
not lead here. Leave one of them out.
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
    named = set(diagnoses)
    if not named.intersection(RHYTHMS):
        named.add("NSR")
    return tuple(diagnosis for diagnosis in DIAGNOSES if diagnosis in named)


def contradiction(diagnoses: Collection[str]) -> str:
    """Say which two of these exclude each other, and why; empty if none do."""
    for firsts, seconds, reason in CONTRADICTIONS:
        for first in firsts:
            for second in seconds:
                if first != second and first in diagnoses and second in diagnoses:
                    return f"{first} and {second} exclude each other: {reason}"
    return ""


def draw_diagnoses(generator: np.random.Generator, first: str = "") -> tuple[str, ...]:
    """Draw a plausible set of diagnoses: one to begin with, a rhythm, seldom more.

    Parameters
    ----------
    generator : np.random.Generator
    first : str
        The diagnosis to begin with; drawn evenly where it is empty.

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
    """Tell whether the diagnosis contradicts those drawn, or is a second kind of ectopic beat."""
    second_ectopy = diagnosis in ECTOPY and not set(ECTOPY).isdisjoint(drawn)
    return second_ectopy or bool(contradiction([*drawn, diagnosis]))


def spread_diagnoses(count: int, seed: int) -> list[tuple[str, ...]]:
    """Draw sets for many records, so that each diagnosis begins one record in every 19.

    Record n depends on seed and n alone: a longer list begins with the shorter one.
    """
    sets = []
    for index in range(count):
        turn, place = divmod(index, len(DIAGNOSES))
        order = np.random.default_rng((1, seed, turn)).permutation(len(DIAGNOSES))
        generator = np.random.default_rng((2, seed, index))
        sets.append(draw_diagnoses(generator, DIAGNOSES[order[place]]))
    return sets
