"""Simulated patients: rate, intervals, axis and voltages, drawn to satisfy the diagnoses."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

# Ranges (low, high) of uniform distributions.  If a diagnosis has a criterion, the ranges with and
# without it keep a distance from it, so that simulated findings are unambiguous.
# Criteria: AHA/ACCF/HRS recommendations 2009, part III (QRS duration, axis; Surawicz et al.) and
# part IV (QT; Rautaharju et al.); low voltage and R waves: Kang & Wen 2022.
Range = tuple[float, float]
RATE_BPM: dict[str, Range] = {  # normal is 60 to 100
    "NSR": (64, 94),
    "SB": (42, 56),
    "STach": (104, 138),
    "SA": (62, 78),
    "AF": (65, 120),
    "PR": (60, 76),
}
UNHURRIED_BPM: Range = (64, 80)  # NSR with prolonged PQ or QT: keeps P clear of the T before it
FLUTTER_BPM: Range = (260, 330)  # atrial
FLUTTER_BLOCK = (2, 3, 4, 4)  # flutter waves per beat
AXIS_DEG: dict[str, Range] = {  # normal is -30 to 90
    "normal": (5, 75),
    "LAD": (-68, -42),
    "RAD": (102, 130),
    **dict.fromkeys(("LBBB", "PR"), (-12, 45)),
}
VOLTAGE_MV: dict[str, Range] = {
    "normal": (0.8, 1.4),
    "LQRSV": (0.28, 0.40),  # limit 0.5
    **dict.fromkeys(("LBBB", "PR"), (0.75, 1.1)),
}
PQ_S: dict[str, Range] = {"normal": (0.13, 0.175), "IAVB": (0.225, 0.30)}  # limit 0.20
SHORTEST_PQ_S = {"normal": 0.115, "IAVB": 0.215}
QRS_S: dict[str, Range] = {
    "normal": (0.080, 0.096),
    "IRBBB": (0.110, 0.117),  # 0.11 to 0.12
    "LBBB": (0.135, 0.165),  # from 0.12
    "RBBB": (0.130, 0.155),
    "PR": (0.150, 0.175),
}
PVC_QRS_S: Range = (0.140, 0.170)
QTC_S: dict[str, Range] = {  # limits 0.45 (men) and 0.46 (women); plainly long from 0.48
    "normal": (0.38, 0.42),
    "LQT": (0.50, 0.54),
    **dict.fromkeys(("LBBB", "RBBB", "PR"), (0.41, 0.44)),  # a wide QRS makes QT longer
}
ARRHYTHMIA_S: Range = (0.10, 0.14)  # half the range of RR in SA; the criterion is a range of 0.12
OLD = ("AF", "AFL", "PR", "LBBB", "PVC", "PRWP", "IAVB")
YEARS: dict[str, Range] = {"young": (18, 40), "old": (50, 91), "normal": (20, 86)}


@dataclass(frozen=True)
class Patient:
    """One simulated patient; times in seconds, voltages in mV, angles in degrees."""

    diagnoses: tuple[str, ...]
    age: float
    sex: str
    rr_s: float  # mean
    flutter_block: int  # flutter waves per beat
    breath_s: float  # one breath
    swing_s: float  # half the range of RR with respiration
    p_s: float  # duration of P
    pq_s: float
    qrs_s: float
    pvc_qrs_s: float
    qt_s: float
    axis_deg: float  # of the QRS area in I and aVF
    voltage_mv: float  # largest QRS of the limb leads, peak to peak
    p_mv: float
    t_mv: float
    t_axis_deg: float
    turn: float  # -1 to 1: how far QRS points backwards, within the normal range
    atrial_mv: float  # fibrillation or flutter waves
    follows_p: bool  # a pacemaker that paces after P waves

    def has(self, diagnosis: str) -> bool:
        """Check whether the patient has this diagnosis."""
        return diagnosis in self.diagnoses


def draw_patient(diagnoses: tuple[str, ...], generator: np.random.Generator) -> Patient:
    """Draw a patient with exactly these of the known diagnoses.

    Number and order of the draws do not depend on the diagnoses: one seed gives one person with
    different findings.

    Parameters
    ----------
    diagnoses : tuple of str
        As `simulate.diagnoses.check` returns them.
    generator : np.random.Generator
    """

    def between(ranges: Range | dict[str, Range]) -> float:
        bounds = ranges[_first(diagnoses, ranges)] if isinstance(ranges, dict) else ranges
        return float(generator.uniform(*bounds))

    age, sex = between(_years(diagnoses)), ("Female", "Male")[int(generator.integers(2))]
    rate, flutter_rate = between(_rate(diagnoses)), between(FLUTTER_BPM)
    block = FLUTTER_BLOCK[int(generator.integers(len(FLUTTER_BLOCK)))]
    rr = 60 * block / flutter_rate if "AFL" in diagnoses else 60 / rate
    steady, arrhythmia = between((0.01, 0.02)) * rr, between(ARRHYTHMIA_S)
    swing = arrhythmia if "SA" in diagnoses else steady
    qt = _qt(between(QTC_S), rr, long="LQT" in diagnoses)
    room = rr - swing - qt - 0.02  # from the end of T to the next QRS
    pq = min(between(PQ_S), max(room, SHORTEST_PQ_S[_first(diagnoses, SHORTEST_PQ_S)]))
    quiet = 0.6 if "LQRSV" in diagnoses else 1.0
    return Patient(
        diagnoses=diagnoses,
        age=float(round(age)),
        sex=sex,
        rr_s=rr,
        flutter_block=block,
        breath_s=between((3.5, 5.5)),
        swing_s=swing,
        p_s=min(between((0.085, 0.105)), pq - 0.02),
        pq_s=pq,
        qrs_s=between(QRS_S),
        pvc_qrs_s=between(PVC_QRS_S),
        qt_s=qt,
        axis_deg=between(AXIS_DEG),
        voltage_mv=between(VOLTAGE_MV),
        p_mv=between((0.10, 0.16)) * quiet,
        t_mv=between((0.22, 0.36)) * quiet,
        t_axis_deg=between((25, 60)),
        turn=between((-1, 1)),
        atrial_mv=between((0.11, 0.17) if "AFL" in diagnoses else (0.05, 0.09)) * quiet,
        follows_p=bool(generator.random() < 0.5),
    )


def _first(diagnoses: Collection[str], ranges: Collection[str]) -> str:
    """Find the diagnosis with a range of its own, else `normal`."""
    return next((name for name in ranges if name in diagnoses), "normal")


def _years(diagnoses: Collection[str]) -> Range:
    """Give the age range in which these findings are common."""
    if "SA" in diagnoses:
        return YEARS["young"]
    return YEARS["normal" if set(OLD).isdisjoint(diagnoses) else "old"]


def _rate(diagnoses: Collection[str]) -> Range:
    """Give the range of the heart rate in beats per minute; AFL, with its own, does not use it."""
    if "SB" in diagnoses:
        return RATE_BPM["SB"]
    if {"IAVB", "LQT"}.intersection(diagnoses):
        return UNHURRIED_BPM
    return RATE_BPM[next((name for name in RATE_BPM if name in diagnoses), "NSR")]


def _qt(qtc_s: float, rr_s: float, *, long: bool) -> float:
    """Convert QTc to QT so that Bazett's and Fridericia's formulas agree on LQT at any rate."""
    bazett, fridericia = rr_s ** (1 / 2), rr_s ** (1 / 3)
    factor: float = max(bazett, fridericia) if long else min(bazett, fridericia)
    return qtc_s * factor
