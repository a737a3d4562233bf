"""Train the published pair of networks: `python -m holter.pair_training MITDB NSTDB OUT`.

MITDB is the folder of the MIT-BIH Arrhythmia Database, of which DS1 is read, and NSTDB that of the
noises of the Noise Stress Test Database.  Each network is a file in OUT as soon as it is trained,
and is not trained again.  DS2 and the second half of the noises are not read.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save
from torch.nn import functional

from ecg import FAILURES, LeadwiseError, __version__
from ecg.files import atomic_write, make_folder, read_bytes
from ecg.progress import log, progress_bar, quiet_pipe
from holter.cases import DS1
from holter.examples import (
    Examples,
    Source,
    artefact_examples,
    read_noise,
    read_source,
    simulated_examples,
    ventricular_examples,
    weights,
)
from holter.model_folder import LARGEST
from holter.pair import EXPERIMENTS, BeatPair, network_of, write_pair
from models.malt2021 import RECIPES, SIMULATED, BeatNetwork, BeatRecipe, transfer

WINDOWS = 8192  # of each network's training; the published epochs are hundreds of times as many
STEPS = 256  # at least; batches become smaller than the published ones for it
WARM_UP = 0.1  # share of the steps in which the rate rises; then it falls as a cosine
DATA = "MIT-BIH Arrhythmia Database 1.0.0, DS1; MIT-BIH Noise Stress Test Database 1.0.0"
HALF = 150


def read_sources(mitdb: Path, nstdb: Path, names: Sequence[str] = DS1) -> list[Source]:
    """Read recordings and make their noisy copies, with a progress bar.

    Raises
    ------
    LeadwiseError
        A file is missing or cannot be read.
    """
    noise, sources = read_noise(nstdb), []
    with progress_bar("records", len(names), "record") as progress:
        for name in names:
            sources.append(read_source(mitdb / name, noise))
            progress.update()
    return sources


def train(
    recipe: BeatRecipe,
    examples: Examples,
    initial: BeatNetwork | None,
    seed: int,
    most: int = WINDOWS,
    advance: Callable[[int], object] = int,
) -> BeatNetwork:
    """Train a network for the recipe's epochs, or for `most` windows if they are fewer.

    Parameters
    ----------
    initial : BeatNetwork, optional
        Its weights are the first ones.
    advance : callable
        Is told the number of windows after each step.

    Returns
    -------
    BeatNetwork
        In evaluation mode.
    """
    generator = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BeatNetwork(1, len(recipe.classes), recipe.attention)
    if initial is not None:
        transfer(network, initial.state_dict(), frozen=recipe.frozen)
    total = min(recipe.epochs * len(examples.targets), most)
    batch = max(1, min(recipe.batch, total // STEPS))
    rows = generator.choice(len(examples.targets), total // batch * batch, p=weights(examples))
    own = slice(HALF - recipe.half, HALF + recipe.half)
    optimizer = torch.optim.Adam(network.parameters(), recipe.lr)
    steps = len(rows) // batch
    for step, chosen in enumerate(rows.reshape(steps, batch)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * rate(step / steps)
        signal = torch.from_numpy(examples.windows[chosen, None, own].astype(np.float32))
        targets = torch.from_numpy(examples.targets[chosen])
        loss = functional.cross_entropy(network.train()(signal), targets)
        if not torch.isfinite(loss):
            raise LeadwiseError(f"the loss of step {step} is not finite")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        advance(batch)
    return network.eval()


def rate(progress: float) -> float:
    """Give the learning rate at a share of the training, relative to the recipe's.

    Examples
    --------
    >>> [round(rate(share), 2) for share in (0, 0.05, 0.1, 0.55, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < WARM_UP:
        return progress / WARM_UP
    return float(0.5 + 0.5 * np.cos(np.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def trained(path: Path, recipe: BeatRecipe, make: Callable[[], BeatNetwork]) -> BeatNetwork:
    """Load a finished network, or train and write it.

    Raises
    ------
    LeadwiseError
        The file is not of this recipe, or cannot be read or written.
    """
    if not path.exists():
        network = make()
        with atomic_write(path) as draft:
            tensors = {name: one.contiguous() for name, one in network.state_dict().items()}
            draft.write_bytes(save(tensors))
        return network
    try:
        return network_of(recipe, load_tensors(read_bytes(path, LARGEST)))
    except (*FAILURES, SafetensorError, RuntimeError) as error:
        raise LeadwiseError(f"{path}: is no network of this recipe; delete it") from error


def train_experiment(
    experiment: str,
    folder: Path,
    sources: Sequence[Source],
    simulated: Examples,
    seed: int = 0,
    most: int = WINDOWS,
) -> BeatPair:
    """Train both networks of an experiment; finished ones are loaded from the folder.

    The network that learns simulated beats is shared by all folders of `folder.parent`.
    """
    networks: dict[str, BeatNetwork] = {}
    make_folder(folder)
    collectors = (artefact_examples, ventricular_examples)
    for name, collect in zip(EXPERIMENTS[experiment], collectors, strict=True):
        recipe = RECIPES[name]

        def make(
            recipe: BeatRecipe = recipe,
            collect: Callable[[Sequence[Source]], Examples] = collect,
            name: str = name,
        ) -> BeatNetwork:
            before = None
            if recipe.pretrained == SIMULATED:
                before = _simulated(folder.parent, simulated, seed, most)
            elif recipe.pretrained:
                before = networks[recipe.pretrained]
            return _watched(name, recipe, collect(sources), before, seed, most)

        networks[name] = trained(folder / f"{name}.safetensors", recipe, make)
    first, second = networks.values()
    origin = {
        "data": DATA, "records": [source.name for source in sources], "seed": seed,
        "windows": most, "versions": {"leadwise": __version__, "torch": torch.__version__},
    }  # fmt: skip
    return BeatPair(first, second, experiment, origin)


def _simulated(folder: Path, examples: Examples, seed: int, most: int) -> BeatNetwork:
    recipe = RECIPES["malt-artefact-lstm"]

    def make() -> BeatNetwork:
        return _watched(SIMULATED, recipe, examples, None, seed, most)

    return trained(folder / "simulated.safetensors", recipe, make)


def _watched(
    name: str, recipe: BeatRecipe, examples: Examples, before: BeatNetwork | None, seed: int,
    most: int,
) -> BeatNetwork:  # fmt: skip
    with progress_bar(name, most, "window") as progress:
        return train(recipe, examples, before, seed, most, progress.update)


@quiet_pipe()
def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m holter.pair_training", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("mitdb", type=Path, metavar="MITDB", help="folder of the WFDB records")
    parser.add_argument("nstdb", type=Path, metavar="NSTDB", help="folder of bw, em and ma")
    parser.add_argument("out", type=Path, metavar="OUT", help="model folder to write")
    parser.add_argument(
        "--experiment", choices=EXPERIMENTS, default="attention",
        help="table of the slides, or frozen: attention, of whose network 2 the head alone is "
        "trained (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--windows", type=int, default=WINDOWS, metavar="N",
        help="windows that each network learns from (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.windows < STEPS:
        parser.error(f"--windows must be at least {STEPS}")
    try:
        sources = read_sources(options.mitdb, options.nstdb)
        simulated = simulated_examples(read_noise(options.nstdb))
        folder = options.out / "networks"
        pair = train_experiment(options.experiment, folder, sources, simulated, 0, options.windows)
        write_pair(pair, options.out)
    except FAILURES as error:
        sys.exit(f"Error: {error}")
    log(f"{options.out}: pair of networks of {len(sources)} records")


if __name__ == "__main__":
    main()
