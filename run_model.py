#!/usr/bin/env python
"""Run a trained model on a folder of records.

    python run_model.py MODEL DATA OUTPUTS [-v] [-f]

For each header NAME.hea below DATA, flat or nested, it writes OUTPUTS/NAME.csv in the format of
2021. For a record that fails it writes the official failed form, prints the reason, and continues.
`test_model.py` is the same command.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ecg import FAILURES, LeadwiseError
from ecg.files import make_folder
from ecg.labels import described
from ecg.progress import quiet_pipe
from ecg.records import find_headers, read_record
from helper_code import (
    get_leads,
    get_recording_id,
    load_header,
    load_recording,
    save_outputs,
    sort_leads,
)

Answer = tuple[Sequence[str], Sequence[Any], Sequence[Any]]
FAILED: Answer = ((), (), ())


def run_model(
    model_directory: str, data_directory: str, output_directory: str, *, verbose: bool = False
) -> tuple[list[str], int]:
    """Predict all records below a folder.

    Returns
    -------
    failed : list of str
        Names of the records without a prediction.
    records : int
        Number of records.

    Raises
    ------
    LeadwiseError
        A folder is missing, empty, or cannot be written, or no model can be loaded.
    """
    if not os.path.isdir(model_directory):
        raise LeadwiseError(f"{model_directory}: no such model folder; train_model.py creates one")
    headers, problems = find_headers(data_directory)
    make_folder(Path(output_directory))
    for problem in problems:
        _print(str(problem))
    failed = [problem.record for problem in problems if problem.kind == "name twice"]
    records = len(headers) + len(failed)

    import team_code  # slow (torch), so only after the checks

    lead_sets = sorted(_lead_sets(headers))
    models = {leads: team_code.load_model(model_directory, leads) for leads in lead_sets}
    for path in tqdm(headers, unit="record", leave=False, disable=not sys.stderr.isatty()):
        identity, answer = path.stem, FAILED
        try:
            header = load_header(str(path))
            identity = get_recording_id(header) or path.stem
            answer = _answer(team_code.run_model, models, path, header)
        except FAILURES as error:
            failed.append(path.stem)
            _print(_reason(path.stem, error))
        save_outputs(os.path.join(output_directory, f"{path.stem}.csv"), identity, *answer)
        if verbose and answer is not FAILED:
            positive = [described(code) for code, label in zip(*answer[:2], strict=True) if label]
            _print(f"{path.stem}: {', '.join(positive) or 'no class'}")
    return failed, records


def _lead_sets(headers: Sequence[Path]) -> set[tuple[str, ...]]:
    """Collect the distinct lead sets; a header that fails is reported in the main loop."""
    lead_sets = set()
    for path in headers:
        try:
            lead_sets.add(_leads(load_header(str(path)), path.stem))
        except LeadwiseError:
            continue
    return lead_sets


def _leads(header: str, name: str) -> tuple[str, ...]:
    """Read the leads of a header, in standard order."""
    try:
        return sort_leads(get_leads(header))
    except (IndexError, ValueError) as error:
        raise LeadwiseError(
            f"{name}: line 1 of the header must be NAME LEADS FS SAMPLES; "
            f"it is '{''.join(header.splitlines()[:1])[:60]}'"
        ) from error


def _answer(run: Any, models: dict[tuple[str, ...], Any], path: Path, header: str) -> Answer:
    """Call the team's code for one record and check its answer."""
    model = models[_leads(header, path.stem)]
    mat = path.with_suffix(".mat")
    recording = load_recording(str(mat)) if mat.is_file() else read_record(path).digital()
    answer: Answer = run(model, header, recording)
    classes, labels, probabilities = (len(row) for row in answer)
    if not classes == labels == probabilities:
        raise LeadwiseError(
            f"{path.stem}: {classes} classes, {labels} labels and {probabilities} probabilities"
        )
    if classes == 0:
        raise LeadwiseError(f"{path.stem}: the model gave no answer")
    return answer


def _reason(name: str, error: Exception) -> str:
    """Describe why a record failed, with the class of errors that are not `LeadwiseError`."""
    kind = "" if isinstance(error, LeadwiseError) else f"{type(error).__name__}: "
    return f"{name} failed: {kind}{str(error).removeprefix(f'{name}: ')}"


def _print(text: str) -> None:
    """Print a line to stderr, above the progress bar if one is shown."""
    tqdm.write(text, file=sys.stderr)


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description="Run a trained model on the records of a folder. Research use, not a medical "
        "device."
    )
    parser.add_argument("model", metavar="MODEL", help="model folder, from train_model.py")
    parser.add_argument("data", metavar="DATA", help="folder of records, flat or nested")
    parser.add_argument("outputs", metavar="OUTPUTS", help="folder for NAME.csv, created if absent")
    parser.add_argument("-v", "--verbose", action="store_true", help="print one line per record")
    parser.add_argument(
        "-f", "--allow-failures", action="store_true", help="exit with 0 even if records failed"
    )
    options = parser.parse_args(argv)
    try:
        failed, records = run_model(
            options.model, options.data, options.outputs, verbose=options.verbose
        )
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    if failed:
        _print(f"{len(failed)} of {records} records failed: {', '.join(failed)}")
    print("Done.")
    return 1 if failed and not options.allow_failures else 0


if __name__ == "__main__":
    sys.exit(main())
