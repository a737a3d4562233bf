"""Score beat labels by ANSI/AAMI EC57: `python -m scoring.ec57 REFERENCE… --test FOLDER`.

Prints the tables of WFDB's `bxb`, `rxr` and `sumstats` for two annotators of any records: beats,
beats missed in shutdown, and runs of ventricular and supraventricular ectopic beats.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.annotation_files import BEATS_EXTENSION, read_timed_marks
from ecg.folders import find_headers
from ecg.headers import Header
from ecg.progress import count_one, log, progress_bar, quiet_pipe
from ecg.records import read_header
from scoring.beats import LEARNING_S, TOLERANCE_MS
from scoring.ec57 import reports, tables
from scoring.ec57.beats import BEATS, Annotator, Comparison, compare_beats
from scoring.ec57.runs import SVEB, VEB, RunComparison, compare_runs
from scoring.outputs import list_names

END = bytes(2)  # of each annotation file in WFDB's format


class Period(NamedTuple):
    """The test period in seconds, and the match window; the end may be that of the record."""

    start_s: float = LEARNING_S
    end_s: float | None = None
    window_ms: float = TOLERANCE_MS


class Result(NamedTuple):
    """Comparison of one record."""

    beats: Comparison
    ventricular: RunComparison
    supraventricular: RunComparison


def read_annotator(path: Path, fs: float, samples: int | None) -> Annotator:
    """Read the marks of one annotator.

    Parameters
    ----------
    fs : float
        Sampling frequency of the record in Hz.
    samples : int, optional
        Length of the record, if its header states it.

    Raises
    ------
    LeadwiseError
        The file is missing, cannot be read, or is of another rate or another record.
    """
    if not path.is_file():
        raise LeadwiseError(f"no annotations: {path} does not exist")
    if path.read_bytes()[-2:] != END:
        raise LeadwiseError(f"{path} is cut off or no annotation file: its last word is not 0")
    marks, rate = read_timed_marks(str(path))
    if rate and abs(rate - fs) > 1e-6 * fs:
        raise LeadwiseError(
            f"{path} is at {rate:g} Hz and the record at {fs:g} Hz; write the annotations at the "
            "rate of the record"
        )
    marks.sort(key=lambda mark: mark.sample)
    if samples and marks and marks[-1].sample > samples:
        raise LeadwiseError(
            f"{path} has a mark at sample {marks[-1].sample:,}, the record has {samples:,} samples;"
            " is it of another record, or at another rate?"
        )
    columns = [[mark[column] for mark in marks] for column in (0, 1, 4, 3)]
    kinds = (int, np.str_, int, np.str_)
    return Annotator(*(np.array(own, kind) for own, kind in zip(columns, kinds, strict=True)))


def compare_record(header: Header, reference: Path, test: Path, period: Period) -> Result:
    """Compare two annotation files of a record.

    Raises
    ------
    LeadwiseError
        A file cannot be used, the record ends before the test period, or the reference marks no
        beat in it.
    """
    fs, samples = header.fs, header.samples
    marked, found = (read_annotator(path, fs, samples) for path in (reference, test))
    if samples and samples <= period.start_s * fs:
        raise LeadwiseError(
            f"the record has {samples / fs:.0f} s, the comparison begins at {period.start_s:g} s; "
            "choose an earlier begin by -f"
        )
    end = samples if period.end_s is None else int(period.end_s * fs)
    start_s, _, window_ms = period
    beats = compare_beats(marked, found, fs, start_s=start_s, end=end or None, window_ms=window_ms)
    if not beats.matrix[BEATS].any():
        raise LeadwiseError(f"{reference} has no beats in the test period")
    ventricular, supraventricular = (
        compare_runs(
            marked, found, fs, kind, start_s=start_s, end=end or np.inf, window_ms=window_ms
        )
        for kind in (VEB, SVEB)
    )
    return Result(beats, ventricular, supraventricular)


def headers_of(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """List the headers of records: of folders, of headers, and of records without an ending.

    Returns
    -------
    headers : list of Path
    problems : list of str
        Records of a folder that are left out, with reasons.

    Raises
    ------
    LeadwiseError
        A folder does not exist or holds no header.
    """
    headers: list[Path] = []
    problems: list[str] = []
    for path in paths:
        if path.is_dir():
            found, messages = find_headers(path)
            headers += found
            problems += map(str, messages)
        else:
            headers.append(path if path.suffix == ".hea" else Path(f"{path}.hea"))
    return headers, problems


def compare_records(
    headers: Sequence[Path], folder: Path, extensions: tuple[str, str], period: Period
) -> tuple[dict[str, Result], list[str]]:
    """Compare records with the annotations of a folder.

    Parameters
    ----------
    extensions : (str, str)
        Of the reference's and of the test's annotation files.

    Returns
    -------
    results : dict of str to Result
        By record name.
    problems : list of str
        Records left out, with reasons.
    """
    results: dict[str, Result] = {}
    problems: list[str] = []
    with progress_bar("Comparing", len(headers), "record") as progress:
        for path in headers:
            name = path.stem
            files = (path.with_suffix(f".{extensions[0]}"), folder / f"{name}.{extensions[1]}")
            try:
                if name in results:
                    raise LeadwiseError(f"two records have this name; {path} is left out")
                if files[1].is_file() and files[0].samefile(files[1]):
                    raise LeadwiseError(f"{files[1]} is both reference and test")
                results[name] = compare_record(read_header(path), *files, period)
            except (LeadwiseError, OSError) as error:
                problems.append(f"{name}: {str(error).removeprefix(f'{name}: ')}")
            count_one(progress)
    return results, problems


def format_results(results: dict[str, Result], extensions: tuple[str, str], layout: str) -> str:
    """Format results in the layout of bxb's and rxr's option `l`, `L`, `s` or `S`."""
    svebs = layout.isupper()
    if layout in "sS":
        texts = []
        for name, result in results.items():
            texts.append(reports.beat_report(name, extensions, result.beats, svebs=svebs) + "\n")
            texts.append(reports.run_report(name, extensions, result.ventricular, VEB))
            if svebs:
                texts.append(reports.run_report(name, extensions, result.supraventricular, SVEB))
        return "\n".join(texts)
    beats = {name: result.beats for name, result in results.items()}
    parts = [
        ("Beat detection and classification performance", tables.beat_table(beats, svebs=svebs)),
        ("Analysis shutdowns", tables.shutdown_table(beats, svebs=svebs)),
    ]
    runs = {name: result.ventricular for name, result in results.items()}
    title = "Ventricular ectopic run detection performance"
    parts.append((title, tables.run_table(runs, VEB)))
    if svebs:
        runs = {name: result.supraventricular for name, result in results.items()}
        title = "Supraventricular ectopic run detection performance"
        parts.append((title, tables.run_table(runs, SVEB)))
    return "\n\n".join(f"{title}\n\n{table}" for title, table in parts)


def seconds(text: str) -> float:
    """Read a time, in seconds or as `minutes:seconds` or `hours:minutes:seconds`.

    Examples
    --------
    >>> seconds("5:00"), seconds("1:00:30"), seconds("0.15")
    (300.0, 3630.0, 0.15)
    """
    total = 0.0
    for part in text.split(":"):
        value = float(part)
        if not 0 <= value < float("inf"):
            raise ValueError
        total = 60 * total + value
    return total


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scoring.ec57",
        description="Compare two annotators of beats by ANSI/AAMI EC57, as WFDB's bxb, rxr and "
        "sumstats do.",
    )
    parser.add_argument(
        "reference", nargs="+", type=Path,
        help="record (NAME or NAME.hea) or folder of records with reference annotations",
    )  # fmt: skip
    parser.add_argument(
        "--test", type=Path, required=True, metavar="FOLDER", help="folder of test annotations"
    )
    for whose in ("reference", "test"):
        parser.add_argument(
            f"--{whose}-extension", default=BEATS_EXTENSION, metavar="EXT",
            help=f"of the {whose} annotations NAME.EXT (default: %(default)s)",
        )  # fmt: skip
    for letter, name, default, text in (
        ("f", "start", "5:00", "begin (default: 5:00)"),
        ("t", "end", None, "end (default: that of the record)"),
        ("w", "window", "0.15", "match window (default: 0.15)"),
    ):
        parser.add_argument(
            f"-{letter}", dest=name, type=seconds, default=default, metavar="TIME", help=text
        )
    layouts = parser.add_mutually_exclusive_group()
    for layout, text in (
        ("L", "tables, a line per record, with SVEB (default)"), ("l", "tables without SVEB"),
        ("S", "a report per record, with SVEB"), ("s", "a report per record without SVEB"),
    ):  # fmt: skip
        layouts.add_argument(f"-{layout}", dest="layout", action="store_const", const=layout,
                             default="L", help=text)  # fmt: skip
    options = parser.parse_args(argv)
    if options.end is not None and options.end <= options.start:
        parser.error("the comparison ends (-t) before it begins (-f)")
    return options


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = parse(argv)
    extensions = options.reference_extension, options.test_extension
    period = Period(options.start, options.end, options.window * 1000)
    if period != Period():
        log("Note: -f, -t and -w give figures that are not EC57's.")
    try:
        if not options.test.is_dir():
            raise LeadwiseError(f"{options.test}: no such folder")
        headers, problems = headers_of(options.reference)
        results, failed = compare_records(headers, options.test, extensions, period)
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    if results:
        print(format_results(results, extensions, options.layout))
    if silent := [name for name, one in results.items() if not one.beats.matrix[:, BEATS].any()]:
        log(f"Note: no beat of the test annotator, all are missed: {list_names(silent)}.")
    problems += failed
    for problem in problems:
        log(f"Left out: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
