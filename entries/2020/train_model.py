#!/usr/bin/env python
"""Train a model by the 2020 contract: `python train_model.py IN OUT`.

The organisers replace this file by their own, which does the same.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

if find_spec("team_code") is None:  # in the repository; in an image all files are at the root
    sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from ecg import LeadwiseError
from ecg.files import make_folder
from ecg.progress import quiet_pipe


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(description="Train a model by the contract of 2020.")
    parser.add_argument("data", metavar="IN", help="folder of labelled records")
    parser.add_argument("model", metavar="OUT", help="model folder, created if absent")
    options = parser.parse_args(argv)
    from train_12ECG_classifier import train_12ECG_classifier

    try:
        make_folder(Path(options.model))
        train_12ECG_classifier(options.data, options.model)
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print("Done.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
