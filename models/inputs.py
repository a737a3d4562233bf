"""Inputs: from a record's signal to the rows that a network reads, the same way everywhere."""

from collections.abc import Iterator, Sequence

import numpy as np

from ecg.leads import Choice, choose
from models import lookup
from models.recipe import Part, Recipe, longest


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
    return Choice(_after(recipe, recipe.steps, chosen, fs), missing)


def finish(recipe: Recipe, signal: np.ndarray) -> np.ndarray:
    """Apply to a whole prepared signal what depends on the leads that the network reads.

    The same function for rows of the cache, in training, and for `probabilities_of`.

    Parameters
    ----------
    signal : np.ndarray of shape (rows, samples)
        From `prepare`, or the lead set's rows of the cache.
    """
    if not recipe.finish:
        return signal
    return _after(recipe, recipe.finish, signal.astype(np.float32, copy=False), recipe.fs)


def _after(recipe: Recipe, steps: Sequence[Part], signal: np.ndarray, fs: float) -> np.ndarray:
    for step in steps:
        signal, fs = lookup(recipe, "TRANSFORMS", step.name)(signal, fs, **step.options)
    return signal.astype(np.float32, copy=False)


def unfit(recipe: Recipe, fs: float) -> Iterator[str]:
    """Say which filters of a recipe reach beyond what a record of this rate holds.

    Examples
    --------
    >>> from models import find
    >>> list(unfit(find("isibrno-published"), 100))
    []
    """
    rate = min(fs, recipe.fs)
    for step in (*recipe.steps, *recipe.finish):
        high_hz = step.options.get("high_hz", 0)
        if high_hz >= rate / 2:
            yield (
                f"at {rate:g} Hz nothing lies above {rate / 2:g} Hz; the upper edge of "
                f"{step.name}, {high_hz:g} Hz, does nothing"
            )


def channels_per_lead(recipe: Recipe) -> int:
    """Count the rows that the steps make of one lead."""
    trial = np.zeros((1, 64), np.float32)
    return len(prepare(recipe, trial, ["I"], ["I"], recipe.fs).signal)


def channels_of(leads: Sequence[str], all_leads: Sequence[str], kinds: int) -> list[int]:
    """Name the rows of some leads in a signal prepared for `all_leads`.

    Examples
    --------
    >>> channels_of(["I", "V2"], ["I", "II", "V2"], kinds=2)
    [0, 2, 3, 5]
    """
    places = [all_leads.index(lead) for lead in leads]
    return [kind * len(all_leads) + place for kind in range(kinds) for place in places]


def windows(recipe: Recipe, signal: np.ndarray) -> list[np.ndarray]:
    """Cut a finished signal into the fewest windows that the network reads, about equally long.

    With a stride they are of full length instead, and what is left at the end is not read.  A
    record within the limit stays whole; the probabilities of windows are averaged.
    """
    most, stride = longest(recipe), round(recipe.stride_s * recipe.fs)
    if stride and signal.shape[1] > most:
        begins = range(0, signal.shape[1] - most + 1, stride)
        return [signal[:, begin : begin + most] for begin in begins]
    count = -(-signal.shape[1] // most)
    return np.array_split(signal, count, axis=1)
