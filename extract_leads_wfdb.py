#!/usr/bin/env python
"""Extract leads from all records of a folder: `-l I II V2` makes three-lead records.

    python extract_leads_wfdb.py -i IN -o OUT -l LEAD [LEAD …] [-k KEY] [--rename OLD=NEW,…]

The result equals that of the official command (python-classifier-2021, BSD-2-Clause) to the byte.
Where we differ: headers are read by the grammar of `ecg.header_text`; lead names are
case-insensitive; records in nested folders are extracted, too (OUT is flat); a record that cannot
be read is left out with an error that names it.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ecg import LeadwiseError
from ecg.files import atomic_write, make_folder, read_bytes
from ecg.folders import find_headers
from ecg.header_text import lead_name, record_line, split_header
from ecg.leads import Rename, canonical_name, list_leads, standard_names
from ecg.progress import quiet_pipe
from helper_code import load_recording
from training.settings import read_settings

KEEP_BYTES = "surrogateescape"  # bytes of a comment that are not UTF-8 stay unchanged


def extract_leads(
    input_directory: str,
    output_directory: str,
    leads: Sequence[str],
    key: str = "val",
    rename: Rename = (),
) -> tuple[list[str], int]:
    """Write the records of a folder, reduced to the given leads, to another folder.

    Parameters
    ----------
    input_directory, output_directory : str
        The output folder is created if absent; it must be outside of the input folder.
    leads : sequence of str
        In the order of the new rows.
    key : str
        Variable of the .mat files.
    rename : tuple of (str, str)
        New names of leads (`ecg.leads.read_rename`), which the new headers state.

    Returns
    -------
    problems : list of str
        One message per record that was left out.
    records : int
        Number of records written.

    Raises
    ------
    LeadwiseError
        A folder is missing or cannot be written.
    """
    from scipy.io import savemat

    source, target = Path(input_directory), Path(output_directory)
    headers, warnings = find_headers(source)
    if target.resolve().is_relative_to(source.resolve()):
        raise LeadwiseError(f"{target}: is inside the input folder; give a folder outside of it")
    make_folder(target)
    problems = [str(warning) for warning in warnings]
    written = 0
    for path in headers:
        try:
            text = read_bytes(path).decode("utf-8", KEEP_BYTES)
            header, rows = reduce_header(text, leads, path.stem, rename)
            recording = load_recording(str(path.with_suffix(".mat")), key=key)
            count = record_line(split_header(text).rows, path.stem).leads
            if len(recording) != count:
                raise LeadwiseError(
                    f"{path.stem}: the header names {count} leads, the signal has "
                    f"{len(recording)} rows; the lead of each row is unknown"
                )
        except LeadwiseError as error:
            problems.append(str(error))
            continue
        except OSError as error:
            problems.append(f"{path.stem}: the header cannot be read: {error.strerror}")
            continue
        with atomic_write(target / f"{path.stem}.mat") as draft, open(draft, "wb") as file:
            savemat(file, {key: recording[rows]}, format="4")
        with atomic_write(target / f"{path.stem}.hea") as draft:
            draft.write_text(header, "utf-8", KEEP_BYTES, newline="\n")
        written += 1
    return problems, written


def reduce_header(
    header: str, leads: Sequence[str], name: str, rename: Rename = ()
) -> tuple[str, list[int]]:
    """Reduce a header to the given leads.

    Parameters
    ----------
    header : str
        The text of a .hea file.
    leads : sequence of str
        In the order of the new lines.
    name : str
        Name of the record, for messages.
    rename : tuple of (str, str)
        As for `extract_leads`.

    Returns
    -------
    header : str
        Line 1 with the new number of leads, then the leads' lines and the rest, unchanged.
        Comments between the leads' lines follow them.
    rows : list of int
        Indices of the leads in the old header.

    Raises
    ------
    LeadwiseError
        Line 1 cannot be read or a lead is absent.
    """
    rows, _ = split_header(header)
    top = record_line(rows, name)
    lead_lines = rows[1 : top.leads + 1]
    if len(lead_lines) < top.leads:
        raise LeadwiseError(
            f"{name}: the header states {top.leads} leads and has {len(lead_lines)} lines of leads"
        )
    try:
        available = standard_names([lead_name(line) for line in lead_lines], rename)
    except LeadwiseError as error:
        raise LeadwiseError(f"{name}: {error}") from error
    absent = [lead for lead in leads if canonical_name(lead) not in available]
    if absent:
        names = list_leads(available) or "none"
        raise LeadwiseError(f"{name}: has no lead {', '.join(absent)}; its leads are {names}")
    chosen = [available.index(canonical_name(lead)) for lead in leads]
    first, _, *rest = rows[0].split()
    line_1 = " ".join([first, str(len(chosen)), *rest])
    return "\n".join(
        [line_1, *(_renamed(lead_lines[row], rename) for row in chosen), *_rest(header, top.leads)]
    ), chosen


def _renamed(line: str, rename: Rename) -> str:
    """Replace the lead's name in its line, if it has a new one."""
    old = lead_name(line)
    new = {name.casefold(): name_of for name, name_of in rename}.get(old.strip().casefold())
    return line.removesuffix(old) + new if new else line


def _rest(header: str, leads: int) -> list[str]:
    """List the lines of a header after those of its leads, preceded by earlier comments."""
    lines = re.sub(r"\r*\n|\r", "\n", header.removeprefix("\ufeff")).split("\n")
    comments: list[str] = []
    rows = 0
    for number, line in enumerate(lines):
        if rows > leads:
            return [*comments, *lines[number:]]
        if line.lstrip().startswith("#"):
            comments.append(line)
        elif line.strip():
            rows += 1
    return comments


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description="Write the records of a folder, reduced to the given leads, to another folder."
    )
    parser.add_argument("-i", "--input_directory", required=True, help="folder of records")
    parser.add_argument("-o", "--output_directory", required=True, help="created if absent")
    parser.add_argument(
        "-l", "--reduced_leads", required=True, nargs="+", metavar="LEAD", help="such as I II V2"
    )
    parser.add_argument("-k", "--key", default="val", help="variable in the .mat (default: val)")
    parser.add_argument(
        "--rename", metavar="OLD=NEW,…", help="new names of leads, such as MLII=II,C1=V1"
    )
    options = parser.parse_args(argv)
    given = {} if options.rename is None else {"LEADWISE_RENAME": options.rename}
    try:
        rename = read_settings({**os.environ, **given}).rename or ()
    except LeadwiseError as error:
        parser.error(str(error))
    try:
        problems, records = extract_leads(
            options.input_directory,
            options.output_directory,
            options.reduced_leads,
            options.key,
            rename,
        )
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    for problem in problems:
        print(f"Error: {problem}", file=sys.stderr)
    print(f"{records} records written to {options.output_directory}.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
