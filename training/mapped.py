"""Arrays of records in one memory-mapped file."""

import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecg import LeadwiseError

MAPPED_BYTES = 64e6  # read between two releases of pages: 350 records of 10 s of ISIBrno


class MappedArrays(Sequence[np.ndarray]):
    """Arrays (channels, samples) of records as read-only views of one memory-mapped file.

    Mapped pages count as memory of the process, so after one epoch the whole file would be in
    memory.  They are released after every `MAPPED_BYTES`.  Views stay valid, because the kernel
    reads a released page from the file again.

    Parameters
    ----------
    content : mmap or bytes
        From `map_file`: the records' values, one record after the other.
    dtype : type
    channels : int
        Of each record.
    lengths, starts : np.ndarray of int
        Samples of each record, and the index of its first value.  Without `starts`, records are
        contiguous.
    """

    def __init__(
        self,
        content: mmap.mmap | bytes,
        dtype: type,
        channels: int,
        lengths: np.ndarray,
        starts: np.ndarray | None = None,
    ) -> None:
        self.dtype, self.channels, self.lengths = dtype, channels, lengths
        self._content = content
        self._values: np.ndarray = np.frombuffer(content, dtype)
        sizes = channels * lengths
        self._starts = np.cumsum(sizes) - sizes if starts is None else starts
        self._returned = 0

    def __len__(self) -> int:
        """Count the records."""
        return len(self.lengths)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]  # no slices
        """Return a record's values as a view of the file.

        Raises
        ------
        LeadwiseError
            The file was truncated after it was opened; reading on would crash the process.
        """
        start, size = self._starts[index], self.channels * self.lengths[index]
        view = self._values[start : start + size].reshape(self.channels, -1)
        if isinstance(self._content, mmap.mmap):
            if self._content.size() < len(self._content):
                raise LeadwiseError("the cache was truncated while in use; start again")
            self._returned += view.nbytes
            if self._returned > MAPPED_BYTES:
                if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
                    self._content.madvise(mmap.MADV_DONTNEED)
                self._returned = 0
        return view

    def subset(self, indices: np.ndarray) -> "MappedArrays":
        """Take a subset of the records."""
        lengths, starts = self.lengths[indices], self._starts[indices]
        return MappedArrays(self._content, self.dtype, self.channels, lengths, starts)


def map_file(path: Path) -> mmap.mmap | bytes:
    """Map a file for reading; an empty one cannot be mapped and becomes empty bytes.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with open(path, "rb") as file:
        if path.stat().st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
