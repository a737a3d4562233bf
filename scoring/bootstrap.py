"""Bootstrap: confidence intervals of scores over resampled records.

Records are drawn with replacement (Efron 1979); the interval runs between percentiles.  A resample
is a row of counts, one per record, so that no array is copied or sorted again and metrics take many
resamples at once.
"""

import sys
from collections.abc import Callable

import numpy as np

CELLS = 4_000_000  # resamples × records at once: 32 MB per array


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
        Function of `times`, shape (resamples, records), the number of times that each record
        counts; returns scores, shape (resamples, scores).
    records : int
        Number of records, at least 1.
    resamples : int
        Number of resamples, at least 1; usually 1000.
    generator : np.random.Generator
        Source of the draws.
    level : float
        Share of resamples inside the interval, 0 to 1.

    Returns
    -------
    np.ndarray, shape (2, scores)
        Lower and upper end.  Resamples whose score is NaN are left out; NaN if all are.
    """
    chunk = max(1, CELLS // records)
    scores = []
    for done in range(0, resamples, chunk):
        size = min(chunk, resamples - done)
        scores.append(score(generator.multinomial(records, np.full(records, 1 / records), size)))
    ends = [(1 - level) / 2, (1 + level) / 2]
    columns = [values[~np.isnan(values)] for values in np.concatenate(scores).T]
    return np.array([np.quantile(c, ends) if len(c) else [np.nan] * 2 for c in columns]).T


if __name__ == "__main__":
    message = "scoring.bootstrap is no command; `evaluate_model.py --bootstrap 1000` uses it."
    print(message) if "--help" in sys.argv else sys.exit(message)
