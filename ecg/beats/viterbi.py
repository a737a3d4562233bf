"""Choose the beats among candidates by likelihood and rhythm, with Viterbi's algorithm.

The beats are the sequence of candidates with the highest total of log likelihood ratios, less a
cost per RR interval.  This replaces threshold, refractory period and search-back: a weak candidate
becomes a beat where it closes a long gap, and a strong one is rejected where it follows a beat too
closely.
"""

from math import log
from typing import NamedTuple

import numpy as np

REFRACTORY_S = 0.2  # physiological; as in Pan & Tompkins, IEEE TBME 1985;32:230
T_WAVE_S = 0.36  # until then a less likely candidate may be the T wave; also Pan & Tompkins
# Costs of an interval that is x times the local RR interval, as log likelihood ratios; ours.
EARLY = 1.0  # times (ln x)^2 for x < 1: half the interval costs 0.5, a fifth 2.6
LATE = 0.4  # times (ln x)^2 for 1 < x < MISSED
MISSED = 1.5  # above, a beat may be missing ...
GAP = 2.0  # ... which costs this much more per local interval, up to ...
HORIZON = 3.0  # ... here: longer gaps are pauses or noisy stretches of any duration
OVERDUE = LATE * log(MISSED) ** 2
LONGEST = OVERDUE + GAP * (HORIZON - MISSED)
BEGIN = 1.5  # of a sequence: one beat in one lead exceeds this, noise does not
LOCAL_S = (0.25, 2.0)  # bounds of the local RR interval: 240 to 30 beats per minute


class Candidates(NamedTuple):
    """Moments that may be beats, in ascending order; each of shape (candidates,)."""

    times: np.ndarray  # s
    ratios: np.ndarray  # log likelihood ratio of a beat
    local: np.ndarray  # s, the RR interval in the neighbourhood
    samples: np.ndarray  # int, of the R peak


class Viterbi:
    """The best sequence of beats; returns each beat once no later candidate can change it.

    Memory grows with the candidates since the last beat that was returned, which are few.
    """

    def __init__(self, early: float = EARLY) -> None:
        self._early = early
        self._times: list[float] = []
        self._ratios: list[float] = []
        self._samples: list[int] = []
        self._totals: list[float] = []  # of the best sequence that ends at each candidate
        self._previous: list[int] = []  # the candidate before it in that sequence, or -1
        self._near = 0  # the first candidate within the horizon
        self._far = (0.0, -1)  # total and last candidate of the best sequence before the horizon

    def add(self, candidates: Candidates) -> None:
        """Add candidates that are later than all earlier ones."""
        local = np.clip(candidates.local, *LOCAL_S)
        columns = (candidates.times, candidates.ratios, local, candidates.samples)
        for time, ratio, usual, sample in zip(*(c.tolist() for c in columns), strict=True):
            while (
                self._near < len(self._times) and time - self._times[self._near] > HORIZON * usual
            ):
                self._far = max(self._far, (self._totals[self._near], self._near))
                self._near += 1
            total, previous = self._best(time, ratio, usual)
            self._times.append(time)
            self._ratios.append(ratio)
            self._samples.append(sample)
            self._totals.append(total + ratio)
            self._previous.append(previous)

    def _best(self, time: float, ratio: float, usual: float) -> tuple[float, int]:
        """Find the best sequence before this candidate: its total less the cost, and its end."""
        far, previous = self._far
        best = far - (LONGEST if previous >= 0 else BEGIN)
        times, totals = self._times, self._totals
        for index in range(self._near, len(times)):
            gap = time - times[index]
            if gap < REFRACTORY_S:
                break
            relative = gap / usual
            if relative > MISSED:
                cost = OVERDUE + GAP * (relative - MISSED)
            else:
                cost = (self._early if relative < 1 else LATE) * log(relative) ** 2
                if gap < T_WAVE_S and ratio < self._ratios[index]:
                    share = (T_WAVE_S - gap) / (T_WAVE_S - REFRACTORY_S)
                    cost += share * (self._ratios[index] - ratio)
            if totals[index] - cost > best:
                best, previous = totals[index] - cost, index
        return best, previous

    def settle(self) -> list[int]:
        """Return, and forget, the R peaks that all sequences which may become the best share."""
        ends = self._ends()
        while len(ends) > 1:
            last = max(ends)
            ends.remove(last)
            ends.add(self._previous[last])
        common = ends.pop()
        beats = self._backtrack(common)
        self._forget(common)
        return beats[:-1]  # the last one is kept: sequences continue from it

    def finish(self) -> list[int]:
        """Return the remaining R peaks of the best sequence."""
        return self._backtrack(
            max((self._totals[end] if end >= 0 else 0.0, end) for end in self._ends())[1]
        )

    def _ends(self) -> set[int]:
        """List the candidates that a later one may follow; -1 is an empty sequence."""
        return {self._far[1], *range(self._near, len(self._times))}

    def _backtrack(self, end: int) -> list[int]:
        """Give the R peaks of the best sequence that ends at a candidate."""
        beats = []
        while end >= 0:
            beats.append(self._samples[end])
            end = self._previous[end]
        return beats[::-1]

    def _forget(self, common: int) -> None:
        """Drop candidates before `common`, and those that no open sequence contains."""
        kept = set()
        for end in self._ends():
            while end >= max(common, 0) and end not in kept:
                kept.add(end)
                end = self._previous[end]
        order = sorted(kept)
        new = {-1: -1} | {old: index for index, old in enumerate(order)}
        self._near = len(order) - (len(self._times) - self._near)
        self._far = (self._far[0], new[self._far[1]])
        self._previous = [new.get(self._previous[old], -1) for old in order]
        self._samples = [self._samples[old] for old in order]
        for column in (self._times, self._ratios, self._totals):
            column[:] = [column[old] for old in order]
