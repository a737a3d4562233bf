"""The chain: which of the candidates are beats, given the evidence and the rhythm.

The beats are the chain of candidates for which evidence and plausibility of the intervals add up
to most (Viterbi's algorithm).  Threshold, refractory period and search-back are one thing here: a
weak candidate becomes a beat where there would be a long gap without it, a strong one does not
where it would follow too closely.
"""

from math import log
from typing import NamedTuple

import numpy as np

REFRACTORY_S = 0.2  # physiological; as in Pan & Tompkins, IEEE TBME 1985;32:230
T_WAVE_S = 0.36  # until then, what has less evidence may be the T wave: as there
# Costs, in units of evidence, of an interval that is x times the local one; ours.
EARLY = 1.0  # times (ln x)^2 for x < 1: half the interval costs 0.5, a fifth 2.6
LATE = 0.4  # times (ln x)^2, up to ...
MISSED = 1.5  # from where on a beat may be missing:
GAP = 2.0  # so much more for each local interval, up to ...
HORIZON = 3.0  # a pause, or a stretch in which nothing can be seen, however long
OVERDUE = LATE * log(MISSED) ** 2
LONGEST = OVERDUE + GAP * (HORIZON - MISSED)
BEGIN = 1.5  # of a chain: what one lead shows of one beat is enough, a flicker in noise is not
LOCAL_S = (0.25, 2.0)  # bounds of the local interval: 240 to 30 beats a minute


class Candidates(NamedTuple):
    """Moments that may be beats, in ascending order; each of shape (candidates,)."""

    times: np.ndarray  # s
    evidence: np.ndarray  # for a beat, a log likelihood ratio
    local: np.ndarray  # s from beat to beat thereabouts
    samples: np.ndarray  # int, of the R peak


class Chain:
    """The best chain of all candidates so far; what no future changes is given out at once.

    Memory is in proportion to the candidates since the last beat given out, which are few.
    """

    def __init__(self, early: float = EARLY) -> None:
        self._early = early
        self._times: list[float] = []
        self._evidence: list[float] = []
        self._samples: list[int] = []
        self._totals: list[float] = []  # of the best chain that ends at each
        self._before: list[int] = []  # the candidate before it in that chain, or -1
        self._near = 0  # from here on, candidates are within the horizon
        self._far = (0.0, -1)  # total and end of the best chain that ended beyond

    def add(self, more: Candidates) -> None:
        """Add candidates after all that were added before."""
        local = np.clip(more.local, *LOCAL_S)
        columns = (more.times, more.evidence, local, more.samples)
        for time, evidence, usual, sample in zip(*(c.tolist() for c in columns), strict=True):
            while (
                self._near < len(self._times) and time - self._times[self._near] > HORIZON * usual
            ):
                self._far = max(self._far, (self._totals[self._near], self._near))
                self._near += 1
            total, before = self._best(time, evidence, usual)
            self._times.append(time)
            self._evidence.append(evidence)
            self._samples.append(sample)
            self._totals.append(total + evidence)
            self._before.append(before)

    def _best(self, time: float, evidence: float, usual: float) -> tuple[float, int]:
        """Find the best chain that this candidate may continue: its total, costs off, and end."""
        far, before = self._far
        best = far - (LONGEST if before >= 0 else BEGIN)
        times, totals = self._times, self._totals
        for index in range(self._near, len(times)):
            gap = time - times[index]
            if gap < REFRACTORY_S:
                break
            ratio = gap / usual
            if ratio > MISSED:
                cost = OVERDUE + GAP * (ratio - MISSED)
            else:
                cost = (self._early if ratio < 1 else LATE) * log(ratio) ** 2
                if gap < T_WAVE_S and evidence < self._evidence[index]:
                    share = (T_WAVE_S - gap) / (T_WAVE_S - REFRACTORY_S)
                    cost += share * (self._evidence[index] - evidence)
            if totals[index] - cost > best:
                best, before = totals[index] - cost, index
        return best, before

    def settle(self) -> list[int]:
        """Give out the R peaks that are in every chain that may yet be the best; forget them."""
        ends = self._ends()
        while len(ends) > 1:
            last = max(ends)
            ends.remove(last)
            ends.add(self._before[last])
        common = ends.pop()
        beats = self._trace(common)
        self._forget(common)
        return beats[:-1]  # the last one stays: chains go on from it

    def finish(self) -> list[int]:
        """Give out the remaining R peaks of the best chain."""
        return self._trace(
            max((self._totals[end] if end >= 0 else 0.0, end) for end in self._ends())[1]
        )

    def _ends(self) -> set[int]:
        """List the candidates that a later one may follow; -1 is to begin with it."""
        return {self._far[1], *range(self._near, len(self._times))}

    def _trace(self, end: int) -> list[int]:
        """Follow the chain that ends at a candidate back to its beginning."""
        beats = []
        while end >= 0:
            beats.append(self._samples[end])
            end = self._before[end]
        return beats[::-1]

    def _forget(self, common: int) -> None:
        """Keep what is in a chain that a later candidate may follow, from `common` on."""
        kept = set()
        for end in self._ends():
            while end >= max(common, 0) and end not in kept:
                kept.add(end)
                end = self._before[end]
        order = sorted(kept)
        new = {-1: -1} | {old: place for place, old in enumerate(order)}
        self._near = len(order) - (len(self._times) - self._near)
        self._far = (self._far[0], new[self._far[1]])
        self._before = [new.get(self._before[old], -1) for old in order]
        self._samples = [self._samples[old] for old in order]
        for column in (self._times, self._evidence, self._totals):
            column[:] = [column[old] for old in order]
