"""Time to read records, compared with wfdb.rdrecord and scipy.io.loadmat on the same files.

    python -m benchmarks.reading FOLDER [--rounds 15]

FOLDER holds Challenge records, flat or nested; records that wfdb refuses are counted and excluded.
Files are in the system's cache.  All calls alternate after one round as warm-up; each figure is the
best round.  wfdb reads headers through pandas, so the version of pandas matters.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import wfdb
from scipy.io import loadmat

from benchmarks.common import best, machine, parse_options, print_table, ratio, run, take_turns
from ecg import LeadwiseError
from ecg.folders import find_headers
from ecg.matlab import read_mat
from ecg.records import read_record

# Functions of a path without ending; each peer follows ours.
CALLS: dict[str, Callable[[str], object]] = {
    "read_record(…).signal": lambda stem: read_record(f"{stem}.hea").signal,
    "read_record(…).read()": lambda stem: read_record(f"{stem}.hea").read(),
    "wfdb.rdrecord(…)": wfdb.rdrecord,
    "read_mat(…)": lambda stem: read_mat(f"{stem}.mat", stem),
    "the same, copied": lambda stem: np.array(read_mat(f"{stem}.mat", stem), order="C"),
    "scipy.io.loadmat(…)": lambda stem: loadmat(f"{stem}.mat")["val"],
}


def readable_by_both(folder: str) -> tuple[list[str], int]:
    """Find the records that wfdb reads, and check that both read the same numbers.

    Returns their paths without ending, and the number of records that wfdb refuses.
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


def call_all(call: Callable[[str], object], stems: Sequence[str]) -> None:
    """Call a function for each record."""
    for stem in stems:
        call(stem)


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "folder", rounds=15)
    stems, refused = readable_by_both(options.folder)
    print(f"{machine('scipy', 'wfdb', 'pandas')}; {len(stems)} records ({refused} more that wfdb "
          "refuses), one thread\n")  # fmt: skip
    calls = [partial(call_all, call, stems) for call in CALLS.values()]
    durations = take_turns(calls, options.rounds)
    peers = [durations[2]] * 3 + [durations[5]] * 3
    print_table(
        ["call", "µs per record", "times as fast as the peer"],
        (
            [name, f"{1e6 * best(ours).wall / len(stems):.0f}", ratio(peer, ours)]
            for name, ours, peer in zip(CALLS, durations, peers, strict=True)
        ),
    )


if __name__ == "__main__":
    run(main)
