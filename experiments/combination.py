"""Where rules may speak beside ISIBrno 2020's final models: chosen on fold 8, reported on fold 9.

    python -m experiments.combination DATA RUNS

DATA and RUNS are those of `experiments.isibrno2020`, whose runs have answered both folds.  The
tables go into docs/results.md: each rule and all together on fold 9, and the choice cross-fitted
inside fold 8.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from experiments.isibrno2020 import (
    CHOOSE,
    FINAL,
    REPORT,
    answers_of_fold,
    scored,
    there,
)
from experiments.outputs import Gain, paired_gain, signed
from experiments.runs import ROOT, folder
from models.decision import decide
from models.recipe import Part, part
from models.rules import MODES, PUBLISHED, combine
from training.decisions import FITS
from training.rules import choose_modes
from training.splits import read_folds

DECISIONS = ("expected", "global")
PARTS = 5
FORCED = tuple(mode for mode in MODES if mode != "off")
RULES_HEAD = (
    f"| leads | decision | rule | mode | gain, fold 8 | added | removed | gain, fold 9 | "
    f"{' | '.join(FORCED)} |"
)
CROSS_FITTED_HEAD = "| leads | decision | modes, in how many of the five | gain |"


class Side(NamedTuple):
    """A fold as a network decides it and as the rules judge it."""

    labels: np.ndarray  # (records, classes) bool
    outputs: np.ndarray  # (records, classes) bool
    answers: np.ndarray  # (records, rules) int8

    def joined(self, rules: Sequence[Part]) -> np.ndarray:
        """Let rules join the outputs."""
        return combine(self.outputs, self.answers, rules, CODES)

    def part(self, chosen: np.ndarray) -> "Side":
        """Take some of the records."""
        return Side(*(one[chosen] for one in self))


def gain_of(side: Side, joined: np.ndarray) -> Gain:
    """Measure what rules gain on a fold."""
    return paired_gain(side.labels, side.outputs, joined)


def rule_rows(chosen: Side, reported: Side) -> Iterator[str]:
    """Tell each rule, alone beside the network, and all together; cells from `rule` on."""
    learned = choose_modes(chosen.outputs, chosen.answers, chosen.labels, CODES)
    for rule in learned:
        forced = (reported.joined([part(rule.name, mode=mode)]) for mode in FORCED)
        gains = " | ".join(signed(gain_of(reported, joined).gain) for joined in forced)
        yield f"{_cells(rule.name, rule.options['mode'], chosen, reported, [rule])} | {gains} |"
    nothing = " | ".join("–" for _ in FORCED)
    together = gain_of(reported, reported.joined(learned))
    goal = "met" if together.gain >= -together.error else "missed"
    for name, mode, rules in (
        ("**all, as learned**", f"goal {goal}", learned),
        ("**all, as published**", "replace", PUBLISHED),
    ):
        yield f"{_cells(name, mode, chosen, reported, rules)} | {nothing} |"


def _cells(name: str, mode: str, chosen: Side, reported: Side, rules: Sequence[Part]) -> str:
    """Write what rules do to both folds."""
    if mode == "off":
        return " | ".join([name, mode, *"––––"])
    joined = reported.joined(rules)
    added = int((joined & ~reported.outputs).sum())
    removed = int((reported.outputs & ~joined).sum())
    before = gain_of(chosen, chosen.joined(rules)).gain
    after = gain_of(reported, joined)
    return f"{name} | {mode} | {signed(before)} | {added} | {removed} | {after}"


def cross_fitted(side: Side, patients: Sequence[str]) -> tuple[Gain, Counter[str]]:
    """Choose modes on four fifths of the patients and apply them to the fifth, five times.

    Returns
    -------
    gain : Gain
        Of all fifths together.
    modes : Counter
        How often each `rule mode` was chosen, those that are off left out.
    """
    names, place = np.unique(patients, return_inverse=True)
    parts = (np.random.default_rng(0).permutation(len(names)) % PARTS)[place]
    joined, modes = side.outputs.copy(), Counter[str]()
    for number in range(PARTS):
        rest, here = side.part(parts != number), side.part(parts == number)
        rules = choose_modes(rest.outputs, rest.answers, rest.labels, CODES)
        joined[parts == number] = here.joined(rules)
        said = (f"{rule.name} {rule.options['mode']}" for rule in rules)
        modes.update(one for one in said if not one.endswith(" off"))
    return gain_of(side, joined), modes


def tables(data: Path, runs: Path) -> dict[str, list[str]]:
    """Make both tables from the final runs that are there."""
    some = there(runs, FINAL)
    folds = read_folds(folder(data, runs, (CHOOSE,)))
    answers = {fold: answers_of_fold(data, runs, fold, some) for fold in (CHOOSE, REPORT)}
    rules, crossed = [RULES_HEAD, _line(RULES_HEAD)], [CROSS_FITTED_HEAD, _line(CROSS_FITTED_HEAD)]
    for run in some:
        leads, first = LEAD_SETS[run.leads], scored(data, runs, run, CHOOSE)
        for name in DECISIONS:
            decision = FITS[name](first.probabilities, first.labels, CODES, run.seed)
            chosen, reported = (
                Side(one.labels, decide(decision, one.probabilities), answers[fold][leads])
                for fold, one in ((CHOOSE, first), (REPORT, scored(data, runs, run, REPORT)))
            )
            rules += [f"| {run.leads} | {name} | {row}" for row in rule_rows(chosen, reported)]
            gain, modes = cross_fitted(chosen, [folds[record][1] for record in first.names])
            said = ", ".join(f"{mode} {count}" for mode, count in modes.most_common()) or "none"
            crossed.append(f"| {run.leads} | {name} | {said} | {gain} |")
    return {"rules-combination": rules, "rules-cross-fitted": crossed}


def _line(head: str) -> str:
    return "| " + " | ".join(["---"] * (head.count("|") - 1)) + " |"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", metavar="DATA", type=Path)
    parser.add_argument("runs", metavar="RUNS", type=Path)
    options = parser.parse_args()
    try:
        found = tables(options.data.resolve(), options.runs.resolve())
        write_tables(ROOT / "docs" / "results.md", found)
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
