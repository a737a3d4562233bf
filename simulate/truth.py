"""A simulated record and its annotations."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ecg.annotations import ABSENT, ALL_LEADS, Annotations, Beats, Rhythms, Spans, Waves, wave_mask
from simulate.dipole import largest_at
from simulate.rhythm import Beats as DrawnBeats
from simulate.shapes import Beat

KINDS = ("p", "N", "t")  # WFDB's symbols of P, QRS and T
SYMBOLS = {"PAC": "A", "PVC": "V"}  # WFDB's, by the kind of beat
CONDUCTED = {"LBBB": "L", "RBBB": "R", "PR": "/"}  # of the other beats, by diagnosis; else N
RHYTHMS = {"AF": "AFIB", "AFL": "AFL", "SB": "SBR", "PR": "P"}  # WFDB's; else N


@dataclass(frozen=True, eq=False)
class Simulated:
    """One simulated record with its annotations.

    Attributes
    ----------
    name : str
    leads : tuple of str
    fs : float
        Hz.
    signal : np.ndarray of float32, shape (leads, samples)
        In mV.
    waves : np.ndarray of int, shape (beats, 3, 2)
        Of each beat whose R peak lies in the record P, QRS and T: onset and offset in samples,
        half-open, cut at the record's ends and at the next wave; -1 and -1 for a missing wave.
    marks : Annotations
        Beats, waves (those of beats whose R peaks lie outside the record too) and rhythm.
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
    waves: np.ndarray
    marks: Annotations
    codes: tuple[str, ...]
    age: float
    sex: str

    def annotations(self) -> Annotations:
        """Beats, waves and rhythm, as `ecg.records.Record.annotations` gives them."""
        return self.marks

    @property
    def r_peaks(self) -> np.ndarray:
        """Samples at which the heart vector of a QRS complex is longest, shape (beats,)."""
        return self.marks.beats.samples

    @property
    def symbols(self) -> tuple[str, ...]:
        """WFDB's symbol of each beat: N, L, R, / (paced), A (PAC), V (PVC)."""
        return tuple(self.marks.beats.symbols.tolist())

    @property
    def mask(self) -> np.ndarray:
        """Mask of the waves, uint8 of shape (samples,): 0 none, 1 P, 2 QRS, 3 T."""
        return wave_mask(self.marks, self.signal.shape[1])


def mark_waves(beats: DrawnBeats, shaped: dict[str, Beat], samples: int, fs: float) -> np.ndarray:
    """Mark onset and offset of P, QRS and T of each beat in samples, shape (beats, 3, 2)."""
    absent = (np.nan, np.nan)
    relative = {
        kind: [absent if wave is None else (wave.onset, wave.offset) for wave in beat]
        for kind, beat in shaped.items()
    }
    seconds = np.array([relative[kind] for kind in beats.kinds.tolist()]).reshape(-1, 3, 2)
    seconds = seconds + beats.times[:, None, None]
    following = np.fmin(seconds[1:, 0, 0], seconds[1:, 1, 0])  # the next P, or QRS without P
    seconds[:-1, 2, 1] = np.minimum(seconds[:-1, 2, 1], following)
    samples_of = np.ceil(np.nan_to_num(seconds, nan=-1.0) * fs)
    marks: np.ndarray = np.clip(samples_of, 0, samples).astype(int)
    empty = marks[..., 0] >= marks[..., 1]
    marks[empty] = ABSENT
    return marks


def annotate(
    beats: DrawnBeats,
    shaped: dict[str, Beat],
    waves: np.ndarray,
    samples: int,
    fs: float,
    diagnoses: Collection[str],
) -> Annotations:
    """Annotate a record with its beats, waves and rhythm.

    Parameters
    ----------
    waves : np.ndarray of int, shape (beats, 3, 2)
        From `mark_waves`.
    """
    r_peaks = np.rint(beats.times * fs).astype(int)
    inside = (r_peaks >= 0) & (r_peaks < samples)
    present = waves[..., 0] != ABSENT
    peaks = peak_samples(beats, shaped, fs)
    peaks[(peaks < waves[..., 0]) | (peaks >= waves[..., 1])] = ABSENT  # outside the record
    kinds = np.broadcast_to(KINDS, present.shape)
    rhythm = next((RHYTHMS[name] for name in RHYTHMS if name in diagnoses), "N")
    return Annotations(
        float(fs),
        Beats(r_peaks[inside], np.array(symbols_of(diagnoses, beats.kinds[inside].tolist()))),
        waves=Waves(
            waves[..., 0][present],
            peaks[present],
            waves[..., 1][present],
            kinds[present],
            np.full(present.sum(), ALL_LEADS),
        ),
        rhythms=Rhythms.of([(0, samples, rhythm)]),
        annotated=Spans.of([(0, samples, ALL_LEADS)]),
    )


def peak_samples(beats: DrawnBeats, shaped: dict[str, Beat], fs: float) -> np.ndarray:
    """Find the samples at which the heart vector of P, QRS and T is longest, shape (beats, 3)."""
    of_kind = {
        kind: [0.0 if wave is None else largest_at(wave) for wave in beat]
        for kind, beat in shaped.items()
    }
    seconds = np.array([of_kind[kind] for kind in beats.kinds.tolist()]).reshape(-1, 3)
    return np.asarray(np.rint((seconds + beats.times[:, None]) * fs).astype(int))


def symbols_of(diagnoses: Collection[str], kinds: Collection[str]) -> tuple[str, ...]:
    """Give WFDB's symbol of each beat, from its kind and the patient's diagnoses.

    Examples
    --------
    >>> symbols_of(["NSR", "LBBB", "PVC"], ["normal", "PVC"])
    ('L', 'V')
    """
    usual = next((CONDUCTED[name] for name in CONDUCTED if name in diagnoses), "N")
    return tuple(SYMBOLS.get(kind, usual) for kind in kinds)
