"""Checks of a signal: against its header, and for values that no electrocardiogram has."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ecg import LeadwiseError
from ecg.files import most_unpacked
from ecg.headers import Header, Message
from ecg.leads import LIMB
from ecg.wfdb_signals import layout_of

ABSURDLY_SMALL_MV = 0.02  # range of the largest lead; records with a wrong gain have QRS of 0.5 µV
ABSURDLY_LARGE_MV = 50.0  # median range of the leads; no heart has such amplitudes
LARGE = 2**26  # values or bytes: two leads for a day; a smaller claim costs little
MOST_VALUES = 2**31  # twelve leads for four days at 500 Hz
SMALLEST = (0, -(2**7), -(2**9), -(2**11), -(2**15))  # of WFDB's formats, modulo 2**16
LARGE_LEAD_MV, SMALL_LEAD_MV = 10.0, 0.02  # range of one lead, if the others differ from it by
FAR_OFF = 10  # this factor; V leads have up to 8 times the range of limb leads
ABSURD_OFFSET_MV = 20.0  # offset of a whole lead; amplifiers without a high-pass reach 10 mV
LIMB_ERROR, LIMB_ERROR_MV = 0.5, 0.05  # share of the amplitude, and mV: SD of the difference
CLIPPED_SHARE = 0.01  # share of samples at one extreme value; real peaks stay below


def check_sizes(header: Header, sizes: Mapping[str, int]) -> None:
    """Compare the length that a header states with the size of its files, before they are read.

    Shorter ones are `header_errors`; this refuses numbers that nothing could be allocated for.

    Parameters
    ----------
    sizes : mapping
        Path and bytes of each signal file.

    Raises
    ------
    LeadwiseError
        The files cannot hold a signal of this length, or are far too large for it.
    """
    if not header.samples:
        return
    values, stored = len(header.leads) * header.samples, sum(sizes.values())
    stated = f"{header.name}: the header states {header.samples:,} samples of {len(header.leads)}"
    if values > MOST_VALUES:
        raise LeadwiseError(f"{stated} leads, which no ECG has; is line 1 of the header right?")
    if header.segments:
        return
    if values > LARGE and values > (most_unpacked(stored) if _packed(header, sizes) else stored):
        raise LeadwiseError(f"{stated} leads, too many for {stored:,} bytes; fetch the files again")
    if stored > LARGE and stored > 64 * values:
        raise LeadwiseError(f"{stated} leads, too few for {stored:,} bytes; fetch the files again")


def _packed(header: Header, sizes: Mapping[str, int]) -> bool:
    """Check whether a signal may be compressed: a .mat of version 5, or FLAC."""
    path = next(iter(sizes))
    if path.endswith(".mat"):
        with open(path, "rb") as file:
            return 0 not in file.read(4)
    return any(word.lstrip("0").startswith("5") for word in header.lines.formats)


def header_errors(header: Header, digital: np.ndarray) -> Iterator[Message]:
    """Compare length, first values and checksums (16-bit sums) of the header with the signal.

    A length of 0 is not stated.  Not compared are leads with a skew or several samples per frame,
    whose stored samples are not those of the signal.
    """
    stated, samples = header.samples, digital.shape[1]
    if stated and stated != samples:
        text = f"the header states {stated} samples, the signal has {samples}"
        yield Message(header.name, "other length", text)
    firsts, checksums = header.lines.firsts, header.lines.checksums
    if not any((*firsts, *checksums)):
        return  # missing, or all zero because a tool did not fill them in
    # 2017's headers have first values only, and 0 for all checksums
    expected = list(zip(firsts, checksums if any(checksums) else [None] * len(firsts), strict=True))
    actual = [(row[0], _sums(row)) for row in digital]
    words = header.lines.formats or ("16",) * len(firsts)
    stored = [layout.skew == 0 and layout.frames == 1 for layout in map(layout_of, words)]
    wrong = [
        row for row, pair in enumerate(expected)
        if stored[row] and not _fits(pair, actual[row])
    ]  # fmt: skip
    if not wrong:
        return
    names = ", ".join(header.leads[row] or f"row {row + 1}" for row in wrong)
    if all(any(_fits(expected[row], other) for other in actual) for row in wrong):
        text = f"rows are swapped: first values and checksums of {names} fit other rows"
        yield Message(header.name, "swapped rows", text)
    else:
        text = f"signal and header disagree in first value or checksum of {names}; fetch it again"
        yield Message(header.name, "corrupt signal", text)


def _sums(values: np.ndarray) -> set[int]:
    """Compute the 16-bit sum of a lead; several are possible for samples without value.

    Those are written as the smallest number of the format or of 16 bits.
    """
    if values.dtype.kind in "iu":
        return {int(values.sum(dtype=np.int64)) % 2**16}
    known = values[~np.isnan(values)]
    total = float(known.sum(dtype=np.float64))
    if not total.is_integer():  # infinite, or in units of another kind: no sum fits
        return set()
    gaps = len(values) - len(known)
    return {(int(total) + gaps * value) % 2**16 for value in SMALLEST}


def _fits(stated: tuple[int | None, int | None], actual: tuple[float, set[int]]) -> bool:
    """Compare first value and checksum; wfdb-python writes sums from 0 to 65,535."""
    first, checksum = stated
    return (first is None or first == actual[0] or math.isnan(actual[0])) and (
        checksum is None or checksum % 2**16 in actual[1]
    )


def signal_warnings(signal: np.ndarray, leads: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Find what is unusual about a signal, as (kind, sentence).

    Parameters
    ----------
    signal : np.ndarray of shape (leads, samples)
        In mV, NaN where a sample has no value.
    """
    low, high = signal.min(axis=1), signal.max(axis=1)
    gaps = ~(np.isfinite(low) & np.isfinite(high))
    if gaps.any():
        finite = np.isfinite(signal)
        yield (
            "samples without value",
            f"{np.count_nonzero(~finite)} samples without a value (NaN, infinite or −32768) in "
            f"{_named(leads, gaps)}; read as 0 mV",
        )
        signal = np.where(finite, signal, np.float32(0))
        low, high = signal.min(axis=1), signal.max(axis=1)
    ranges = high - low
    flat = ranges == 0
    if flat.all():
        yield "all leads flat", "all leads are flat"
        return
    if flat.any():
        yield "flat leads", f"{_named(leads, flat)} flat"
    yield from _gains(ranges, flat, leads)
    if (far := ~flat & (np.maximum(low, -high) > ABSURD_OFFSET_MV)).any():
        text = f"{_named(leads, far)} beyond {ABSURD_OFFSET_MV:g} mV throughout"
        yield "absurd baseline", f"{text}; is the baseline in the header right?"
    yield from _clipped(signal, leads, low, high, flat)
    yield from _limb_leads(signal, leads)


def _gains(ranges: np.ndarray, flat: np.ndarray, leads: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Find amplitudes that no heart has: of the whole record, or of single leads."""
    right = "is the gain in the header right?"
    middle = float(np.median(ranges[~flat]))
    if ranges.max() < ABSURDLY_SMALL_MV:
        text = f"the whole record stays within {1000 * ranges.max():.2g} µV; {right}"
        yield "absurd gain", text
    elif np.median(ranges) > ABSURDLY_LARGE_MV:
        yield "absurd gain", f"the leads range over {np.median(ranges):.0f} mV; {right}"
    else:
        odd = ranges > np.maximum(LARGE_LEAD_MV, FAR_OFF * middle)
        odd |= ~flat & (ranges < min(SMALL_LEAD_MV, middle / FAR_OFF))
        if odd.any():
            own = ", ".join(f"{value:.2g}" for value in ranges[odd])
            text = f"{_named(leads, odd)} range over {own} mV, the middle lead over {middle:.2g} mV"
            yield "gain of a lead", f"{text}; {right}"


def _limb_leads(signal: np.ndarray, leads: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Compare III, aVR, aVL and aVF with what I and II determine."""
    if "I" not in leads or "II" not in leads:
        return
    first, second = signal[leads.index("I")], signal[leads.index("II")]
    others = [lead for lead in LIMB if lead in leads and lead not in ("I", "II")]
    wrong = []
    with np.errstate(over="ignore", invalid="ignore"):  # of absurd gains, reported above
        scale = max(first.std(), second.std())
        for lead in others:
            stored, (of_first, of_second) = signal[leads.index(lead)], LIMB[lead]
            error = (stored - of_first * first - of_second * second).std()
            if error > max(LIMB_ERROR_MV, LIMB_ERROR * max(scale, stored.std())):
                wrong.append(lead)
    if wrong:
        text = f"{', '.join(wrong)} not as I and II determine (III = II − I); a wrong gain, name or"
        yield "limb leads disagree", f"{text} polarity in one of them?"


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
