"""The cache: each record is read and transformed once, for all lead sets, into memory-mapped files.

`signals-KEY.f16` holds the channels of each usable record as float16, one record after the other.
Channels are the leads (the standard 12, or those of the recipe), then derived channels such as
envelopes.  `signals-KEY.HEAD.u8` holds the targets per sample of a dense head.  `signals-KEY.json`
is written last: if it exists, the files are complete.  It holds checksums of all files, itself
included, which each start checks.  KEY is a hash of the records' names, leads, file sizes and
times, the transforms and the version.
"""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ecg import FAILURES, LeadwiseError, __version__
from ecg.annotation_files import annotation_files
from ecg.annotations import ALL_LEADS, beat_mask, wave_mask
from ecg.files import atomic_write, remove_drafts
from ecg.headers import Message
from ecg.labels import POLICIES, without_p
from ecg.leads import STANDARD, sort_leads
from ecg.lock import locked
from ecg.parallel import map_in_order
from ecg.progress import count_one, log, progress_bar
from ecg.records import Record
from models.facts import read_facts, reads_facts
from models.inputs import channels_per_lead, lead_messages, prepare
from models.recipe import Head, Recipe, recipe_to_json
from models.sample import NO_P, UNKNOWN
from scoring.waves import fused_reference
from training.budget import UNLIMITED, TotalBudget
from training.mapped import MappedArrays, map_file

FLOAT16_LIMIT = 6e4  # mV: an absurd gain must not become infinite
READ_BYTES = 1 << 22


class Prepared(NamedTuple):
    """What the cache holds of a record; its channels are None if it is unusable."""

    channels: np.ndarray | None
    messages: tuple[Message, ...]
    targets: dict[str, np.ndarray] = {}
    facts: tuple[float, ...] = ()


@dataclass(frozen=True)
class Cache:
    """Prepared signals of the usable records.

    Attributes
    ----------
    signals : MappedArrays
        Float16 (channels, samples) of each usable record.
    targets : dict of MappedArrays
        Of each dense head: uint8 (rows, samples), 255 for unknown.
    facts : np.ndarray of float32, shape (records, facts), optional
        Of `models.facts`, if the network reads them.
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
    facts: np.ndarray | None
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
    records: Sequence[Record], recipe: Recipe, folder: Path, workers: int, *,
    keep: bool = True, budget: TotalBudget = UNLIMITED,
) -> Cache:  # fmt: skip
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
    budget : TotalBudget
        Reading and waiting stop with an error when it is used up.

    Raises
    ------
    LeadwiseError
        Disk space is insufficient, the folder cannot be written, a reading process was killed, or
        the budget is used up.
    """
    path = folder / f"signals-{_key(records, recipe)[:16]}.f16"
    if (cache := _read_cache(path, recipe)) is None:
        doing = "prepares signals here; this process waits for it within its time budget."
        with locked(folder / "signals.lock", doing, wait_s=budget.left_s):
            if (cache := _read_cache(path, recipe)) is None:  # another process may have created it
                return _make(path, records, recipe, workers, keep, budget)
    log(f"Using the prepared signals in {path} ({path.stat().st_size / 1e6:,.0f} MB).")
    return cache


def _make(
    path: Path, records: Sequence[Record], recipe: Recipe, workers: int, keep: bool,
    budget: TotalBudget,
) -> Cache:  # fmt: skip
    dense = [head.name for head in recipe.heads if head.dense]
    _make_room(path, dense, keep)
    fitting, too_long = _fitting(records, recipe, path.parent)
    index: dict[str, list[Any]] = {"usable": [], "lengths": [], "warnings": [], "facts": []}
    index["left_out"] = list(too_long)
    work = partial(prepare_record, recipe=recipe)
    checksums = [0] * (1 + len(dense))
    with ExitStack() as stack, progress_bar("reading", len(fitting), "rec") as shown:
        files: list[BinaryIO] = [
            stack.enter_context(open(stack.enter_context(atomic_write(file)), "wb"))
            for file in _files(path, dense)[1:]
        ]
        reading = map_in_order(work, [records[number] for number in fitting], workers)
        in_time = budget.within(reading, len(fitting), "read")
        for number, prepared in zip(fitting, in_time, strict=True):
            count_one(shown)
            if prepared.channels is None:
                index["left_out"] += prepared.messages
                continue
            values = [prepared.channels, *map(prepared.targets.get, dense)]
            for place, (file, one) in enumerate(zip(files, values, strict=True)):
                content = np.asarray(one).tobytes()
                checksums[place] = zlib.crc32(content, checksums[place])
                file.write(content)
            index["lengths"].append(prepared.channels.shape[1])
            index["usable"].append(number)
            index["facts"].append(prepared.facts)
            index["warnings"] += prepared.messages
    entries = {"channels": _channels(recipe), "checksums": checksums, **index}
    with atomic_write(path.with_suffix(".json")) as draft:
        draft.write_text(json.dumps({**entries, "checksum": _checksum_of(entries)}))
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
        log(f"{path} is incomplete or damaged, and is created again.")
    others = [] if keep else [
        old for old in path.parent.glob("signals-*") if not old.name.startswith(f"{path.stem}.")
    ]  # fmt: skip
    if others:
        log("The prepared signals of other records, another recipe or version are deleted.")
    for old in (*_files(path, dense), *others):
        old.unlink(missing_ok=True)


def fingerprint(records: Sequence[Record], recipe: Recipe) -> str:
    """Hash names, leads and rates of the records, and sizes and times of the files that are read.

    These are header and signal files, and for dense heads the annotation files.  New names of leads
    are hashed, too.
    """
    dense = any(head.dense for head in recipe.heads)
    digest = hashlib.sha256()
    for record in records:
        stamps = [_stamp(path) for path in _files_of(record, dense)]
        about = (record.name, record.leads, record.fs, stamps, *record.header.rename)
        digest.update(repr(about).encode())
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
    inputs["dense"] = [
        (head.name, head.classes, head.mask, rows_of(recipe, head))
        for head in recipe.heads
        if head.dense
    ]
    inputs["facts"] = reads_facts(recipe)
    text = json.dumps([__version__, inputs, fingerprint(records, recipe)])
    return hashlib.sha256(text.encode()).hexdigest()


def _stamp(path: str) -> tuple[int, int]:
    try:
        stat = os.stat(path)
    except OSError:
        return (0, 0)
    return stat.st_size, stat.st_mtime_ns


def _read_cache(path: Path, recipe: Recipe) -> Cache | None:
    """Open a complete cache; return None if it is absent, incomplete or damaged."""
    dense = [head.name for head in recipe.heads if head.dense]
    try:
        index = json.loads(path.with_suffix(".json").read_text())
        if index.pop("checksum") != _checksum_of(index):
            return None
        channels, lengths = int(index["channels"]), np.array(index["lengths"], dtype=np.int64)
        signals, *masks = _files(path, dense)[1:]
        total = int(lengths.sum())
        if signals.stat().st_size != 2 * channels * total:
            return None
        rows = [rows_of(recipe, head) for head in recipe.heads if head.dense]
        if any(mask.stat().st_size != number * total
               for mask, number in zip(masks, rows, strict=True)):  # fmt: skip
            return None
        if [_checksum_of_file(file) for file in (signals, *masks)] != index["checksums"]:
            return None
        warnings = tuple(Message(*entry) for entry in index["warnings"])
        left_out = tuple(Message(*entry) for entry in index["left_out"])
        usable = np.array(index["usable"], dtype=np.int64)
        mapped = MappedArrays(map_file(signals), np.float16, channels, lengths)
        targets = {
            name: MappedArrays(map_file(mask), np.uint8, number, lengths)
            for name, mask, number in zip(dense, masks, rows, strict=True)
        }
        facts = np.array(index["facts"], np.float32) if reads_facts(recipe) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Cache(path, mapped, targets, facts, usable, warnings, left_out)


def _checksum_of(index: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(index).encode())


def _checksum_of_file(path: Path) -> int:
    """Compute a file's CRC-32 without mapping it; 1 GB takes a second."""
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(READ_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _channels(recipe: Recipe) -> int:
    return len(cached_leads(recipe)) * channels_per_lead(recipe)


def _fitting(
    records: Sequence[Record], recipe: Recipe, folder: Path
) -> tuple[list[int], list[Message]]:
    """Find the records whose prepared signals fit on the disk, and describe the others.

    A wrong length in one header must not end a training, so a record that does not fit alone is
    left out.

    Raises
    ------
    LeadwiseError
        The others do not fit together.
    """
    free = shutil.disk_usage(folder).free
    needed = [1.05 * _expected_bytes(record, recipe) for record in records]
    fitting = [number for number, size in enumerate(needed) if size <= free]
    too_long = [
        Message(
            record.name, "too long",
            f"the header says {record.header.samples} samples at {record.fs:g} Hz; prepared, they "
            f"need {size / 1e9:,.1f} GB, but {free / 1e9:.1f} GB are free",
        )
        for record, size in zip(records, needed, strict=True)
        if size > free
    ]  # fmt: skip
    expected = sum(needed[number] for number in fitting)
    if expected > free or not fitting:
        longest = records[max(range(len(records)), key=needed.__getitem__)]
        raise LeadwiseError(
            f"{folder}: prepared signals need {sum(needed) / 1e9:.1f} GB, but {free / 1e9:.1f} GB "
            f"are free; set LEADWISE_CACHE to a folder on a larger disk (the longest record is "
            f"{longest.name}, with {longest.header.samples} samples)"
        )
    log(f"Preparing {len(fitting)} records; they take {expected / 1e6:,.0f} MB in {folder}.")
    return fitting, too_long


def _expected_bytes(record: Record, recipe: Recipe) -> float:
    seconds = (record.header.samples or 10 * record.fs) / record.fs
    dense = sum(rows_of(recipe, head) for head in recipe.heads if head.dense)
    return (2 * _channels(recipe) + dense) * recipe.fs * seconds


def prepare_record(record: Record, recipe: Recipe) -> Prepared:
    """Read a record and apply the recipe's transforms to the leads that the cache holds.

    A record is left out if its signal or its annotations cannot be read, if all leads are flat, or
    if the signal differs from the header's description.
    """
    try:
        reading = record.read()
        if reading.unusable:
            return Prepared(None, reading.unusable)
        inputs = prepare(recipe, reading.signal, record.leads, cached_leads(recipe), record.fs)
        if not np.isfinite(inputs.signal).all():
            raise LeadwiseError("has values that are not finite after the recipe's transforms")
        samples = inputs.signal.shape[1]
        targets = {
            head.name: dense_target(record, head, samples, recipe)
            for head in recipe.heads
            if head.dense
        }
    except FAILURES as error:
        text = str(error).removeprefix(f"{record.name}: ")
        if not isinstance(error, LeadwiseError):
            text = f"cannot be read ({type(error).__name__}: {text})"
        return Prepared(None, (Message(record.name, "unusable signal", text),))
    warnings = [*record.header.warnings, *reading.warnings]
    warnings += lead_messages(
        recipe, record.name, record.leads, cached_leads(recipe), inputs.missing
    )
    channels = np.clip(inputs.signal, -FLOAT16_LIMIT, FLOAT16_LIMIT).astype(np.float16)
    facts = read_facts(recipe, record.header, reading.signal)
    numbers = () if facts is None else tuple(facts.tolist())
    return Prepared(channels, tuple(warnings), targets, numbers)


def rows_of(recipe: Recipe, head: Head) -> int:
    """Count the rows of a target: one, and for waves with `single_lead` also one per lead."""
    by_lead = any(part.name == "single_lead" for part in recipe.augment)
    return 1 + len(cached_leads(recipe)) if by_lead and head.kind == "samples" else 1


def dense_target(record: Record, head: Head, samples: int, recipe: Recipe) -> np.ndarray:
    """Read a record's annotations as the target of a dense head.

    Waves of all leads together are those marked so, else the median of at least six leads.

    Returns
    -------
    np.ndarray of uint8, shape (rows, samples)
        Class indices at the recipe's rate, first of all leads together; `UNKNOWN` where the class
        is unknown.  With the mask `no P`, a record without marks is `NO_P` if it cannot have any.
    """
    annotations, fs = record.annotations(), recipe.fs
    target = np.full((rows_of(recipe, head), samples), UNKNOWN, np.uint8)
    if annotations is None:
        if head.mask == "no P" and without_p(record.header.codes):
            target[0] = NO_P
        return target
    if head.kind == "beats":
        target[0] = beat_mask(annotations, samples, POLICIES[head.classes]([]), fs)
        return target
    by_lead = (annotations.annotated.leads != ALL_LEADS).any()
    joint = fused_reference(annotations) if by_lead else annotations
    target[0] = wave_mask(joint, samples, fs)
    for row, lead in zip(target[1:], cached_leads(recipe), strict=False):
        if lead in record.leads:
            row[:] = wave_mask(annotations, samples, fs, lead)
    return target
