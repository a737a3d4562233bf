"""When the simulated heart beats, and which of its beats are ectopic."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from simulate.diagnoses import ECTOPY
from simulate.patient import Patient

# Shares of the mean RR interval, unless said otherwise; all chosen by us within what is common.
IRREGULAR = 0.22  # AF: standard deviation of RR, cut at SHORTEST_S
SHORTEST_S = 0.36
JITTER = 0.006  # sinus rhythm: standard deviation of what breathing does not explain
COUPLING = (0.62, 0.72)  # an ectopic beat comes after this share of the RR that was due
LATEST_COUPLING = 0.88  # and at the latest after this, where a T wave is in its way
RESUMPTION = 1.05  # RR after a beat that resets the pacemaker
APART = (3, 7)  # beats from one ectopic beat to the next; 2 or 3 where there are two kinds
MARGIN_S = 1.6  # beats this far outside the record may still reach into it


class Beats(NamedTuple):
    """Beats in the order of time, those just outside the record included."""

    times: np.ndarray  # (beats,) R peaks in seconds
    kinds: np.ndarray  # (beats,) "normal", "PAC" or "PVC"
    in_step: float  # seconds of a beat that the atria led: flutter waves count from here


def draw_beats(patient: Patient, duration_s: float, generator: np.random.Generator) -> Beats:
    """Draw the beats of a record: at least one is in it, and one of each ectopic kind.

    Parameters
    ----------
    patient : Patient
    duration_s : float
        Of the record, in seconds.
    generator : np.random.Generator

    Raises
    ------
    LeadwiseError
        If the patient has PAC and PVC, and the record is too short for both.
    """
    # Half of them reach past either end from the middle, also where PAC shorten the intervals.
    count = 10 + int(1.6 * (duration_s + 2 * MARGIN_S) / patient.rr_s)
    middle = count // 2
    intervals = draw_intervals(patient, count, generator)
    wanted = [kind for kind in ECTOPY if patient.has(kind)]
    kinds = place_ectopy(wanted, count, middle, generator)
    move_ectopy(patient, intervals, kinds, generator)
    times = np.cumsum(intervals)
    times += generator.uniform(0.4, 0.6) * duration_s - times[middle]
    seen = kinds[(times >= 0) & (times < duration_s)]
    if not set(wanted).issubset(seen):
        raise LeadwiseError(
            f"{' and '.join(wanted)} do not both fit into {duration_s:g} s: simulate 10 s or more."
        )
    near = (times > -MARGIN_S) & (times < duration_s + MARGIN_S)
    return Beats(times[near], kinds[near], float(times[middle + 1]))


def draw_intervals(patient: Patient, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw RR intervals of the basic rhythm in seconds, shape (count,); [k] ends at beat k."""
    spread = generator.standard_normal(count)
    breath = generator.uniform(0, 2 * np.pi) + np.arange(count) * patient.rr_s * (
        2 * np.pi / patient.breath_s
    )
    if patient.has("AF"):
        shortest = max(SHORTEST_S, patient.qt_s + 0.03)
        return np.maximum(patient.rr_s * (1 + IRREGULAR * spread), shortest)
    if patient.has("AFL") or patient.has("PR"):
        return np.full(count, patient.rr_s)
    jitter = JITTER * patient.rr_s * np.clip(spread, -2, 2)
    return patient.rr_s + patient.swing_s * np.sin(breath) + jitter


def place_ectopy(
    wanted: Sequence[str], count: int, middle: int, generator: np.random.Generator
) -> np.ndarray:
    """Name the kind of each beat, shape (count,): the middle one is ectopic if any is wanted."""
    kinds = np.full(count, "normal")
    if wanted:
        apart = APART if len(wanted) == 1 else (2, 3)
        places = np.cumsum(generator.integers(apart[0], apart[1] + 1, count))
        nearest = int(np.argmin(np.abs(places - middle)))
        places += middle - places[nearest]
        for turn, place in enumerate(places.tolist()):
            if 1 <= place < count - 2:
                kinds[place] = wanted[turn % len(wanted)]
    return kinds


def move_ectopy(
    patient: Patient, intervals: np.ndarray, kinds: np.ndarray, generator: np.random.Generator
) -> None:
    """Let ectopic beats come early, in place.

    After a PVC the sinus node or the atria keep time (a compensatory pause); a PAC resets the
    sinus node, and any beat a pacemaker.
    """
    share = generator.uniform(*COUPLING, len(kinds))
    for place in np.flatnonzero(kinds != "normal").tolist():
        due, following = intervals[place : place + 2].tolist()
        clear = patient.qt_s + (patient.pq_s if kinds[place] == "PAC" else 0.03)
        early = min(max(share[place] * due, clear), LATEST_COUPLING * due)
        resets = kinds[place] == "PAC" or patient.has("PR")
        intervals[place] = early
        intervals[place + 1] = RESUMPTION * patient.rr_s if resets else due + following - early
