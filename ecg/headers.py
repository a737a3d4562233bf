"""Headers: the text file of a record, in both dialects of the Challenge.

Grammar: the WFDB header format (header(5) of the WFDB applications guide).  Unusual but usable
content gives a warning (`Message`), unusable content a `LeadwiseError`; both name the record.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from ecg import LeadwiseError
from ecg.labels import read_codes
from ecg.leads import canonical_name, sort_leads

DEFAULT_GAIN = 200.0  # adu/mV if the gain is 0 or missing: WFDB's DEFGAIN
GAP = "~"  # name of a segment without signal
DEFAULT_FS = 250.0  # Hz if line 1 has none: WFDB's DEFFREQ
# Casefolded, which turns the micro sign into the Greek letter.
MV_PER_UNIT = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "μv": 1e-3, "nv": 1e-6}

_RECORD_LINE = re.compile(
    r"""\s* (?P<name>\S+?) (?:/(?P<segments>\d{1,9}))?  # record name, number of segments
        \s+ (?P<leads>\d{1,9})
        (?: \s+ (?P<fs>[\d.eE+-]+) (?:/\S+)?    # sampling frequency, counter frequency
            (?: \s+ (?P<samples>\d{1,15}) )? )?
        (?:\s|$)""",
    re.VERBOSE,
)
# A lead's line: FILE FORMAT GAIN BITS ZERO FIRST CHECKSUM BLOCK NAME, optional from GAIN on.
_FORMAT = re.compile(r"\d+(?:x\d+)?(?::\d+)?(?:\+\d+)?")  # 16x1:0+24: per frame, skew, skip
_GAIN = re.compile(r"(?P<gain>[\d.eE+-]+)(?:\((?P<baseline>-?\d+)\))?(?:/(?P<unit>\S+))?")
_ABSENT = ("", "", "0", "0", "0", "", "", "0", "")  # values of missing fields
_SEX = {"female": "female", "f": "female", "male": "male", "m": "male"}


class Message(NamedTuple):
    """A warning or error about a record; `kind` groups the messages of many records."""

    record: str
    kind: str
    text: str

    def __str__(self) -> str:
        """Format the message with the record's name."""
        return f"{self.record}: {self.text}"


class LeadLines(NamedTuple):
    """Fields of the leads' lines, each a tuple with one entry per lead.

    Reading tuples of fields takes two thirds of the time of one object per line (measured).
    """

    files: tuple[str, ...]
    gains: tuple[float, ...]  # adu per unit, 0 if not given
    units: tuple[str, ...]
    mv_per_adu: tuple[float, ...]
    baselines: tuple[int, ...]  # adu at 0 mV
    firsts: tuple[int | None, ...]  # first sample in adu, None if not given
    checksums: tuple[int | None, ...]
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """Content of a header.

    Attributes
    ----------
    name : str
        Name of the record and of its output: the stem of the file.
    identity : str
        First word of the text (`E00271.mat` in Georgia's headers).
    leads : tuple of str
        Standard names, in the order of the signal.
    fs : float
        Sampling frequency in Hz.
    samples : int or None
        Length of the signal if line 1 states it.
    age : float
        Years, NaN if unknown.
    sex : str
        `female`, `male` or `unknown`.
    codes : tuple of str
        SNOMED CT codes of the Dx lines.
    lines : LeadLines
        Files, gains, units, baselines, first values and checksums.
    segments : tuple of (str, int)
        Names and lengths of the segments of a multi-segment record; "~" is a gap.
    """

    name: str
    identity: str
    leads: tuple[str, ...]
    fs: float
    samples: int | None
    age: float
    sex: str
    codes: tuple[str, ...]
    lines: LeadLines
    segments: tuple[tuple[str, int], ...] = ()

    @property
    def warnings(self) -> tuple[Message, ...]:
        """Warnings about leads, gains and units."""
        return tuple(_warnings(self))


def parse_header(text: str, name: str) -> Header:
    """Parse the text of a header.

    Parameters
    ----------
    text : str
        Content of the .hea file.
    name : str
        Name of the record.

    Raises
    ------
    LeadwiseError
        Line 1 or a lead's line cannot be read.
    """
    top, lines, facts = _split(text, name)
    if top["segments"]:
        raise LeadwiseError(
            f"{name}: a multi-segment record; its leads are in the headers of its segments"
        )
    count = int(top["leads"])
    if len(lines) < count or count == 0:
        raise LeadwiseError(
            f"{name}: the header states {count} leads and has {len(lines)} lines of leads"
        )
    parsed, leads = _lead_lines(name, lines[:count])
    return Header(
        name=name,
        identity=top["name"],
        leads=tuple(map(canonical_name, leads)),
        fs=_fs(name, top["fs"]),
        samples=int(top["samples"]) if top["samples"] else None,
        age=_age(facts.get("Age", "")),
        sex=_SEX.get(facts.get("Sex", "").casefold(), "unknown"),
        codes=read_codes(text),
        lines=parsed,
    )


def segments_of(text: str) -> tuple[tuple[str, int], ...]:
    r"""Read names and lengths of the segments of a multi-segment record; empty for other records.

    Examples
    --------
    >>> segments_of("v/2 3 250 3000\nv_1 1000\n~ 2000\n")
    (('v_1', 1000), ('~', 2000))
    """
    lines = [line for line in text.splitlines() if line.strip() and line[0] != "#"]
    top = _RECORD_LINE.match(lines[0]) if lines else None
    if top is None or not top["segments"]:
        return ()
    rows = [line.split() for line in lines[1 : int(top["segments"]) + 1]]
    return tuple((row[0], int(row[1])) for row in rows if len(row) > 1 and row[1].isdecimal())


def parse_multi_segment(text: str, name: str, first: Header) -> Header:
    """Read the text of a multi-segment record's header.

    Parameters
    ----------
    text, name : str
        As for `parse_header`.
    first : Header
        Of its first segment that is no gap: leads, gains and units.

    Raises
    ------
    LeadwiseError
        Line 1 or a segment's line cannot be read, or the first segment has other leads.
    """
    top, lines, facts = _split(text, name)
    segments = segments_of(text)
    if len(segments) != int(top["segments"] or 0) or len(first.leads) != int(top["leads"]):
        raise LeadwiseError(
            f"{name}: line 1 of the header states {top['segments']} segments of {top['leads']} "
            f"leads; the header has {len(segments)} lines SEGMENT SAMPLES, and {first.name} "
            f"{len(first.leads)} leads"
        )
    count = len(first.leads)
    return replace(
        first,
        name=name,
        identity=top["name"],
        fs=_fs(name, top["fs"]),
        samples=sum(samples for _, samples in segments),
        age=_age(facts.get("Age", "")),
        sex=_SEX.get(facts.get("Sex", "").casefold(), "unknown"),
        codes=read_codes(text),
        # Gains may differ between segments, so the signal is read in mV.
        lines=first.lines._replace(
            files=tuple(f"{segment}.hea" for segment, _ in segments if segment != GAP),
            mv_per_adu=(1.0,) * count,
            baselines=(0,) * count,
            firsts=(None,) * count,
            checksums=(None,) * count,
        ),
        segments=segments,
    )


def _split(text: str, name: str) -> tuple[re.Match[str], list[str], dict[str, str]]:
    """Split a header into its line 1, the lines of leads or segments, and comments by key."""
    rows = [line for line in text.splitlines() if line and not line.isspace()]
    lines = [line for line in rows if line[0] != "#"]
    comments = [line[1:].partition(":") for line in rows if line[0] == "#"]
    facts = {key.strip(): value.strip() for key, _, value in comments}  # the last line counts
    top = _RECORD_LINE.match(lines[0]) if lines else None
    if top is None:
        content = f"it is '{lines[0][:60]}'" if lines else "the file is empty"
        raise LeadwiseError(
            f"{name}: line 1 of the header must be NAME LEADS FS SAMPLES; {content}"
        )
    return top, lines[1:], facts


def with_gain(header: Header, gain: float) -> Header:
    """Replace the gain of all leads by the known gain of their source, in adu per mV; 0 is 0 mV."""
    count = len(header.leads)
    lines = header.lines._replace(
        gains=(gain,) * count,
        units=("mV",) * count,
        mv_per_adu=(1 / gain,) * count,
        baselines=(0,) * count,
    )
    return replace(header, lines=lines)


def _age(text: str) -> float:
    try:
        age = float(text)
    except ValueError:
        return math.nan
    return age if math.isfinite(age) else math.nan


def _fs(name: str, text: str | None) -> float:
    try:
        fs = float(text) if text else DEFAULT_FS
    except ValueError:
        fs = math.nan
    if not (math.isfinite(fs) and fs > 0):
        raise LeadwiseError(f"{name}: the sampling frequency '{text}' in line 1 is no rate in Hz")
    return fs


def _lead_lines(name: str, lines: list[str]) -> tuple[LeadLines, tuple[str, ...]]:
    """Parse the leads' lines; an error shows the first bad one."""
    rows = [line.split(None, 8) for line in lines]
    if min(map(len, rows)) < len(_ABSENT):
        rows = [[*row, *_ABSENT[len(row) :]] for row in rows]
    files, formats, gain_words, _, zeros, firsts, checksums, _, leads = zip(*rows, strict=True)
    try:
        scales = _scales(formats, gain_words, zeros)
        stated = _numbers(firsts), _numbers(checksums)
    except ValueError:
        if len(lines) == 1:
            raise LeadwiseError(
                f"{name}: a lead's line must be FILE FORMAT GAIN BITS ZERO FIRST CHECKSUM BLOCK "
                f"LEAD; it is '{lines[0][:60]}'"
            ) from None
        for line in lines:
            _lead_lines(name, [line])
        raise
    return LeadLines(files, *scales, *stated, formats), leads


@lru_cache(maxsize=1024)  # all headers of a source have the same words
def _scales(
    formats: tuple[str, ...], gain_words: tuple[str, ...], zeros: tuple[str, ...]
) -> tuple[tuple[float, ...], tuple[str, ...], tuple[float, ...], tuple[int, ...]]:
    """Parse `16x1+24`, `1000.0(0)/mV` and `0` per lead: gains, units, mV per adu, baselines."""
    gains, units, mv_per_adu, baselines = [], [], [], []
    for format_word, gain_word, zero in zip(formats, gain_words, zeros, strict=True):
        match = _GAIN.fullmatch(gain_word)
        if match is None or not _FORMAT.fullmatch(format_word):
            raise ValueError(format_word, gain_word)
        gain, unit = float(match["gain"]), match["unit"] or "mV"
        mv = MV_PER_UNIT.get(unit.casefold(), 1.0) / (gain or DEFAULT_GAIN)
        baseline = int(match["baseline"] or zero)
        if not (1e-25 < abs(mv) < 1e25 and abs(baseline) < 2**31):  # otherwise float32 mV overflow
            raise ValueError(gain_word, zero)
        gains.append(gain)
        units.append(unit)
        mv_per_adu.append(mv)
        baselines.append(baseline)
    return tuple(gains), tuple(units), tuple(mv_per_adu), tuple(baselines)


def _numbers(words: tuple[str, ...]) -> tuple[int | None, ...]:
    """Parse integers; None for an empty word."""
    if "" in words:
        return tuple(int(word) if word else None for word in words)
    return tuple(map(int, words))


def _warnings(header: Header) -> Iterator[Message]:
    """Warn about assumptions on leads, gains and units."""
    name, leads, lines = header.name, header.leads, header.lines
    duplicates = sort_leads({lead for lead in leads if lead and leads.count(lead) > 1})
    if duplicates:
        text = f"{', '.join(duplicates)} named more than once; the first row of each is used"
        yield Message(name, "duplicate lead", text)
    if "" in leads:
        rows = ", ".join(str(row + 1) for row, lead in enumerate(leads) if not lead)
        yield Message(name, "lead without name", f"row {rows} has no lead name and is not used")
    if 0 in lines.gains:
        gainless = [lead for lead, gain in zip(leads, lines.gains, strict=True) if gain == 0]
        text = f"no gain in the header for {', '.join(gainless)}; {DEFAULT_GAIN:g}/mV is assumed"
        yield Message(name, "no gain", text)
    unknown = sorted({unit for unit in lines.units if unit.casefold() not in MV_PER_UNIT})
    if unknown:
        text = f"unknown unit {', '.join(unknown)} in the header; mV is assumed"
        yield Message(name, "unknown unit", text)
