"""Compare wave marks in two folders: `python -m scoring.waves REFERENCE OUTPUTS`.

REFERENCE holds headers and WFDB annotation files `NAME.LEAD` or `NAME.all`, OUTPUTS the files to be
compared.  Leads are compared one by one, and `NAME.all` of OUTPUTS with `NAME.all` of REFERENCE, or
else with the median of its leads.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ecg import LeadwiseError
from ecg.annotation_files import WAVES_EXTENSION, annotation_files, read_annotations
from ecg.annotations import ALL_LEADS, Annotations
from ecg.progress import quiet_pipe
from ecg.records import Record, find_records
from scoring.outputs import list_names
from scoring.waves import (
    CSE_SD_MS,
    LIMITS,
    TOLERANCES_MS,
    WAVES,
    Comparison,
    compare,
    fused_reference,
    pooled,
    row,
)


def read_waves(record: Record, folder: Path, extension: str) -> Annotations:
    """Read one annotation file of a record from a folder; empty without the file.

    Parameters
    ----------
    extension : str
        A lead in lower case, or `all`.

    Raises
    ------
    LeadwiseError
        The file cannot be read, or has marks beyond the end of the record.
    """
    stem, path = str(folder / record.name), folder / f"{record.name}.{extension}"
    if not path.is_file():
        return Annotations(record.fs)
    marks = read_annotations(stem, record.leads, record.fs, record.samples, [extension])
    if len(marks.waves) and marks.waves.offsets.max() > record.samples:
        raise LeadwiseError(
            f"{path}: has a mark at sample {marks.waves.offsets.max() - 1}, but the record has "
            f"{record.samples} samples; is it of another record?"
        )
    return marks


def comparisons(record: Record, outputs: Path) -> Iterator[tuple[str, Comparison]]:
    """Compare all leads of a record that the reference marks; yields lead ("" for all) and result.

    Raises
    ------
    LeadwiseError
        A file cannot be read.
    """
    folder = Path(record.stem).parent
    of_lead = {lead.casefold(): lead for lead in record.leads}
    marked = [name for name in annotation_files(record.stem, record.leads) if name != "atr"]
    read = {name: read_waves(record, folder, name) for name in marked}
    for name, reference in read.items():
        if name != WAVES_EXTENSION and len(reference.waves):
            found = read_waves(record, outputs, name)
            yield of_lead[name], compare(reference, found, record.samples, of_lead[name])
    found = read_waves(record, outputs, WAVES_EXTENSION)
    fused = read.get(WAVES_EXTENSION) or fused_reference(_joined(record.fs, list(read.values())))
    if len(found.waves) and len(fused.waves):
        yield ALL_LEADS, compare(fused, found, record.samples)


def _joined(fs: float, leads: Sequence[Annotations]) -> Annotations:
    """Join the waves of several files."""
    columns = [list(one.waves) for one in leads if len(one.waves)]
    if not columns:
        return Annotations(fs)
    waves = type(leads[0].waves)(*map(np.concatenate, zip(*columns, strict=True)))
    return Annotations(fs, waves=waves)


def format_comparison(comparison: Comparison) -> str:
    """Format the figures of all limits, shares in %, as a table."""
    wide, narrow = (f"{tolerance:g} ms" for tolerance in TOLERANCES_MS)
    lines = [
        f"{'':12}{'':>7}  {'rule B, ' + wide:^20}  {'rule B, ' + narrow:^20}  "
        f"{'rule A, ' + wide:^20}  {'error, ms':^15}  expert",
        f"{'limit':12}{'marks':>7}  " + f"{'Se':>6}{'+P':>7}{'F1':>7}  " * 3
        + f"{'mean':>7}{'SD':>8}  {'SD':>6}",
    ]  # fmt: skip
    for kind, side in LIMITS:
        limits = comparison.limits[kind, side]
        cells = ""
        for tolerance, rule in ((0, "B"), (1, "B"), (0, "A")):
            one = row(limits, tolerance, rule)
            shares = (one.sensitivity, one.positive_predictivity, one.f1)
            cells += "{:>6}{:>7}{:>7}  ".format(*map(_percent, shares))
        sd = CSE_SD_MS[kind, side]
        lines.append(
            f"{WAVES[kind] + ' ' + side:12}{one.marks:7d}  {cells}"
            f"{_number(one.mean_ms):>7}{_number(one.sd_ms):>8}  {_number(sd):>6}"
        )
    dice = ", ".join(f"{wave} {share:.3f}" for wave, share in comparison.dice.items())
    return "\n".join([*lines, f"Dice of samples: {dice}"])


def _percent(share: float) -> str:
    return _number(100 * share, 2)


def _number(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}" if value == value else "-"


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scoring.waves",
        description="Compare wave marks (WFDB annotation files NAME.LEAD and NAME.all). "
        "Expert SD: half of the CSE working party's tolerance.",
    )
    parser.add_argument("reference", type=Path, help="folder of headers and reference marks")
    parser.add_argument("outputs", type=Path, help="folder of the marks to compare")
    parser.add_argument("--leads", action="store_true", help="print a table per lead as well")
    options = parser.parse_args(argv)
    try:
        tables = compare_folders(options.reference, options.outputs)
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    for title, comparison in tables.items():
        if options.leads or title in ("All leads, one by one", "Fused over leads"):
            print(f"{title}\n{format_comparison(comparison)}\n")
    return 0


def compare_folders(reference: Path, outputs: Path) -> Mapping[str, Comparison]:
    """Compare all records; the tables are those of all leads, of the fused marks, and per lead.

    Raises
    ------
    LeadwiseError
        A folder is missing, a file cannot be read, or no record has marks in both folders.
    """
    if not outputs.is_dir():
        raise LeadwiseError(f"{outputs}: no such folder")
    records, problems = find_records(reference)
    for problem in problems:
        print(f"Note: {problem}", file=sys.stderr)
    by_lead: dict[str, list[Comparison]] = {}
    without = []
    for record in records:
        if not any(outputs.glob(f"{record.name}.*")):
            without.append(record.name)
        for lead, comparison in comparisons(record, outputs):
            by_lead.setdefault(lead, []).append(comparison)
    if not by_lead or len(without) == len(records):
        raise LeadwiseError(
            f"{outputs}: no record has marks in both folders; marks are files NAME.LEAD (NAME.ii) "
            "or NAME.all"
        )
    if without:
        print(f"Note: records without any output, counted as missed: {len(without)} "
              f"({list_names(without)}).", file=sys.stderr)  # fmt: skip
    single = [one for lead, rows in by_lead.items() if lead for one in rows]
    tables = {"All leads, one by one": pooled(single)} if single else {}
    if ALL_LEADS in by_lead:
        tables["Fused over leads"] = pooled(by_lead.pop(ALL_LEADS))
    return {**tables, **{f"Lead {lead}": pooled(rows) for lead, rows in by_lead.items()}}


if __name__ == "__main__":
    sys.exit(main())
