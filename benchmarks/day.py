"""R peaks of a day: 24 h of three leads at 250 Hz, int16 on disk, in chunks of 1, 10 and 60 min.

    python -m benchmarks.day [--hours 24]

The recording is simulated, an hour of each of several rhythms in turn.  Each chunk length is a
process of its own, whose peak memory is the kernel's figure (Linux), imports included.  Writes its
table in docs/results.md.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.beats import markdown, measured, percent, write_results
from ecg.beats import detect_long
from scoring.beats import count, stack
from simulate import simulate

FS = 250
LEADS = ("II", "V1", "V5")
HOURS = (["NSR"], ["AF"], ["SB", "PVC"], ["SA"], ["STach"], ["NSR", "PVC"], ["LBBB"], ["AFL"])
CHUNKS_MIN = (1, 10, 60)


def write_day(path: Path, hours: int) -> np.ndarray:
    """Write hours of signal as µV, sample by sample; give the R peaks."""
    r_peaks = []
    with path.open("wb") as file:
        for hour in range(hours):
            diagnoses = HOURS[hour % len(HOURS)]
            record = simulate(diagnoses, seed=hour, duration_s=3600, fs=FS, leads=LEADS)
            file.write(np.rint(record.signal.T * 1000).astype("<i2").tobytes())
            r_peaks.append(record.r_peaks + hour * 3600 * FS)
    return np.concatenate(r_peaks)


def chunks(path: Path, minutes: int) -> Iterator[np.ndarray]:
    """Read a file in chunks, (leads, samples)."""
    whole = np.memmap(path, "<i2", "r").reshape(-1, len(LEADS))
    step = minutes * 60 * FS
    for first in range(0, len(whole), step):
        yield np.array(whole[first : first + step]).T


def measure(path: Path, minutes: int) -> tuple[np.ndarray, float, float, float]:
    """Detect; give R peaks, seconds, CPU seconds and peak memory in MB of this process."""
    begun, cpu = time.perf_counter(), time.process_time()
    found = detect_long(chunks(path, minutes), FS)
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return found, took, cpu, int(peak.split()[1]) / 1000


def main() -> int:
    """Run the command; the answer is its exit status: 1 where chunk lengths differ."""
    parser = argparse.ArgumentParser(description="Measure the detection of a day's R peaks.")
    parser.add_argument("--hours", type=int, default=24, help="default: 24")
    options = parser.parse_args()
    columns = ["chunks", "s", "CPU s", "peak memory, MB", "Se / +P", "beats"]
    rows, first = [], None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.dat"
        r_peaks = write_day(path, options.hours)
        for minutes in CHUNKS_MIN:
            print(f"chunks of {minutes} min", file=sys.stderr, flush=True)
            with get_context("spawn").Pool(1) as pool:
                found, took, cpu, peak = pool.apply(measure, (path, minutes))
            first = found if first is None else first
            same = np.array_equal(first, found)
            rows.append(
                [
                    f"{minutes} min",
                    f"{took:.1f}",
                    f"{cpu:.1f}",
                    f"{peak:.0f}",
                    percent(stack([count(r_peaks, found, FS)])),
                    f"{len(found)} of {len(r_peaks)}, {'the same' if same else 'others'}",
                ]
            )
    table = markdown(columns, rows, [])
    write_results({"beats-day": f"{measured('scipy')}\n\n{table}"})
    return 0 if "others" not in table else 1


if __name__ == "__main__":
    sys.exit(main())
