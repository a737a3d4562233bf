"""Lock files for one process at a time; the kernel releases them when the process ends."""

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ecg import LeadwiseError
from ecg.progress import log

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

POLL_S = 0.1  # between two attempts
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of network file systems


@contextmanager
def locked(path: Path, doing: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Lock a file while the block runs, then delete it.

    The file of a killed process remains, unlocked; the next process locks it.

    Parameters
    ----------
    path : Path
        The lock file; its folder is created if missing.
    doing : str
        What the holding process does, and what to do about it: "trains here; …".
    wait_s : float
        Seconds to wait for the holding process, with a log line.

    Raises
    ------
    LeadwiseError
        Another process holds the lock for longer, or the file cannot be created or written.
    """
    try:
        file = _take(path, doing, wait_s)
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        # The lock file is deleted while locked; a waiting process checks that the path still refers
        # to the file it locked.
        if _is_at(file, path):
            path.unlink()
        file.close()


def remove_all_but(folder: Path, lock: Path) -> None:
    """Delete all files of a folder but its lock file, which is held and must be deleted last."""
    for path in folder.iterdir():
        if path != lock:
            path.unlink()


def _take(path: Path, doing: str, wait_s: float) -> BinaryIO:
    deadline = time.monotonic() + wait_s
    logged = False
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if isinstance(error, FileExistsError) and _changed_meanwhile(path.parent):
                continue
            raise LeadwiseError(f"{path.parent}: cannot be created: {error.strerror}") from error
        try:
            file = open(path, "a+b", buffering=0)
        except FileNotFoundError:  # the folder was deleted meanwhile
            continue
        try:
            if not _lock(file, path):
                text = f"{path.parent}: {_holder(file)} {doing}"
                if time.monotonic() >= deadline:
                    raise LeadwiseError(text)
                if not logged:
                    log(text)
                    logged = True
                time.sleep(POLL_S)
            elif _is_at(file, path):
                _write_process_id(file, path)
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _changed_meanwhile(folder: Path) -> bool:
    """Check with one call whether another process deleted the folder, or created it again."""
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        return True
    return stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and folder.is_dir())


def _lock(file: BinaryIO, path: Path) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        log(f"{path.parent}: this file system has no locks; only one process may use it at a time.")
    return True


def _write_process_id(file: BinaryIO, path: Path) -> None:
    try:
        file.truncate(0)
        file.write(str(os.getpid()).encode())
    except OSError:
        path.unlink()
        raise


def _holder(file: BinaryIO) -> str:
    file.seek(0)
    return f"process {file.read().decode() or 'of unknown number'}"


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Check whether the path still refers to the open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
