"""Beat by beat: pairs of beats, their 7 × 7 matrix, and the rates of QRS, VEB and SVEB.

Source: the manual page of WFDB's `bxb`, the reference implementation of ANSI/AAMI EC57:1998, and
"Evaluating ECG Analyzers" in the WFDB Applications Guide; details: docs/ec57.md.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ecg.annotations import AAMI
from scoring.beats import LEARNING_S, ROUNDING, TOLERANCE_MS
from scoring.measures import ratio

# WFDB's symbols by class.  EC57 counts escape beats of atria and AV node as supraventricular
# ectopic, as bxb does; `ecg.annotations.AAMI`, after de Chazal et al. 2004, as N.
EC57 = {**AAMI, **dict.fromkeys("ejn", "S")}
ROWS = "NSVFQOX"  # of the matrix; columns are the same in lower case
N, S, V, F, Q, O, X = range(7)  # noqa: E741 - EC57's letters
BEATS = slice(N, O)
NONE = -1  # a beat without a partner
BAD = 48  # bits of a noise mark's subtype: all signals are unreadable
_LATEST = 2**62  # after the last beat


class Annotator(NamedTuple):
    """Marks of one annotator in one record, in ascending order.

    Beats need `samples` and WFDB's `symbols` alone; the classes N, S, V, F, Q are symbols too.
    Marks `[` and `]` enclose ventricular fibrillation, `~` is noise, and `+` a rhythm.
    """

    samples: np.ndarray  # (marks,) int
    symbols: np.ndarray  # (marks,) str
    subtypes: np.ndarray | None = None  # (marks,) int, of noise: 48 and above for shutdown
    notes: np.ndarray | None = None  # (marks,) str, of rhythms: "(AFIB"

    @property
    def fibrillation(self) -> np.ndarray:
        """First and last sample of ventricular fibrillation, (episodes, 2)."""
        return _stretches(self.samples, self.symbols == "[", self.symbols == "]")

    def shutdown(self, margin: float) -> np.ndarray:
        """Give first and last sample of unreadable stretches, (stretches, 2) float.

        From a shutdown mark to the noise mark of another subtype, its resume mark.  A shutdown mark
        without one, AHA's convention, stands for what lies between its neighbours, but for a margin
        at both ends, in samples.
        """
        if self.subtypes is None:
            return np.empty((0, 2))
        noise = np.flatnonzero(self.symbols == "~")
        bad = self.subtypes[noise] & BAD == BAD
        stretches = []
        for place, mark in enumerate(noise.tolist()):
            if bad[place] and place + 1 < len(noise) and not bad[place + 1]:
                stretches.append((self.samples[mark], self.samples[noise[place + 1]]))
            elif bad[place]:
                first = self.samples[mark - 1] + margin if mark else 0
                ends = mark + 1 == len(self.samples)
                last = self.samples[mark] if ends else self.samples[mark + 1] - margin
                stretches.append((first, max(first, last)))
        return np.array(stretches, float).reshape(-1, 2)

    def beats(self) -> tuple[np.ndarray, np.ndarray]:
        """Give samples and rows of the beats outside of fibrillation, two arrays (beats,)."""
        letters = [EC57.get(str(symbol), "") for symbol in self.symbols]
        kept = np.array([bool(letter) for letter in letters], bool)
        kept &= ~inside(self.samples, self.fibrillation)
        rows = [ROWS.index(letters[index]) for index in np.flatnonzero(kept)]
        return np.asarray(self.samples)[kept], np.array(rows, int)


class Comparison(NamedTuple):
    """Comparison of two annotators; a sum over records after `pool`."""

    matrix: np.ndarray  # (7, 7) int: rows are the reference, columns the test; NSVFQOX
    shutdown_s: float  # of the test annotator, in the test period
    squares_ms2: float  # sum of squared errors of RR intervals
    intervals: int  # number of RR intervals

    @property
    def rr_error_ms(self) -> float:
        """Root of the mean squared error of RR intervals, NaN without an interval."""
        return float(np.sqrt(ratio(np.asarray(self.squares_ms2), self.intervals)))


class Share(NamedTuple):
    """A rate as two numbers of beats."""

    part: int
    whole: int

    @property
    def percent(self) -> float:
        """The rate in %, NaN where it is not defined."""
        return float(100 * ratio(self.part, self.whole))


def compare_beats(
    reference: Annotator,
    test: Annotator,
    fs: float,
    *,
    start_s: float = LEARNING_S,
    end: int | None = None,
    window_ms: float = TOLERANCE_MS,
) -> Comparison:
    """Compare two annotators of one record beat by beat, as `bxb` does.

    Parameters
    ----------
    fs : float
        Hz, of both annotators.
    start_s : float
        Start of the test period.  Beats before it, in the learning period, do not count.
    end : int, optional
        Last sample of the test period; default: the last beat of the reference.
    window_ms : float
        Longest distance of two beats that are a pair.

    Returns
    -------
    Comparison
        A missed beat is in column o, or x while the test annotator was shut down; a false beat is
        in row O, or X where the reference is unreadable.

    Examples
    --------
    >>> marked = Annotator(np.array([100, 300, 500]), np.array(["N", "V", "N"]))
    >>> found = Annotator(np.array([110, 290, 700]), np.array(["N", "F", "V"]))
    >>> compare_beats(marked, found, 250, start_s=0, end=800).matrix[[N, V, O]]
    array([[1, 0, 0, 0, 0, 1, 0],
           [0, 0, 0, 1, 0, 0, 0],
           [0, 0, 1, 0, 0, 0, 0]])
    """
    (marked, rows), (found, columns) = reference.beats(), test.beats()
    start, margin = start_s * fs, TOLERANCE_MS * fs / 1000
    pairs = pair_beats(marked, found, window_ms * fs / 1000, start, end)
    row, column = np.full(len(pairs), O), np.full(len(pairs), O)
    has_row, has_column = pairs[:, 0] != NONE, pairs[:, 1] != NONE
    row[has_row], column[has_column] = rows[pairs[has_row, 0]], columns[pairs[has_column, 1]]
    shutdown = test.shutdown(margin)
    row[~has_row] += inside(found[pairs[~has_row, 1]], reference.shutdown(margin))
    column[~has_column] += inside(marked[pairs[~has_column, 0]], shutdown)
    matrix = np.zeros((7, 7), int)
    np.add.at(matrix, (row, column), 1)
    errors = _interval_errors(marked, found, pairs) * 1000 / fs
    last = end if end is not None else marked.max(initial=0)
    shutdown_s = float(np.diff(shutdown.clip(start, max(start, last))).sum() / fs)
    return Comparison(matrix, shutdown_s, float((errors**2).sum()), len(errors))


def pair_beats(
    reference: np.ndarray,
    test: np.ndarray,
    window: float,
    start: float = 0,
    end: float | None = None,
) -> np.ndarray:
    """Pair beats in the order of time.

    The earlier beat of the two next ones has the later one as partner if the window allows it,
    unless the beat that follows the earlier one lies nearer to the later one, and would not rather
    be paired with the beat that follows that.

    Parameters
    ----------
    reference, test : np.ndarray of int, shapes (marks,) and (detections,)
        Samples, ascending.
    window : float
        Longest distance of a pair, in samples.
    start, end : float
        First and last sample of the test period.  The last beat of the test annotator before it may
        be the partner of the first beat of the reference in it.  A test beat within the window
        after the start does not count where the following one lies nearer to that beat, because it
        may belong to a beat before the start.

    Returns
    -------
    np.ndarray of int, shape (events, 2)
        Indices into `reference` and `test`; -1 is no partner.
    """
    window *= 1 + ROUNDING
    times = [[*beats.tolist(), _LATEST, _LATEST] for beats in map(np.asarray, (reference, test))]
    at = [bisect_left(own, start) for own in times]
    pairs: list[tuple[int, int]] = []
    first, (found, next_found) = times[0][at[0]], times[1][at[1] : at[1] + 2]
    before = times[1][at[1] - 1] if at[1] else -_LATEST
    if first - before <= window and first - before < abs(first - found):
        pairs.append((at[0], at[1] - 1))
        at[0] += 1
    elif found - start <= window and abs(first - next_found) < abs(first - found):
        at[1] += 1
    last = _LATEST - 1 if end is None else end
    while times[0][at[0]] <= last or (end is not None and times[1][at[1]] <= last):
        early = int(times[1][at[1]] < times[0][at[0]])
        now, next_now = times[early][at[early] : at[early] + 2]
        later, next_later = times[1 - early][at[1 - early] : at[1 - early] + 2]
        rival = abs(later - next_now)
        partner = later - now <= window and (
            later - now < rival or abs(next_later - next_now) < rival
        )
        event = [NONE, NONE]
        for side in (0, 1) if partner else (early,):
            event[side] = at[side]
            at[side] += 1
        pairs.append((event[0], event[1]))
    return np.array(pairs, int).reshape(-1, 2)


def pool(comparisons: Iterable[Comparison]) -> Comparison:
    """Add up records, so that each beat counts once (gross figures)."""
    rows = list(comparisons)
    matrix = np.sum([row.matrix for row in rows], axis=0, dtype=int)
    return Comparison(
        matrix if rows else np.zeros((7, 7), int),
        sum(row.shutdown_s for row in rows),
        sum(row.squares_ms2 for row in rows),
        sum(row.intervals for row in rows),
    )


def shares(matrix: np.ndarray) -> dict[str, Share]:
    """Compute the rates of detection and classification from a matrix.

    Parameters
    ----------
    matrix : np.ndarray of int, shape (7, 7)

    Returns
    -------
    dict of str to Share
        Se, +P and, of ectopic beats, FPR of `QRS`, `VEB` and `SVEB`.  Fusion and unclassifiable
        beats that the test calls V are not false; unclassifiable ones that it calls S neither.
    """
    detected, false = matrix[BEATS, BEATS].sum(), matrix[O:, BEATS].sum()
    rates = {
        "QRS Se": (detected, matrix[BEATS].sum()),
        "QRS +P": (detected, detected + false),
    }
    for name, own, excused in (("VEB", V, [F, Q]), ("SVEB", S, [Q])):
        true = matrix[own, own]
        false = np.delete(matrix[:, own], [own, *excused]).sum()
        others = np.delete(np.delete(matrix, own, axis=0), [own, O, X], axis=1).sum()
        rates[f"{name} Se"] = (true, matrix[own].sum())
        rates[f"{name} +P"] = (true, true + false)
        rates[f"{name} FPR"] = (false, false + others)
    return {name: Share(int(part), int(whole)) for name, (part, whole) in rates.items()}


def averages(matrices: Sequence[np.ndarray]) -> Mapping[str, float]:
    """Average the rates over records, in %, each record once; NaN where none has the rate."""
    rows = [shares(matrix) for matrix in matrices]
    return {name: mean_percent(row[name] for row in rows) for name in rows[0]} if rows else {}


def mean_percent(records: Iterable[Share]) -> float:
    """Average rates in %, without those that are not defined."""
    known = [share.percent for share in records if share.whole]
    return float(np.mean(known)) if known else float("nan")


def without_svebs(matrix: np.ndarray) -> np.ndarray:
    """Count supraventricular ectopic beats as normal ones, as bxb does without SVEB statistics."""
    merged = matrix.copy()
    merged[N] += merged[S]
    merged[:, N] += merged[:, S]
    merged[S] = merged[:, S] = 0
    return merged


def inside(samples: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """Mark the samples that lie in one of the stretches (stretches, 2), both ends included."""
    samples = np.asarray(samples)
    within = np.zeros(len(samples), bool)
    for first, last in stretches.tolist():
        within |= (samples >= first) & (samples <= last)
    return within


def _stretches(samples: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Join marks of starts and ends; a stretch without an end lasts to the last mark."""
    stretches: list[tuple[int, int]] = []
    first = None
    for index in np.flatnonzero(starts | ends).tolist():
        if ends[index] and first is not None:
            stretches.append((first, int(samples[index])))
            first = None
        elif starts[index] and first is None:
            first = int(samples[index])
    if first is not None:
        stretches.append((first, int(samples[-1])))
    return np.array(stretches, int).reshape(-1, 2)


def _interval_errors(marked: np.ndarray, found: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Compute the errors of RR intervals between two pairs in succession, in samples."""
    both = (pairs != NONE).all(axis=1)
    successive = np.flatnonzero(both[1:] & both[:-1])
    ends, starts = pairs[successive + 1], pairs[successive]
    intervals = marked[ends[:, 0]] - marked[starts[:, 0]]
    errors: np.ndarray = intervals - (found[ends[:, 1]] - found[starts[:, 1]])
    return errors
