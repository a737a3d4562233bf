"""Numbers of a record that a network can read beside the signal.

`forward(signal, length, facts)` reads age, sex and amplitude, `forward(signal, length, rhythm)`
numbers of the RR intervals: the argument's name chooses.
"""

import inspect

import numpy as np

from ecg.beats import LOWEST_HZ, detect, rr
from ecg.headers import Header
from models import lookup
from models.recipe import Recipe

FACTS = ("age / 100", "age missing", "sex, −1 male or 1 female", "sex missing", "amplitude, mV")
# Shares are of the median interval, or of the intervals.
RHYTHM = (
    "median heart rate / 100", "standard deviation", "root mean square of the changes",
    "median change", "mean minus median", "share of early beats", "share of late beats",
    "share of changes below 5 %", "correlation of neighbours", "too few beats",
)  # fmt: skip
KINDS = {"facts": FACTS, "rhythm": RHYTHM}
AMPLITUDE = 0.95  # quantile of |signal|; Sodmann et al. 2021, section 2
SEXES = {"male": -1.0, "female": 1.0}
EARLY, LATE = 0.85, 1.15  # of the median interval
FEWEST = 4  # intervals
LIMIT = 3.0  # of a number's magnitude: a missed beat must not dominate


def reads_facts(recipe: Recipe) -> str:
    """Tell what `forward` of the recipe's network reads: a key of `KINDS`, or ""."""
    network = lookup(recipe, "NETWORKS", recipe.network.name)
    parameters = inspect.signature(getattr(network, "forward", network)).parameters
    return next((kind for kind in KINDS if kind in parameters), "")


def read_facts(recipe: Recipe, header: Header, signal: np.ndarray) -> np.ndarray | None:
    """Compute the numbers that the recipe's network reads; None if it reads none.

    Parameters
    ----------
    signal : np.ndarray of shape (leads, samples)
        In mV at the header's rate, NaN where a sample has no value.
    """
    kind = reads_facts(recipe)
    if kind == "rhythm":
        return rhythm_of(signal, header.fs)
    return facts_of(header, signal) if kind else None


def facts_of(header: Header, signal: np.ndarray) -> np.ndarray:
    """Compute the facts of a record; what is missing is 0.

    Parameters
    ----------
    signal : np.ndarray of shape (leads, samples)
        In mV, NaN where a sample has no value.

    Returns
    -------
    np.ndarray of float32, shape (5,)
        `FACTS`.
    """
    age, sex = header.age, SEXES.get(header.sex)
    values = np.abs(signal[np.isfinite(signal)])
    amplitude = float(np.quantile(values, AMPLITUDE)) if len(values) else 0.0
    known_age = 0.0 if np.isnan(age) else age / 100
    return np.array([known_age, np.isnan(age), sex or 0.0, sex is None, amplitude], np.float32)


def rhythm_of(signal: np.ndarray, fs: float) -> np.ndarray:
    """Compute numbers of a record's RR intervals, as 2017's winners read beside the signal.

    Datta et al. and Teijeiro et al., CinC 2017, have more of them, and of waves too.

    Parameters
    ----------
    signal : np.ndarray of shape (leads, samples)
        NaN where a sample has no value.
    fs : float
        Hz.

    Returns
    -------
    np.ndarray of float32, shape (10,)
        `RHYTHM`, each from −3 to 3; with fewer than four intervals all are 0 but the last.

    Examples
    --------
    >>> from simulate import simulate
    >>> record = simulate(["SB"], seed=1)
    >>> [round(float(one), 2) for one in rhythm_of(record.signal, record.fs)[[0, 5, 9]]]
    [0.47, 0.0, 0.0]
    """
    intervals = rr(detect(signal, fs), fs) if fs >= LOWEST_HZ else np.empty(0)
    if len(intervals) < FEWEST:
        too_few: np.ndarray = np.eye(len(RHYTHM), dtype=np.float32)[-1]
        return too_few
    median = np.median(intervals)
    relative = intervals / median
    changes, spread = np.diff(relative), relative.std()
    centred = relative - relative.mean()
    numbers = [
        60 / median / 100, spread, np.sqrt((changes**2).mean()), np.median(np.abs(changes)),
        relative.mean() - 1, (relative < EARLY).mean(), (relative > LATE).mean(),
        (np.abs(changes) < 0.05).mean(),
        (centred[1:] * centred[:-1]).mean() / spread**2 if spread > 0 else 0.0, 0.0,
    ]  # fmt: skip
    clipped: np.ndarray = np.clip(np.array(numbers, np.float32), -LIMIT, LIMIT)
    return clipped
