"""Records: a header and the way to its signal, as leads in mV; folders of them.

Headers are read first (`find_records`), signals when asked for (`Record.signal`, `Record.read`).
"""

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.files import read_bytes
from ecg.headers import Header, Message, parse_header
from ecg.matlab import read_mat, write_mat
from ecg.signals import oddities

INVALID = -32768  # WFDB's mark of a sample without value in 16-bit signals


class Reading(NamedTuple):
    """A signal and what is to be said about it.

    `errors`: the signal is not the one that the header describes (learn nothing from it).
    `warnings`: unusual, yet as the header says.
    """

    signal: np.ndarray
    errors: tuple[Message, ...]
    warnings: tuple[Message, ...]

    @property
    def unusable(self) -> tuple[Message, ...]:
        """Why nothing can be learned from it: errors, or a signal that is flat throughout."""
        flat = (remark for remark in self.warnings if remark.kind == "all leads flat")
        return (*self.errors, *flat)


@dataclass(frozen=True)
class Record:
    """One patient's recording: its header, and where its signal is.

    Attributes
    ----------
    header : Header
        Name, leads, fs in Hz, age, sex, codes.
    stem : str
        Path of the header without its ending; empty for a record handed over in memory.
    recording : np.ndarray of shape (leads, samples) or None
        Digital units, where they are at hand already.
    """

    header: Header
    stem: str = ""
    recording: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Name of the record and of its output."""
        return self.header.name

    @property
    def leads(self) -> tuple[str, ...]:
        """Leads in the order of the rows."""
        return self.header.leads

    @property
    def fs(self) -> float:
        """Sampling frequency in Hz."""
        return self.header.fs

    @property
    def signal(self) -> np.ndarray:
        """Float32 mV of shape (leads, samples), NaN where a sample has no value; read anew.

        In memory as in the file, usually sample by sample; `read` gives row by row.

        Raises
        ------
        LeadwiseError
            The signal is missing, cut off, unreadable, or has other rows than the header.
        """
        return self._millivolts(self.digital())

    def read(self) -> Reading:
        """Read the signal and examine it: length, first values, checksums, amplitude, flat leads.

        Raises
        ------
        LeadwiseError
            As `signal` does.
        """
        digital = np.ascontiguousarray(self.digital())  # rows, for all that follows
        signal = self._millivolts(digital)
        errors = tuple(_errors(self.header, digital))
        odd = oddities(signal, self.leads)
        return Reading(signal, errors, tuple(Message(self.name, *what) for what in odd))

    def digital(self) -> np.ndarray:
        """Read the digital units (leads, samples), NaN where another format has no value.

        Raises
        ------
        LeadwiseError
            As `signal` does.
        """
        if self.recording is not None:
            digital = np.asarray(self.recording)
        elif os.path.isfile(self.stem + ".mat"):
            digital = read_mat(self.stem + ".mat", self.name)
        elif _has_signal(self.stem, self.header):
            digital = _read_by_wfdb(self.stem, self.name)
        else:
            raise LeadwiseError(f"{self.name}: its signal is gone ({self.name}.mat)")
        if digital.ndim != 2 or len(digital) != len(self.leads):
            raise LeadwiseError(
                f"{self.name}: the header names {len(self.leads)} leads, the signal has the shape "
                f"{digital.shape}; which row is which lead cannot be known"
            )
        if digital.shape[1] == 0:
            raise LeadwiseError(f"{self.name}: the signal has no samples")
        return digital

    def _millivolts(self, digital: np.ndarray) -> np.ndarray:
        lines = self.header.lines
        scale = np.array(lines.mv_per_adu, np.float32)[:, None]
        signal = digital.astype(np.float32)
        # One gain for all leads, the usual case, needs no broadcasting over short columns.
        signal *= scale if len(set(lines.mv_per_adu)) > 1 else scale[0, 0]
        if any(lines.baselines):
            signal -= scale * np.array(lines.baselines, np.float32)[:, None]
        if digital.dtype == np.int16 and digital.min() == INVALID:
            signal[digital == INVALID] = np.nan
        return signal


def _errors(header: Header, digital: np.ndarray) -> Iterator[Message]:
    """Hold length, first values and checksums (16-bit sums) of the header against the signal."""
    said, found = header.samples, digital.shape[1]
    if said is not None and said != found:
        text = f"the header says {said} samples, the signal holds {found}"
        yield Message(header.name, "other length", text)
    firsts, checksums = header.lines.firsts, header.lines.checksums
    if digital.dtype != np.int16 or not any((*firsts, *checksums)):
        return  # not stated, or all zero where a tool did not fill them in
    sums = digital.sum(axis=1, dtype=np.int16).tolist()
    actual = list(zip(digital[:, 0].tolist(), sums, strict=True))
    if any(checksums):
        stated = list(zip(firsts, checksums, strict=True))
    else:  # 2017's headers give first values alone, and 0 for all checksums
        stated = list(zip(firsts, sums, strict=True))
    wrong = [row for row, pair in enumerate(stated) if pair != actual[row] and None not in pair]
    if not wrong:
        return
    names = ", ".join(header.leads[row] or f"row {row + 1}" for row in wrong)
    if all(stated[row] in actual for row in wrong):
        text = f"rows are swapped: first values and checksums of {names} fit other rows"
        yield Message(header.name, "swapped rows", text)
    else:
        text = f"signal and header disagree in first value or checksum of {names}; fetch it again"
        yield Message(header.name, "corrupt signal", text)


def _has_signal(stem: str, header: Header) -> bool:
    """Tell whether the .mat, or the files that the header names, stand beside it."""
    folder = os.path.dirname(stem)
    return os.path.isfile(stem + ".mat") or all(
        os.path.isfile(os.path.join(folder, file)) for file in header.lines.files
    )


def _read_by_wfdb(stem: str, name: str) -> np.ndarray:
    """Read a signal in another format (.dat and so on) through the wfdb package."""
    try:
        import wfdb
    except ImportError as error:
        raise LeadwiseError(
            f"{name}: there is no {name}.mat; for WFDB's other formats: pip install wfdb"
        ) from error
    try:
        record = wfdb.rdrecord(stem, physical=False, smooth_frames=True)
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise LeadwiseError(f"{name}: wfdb cannot read the signal: {error}") from error
    digital = record.d_signal.T
    # wfdb marks samples without value by the smallest number of each format.
    smallest = np.array([wfdb.io._signal.INVALID_SAMPLE_VALUE[fmt] for fmt in record.fmt])
    return np.where(digital == smallest[:, None], np.nan, digital)


def read_record(path: str | os.PathLike[str]) -> Record:
    """Read a record's header; the signal is read when asked for.

    Raises
    ------
    LeadwiseError
        The header cannot be read, or no signal stands beside it.
    """
    stem = os.path.splitext(path)[0]
    name = os.path.basename(stem)
    try:
        text = read_bytes(path).decode("utf-8", errors="replace")
    except OSError as error:
        raise LeadwiseError(f"{name}: the header cannot be read: {error.strerror}") from error
    header = parse_header(text, name)
    if not _has_signal(stem, header):
        raise LeadwiseError(f"{name}: there is a header but no signal ({name}.mat)")
    return Record(header, stem)


def find_headers(folder: str | os.PathLike[str]) -> tuple[list[Path], list[Message]]:
    """Find the headers below a folder, flat or nested; hidden files and folders are passed over.

    Returns
    -------
    headers : list of Path
        By name of the record.
    problems : list of Message
        Signals without a header, and names that occur twice (the first is kept).

    Raises
    ------
    LeadwiseError
        The folder does not exist or holds no header at all.
    """
    root = Path(folder)
    if not root.is_dir():
        raise LeadwiseError(f"{root}: no such folder")
    headers: dict[str, Path] = {}
    problems: list[Message] = []
    for place, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = sorted(name for name in files if not name.startswith("."))
        here = {os.path.splitext(name)[0] for name in visible if name.lower().endswith(".hea")}
        for file in visible:
            name, ending = os.path.splitext(file)
            if ending.lower() == ".hea" and name in headers:
                text = f"two records of this name; {Path(place, file)} is left out"
                problems.append(Message(name, "name twice", text))
            elif ending.lower() == ".hea":
                headers[name] = Path(place, file)
            elif ending == ".mat" and name not in here:
                problems.append(Message(name, "no header", "there is a signal but no header"))
    if not headers:
        raise LeadwiseError(f"{root}: holds no record (no .hea file); is it the data folder?")
    return [headers[name] for name in sorted(headers)], problems


def find_records(folder: str | os.PathLike[str]) -> tuple[list[Record], list[Message]]:
    """Read all headers below a folder.

    Returns
    -------
    records : list of Record
        By name; signals are not yet read.
    problems : list of Message
        What is not among the records, and why.

    Raises
    ------
    LeadwiseError
        The folder does not exist or holds no header at all.
    """
    headers, problems = find_headers(folder)
    records = []
    for path in headers:
        try:
            records.append(read_record(path))
        except LeadwiseError as error:
            text = str(error).removeprefix(f"{path.stem}: ")
            problems.append(Message(path.stem, "unusable header", text))
    return records, problems


def summarise(warnings: Iterable[Message], names: int = 3) -> Iterator[str]:
    """Say each kind of remark once: alone as it is, in numbers with the count and some names."""
    kinds: dict[str, list[Message]] = {}
    for remark in warnings:
        kinds.setdefault(remark.kind, []).append(remark)
    for kind, alike in kinds.items():
        if len(alike) <= names:
            yield from map(str, alike)
        else:
            some = ", ".join(remark.record for remark in alike[:names])
            yield f"{len(alike)} records ({some}, …): {kind}; the first: {alike[0].text}"


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
    """Write a record as the Challenge of 2021 lays it out (second dialect, 1000 units/mV).

    Parameters
    ----------
    signal : np.ndarray of shape (leads, samples)
        In mV; NaN becomes WFDB's mark of an invalid sample, beyond ±32.767 mV is clipped.
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
    write_mat(folder / f"{name}.mat", digital)
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n", encoding="utf-8")
