"""Write simulated records in the Challenge's format: `python -m simulate OUT`."""

import argparse
import sys
from pathlib import Path

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from ecg.progress import quiet_pipe
from simulate import write_records


@quiet_pipe()
def main() -> int:
    """Read the command line, write the records, and report on stderr that they are simulated."""
    parser = argparse.ArgumentParser(
        prog="python -m simulate",
        description="Write SIMULATED 12-lead records (.hea, .mat) of textbook findings, for tests "
        "and demonstrations. Results on them do not transfer to patients.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to write to")
    parser.add_argument("--records", type=int, default=300, help="number of records")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal records")
    parser.add_argument("--fs", type=float, default=500.0, help="sampling frequency, 100-1000 Hz")
    parser.add_argument("--seconds", type=float, default=10.0, help="duration, 0.5-3600 s")
    parser.add_argument(
        "--leads", type=int, default=12, choices=sorted(LEAD_SETS), help="number of leads"
    )
    parser.add_argument(
        "--annotations",
        action="store_true",
        help="write beats and rhythm (.atr) and waves (.all) as WFDB annotation files too",
    )
    options = parser.parse_args()
    if options.records < 1 or options.seed < 0:
        parser.error("--records must be at least 1, --seed at least 0")
    try:
        names = write_records(
            options.out,
            options.records,
            seed=options.seed,
            duration_s=options.seconds,
            fs=options.fs,
            leads=LEAD_SETS[options.leads],
            annotations=options.annotations,
        )
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")
    print(
        f"{len(names)} SIMULATED records, {names[0]} to {names[-1]}, are in {options.out}.",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
