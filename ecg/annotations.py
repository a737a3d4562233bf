"""Annotations: beats, waves and rhythms of a recording, and the masks that networks train on.

One type for expert marks, the simulator, a model's predictions and Holter reports.  Positions are
sample numbers at `fs`; waves and spans are half-open, `[onset, offset)`.  `ecg.annotation_files`
reads and writes them as WFDB annotation files.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from itertools import pairwise
from typing import Self, TypeVar

import numpy as np

from ecg import LeadwiseError

NONE, P, QRS, T = range(4)  # values of a wave mask
UNKNOWN = 255  # value of a mask where no expert marked anything
ABSENT = -1  # a missing onset, peak or offset
ALL_LEADS = ""  # lead of a wave that is marked for all leads together
KINDS = {"p": P, "N": QRS, "t": T}  # WFDB's symbols of waves; "u" (U wave) has no mask value
# Pairs of waves without an unmarked one between them for certain: P may be blocked, T may be flat.
PAIRS = ("pN", "pp", "Nt", "NN", "Np", "tp", "tN")
BEAT_MASK_S = 0.05  # half width of a beat in a beat mask

# WFDB's beat symbols by class of ANSI/AAMI EC57; e and j are N as in de Chazal et al. 2004
# (doi 10.1109/TBME.2004.827359), n likewise: all are escape beats.
AAMI = {
    **dict.fromkeys("NLRBejn", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}


# Columns of text; the others are sample numbers.
_WORDS = ("symbols", "kinds", "leads", "labels", "notes")


def empty() -> np.ndarray:
    """Give a column without rows."""
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length: sample numbers (int64) and words (str); lists are converted."""

    def __post_init__(self) -> None:
        for column in fields(self):
            kind = np.str_ if column.name in _WORDS else np.int64
            given = np.asarray(getattr(self, column.name))
            # Words of no row have one letter: NumPy would give each row that is joined 21.
            values = np.asarray(given if given.size else given.astype("U1"), kind).reshape(-1)
            object.__setattr__(self, column.name, values)
        if len({len(values) for values in self}) > 1:
            raise LeadwiseError(f"{type(self).__name__}: the columns differ in length")

    def __iter__(self) -> Iterator[np.ndarray]:
        return (getattr(self, column.name) for column in fields(self))

    def __len__(self) -> int:
        return len(next(iter(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and all(map(np.array_equal, self, other))

    __hash__ = None  # type: ignore[assignment] # arrays are not hashable

    @classmethod
    def of(cls, rows: Iterable[tuple[int | str, ...]]) -> Self:
        """Make the table from its rows."""
        return cls(*map(np.array, zip(*rows, strict=True)))

    @classmethod
    def joined(cls, tables: Sequence[Self]) -> Self:
        """Join the rows of tables."""
        return cls(*map(np.concatenate, zip(*tables, strict=True)))

    def take(self, index: np.ndarray) -> Self:
        """Select rows by a boolean or integer index."""
        return type(self)(*(values[index] for values in self))


@dataclass(frozen=True, eq=False)
class Beats(Table):
    """Beats: sample number (usually of the R peak) and WFDB symbol."""

    samples: np.ndarray = field(default_factory=empty)
    symbols: np.ndarray = field(default_factory=empty)


@dataclass(frozen=True, eq=False)
class Waves(Table):
    """Waves; a missing onset, peak or offset is -1.

    `kinds` are WFDB's symbols: p, N (QRS complex), t, u.  `leads` holds standard lead names, or ""
    for marks of all leads together.
    """

    onsets: np.ndarray = field(default_factory=empty)
    peaks: np.ndarray = field(default_factory=empty)
    offsets: np.ndarray = field(default_factory=empty)
    kinds: np.ndarray = field(default_factory=empty)
    leads: np.ndarray = field(default_factory=empty)


@dataclass(frozen=True, eq=False)
class Rhythms(Table):
    """Rhythms: spans and WFDB's labels without parentheses (N, AFIB, AFL, VT, …)."""

    onsets: np.ndarray = field(default_factory=empty)
    offsets: np.ndarray = field(default_factory=empty)
    labels: np.ndarray = field(default_factory=empty)


@dataclass(frozen=True, eq=False)
class Spans(Table):
    """Parts of a recording, of one lead or ("") of all leads."""

    onsets: np.ndarray = field(default_factory=empty)
    offsets: np.ndarray = field(default_factory=empty)
    leads: np.ndarray = field(default_factory=empty)


Parts = TypeVar("Parts", Rhythms, Spans)


@dataclass(frozen=True)
class Annotations:
    """Annotations of one recording.

    Attributes
    ----------
    fs : float
        Hz; sample numbers count at this frequency.
    beats : Beats
        Of the whole recording.
    waves : Waves
    rhythms : Rhythms
        In order, without overlap.
    annotated : Spans
        Where all waves are marked; elsewhere waves are unknown.  Empty if no waves are marked.
    """

    fs: float
    beats: Beats = field(default_factory=Beats)
    _: KW_ONLY
    waves: Waves = field(default_factory=Waves)
    rhythms: Rhythms = field(default_factory=Rhythms)
    annotated: Spans = field(default_factory=Spans)

    def resampled(self, fs: float) -> "Annotations":
        """Convert sample numbers to another sampling frequency.

        A sample of the new signal belongs to a wave if its time does; peaks and beats are rounded.
        """
        if fs == self.fs:
            return self
        ratio = fs / self.fs
        waves = self.waves
        return Annotations(
            fs,
            replace(self.beats, samples=np.rint(self.beats.samples * ratio)),
            waves=replace(
                waves,
                onsets=_scaled_limits(waves.onsets, ratio),
                peaks=np.where(waves.peaks == ABSENT, ABSENT, np.rint(waves.peaks * ratio)),
                offsets=_scaled_limits(waves.offsets, ratio),
            ),
            rhythms=_scaled(self.rhythms, ratio),
            annotated=_scaled(self.annotated, ratio),
        )

    def window(self, onset: int, offset: int) -> "Annotations":
        """Select the annotations of the samples `[onset, offset)` and count from its onset.

        Waves and spans are cut at both ends; a peak outside the window becomes absent.
        """
        beats = self.beats.take((self.beats.samples >= onset) & (self.beats.samples < offset))
        firsts, lasts = known_parts(self.waves)
        waves = self.waves.take((firsts < offset) & (lasts > onset))
        peak_inside = (waves.peaks >= onset) & (waves.peaks < offset)
        onsets, offsets = (
            np.where(limits == ABSENT, ABSENT, limits.clip(onset, offset) - onset)
            for limits in (waves.onsets, waves.offsets)
        )
        peaks = np.where(peak_inside, waves.peaks - onset, ABSENT)
        return Annotations(
            self.fs,
            replace(beats, samples=beats.samples - onset),
            waves=replace(waves, onsets=onsets, peaks=peaks, offsets=offsets),
            rhythms=_cut(self.rhythms, onset, offset),
            annotated=_cut(self.annotated, onset, offset),
        )


def _scaled_limits(limits: np.ndarray, ratio: float) -> np.ndarray:
    """Find the first sample at or after each onset or offset, at another sampling frequency."""
    return np.where(limits == ABSENT, ABSENT, np.ceil(limits * ratio - 1e-6))


def _scaled(spans: Parts, ratio: float) -> Parts:
    onsets, offsets = (_scaled_limits(each, ratio) for each in (spans.onsets, spans.offsets))
    return replace(spans, onsets=onsets, offsets=offsets)


def _cut(spans: Parts, onset: int, offset: int) -> Parts:
    """Cut spans at the ends of a window and count from its onset."""
    kept = spans.take((spans.onsets < offset) & (spans.offsets > onset))
    onsets, offsets = (each.clip(onset, offset) - onset for each in (kept.onsets, kept.offsets))
    return replace(kept, onsets=onsets, offsets=offsets)


def wave_mask(
    annotations: Annotations, samples: int, fs: float | None = None, lead: str | None = None
) -> np.ndarray:
    """Draw the waves of a lead as a mask.

    Parameters
    ----------
    samples : int
        Length of the mask.
    fs : float, optional
        Sampling frequency of the mask in Hz; default: that of the annotations.
    lead : str, optional
        Waves of this lead and those that are marked for all leads; default: the latter only.

    Returns
    -------
    np.ndarray of uint8, shape (samples,)
        0 none, 1 P, 2 QRS, 3 T, 255 unknown: outside the annotated parts, and between a wave and
        its neighbour where the wave has no onset or no offset on that side.

    Examples
    --------
    >>> waves = Waves([2, -1], [3, 8], [5, 9], ["N", "t"], ["", ""])
    >>> wave_mask(Annotations(500, waves=waves, annotated=Spans([1], [11], [""])), 12).tolist()
    [255, 0, 2, 2, 2, 255, 255, 255, 3, 0, 0, 255]
    """
    scaled = annotations.resampled(fs or annotations.fs)
    mask = np.full(samples, UNKNOWN, np.uint8)
    leads = (lead or ALL_LEADS, ALL_LEADS)
    for onset, offset, of_lead in zip(*scaled.annotated, strict=True):
        if of_lead in leads:
            mask[onset:offset] = NONE
    outside = mask == UNKNOWN
    waves = scaled.waves.take(np.isin(scaled.waves.leads, leads))
    firsts, lasts = known_parts(waves)
    order = np.argsort(firsts, kind="stable")
    waves, firsts, lasts = waves.take(order), firsts[order], lasts[order]
    for index in np.flatnonzero(waves.onsets == ABSENT):
        mask[lasts[index - 1] if index else 0 : firsts[index]] = UNKNOWN
    for index in np.flatnonzero(waves.offsets == ABSENT):
        mask[lasts[index] : firsts[index + 1] if index + 1 < len(waves) else samples] = UNKNOWN
    for first, last, kind in zip(firsts.tolist(), lasts.tolist(), waves.kinds, strict=True):
        mask[first:last] = KINDS.get(str(kind), NONE)
    mask[outside] = UNKNOWN
    return mask


def known_parts(waves: Waves) -> tuple[np.ndarray, np.ndarray]:
    """Give the part that the marks of each wave span, `[first, last)`: two arrays (waves,)."""
    present = np.stack([waves.onsets, waves.peaks, waves.offsets]) != ABSENT
    marks = np.stack([waves.onsets, waves.peaks, waves.offsets - 1])
    firsts = np.where(present, marks, np.iinfo(np.int64).max).min(axis=0)
    return firsts, np.where(present, marks, ABSENT).max(axis=0) + 1


def complete_parts(
    waves: Waves, onset: int, offset: int, pairs: Collection[str] = PAIRS
) -> Iterator[tuple[int, int]]:
    """Divide a part of a recording where a wave must lie between two marked ones, but has no mark.

    Parameters
    ----------
    waves : Waves
        Of one lead.
    onset, offset : int
        The part, half-open.
    pairs : collection of str
        Kinds of waves that may follow one another, U waves aside; default: a T wave follows a QRS
        complex, and any wave may be absent but the QRS complex before a T wave.

    Examples
    --------
    >>> waves = Waves([10, 40], [11, 41], [12, 42], ["p", "t"], ["", ""])
    >>> list(complete_parts(waves, 10, 42))
    [(10, 12), (40, 42)]
    """
    waves = waves.take(waves.kinds != "u")
    firsts, lasts = known_parts(waves)
    inside = np.flatnonzero((firsts >= onset) & (lasts <= offset))
    order = inside[np.argsort(firsts[inside], kind="stable")].tolist()
    for before, after in pairwise(order):
        if f"{waves.kinds[before]}{waves.kinds[after]}" not in pairs:
            yield onset, int(lasts[before])
            onset = int(firsts[after])
    yield onset, offset


def beat_mask(
    annotations: Annotations,
    samples: int,
    classes: Sequence[str] = ("N", "S", "V"),
    fs: float | None = None,
    half_width_s: float = BEAT_MASK_S,
) -> np.ndarray:
    """Draw the class of each beat on the samples around it as a mask.

    Parameters
    ----------
    samples : int
        Length of the mask.
    classes : sequence of str
        AAMI classes (see `AAMI`); beats of other classes are not drawn.
    fs : float, optional
        Sampling frequency of the mask in Hz; default: that of the annotations.
    half_width_s : float
        The mask has a beat's class this far to both sides of it, in seconds.

    Returns
    -------
    np.ndarray of uint8, shape (samples,)
        Index of the class, 255 elsewhere.

    Examples
    --------
    >>> beats = Beats([3, 8], ["N", "E"])
    >>> beat_mask(Annotations(20, beats), 11).tolist()
    [255, 255, 0, 0, 0, 255, 255, 2, 2, 2, 255]
    """
    scaled = annotations.resampled(fs or annotations.fs)
    reach = round(half_width_s * scaled.fs)
    mask = np.full(samples, UNKNOWN, np.uint8)
    for sample, group in zip(
        scaled.beats.samples.tolist(), aami_classes(scaled.beats.symbols), strict=True
    ):
        if group in classes:
            mask[max(0, sample - reach) : max(0, sample + reach + 1)] = classes.index(group)
    return mask


def aami_classes(symbols: np.ndarray) -> list[str]:
    """Give the AAMI class of each beat: N, S, V, F or Q; "" for what is no beat symbol."""
    return [AAMI.get(str(symbol), "") for symbol in symbols]
