"""Signals in WFDB's other formats than `.mat` (16, 212, FLAC, …), through the wfdb package."""

import numpy as np

from ecg import LeadwiseError

_FAILURES = (OSError, ValueError, IndexError, KeyError, TypeError, RuntimeError)


def read_signal(stem: str, name: str, first: int = 0, last: int | None = None) -> np.ndarray:
    """Read the samples `[first, last)` without reading the others.

    Parameters
    ----------
    stem : str
        Path of the header without its ending.
    name : str
        Name of the record, for messages.

    Returns
    -------
    np.ndarray of shape (leads, samples)
        In digital units, NaN where a sample has no value.

    Raises
    ------
    LeadwiseError
        The files are missing, cut off or damaged.
    """
    import wfdb

    try:
        record = wfdb.rdrecord(
            stem, sampfrom=first, sampto=last, physical=False, smooth_frames=True
        )
    except _FAILURES as error:
        raise LeadwiseError(f"{name}: wfdb cannot read the signal: {error}") from error
    digital = record.d_signal.T
    # wfdb marks samples without value by the smallest number of each format.
    smallest = np.array([wfdb.io._signal.INVALID_SAMPLE_VALUE[fmt] for fmt in record.fmt])
    return np.where(digital == smallest[:, None], np.nan, digital)
