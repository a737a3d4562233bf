"""Bootstrap: how far a score would move if other records of the same kind had been drawn.

Records are drawn with replacement (Efron 1979); the interval runs between percentiles.  A resample
is a row of numbers that says how often each record counts, so nothing is copied or sorted again,
and the metrics take many resamples at once.
"""

from collections.abc import Callable

import numpy as np

CELLS = 4_000_000  # resamples × records at once: 32 MB an array


def intervals(
    score: Callable[[np.ndarray], np.ndarray],
    records: int,
    resamples: int,
    generator: np.random.Generator,
    level: float = 0.95,
) -> np.ndarray:
    """Compute percentile intervals of scores.

    Parameters
    ----------
    score : function
        From `times`, shape (resamples, records), how often each record counts, to scores, shape
        (resamples, scores).
    records : int
        How many records there are, at least 1.
    resamples : int
        How many resamples are drawn, at least 1; 1000 are usual.
    generator : np.random.Generator
        Where the draws come from.
    level : float
        Share of resamples inside the interval, 0 to 1.

    Returns
    -------
    np.ndarray, shape (2, scores)
        Lower and upper end; resamples where a score is NaN are left out, NaN if all are.
    """
    chunk = max(1, CELLS // records)
    drawn = []
    for done in range(0, resamples, chunk):
        size = min(chunk, resamples - done)
        drawn.append(score(generator.multinomial(records, np.full(records, 1 / records), size)))
    ends = [(1 - level) / 2, (1 + level) / 2]
    columns = [values[~np.isnan(values)] for values in np.concatenate(drawn).T]
    return np.array([np.quantile(c, ends) if len(c) else [np.nan] * 2 for c in columns]).T
