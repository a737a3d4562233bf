"""Found wave limits compared with marked ones: counts, time errors, and Dice.

Each of six kinds of limits (onset and offset of P, QRS and T) is matched by itself, one to one,
within 150 ms (`scoring.beats.match`: most pairs, then the smallest total distance).  A lead is
marked from its first to its last mark, or in the parts that the reference states.  Found limits
outside:

- rule B: one that matches no mark is not counted;
- rule A: it counts as false up to 150 ms outside.

Rule A punishes correct limits of waves that are marked in part: if the first mark of a lead is a
QRS onset, the offset of the P wave before it is not marked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ecg.annotations import (
    ABSENT,
    ALL_LEADS,
    UNKNOWN,
    Annotations,
    Spans,
    Waves,
    known_parts,
    wave_mask,
)
from scoring.beats import BeatCounts, f1, match, positive_predictivity, sensitivity
from scoring.segments import confusion

TOLERANCES_MS = (150.0, 40.0)
WAVES = {"p": "P", "N": "QRS", "t": "T"}  # WFDB's symbols
SIDES = ("onset", "offset")
LIMITS = tuple((kind, side) for kind in WAVES for side in SIDES)
# One standard deviation of an expert: half of the tolerances of the CSE working party, as reprinted
# in Jané et al., CinC 1997, section 3; T onset has none.
CSE_SD_MS = dict(zip(LIMITS, (5.1, 6.4, 3.3, 5.8, np.nan, 15.3), strict=True))
LEAST_LEADS = 6  # that mark a wave, for limits of all leads together
SAME_WAVE_S = 0.1  # ours: peaks of one wave in several leads lie within this time


class Limits(NamedTuple):
    """Comparison of one kind of limit in one lead: counts by tolerance, and errors of the pairs."""

    rule_b: BeatCounts  # one entry per tolerance
    rule_a: BeatCounts
    errors_ms: np.ndarray  # found − marked, of the pairs within the largest tolerance


@dataclass(frozen=True)
class Comparison:
    """Comparison of leads: each kind of limit, and the confusion matrix of all marked samples."""

    limits: Mapping[tuple[str, str], Limits]
    confusion: np.ndarray  # (4, 4): none, P, QRS, T

    @property
    def dice(self) -> dict[str, float]:
        """Dice of each wave, pooled over all samples; 1 if it occurs nowhere."""
        both = np.diag(self.confusion)
        sizes = self.confusion.sum(0) + self.confusion.sum(1)
        shares = [2 * one / size if size else 1.0 for one, size in zip(both, sizes, strict=True)]
        return dict(zip(WAVES.values(), map(float, shares[1:]), strict=True))


class Row(NamedTuple):
    """Figures of one kind of limit at one tolerance and by one rule; shares are 0 to 1."""

    marks: int
    sensitivity: float
    positive_predictivity: float
    f1: float
    mean_ms: float  # of found − marked, over all pairs
    sd_ms: float  # divisor n


def compare(
    reference: Annotations,
    found: Annotations,
    samples: int,
    lead: str = ALL_LEADS,
    tolerances_ms: Sequence[float] = TOLERANCES_MS,
) -> Comparison:
    """Compare the waves of one lead.

    Parameters
    ----------
    reference, found : Annotations
        At the same sampling frequency; waves of `lead` alone are compared.
    samples : int
        Length of the recording.
    lead : str
        "" for waves that are marked for all leads together.
    tolerances_ms : sequence of float
        The first one is that of the errors.

    Examples
    --------
    >>> from ecg.annotations import Spans, Waves
    >>> marked = Waves([100, 300], [110, 310], [120, 320], ["N", "N"], ["", ""])
    >>> found = Waves([105, 700], [110, 710], [120, 720], ["N", "N"], ["", ""])
    >>> spans = Spans([100], [320], [""])
    >>> result = compare(Annotations(500, waves=marked, annotated=spans),
    ...                  Annotations(500, waves=found), 1000)
    >>> result.limits["N", "onset"].errors_ms
    array([10.])
    """
    fs = reference.fs
    marked_waves, found_waves = (
        one.waves.take(one.waves.leads == lead) for one in (reference, found)
    )
    spans = reference.annotated.take(reference.annotated.leads == lead)
    limits = {
        (kind, side): _compare_limits(
            marked_waves, found_waves, kind, side, spans, fs, tolerances_ms
        )
        for kind, side in LIMITS
    }
    target = wave_mask(reference, samples, lead=lead)
    whole = Spans.of([(0, samples, lead)])  # the found waves cover the recording
    predicted = wave_mask(Annotations(fs, waves=found_waves, annotated=whole), samples, lead=lead)
    predicted[predicted == UNKNOWN] = 0
    return Comparison(limits, confusion(target, predicted, 4, unknown=UNKNOWN))


def _compare_limits(
    marked: Waves, found: Waves, kind: str, side: str, spans: Spans, fs: float,
    tolerances_ms: Sequence[float],
) -> Limits:  # fmt: skip
    """Match one kind of limit at each tolerance."""
    marks, detections = _limits(marked, kind, side), _limits(found, kind, side)
    largest = tolerances_ms[0] * fs / 1000
    unknown = _within(detections, *_parts_without(marked, kind, side), largest)
    counts: dict[str, list[BeatCounts]] = {"A": [], "B": []}
    errors = np.empty(0)
    for number, tolerance_ms in enumerate(tolerances_ms):
        pairs = match(marks, detections, tolerance_ms * fs / 1000)
        false = ~unknown
        false[pairs[:, 1]] = False
        for rule, margin in (("A", largest), ("B", 0.0)):
            inside = _within(detections, spans.onsets, spans.offsets - 1, margin)
            missed = len(marks) - len(pairs)
            counts[rule].append(BeatCounts(len(pairs), missed, int((false & inside).sum())))
        if number == 0:
            errors = (detections[pairs[:, 1]] - marks[pairs[:, 0]]) * 1000 / fs
    by_tolerance = {
        rule: BeatCounts(*map(np.array, zip(*own, strict=True))) for rule, own in counts.items()
    }
    return Limits(by_tolerance["B"], by_tolerance["A"], errors)


def _limits(waves: Waves, kind: str, side: str) -> np.ndarray:
    """Collect the onsets, or the offsets, of one kind of wave in ascending order."""
    own = waves.take(waves.kinds == kind)
    samples = own.onsets if side == "onset" else own.offsets
    return np.sort(samples[samples != ABSENT])


def _parts_without(waves: Waves, kind: str, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Give first and last known samples of the waves without this limit."""
    own = waves.take(waves.kinds == kind)
    own = own.take((own.onsets if side == "onset" else own.offsets) == ABSENT)
    firsts, ends = known_parts(own)
    return firsts, ends - 1


def _within(
    samples: np.ndarray, firsts: np.ndarray, lasts: np.ndarray, margin: float
) -> np.ndarray:
    """Mark the samples that lie in one of the parts, or up to `margin` outside."""
    inside = np.zeros(len(samples), bool)
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        inside |= (samples >= first - margin) & (samples <= last + margin)
    return inside


def pooled(comparisons: Iterable[Comparison]) -> Comparison:
    """Add up leads and records, so that each mark and each sample counts once (gross figures)."""
    rows = list(comparisons)
    limits = {}
    for key in LIMITS:
        own = [row.limits[key] for row in rows]
        rule_b, rule_a = (
            BeatCounts(*(np.sum(column, axis=0) for column in zip(*counts, strict=True)))
            for counts in ([one.rule_b for one in own], [one.rule_a for one in own])
        )
        limits[key] = Limits(rule_b, rule_a, np.concatenate([one.errors_ms for one in own]))
    return Comparison(limits, np.sum([row.confusion for row in rows], axis=0))


def row(limits: Limits, tolerance: int = 0, rule: str = "B") -> Row:
    """Compute the figures of one kind of limit; `tolerance` counts from 0."""
    counts = limits.rule_b if rule == "B" else limits.rule_a
    own = BeatCounts(*(np.asarray(column)[tolerance] for column in counts))
    errors = limits.errors_ms
    mean, sd = (errors.mean(), errors.std()) if len(errors) else (np.nan, np.nan)
    return Row(
        int(own.tp + own.fn), float(sensitivity(own)), float(positive_predictivity(own)),
        float(f1(own)), float(mean), float(sd),
    )  # fmt: skip


def fused_reference(annotations: Annotations, least: int = LEAST_LEADS) -> Annotations:
    """Join the marks of single leads to waves of all leads: the median of each limit.

    A wave is used if at least `least` leads mark it; a limit, if as many leads have it.

    Returns
    -------
    Annotations
        Waves of lead "", annotated from the first to the last of them.
    """
    reach = SAME_WAVE_S * annotations.fs
    rows: list[tuple[int, int, int, str, str]] = []
    for kind in WAVES:
        waves = annotations.waves
        waves = waves.take((waves.kinds == kind) & (waves.leads != ALL_LEADS))
        firsts, ends = known_parts(waves)
        centres = np.where(waves.peaks == ABSENT, (firsts + ends) // 2, waves.peaks)
        order = np.argsort(centres, kind="stable")
        breaks = np.flatnonzero(np.diff(centres[order]) > reach) + 1
        for group in np.split(order, breaks):
            of_wave = waves.take(group)
            if len(set(of_wave.leads.tolist())) >= least:
                onset, peak, offset = (
                    _median(one, least) for one in (of_wave.onsets, of_wave.peaks, of_wave.offsets)
                )
                rows.append((onset, peak, offset, kind, ALL_LEADS))
    if not rows:
        return Annotations(annotations.fs)
    fused = Waves.of(sorted(rows, key=lambda one: max(one[:3])))
    firsts, ends = known_parts(fused)
    spans = Spans.of([(int(firsts.min()), int(ends.max()), ALL_LEADS)])
    return Annotations(annotations.fs, waves=fused, annotated=spans)


def _median(samples: np.ndarray, least: int) -> int:
    """Compute the median sample of those that have one; absent if too few do."""
    present = samples[samples != ABSENT]
    return round(float(np.median(present))) if len(present) >= least else ABSENT
