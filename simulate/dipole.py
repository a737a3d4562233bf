"""The heart as a moving dipole: waves as sums of Gaussians, and their projections on leads.

A heart vector (I, E, z) consists of its projections on lead I and lead E in mV (E is aVF times
2/√3, so that angles in the frontal plane are those of the hexaxial system), and of its backward
component z in Frank's mV.
"""

from typing import NamedTuple

import numpy as np

from ecg.leads import LIMB

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")  # the other four follow from I and II
# Projections of Frank's x (left), y (down) and z (back): Dower, Machado & Osborne, "On
# deriving the electrocardiogram from vectorcardiographic leads", Clin Cardiol 1980;3:87-95.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
_AVF = DOWER[1] - DOWER[0] / 2
FRANK = np.linalg.inv([DOWER[0], _AVF * 2 / np.sqrt(3), [0, 0, 1]])  # (x, y, z) of (I, E, z)
EIGHT_OF_HEART = DOWER @ FRANK  # (8, 3)
LIMBS_OF_HEART = np.array(list(LIMB.values())) @ EIGHT_OF_HEART[:2]  # (6, 3)
REACH = 4.5  # a Gaussian is cut after this many widths, at 4e-5 of its height
FINE_S = 0.0005  # resolution at which a wave is measured before it is sampled


class Wave(NamedTuple):
    """A wave of a beat, as Gaussians over time; seconds count from the R peak.

    A Gaussian has different widths while it rises and falls.
    """

    onset: float
    offset: float
    centres: np.ndarray  # (bumps,) s
    rises: np.ndarray  # (bumps,) s
    falls: np.ndarray  # (bumps,) s
    vectors: np.ndarray  # (bumps, 3) mV

    def shifted(self, seconds: float) -> "Wave":
        """Give the same wave, later by this many seconds."""
        return self._replace(
            onset=self.onset + seconds,
            offset=self.offset + seconds,
            centres=self.centres + seconds,
        )

    def at(self, times: np.ndarray) -> np.ndarray:
        """Evaluate the heart vectors, shape (…, 3), at these times in seconds, shape (…)."""
        since = times[..., None] - self.centres
        widths = np.where(since < 0, self.rises, self.falls)
        return np.asarray(np.exp(-0.5 * (since / widths) ** 2) @ self.vectors)


def over_time(wave: Wave) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate a wave finely from onset to offset: seconds (n,) and heart vectors (n, 3)."""
    times = np.arange(wave.onset, wave.offset, FINE_S)
    return times, wave.at(times)


def largest_at(wave: Wave) -> float:
    """Find the time in seconds at which Frank's vector is longest."""
    times, heart = over_time(wave)
    return float(times[np.argmax(np.linalg.norm(heart @ FRANK.T, axis=1))])


def limb_voltage(wave: Wave) -> float:
    """Measure the largest peak-to-peak amplitude of a wave in the limb leads, in mV."""
    return float(np.ptp(over_time(wave)[1] @ LIMBS_OF_HEART.T, axis=0).max())


def add_wave(heart: np.ndarray, wave: Wave, beats: np.ndarray, fs: float) -> None:
    """Add a wave at each beat, in place.

    Parameters
    ----------
    heart : np.ndarray of shape (samples, 3)
        Heart vectors in mV.
    wave : Wave
    beats : np.ndarray of shape (beats,)
        R peaks in seconds; parts outside the record are ignored.
    fs : float
        Hz.
    """
    before = float((wave.centres - REACH * wave.rises).min())
    after = float((wave.centres + REACH * wave.falls).max())
    firsts = np.ceil((beats + before) * fs).astype(int)
    samples = firsts[:, None] + np.arange(int((after - before) * fs) + 1)
    blocks = wave.at(samples / fs - beats[:, None])  # (beats, samples, 3)
    for first, block in zip(firsts.tolist(), blocks, strict=True):
        cut = max(0, -first)
        here = heart[first + cut : first + len(block)] if first + len(block) > 0 else heart[:0]
        here += block[cut : cut + len(here)]
