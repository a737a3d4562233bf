"""Reading records: ours beside wfdb.rdrecord and scipy.io.loadmat, on the same files in one run.

    python -m benchmarks.reading FOLDER [--rounds 15]

FOLDER holds Challenge records, flat or nested; those that wfdb refuses are counted and left out.
Files come from the system's cache.  Each figure is the best of the rounds, in which all calls take
turns, after one round to warm up.  wfdb reads headers through pandas, whose version counts.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version

import numpy as np
import wfdb
from scipy.io import loadmat

from ecg import LeadwiseError
from ecg.matlab import read_mat
from ecg.records import find_headers, read_record

SIGNAL, SIGNAL_PEER = "read_record(…).signal", "wfdb.rdrecord(…)"
MATRIX, MATRIX_PEER = "read_mat(…)", "scipy.io.loadmat(…)"

# Each call takes a path without ending.
CALLS: dict[str, Callable[[str], object]] = {
    SIGNAL: lambda stem: read_record(f"{stem}.hea").signal,
    "read_record(…).read()": lambda stem: read_record(f"{stem}.hea").read(),
    SIGNAL_PEER: lambda stem: wfdb.rdrecord(stem),
    MATRIX: lambda stem: read_mat(f"{stem}.mat", stem),
    "the same, copied": lambda stem: np.array(read_mat(f"{stem}.mat", stem), order="C"),
    MATRIX_PEER: lambda stem: loadmat(f"{stem}.mat")["val"],
}
DELIVERS = {
    SIGNAL: "header read, float32 mV (leads, samples), in the file's order",
    "read_record(…).read()": "row by row and examined: checksums, amplitude, flat leads",
    SIGNAL_PEER: "header read, float64 mV (samples, leads)",
    MATRIX: "int16 (leads, samples), read-only, in the file's order",
    "the same, copied": "int16 (leads, samples), an array of its own, row by row",
    MATRIX_PEER: "int16 (leads, samples), an array of its own, row by row",
}
PEERS = {SIGNAL_PEER: list(CALLS)[:2], MATRIX_PEER: list(CALLS)[3:5]}


def readable_by_both(folder: str) -> tuple[list[str], int]:
    """Find the records that wfdb reads, and hold its numbers against ours.

    Returns
    -------
    stems : list of str
        Paths without ending.
    refused : int
        How many records wfdb refuses.
    """
    headers, _ = find_headers(folder)
    stems = []
    for path in headers:
        stem = str(path.with_suffix(""))
        try:
            peer = wfdb.rdrecord(stem).p_signal.T
        except ValueError:  # HeaderSyntaxError: Georgia's first dialect
            continue
        np.testing.assert_allclose(read_record(path).signal, peer, rtol=1e-6, err_msg=stem)
        np.testing.assert_array_equal(read_mat(f"{stem}.mat", stem), loadmat(f"{stem}.mat")["val"])
        stems.append(stem)
    if not stems:
        raise LeadwiseError(f"{folder}: wfdb reads none of the {len(headers)} records")
    return stems, len(headers) - len(stems)


def measure(stems: Sequence[str], rounds: int) -> dict[str, float]:
    """Measure each call in µs a record, best of the rounds."""
    best = dict.fromkeys(CALLS, float("inf"))
    for number in range(rounds + 1):
        for name, call in CALLS.items():
            begun = time.perf_counter()
            for stem in stems:
                call(stem)
            if number:  # the first one warms up
                best[name] = min(best[name], (time.perf_counter() - begun) / len(stems) * 1e6)
    return best


def main() -> int:
    """Run the command; the answer is its exit status."""
    parser = argparse.ArgumentParser(description="Measure how fast records are read.")
    parser.add_argument("folder", metavar="FOLDER", help="folder of Challenge records")
    parser.add_argument("--rounds", type=int, default=15, help="default: 15")
    options = parser.parse_args()
    try:
        stems, refused = readable_by_both(options.folder)
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "wfdb", "pandas"))
    print(f"{len(stems)} records ({refused} more that wfdb refuses), one thread")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, load "
          f"{os.getloadavg()[0]:.1f}; Python {platform.python_version()}, {packages}")  # fmt: skip
    best = measure(stems, options.rounds)
    for peer, ours in PEERS.items():
        for name in (*ours, peer):
            ratio = "" if name == peer else f"{best[peer] / best[name]:5.1f} ×"
            print(f"{name:24}{best[name]:8.0f} µs a record {ratio:8} {DELIVERS[name]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
