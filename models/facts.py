"""Facts of a record that a network can read beside the signal: age, sex and amplitude."""

import inspect

import numpy as np

from ecg.headers import Header
from models import lookup
from models.recipe import Recipe

FACTS = ("age / 100", "age missing", "sex, −1 male or 1 female", "sex missing", "amplitude, mV")
AMPLITUDE = 0.95  # quantile of |signal|; Sodmann et al. 2021, section 2
SEXES = {"male": -1.0, "female": 1.0}


def reads_facts(recipe: Recipe) -> bool:
    """Tell whether `forward` of the recipe's network takes `facts`."""
    network = lookup(recipe, "NETWORKS", recipe.network.name)
    return "facts" in inspect.signature(getattr(network, "forward", network)).parameters


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
