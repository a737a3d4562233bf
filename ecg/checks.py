"""Checks of a signal: against its header, and for values that no electrocardiogram has."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ecg.headers import Header, Message

ABSURDLY_SMALL_MV = 0.02  # range of the largest lead; records with a wrong gain have QRS of 0.5 µV
ABSURDLY_LARGE_MV = 50.0  # median range of the leads; no heart has such amplitudes
CLIPPED_SHARE = 0.01  # share of samples at one extreme value; real peaks stay below


def header_errors(header: Header, digital: np.ndarray) -> Iterator[Message]:
    """Compare length, first values and checksums (16-bit sums) of the header with the signal."""
    stated, samples = header.samples, digital.shape[1]
    if stated is not None and stated != samples:
        text = f"the header states {stated} samples, the signal has {samples}"
        yield Message(header.name, "other length", text)
    firsts, checksums = header.lines.firsts, header.lines.checksums
    if digital.dtype != np.int16 or not any((*firsts, *checksums)):
        return  # missing, or all zero because a tool did not fill them in
    sums = digital.sum(axis=1, dtype=np.int16).tolist()
    actual = list(zip(digital[:, 0].tolist(), sums, strict=True))
    if any(checksums):
        expected = list(zip(firsts, checksums, strict=True))
    else:  # 2017's headers have first values only, and 0 for all checksums
        expected = list(zip(firsts, sums, strict=True))
    wrong = [row for row, pair in enumerate(expected) if pair != actual[row] and None not in pair]
    if not wrong:
        return
    names = ", ".join(header.leads[row] or f"row {row + 1}" for row in wrong)
    if all(expected[row] in actual for row in wrong):
        text = f"rows are swapped: first values and checksums of {names} fit other rows"
        yield Message(header.name, "swapped rows", text)
    else:
        text = f"signal and header disagree in first value or checksum of {names}; fetch it again"
        yield Message(header.name, "corrupt signal", text)


def signal_warnings(signal: np.ndarray, leads: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Find what is unusual about a signal, as (kind, sentence).

    Parameters
    ----------
    signal : np.ndarray of shape (leads, samples)
        In mV, NaN where a sample has no value.
    """
    low, high = signal.min(axis=1), signal.max(axis=1)
    gaps = np.isnan(low)
    if gaps.any():
        yield from _gaps(signal, leads, gaps)
        with np.errstate(invalid="ignore"):
            filled = np.where(np.isnan(signal), np.float32(0), signal)
        low, high = filled.min(axis=1), filled.max(axis=1)
    ranges = high - low
    flat = ranges == 0
    if flat.all():
        yield "all leads flat", "all leads are flat"
        return
    if flat.any():
        yield "flat leads", f"{_named(leads, flat)} flat"
    if ranges.max() < ABSURDLY_SMALL_MV:
        yield (
            "absurd gain",
            f"the whole record stays within {1000 * ranges.max():.2g} µV; is the gain in the "
            "header right?",
        )
    elif np.median(ranges) > ABSURDLY_LARGE_MV:
        yield (
            "absurd gain",
            f"the leads range over {np.median(ranges):.0f} mV; is the gain in the header right?",
        )
    yield from _clipped(signal, leads, low, high, flat)


def _gaps(signal: np.ndarray, leads: Sequence[str], gaps: np.ndarray) -> Iterator[tuple[str, str]]:
    count = int(np.isnan(signal).sum())
    yield (
        "samples without value",
        f"{count} samples without a value (NaN or −32768) in {_named(leads, gaps)}; read as 0 mV",
    )


def _clipped(
    signal: np.ndarray, leads: Sequence[str], low: np.ndarray, high: np.ndarray, flat: np.ndarray
) -> Iterator[tuple[str, str]]:
    """Find leads whose extreme value recurs: an amplifier or converter at its limit."""
    limit = max(3, math.ceil(CLIPPED_SHARE * signal.shape[1]))
    # Checking one sample in eight first costs an eighth and misses no lead that reaches the share.
    thinned = signal[:, ::8]
    suspects = ((thinned == high[:, None]).sum(1) + (thinned == low[:, None]).sum(1)) * 8 >= limit
    clipped = np.zeros(len(signal), dtype=bool)
    for row in np.flatnonzero(suspects & ~flat):
        middle = float(np.median(signal[row]))
        for extreme in (low[row], high[row]):
            recurs = np.count_nonzero(signal[row] == extreme) >= limit
            clipped[row] |= bool(recurs) and abs(extreme - middle) > 0.25 * (high[row] - low[row])
    if clipped.any():
        yield "clipped leads", f"{_named(leads, clipped)} clipped"


def _named(leads: Sequence[str], chosen: np.ndarray) -> str:
    return ", ".join(lead or "(no name)" for lead, yes in zip(leads, chosen, strict=True) if yes)
