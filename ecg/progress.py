"""Progress of long work on stderr: log lines, progress bars, durations."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm


def log(text: str) -> None:
    """Write a line to stderr, above a progress bar if one is shown."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()


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
