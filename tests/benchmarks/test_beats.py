"""The benchmark of R peaks: its noise, its tables, and the peers' pins."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.beats import (
    DETECTORS,
    OURS,
    Marked,
    counted,
    detect,
    markdown,
    most_errors,
    percent,
    stress,
)
from simulate import simulate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def record() -> Marked:
    made = simulate(seed=1, duration_s=20, fs=250, leads=("II", "V5"))
    return Marked("SIM", made.signal.astype(float), 250, made.r_peaks, np.zeros((0, 2)))


@pytest.mark.parametrize("decibels", [12, 0])
def test_noise_has_the_ratio_asked_for(record: Marked, decibels: float) -> None:
    """Of complexes that range over a, as a sine of that size: a²/8, in either lead."""
    noise = np.random.default_rng(0).standard_normal((2, 250 * 7)) * [[3], [0.1]]
    added = stress(record, noise, decibels).signal - record.signal
    inner = [mark for mark in record.marks if 12 <= mark < record.signal.shape[1] - 12]
    for lead, more in zip(record.signal, added, strict=True):
        ranges = [np.ptp(lead[mark - 12 : mark + 13]) for mark in inner]
        ratio = np.mean(ranges) ** 2 / 8 / more.var()
        assert 10 * np.log10(ratio) == pytest.approx(decibels, abs=0.05)


def test_ours_takes_a_lead_or_all_and_a_failure_is_noted(record: Marked) -> None:
    failures: list[str] = []
    for lead in (0, 1, None):
        detected = detect((OURS, lead), record, failures)
        assert counted([record], [detected]).fn.sum() <= 1  # a beat that the end cuts in two
        assert detected.seconds > 0
    assert not failures
    detected = detect((OURS, 0), record._replace(fs=50), failures)
    assert detected.r_peaks.size == 0
    assert failures == [f"{OURS} on SIM: fs is 50 Hz; R peaks are detected from 100 Hz on. "
                      "Resample the signal."]  # fmt: skip
    assert list(DETECTORS)[0] == OURS


def test_tables(record: Marked) -> None:
    peaks = record.marks
    detected = [
        detect((OURS, None), record, [])._replace(r_peaks=r_peaks)
        for r_peaks in (peaks, peaks[2:], np.sort([*peaks, peaks[3] + 60]))
    ]
    records = [record._replace(name=name) for name in "abc"]
    counts = counted(records, detected)
    assert most_errors(records, counts) == "b 2+0, c 0+1"
    total = 3 * len(peaks)
    assert percent(counts) == (
        f"{100 * (total - 2) / total:.2f} / {100 * (total - 2) / (total - 1):.2f}"
    )
    assert markdown(["x", "y"], [["1", "2"]], ["it broke"]) == [
        "| x | y |", "| --- | --- |", "| 1 | 2 |", "", "Failed, counted as no beats: it broke."
    ]  # fmt: skip


def test_the_benchmark_needs_no_package_that_the_peers_environment_lacks() -> None:
    lacking = ("torch", "safetensors", "skmultilearn", "tqdm")
    program = f"import sys; sys.modules.update(dict.fromkeys({lacking})); import benchmarks.beats"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_the_peers_have_the_harness_own_versions() -> None:
    """But for pandas, which NeuroKit2 wants below 3."""
    pins = {
        name: dict(
            line.split("==") for line in (ROOT / name).read_text().splitlines() if "==" in line
        )
        for name in ("requirements.txt", "requirements-dev.txt", "requirements-peers.txt")
    }
    peers = pins.pop("requirements-peers.txt")
    ours = {**pins["requirements.txt"], **pins["requirements-dev.txt"]}
    assert {name for name in peers if name in ours and peers[name] != ours[name]} == {"pandas"}
    assert "torch" not in peers
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    reasons = design.partition("`requirements-peers.txt`")[2]
    for name in peers:
        assert name in reasons, f"{name} has no line in docs/design.md"
