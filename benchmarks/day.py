"""R peaks of a day: 24 h of three leads at 250 Hz, int16 on disk, in chunks of 1, 10 and 60 min.

    python -m benchmarks.day [--hours 24]

The recording is simulated, with another rhythm every hour.  Each chunk length runs in a process of
its own; peak memory is the kernel's figure (Linux), imports included.  All chunk lengths must give
the same beats.  The table is written into docs/results.md.
"""

import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.beats import RESULTS, percent
from benchmarks.common import Seconds, machine, parse_options, run, table_lines, timed
from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.beats import detect_long
from scoring.beats import count, stack
from simulate import simulate

FS = 250
LEADS = ("II", "V1", "V5")
HOURS = (["NSR"], ["AF"], ["SB", "PVC"], ["SA"], ["STach"], ["NSR", "PVC"], ["LBBB"], ["AFL"])
CHUNKS_MIN = (1, 10, 60)


def write_day(path: Path, hours: int) -> np.ndarray:
    """Write hours of signal in µV, sample by sample, and return the R peaks."""
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


def measure(path: Path, minutes: int) -> tuple[np.ndarray, Seconds, float]:
    """Detect; return R peaks, duration and peak memory in MB of this process."""
    r_peaks, duration = timed(lambda: detect_long(chunks(path, minutes), FS))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return r_peaks, duration, int(peak.split()[1]) / 1000


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, hours=24)
    rows, detections = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.dat"
        marks = write_day(path, options.hours)
        for minutes in CHUNKS_MIN:
            print(f"chunks of {minutes} min", file=sys.stderr, flush=True)
            with get_context("spawn").Pool(1) as pool:
                r_peaks, duration, peak_mb = pool.apply(measure, (path, minutes))
            detections.append(r_peaks)
            rows.append([
                f"{minutes} min", f"{duration.wall:.1f}", f"{duration.cpu:.1f}", f"{peak_mb:.0f}",
                percent(stack([count(marks, r_peaks, FS)])), f"{len(r_peaks)} of {len(marks)}",
            ])  # fmt: skip
    if not all(np.array_equal(detections[0], r_peaks) for r_peaks in detections):
        raise LeadwiseError("chunks of different lengths give different beats")
    columns = ["chunks", "s", "CPU s", "peak memory, MB", "Se / +P", "beats"]
    lines = [f"{machine('scipy')}; one thread.", "", *table_lines(columns, rows)]
    write_tables(RESULTS, {"beats-day": lines})


if __name__ == "__main__":
    run(main)
