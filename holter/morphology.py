"""Validation by morphology of what the networks of `holter.pair` answer.

Sahin and Kilinc, STAFF-MALT 2021, validate the answers of both networks "with morphological
features" and do not say which.  The rules and limits here are ours.
"""

import numpy as np

from holter.numbers import FS, NAMES, describe
from holter.table import BeatTable

LEAST_RANGE = 0.2  # of the usual range of a lead, in one lead at least
QRS_MS = (32.0, 220.0)  # duration of a QRS complex, by its steep slopes
REFRACTORY_S = 0.2  # within it, of two beats the likelier one stays
CORE = slice(120, 180)  # samples of a window: 0.12 s to either side of the R peak
STEEP = 0.25  # share of the steepest slope from which a slope belongs to the QRS complex
LIKE, WIDER = 0.9, 1.15  # correlation with the usual beat; ratio to its width
_LIKE = NAMES.index("wide, all leads")
_WIDER = NAMES.index("slope spread ratio, largest")


def is_beat(table: BeatTable, certainty: np.ndarray) -> np.ndarray:
    """Tell which R peaks have the size and duration of a beat, and are no second one of a beat.

    Parameters
    ----------
    certainty : np.ndarray, shape (beats,)
        Decides which of two peaks within 200 ms stays.

    Returns
    -------
    np.ndarray of bool, shape (beats,)
    """
    if not len(table):
        return np.zeros(0, bool)
    core = table.windows[..., CORE].astype(np.float32)
    ranges = np.ptp(core, axis=2)
    large = ((ranges >= LEAST_RANGE * usual(ranges, table.usable)) & table.usable).any(axis=1)
    width = qrs_ms(core)
    fits = ((width >= QRS_MS[0]) & (width <= QRS_MS[1]) & table.usable).any(axis=1)
    return np.asarray(large & fits & ~refractory(table.peaks / table.fs, certainty))


def usual(ranges: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Give the median range of each lead's usable beats, (beats, leads) to (leads,); 0 without."""
    known = [ranges[own, lead] for lead, own in enumerate(usable.T)]
    return np.array([np.median(one) if len(one) else 0.0 for one in known])


def qrs_ms(core: np.ndarray) -> np.ndarray:
    """Measure QRS durations: from the first to the last slope of a quarter of the steepest one.

    Parameters
    ----------
    core : np.ndarray, shape (…, samples)
        Signal about the R peak at 250 Hz.

    Returns
    -------
    np.ndarray of shape (…), in ms

    Examples
    --------
    >>> float(qrs_ms(np.concatenate([np.zeros(20), np.hanning(20), np.zeros(20)])))
    72.0
    """
    slopes = np.abs(core[..., 2:] - core[..., :-2])
    steep = slopes >= STEEP * slopes.max(axis=-1, keepdims=True)
    first, last = steep.argmax(axis=-1), steep[..., ::-1].argmax(axis=-1)
    return np.asarray((steep.shape[-1] - last - first) * 1000 / FS)


def refractory(times: np.ndarray, certainty: np.ndarray) -> np.ndarray:
    """Mark the peaks that lie within 200 ms of a more certain one.

    Examples
    --------
    >>> refractory(np.array([0.0, 0.1, 1.0]), np.array([0.6, 0.9, 0.5])).tolist()
    [True, False, False]
    """
    result = np.zeros(len(times), bool)
    for first in np.flatnonzero(np.diff(times) < REFRACTORY_S).tolist():
        result[first if certainty[first] < certainty[first + 1] else first + 1] = True
    return result


def is_different(table: BeatTable) -> np.ndarray:
    """Tell which beats have another shape or a wider QRS complex than the recording's usual beat.

    Returns
    -------
    np.ndarray of bool, shape (beats,)
    """
    numbers = describe(table.peaks, table.fs, table.windows, table.usable).numbers
    return np.asarray((numbers[:, _LIKE] < LIKE) | (numbers[:, _WIDER] > np.log(WIDER)))
