#!/usr/bin/env python
"""Run a trained model on a folder of records.

    python run_model.py MODEL DATA OUTPUTS [-v] [-f] [--rename OLD=NEW,…] [--explain FOLDER]

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

import numpy as np
from tqdm import tqdm

from ecg import FAILURES, LeadwiseError, failure_text, printable
from ecg.files import make_folder
from ecg.folders import LOST, find_headers
from ecg.headers import format_header
from ecg.labels import described
from ecg.leads import sort_leads
from ecg.parallel import sleep_while_waiting
from ecg.progress import log, quiet_pipe
from ecg.records import Record, read_record
from ecg.segments import read_header_text
from scoring.outputs import list_names, save_outputs
from training.commands import exit_status, parse_options
from training.settings import read_settings

Answer = tuple[Sequence[str], Sequence[Any], Sequence[Any]]
FAILED: Answer = ((), (), ())


def run_model(
    model_directory: str,
    data_directory: str,
    output_directory: str,
    *,
    verbose: bool = False,
    explain: str | None = None,
) -> tuple[list[str], int]:
    """Predict all records below a folder.

    Parameters
    ----------
    explain : str, optional
        Folder for pictures of what the model's answers rest on.

    Returns
    -------
    failed : list of str
        Names of the records without a prediction, or without its pictures.
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
    _check_outputs(Path(output_directory), headers)
    for problem in problems:
        log(str(problem))
    failed = [problem.record for problem in problems if problem.kind in LOST]
    records = len(headers) + len(failed)

    sleep_while_waiting()
    import team_code  # slow (torch), so only after the checks

    models = {
        leads: team_code.load_model(model_directory, leads) for leads in sorted(_lead_sets(headers))
    }
    if explain is not None:
        from models.explain import feature_maps

        for model in models.values():
            feature_maps(model)  # fails before the first record
        make_folder(Path(explain))
    for path in tqdm(headers, unit="record", leave=False, disable=not sys.stderr.isatty()):
        identity, answer = path.stem, FAILED
        try:
            record = _read(path)
            identity = record.header.identity
            answer = _answer(team_code.run_model, models, path, record)
            if answer is FAILED:  # the team's code has printed the reason
                failed.append(path.stem)
        except FAILURES as error:
            failed.append(path.stem)
            log(failure_text(path.stem, error))
        output = os.path.join(output_directory, f"{path.stem}.csv")
        save_outputs(output, printable(identity), *answer)
        if explain is not None and answer is not FAILED:
            if not _explain(models[sort_leads(record.leads)], record, answer, Path(explain)):
                failed.append(path.stem)
        if verbose and answer is not FAILED:
            positive = [described(code) for code, label in zip(*answer[:2], strict=True) if label]
            log(f"{path.stem}: {', '.join(positive) or 'no class'}")
    return failed, records


def _check_outputs(folder: Path, headers: Sequence[Path]) -> None:
    """Name outputs of other records."""
    expected = {f"{path.stem}.csv" for path in headers}
    if others := sorted(path.name for path in folder.glob("*.csv") if path.name not in expected):
        log(
            f"Note: {folder} holds {len(others)} older outputs of other records "
            f"({list_names(others)}); move them before you score the folder."
        )


def _explain(model: Any, record: Record, answer: Answer, folder: Path) -> bool:
    """Draw what the answered classes rest on; return whether that worked."""
    from models.explain import draw

    answered = {code: value for code, label, value in zip(*answer, strict=True) if label}
    try:
        for _ in draw(model, record, answered, folder):
            pass
    except FAILURES as error:
        log(f"No pictures: {failure_text(record.name, error)}")
        return False
    return True


def _read(path: Path) -> Record:
    """Read a record's header, its leads renamed as set."""
    return read_record(path, read_settings().rename or ())


def _lead_sets(headers: Sequence[Path]) -> set[tuple[str, ...]]:
    """Collect the distinct lead sets; a header that fails is reported in the main loop."""
    lead_sets = set()
    for path in headers:
        try:
            lead_sets.add(sort_leads(_read(path).leads))
        except FAILURES:
            continue
    return lead_sets


def _answer(run: Any, models: dict[tuple[str, ...], Any], path: Path, record: Record) -> Answer:
    """Call the team's code for one record and check its answer."""
    header = read_header_text(path, path.stem)
    if record.header.segments:
        header = format_header(record.header, header)
    recording = np.require(record.digital(), requirements=("C", "W"))
    answer: Answer = run(models[sort_leads(record.leads)], header, recording)
    classes, labels, probabilities = (len(row) for row in answer)
    if not classes == labels == probabilities:
        raise LeadwiseError(
            f"{path.stem}: {classes} classes, {labels} labels and {probabilities} probabilities"
        )
    return answer if classes else FAILED


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
        "--explain", metavar="FOLDER", help="draw where each answered class comes from (Grad-CAM)"
    )
    options = parse_options(parser, argv)
    return exit_status(
        lambda: run_model(
            options.model,
            options.data,
            options.outputs,
            verbose=options.verbose,
            explain=options.explain,
        ),
        "Records without an output are not answered, and older outputs remain",
        allow_failures=options.allow_failures,
    )


if __name__ == "__main__":
    sys.exit(main())
