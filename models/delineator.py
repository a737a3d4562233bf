"""Mark a record: P, QRS and T of each lead and of all leads together, and the class of each beat.

The marks of all leads together come from the leads' mean probability; a P wave that one lead has
and this mean has not is deleted there, too.  A lead has no vote where it is disconnected.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.annotations import ABSENT, ALL_LEADS, NONE, QRS, Beats, P, Waves, known_parts
from ecg.delineation import SYMBOLS, delineate
from ecg.headers import Message
from ecg.leads import list_leads
from ecg.marks import gap_spans, readable, with_peaks, without_gap_limits
from ecg.records import Record
from models.segmenter import GROUPS, Segmenter, Stretch, read_samples

LEAST_HZ, LEAST_S = 100.0, 2.0
GAP_FRAMES = 2.0  # a limit this near to a gap is the gap's

Progress = Callable[[float], object]


class Delineation(NamedTuple):
    """Marks of a record at its own rate.

    Attributes
    ----------
    by_lead : tuple of Waves
        In the order of the record's leads.
    fused : Waves
        Of all leads together.
    beats : Beats
        One per QRS complex of `fused`: sample of the R peak; class N, S or V.
    probabilities : np.ndarray of shape (beats,)
        Of the beat's class, the mean over its QRS complex.
    gaps : np.ndarray of int, shape (gaps, 2)
        Where no lead can be read: onset and offset in samples.
    reasons : tuple of str
        Why the leads, and last all leads together, have no waves; empty if they have some.
    messages : tuple of Message
    """

    by_lead: tuple[Waves, ...]
    fused: Waves
    beats: Beats
    probabilities: np.ndarray
    gaps: np.ndarray
    reasons: tuple[str, ...]
    messages: tuple[Message, ...]


class _Part(NamedTuple):
    """Marks of one stretch; samples count from the record's start."""

    by_lead: tuple[Waves, ...]
    fused: Waves
    classes: np.ndarray  # probabilities, (QRS complexes, beat classes)
    gaps: np.ndarray
    able: np.ndarray  # per lead: whether it can be read somewhere


def mark(
    segmenter: Segmenter, record: Record, progress: Progress | None = None, groups: int = GROUPS
) -> Delineation:
    """Mark a record.

    Parameters
    ----------
    progress : callable, optional
        Called with the share of the record that is done since the last call.
    groups : int
        Groups of windows that are read at once: changes memory, not the marks.

    Raises
    ------
    LeadwiseError
        The record is too short, its rate is too low, or its signal cannot be read.
    """
    samples = record.samples
    if record.fs < LEAST_HZ or samples < LEAST_S * record.fs:
        raise LeadwiseError(
            f"{record.name}: lasts {samples / record.fs:g} s at {record.fs:g} Hz; waves are marked "
            f"from {LEAST_S:g} s and {LEAST_HZ:g} Hz on"
        )
    parts = []
    for stretch in segmenter.stretches(record, groups):
        parts.append(_mark_stretch(record, stretch))
        if progress:
            progress((stretch.own_last - stretch.own_first) / samples)
    fused = Waves.joined([part.fused for part in parts])
    by_lead = tuple(map(Waves.joined, zip(*(part.by_lead for part in parts), strict=True)))
    classes = np.concatenate([part.classes for part in parts])
    able = np.any([part.able for part in parts], 0)
    symbols = np.array(segmenter.classes)[classes.argmax(1)]
    return Delineation(
        by_lead,
        fused,
        Beats(fused.peaks[fused.kinds == SYMBOLS[QRS]], symbols),
        classes.max(1, initial=0.0),
        _merged(np.concatenate([part.gaps for part in parts])),
        tuple(map(_reason, (*by_lead, fused), [*able.tolist(), any(able)])),
        tuple(_messages(segmenter, record, able)),
    )


def _mark_stretch(record: Record, stretch: Stretch) -> _Part:
    """Find the waves that a stretch owns."""
    frames = stretch.waves.shape[2]
    last = min(record.samples, stretch.first + int(frames / stretch.ratio) + 1)
    signal = read_samples(record, stretch.first, last)
    able = readable(signal, record.fs)
    valued = np.isfinite(signal)
    at_frame = (np.arange(frames) / float(stretch.ratio) + 1e-6).astype(int)
    votes = able[:, at_frame.clip(max=able.shape[1] - 1)]
    mean = np.zeros_like(stretch.waves[0])
    for lead, voting in zip(stretch.waves, votes, strict=True):  # in order, so that sums are equal
        mean += lead * voting
    mean = _none_where(mean / np.maximum(votes.sum(0), 1), ~np.asarray(votes.any(0)))
    fused = _waves(mean, signal, np.asarray(valued.any(0)), record.fs, stretch, ALL_LEADS)
    by_lead = [
        _waves(_none_where(lead, ~voting), row[None], inside, record.fs, stretch, name)
        for lead, voting, row, inside, name in zip(
            stretch.waves, votes, signal, valued, record.leads, strict=True
        )
    ]
    p_waves = fused.take(fused.kinds == SYMBOLS[P])
    owned = _owned(fused, stretch)
    gaps = gap_spans(np.asarray(able.any(0))) + stretch.first
    return _Part(
        tuple(_owned(_without_lone(waves, p_waves), stretch) for waves in by_lead),
        owned,
        _beat_classes(owned.take(owned.kinds == SYMBOLS[QRS]), stretch),
        gaps.clip(stretch.own_first, stretch.own_last),
        np.asarray(able.any(1)),
    )


def _none_where(probabilities: np.ndarray, without: np.ndarray) -> np.ndarray:
    """Give probabilities (4, frames) with "no wave" for certain in some frames."""
    certain = np.zeros((len(probabilities), 1), np.float32)
    certain[NONE] = 1
    return np.where(without, certain, probabilities)


def _waves(
    probabilities: np.ndarray, signal: np.ndarray, valued: np.ndarray, fs: float, stretch: Stretch,
    lead: str,
) -> Waves:  # fmt: skip
    """Find waves with peaks, in samples of the stretch; where a gap cuts one, the limit is absent.

    A wave that has neither onset nor offset is left out.
    """
    ratio = float(stretch.ratio)
    waves = with_peaks(delineate(probabilities, fs * ratio, fs, lead), signal)
    waves = without_gap_limits(waves, valued, GAP_FRAMES / ratio)
    return waves.take((waves.onsets != ABSENT) | (waves.offsets != ABSENT))


def _without_lone(waves: Waves, fused: Waves) -> Waves:
    """Delete the P waves of a lead that overlap none of all leads together."""
    firsts, lasts = known_parts(waves)
    fused_firsts, fused_lasts = known_parts(fused)
    next_one = np.searchsorted(fused_lasts, firsts, side="right")  # the first that ends later
    overlaps = np.append(fused_firsts, np.iinfo(np.int64).max)[next_one] < lasts
    return waves.take(overlaps | (waves.kinds != SYMBOLS[P]))


def _owned(waves: Waves, stretch: Stretch) -> Waves:
    """Take the waves that start in the stretch's own samples, and count from the record's start."""
    firsts = known_parts(waves)[0] + stretch.first
    kept = waves.take((firsts >= stretch.own_first) & (firsts < stretch.own_last))
    onsets, peaks, offsets = (
        np.where(limits == ABSENT, ABSENT, limits + stretch.first)
        for limits in (kept.onsets, kept.peaks, kept.offsets)
    )
    return Waves(onsets, peaks, offsets, kept.kinds, kept.leads)


def _beat_classes(qrs: Waves, stretch: Stretch) -> np.ndarray:
    """Average the probabilities of beat classes over the frames of each QRS complex."""
    firsts, lasts = (
        ((limits - stretch.first) * float(stretch.ratio)).astype(int) for limits in known_parts(qrs)
    )
    firsts = firsts.clip(max=stretch.beats.shape[1] - 1)
    lasts = lasts.clip(firsts + 1, stretch.beats.shape[1])
    means = [
        stretch.beats[:, first:last].astype(np.float64).mean(1)
        for first, last in zip(firsts, lasts, strict=True)
    ]
    return np.array(means).reshape(len(qrs), len(stretch.beats))


def _merged(gaps: np.ndarray) -> np.ndarray:
    """Join gaps that touch, and drop those without a sample."""
    gaps = gaps[gaps[:, 1] > gaps[:, 0]]
    apart = gaps[1:, 0] > gaps[:-1, 1]
    ends = np.ones(min(1, len(gaps)), bool)
    return np.stack([gaps[np.append(ends, apart), 0], gaps[np.append(apart, ends), 1]], 1)


def _reason(waves: Waves, able: bool) -> str:
    if len(waves):
        return ""
    return "no wave found" if able else "flat or without values"


def _messages(segmenter: Segmenter, record: Record, able: Sequence[bool]) -> Iterator[Message]:
    yield from record.header.warnings
    if others := [lead for lead in record.leads if lead not in segmenter.leads]:
        text = f"{list_leads(others)} read as lead {segmenter.other}"
        yield Message(record.name, f"read as lead {segmenter.other}", text)
    if dead := [lead for lead, seen in zip(record.leads, able, strict=True) if not seen]:
        text = f"{list_leads(dead)} flat or without values; no marks"
        yield Message(record.name, "leads without marks", text)
