"""Times and kinds of the simulated beats."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from simulate.diagnoses import ECTOPY
from simulate.patient import Patient

# Fractions of the mean RR interval, unless stated otherwise; chosen by us within common ranges.
IRREGULAR = 0.22  # AF: standard deviation of RR, clipped at SHORTEST_S
SHORTEST_S = 0.36
JITTER = 0.006  # sinus rhythm: standard deviation of RR apart from respiration
COUPLING = (0.62, 0.72)  # interval before an ectopic beat, of the expected RR
LATEST_COUPLING = 0.88  # its upper limit, where the T wave before is late
RESUMPTION = 1.05  # RR after a beat that resets the pacemaker
APART = (3, 7)  # beats between ectopic beats; 2 or 3 with two kinds
MARGIN_S = 1.6  # beats this far outside the record can reach into it


class Beats(NamedTuple):
    """Beats in order of time, including those just outside the record."""

    times: np.ndarray  # (beats,) R peaks in seconds
    kinds: np.ndarray  # (beats,) "normal", "PAC" or "PVC"
    in_step: float  # time of an atrial-led beat in seconds: origin of flutter waves


def draw_beats(patient: Patient, duration_s: float, generator: np.random.Generator) -> Beats:
    """Draw the beats of a record, with at least one beat and one of each ectopic kind in it.

    Parameters
    ----------
    patient : Patient
    duration_s : float
        Of the record, in seconds.
    generator : np.random.Generator

    Raises
    ------
    LeadwiseError
        The record is too short for both PAC and PVC.
    """
    # Half of them reach past each end from the middle, even if PAC shorten the intervals.
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
        return np.asarray(np.maximum(patient.rr_s * (1 + IRREGULAR * spread), shortest))
    if patient.has("AFL") or patient.has("PR"):
        return np.full(count, patient.rr_s)
    jitter = JITTER * patient.rr_s * np.clip(spread, -2, 2)
    return np.asarray(patient.rr_s + patient.swing_s * np.sin(breath) + jitter)


def place_ectopy(
    wanted: Sequence[str], count: int, middle: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw the kind of each beat, shape (count,); the middle one is ectopic if `wanted` has any."""
    kinds = np.full(count, "normal")
    if wanted:
        apart = APART if len(wanted) == 1 else (2, 3)
        indices = np.cumsum(generator.integers(apart[0], apart[1] + 1, count))
        nearest = int(np.argmin(np.abs(indices - middle)))
        indices += middle - indices[nearest]
        for number, index in enumerate(indices.tolist()):
            if 1 <= index < count - 2:
                kinds[index] = wanted[number % len(wanted)]
    return kinds


def move_ectopy(
    patient: Patient, intervals: np.ndarray, kinds: np.ndarray, generator: np.random.Generator
) -> None:
    """Shorten the intervals before ectopic beats, in place.

    After a PVC the sinus node or the atria keep their timing (compensatory pause).  A PAC resets
    the sinus node, any beat a pacemaker.
    """
    share = generator.uniform(*COUPLING, len(kinds))
    for index in np.flatnonzero(kinds != "normal").tolist():
        expected, following = intervals[index : index + 2].tolist()
        clear = patient.qt_s + (patient.pq_s if kinds[index] == "PAC" else 0.03)
        early = min(max(share[index] * expected, clear), LATEST_COUPLING * expected)
        resets = kinds[index] == "PAC" or patient.has("PR")
        intervals[index] = early
        pause = RESUMPTION * patient.rr_s if resets else expected + following - early
        intervals[index + 1] = pause
