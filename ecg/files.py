"""Files: read in one call; written under a temporary name and renamed, so none is incomplete."""

import errno
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecg import LeadwiseError

DAY_S = 86400.0
_KINDS = {stat.S_IFDIR: "folder", stat.S_IFIFO: "named pipe", stat.S_IFCHR: "device",
          stat.S_IFBLK: "device", stat.S_IFSOCK: "socket"}  # fmt: skip


def read_bytes(path: str | os.PathLike[str], most: int | None = None) -> bytes:
    """Read a whole file with half the system calls of `open`, which is faster for small files.

    Parameters
    ----------
    most : int, optional
        Size in bytes above which the file is not read.

    Raises
    ------
    OSError
        The file cannot be read, is no regular file (a pipe would block) or is too large.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        size = _regular(status, path)
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"{size:,} bytes, at most {most:,} are read", str(path))
        content = os.read(descriptor, size)
        while len(content) < size and (more := os.read(descriptor, size - len(content))):
            content += more  # one call reads at most 2 GB
    finally:
        os.close(descriptor)
    return content


def file_size(path: str | os.PathLike[str]) -> int:
    """Give the size in bytes of a regular file.

    Raises
    ------
    OSError
        It does not exist, or is no regular file.
    """
    return _regular(os.stat(path), path)


def _regular(status: os.stat_result, path: str | os.PathLike[str]) -> int:
    if kind := _KINDS.get(stat.S_IFMT(status.st_mode)):
        raise OSError(errno.EINVAL, f"It is a {kind}, not a file", os.fspath(path))
    return status.st_size


def most_unpacked(size: int) -> int:
    """Give the number of bytes that a compressed signal of `size` bytes may unpack to.

    Genuine signals unpack to 2 to 20 times their size; flat ones to 1,000 times, but are short.
    """
    return max(2**27, 50 * size)


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Provide a temporary path to write to; it replaces `path` when the block succeeds.

    The new file is synced to disk before it is renamed.  If the block fails, it is deleted.  A link
    stays, and the file it refers to is replaced.  What is no regular file, such as a device or a
    named pipe, is never replaced: the content is written into it.

    Raises
    ------
    LeadwiseError
        The file cannot be written (no permission, disk full, …).
    """
    path = Path(path)
    try:
        if _is_stream(path):
            with tempfile.TemporaryDirectory() as folder:
                draft = Path(folder, path.name)
                yield draft
                _write_through(draft, path)
            return
        target = Path(os.path.realpath(path))
        draft = target.with_name(f".{target.name}.{platform.node()}.{os.getpid()}.part")
        try:
            yield draft
            with open(draft, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        if error.filename not in (None, str(path), str(draft)):  # another file, used in the block
            raise LeadwiseError(f"{error.filename}: {reason}") from error
        raise LeadwiseError(f"{path}: cannot be written: {reason}") from error


def _is_stream(path: Path) -> bool:
    """Check whether a path exists and is no regular file, or names an open file."""
    try:
        return _open_file(path) is not None or not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _open_file(path: Path) -> int | None:
    """Give the descriptor that a path such as /dev/stdout names."""
    found = re.fullmatch(r"/dev/(?:stdout|stderr|fd/(\d+))|/proc/self/fd/(\d+)", str(path))
    return int(found[1] or found[2] or (2 if path.name == "stderr" else 1)) if found else None


def _write_through(draft: Path, path: Path) -> None:
    number = _open_file(path)  # duplicated, because opening a file anew starts at another place
    target = os.open(path, os.O_WRONLY | os.O_APPEND) if number is None else os.dup(number)
    with open(draft, "rb") as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, and check that it is writable.

    Temporary files of killed processes are deleted.

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
        for draft in path.glob(".*.[0-9]*.part"):
            if _is_left(draft):
                draft.unlink(missing_ok=True)
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be written: {error.strerror}") from error


def _is_left(draft: Path) -> bool:
    """Check that the process that wrote a temporary file has ended, or that the file is old."""
    *_, host, process, _ = draft.name.rsplit(".", 3)
    if host == platform.node().rpartition(".")[2] and process.isdecimal():
        if int(process) == os.getpid():  # of an earlier process, as in containers
            return True
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
    return time.time() - draft.stat().st_mtime > DAY_S


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
