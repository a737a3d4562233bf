"""Run a command of Leadwise from any folder: `leadwise ecg.plots RECORD…`.

MODULE is one of those that `python -m MODULE` runs in the repository.
"""

import argparse
import runpy
import sys
from collections.abc import Sequence

from leadwise import TREE

PACKAGES = ("datasets", "ecg", "holter", "models", "scoring", "simulate", "training")


def modules() -> list[str]:
    """List the modules that are commands."""
    names = []
    for package in PACKAGES:
        for path in (TREE / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if 'if __name__ == "__main__"' in text and "is no command" not in text:
                parts = path.relative_to(TREE).with_suffix("").parts
                names.append(".".join(part for part in parts if part != "__main__"))
    return sorted(names)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; its exit status is ours."""
    parser = argparse.ArgumentParser(
        prog="leadwise", description="Run a command; `leadwise MODULE --help` describes it."
    )
    known = modules()
    parser.add_argument("module", metavar="MODULE", choices=known, help=", ".join(known))
    parser.add_argument("words", metavar="…", nargs=argparse.REMAINDER, help="its arguments")
    options = parser.parse_args(words)
    sys.argv[1:] = options.words
    runpy.run_module(options.module, run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
