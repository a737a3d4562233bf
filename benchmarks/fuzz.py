"""Fuzz the readers: mutants of records, models, recipes and tables must be right or refused.

    python -m benchmarks.fuzz [--mutants 10000] [--seed 0] [--only headers,signals] [--write]

Each mutant is read by the functions that the commands call, in a process with limits of 5 s of CPU
time and 1 GB.  A mutant is

    right      the answer is that of the original
    refused    with a sentence
    warned     another answer, and a sentence beside it
    other      another answer, for what the mutant states; no reader can know that it is wrong

or a fault: `silent` (another answer without a word), `traceback`, `slow`, `memory`.
`benchmarks.kinds` judges what a mutant states.  `--write` puts the table into docs/results.
"""

import contextlib
import hashlib
import io
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter, defaultdict
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import mutants
from benchmarks.common import ROOT, machine, parse_options, run, table_lines
from benchmarks.kinds import KINDS, Answer, write_originals
from benchmarks.limits import FAULTS, Outcome, outcomes
from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.progress import quiet_pipe

EXAMPLES = 5
OUTCOMES = ("right", "refused", "warned", "other", *FAULTS)
RESULTS = ROOT / "docs" / "results.md"


def _files(base: Path, name: str) -> list[str]:
    folder = base / KINDS[name].folder
    return sorted(path.name for pattern in KINDS[name].files for path in folder.glob(pattern))


def judge(base: Path, seed: int, name: str, number: int) -> Outcome:
    """Make a mutant of an input and see what its readers do."""
    kind, original = KINDS[name], base / KINDS[name].folder
    generator = np.random.default_rng([seed, list(KINDS).index(name), number])
    files = _files(base, name)
    file = files[generator.integers(len(files))]
    content = kind.mutate(generator, (original / file).read_bytes())
    folder = base / "mutants" / f"{os.getpid()}" / kind.folder
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(base, folder.parent, ignore=shutil.ignore_patterns("mutants"))
    (folder / file).write_bytes(content)
    if name == "weights":  # the sha256 is right
        text = (folder / "model.json").read_text()
        old = hashlib.sha256((original / file).read_bytes()).hexdigest()
        new = hashlib.sha256(content).hexdigest()
        (folder / "model.json").write_text(text.replace(old, new))
    right, usual = _original(base, name, file)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            answer, texts = kind.use(folder, file)
    except LeadwiseError as error:
        return Outcome(name, number, "refused", str(error))
    except MemoryError:
        return Outcome(name, number, "memory", traceback.format_exc(limit=-2))
    except Exception:  # noqa: BLE001 - this is what is looked for
        return Outcome(name, number, "traceback", traceback.format_exc(limit=-2))
    texts |= _lines(said)
    if repr(answer) == repr(right):
        return Outcome(name, number, "right", "")
    if texts - usual:
        return Outcome(name, number, "warned", "; ".join(texts - usual))
    if kind.states_another(original, folder, file):
        return Outcome(name, number, "other", "")
    return Outcome(
        name, number, "silent", mutants.difference((original / file).read_bytes(), content)
    )


@cache
def _original(base: Path, name: str, file: str) -> Answer:
    kind, said = KINDS[name], io.StringIO()
    with contextlib.redirect_stderr(said):
        answer, texts = kind.use(base / kind.folder, file)
    return answer, texts | _lines(said)


def _lines(said: io.StringIO) -> set[str]:
    """Return what was logged, without the line that each split ends with."""
    return {line for line in said.getvalue().splitlines() if "validation records." not in line}


@quiet_pipe()
def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, mutants=10_000, seed=0, only="", workers=2, write=False)
    names = options.only.split(",") if options.only else list(KINDS)
    if unknown := set(names) - set(KINDS):
        raise LeadwiseError(f"no kind {', '.join(unknown)}; known are {', '.join(KINDS)}")
    torch.set_num_threads(1)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[str, list[Outcome]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_originals(base)
        for name in names:  # once here, so that imports and originals are not timed
            for file in _files(base, name):
                _original(base, name, file)
        tasks = ((names[number % len(names)], number) for number in range(options.mutants))
        work = partial(judge, base, options.seed)
        for outcome in outcomes(work, tasks, options.workers):
            counts[outcome.kind][outcome.outcome] += 1
            if outcome.outcome in FAULTS and len(examples[outcome.kind]) < EXAMPLES:
                examples[outcome.kind].append(outcome)
    lines = list(table_lines(("kind", "mutants", *OUTCOMES), (
        (name, str(counts[name].total()), *(str(counts[name][each]) for each in OUTCOMES))
        for name in names
    )))  # fmt: skip
    print("\n".join(lines))
    for name in names:
        for outcome in examples[name]:
            print(f"\n{name} {outcome.number}, {outcome.outcome}: {outcome.detail.strip()}")
    faults = sum(counts[name][each] for name in names for each in FAULTS)
    if options.write:
        write_tables(RESULTS, {"mutants": [f"{machine('torch', 'wfdb')}", "", *lines]})
    if faults:
        sys.exit(f"{faults} faults of {options.mutants} mutants (seed {options.seed})")


if __name__ == "__main__":
    run(main)
