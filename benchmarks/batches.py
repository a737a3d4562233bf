"""Time to read a batch from the cache, compared with the training step on it.

    python -m benchmarks.batches [--records 4000] [--rounds 8] [--leads 12 2] [--threads 1 2]

`Dataset.batch` of the training reads random records of 10 s from a cache file of random numbers
(0.18 MB per record: the file exceeds the processor's cache but not the system's).  Steps are those
of the recipe isibrno-leadwise.  Reading and step alternate after one round as warm-up.
Figures are wall time in the best round, CPU time in brackets.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import best, machine, parse_options, print_table, run, take_turns
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from models import find, lookup
from models.inputs import channels_per_lead
from models.network import build
from models.recipe import Recipe
from models.sample import Batch
from training.dataset import Dataset, dataset_of
from training.mapped import MappedArrays, map_file

RECIPE = "isibrno-leadwise"
SAMPLES = 2500  # 10 s at 250 Hz
HEAD = "diagnosis"


def write_signals(path: Path, recipe: Recipe, records: int) -> MappedArrays:
    """Write random signals of 12 leads into a cache file and map it."""
    generator, channels = np.random.default_rng(0), channels_per_lead(recipe) * 12
    with path.open("wb") as file:
        for _ in range(records):
            signal = generator.standard_normal((channels, SAMPLES), np.float32)
            signal.astype(np.float16).tofile(file)
    return MappedArrays(map_file(path), np.float16, channels, np.full(records, SAMPLES))


def training_step(recipe: Recipe, leads: int) -> Callable[[Batch], None]:
    """Build an untrained network and return a function that trains it on a batch."""
    torch.manual_seed(0)
    network = build(recipe, LEAD_SETS[leads], {HEAD: CODES}).train()
    optimiser = torch.optim.Adam(network.parameters(), **recipe.optimiser.options)
    loss_function = lookup(recipe, "LOSSES", recipe.head.loss.name)

    def step(batch: Batch) -> None:
        output = network(batch.signal, batch.length)
        loss = loss_function(output, batch.targets[HEAD], **recipe.head.loss.options)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def measure(dataset: Dataset, recipe: Recipe, leads: int, threads: int, rounds: int) -> list[str]:
    """Measure reading a batch and a step, and return the row of the table."""
    torch.set_num_threads(threads)
    generator, step = np.random.default_rng(1), training_step(recipe, leads)

    def read() -> Batch:
        indices = generator.integers(0, len(dataset), recipe.batch).tolist()
        return dataset.batch(indices, generator)

    batch = read()
    reading, stepping = map(best, take_turns([read, lambda: step(batch)], rounds))
    milliseconds = [f"{1e3 * one.wall:.1f} ({1e3 * one.cpu:.1f})" for one in (reading, stepping)]
    share = f"{reading.wall / stepping.wall:.1%} ({reading.cpu / stepping.cpu:.1%})"
    return [str(leads), str(threads), *milliseconds, share]


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, records=4000, rounds=8, leads=[12, 2], threads=[1, 2])
    recipe = find(RECIPE)
    print(f"{machine('torch')}; {RECIPE}, {recipe.batch} records of 10 s per step; ms\n")
    with tempfile.TemporaryDirectory() as folder:
        signals = write_signals(Path(folder, "signals.f16"), recipe, options.records)
        labels = np.random.default_rng(0).random((options.records, len(CODES))) < 0.06
        print_table(
            ["leads", "threads", "batch", "step", "share"],
            (
                measure(
                    dataset_of(signals, {HEAD: labels}, LEAD_SETS[leads], recipe),
                    recipe, leads, threads, options.rounds,
                )
                for leads in options.leads
                for threads in options.threads
            ),
        )  # fmt: skip


if __name__ == "__main__":
    run(main)
