"""Run by run: couplets, short runs and long runs of ectopic beats, as WFDB's `rxr` compares them.

A run is a number of ectopic beats in succession: 1, a couplet (2), short (3 to 5) or long (6 or
more).  Each run of one annotator is compared with the longest one of the other, within a window
from 150 ms before its first beat to 150 ms after its last one.

Source: the manual page of `rxr`; details, and a fault of it that we do not share: docs/ec57.md.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from scoring.beats import LEARNING_S, ROUNDING, TOLERANCE_MS
from scoring.ec57.beats import Annotator, N, S, Share, V

LONG = 6  # the longest run that is told apart: "6 or more"
VEB, SVEB = "V", "S"
FIBRILLATION = "(AFIB"


class Runs(NamedTuple):
    """Ectopic beats of one annotator, and its runs."""

    samples: np.ndarray  # (beats,) int, of ectopic beats and of the limits of episodes
    groups: np.ndarray  # (beats,) int: the same for beats in succession
    runs: list[tuple[int, int, int]]  # first and last sample, length from 1 to 6
    episodes: np.ndarray  # (episodes, 2) first and last sample of fibrillation: a long run

    def longest(self, first: float, last: float) -> int:
        """Find the length of the longest run within a window, 0 to 6."""
        if any(onset <= last and end > first for onset, end in self.episodes.tolist()):
            return LONG
        low, high = np.searchsorted(self.samples, [first, last + 1])
        lengths = np.unique(self.groups[low:high], return_counts=True)[1]
        return min(LONG, int(lengths.max(initial=0)))


class RunComparison(NamedTuple):
    """Runs of two annotators; rows are lengths of the reference, columns those of the test."""

    sensitivity: np.ndarray  # (7, 7) int: the runs of the reference
    predictivity: np.ndarray  # (7, 7) int: the runs of the test annotator


def compare_runs(
    reference: Annotator,
    test: Annotator,
    fs: float,
    kind: str = VEB,
    *,
    start_s: float = LEARNING_S,
    end: float = np.inf,
    window_ms: float = TOLERANCE_MS,
) -> RunComparison:
    """Compare the runs of two annotators of one record, as `rxr` does.

    Parameters
    ----------
    fs : float
        Hz, of both annotators.
    kind : str
        `VEB`, with ventricular fibrillation as a long run; or `SVEB`, with atrial fibrillation,
        whose normal beats count as supraventricular ectopic.
    start_s : float
        Runs that end before it do not count; one that is under way counts as a whole.
    end : float
        Runs that begin after this sample do not count.
    window_ms : float
        How far the window reaches on both sides of a run.

    Examples
    --------
    >>> marked = Annotator(np.array([100, 200, 300, 400]), np.array(list("NVVN")))
    >>> found = Annotator(np.array([100, 200, 300, 400]), np.array(list("NVNN")))
    >>> result = compare_runs(marked, found, 250, start_s=0)
    >>> np.argwhere(result.sensitivity).tolist(), np.argwhere(result.predictivity).tolist()
    ([[2, 1]], [[1, 1]])
    """
    both = [runs_of(annotator, kind, fs) for annotator in (reference, test)]
    margin = window_ms * fs / 1000 * (1 + ROUNDING)
    tables = np.zeros((2, LONG + 1, LONG + 1), int)
    for side, own in enumerate(both):
        for first, last, length in own.runs:
            if last >= start_s * fs and first <= end:
                other = both[1 - side].longest(first - margin, last + margin)
                row, column = (length, other) if side == 0 else (other, length)
                tables[side, row, column] += 1
    return RunComparison(*tables)


def runs_of(annotator: Annotator, kind: str, fs: float) -> Runs:
    """Find the runs of ectopic beats.

    Other beats, shutdown and ventricular fibrillation end a run; the end of atrial fibrillation
    does not.  Fibrillation begins a long run.
    """
    samples, rows = annotator.beats()
    atrial = _atrial_fibrillation(annotator)
    if kind == SVEB:
        in_fibrillation = np.zeros(len(samples), bool)
        for onset, end in atrial.tolist():
            in_fibrillation |= (samples >= onset) & (samples < end)
        ectopic, episodes = (rows == S) | in_fibrillation & (rows == N), atrial
    else:
        ectopic, episodes = rows == V, annotator.fibrillation
    marks = episodes.ravel() if kind == VEB else episodes[:, 0]
    ends = np.concatenate([
        samples[~ectopic], episodes[:, 0], annotator.fibrillation[:, 0],
        annotator.fibrillation[:, 1] + 0.5, annotator.shutdown(TOLERANCE_MS * fs / 1000)[:, 0],
    ])  # fmt: skip
    samples = np.sort(np.concatenate([samples[ectopic], marks]))
    groups = np.searchsorted(np.sort(ends), samples, side="right")
    runs = [
        (int(own[0]), int(own[-1]), LONG if np.isin(own, marks).any() else min(LONG, len(own)))
        for own in np.split(samples, np.flatnonzero(np.diff(groups)) + 1)
        if len(own)
    ]
    return Runs(samples, groups, runs, episodes)


def pool(comparisons: Iterable[RunComparison]) -> RunComparison:
    """Add up records, so that each run counts once (gross figures)."""
    tables = [np.stack(row) for row in comparisons]
    total = np.sum(tables, axis=0, dtype=int) if tables else np.zeros((2, LONG + 1, LONG + 1), int)
    return RunComparison(*total)


def shares(comparison: RunComparison) -> dict[str, Share]:
    """Compute Se and +P of `Couplet`, `Short run` and `Long run`."""
    rates = {}
    for name, low, high in (
        ("Couplet", 2, 3),
        ("Short run", 3, LONG),
        ("Long run", LONG, LONG + 1),
    ):
        marked, found = comparison.sensitivity[low:high], comparison.predictivity[:, low:high]
        rates[f"{name} Se"] = Share(int(marked[:, low:].sum()), int(marked.sum()))
        rates[f"{name} +P"] = Share(int(found[low:].sum()), int(found.sum()))
    return rates


def _atrial_fibrillation(annotator: Annotator) -> np.ndarray:
    """Give onset and end of atrial fibrillation, (episodes, 2); the end is the next rhythm's."""
    if annotator.notes is None:
        return np.empty((0, 2), int)
    rhythms = np.flatnonzero(annotator.symbols == "+")
    marks = [*rhythms.tolist(), len(annotator.samples) - 1]
    episodes = [
        (int(annotator.samples[mark]), int(annotator.samples[following]) + (following == marks[-1]))
        for mark, following in zip(marks[:-1], marks[1:], strict=True)
        if str(annotator.notes[mark]).rstrip(")") == FIBRILLATION
    ]
    return np.array(episodes, int).reshape(-1, 2)
