"""The gate: which R peaks are beats, and which are artefacts such as those of electrode motion.

Gradient-boosted trees on the numbers of `holter.numbers` give each R peak the log-odds of a beat.
They are averaged over the beats of like shape, so that a rare but repeated beat is none.  A model
folder may have a gate: `gate.json` and the `gate-….safetensors` that it names.  `python -m
benchmarks.gate` trains and measures it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save

from ecg import LeadwiseError
from holter.classifier import ALIKE_PART, MOST_LOG_ODDS, PART, Trees, check_trees, describe_table
from holter.model_folder import read_folder, write_folder
from holter.numbers import NAMES, Description, average_alike
from holter.table import BeatTable

DESCRIPTION, FORMAT = "gate.json", 1
LEAST, LEAST_IN_NOISE = -1.0, 1.0  # log-odds of a beat
AROUND_S, DOUBTFUL = 10.0, 0.2  # noise: the share of R peaks that are rather artefacts than beats


@dataclass(frozen=True, eq=False)
class Gate:
    """Trees whose only class is "a beat"; `sha256` is that of their file."""

    trees: Trees
    sha256: str = ""

    def __call__(self, table: BeatTable) -> np.ndarray:
        """Tell which R peaks of a table are beats, bool (beats,)."""
        return passed(self.log_odds(describe_table(table)), table.peaks / table.fs)

    def log_odds(self, beats: Description) -> np.ndarray:
        """Compute the log-odds of a beat, (beats,)."""
        own = np.empty(len(beats.numbers))
        for first in range(0, len(own), PART):
            leaves = self.trees.leaves(beats.numbers[first : first + PART])
            own[first : first + PART] = self.trees.log_odds(leaves)[:, 0]
        own = np.clip(own, -MOST_LOG_ODDS, MOST_LOG_ODDS)
        alike, _ = average_alike(beats.shapes, beats.sizes, own[:, None])
        return np.asarray((1 - ALIKE_PART) * own + ALIKE_PART * alike[:, 0])


def passed(log_odds: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Tell which R peaks are beats: noise near them demands more certainty.

    Parameters
    ----------
    log_odds : np.ndarray, shape (peaks,)
        Of a beat.
    times : np.ndarray, shape (peaks,)
        In seconds, ascending.

    Examples
    --------
    >>> times = np.arange(30.0)
    >>> passed(np.where(times < 15, 0.5, -0.5), times)[[0, 10, 29]]
    array([ True, False, False])
    >>> passed(np.where(times == 15, -0.5, 0.5), times).all()
    np.True_
    """
    counts = np.concatenate([[0], np.cumsum(log_odds < 0)])
    first, last = (np.searchsorted(times, times + side * AROUND_S) for side in (-1, 1))
    noisy = counts[last] - counts[first] >= DOUBTFUL * (last - first)
    return np.asarray(log_odds >= np.where(noisy, LEAST_IN_NOISE, LEAST))


def write_gate(gate: Gate, folder: Path, origin: Mapping[str, object]) -> None:
    """Write the gate of a model folder; `origin` tells data and versions.

    Raises
    ------
    LeadwiseError
        A file cannot be written.
    """
    fields = {"format": FORMAT, "numbers": NAMES, "origin": origin}
    write_folder(folder, DESCRIPTION, "gate", save(dict(gate.trees._asdict())), fields)


def load_gate(folder: Path) -> Gate | None:
    """Load the gate of a model folder; None if it has none.

    Raises
    ------
    LeadwiseError
        Its files cannot be read, do not belong together, or are of another version.
    """
    if not (folder / DESCRIPTION).exists():
        return None
    wanted = {"format": FORMAT, "numbers": list(NAMES)}
    stored = read_folder(folder, DESCRIPTION, wanted, "benchmarks.gate")
    try:
        trees = Trees(**load_arrays(stored.content))
    except (SafetensorError, TypeError) as error:
        raise LeadwiseError(f"{stored.path}: not the arrays of trees: {error}") from error
    check_trees(trees, stored.path, classes=1)
    return Gate(trees, stored.sha256)
