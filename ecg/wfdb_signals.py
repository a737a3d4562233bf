"""Signals in WFDB's other formats than `.mat` (16, 212, FLAC, …), through the wfdb package."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.files import most_unpacked
from ecg.headers import LeadLines

_FAILURES = (OSError, ValueError, IndexError, KeyError, TypeError, RuntimeError, MemoryError)
_FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?")


class Layout(NamedTuple):
    """A lead's samples in its file, from a format word such as `16x1:0+24`."""

    code: str
    frames: int  # samples per frame
    skew: int  # samples by which the lead is late
    offset: int  # bytes before the first sample


def layout_of(word: str) -> Layout:
    """Read a format word.

    Examples
    --------
    >>> layout_of("212:3+24")
    Layout(code='212', frames=1, skew=3, offset=24)
    """
    code, frames, skew, offset = _FORMAT.fullmatch(word or "16").groups()  # type: ignore[union-attr]  # the header was read by the same grammar
    return Layout(str(int(code)), max(1, int(frames or 1)), int(skew or 0), int(offset or 0))


def read_signal(
    stem: str,
    name: str,
    lines: LeadLines,
    samples: int | None = None,
    first: int = 0,
    last: int | None = None,
) -> np.ndarray:
    """Read the samples `[first, last)` without reading the others, aligned by the leads' skews.

    Parameters
    ----------
    stem : str
        Path of the header without its ending.
    name : str
        Name of the record, for messages.
    lines : LeadLines
        Of the header.
    samples : int, optional
        Length of the recording; by default from the files.

    Returns
    -------
    np.ndarray of shape (leads, samples)
        In digital units, NaN where a sample has no value.

    Raises
    ------
    LeadwiseError
        The files are missing, cut off or damaged, or in a format that WFDB does not have.
    """
    try:
        samples = samples or stored_samples(stem, name, lines)
        last = samples if last is None else last
        rows = dict(_rows(os.path.dirname(stem), name, lines, samples, first, last))
    except LeadwiseError:
        raise
    except _FAILURES as error:
        raise LeadwiseError(f"{name}: wfdb cannot read the signal: {error}") from error
    return np.stack([rows[row] for row in range(len(lines.files))])


def stored_samples(stem: str, name: str, lines: LeadLines) -> int:
    """Compute the number of samples per lead from the size of the signal files.

    Raises
    ------
    LeadwiseError
        A format is not WFDB's, or leads of one file have different formats.
    OSError, RuntimeError
        A file cannot be read.
    """
    return min(
        _frames_in(os.path.join(os.path.dirname(stem), file), name, layouts)
        for file, _, layouts in _by_file(name, lines)
    )


def _by_file(name: str, lines: LeadLines) -> Iterator[tuple[str, list[int], list[Layout]]]:
    """Group the leads by their file: their rows and layouts; check the formats."""
    from wfdb.io._signal import DAT_FMTS

    for file in dict.fromkeys(lines.files):
        rows = [row for row, other in enumerate(lines.files) if other == file]
        layouts = [layout_of(lines.formats[row]) for row in rows]
        codes = list(dict.fromkeys(layout.code for layout in layouts))
        if unknown := [code for code in codes if code not in DAT_FMTS]:
            raise LeadwiseError(
                f"{name}: signal format {unknown[0]} is not one of WFDB's ({', '.join(DAT_FMTS)})"
            )
        if len(codes) > 1:
            raise LeadwiseError(
                f"{name}: the header states the formats {' and '.join(codes)} for one file, {file}"
            )
        yield file, rows, layouts


def _frames_in(path: str, name: str, layouts: list[Layout]) -> int:
    """Compute the number of frames of a signal file."""
    from wfdb.io._signal import BYTES_PER_SAMPLE, COMPRESSED_FMTS

    code, per_frame = layouts[0].code, sum(layout.frames for layout in layouts)
    size = os.path.getsize(path)
    if code not in COMPRESSED_FMTS:
        return int((size - layouts[0].offset) / BYTES_PER_SAMPLE[code] / per_frame)
    import soundfile

    stream = soundfile.info(path)
    if stream.frames * stream.channels * 2 > most_unpacked(size):
        raise LeadwiseError(
            f"{name}: {os.path.basename(path)} states {stream.frames:,} samples in {size:,} bytes; "
            "no ECG is compressed so far, and it is not unpacked"
        )
    return int(stream.frames) // layouts[0].frames - layouts[0].offset


def _rows(
    folder: str, name: str, lines: LeadLines, samples: int, first: int, last: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Read the leads of each file: row and samples."""
    from wfdb.io._signal import INVALID_SAMPLE_VALUE, _rd_dat_signals

    for file, rows, layouts in _by_file(name, lines):
        stored = _frames_in(os.path.join(folder, file), name, layouts)
        if stored < samples:
            raise LeadwiseError(
                f"{name}: {file} is cut off: it holds {max(0, stored)} of {samples} samples; fetch "
                "the file again"
            )
        code = layouts[0].code
        begin = 0 if code == "8" else first  # format 8 holds differences
        signals = _rd_dat_signals(
            file, folder, None, code, len(rows), samples, layouts[0].offset,
            [layout.frames for layout in layouts], [layout.skew for layout in layouts],
            [lines.firsts[row] or 0 for row in rows], begin, last,
        )  # fmt: skip
        # wfdb marks samples without value by the smallest number of each format.
        smallest = INVALID_SAMPLE_VALUE.get(code)
        for row, layout, values in zip(rows, layouts, signals, strict=True):
            values = values[(first - begin) * layout.frames :]
            if smallest is not None and (values == smallest).any():
                values = np.where(values == smallest, np.nan, values)
            if layout.frames > 1:  # as WFDB: the mean of the samples of a frame
                values = values.reshape(-1, layout.frames).mean(axis=1)
            yield row, values


def shifted(matrix: np.ndarray, skews: Sequence[int], first: int, last: int) -> np.ndarray:
    """Take the samples `[first, last)` of leads that are late by `skews`; NaN beyond the end.

    Examples
    --------
    >>> shifted(np.array([[1, 2, 3], [1, 2, 3]]), [0, 2], 0, 3)
    array([[ 1.,  2.,  3.],
           [ 3., nan, nan]])
    """
    aligned = np.full((len(matrix), last - first), np.nan)
    for row, (values, skew) in enumerate(zip(matrix, skews, strict=True)):
        part = values[first + skew : last + skew]
        aligned[row, : len(part)] = part
    return aligned
