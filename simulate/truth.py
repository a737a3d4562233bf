"""The truth about a simulated record: its waves in samples, its beats' symbols, and the record."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from simulate.rhythm import Beats
from simulate.shapes import Beat

P, QRS, T = 1, 2, 3  # values of a mask; 0 is none of them
ABSENT = -1
SYMBOLS = {"PAC": "A", "PVC": "V"}  # WFDB's, by the kind of beat
CONDUCTED = {"LBBB": "L", "RBBB": "R", "PR": "/"}  # of the other beats, by diagnosis; else N


@dataclass(frozen=True, eq=False)
class Simulated:
    """One simulated record and the truth about it.

    Attributes
    ----------
    name : str
    leads : tuple of str
    fs : float
        Hz.
    signal : np.ndarray of float32, shape (leads, samples)
        In mV.
    r_peaks : np.ndarray of int, shape (beats,)
        Samples at which the heart vector of a QRS complex is longest.
    symbols : tuple of str
        WFDB's symbol of each beat: N, L, R, / (paced), A (PAC), V (PVC).
    waves : np.ndarray of int, shape (beats, 3, 2)
        Of each beat P, QRS and T: onset and offset in samples, half-open, cut at the record's
        ends and where the next wave begins; -1 and -1 where there is none.
    mask : np.ndarray of uint8, shape (samples,)
        0 none, 1 P, 2 QRS, 3 T.  The same waves, and what reaches into the record of beats whose
        R peaks lie outside.
    codes : tuple of str
        SNOMED CT.
    age : float
        Years.
    sex : str
        "Female" or "Male".
    """

    name: str
    leads: tuple[str, ...]
    fs: float
    signal: np.ndarray
    r_peaks: np.ndarray
    symbols: tuple[str, ...]
    waves: np.ndarray
    mask: np.ndarray
    codes: tuple[str, ...]
    age: float
    sex: str


def mark_waves(beats: Beats, shaped: dict[str, Beat], samples: int, fs: float) -> np.ndarray:
    """Mark onset and offset of P, QRS and T of each beat in samples, shape (beats, 3, 2)."""
    absent = (np.nan, np.nan)
    around = {
        kind: [absent if wave is None else (wave.onset, wave.offset) for wave in beat]
        for kind, beat in shaped.items()
    }
    seconds = np.array([around[kind] for kind in beats.kinds.tolist()]).reshape(-1, 3, 2)
    seconds = seconds + beats.times[:, None, None]
    following = np.fmin(seconds[1:, 0, 0], seconds[1:, 1, 0])  # the next P, or QRS without P
    seconds[:-1, 2, 1] = np.minimum(seconds[:-1, 2, 1], following)
    marks = np.clip(np.ceil(np.nan_to_num(seconds, nan=-1.0) * fs), 0, samples).astype(int)
    empty = marks[..., 0] >= marks[..., 1]
    marks[empty] = ABSENT
    return marks


def paint_mask(waves: np.ndarray, samples: int) -> np.ndarray:
    """Paint waves, shape (beats, 3, 2), into a mask, uint8 of shape (samples,)."""
    mask = np.zeros(samples, np.uint8)
    for beat in waves.tolist():
        for value, (onset, offset) in zip((P, QRS, T), beat, strict=True):
            if onset != ABSENT:
                mask[onset:offset] = value
    return mask


def symbols_of(diagnoses: Collection[str], kinds: Collection[str]) -> tuple[str, ...]:
    """Give WFDB's symbol of each beat, from its kind and the patient's diagnoses.

    Examples
    --------
    >>> symbols_of(["NSR", "LBBB", "PVC"], ["normal", "PVC"])
    ('L', 'V')
    """
    usual = next((CONDUCTED[name] for name in CONDUCTED if name in diagnoses), "N")
    return tuple(SYMBOLS.get(kind, usual) for kind in kinds)
