"""Tables of beats and of records' intervals, as tab-separated text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from ecg.annotations import ABSENT, Beats, Waves
from ecg.waves import Intervals, intervals, waves_of_beats

AT_ONCE = 4096  # beats whose rows are made together: limits memory
WAVE_NAMES = ("P", "QRS", "T")
MEASURES = {
    "pr": "pq", "qrs": "qrs", "qt": "qt", "qtc_fridericia": "qtc_fridericia",
    "qtc_bazett": "qtc_bazett", "rr": "qq",
}  # fmt: skip
BEAT_COLUMNS = (
    "r_sample", "class", "probability",
    "p_onset", "p_offset", "qrs_onset", "qrs_offset", "t_onset", "t_offset",
    *(f"{name}_ms" for name in MEASURES), "missing",
)  # fmt: skip
RECORD_COLUMNS = (
    "record", "beats", "class", "beats_of_class",
    *(f"{name}_{what}" for name in MEASURES for what in ("ms", "iqr_ms", "beats")), "missing",
)  # fmt: skip


class BeatTable(NamedTuple):
    """Waves and intervals of each beat.

    Attributes
    ----------
    beats : Beats
        R peaks and classes.
    probabilities : np.ndarray of shape (beats,)
        Of the classes.
    limits : np.ndarray of int, shape (beats, 3, 2)
        From `ecg.waves.waves_of_beats`.
    intervals : Intervals
    after_gap : np.ndarray of bool, shape (beats,)
        Where signal is missing between a beat and the one before.
    """

    beats: Beats
    probabilities: np.ndarray
    limits: np.ndarray
    intervals: Intervals
    after_gap: np.ndarray


def beat_table(
    waves: Waves, beats: Beats, probabilities: np.ndarray, gaps: np.ndarray, fs: float, samples: int
) -> BeatTable:
    """Measure the beats of a record.

    Parameters
    ----------
    waves : Waves
        Of all leads together.
    beats : Beats
        One per QRS complex of the waves.
    probabilities : np.ndarray of shape (beats,)
    gaps : np.ndarray of int, shape (gaps, 2)
        Where no lead can be read, in samples.
    fs : float
        Hz.
    samples : int
        Of the record.
    """
    limits = waves_of_beats(waves)
    limits[limits == np.array([0, samples])] = ABSENT  # cut off by the record's ends
    before = np.searchsorted(gaps[:, 1], beats.samples)  # gaps that end before each beat
    after_gap = np.diff(before, prepend=0) > 0
    after_gap[:1] = False
    measured = intervals(limits, fs, samples, after_gap)
    return BeatTable(beats, probabilities, limits, measured, after_gap)


def beats_text(table: BeatTable) -> str:
    """Write a table with a row per beat; an empty cell has its reason in the last column."""
    starts = range(0, len(table.beats), AT_ONCE)
    rows = chain.from_iterable(_rows(table, slice(start, start + AT_ONCE)) for start in starts)
    return table_text(BEAT_COLUMNS, rows)


def _rows(table: BeatTable, part: slice) -> Iterator[tuple[str, ...]]:
    columns = [_milliseconds(getattr(table.intervals, name)[part]) for name in MEASURES.values()]
    limits = table.limits[part]
    cells = np.where(limits == ABSENT, "", limits.astype(str)).reshape(-1, 6).tolist()
    yield from (
        (str(sample), symbol, f"{probability:.3f}", *own, *measures, reason)
        for sample, symbol, probability, own, *measures, reason in zip(
            table.beats.samples[part].tolist(), table.beats.symbols[part].tolist(),
            table.probabilities[part].tolist(), cells, *columns,
            _reasons(limits, table.after_gap[part], first=part.start == 0), strict=True,
        )
    )  # fmt: skip


def record_row(name: str, table: BeatTable) -> tuple[str, ...]:
    """Give a record's row of intervals: median, interquartile range and number of beats of each.

    Beats of the record's most frequent class are used.
    """
    symbols = table.beats.symbols
    if not len(symbols):
        return failed_row(name, "no QRS complex found", beats="0")
    symbol, count = Counter(symbols.tolist()).most_common(1)[0]
    cells, missing = [], []
    for shown, measure in MEASURES.items():
        values = getattr(table.intervals, measure)[symbols == symbol]
        known = values[np.isfinite(values)]
        if len(known):
            low, middle, high = np.percentile(known, (25, 50, 75))
            cells += [f"{middle:.0f}", f"{high - low:.0f}", str(len(known))]
        else:
            cells += ["", "", "0"]
            missing.append(shown)
    reason = f"no beat with {', '.join(missing)}" if missing else ""
    return (name, str(len(symbols)), symbol, str(count), *cells, reason)


def failed_row(name: str, reason: str, beats: str = "") -> tuple[str, ...]:
    """Give the row of a record without intervals."""
    cells = (name, beats, *[""] * (len(RECORD_COLUMNS) - 3), reason)
    return tuple(" ".join(cell.split()) for cell in cells)


def table_text(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write rows of cells as lines of tab-separated text."""
    return "".join("\t".join(row) + "\n" for row in chain([columns], rows))


def _milliseconds(values: np.ndarray) -> list[str]:
    return [f"{value:.0f}" if value == value else "" for value in values.tolist()]


def _reasons(limits: np.ndarray, after_gap: np.ndarray, first: bool) -> list[str]:
    """Describe per beat which waves are missing, and why its RR is unknown."""
    texts = [
        [
            f"no {wave}" if not both.any() else f"{wave} cut off"
            for wave, both in zip(WAVE_NAMES, beat, strict=True)
            if not both.all()
        ]
        for beat in limits != ABSENT
    ]
    for text, gap in zip(texts, after_gap.tolist(), strict=True):
        text += ["gap before"] * gap
    if first:
        texts[0].append("first beat")
    return ["; ".join(text) for text in texts]
