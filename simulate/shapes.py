"""Shapes of a simulated patient's waves: P, QRS and T of each kind of beat, and atrial waves."""

from typing import NamedTuple

import numpy as np

from simulate.dipole import (
    EIGHT,
    EIGHT_OF_HEART,
    Wave,
    largest_at,
    limb_voltage,
    over_time,
)
from simulate.patient import Patient

# QRS complexes as Gaussians: centre and width as fractions of the QRS duration; height along the
# mean axis; heights along I, E and z (back), independent of the axis.  The outermost reach onset
# and offset at 2.5 widths.  Chosen by us after the sequences of activation in textbooks.
Row = tuple[float, float, float, float, float, float]
QRS: dict[str, tuple[Row, ...]] = {
    "normal": (
        (0.22, 0.088, 0.0, -0.07, 0.05, -0.40),  # septum: right and forwards
        (0.48, 0.095, 1.0, 0.00, 0.00, 0.22),  # free walls
        (0.73, 0.100, 0.0, -0.10, -0.10, 0.45),  # base: up and backwards
    ),
    "LBBB": (
        (0.17, 0.068, 0.2, 0.00, 0.00, 0.05),  # septum from the right: no q in I, V5, V6
        (0.37, 0.105, 0.9, 0.00, 0.00, 0.95),
        (0.65, 0.105, 0.9, 0.10, 0.00, 1.05),  # left ventricle, late: a notch between
        (0.80, 0.080, 0.2, 0.00, 0.00, 0.30),
    ),
    "RBBB": (
        (0.14, 0.056, 0.0, -0.07, 0.05, -0.40),
        (0.31, 0.062, 1.0, 0.00, 0.00, 0.25),
        (0.46, 0.060, 0.0, -0.05, -0.08, 0.40),
        (0.72, 0.110, 0.0, -0.38, 0.03, -0.62),  # right ventricle, late: R' in V1, S in I and V6
    ),
    "IRBBB": (
        (0.18, 0.072, 0.0, -0.07, 0.05, -0.38),
        (0.40, 0.080, 1.0, 0.00, 0.00, 0.25),
        (0.58, 0.070, 0.0, -0.05, -0.10, 0.40),
        (0.80, 0.080, 0.0, -0.20, 0.00, -0.42),
    ),
    "PR": (
        (0.20, 0.080, 0.3, 0.00, 0.00, 0.10),  # slow start: from muscle to muscle
        (0.48, 0.140, 1.0, 0.00, 0.00, 1.05),
        (0.74, 0.104, 0.5, 0.00, 0.00, 0.65),
    ),
    "PVC": (
        (0.21, 0.084, 0.2, 0.00, 0.00, 0.10),
        (0.42, 0.130, 1.0, 0.00, 0.00, 0.60),
        (0.69, 0.124, 0.6, 0.00, 0.00, 0.45),
    ),
}
CONDUCTED = ("LBBB", "RBBB", "IRBBB", "PR")  # diagnoses that shape the beats of the basic rhythm
BY_SEPTUM = ("normal", "RBBB", "IRBBB")  # shapes that start with the septum, from the left
FROM_RIGHT = ("LBBB", "PR")  # shapes that start on the right, directed away from V1 to V3
R_IN_V3_MV = 0.5  # minimum without PRWP, whose limit is 0.3
EDGE = 2.5  # widths
SEPTUM, WALLS = 0, 1  # rows of QRS
# The tangent at the steepest point of a Gaussian crosses zero two widths from its centre:
# the tangent method for the end of T (Lepeschkin & Surawicz, Circulation 1952;6:378).
TANGENT = 2.0
T_RISE, T_FALL = 0.16, 0.105  # widths as fractions of QT; T rises more slowly than it falls
DISCORDANT = 0.32  # height of T after a wide QRS, opposite to it, relative to the QRS


class Beat(NamedTuple):
    """The waves of one kind of beat around its R peak; None for a missing P."""

    p: Wave | None
    qrs: Wave
    t: Wave


def normal_beat(patient: Patient) -> Beat:
    """Give the waves of a beat of the basic rhythm."""
    shape = next((name for name in CONDUCTED if patient.has(name)), "normal")
    qrs = qrs_wave(patient, shape, patient.qrs_s, patient.axis_deg, patient.voltage_mv)
    t = t_wave(patient, qrs, patient.qt_s, wide=shape in FROM_RIGHT)
    if shape == "RBBB":  # opposite to the late forces: inverted in V1 and V2
        t = t._replace(vectors=patient.t_mv * np.array([[0.8, 0.5, 0.4]]))
    has_p = not (patient.has("AF") or patient.has("AFL"))
    if patient.has("PR"):
        has_p = patient.follows_p
    return Beat(p_wave(patient, qrs.onset - patient.pq_s) if has_p else None, qrs, t)


def atrial_beat(patient: Patient) -> Beat:
    """Give the waves of a PAC: P from low in the atrium, QRS and T as usual."""
    beat = normal_beat(patient)
    return beat._replace(p=p_wave(patient, beat.qrs.onset - patient.pq_s, upwards=True))


def ventricular_beat(patient: Patient) -> Beat:
    """Give the waves of a PVC: no P, wide QRS, opposite T; from the right or left ventricle."""
    right = patient.turn > 0
    axis = 95.0 if right else -100.0  # outflow tract; left ventricle, below
    size = 1.0 if patient.has("LQRSV") else 1.4
    qrs = qrs_wave(patient, "PVC", patient.pvc_qrs_s, axis, size * patient.voltage_mv)
    if not right:
        qrs = qrs._replace(vectors=qrs.vectors * [1, 1, -1])
    qt = patient.qt_s + patient.pvc_qrs_s - patient.qrs_s
    return Beat(None, qrs, t_wave(patient, qrs, qt, wide=True))


def qrs_wave(patient: Patient, shape: str, width_s: float, axis: float, voltage: float) -> Wave:
    """Give a QRS complex with its R peak, where Frank's vector is longest, at 0 s.

    Its area in I and aVF has this axis (degrees); the limb lead with the largest QRS has this
    voltage (mV, peak to peak).
    """
    rows = np.array(QRS[shape])
    centres, widths = rows[:, 0] * width_s, rows[:, 1] * width_s
    along, vectors = rows[:, 2], rows[:, 3:].copy()
    angle = np.deg2rad(axis)
    fixed = widths @ vectors[:, :2]  # area that is independent of the axis
    across = fixed @ [-np.sin(angle), np.cos(angle)]
    angle -= np.arcsin(across / (widths @ along))
    vectors[:, :2] += along[:, None] * [np.cos(angle), np.sin(angle)]
    onset = float((centres - EDGE * widths).min())
    offset = float((centres + EDGE * widths).max())
    wave = Wave(onset, offset, centres, widths, widths, vectors)
    scale = voltage / limb_voltage(wave)
    vectors *= [scale, scale, np.sqrt(scale) * (1 + 0.2 * patient.turn)]
    if shape in BY_SEPTUM and patient.has("PRWP"):
        vectors[SEPTUM, 2] *= 0.3
        vectors[WALLS, 2] = max(vectors[WALLS, 2], z_for_v3(vectors[WALLS], -0.15))
    elif shape in BY_SEPTUM:
        vectors[SEPTUM, 2] = min(vectors[SEPTUM, 2], z_for_v3(vectors[SEPTUM], R_IN_V3_MV))
    elif shape in FROM_RIGHT:
        for row in vectors[WALLS:]:
            row[2] = max(row[2], z_for_v3(row, -0.6 * np.hypot(*row[:2])))
    return wave.shifted(-largest_at(wave))


def z_for_v3(vector: np.ndarray, voltage: float) -> float:
    """Find the z of a heart vector (I, E, …) at which V3 has this voltage (mV)."""
    row = EIGHT_OF_HEART[EIGHT.index("V3")]
    return float((voltage - row[:2] @ vector[:2]) / row[2])


def t_wave(patient: Patient, qrs: Wave, qt_s: float, *, wide: bool) -> Wave:
    """Give a T wave that ends QT seconds after the onset of this QRS complex."""
    fall, rise = np.array([T_FALL * qt_s]), np.array([T_RISE * qt_s])
    offset = qrs.onset + qt_s
    centre = offset - TANGENT * fall
    onset = max(float(centre[0] - TANGENT * rise[0]), qrs.offset)
    angle = np.deg2rad(patient.t_axis_deg)
    vector = patient.t_mv * np.array([np.cos(angle), np.sin(angle), -0.38])
    if patient.has("TInv"):
        vector *= -0.9
    if wide:
        area = np.trapezoid(over_time(qrs)[1], axis=0)
        height = DISCORDANT * np.linalg.norm(qrs.vectors, axis=1).max()
        vector = -height * area / np.linalg.norm(area)
    return Wave(onset, offset, centre, rise, fall, vector[None])


def p_wave(patient: Patient, onset: float, *, upwards: bool = False) -> Wave:
    """Give a P wave: right atrium (forwards), then left (backwards); upwards from a low origin."""
    centres = onset + patient.p_s * np.array([0.36, 0.64])
    widths = np.full(2, 0.18 * patient.p_s)
    vectors = patient.p_mv * np.array([[0.40, 0.85, -0.45], [0.50, 0.65, 0.45]])
    if upwards:
        vectors *= [0.7, -1.1, 1.0]
    return Wave(onset, onset + patient.p_s, centres, widths, widths, vectors)


def pacing_spike(patient: Patient, qrs: Wave, fs: float) -> Wave:
    """Give the pacemaker's pulse before a QRS complex, wide enough to be sampled.

    The pulse itself lasts 0.4 ms; a recorder's filter widens it to about 2 ms, more at low fs.
    """
    width = np.array([max(0.001, 0.4 / fs)])
    centre = np.array([qrs.onset - max(0.012, 5 * float(width[0]))])
    vector = np.array([[0.8, 0.7, -0.3]]) * (1.1 + 0.3 * patient.turn)
    return Wave(float(centre[0] - width[0]), float(centre[0]), centre, width, width, vector)


def fibrillation(patient: Patient, times: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw fibrillatory waves, 4 to 9 Hz, largest in V1: heart vectors (samples, 3) in mV."""
    waves = np.zeros((len(times), 3))
    for axis, size in enumerate((0.4, 0.6, 1.0)):
        for share in (0.5, 0.3, 0.2):
            rate, sway = generator.uniform(4.6, 8.2), generator.uniform(0.3, 0.9)
            phase, swing = generator.uniform(0, 2 * np.pi, 2)
            turning = 2 * np.pi * rate * times + 1.2 * np.sin(2 * np.pi * sway * times + swing)
            waves[:, axis] += 1.2 * size * share * np.sin(turning + phase)
    return patient.atrial_mv * waves


def flutter(patient: Patient, times: np.ndarray, in_step: float) -> np.ndarray:
    """Give flutter waves: a sawtooth in II, III and aVF, slow down and fast up, upright in V1.

    Parameters
    ----------
    times : np.ndarray of shape (samples,)
        Seconds.
    in_step : float
        Start of a wave in seconds.

    Returns
    -------
    np.ndarray of shape (samples, 3)
        Heart vectors in mV.
    """
    cycle = patient.rr_s / patient.flutter_block
    phase = 2 * np.pi * ((times - in_step) / cycle + 0.3 * patient.turn)
    saw = sum(np.sin(k * phase) / k * np.exp(-0.1 * k * k) for k in range(1, 5))
    later = sum(np.sin(k * (phase - 0.9)) / k * np.exp(-0.3 * k * k) for k in range(1, 4))
    return patient.atrial_mv * np.stack([0.1 * saw, saw, -0.7 * later], axis=1)
