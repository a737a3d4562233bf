#!/usr/bin/env python
"""Answer the records of a folder by the 2020 contract: `python driver.py MODEL IN OUT`.

The organisers replace this file by their own, which does the same: it reads each .mat of the folder
and its header, and writes one output file per record, named by the .mat.  An exception ends the
run, as in theirs.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

if find_spec("team_code") is None:  # in the repository; in an image all files are at the root
    sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from ecg import LeadwiseError
from ecg.files import make_folder
from ecg.progress import quiet_pipe
from helper_code import find_challenge_files, load_header, load_recording, save_outputs


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(description="Answer records by the contract of 2020.")
    parser.add_argument("model", metavar="MODEL", help="model folder")
    parser.add_argument("data", metavar="IN", help="folder of records, .mat and .hea")
    parser.add_argument("outputs", metavar="OUT", help="folder for NAME.csv, created if absent")
    options = parser.parse_args(argv)
    from run_12ECG_classifier import load_12ECG_model, run_12ECG_classifier

    try:
        if not os.path.isdir(options.data):
            raise LeadwiseError(f"{options.data}: no such folder; give the folder of records")
        files = find_challenge_files(options.data)
        if not files[0]:
            raise LeadwiseError(f"{options.data}: has no records (.hea and .mat) directly in it")
        model = load_12ECG_model(options.model)
        make_folder(Path(options.outputs))
        for header_file, recording_file in zip(*files, strict=True):
            name = Path(recording_file).stem
            data = np.asarray(load_recording(recording_file), dtype=np.float64)
            lines = load_header(header_file).splitlines(keepends=True)
            labels, scores, classes = run_12ECG_classifier(data, lines, model)
            output = os.path.join(options.outputs, f"{name}.csv")
            save_outputs(output, name, classes, labels, scores)
    except (LeadwiseError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print("Done.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
