"""Mapped: prepared signals as views of the cache's file, whatever its size in the same memory."""

import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecg import LeadwiseError

KEPT_BYTES = 64e6  # handed out before pages are let go of: 350 records of 10 s of ISIBrno


class Signals(Sequence[np.ndarray]):
    """Prepared signals of records: float16 (rows, samples) each, read-only.

    Pages of a mapped file count as memory of the process as long as they are mapped, so that an
    epoch would fill it with the whole file.  They are let go of now and then; views stay good,
    since a page that is let go of comes back from the file.

    Parameters
    ----------
    content : mmap or bytes
        From `map_file`: the records' float16 values, one record after the other.
    rows : int
        Of each record.
    lengths, starts : np.ndarray of int
        Samples of each record, and where in the content its values begin; without `starts` the
        records follow each other from the beginning.
    """

    def __init__(
        self,
        content: mmap.mmap | bytes,
        rows: int,
        lengths: np.ndarray,
        starts: np.ndarray | None = None,
    ) -> None:
        self.rows, self.lengths = rows, lengths
        self._content, self._values = content, np.frombuffer(content, np.float16)
        self._starts = np.cumsum(rows * lengths) - rows * lengths if starts is None else starts
        self._handed_out = 0

    def __len__(self) -> int:
        """Count the records."""
        return len(self.lengths)

    def __getitem__(self, place: int) -> np.ndarray:  # type: ignore[override]  # no slices
        """Give a record's signal as a view of the file.

        Raises
        ------
        LeadwiseError
            The file was cut off after it was opened: reading on would end the process unsaid.
        """
        start, size = self._starts[place], self.rows * self.lengths[place]
        view = self._values[start : start + size].reshape(self.rows, -1)
        if isinstance(self._content, mmap.mmap):
            if self._content.size() < len(self._content):
                raise LeadwiseError("the prepared signals were cut off while in use; start again")
            self._handed_out += view.nbytes
            if self._handed_out > KEPT_BYTES:
                self._content.madvise(mmap.MADV_DONTNEED)
                self._handed_out = 0
        return view

    def part(self, places: np.ndarray) -> "Signals":
        """Take some of the records."""
        return Signals(self._content, self.rows, self.lengths[places], self._starts[places])


def map_file(path: Path) -> mmap.mmap | bytes:
    """Map a file to read it; an empty one cannot be mapped.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with open(path, "rb") as file:
        if path.stat().st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
