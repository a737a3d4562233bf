"""Records: a header and its signal in mV, whole or in windows; folders of records.

Headers are read first (`find_records`), signals on demand (`Record.signal`, `Record.read`).
"""

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.annotation_files import annotation_files, read_annotations
from ecg.annotations import Annotations
from ecg.checks import check_sizes, header_errors, signal_warnings
from ecg.files import atomic_write, file_size
from ecg.folders import find_headers
from ecg.headers import GAP, Header, Message, parse_header, segments_of
from ecg.leads import Rename
from ecg.matlab import map_mat, read_mat, write_mat
from ecg.segments import check_segment, join_segments, read_header_text, read_multi_segment
from ecg.wfdb_signals import layout_of, read_signal, shifted, stored_samples

INVALID = -32768  # WFDB's value of a missing sample in 16-bit signals


class Reading(NamedTuple):
    """A signal with its errors and warnings.

    `errors`: the signal differs from the header's description; do not train on it.
    `warnings`: unusual, but consistent with the header.
    """

    signal: np.ndarray
    errors: tuple[Message, ...]
    warnings: tuple[Message, ...]

    @property
    def unusable(self) -> tuple[Message, ...]:
        """Reasons not to train on it: errors, or a flat signal."""
        flat = (warning for warning in self.warnings if warning.kind == "all leads flat")
        return (*self.errors, *flat)


@dataclass(frozen=True)
class Record:
    """One patient's recording, or a window of it: its header and the location of its signal.

    Attributes
    ----------
    header : Header
        Of the whole recording: name, leads, fs in Hz, age, sex, codes.
    stem : str
        Path of the header without its ending; empty for a record in memory.
    recording : np.ndarray of shape (leads, samples) or None
        The whole recording in digital units, if it is in memory.
    marks : Annotations or None
        Of the whole recording, if they are in memory.
    span : (int, int) or None
        The samples of the recording that this record has, half-open; None for all.
    """

    header: Header
    stem: str = ""
    recording: np.ndarray | None = field(default=None, compare=False, repr=False)
    marks: Annotations | None = field(default=None, compare=False, repr=False)
    span: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Name of the record and of its output."""
        return self.header.name

    @property
    def leads(self) -> tuple[str, ...]:
        """Leads in the order of the signal."""
        return self.header.leads

    @property
    def fs(self) -> float:
        """Sampling frequency in Hz."""
        return self.header.fs

    @property
    def samples(self) -> int:
        """Number of samples of this record, from its signal.

        Raises
        ------
        LeadwiseError
            As `signal` does.
        """
        if self.span:
            return self.span[1] - self.span[0]
        if self.recording is not None or self._has_mat:
            return int(self._mapped().shape[1])
        return self.header.samples or stored_samples(self.stem, self.name, self.header.lines)

    @property
    def signal(self) -> np.ndarray:
        """Float32 mV (leads, samples), NaN where a sample has no value; read on each access.

        In the file's memory order, usually sample by sample; `read` gives lead by lead.

        Raises
        ------
        LeadwiseError
            The signal is missing, cut off, unreadable, or has another number of leads.
        """
        return self._millivolts(self.digital())

    def read(self) -> Reading:
        """Read the signal and check it: length, first values, checksums, amplitude, flat leads.

        Length, first values and checksums are not checked for a window.

        Raises
        ------
        LeadwiseError
            As `signal` does.
        """
        try:
            digital = np.ascontiguousarray(self.digital())  # lead by lead: faster below
            signal = self._millivolts(digital)
            errors = () if self.span else tuple(self._errors(digital))
            warnings = [Message(self.name, *each) for each in signal_warnings(signal, self.leads)]
        except MemoryError as error:
            raise LeadwiseError(
                f"{self.name}: too long to be read as a whole ({self.samples:,} samples of "
                f"{len(self.leads)} leads); read it in windows"
            ) from error
        return Reading(signal, errors, tuple(warnings))

    def digital(self) -> np.ndarray:
        """Read digital units (leads, samples); NaN where formats other than .mat have no value.

        Raises
        ------
        LeadwiseError
            As `signal` does.
        """
        digital = self._mapped() if self.span else self._whole()
        if digital.ndim != 2 or len(digital) != len(self.leads):
            raise LeadwiseError(
                f"{self.name}: the header names {len(self.leads)} leads, the signal has the shape "
                f"{digital.shape}; which row is which lead cannot be known"
            )
        if digital.shape[1] == 0:
            raise LeadwiseError(f"{self.name}: the signal has no samples")
        return digital

    def annotations(self) -> Annotations | None:
        """Read beats, waves and rhythms from `NAME.atr`, `NAME.all` and files of leads (`NAME.v1`).

        None if no such file is stored with the header.

        Raises
        ------
        LeadwiseError
            A file cannot be read.
        """
        marks = self.marks
        if marks is None and self.stem and (files := annotation_files(self.stem, self.leads)):
            samples = replace(self, span=None).samples
            marks = read_annotations(self.stem, self.leads, self.fs, samples, files)
        return marks.window(*self.span) if marks and self.span else marks

    def window(self, start_s: float, stop_s: float) -> "Record":
        """Return a part of the record; its signal is read without the rest of the file.

        `.mat` files of version 5 are read whole each time.

        Parameters
        ----------
        start_s, stop_s : float
            Seconds from the start of this record; cut at its ends.

        Raises
        ------
        LeadwiseError
            No sample lies between them.
        """
        samples = self.samples
        first, last = (round(seconds * self.fs) for seconds in (start_s, stop_s))
        first, last = max(0, first), min(last, samples)
        if first >= last:
            raise LeadwiseError(
                f"{self.name}: no sample between {start_s:g} and {stop_s:g} s; it lasts "
                f"{samples / self.fs:g} s"
            )
        before = self.span[0] if self.span else 0
        return replace(self, span=(before + first, before + last))

    def chunks(self, seconds: float, overlap_s: float = 0.0) -> Iterator[tuple[float, "Record"]]:
        """Divide the record into windows of equal length; the last one may be shorter.

        Parameters
        ----------
        seconds : float
            Length of a window.
        overlap_s : float
            Overlap of neighbouring windows in seconds, less than `seconds`.

        Yields
        ------
        start_s : float
            Start of the window in seconds from the start of this record.
        window : Record

        Raises
        ------
        LeadwiseError
            A window would not start after the one before.
        """
        length, step = round(seconds * self.fs), round((seconds - overlap_s) * self.fs)
        if step < 1 or overlap_s < 0:
            raise LeadwiseError(f"windows of {seconds:g} s cannot overlap by {overlap_s:g} s")
        samples, before = self.samples, self.span[0] if self.span else 0
        for first in range(0, max(1, samples - (length - step)), step):
            last = min(first + length, samples)
            yield first / self.fs, replace(self, span=(before + first, before + last))

    @property
    def _has_mat(self) -> bool:
        return os.path.isfile(self.stem + ".mat")

    def _whole(self) -> np.ndarray:
        if self.recording is None and self._has_mat:
            return self._aligned(read_mat(self.stem + ".mat", self.name), 0, None)
        return self._mapped()

    def _mapped(self) -> np.ndarray:
        """Read the samples of the span; a `.mat` file is mapped into memory."""
        first, last = self.span or (0, None)
        if self.recording is not None:
            return np.asarray(self.recording)[..., first:last]
        if self._has_mat:
            return self._aligned(map_mat(self.stem + ".mat", self.name), first, last)
        _signal_sizes(self.stem, self.header)  # the files may have been deleted
        if self.header.segments:
            return join_segments(self.header, self._of_segment, first, last or self.samples)
        lines, samples = self.header.lines, self.header.samples
        return read_signal(self.stem, self.name, lines, samples, first, last)

    def _aligned(self, matrix: np.ndarray, first: int, last: int | None) -> np.ndarray:
        """Take the samples `[first, last)` of a `.mat` file, shifted by the leads' skews."""
        layouts = [layout_of(word) for word in dict.fromkeys(self.header.lines.formats)]
        if any(layout.frames > 1 for layout in layouts):
            raise LeadwiseError(
                f"{self.name}: the header states several samples per frame, which a .mat file "
                "cannot have; convert the record from its source again"
            )
        if not any(layout.skew for layout in layouts) or matrix.ndim != 2:
            return matrix[:, first:last]
        skews = [layout_of(word).skew for word in self.header.lines.formats]
        return shifted(matrix, skews, first, matrix.shape[1] if last is None else last)

    def _segment(self, name: str, samples: int) -> "Record":
        path = os.path.join(os.path.dirname(self.stem), f"{name}.hea")
        segment = read_record(path, self.header.rename)
        check_segment(self.header, segment.header, samples)
        return segment

    def _of_segment(
        self, name: str, samples: int, first: int, last: int
    ) -> tuple[tuple[str, ...], np.ndarray]:
        segment = self._segment(name, samples)
        return segment.leads, replace(segment, span=(first, last)).signal

    def _errors(self, digital: np.ndarray) -> Iterator[Message]:
        """Compare the signal, and that of each segment, with its header."""
        yield from header_errors(self.header, digital)
        for name, samples in dict.fromkeys(self.header.segments):
            if name != GAP and samples:  # the layout has none
                segment = self._segment(name, samples)
                for error in header_errors(segment.header, segment.digital()):
                    yield Message(self.name, error.kind, f"segment {name}: {error.text}")

    def _millivolts(self, digital: np.ndarray) -> np.ndarray:
        lines = self.header.lines
        scale = np.array(lines.mv_per_adu, np.float32)[:, None]
        signal = digital.astype(np.float32)
        # With one gain for all leads, the usual case, a scalar avoids slow broadcasting.
        signal *= scale if len(set(lines.mv_per_adu)) > 1 else scale[0, 0]
        if any(lines.baselines):
            signal -= scale * np.array(lines.baselines, np.float32)[:, None]
        if digital.dtype == np.int16:
            if digital.min() == INVALID:
                signal[digital == INVALID] = np.nan
        elif {layout_of(word).code for word in set(lines.formats)} == {"16"}:
            signal[digital == INVALID] = np.nan  # 16-bit values in another type
        return signal


def _signal_sizes(stem: str, header: Header) -> dict[str, int]:
    """Give the size in bytes of the .mat, or of the files that the header names.

    Raises
    ------
    LeadwiseError
        One does not exist or is no regular file.
    """
    folder, mat = os.path.dirname(stem), f"{stem}.mat"
    own = [mat] if os.path.lexists(mat) else []
    try:
        return {
            path: file_size(path)
            for path in own or (os.path.join(folder, file) for file in set(header.lines.files))
        }
    except (FileNotFoundError, ValueError):  # the latter for a name with a null byte
        text = f"has a header but no signal ({header.name}.mat)"
    except OSError as error:
        text = f"the signal cannot be read: {error.strerror} ({error.filename})"
    raise LeadwiseError(f"{header.name}: {text}")


def read_record(path: str | os.PathLike[str], rename: Rename = ()) -> Record:
    """Read a record's header; the signal is read on demand.

    Parameters
    ----------
    rename : tuple of (str, str)
        New names of leads (`ecg.leads.read_rename`).

    Raises
    ------
    LeadwiseError
        The header cannot be read, or no signal is stored with it.
    """
    stem = os.path.splitext(path)[0]
    header = read_header(path, rename)
    check_sizes(header, _signal_sizes(stem, header))
    return Record(header, stem)


def read_header(path: str | os.PathLike[str], rename: Rename = ()) -> Header:
    """Read a record's header, whether or not its signal is stored; `rename` as in `read_record`.

    Raises
    ------
    LeadwiseError
        The header cannot be read.
    """
    stem = os.path.splitext(path)[0]
    name = os.path.basename(stem)
    text = read_header_text(path, name)
    if segments_of(text):
        return read_multi_segment(text, stem, name, rename)
    return parse_header(text, name, rename)


def record_of(
    signal: np.ndarray, leads: Sequence[str], fs: float, *, name: str = "record"
) -> Record:
    """Make a record from an array.

    Parameters
    ----------
    signal : np.ndarray of shape (leads, samples)
        In mV, NaN where a sample has no value; stored as float32.
    leads : sequence of str
        In the order of the rows.
    fs : float
        Hz.
    name : str
        Without spaces.

    Raises
    ------
    LeadwiseError
        The signal has no samples or not one row per lead, or the name or fs is not valid.

    Examples
    --------
    >>> record = record_of(np.zeros((2, 5000)), ["I", "II"], 500, name="two-leads")
    >>> record.signal.shape, record.leads
    ((2, 5000), ('I', 'II'))
    """
    values = np.asarray(signal, np.float32)
    if values.ndim != 2 or len(values) != len(leads) or not values.size:
        raise LeadwiseError(f"{name}: a signal of shape {values.shape} is not {len(leads)} leads")
    lines = [f"{name} {len(leads)} {fs:.10g} {values.shape[1]}"]
    lines += [f"{name}.mat 16 1(0)/mV 16 0 0 0 0 {lead}" for lead in leads]
    return Record(parse_header("\n".join(lines) + "\n", name), recording=values)


def find_records(
    folder: str | os.PathLike[str], rename: Rename = ()
) -> tuple[list[Record], list[Message]]:
    """Read all headers in a folder; `rename` as in `read_record`.

    Returns
    -------
    records : list of Record
        By name; signals are read on demand.
    problems : list of Message
        Records left out, with reasons.

    Raises
    ------
    LeadwiseError
        The folder does not exist or holds no header.
    """
    headers, problems = find_headers(folder)
    records = []
    for path in headers:
        try:
            records.append(read_record(path, rename))
        except LeadwiseError as error:
            text = str(error).removeprefix(f"{path.stem}: ")
            problems.append(Message(path.stem, "unusable header", text))
    return records, problems


def summarise(warnings: Iterable[Message], names: int = 3) -> Iterator[str]:
    """Summarise messages by kind: up to `names` in full, more with their count and first names."""
    kinds: dict[str, list[Message]] = {}
    for message in warnings:
        kinds.setdefault(message.kind, []).append(message)
    for kind, messages in kinds.items():
        if len(messages) <= names:
            yield from map(str, messages)
        else:
            examples = ", ".join(message.record for message in messages[:names])
            yield f"{len(messages)} records ({examples}, …): {kind}; the first: {messages[0].text}"


def write_record(
    folder: Path,
    name: str,
    signal: np.ndarray,
    leads: Sequence[str],
    fs: float,
    *,
    age: float = math.nan,
    sex: str = "Unknown",
    codes: Sequence[str] = (),
    comments: Sequence[str] = (),
) -> None:
    """Write a record in the format of the 2021 Challenge (second dialect, 1000 adu/mV).

    Parameters
    ----------
    signal : np.ndarray of shape (leads, samples)
        In mV, clipped at ±32.767 mV; NaN becomes WFDB's value of an invalid sample.

    Raises
    ------
    LeadwiseError
        A file cannot be written.
    """
    digital = np.clip(np.rint(np.nan_to_num(signal, nan=0.0) * 1000), -32767, 32767)
    digital = np.where(np.isnan(signal), INVALID, digital).astype("<i2")
    lines = [f"{name} {len(leads)} {fs:g} {digital.shape[1]}"]
    for lead, row in zip(leads, digital, strict=True):
        checksum = row.sum(dtype=np.int16)
        lines.append(f"{name}.mat 16x1+24 1000.0(0)/mV 16 0 {row[0]} {checksum} 0 {lead}")
    lines += [f"# Age: {'NaN' if math.isnan(age) else f'{age:g}'}", f"# Sex: {sex}"]
    lines += [f"# Dx: {','.join(codes)}", "# Rx: Unknown", "# Hx: Unknown", "# Sx: Unknown"]
    lines += [f"# {comment}" for comment in comments]
    with atomic_write(folder / f"{name}.mat") as draft:
        write_mat(draft, digital)
    with atomic_write(folder / f"{name}.hea") as draft:  # last: with it the record is complete
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
