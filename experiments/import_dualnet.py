"""Read a state dict of the public ECG-DualNet code into a model folder.

    python -m experiments.import_dualnet FILE.pt OUT [--classes af2]
    python run_model.py OUT training2017 outputs2017

The network of `…-as-published` whose tensors the file holds, S to ++130M, gets its weights.
Nothing in the file is executed (`models.dualnet2017.published`).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ecg import LeadwiseError
from ecg.progress import quiet_pipe
from models.dualnet2017.published import CLASSES, import_state


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", metavar="FILE.pt", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path, help="a new model folder")
    parser.add_argument(
        "--classes", choices=CLASSES,
        help="af: N, A, O, ~; af2: A or not; af_n: A or N; icentia (default: af, or af2 for two)",
    )  # fmt: skip
    options = parser.parse_args(argv)
    try:
        model = import_state(options.file, options.out, options.classes)
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")
    print(f"{options.out}: {model.recipe.name}, classes {', '.join(model.classes['diagnosis'])}")


if __name__ == "__main__":
    main()
