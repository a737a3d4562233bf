"""The grammar of a header's lines, for all commands.

Lines end with LF, CR or any mixture.  Blank lines are ignored.  Blanks and tabs separate words.  A
line that begins with a number sign is a comment, wherever it is; in other lines a number sign after
a blank begins one.
"""

import math
import re
from typing import NamedTuple

from ecg import LeadwiseError

DEFAULT_FS = 250.0  # Hz if line 1 has none: WFDB's DEFFREQ
MIN_FS, MAX_FS = 50.0, 10_000.0  # Hz: ECGs are sampled at 100 to 2000, late potentials faster
MAX_SAMPLES = 10**10  # 11 days at the highest rate

Assumed = tuple[tuple[str, str], ...]  # what is assumed, as kinds and sentences

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_END_COMMENT = re.compile(r"\s#.*")
_RECORD_LINE = re.compile(
    r"""(?P<name>\S+?) (?:/(?P<segments>[0-9]{1,9}))?  # record name, number of segments
        \s+ (?P<leads>[0-9]{1,9}) (?:\s+ (?P<rest>.*))?""",
    re.VERBOSE,
)


class HeaderText(NamedTuple):
    """Lines of a header without blanks at their start."""

    rows: list[str]  # line 1, then the lines of leads or segments, without comments
    comments: list[str]  # with their number sign


class RecordLine(NamedTuple):
    """Line 1: `NAME[/SEGMENTS] LEADS FS SAMPLES`; the last two are empty if absent."""

    name: str
    segments: int  # 0 without
    leads: int
    fs: str
    samples: str


def split_header(text: str) -> HeaderText:
    r"""Split the text of a header into rows and comments.

    Examples
    --------
    >>> split_header("#Age: 5\r\r\n\nR1\t1 500 # by a device\n R1.mat 16 \n")
    HeaderText(rows=['R1\t1 500', 'R1.mat 16'], comments=['#Age: 5'])
    """
    rows: list[str] = []
    comments: list[str] = []
    for line in text.removeprefix("\ufeff").replace("\r", "\n").split("\n"):
        line = line.lstrip()
        if line[:1] == "#":
            comments.append(line)
        elif line:
            rows.append((_END_COMMENT.sub("", line) if "#" in line else line).rstrip())
    return HeaderText(rows, comments)


def record_line(rows: list[str], name: str) -> RecordLine:
    """Parse line 1 of a header.

    Raises
    ------
    LeadwiseError
        It has no name or no number of leads.
    """
    match = _RECORD_LINE.fullmatch(rows[0]) if rows else None
    if match is None:
        content = f"it is '{rows[0][:60]}'" if rows else "the file is empty"
        raise LeadwiseError(
            f"{name}: line 1 of the header must be NAME LEADS FS SAMPLES; {content}"
        )
    words = (match["rest"] or "").split(None, 2)
    fs, samples = (*words[:2], "", "")[:2]
    return RecordLine(match["name"], int(match["segments"] or 0), int(match["leads"]), fs, samples)


def rate_of(top: RecordLine, name: str) -> tuple[float, Assumed]:
    """Parse the sampling frequency in Hz: `360`, or `360/180(0.5)` with a counter frequency.

    Raises
    ------
    LeadwiseError
        It cannot be read, or no electrocardiogram has it.
    """
    if not top.fs:
        text = f"no sampling frequency in the header; {DEFAULT_FS:g} Hz is assumed, as by WFDB"
        return DEFAULT_FS, (("no rate", text),)
    number = top.fs.partition("/")[0]
    fs = float(number) if _NUMBER.fullmatch(number) else math.nan
    if not (math.isfinite(fs) and fs > 0):
        raise LeadwiseError(
            f"{name}: the sampling frequency '{top.fs[:60]}' in line 1 is no rate in Hz; correct it"
        )
    if not MIN_FS <= fs <= MAX_FS:
        raise LeadwiseError(
            f"{name}: {fs:g} Hz is not the sampling frequency of an ECG ({MIN_FS:g} to {MAX_FS:g} "
            "Hz); if it is one, correct line 1 of the header"
        )
    return fs, ()


def samples_of(top: RecordLine, name: str) -> tuple[int | None, Assumed]:
    """Parse the number of samples; None if it is not stated, which WFDB writes as 0, too.

    Raises
    ------
    LeadwiseError
        No electrocardiogram has this number.
    """
    if not _NUMBER.fullmatch(top.samples):
        text = f"the number of samples '{top.samples[:60]}' in line 1 cannot be read and is ignored"
        return None, (("unreadable length", text),) if top.samples else ()
    samples = float(top.samples)
    if samples > MAX_SAMPLES:
        raise LeadwiseError(
            f"{name}: line 1 of the header states {samples:g} samples, more than an ECG has; "
            "correct it"
        )
    return round(samples) if samples > 0 else None, ()


def lead_name(row: str) -> str:
    """Return the last field of a lead's line, which may contain blanks; empty if it is absent."""
    words = row.split(None, 8)
    return words[8] if len(words) > 8 else ""
