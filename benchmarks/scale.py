"""Project the time of training on the Challenge's 88,253 records from speeds measured here.

    python -m benchmarks.scale DATA [--rounds 3] [--write]

DATA holds genuine records, such as tests/data/challenge-samples, which are prepared as for the
cache.  Steps and evaluations of isibrno-leadwise are measured on random signals for each lead set.
All figures are CPU seconds of one thread in the best round, except the gain of a second thread, a
ratio of wall times.  `--write` puts the tables into docs/scale.md.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.batches import HEAD, RECIPE, SAMPLES, training_step
from benchmarks.common import ROOT, best, machine, parse_options, run, table_lines, take_turns
from docs.generate import write_tables
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from ecg.records import find_records
from models import find
from models.inputs import channels_per_lead
from models.network import build
from models.recipe import Recipe
from models.sample import Batch
from training.cache import prepare_record
from training.dataset import Dataset, batches
from training.mapped import MappedArrays
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
PROJECTED = (
    "projected",
    "preparing",
    "an epoch of all five lead sets",
    f"epochs of each in {HOURS} h",
)
STEP = 64 * SAMPLES  # samples of 64 records of 10 s
NO_GAIN = ": the machine was too busy for a gain, so the projection assumes one thread"


class Kinds(NamedTuple):
    """Padded samples per epoch, or CPU seconds per sample, by kind of computation."""

    short: float  # steps on 64 records of 10 s
    long: float  # steps on 12 records of up to 60 s
    evaluation: float


def draw_durations(generator: np.random.Generator) -> np.ndarray:
    """Return the seconds of all records; those of CPSC are drawn."""
    durations = [
        np.minimum(6 + generator.exponential(CPSC_MEAN_S - 6, records), 144)
        if seconds is None
        else np.full(records, float(seconds))
        for records, seconds in SOURCES.values()
    ]
    return np.concatenate(durations)


def samples_per_epoch(seconds: np.ndarray, recipe: Recipe, generator: np.random.Generator) -> Kinds:
    """Count the padded samples of an epoch in the training's own batches and micro-batches."""
    lengths = (seconds * recipe.fs).astype(np.int64)
    limit = recipe.max_samples
    validation = generator.random(len(lengths)) < SHARE
    training = lengths[~validation]
    signals = MappedArrays(b"", np.float16, 1, training)
    dataset = Dataset(signals, {}, {}, [0], recipe)
    short = long = 0
    for indices in batches(np.minimum(training, limit), recipe.batch, generator):
        for micro_batch in dataset.micro_batches(indices):
            padded = np.minimum(training[micro_batch], limit)
            size = len(micro_batch) * int(padded.max())
            short, long = (short + size, long) if np.ptp(padded) == 0 else (short, long + size)
    return Kinds(short, long, int(lengths[validation].sum()))


def preparing_s(data: str, recipe: Recipe, rounds: int) -> float:
    """Measure the CPU seconds of preparing one second of a record."""
    records, _ = find_records(data)
    seconds = sum((record.header.samples or 0) / record.fs for record in records)
    (durations,) = take_turns([lambda: [prepare_record(one, recipe) for one in records]], rounds)
    return best(durations).cpu / seconds


def measure(recipe: Recipe, leads: int, rounds: int) -> Kinds:
    """Measure the steps and the evaluation of a lead set."""
    step = training_step(recipe, leads)
    network = build(recipe, LEAD_SETS[leads], {HEAD: CODES}).eval()
    short, long = (random_batch(recipe, leads, *size) for size in ((64, SAMPLES), (12, 15_000)))

    def evaluate() -> None:
        with torch.inference_mode():
            network(short.signal, short.length)

    durations = take_turns([partial(step, short), partial(step, long), evaluate], rounds)
    samples = [batch.signal.shape[0] * batch.signal.shape[2] for batch in (short, long, short)]
    return Kinds(*(best(one).cpu / n for one, n in zip(durations, samples, strict=True)))


def random_batch(recipe: Recipe, leads: int, records: int, samples: int) -> Batch:
    """Create a batch of random numbers; long records have different lengths and padding."""
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(records, leads * channels_per_lead(recipe), samples, generator=generator)
    length = torch.full((records,), samples)
    if samples > SAMPLES:
        length[1:] = torch.linspace(0.8 * samples, samples, records - 1).long()
    return Batch(signal, length, {HEAD: torch.zeros(records, len(CODES))})


def second_thread_gain(recipe: Recipe, rounds: int) -> float:
    """Measure the speed-up of a step of 12 leads by a second thread, 1 to 2."""
    step, batch = training_step(recipe, 12), random_batch(recipe, 12, 64, SAMPLES)

    def step_with(threads: int) -> None:
        torch.set_num_threads(threads)
        step(batch)

    one, two = take_turns([partial(step_with, 1), partial(step_with, 2)], rounds)
    torch.set_num_threads(1)
    return float(np.clip(best(one).wall / best(two).wall, 1, 2))


def speed_up(threads: int, two: float) -> float:
    """Project the gain of more threads from that of two (Amdahl's law)."""
    serial = 2 / two - 1
    return 1 / (serial + (1 - serial) / threads)


def report(data: str, rounds: int) -> list[str]:
    """Measure, and format the measurements and the projection."""
    recipe, generator = find(RECIPE), np.random.default_rng(0)
    torch.set_num_threads(1)
    seconds = draw_durations(generator)
    work = samples_per_epoch(seconds, recipe, generator)
    preparing = preparing_s(data, recipe, rounds)
    rates = {leads: measure(recipe, leads, rounds) for leads in LEAD_SETS}
    gain = second_thread_gain(recipe, 2 * rounds)
    epochs = [float(np.dot(rate, work)) for rate in rates.values()]
    cache_gb = 2 * 12 * channels_per_lead(recipe) * recipe.fs * seconds.sum() / 1e9
    padding = (work.short + work.long) / ((1 - SHARE) * len(seconds) * SAMPLES)
    measurements = {
        "step of 64 records of 10 s": [STEP * rate.short for rate in rates.values()],
        "the same samples in long records": [STEP * rate.long for rate in rates.values()],
        "evaluation of 64 records": [STEP * rate.evaluation for rate in rates.values()],
        "epoch (hours)": [epoch / 3600 for epoch in epochs],
    }
    rows = []
    for name, counts in WORKERS.items():
        prepared = [preparing * seconds.sum() / count / 3600 for count in counts]
        hours = [sum(epochs) / speed_up(count, gain) / 3600 for count in counts]
        fit = [(HOURS - p) / h for p, h in zip(prepared, hours, strict=True)]
        cells = (f"{_range(prepared, '.2f')} h", f"{_range(hours, '.1f')} h", _range(fit, ".0f"))
        rows.append([name, *cells])
    return [
        f"{machine('torch')}; this command is part of the load.",
        "",
        *table_lines(
            ["measured, CPU seconds of one thread", *(f"{leads} leads" for leads in rates)],
            ([name, *(f"{x:.2f}" for x in numbers)] for name, numbers in measurements.items()),
        ),
        "",
        f"Preparing a record of 10 s takes {1e3 * 10 * preparing:.1f} ms; a second thread makes a "
        f"step {gain:.2f} times as fast{NO_GAIN if gain == 1 else ''}.",
        "",
        f"{len(seconds)} records last {seconds.sum() / 3600:.0f} h and take **{cache_gb:.1f} GB** "
        f"of cache. Padding and long records make an epoch {padding:.2f} times as long as if all "
        "were of 10 s.",
        "",
        *table_lines(PROJECTED, rows),
    ]


def _range(numbers: Sequence[float], form: str) -> str:
    low, high = f"{min(numbers):{form}}", f"{max(numbers):{form}}"
    return low if low == high else f"{low} to {high}"


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "data", rounds=3, write=False)
    lines = report(options.data, options.rounds)
    print("\n".join(lines))
    if options.write:
        write_tables(PAGE, {"scale": lines})


if __name__ == "__main__":
    run(main)
