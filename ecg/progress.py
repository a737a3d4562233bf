"""Progress of long work on stderr: log lines, progress bars, durations."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecg import printable

if TYPE_CHECKING:
    from tqdm import tqdm


def log(text: str) -> None:
    """Write a line to stderr, above a progress bar if one is shown.

    Control characters and line breaks are escaped, because texts have names of files and leads.
    """
    from tqdm import tqdm

    tqdm.write(printable(text), file=sys.stderr)
    sys.stderr.flush()


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """End a command quietly if the reader of its output has ended: `… | head -1`.

    Decorates a command's `main`, so that what Python still holds of stdout is written inside.  The
    status is 141, as shells number a closed pipe.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        sys.exit(141)


@contextmanager
def progress_bar(what: str, total: int, unit: str) -> Iterator["tqdm[None]"]:
    """Show a progress bar with the remaining time if stderr is a terminal and there is work."""
    from tqdm import tqdm

    hidden = not total or not sys.stderr.isatty()
    with tqdm(desc=what, total=total, unit=unit, disable=hidden, leave=False) as progress:
        yield progress


def count_one(progress: "tqdm[None]") -> None:
    """Advance a progress bar; the first result, for which processes start, is not in the rate."""
    if not progress.n:
        progress.reset()
    progress.update()


def duration(seconds: float) -> str:
    """Format a duration.

    Examples
    --------
    >>> duration(42), duration(150), duration(7300)
    ('42 s', '2 min 30 s', '2 h 1 min')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
