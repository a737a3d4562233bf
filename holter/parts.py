"""Parts of a recording, so that a day of it never stands in memory whole."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.leads import canonical_name, list_leads
from ecg.records import Record


class Part(NamedTuple):
    """Samples `[begin, end)` of a recording with a margin; `signal` begins at sample `first`.

    `signal` is float32 mV of shape (leads, samples), NaN where a sample has no value.
    """

    begin: int
    end: int
    first: int
    signal: np.ndarray


def read_parts(record: Record, rows: Sequence[int], length: int, margin: int = 0) -> Iterator[Part]:
    """Read a recording in parts of `length` samples.

    Parameters
    ----------
    rows : sequence of int
        Leads to read, by their place in the record.
    margin : int
        Samples of the neighbours that a part has at either side, as far as there are any.

    Raises
    ------
    LeadwiseError
        The signal is missing, cut off, or unreadable.
    """
    samples, origin = record.samples, record.span[0] if record.span else 0
    if not samples:
        raise LeadwiseError(f"{record.name}: the signal has no samples")
    for begin in range(0, samples, length):
        end = min(begin + length, samples)
        first, last = max(0, begin - margin), min(end + margin, samples)
        signal = replace(record, span=(origin + first, origin + last)).signal
        yield Part(begin, end, first, np.ascontiguousarray(signal[list(rows)]))


def choose_rows(record: Record, leads: Sequence[str] = ()) -> list[int]:
    """Find leads in a record by name, in any case; () for all.

    Raises
    ------
    LeadwiseError
        The record has none of them.
    """
    if not leads:
        return list(range(len(record.leads)))
    wanted = {canonical_name(lead) for lead in leads}
    rows = [row for row, lead in enumerate(record.leads) if canonical_name(lead) in wanted]
    if not rows:
        raise LeadwiseError(
            f"{record.name}: has the leads {list_leads(record.leads)}, none of "
            f"{list_leads(leads)}; name others"
        )
    return rows
