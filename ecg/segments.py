"""Multi-segment records: one recording in several WFDB records, in fixed or variable layout."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ecg import LeadwiseError
from ecg.files import read_bytes
from ecg.headers import GAP, Header, parse_header, parse_multi_segment, segments_of
from ecg.leads import Rename

MOST_HEADER_BYTES = 1_000_000  # the longest genuine ones, of 1,000 segments, have 20 kB


def read_header_text(path: str | os.PathLike[str], name: str) -> str:
    """Read the text of a header; bytes that are not UTF-8 are replaced.

    Raises
    ------
    LeadwiseError
        The file cannot be read, is no regular file, or is larger than `MOST_HEADER_BYTES`.
    """
    try:
        return read_bytes(path, MOST_HEADER_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        raise LeadwiseError(
            f"{name}: the header cannot be read: {error.strerror} ({path})"
        ) from error


def read_multi_segment(text: str, stem: str, name: str, rename: Rename = ()) -> Header:
    """Read the header of a multi-segment record, which needs the one of its first segment.

    Raises
    ------
    LeadwiseError
        A segment's header is missing, or one cannot be read.
    """
    folder = os.path.dirname(stem)
    names = [segment for segment, _ in segments_of(text) if segment != GAP]
    missing = [each for each in names if not os.path.isfile(os.path.join(folder, f"{each}.hea"))]
    if missing or not names:
        raise LeadwiseError(
            f"{name}: a multi-segment record without the header of its segment "
            f"{', '.join(missing[:3])} ({len(missing)} of {len(names)} are missing)"
        )
    text_of_first = read_header_text(os.path.join(folder, f"{names[0]}.hea"), names[0])
    first = parse_header(text_of_first, names[0], rename)
    return parse_multi_segment(text, name, first)


def segment_headers(path: Path) -> set[Path]:
    """List the headers of the segments of a record; empty for other records."""
    try:
        text = read_header_text(path, path.stem)
    except LeadwiseError:
        return set()  # reading the record reports it
    return {path.with_name(f"{segment}.hea") for segment, _ in segments_of(text)}


def check_segment(header: Header, segment: Header, samples: int) -> None:
    """Compare a segment's header with what its record states.

    Parameters
    ----------
    samples : int
        Stated by the record; a segment's own header may omit its length.

    Raises
    ------
    LeadwiseError
        The segment has another length or rate.
    """
    own = segment.samples or samples
    if (own, segment.fs) != (samples, header.fs):
        raise LeadwiseError(
            f"{header.name}: states {samples} samples at {header.fs:g} Hz for its segment "
            f"{segment.name}, whose header states {own} samples at {segment.fs:g} Hz; fetch the "
            "record again"
        )


def join_segments(
    header: Header,
    read: Callable[[str, int, int, int], tuple[tuple[str, ...], np.ndarray]],
    first: int,
    last: int,
) -> np.ndarray:
    """Read the samples `[first, last)` of a multi-segment record.

    Parameters
    ----------
    read : callable
        Gives leads and signal in mV of a segment, with this number of samples, from first to last.

    Returns
    -------
    np.ndarray of float32, shape (leads, last - first)
        In mV; NaN in gaps, and where a segment has no such lead.
    """
    signal = np.full((len(header.leads), last - first), np.nan, np.float32)
    onset = 0
    for name, samples in header.segments:
        begin, end = max(first, onset), min(last, onset + samples)
        if name != GAP and begin < end:
            leads, part = read(name, samples, begin - onset, end - onset)
            for row, lead in enumerate(header.leads):
                own = row if leads == header.leads else leads.index(lead) if lead in leads else None
                if own is not None:
                    signal[row, begin - first : end - first] = part[own]
        onset += samples
    return signal
