"""The cache: each record read and prepared once, for all lead sets, in one memory-mapped file.

Ragged float16: for each usable record its rows (12 leads, or those that a recipe of other leads
reads, then their envelopes or whatever the recipe's steps add), one after the other.  `NAME.json`
beside it is written last and says that the file is whole; it is found again by names, sizes and
times of the records, steps and version.
"""

import hashlib
import json
import mmap
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecg import LeadwiseError, __version__
from ecg.files import atomic_write, remove_drafts
from ecg.headers import Message
from ecg.leads import STANDARD, sort_leads
from ecg.lock import locked
from ecg.parallel import map_in_order
from ecg.progress import log, progress_bar
from ecg.records import Record
from models.inputs import channels_per_lead, prepare
from models.recipe import Recipe, recipe_to_json
from training.mapped import Signals, map_file

FLOAT16_LIMIT = 6e4  # mV: absurd gains must not become infinite


class Prepared(NamedTuple):
    """A record's rows, or None where it cannot be learned from, and what is to be said."""

    rows: np.ndarray | None
    warnings: tuple[Message, ...]


@dataclass(frozen=True)
class Cache:
    """Prepared signals of the usable records.

    Attributes
    ----------
    rows : int
        Of each record: its leads (`cached_leads`) times kinds of rows.
    usable : np.ndarray of int
        Which of the records (by place) are in it, in order.
    lengths : np.ndarray of int
        Samples of each usable record.
    warnings : tuple of Message
        What was odd about records, used or not.
    left_out : tuple of Message
        Why the others are not in it.
    """

    path: Path
    rows: int
    usable: np.ndarray
    lengths: np.ndarray
    warnings: tuple[Message, ...]
    left_out: tuple[Message, ...]
    content: mmap.mmap | bytes

    def signals(self) -> Signals:
        """Give the prepared signals as views of the file: float16 (rows, samples) each."""
        return Signals(self.content, self.rows, self.lengths)

    def remove(self) -> None:
        """Delete the files."""
        self.path.with_suffix(".json").unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def cached_leads(recipe: Recipe) -> tuple[str, ...]:
    """Name the leads that a recipe's cache holds.

    The standard twelve, so that one cache serves whichever of the five lead sets are trained; for a
    recipe that reads others, such as the single lead of 2017, what its lead sets name.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from models import find
    >>> recipe = find("isibrno-basic")
    >>> cached_leads(replace(recipe, lead_sets=(("I", "II"),))) == STANDARD
    True
    >>> cached_leads(replace(recipe, lead_sets=(("ECG",),)))
    ('ECG',)
    """
    named = {lead: None for lead_set in recipe.lead_sets for lead in lead_set}
    return STANDARD if named.keys() <= set(STANDARD) else sort_leads(named)


def open_cache(
    records: Sequence[Record], recipe: Recipe, folder: Path, workers: int, *, keep: bool = True
) -> Cache:
    """Open the cache of these records and steps, after making it if it is not there.

    Of several processes that need a cache in the same folder one makes it, the others wait.

    Parameters
    ----------
    folder : Path
        Where the files are or will be; made if absent.
    workers : int
        Processes that read records.
    keep : bool
        Keep caches of other records, recipes or versions in this folder; else a new one takes
        their place.

    Raises
    ------
    LeadwiseError
        The disk is too small, the folder cannot be written, or a reading process was killed.
    """
    path = folder / f"signals-{_key(records, recipe)[:16]}.f16"
    if (found := _read_index(path)) is None:
        doing = "prepares signals here; this one waits until it has ended."
        with locked(folder / "signals.lock", doing, wait=True):
            if (found := _read_index(path)) is None:  # else another process has made it meanwhile
                return _make(path, records, recipe, workers, keep)
    log(f"Prepared signals taken from {path} ({path.stat().st_size / 1e6:,.0f} MB).")
    return found


def _make(path: Path, records: Sequence[Record], recipe: Recipe, workers: int, keep: bool) -> Cache:
    _make_room(path, keep)
    expected = _expected_bytes(records, recipe)
    _check_disk(path.parent, expected)
    log(f"Preparing {len(records)} records; they take {expected / 1e6:,.0f} MB in {path.parent}.")
    index: dict[str, list[Any]] = {"usable": [], "lengths": [], "warnings": [], "left_out": []}
    work = partial(prepare_record, recipe=recipe)
    with (
        atomic_write(path) as draft,
        open(draft, "wb") as file,
        progress_bar("reading", len(records), "rec") as shown,
    ):
        for place, prepared in enumerate(map_in_order(work, records, workers)):
            shown.update()
            if prepared.rows is None:
                index["left_out"] += prepared.warnings
                continue
            file.write(prepared.rows.tobytes())
            index["lengths"].append(prepared.rows.shape[1])
            index["usable"].append(place)
            index["warnings"] += prepared.warnings
    with atomic_write(path.with_suffix(".json")) as draft:
        draft.write_text(json.dumps({"rows": _rows(recipe), **index}))
    made = _read_index(path)
    assert made is not None, "the index was written a moment ago"
    return made


def _make_room(path: Path, keep: bool) -> None:
    """Remove what is of no use: half-written and damaged files, and other caches if not kept."""
    remove_drafts(path.parent, "signals-*")
    if path.exists():
        log(f"{path}: is not whole; it is made anew.")
    others = [] if keep else [old for old in path.parent.glob("signals-*") if old.stem != path.stem]
    if others:
        log("The prepared signals of other records, another recipe or version are removed.")
    for old in (path.with_suffix(".json"), path, *others):
        old.unlink(missing_ok=True)


def fingerprint(records: Sequence[Record]) -> str:
    """Name the data: a hash over names, sizes and times of the records' files."""
    known = hashlib.sha256()
    for record in records:
        known.update(repr((record.name, _stamp(record, ".hea"), _stamp(record, ".mat"))).encode())
    return known.hexdigest()


def _key(records: Sequence[Record], recipe: Recipe) -> str:
    """Name the content of a cache by what it is made of: data, steps and version."""
    content = recipe_to_json(recipe)
    steps = {key: content[key] for key in ("system", "fs", "steps")}
    if (leads := cached_leads(recipe)) != STANDARD:
        steps["leads"] = leads
    made_of = json.dumps([__version__, steps, fingerprint(records)])
    return hashlib.sha256(made_of.encode()).hexdigest()


def _stamp(record: Record, ending: str) -> tuple[int, int]:
    try:
        stat = os.stat(record.stem + ending)
    except OSError:
        return (0, 0)
    return stat.st_size, stat.st_mtime_ns


def _read_index(path: Path) -> Cache | None:
    """Open a whole cache; None where there is none, or what is there is not whole."""
    try:
        index = json.loads(path.with_suffix(".json").read_text())
        rows, lengths = int(index["rows"]), np.array(index["lengths"], dtype=np.int64)
        if path.stat().st_size != 2 * rows * lengths.sum():
            return None
        warnings = tuple(Message(*entry) for entry in index["warnings"])
        left_out = tuple(Message(*entry) for entry in index["left_out"])
        usable = np.array(index["usable"], dtype=np.int64)
        content = map_file(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Cache(path, rows, usable, lengths, warnings, left_out, content)


def _rows(recipe: Recipe) -> int:
    return len(cached_leads(recipe)) * channels_per_lead(recipe)


def _expected_bytes(records: Sequence[Record], recipe: Recipe) -> int:
    seconds = sum((record.header.samples or 10 * record.fs) / record.fs for record in records)
    return int(2 * _rows(recipe) * recipe.fs * seconds)


def _check_disk(folder: Path, expected: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < 1.05 * expected:
        raise LeadwiseError(
            f"{folder}: {expected / 1e9:.1f} GB are needed for prepared signals, "
            f"{free / 1e9:.1f} GB are free; set LEADWISE_CACHE to a folder on a larger disk"
        )


def prepare_record(record: Record, recipe: Recipe) -> Prepared:
    """Read a record and apply the recipe's steps to the leads that the cache holds.

    A record whose signal cannot be read, is flat throughout, or is not the one that its header
    describes is left out: what it would teach is not known.
    """
    try:
        reading = record.read()
    except LeadwiseError as error:
        text = str(error).removeprefix(f"{record.name}: ")
        return Prepared(None, (Message(record.name, "unusable signal", text),))
    if reading.unusable:
        return Prepared(None, reading.unusable)
    inputs = prepare(recipe, reading.signal, record.leads, cached_leads(recipe), record.fs)
    warnings = [*record.header.warnings, *reading.warnings]
    if inputs.missing:
        text = f"{', '.join(inputs.missing)} missing and not derivable; read as 0"
        warnings.append(Message(record.name, "missing leads", text))
    rows = np.clip(inputs.signal, -FLOAT16_LIMIT, FLOAT16_LIMIT).astype(np.float16)
    return Prepared(rows, tuple(warnings))
