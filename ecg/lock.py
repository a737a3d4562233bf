"""Locks: one process at a time; the kernel releases them however a process ends."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ecg import LeadwiseError
from ecg.progress import log

WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # some network file systems


@contextmanager
def locked(path: Path, doing: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock file while the block runs, and remove it then.

    After a kill the file stays, unlocked, and the next process takes it.

    Parameters
    ----------
    path : Path
        The lock file; its folder is made if absent.
    doing : str
        What is said of the process that holds it, and the way out: "trains here; …".
    wait : bool
        Wait for that process, after saying so; else refuse.

    Raises
    ------
    LeadwiseError
        Another process holds the lock, or the file cannot be made or written.
    """
    try:
        file = _take(path, doing, wait)
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        # Unlinked before it is released: who waits for this file finds that it bears the name no
        # more, and tries again.
        if _bears(file, path):
            path.unlink()
        file.close()


def remove_all_but(folder: Path, lock: Path) -> None:
    """Empty a folder while its lock is held, which therefore has to go last."""
    for path in folder.iterdir():
        if path != lock:
            path.unlink()


def _take(path: Path, doing: str, wait: bool) -> BinaryIO:
    said = False
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if isinstance(error, FileExistsError) and _comes_and_goes(path.parent):
                continue
            raise LeadwiseError(f"{path.parent}: cannot be made: {error.strerror}") from error
        try:
            file = open(path, "a+b", buffering=0)
        except FileNotFoundError:  # removed just now
            continue
        try:
            if not _lock(file, path, wait=False):
                text = f"{path.parent}: {_holder(file)} {doing}"
                if not wait:
                    raise LeadwiseError(text)
                if not said:
                    log(text)
                    said = True
                _lock(file, path, wait=True)
            if _bears(file, path):
                _sign(file, path)
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _comes_and_goes(folder: Path) -> bool:
    """Whether another process removed the folder just now, or made it again; one look decides."""
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        return True
    return stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and folder.is_dir())


def _lock(file: BinaryIO, path: Path, *, wait: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        log(f"{path.parent}: no locks on this file system; see that one process uses it at a time.")
    return True


def _sign(file: BinaryIO, path: Path) -> None:
    try:
        file.truncate(0)
        file.write(str(os.getpid()).encode())
    except OSError:
        path.unlink()
        raise


def _holder(file: BinaryIO) -> str:
    file.seek(0)
    return f"process {file.read().decode() or 'of unknown number'}"


def _bears(file: BinaryIO, path: Path) -> bool:
    """Whether the open file is the one that bears the name now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
