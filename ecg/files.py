"""Files: read at one go; written aside, then renamed, so that nobody ever meets half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecg import LeadwiseError


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file with half the system calls of `open`, which count for small files.

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
            content += more  # a call reads 2 GB at most
    finally:
        os.close(descriptor)
    return content


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to; when the block ends well it takes the place of `path`.

    The new file is on the disk before it bears the name (fsync, then rename), and nothing is left
    of it when the block fails.

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
    """Make a folder and those above it, and see that it can be written.

    Raises
    ------
    LeadwiseError
        It cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be made: {error.strerror}") from error
    probe = path / f".writable.{os.getpid()}.part"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be written: {error.strerror}") from error


def remove_drafts(folder: Path, names: str = "*") -> None:
    """Remove what killed processes had written aside and could not rename.

    To be called where no other process writes files of these names (a glob pattern).
    """
    for draft in folder.glob(f".{names}.[0-9]*.part"):
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """See that the names given in this folder are on the disk, as `aside` does for contents.

    For where a file is removed because another one is there now; `aside` itself can do without,
    since both the old file and the new one are whole.

    Raises
    ------
    LeadwiseError
        The disk fails.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LeadwiseError(f"{folder}: cannot be written: {error.strerror}") from error
