"""Headers: the text file of a record, in both dialects of the Challenge.

Format: header(5) of the WFDB applications guide; `ecg.header_text` has the grammar of its lines.
Unusual but usable content gives a warning (`Message`), unusable content a `LeadwiseError`; both
name the record.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from ecg import LeadwiseError, printable
from ecg.header_text import Assumed, HeaderText, rate_of, record_line, samples_of, split_header
from ecg.labels import read_codes
from ecg.leads import Rename, list_leads, sort_leads, standard_names

DEFAULT_GAIN = 200.0  # adu/mV if the gain is 0 or missing: WFDB's DEFGAIN
GAP = "~"  # name of a segment without signal
# Casefolded, which turns the micro sign into the Greek letter.
MV_PER_UNIT = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "μv": 1e-3, "nv": 1e-6}

MAX_LEADS = 500  # body surface maps have 300

# A lead's line: FILE FORMAT GAIN BITS ZERO FIRST CHECKSUM BLOCK NAME, optional from GAIN on.
# 16x1:0+24: samples per frame, skew, bytes to skip
_FORMAT = re.compile(r"\d+(?:x\d+)?(?::(?P<skew>\d+))?(?:\+\d+)?")
_GAIN = re.compile(r"(?P<gain>[\d.eE+-]+)(?:\((?P<baseline>-?\d+)\))?(?:/(?P<unit>\S+))?")
_ABSENT = ("", "", "0", "0", "0", "", "", "0", "")  # values of missing fields
_SEX = {"female": "female", "f": "female", "male": "male", "m": "male"}


class _Message(NamedTuple):
    record: str
    kind: str
    text: str


class Message(_Message):
    """A warning or error about a record; `kind` groups the messages of many records.

    Record and text are made printable: headers and file names may hold any character.
    """

    __slots__ = ()

    def __new__(cls, record: str, kind: str, text: str) -> "Message":
        """Make a message of printable text."""
        return super().__new__(cls, printable(record), kind, printable(text))

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
    formats: tuple[str, ...]


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
        Length of the signal if line 1 states it; 0 states nothing.
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
    rename : tuple of (str, str)
        Names that were given to leads (`ecg.leads.read_rename`).
    assumed : tuple of (str, str)
        What is assumed about line 1, as kinds and sentences.
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
    rename: Rename = ()
    assumed: Assumed = ()

    @property
    def warnings(self) -> tuple[Message, ...]:
        """Warnings about line 1, leads, gains and units."""
        return tuple(_warnings(self))


def parse_header(text: str, name: str, rename: Rename = ()) -> Header:
    """Parse the text of a header.

    Parameters
    ----------
    text : str
        Content of the .hea file.
    name : str
        Name of the record.
    rename : tuple of (str, str)
        Names for leads of other names (`ecg.leads.read_rename`).

    Raises
    ------
    LeadwiseError
        Line 1 or a lead's line cannot be read, or states what no electrocardiogram has.
    """
    lines = split_header(text)
    top, count = record_line(lines.rows, name), len(lines.rows) - 1
    if top.segments:
        raise LeadwiseError(
            f"{name}: a multi-segment record; its leads are in the headers of its segments"
        )
    if top.leads > MAX_LEADS:
        raise LeadwiseError(
            f"{name}: the header states {top.leads} leads; an ECG has at most {MAX_LEADS}"
        )
    if count < top.leads or top.leads == 0:
        raise LeadwiseError(
            f"{name}: the header states {top.leads} leads and has {count} lines of leads"
        )
    (fs, of_rate), (samples, of_length) = rate_of(top, name), samples_of(top, name)
    parsed, leads = _lead_lines(name, lines.rows[1 : top.leads + 1])
    extra = f"lines that are no comments after those of the leads: {count - top.leads}, not read"
    of_rows = (("unread lines", extra),) if count > top.leads else ()
    return Header(
        name=name,
        identity=top.name,
        leads=_named(name, leads, rename),
        fs=fs,
        samples=samples,
        codes=read_codes(text),
        lines=parsed,
        rename=rename,
        assumed=(*of_rate, *of_length, *of_rows),
        **_patient(lines),
    )


def segments_of(text: str) -> tuple[tuple[str, int], ...]:
    r"""Read names and lengths of the segments of a multi-segment record; empty for other records.

    Examples
    --------
    >>> segments_of("v/2 3 250 3000\nv_1 1000\n~ 2000\n")
    (('v_1', 1000), ('~', 2000))
    """
    lines = split_header(text).rows
    if not lines or "/" not in lines[0].split(None, 1)[0]:
        return ()
    try:
        top = record_line(lines, "")
    except LeadwiseError:
        return ()  # `parse_header` reports it
    rows = [line.split() for line in lines[1 : top.segments + 1]]
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
    lines, segments = split_header(text), segments_of(text)
    top = record_line(lines.rows, name)
    if len(segments) != top.segments or len(first.leads) != top.leads:
        raise LeadwiseError(
            f"{name}: line 1 of the header states {top.segments} segments of {top.leads} "
            f"leads; the header has {len(segments)} lines SEGMENT SAMPLES, and {first.name} "
            f"{len(first.leads)} leads"
        )
    count, (fs, assumed) = len(first.leads), rate_of(top, name)
    return replace(
        first,
        name=name,
        identity=top.name,
        fs=fs,
        samples=sum(samples for _, samples in segments),
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
        assumed=assumed,
        **_patient(lines),
    )


def format_header(header: Header, text: str) -> str:
    """Write a multi-segment record's header as that of one signal in mV.

    Parameters
    ----------
    text : str
        The record's own header, whose comments are kept.
    """
    lines = [f"{header.identity} {len(header.leads)} {header.fs:.10g} {header.samples}"]
    old = {new: name for name, new in header.rename}  # who reads it renames leads again
    leads = [old.get(lead, lead) for lead in header.leads]
    lines += [f"{header.identity}.mat 16 1(0)/mV 16 0 0 0 0 {lead}" for lead in leads]
    return "\n".join([*lines, *split_header(text).comments]) + "\n"


def _patient(lines: HeaderText) -> dict[str, Any]:
    """Read age and sex from the comments; the last line of each counts."""
    split = [line[1:].partition(":") for line in lines.comments]
    facts = {key.strip(): value.strip() for key, _, value in split}
    sex = _SEX.get(facts.get("Sex", "").casefold(), "unknown")
    return {"age": _age(facts.get("Age", "")), "sex": sex}


def _named(name: str, leads: Sequence[str], rename: Rename) -> tuple[str, ...]:
    """Give leads their standard names, or their new ones."""
    try:
        return standard_names(leads, rename)
    except LeadwiseError as error:
        raise LeadwiseError(f"{name}: {error}") from None


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
    for kind, text in header.assumed:
        yield Message(name, kind, text)
    counts = Counter(leads)
    duplicates = sort_leads(lead for lead, count in counts.items() if lead and count > 1)
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
    if skewed := _skewed(lines.formats):
        text = f"the header states a skew of {list_leads([leads[row] for row in skewed])}; it is"
        yield Message(name, "skew", f"{text} applied when the signal is read from its files")


@lru_cache(maxsize=1024)
def _skewed(formats: tuple[str, ...]) -> tuple[int, ...]:
    """List the rows whose format states a skew between leads, in samples (`16:3+24`)."""
    matches = map(_FORMAT.fullmatch, formats)
    return tuple(row for row, match in enumerate(matches) if match and int(match["skew"] or 0))
