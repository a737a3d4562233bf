"""Inputs: from a record's signal to the rows that a network reads, the same way everywhere."""

from collections.abc import Sequence

import numpy as np

from ecg.leads import Choice, choose
from models import lookup
from models.recipe import Recipe, longest


def prepare(
    recipe: Recipe, signal: np.ndarray, have: Sequence[str], want: Sequence[str], fs: float
) -> Choice:
    """Choose leads and apply the recipe's steps.

    Parameters
    ----------
    signal : np.ndarray of shape (len(have), samples)
        In mV, NaN where a sample has no value.
    have, want : sequence of str
        Leads of the signal, leads of the network.
    fs : float
        Rate of the signal in Hz.

    Returns
    -------
    Choice
        `signal` of shape (rows, samples at the recipe's rate), float32, where rows are the wanted
        leads, then again for each further kind of row (envelopes); and the leads that are zero.
    """
    chosen, missing = choose(signal, have, want)
    for step in recipe.steps:
        chosen, fs = lookup(recipe, "STEPS", step.name)(chosen, fs, **step.options)
    return Choice(chosen.astype(np.float32, copy=False), missing)


def rows_per_lead(recipe: Recipe) -> int:
    """Count the rows that the steps make of one lead."""
    trial = np.zeros((1, 64), np.float32)
    return len(prepare(recipe, trial, ["I"], ["I"], recipe.fs).signal)


def rows_of(leads: Sequence[str], all_leads: Sequence[str], kinds: int) -> list[int]:
    """Name the rows of some leads in a signal prepared for `all_leads`.

    Examples
    --------
    >>> rows_of(["I", "V2"], ["I", "II", "V2"], kinds=2)
    [0, 2, 3, 5]
    """
    places = [all_leads.index(lead) for lead in leads]
    return [kind * len(all_leads) + place for kind in range(kinds) for place in places]


def windows(recipe: Recipe, signal: np.ndarray) -> list[np.ndarray]:
    """Cut a prepared signal into the fewest windows that the network reads, about equally long.

    A record within the limit stays whole; the probabilities of windows are averaged.
    """
    count = -(-signal.shape[1] // longest(recipe))
    return np.array_split(signal, count, axis=1)
