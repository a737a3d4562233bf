"""Files: read in one call; written under a temporary name and renamed, so none is incomplete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecg import LeadwiseError


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file with half the system calls of `open`, which is faster for small files.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        content = os.read(descriptor, size)
        while len(content) < size and (more := os.read(descriptor, size - len(content))):
            content += more  # one call reads at most 2 GB
    finally:
        os.close(descriptor)
    return content


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Provide a temporary path to write to; it replaces `path` when the block succeeds.

    The new file is synced to disk before it is renamed.  If the block fails, it is deleted.

    Raises
    ------
    LeadwiseError
        The file cannot be written (no permission, disk full, …).
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        with open(draft, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, and check that it is writable.

    Raises
    ------
    LeadwiseError
        The folder cannot be created or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be created: {error.strerror}") from error
    probe = path / f".writable.{os.getpid()}.part"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be written: {error.strerror}") from error


def remove_drafts(folder: Path, names: str = "*") -> None:
    """Delete temporary files of killed processes.

    Call it only while no other process writes files of these names (a glob pattern).
    """
    for draft in folder.glob(f".{names}.[0-9]*.part"):
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk, as `atomic_write` syncs contents.

    Call it before the deletion of a file that a new one replaces.  `atomic_write` does not need it,
    because the old file is complete, too.

    Raises
    ------
    LeadwiseError
        The folder cannot be synced.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LeadwiseError(f"{folder}: cannot be written: {error.strerror}") from error
