"""What the commands that read records share: paths and settings as options, how they end."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ecg import LeadwiseError
from ecg.folders import LOST, find_headers, header_path
from ecg.progress import log
from training.settings import read_settings


class Job(NamedTuple):
    """A record's header, the folder for its outputs, and its name with the folders above it."""

    header: Path
    folder: Path
    name: str


def add_records(parser: argparse.ArgumentParser, files: str) -> None:
    """Add the arguments RECORD_OR_FOLDER and `--out`, the folder for these files."""
    parser.add_argument(
        "records", metavar="RECORD_OR_FOLDER", nargs="+",
        help="header, path without .hea, or folder of records, flat or nested",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, required=True,
        help=f"folder for {files}, created if absent",
    )  # fmt: skip


def find_jobs(paths: Sequence[str], out: Path) -> tuple[list[Job], list[str]]:
    """List the records of some paths, and names of those that are left out.

    Raises
    ------
    LeadwiseError
        A folder holds no record, or `out` is the folder of records.
    """
    jobs: dict[Path, Job] = {}
    failed = []
    for text in paths:
        root = Path(text)
        if root.is_dir():
            headers, problems = find_headers(root)
            for problem in problems:
                log(str(problem))
            failed += [problem.record for problem in problems if problem.kind in LOST]
        else:
            headers = [header_path(text)]
            root = headers[0].parent
        for header in headers:
            folder = out / header.parent.relative_to(root)
            name = (header.parent.relative_to(root) / header.stem).as_posix()
            if folder.resolve() == header.parent.resolve():
                raise LeadwiseError(
                    f"{folder}: is the folder of {header.stem}; marks could replace annotation "
                    "files in it, so choose another --out"
                )
            if folder / header.stem in jobs:
                log(f"{name}: two records of this name; {header} is left out")
                failed.append(name)
            else:
                jobs[folder / header.stem] = Job(header, folder, name)
    return list(jobs.values()), failed


def set_settings(parser: argparse.ArgumentParser, given: Mapping[str, str | None]) -> None:
    """Set environment variables of settings, and end the command if a setting is invalid.

    Parameters
    ----------
    given : mapping of str to str or None
        Value of each variable; None: not given.
    """
    os.environ |= {name: text for name, text in given.items() if text is not None}
    try:
        read_settings()
    except LeadwiseError as error:
        parser.error(str(error))


def parse_options(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Add the options of all commands that process records, and parse the command line.

    `--rename` sets its environment variable.  Options that are invalid end the command.
    """
    parser.add_argument(
        "-f", "--allow-failures", action="store_true", help="exit with 0 even if records failed"
    )
    parser.add_argument(
        "--rename", metavar="OLD=NEW,…", help="new names of leads, such as MLII=II,C1=V1"
    )
    options = parser.parse_args(argv)
    set_settings(parser, {"LEADWISE_RENAME": options.rename})
    return options


def exit_status(
    process: Callable[[], tuple[list[str], int]], interrupted: str, *, allow_failures: bool
) -> int:
    """Process records, print how it ended, and return the command's exit status.

    Parameters
    ----------
    process : callable
        Gives the names of records that failed, and the number of records.
    interrupted : str
        What an interruption leaves.
    """
    try:
        failed, records = process()
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"Interrupted. {interrupted}; run the same command again.", file=sys.stderr)
        return 128 + signal.SIGINT
    if failed:
        log(f"{len(failed)} of {records} records failed: {', '.join(failed)}")
    print("Done.")
    return 1 if failed and not allow_failures else 0
