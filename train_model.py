#!/usr/bin/env python
"""Train models for all lead sets on a folder of records.

    python train_model.py DATA MODEL [--minutes 30 …]

Each option sets the environment variable of its name, and takes precedence over it.
"""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ecg import LeadwiseError
from ecg.folders import find_headers
from ecg.parallel import sleep_while_waiting
from ecg.progress import quiet_pipe
from training.commands import set_settings
from training.settings import VARIABLES


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description="Train a model per lead set on a folder of labelled records. An interrupted "
        "training continues when the same command is run again.",
        epilog="Each option has an environment variable: LEADWISE_MINUTES is --minutes.",
    )
    parser.add_argument("data", metavar="DATA", help="folder of labelled records, flat or nested")
    parser.add_argument("model", metavar="MODEL", help="model folder, created if absent")
    for setting in VARIABLES.values():
        default = "" if setting.default is None else f" (default: {setting.default})"
        parser.add_argument(
            f"--{setting.name.replace('_', '-')}",
            metavar=setting.metadata["example"],
            help=setting.metadata["help"] + default,
        )
    parser.add_argument("--begin", dest="init_from", help=argparse.SUPPRESS)  # the old name
    options = vars(parser.parse_args(argv))
    set_settings(parser, {name: options[setting.name] for name, setting in VARIABLES.items()})
    try:
        find_headers(options["data"])
        sleep_while_waiting()

        import team_code  # slow (torch), so only after the checks

        with _sigterm_interrupts():
            team_code.training_code(options["data"], options["model"])
    except (LeadwiseError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"Interrupted. {_kept(options['model'])}", file=sys.stderr)
        return 128 + int((interrupt.args or (signal.SIGINT,))[0])  # as shells number it
    print("Done.")
    return 0


def _kept(model_folder: str) -> str:
    """Describe what the interrupted training has kept."""
    if "training.loop" not in sys.modules:
        return "Nothing is kept: the same command starts over."  # torch was still being loaded
    from training.state import kept_states

    return kept_states(Path(model_folder))


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Treat SIGTERM, which a shutdown sends, like Ctrl-C: clean up, then exit."""

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
