"""Project what the Challenge's 88,253 records take, from speeds measured here.

    python -m benchmarks.scale DATA [--rounds 3] [--write]

DATA holds genuine records (`tests/data/challenge-samples`, say), which are prepared as the cache
does.  Steps and evaluations of isibrno-leadwise are taken on invented signals, for each lead set.
All of it is measured in CPU seconds of one thread, the best of the rounds; only the gain of a
second thread is a ratio of wall times.  `--write` puts the tables into docs/scale.md.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.batches import RECIPE, Seconds, best, step_of, timed
from benchmarks.scoring import ROOT, machine
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from ecg.records import Record, find_records
from models import find
from models.classifier import build
from models.inputs import channels_per_lead
from models.losses import Batch
from models.recipe import Recipe, longest
from training.cache import prepare_record
from training.items import Items, batches
from training.mapped import Signals
from training.splits import SHARE

PAGE = ROOT / "docs" / "scale.md"
# Records and seconds, official page of the Challenge of 2021; CPSC's are 6 to 144 s.
SOURCES = {
    "CPSC 2018": (6877, None),
    "CPSC-Extra": (3453, None),
    "St Petersburg INCART": (74, 1800),
    "PTB": (516, 110),
    "PTB-XL": (21837, 10),
    "Georgia": (10344, 10),
    "Chapman-Shaoxing": (10247, 10),
    "Ningbo": (34905, 10),
}
CPSC_MEAN_S = 16  # assumed: 6 s and an exponential rest
WORKERS = {"2 cores": (2,), "10 vCPU": (5, 10)}  # ten hyper-threads are worth five to ten
HOURS = 72
BUSY = ": nothing could be gained on a machine as busy, so what follows is for one thread anywhere"


class Rates(NamedTuple):
    """CPU seconds of one thread for each padded sample of a record."""

    short: float  # a step, 64 records of 10 s
    long: float  # a step, 12 records of up to 60 s
    evaluation: float


class Work(NamedTuple):
    """Padded samples of an epoch."""

    short: int
    long: int
    evaluation: int


def durations(generator: np.random.Generator) -> np.ndarray:
    """Give the seconds of all records, CPSC's drawn."""
    made = [
        np.minimum(6 + generator.exponential(CPSC_MEAN_S - 6, records), 144)
        if seconds is None
        else np.full(records, float(seconds))
        for records, seconds in SOURCES.values()
    ]
    return np.concatenate(made)


def work_of(seconds: np.ndarray, recipe: Recipe, generator: np.random.Generator) -> Work:
    """Count what an epoch computes on, in the training's own batches and pieces."""
    lengths = (seconds * recipe.fs).astype(np.int64)
    limit = longest(recipe)
    validation = generator.random(len(lengths)) < SHARE
    learn = lengths[~validation]
    items = Items(Signals(b"", 1, learn), np.zeros((len(learn), 1), bool), [0], recipe)
    short = long = 0
    for places in batches(np.minimum(learn, limit), recipe.batch, generator):
        for piece in items.pieces(places):
            padded = np.minimum(learn[piece], limit)
            size = len(piece) * int(padded.max())
            short, long = (short + size, long) if np.ptp(padded) == 0 else (short, long + size)
    return Work(short, long, int(lengths[validation].sum()))


def measure_reading(data: str, recipe: Recipe, rounds: int) -> float:
    """Measure the CPU seconds that preparing a second of a record takes."""
    records, _ = find_records(data)

    def prepare(some: Sequence[Record]) -> None:
        for record in some:
            prepare_record(record, recipe)

    seconds = sum((record.header.samples or 0) / record.fs for record in records)
    took = best([timed(partial(prepare, records))[1] for _ in range(rounds + 1)])
    return took.cpu / seconds


def measure_rates(recipe: Recipe, leads: int, rounds: int) -> Rates:
    """Measure steps and an evaluation of a lead set."""
    step = step_of(recipe, leads)
    network = build(recipe, LEAD_SETS[leads], len(CODES)).eval()
    short, long = invented_batch(recipe, leads, 64, 2500), invented_batch(recipe, leads, 12, 15_000)

    def evaluate() -> None:
        with torch.inference_mode():
            network(short.signal, short.length)

    calls: list[Callable[[], None]] = [partial(step, short), partial(step, long), evaluate]
    took: list[list[Seconds]] = [[], [], []]
    for _ in range(rounds + 1):
        for call, many in zip(calls, took, strict=True):
            many.append(timed(call)[1])
    samples = [batch.signal.shape[0] * batch.signal.shape[2] for batch in (short, long, short)]
    return Rates(*(best(some).cpu / many for some, many in zip(took, samples, strict=True)))


def invented_batch(recipe: Recipe, leads: int, records: int, samples: int) -> Batch:
    """Make a batch of random numbers; one of long records is padded, as long ones are."""
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(records, leads * channels_per_lead(recipe), samples, generator=generator)
    length = torch.full((records,), samples)
    if samples > 2500:
        length[1:] = torch.linspace(0.8 * samples, samples, records - 1).long()
    return Batch(signal, length, torch.zeros(records, len(CODES)))


def second_thread(recipe: Recipe, rounds: int) -> float:
    """Measure how much faster two threads take a step of 12 leads than one: 1 to 2."""
    step, batch = step_of(recipe, 12), invented_batch(recipe, 12, 64, 2500)
    took: dict[int, list[Seconds]] = {1: [], 2: []}
    for _ in range(rounds + 1):
        for threads, many in took.items():
            torch.set_num_threads(threads)
            many.append(timed(partial(step, batch))[1])
    torch.set_num_threads(1)
    return float(np.clip(best(took[1]).wall / best(took[2]).wall, 1, 2))


def speed_up(threads: int, two: float) -> float:
    """Project the gain of more threads from that of two (Amdahl)."""
    serial = 2 / two - 1
    return 1 / (serial + (1 - serial) / threads)


def tables(data: str, rounds: int) -> str:
    """Measure, and write what was measured and what follows."""
    recipe, generator = find(RECIPE), np.random.default_rng(0)
    torch.set_num_threads(1)
    seconds = durations(generator)
    work = work_of(seconds, recipe, generator)
    reading_s = measure_reading(data, recipe, rounds)
    rates = {leads: measure_rates(recipe, leads, rounds) for leads in LEAD_SETS}
    two = second_thread(recipe, 2 * rounds)
    epochs = {
        leads: sum(rate * many for rate, many in zip(rates[leads], work, strict=True))
        for leads in LEAD_SETS
    }
    plain = (1 - SHARE) * len(seconds) * 2500
    cache_gb = 2 * 12 * channels_per_lead(recipe) * recipe.fs * seconds.sum() / 1e9
    lines = [
        f"Measured {date.today()}: {machine()}, torch {torch.__version__}, load average "
        f"{os.getloadavg()[0]:.1f}, of which this command is one.",
        "",
        "| measured, CPU seconds of one thread | "
        + " | ".join(f"{leads} leads" for leads in rates)
        + " |",
        "| --- |" + " --- |" * len(rates),
        _row("step of 64 records of 10 s", [160_000 * rate.short for rate in rates.values()]),
        _row("the same samples in long records", [160_000 * rate.long for rate in rates.values()]),
        _row("evaluation of 64 records", [160_000 * rate.evaluation for rate in rates.values()]),
        _row("epoch (hours)", [epoch / 3600 for epoch in epochs.values()]),
        "",
        f"Preparing a record of 10 s takes {1e3 * 10 * reading_s:.1f} ms; a second thread makes a "
        f"step {two:.2f} times as fast{BUSY if two == 1 else ''}.",
        "",
        f"{len(seconds)} records last {seconds.sum() / 3600:.0f} h and take **{cache_gb:.1f} GB** "
        f"of cache. Padding and long records make an epoch {(work.short + work.long) / plain:.2f} "
        "times as long as if all were of 10 s.",
        "",
        f"| projected | preparing | an epoch of all five lead sets | epochs of each in {HOURS} h |",
        "| --- | --- | --- | --- |",
    ]
    preparing, epoch = reading_s * seconds.sum(), sum(epochs.values())
    for name, counts in WORKERS.items():
        prepared = [preparing / count / 3600 for count in counts]
        hours = [epoch / speed_up(count, two) / 3600 for count in counts]
        fit = [(HOURS - p) / h for p, h in zip(prepared, hours, strict=True)]
        lines.append(
            f"| {name} | {_range(prepared, '.2f')} h | {_range(hours, '.1f')} h | "
            f"{_range(fit, '.0f')} |"
        )
    return "\n".join(lines)


def _row(what: str, numbers: Sequence[float]) -> str:
    return f"| {what} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |"


def _range(numbers: Sequence[float], form: str) -> str:
    low, high = f"{min(numbers):{form}}", f"{max(numbers):{form}}"
    return low if low == high else f"{low} to {high}"


def with_tables(text: str, made: str) -> str:
    """Put the tables between their marks in the page."""
    begin, end = "<!-- scale -->\n", "<!-- /scale -->"
    before, _, rest = text.partition(begin)
    return before + begin + made + "\n" + end + rest.partition(end)[2]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("data", metavar="DATA", help="folder of genuine records")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--write", action="store_true", help=f"put it into {PAGE.name}")
    options = parser.parse_args()
    made = tables(options.data, options.rounds)
    print(made)
    if options.write:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main()
