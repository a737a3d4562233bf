"""Reading a batch from the cache beside the training step that uses it, in one run.

    python -m benchmarks.batches [--records 4000] [--rounds 8] [--leads 12 2] [--threads 1 2]

A cache file of invented records of 10 s is made (0.18 MB a record: larger than what a processor
caches, within what the system does), batches of random records are drawn from it by the training's
own `Items.batch`, and the recipe isibrno-leadwise takes steps on them.  Reading and step take
turns; each figure is the best of the rounds after one to warm up, as wall and as CPU time.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from benchmarks.scoring import machine
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from models import find, lookup
from models.classifier import build
from models.inputs import channels_per_lead
from models.losses import Batch
from models.recipe import Recipe
from training.items import Items, items_of
from training.mapped import Signals, map_file

RECIPE = "isibrno-leadwise"
SAMPLES = 2500  # 10 s at 250 Hz
Result = TypeVar("Result")


class Seconds(NamedTuple):
    """How long something took."""

    wall: float
    cpu: float  # of the whole process, all threads


def timed(function: Callable[[], Result]) -> tuple[Result, Seconds]:
    """Call a function; the answer is its result and how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def best(many: list[Seconds]) -> Seconds:
    """Give the least wall and the least CPU time."""
    return Seconds(min(one.wall for one in many), min(one.cpu for one in many))


def invented_items(folder: Path, recipe: Recipe, records: int, leads: int) -> Items:
    """Make items of random numbers in a mapped file; the file is made once."""
    generator, path = np.random.default_rng(0), folder / "signals.f16"
    rows = channels_per_lead(recipe) * 12
    if not path.exists():
        with open(path, "wb") as file:
            for _ in range(records):
                generator.standard_normal((rows, SAMPLES), np.float32).astype(np.float16).tofile(
                    file
                )
    signals = Signals(map_file(path), rows, np.full(records, SAMPLES))
    labels = generator.random((records, len(CODES))) < 0.06
    return items_of(signals, labels, LEAD_SETS[leads], recipe)


def step_of(recipe: Recipe, leads: int) -> Callable[[Batch], None]:
    """Make an untrained network; the answer takes one training step, as the loop does."""
    torch.manual_seed(0)
    network = build(recipe, LEAD_SETS[leads], len(CODES)).train()
    optimiser = torch.optim.Adam(network.parameters(), **recipe.optimiser.options)
    loss_function = lookup(recipe, "LOSSES", recipe.loss.name)

    def step(batch: Batch) -> None:
        loss, _ = loss_function(network, batch, **recipe.loss.options)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def measure(items: Items, recipe: Recipe, leads: int, rounds: int) -> tuple[Seconds, Seconds]:
    """Measure reading a batch and a step, in turns."""
    generator, step = np.random.default_rng(1), step_of(recipe, leads)
    reading, stepping = [], []
    for number in range(rounds + 1):
        places = generator.integers(0, len(items), recipe.batch).tolist()
        batch, took = timed(partial(items.batch, places, generator))
        _, stepped = timed(partial(step, batch))
        if number:
            reading.append(took)
            stepping.append(stepped)
    return best(reading), best(stepping)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=4000, help="in the file (default: 4000)")
    parser.add_argument("--rounds", type=int, default=8, help="default: 8")
    parser.add_argument("--leads", type=int, nargs="+", default=[12, 2], choices=LEAD_SETS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    recipe = find(RECIPE)
    print(f"{machine()}, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}; {RECIPE}, "
          f"{recipe.batch} records of 10 s a step; ms, wall (CPU)")  # fmt: skip
    print("leads  threads         batch            step   batch / step")
    with tempfile.TemporaryDirectory() as folder:
        for leads in options.leads:
            items = invented_items(Path(folder), recipe, options.records, leads)
            for threads in options.threads:
                torch.set_num_threads(threads)
                batch, step = measure(items, recipe, leads, options.rounds)
                ratios = f"{batch.wall / step.wall:.1%} ({batch.cpu / step.cpu:.1%})"
                print(f"{leads:>5}  {threads:>7}  {_ms(batch):>12}  {_ms(step):>14}   {ratios}")


def _ms(took: Seconds) -> str:
    return f"{1e3 * took.wall:.1f} ({1e3 * took.cpu:.1f})"


if __name__ == "__main__":
    main()
