"""Warnings about amplitudes, on either side of each limit; numbers written out in mV."""

from contextlib import nullcontext

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.checks import check_sizes, signal_warnings
from ecg.headers import parse_header
from ecg.leads import STANDARD

LEADS = ("I", "II", "V1")


def triangle(*ranges_mv: float, samples: int = 1000) -> np.ndarray:
    """Give leads that rise and fall steadily over these ranges, without repeated extremes."""
    slope = np.linspace(0, 1, samples)
    return np.array(ranges_mv)[:, None] * np.where(slope < 0.5, slope, 1 - slope) * 2


def kinds(signal: np.ndarray, leads: tuple[str, ...] = LEADS) -> list[str]:
    return [kind for kind, _ in signal_warnings(signal, leads[: len(signal)])]


@pytest.mark.parametrize(
    ("ranges_mv", "expected"),
    [
        ((0.0198, 0.0198, 0.0198), ["absurd gain"]),
        ((0.0202, 0.0202, 0.0202), []),
        ((0.001, 0.001, 0.0202), []),  # the largest lead counts
        ((49.5, 49.5, 49.5), []),
        ((50.5, 50.5, 50.5), ["absurd gain"]),
        ((1.0, 50.5, 50.5), ["absurd gain"]),  # the median lead counts
        ((0.3, 0.3, 9.9), []),
        ((0.3, 0.3, 10.1), ["gain of a lead"]),
        ((1.0, 1.0, 9.9), []),
        ((1.0, 1.0, 10.1), ["gain of a lead"]),
        ((2.0, 2.0, 19.8), []),
        ((2.0, 2.0, 20.2), ["gain of a lead"]),
        ((1.0, 1.0, 500.0), ["gain of a lead"]),
        ((0.0, 1.0, 1.0), ["flat leads"]),
        ((1e-4, 1.0, 1.0), ["gain of a lead"]),  # flat is constant
        ((0.0198, 1.0, 1.0), ["gain of a lead"]),
        ((0.0202, 1.0, 1.0), []),
        ((0.0098, 0.1, 0.1), ["gain of a lead"]),
        ((0.0102, 0.1, 0.1), []),
        ((0.0, 0.0, 0.0), ["all leads flat"]),
    ],
)
def test_amplitudes_and_flat_leads(ranges_mv: tuple[float, ...], expected: list[str]) -> None:
    signal = triangle(*ranges_mv)
    assert kinds(signal) == expected
    assert kinds(signal + 5.0) == expected  # an offset is no range


@pytest.mark.parametrize(("offset_mv", "expected"), [(19.9, []), (20.1, ["absurd baseline"])])
def test_a_lead_beyond_20_mv_throughout_has_a_wrong_baseline(
    offset_mv: float, expected: list[str]
) -> None:
    signal = triangle(1.0, 1.0, 1.0)
    signal[1] += offset_mv
    assert kinds(signal) == kinds(-signal) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.48, []), (0.52, ["limb leads disagree"])])
def test_limb_leads_may_differ_by_half_their_amplitude(share: float, expected: list[str]) -> None:
    """II is the larger one; III = II − I."""
    first, second = triangle(0.6, 1.0)
    leads = ("I", "II", "III")
    assert kinds(np.stack([first, second, second - first + share * second]), leads) == expected
    assert kinds(np.stack([first, second, second - first - share * second]), leads) == expected


@pytest.mark.parametrize(
    ("samples", "held", "expected"),
    [
        (1000, 9, []),
        (1000, 12, ["clipped leads"]),
        (5000, 48, []),
        (5000, 52, ["clipped leads"]),
        (7, 2, []),  # but at least three
        (7, 3, ["clipped leads"]),
    ],
)
def test_one_sample_in_a_hundred_at_an_extreme_is_clipped(
    samples: int, held: int, expected: list[str]
) -> None:
    for sign in (1, -1):
        signal = triangle(1.0, samples=samples)
        top = np.argsort(signal[0])[-held:]
        signal[0, top] = signal[0, top].max()
        assert kinds(sign * signal) == expected


@pytest.mark.parametrize(("base", "expected"), [(0.80, []), (0.70, ["clipped leads"])])
def test_an_extreme_near_the_middle_is_a_base_line(base: float, expected: list[str]) -> None:
    """Nearer than a quarter of the range to the median it is where the signal rests."""
    signal = triangle(base)
    signal[0, 100] = -0.2 / 0.8 * base  # the range is from there to 1
    signal[0, 480:520] = 1.0
    signal[0, 0:400:2] = base
    signal[0, 1:400:2] = np.linspace(base, base + 1e-3, 200)
    signal[0, 600:] = np.linspace(base - 1e-3, base, 400)
    signal[0, 600] = 0.0
    assert kinds(signal) == expected


def test_sentences_name_leads_and_numbers() -> None:
    signal = triangle(0.0, 1.0, 1.0)
    signal[1, [5, 6]] = np.nan
    assert dict(signal_warnings(signal, LEADS)) == {
        "samples without value": (
            "2 samples without a value (NaN, infinite or −32768) in II; read as 0 mV"
        ),
        "flat leads": "I flat",
    }
    small = dict(signal_warnings(triangle(0.012), ("II",)))["absurd gain"]
    assert small.startswith("the whole record stays within 12 µV")
    large = dict(signal_warnings(triangle(61.0), ("II",)))["absurd gain"]
    assert large.startswith("the leads range over 61 mV")


@pytest.mark.parametrize(
    ("samples", "stored", "reason"),
    [
        (178_956_970, 2**33, ""),  # twelve leads for four days at 500 Hz: 2**31 values
        (178_956_971, 2**33, "which no ECG has"),
        (6_000_000, 72_000_000, ""),  # a byte per value
        (6_000_000, 71_999_999, "too many for 71,999,999 bytes"),
        (5_000_000, 1000, ""),  # 60 million values can be allocated, and errors be named
        (100_000, 76_800_000, ""),  # 64 bytes per value
        (100_000, 76_800_001, "too few for 76,800,001 bytes"),
        (None, 2**40, ""),
    ],
)
def test_lengths_that_the_files_cannot_have_are_refused(
    samples: int | None, stored: int, reason: str
) -> None:
    rows = "".join(f"R.dat 16 1000/mV 16 0 0 0 0 {lead}\n" for lead in STANDARD)
    header = parse_header(f"R 12 500 {samples or ''}\n" + rows, "R")
    with pytest.raises(LeadwiseError, match=reason) if reason else nullcontext():
        check_sizes(header, {"R.dat": stored})
