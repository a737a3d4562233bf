"""Analyse recordings of minutes to days; see the page docs/holter.md.

python -m holter RECORD_OR_FOLDER… --out FOLDER
python -m holter relabel FOLDER/NAME --cluster NUMBER LABEL
"""

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from ecg import LeadwiseError
from ecg.files import make_folder
from ecg.parallel import sleep_while_waiting
from ecg.progress import quiet_pipe
from holter.result import CLASSES
from holter.steps import OF_PAIR, STEPS
from leadwise import WEIGHTS
from training.commands import add_records, exit_status, find_jobs, parse_options
from training.settings import read_settings

MODEL = WEIGHTS / "malt2021"
RELABEL = "relabel"


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    return relabel_command(words[1:]) if words[:1] == [RELABEL] else analyse_command(words)


def analyse_command(words: Sequence[str]) -> int:
    """Analyse recordings."""
    parser = argparse.ArgumentParser(
        prog="python -m holter",
        description="Find, label and group the beats of recordings of minutes to days. Research "
        "use, not a medical device. Finished recordings are not done again.",
        epilog=f"`python -m holter {RELABEL} --help`: rename the beats of a cluster.",
    )
    files = "NAME.atr, NAME.json, NAME.beats.tsv, NAME.review.tsv, NAME.html and drawings"
    add_records(parser, files)
    parser.add_argument(
        "--model", metavar="MODEL", type=Path, default=MODEL,
        help="folder of a beat classifier, of holter.training or holter.pair_training (default: "
        "weights/malt2021)",
    )  # fmt: skip
    parser.add_argument(
        "--without", metavar="STEP,…", default="",
        help="steps to leave out; " + "; ".join(f"{name}: {text}" for name, text in STEPS.items())
        + f". {', '.join(OF_PAIR)} are steps of pairs of networks",
    )  # fmt: skip
    parser.add_argument("--leads", metavar="LEAD,…", help="leads to use (default: all)")
    parser.add_argument(
        "--reviewed", metavar="FILE.atr", type=Path,
        help="annotation file of beats of the recording that a person has checked, such as five "
        "minutes; they adapt the model to the patient and keep their labels",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true",
        help="do finished recordings again; an existing NAME.atr is kept as NAME.atr.bak",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", metavar="N", type=int, default=1,
        help="recordings at once (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--cluster", metavar="ADDRESS",
        help="of a Dask scheduler; all paths are the same on its workers",
    )  # fmt: skip
    options = parse_options(parser, words)
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")
    without = tuple(dict.fromkeys(filter(None, options.without.split(","))))
    if unknown := [step for step in without if step not in STEPS]:
        parser.error(f"--without: no step {unknown[0]}; steps are {', '.join(STEPS)}")

    def process() -> tuple[list[str], int]:
        jobs, failed = find_jobs(options.records, options.out)
        make_folder(options.out)
        sleep_while_waiting()
        from holter.recordings import Settings, analyse_all  # after the checks, as it is slow

        leads = tuple(filter(None, (options.leads or "").split(",")))
        rename = read_settings().rename or ()
        settings = Settings(
            options.model, leads, rename, options.overwrite, options.reviewed, without
        )
        records = len(jobs) + len(failed)
        failed += analyse_all(jobs, settings, processes=options.jobs, cluster=options.cluster)
        return failed, records

    return exit_status(
        process, "Recordings without NAME.atr are not finished",
        allow_failures=options.allow_failures,
    )  # fmt: skip


def relabel_command(words: Sequence[str]) -> int:
    """Rename the beats of a cluster."""
    parser = argparse.ArgumentParser(
        prog=f"python -m holter {RELABEL}",
        description="Give all beats of a cluster another label, or confirm it. The first "
        "annotation is kept as NAME.auto; NAME.changes.tsv tells who changed what and when.",
    )
    parser.add_argument("result", metavar="FOLDER/NAME", type=Path, help="without an ending")
    parser.add_argument("label", metavar="LABEL", choices=CLASSES, help=", ".join(CLASSES))
    parser.add_argument("--cluster", metavar="NUMBER", type=int, required=True)
    parser.add_argument("--by", metavar="NAME", help="who decided (default: the user's name)")
    options = parser.parse_args(words)
    from holter.relabel import relabel

    try:
        who = options.by or getpass.getuser()
    except (OSError, KeyError):
        parser.error("the user has no name; give --by NAME")
    try:
        print(relabel(options.result, options.cluster, options.label, who))
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
