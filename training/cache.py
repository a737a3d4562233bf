"""The cache: each record is read and transformed once, for all lead sets, into memory-mapped files.

`signals-KEY.f16` holds the channels of each usable record as float16, one record after the other.
Channels are the leads (the standard 12, or those of the recipe), then derived channels such as
envelopes.  `signals-KEY.HEAD.u8` holds the targets per sample of a dense head.  `signals-KEY.json`
is written last: if it exists, the files are complete.  KEY is a hash of the records' names, file
sizes and times, the transforms and the version.
"""

import hashlib
import json
import mmap
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ecg import LeadwiseError, __version__
from ecg.annotation_files import annotation_files
from ecg.annotations import beat_mask, wave_mask
from ecg.files import atomic_write, remove_drafts
from ecg.headers import Message
from ecg.labels import POLICIES
from ecg.leads import STANDARD, lead_warnings, sort_leads
from ecg.lock import locked
from ecg.parallel import map_in_order
from ecg.progress import log, progress_bar
from ecg.records import Record
from models.inputs import channels_per_lead, prepare
from models.recipe import Head, Recipe, recipe_to_json
from models.sample import UNKNOWN

FLOAT16_LIMIT = 6e4  # mV: an absurd gain must not become infinite
MAPPED_BYTES = 64e6  # read between two releases of pages: 350 records of 10 s of ISIBrno


class MappedArrays(Sequence[np.ndarray]):
    """Arrays (channels, samples) of records as read-only views of one memory-mapped file.

    Mapped pages count as memory of the process, so after one epoch the whole file would be in
    memory.  They are released after every `MAPPED_BYTES`.  Views stay valid, because the kernel
    reads a released page from the file again.

    Parameters
    ----------
    content : mmap or bytes
        From `map_file`: the records' values, one record after the other.
    dtype : type
    channels : int
        Of each record.
    lengths, starts : np.ndarray of int
        Samples of each record, and the index of its first value.  Without `starts`, records are
        contiguous.
    """

    def __init__(
        self,
        content: mmap.mmap | bytes,
        dtype: type,
        channels: int,
        lengths: np.ndarray,
        starts: np.ndarray | None = None,
    ) -> None:
        self.dtype, self.channels, self.lengths = dtype, channels, lengths
        self._content = content
        self._values: np.ndarray = np.frombuffer(content, dtype)
        sizes = channels * lengths
        self._starts = np.cumsum(sizes) - sizes if starts is None else starts
        self._returned = 0

    def __len__(self) -> int:
        """Count the records."""
        return len(self.lengths)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]  # no slices
        """Return a record's values as a view of the file.

        Raises
        ------
        LeadwiseError
            The file was truncated after it was opened; reading on would crash the process.
        """
        start, size = self._starts[index], self.channels * self.lengths[index]
        view = self._values[start : start + size].reshape(self.channels, -1)
        if isinstance(self._content, mmap.mmap):
            if self._content.size() < len(self._content):
                raise LeadwiseError("the cache was truncated while in use; start again")
            self._returned += view.nbytes
            if self._returned > MAPPED_BYTES:
                self._content.madvise(mmap.MADV_DONTNEED)
                self._returned = 0
        return view

    def subset(self, indices: np.ndarray) -> "MappedArrays":
        """Take a subset of the records."""
        lengths, starts = self.lengths[indices], self._starts[indices]
        return MappedArrays(self._content, self.dtype, self.channels, lengths, starts)


def map_file(path: Path) -> mmap.mmap | bytes:
    """Map a file for reading; an empty one cannot be mapped and becomes empty bytes.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with open(path, "rb") as file:
        if path.stat().st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class Prepared(NamedTuple):
    """A record's channels and targets per sample, or None if it is unusable, and its messages."""

    channels: np.ndarray | None
    messages: tuple[Message, ...]
    targets: dict[str, np.ndarray]


@dataclass(frozen=True)
class Cache:
    """Prepared signals of the usable records.

    Attributes
    ----------
    signals : MappedArrays
        Float16 (channels, samples) of each usable record.
    targets : dict of MappedArrays
        Of each dense head: uint8 (1, samples), 255 for unknown.
    usable : np.ndarray of int
        Indices of the usable records, in order.
    warnings : tuple of Message
        What is unusual about usable records.
    left_out : tuple of Message
        Why the other records are unusable.
    """

    path: Path
    signals: MappedArrays
    targets: dict[str, MappedArrays]
    usable: np.ndarray
    warnings: tuple[Message, ...]
    left_out: tuple[Message, ...]


def cached_leads(recipe: Recipe) -> tuple[str, ...]:
    """List the leads that a recipe's cache holds.

    One cache with the standard twelve leads serves all five lead sets.  The cache of a recipe with
    other leads, such as the single lead of 2017, holds the leads of its lead sets.

    Examples
    --------
    >>> from models import find
    >>> from models.recipe import vary
    >>> recipe = find("isibrno-basic")
    >>> cached_leads(vary(recipe, lead_sets=(("I", "II"),))) == STANDARD
    True
    >>> cached_leads(vary(recipe, lead_sets=(("ECG",),)))
    ('ECG',)
    """
    named = {lead: None for lead_set in recipe.lead_sets for lead in lead_set}
    return STANDARD if named.keys() <= set(STANDARD) else sort_leads(named)


def open_cache(
    records: Sequence[Record], recipe: Recipe, folder: Path, workers: int, *, keep: bool = True
) -> Cache:
    """Open the cache of these records and transforms; create it if it does not exist.

    If several processes need a cache in the same folder, one creates it and the others wait.

    Parameters
    ----------
    folder : Path
        Folder of the files; created if absent.
    workers : int
        Number of processes that read records.
    keep : bool
        Keep caches of other records, recipes or versions in this folder; otherwise they are
        deleted before a new one is created.

    Raises
    ------
    LeadwiseError
        Disk space is insufficient, the folder cannot be written, or a reading process was killed.
    """
    path = folder / f"signals-{_key(records, recipe)[:16]}.f16"
    if (cache := _read_cache(path, recipe)) is None:
        doing = "prepares signals here; this process waits until it has finished."
        with locked(folder / "signals.lock", doing, wait=True):
            if (cache := _read_cache(path, recipe)) is None:  # another process may have created it
                return _make(path, records, recipe, workers, keep)
    log(f"Using the prepared signals in {path} ({path.stat().st_size / 1e6:,.0f} MB).")
    return cache


def _make(path: Path, records: Sequence[Record], recipe: Recipe, workers: int, keep: bool) -> Cache:
    dense = [head.name for head in recipe.heads if head.dense]
    _make_room(path, dense, keep)
    expected = _expected_bytes(records, recipe)
    if (free := shutil.disk_usage(path.parent).free) < 1.05 * expected:
        raise LeadwiseError(
            f"{path.parent}: prepared signals need {expected / 1e9:.1f} GB, but "
            f"{free / 1e9:.1f} GB are free; set LEADWISE_CACHE to a folder on a larger disk"
        )
    log(f"Preparing {len(records)} records; they take {expected / 1e6:,.0f} MB in {path.parent}.")
    index: dict[str, list[Any]] = {"usable": [], "lengths": [], "warnings": [], "left_out": []}
    work = partial(prepare_record, recipe=recipe)
    with ExitStack() as stack, progress_bar("reading", len(records), "rec") as shown:
        files: list[BinaryIO] = [
            stack.enter_context(open(stack.enter_context(atomic_write(file)), "wb"))
            for file in _files(path, dense)[1:]
        ]
        for number, prepared in enumerate(map_in_order(work, records, workers)):
            shown.update()
            if prepared.channels is None:
                index["left_out"] += prepared.messages
                continue
            for file, values in zip(files, [prepared.channels, *map(prepared.targets.get, dense)],
                                    strict=True):  # fmt: skip
                file.write(np.asarray(values).tobytes())
            index["lengths"].append(prepared.channels.shape[1])
            index["usable"].append(number)
            index["warnings"] += prepared.messages
    with atomic_write(path.with_suffix(".json")) as draft:
        draft.write_text(json.dumps({"channels": _channels(recipe), **index}))
    cache = _read_cache(path, recipe)
    assert cache is not None, "the index was just written"
    return cache


def _files(path: Path, dense: Sequence[str]) -> list[Path]:
    """List the files of a cache: index, signals, targets of each dense head."""
    return [path.with_suffix(".json"), path, *(path.with_suffix(f".{name}.u8") for name in dense)]


def _make_room(path: Path, dense: Sequence[str], keep: bool) -> None:
    """Delete partial and damaged files, and, unless `keep`, other caches."""
    remove_drafts(path.parent, "signals-*")
    if path.exists():
        log(f"{path} is incomplete and is created again.")
    others = [] if keep else [
        old for old in path.parent.glob("signals-*") if not old.name.startswith(f"{path.stem}.")
    ]  # fmt: skip
    if others:
        log("The prepared signals of other records, another recipe or version are deleted.")
    for old in (*_files(path, dense), *others):
        old.unlink(missing_ok=True)


def fingerprint(records: Sequence[Record], recipe: Recipe) -> str:
    """Hash names, sizes and times of the files that a training reads.

    These are header and signal files, and for dense heads the annotation files.  New names of leads
    are hashed, too.
    """
    dense = any(head.dense for head in recipe.heads)
    digest = hashlib.sha256()
    for record in records:
        stamps = [_stamp(path) for path in _files_of(record, dense)]
        digest.update(repr((record.name, stamps, *record.header.rename)).encode())
    return digest.hexdigest()


def _files_of(record: Record, dense: bool) -> list[str]:
    """List the files of a record, sorted."""
    folder, name = os.path.split(record.stem)
    names = {f"{name}.hea", f"{name}.mat", *record.header.lines.files}
    for segment, _ in record.header.segments:
        names |= {f"{segment}.hea", f"{segment}.dat", f"{segment}.mat"}
    if dense:
        names |= {f"{name}.{ending}" for ending in annotation_files(record.stem, record.leads)}
    return [os.path.join(folder, file) for file in sorted(names)]


def _key(records: Sequence[Record], recipe: Recipe) -> str:
    """Hash all that the content of a cache depends on."""
    content = recipe_to_json(recipe)
    inputs = {key: content[key] for key in ("system", "fs", "transforms")}
    if (leads := cached_leads(recipe)) != STANDARD:
        inputs["leads"] = leads
    inputs["dense"] = [(head.name, head.classes) for head in recipe.heads if head.dense]
    text = json.dumps([__version__, inputs, fingerprint(records, recipe)])
    return hashlib.sha256(text.encode()).hexdigest()


def _stamp(path: str) -> tuple[int, int]:
    try:
        stat = os.stat(path)
    except OSError:
        return (0, 0)
    return stat.st_size, stat.st_mtime_ns


def _read_cache(path: Path, recipe: Recipe) -> Cache | None:
    """Open a complete cache; return None if it is absent or incomplete."""
    dense = [head.name for head in recipe.heads if head.dense]
    try:
        index = json.loads(path.with_suffix(".json").read_text())
        channels, lengths = int(index["channels"]), np.array(index["lengths"], dtype=np.int64)
        signals, *masks = _files(path, dense)[1:]
        total = int(lengths.sum())
        if signals.stat().st_size != 2 * channels * total:
            return None
        if any(mask.stat().st_size != total for mask in masks):
            return None
        warnings = tuple(Message(*entry) for entry in index["warnings"])
        left_out = tuple(Message(*entry) for entry in index["left_out"])
        usable = np.array(index["usable"], dtype=np.int64)
        mapped = MappedArrays(map_file(signals), np.float16, channels, lengths)
        targets = {
            name: MappedArrays(map_file(mask), np.uint8, 1, lengths)
            for name, mask in zip(dense, masks, strict=True)
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Cache(path, mapped, targets, usable, warnings, left_out)


def _channels(recipe: Recipe) -> int:
    return len(cached_leads(recipe)) * channels_per_lead(recipe)


def _expected_bytes(records: Sequence[Record], recipe: Recipe) -> int:
    seconds = sum((record.header.samples or 10 * record.fs) / record.fs for record in records)
    dense = sum(head.dense for head in recipe.heads)
    return int((2 * _channels(recipe) + dense) * recipe.fs * seconds)


def prepare_record(record: Record, recipe: Recipe) -> Prepared:
    """Read a record and apply the recipe's transforms to the leads that the cache holds.

    A record is left out if its signal or its annotations cannot be read, if all leads are flat, or
    if the signal differs from the header's description.
    """
    try:
        reading = record.read()
        if reading.unusable:
            return Prepared(None, reading.unusable, {})
        inputs = prepare(recipe, reading.signal, record.leads, cached_leads(recipe), record.fs)
        samples = inputs.signal.shape[1]
        targets = {
            head.name: dense_target(record, head, samples, recipe.fs)
            for head in recipe.heads
            if head.dense
        }
    except LeadwiseError as error:
        text = str(error).removeprefix(f"{record.name}: ")
        return Prepared(None, (Message(record.name, "unusable signal", text),), {})
    warnings = [*record.header.warnings, *reading.warnings]
    ignored = lead_warnings(record.leads, cached_leads(recipe))
    warnings += [Message(record.name, *warning) for warning in ignored]
    if inputs.missing:
        text = f"{', '.join(inputs.missing)} missing and not derivable; read as 0"
        warnings.append(Message(record.name, "missing leads", text))
    channels = np.clip(inputs.signal, -FLOAT16_LIMIT, FLOAT16_LIMIT).astype(np.float16)
    return Prepared(channels, tuple(warnings), targets)


def dense_target(record: Record, head: Head, samples: int, fs: float) -> np.ndarray:
    """Read a record's annotations as the target of a dense head.

    Returns
    -------
    np.ndarray of uint8, shape (samples,)
        Class indices at `fs`; 255 where the class is unknown.  Without annotations all are 255.
    """
    annotations = record.annotations()
    if annotations is None:
        return np.full(samples, UNKNOWN, np.uint8)
    if head.kind == "samples":
        return wave_mask(annotations, samples, fs)
    return beat_mask(annotations, samples, POLICIES[head.classes]([]), fs)
