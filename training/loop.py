"""The training loop of one lead set: step, evaluate, keep the best, save the state, log."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ecg import LeadwiseError
from models import lookup
from models.classifier import build, probabilities_of
from models.folder import versions
from models.losses import Batch
from models.recipe import Recipe, recipe_to_json
from scoring import METRICS
from scoring.challenge import prepare as prepare_metric
from training.items import Items, batch_count, batches
from training.pace import Pace
from training.progress import bar, duration, say
from training.schedules import SCHEDULES
from training.state import (
    State,
    generator_of,
    load_state,
    number_of,
    optimiser_tensors,
    restore_optimiser,
    save_state,
)
from training.thresholds import DECISIONS

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"adam": torch.optim.Adam}


@dataclass(frozen=True)
class Task:
    """What one lead set's training needs to know.

    `name` is for people and files (`12-leads`), `key` names data, split, recipe and versions.
    """

    name: str
    key: str
    recipe: Recipe
    leads: tuple[str, ...]
    classes: tuple[str, ...]
    device: torch.device


def check_names(recipe: Recipe) -> None:
    """See that the loop knows all that a recipe names, before long work begins.

    Raises
    ------
    LeadwiseError
        A name is unknown; the known ones are listed.
    """
    for kind, name, known in (
        ("optimiser", recipe.optimiser.name, OPTIMISERS),
        ("schedule", recipe.schedule.name, SCHEDULES),
        ("decision", recipe.decision, DECISIONS),
        ("select", recipe.select, METRICS),
    ):
        if name not in known:
            raise LeadwiseError(f"no {kind} '{name}'; known are {', '.join(known)}")
    for kind, part in (("NETWORKS", recipe.network), ("LOSSES", recipe.loss)):
        lookup(recipe, kind, part.name)


def training_key(recipe: Recipe, device: torch.device, data: str, validation: np.ndarray) -> str:
    """Name a training by all that its weights depend on; states of another key are not resumed.

    The budget and the other lead sets are left out: an interrupted training may go on with more
    time.
    """
    content = recipe_to_json(replace(recipe, minutes=0.0, lead_sets=()))
    known = (content, str(device), torch.get_num_threads(), versions(), data, validation.tobytes())
    return hashlib.sha256(repr(known).encode()).hexdigest()


def train(
    task: Task, learn: Items, choose: Items, seconds: float, state_file: Path,
    sets_left: int,
) -> State:  # fmt: skip
    """Train a lead set's network, or go on where an interrupted training stood.

    Parameters
    ----------
    task : Task
    learn, choose : Items
        Training and validation part.
    seconds : float
        Budget.
    state_file : Path
        Written after each epoch.
    sets_left : int
        This lead set and those after it, to project the end of all.

    Returns
    -------
    State
        With the best epoch's weights, thresholds and history.
    """
    recipe = task.recipe
    state = load_state(state_file, task.key) or State(task.key)
    if state.finished:
        say(f"{task.name}: trained already.")
        return state
    network, optimiser = _begin(task, state)
    steps = batch_count(len(learn), recipe.batch)
    pace = Pace(seconds, recipe.epochs, steps, math.ceil(len(choose) / recipe.batch),
                done=state.epoch, used=state.used_s)  # fmt: skip
    while not pace.over:
        state.epoch += 1
        loss = _epoch(task, network, optimiser, learn, pace, state)
        _evaluate(task, network, choose, state, loss, _rate(optimiser))
        pace.evaluated()
        state.network, state.optimiser = network.state_dict(), optimiser_tensors(optimiser)
        state.used_s, state.finished = pace.used, pace.over
        save_state(state_file, state)
        say(_line(task, state, pace, sets_left))
    return state


def _begin(task: Task, state: State) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Make network and optimiser, as they were if the state knows."""
    recipe = task.recipe
    with torch.random.fork_rng():
        torch.manual_seed(number_of(recipe.seed, task.name, "weights"))
        network = build(recipe, task.leads, len(task.classes))
    if state.epoch:
        say(f"{task.name}: going on after epoch {state.epoch}.")
        network.load_state_dict(state.network)
    network.to(task.device)
    optimiser = OPTIMISERS[recipe.optimiser.name](network.parameters(), **recipe.optimiser.options)
    if state.epoch:
        restore_optimiser(optimiser, state.optimiser)
    return network, optimiser


def _epoch(
    task: Task, network: torch.nn.Module, optimiser: torch.optim.Optimizer, learn: Items,
    pace: Pace, state: State,
) -> float:  # fmt: skip
    """Run one pass over the training part, or what the plan leaves of it; give the mean loss."""
    recipe, device = task.recipe, task.device
    loss_function = lookup(recipe, "LOSSES", recipe.loss.name)
    schedule = SCHEDULES[recipe.schedule.name]
    scores = [row["score"] for row in state.history]
    lengths = np.array([min(signal.shape[1], learn.longest) for signal in learn.signals])
    order = batches(lengths, recipe.batch, generator_of(recipe.seed, task.name, state.epoch))
    network.train()
    losses: list[float] = []
    cuda = [device] if device.type == "cuda" else []
    mixed = bool(cuda) and torch.cuda.is_bf16_supported(including_emulation=False)
    with (
        torch.random.fork_rng(devices=cuda),
        bar(f"{task.name}, epoch {state.epoch}", pace.steps, "batch") as shown,
    ):
        for step, places in enumerate(order):
            counters = (recipe.seed, task.name, state.epoch, step)
            torch.manual_seed(number_of(*counters))  # dropout can only use the global generator
            batch = Batch(
                *(part.to(device) for part in learn.batch(places, generator_of(*counters)))
            )
            rate = schedule(pace.progress, scores, **recipe.schedule.options)
            for group in optimiser.param_groups:
                group["lr"] = recipe.optimiser.options["lr"] * rate
            with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                loss, _ = loss_function(network, batch, **recipe.loss.options)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
            pace.stepped()
            shown.update()
            shown.set_postfix(loss=f"{np.mean(losses[-50:]):.4f}")
            if pace.over:
                break
    return float(np.mean(losses))


def _rate(optimiser: torch.optim.Optimizer) -> float:
    return float(optimiser.param_groups[0]["lr"])


def _evaluate(
    task: Task, network: torch.nn.Module, choose: Items, state: State, loss: float, rate: float
) -> None:
    """Choose thresholds on the validation part, add the epoch to the history, keep the best."""
    probabilities = predict(task, network, choose)
    prepared = prepare_metric(choose.labels, task.classes)

    def measure(outputs: np.ndarray) -> float:
        return float(prepared.metric(outputs))

    decide = DECISIONS[task.recipe.decision]
    thresholds, _ = decide(probabilities, measure, seed=task.recipe.seed)
    metric = METRICS[task.recipe.select]
    score = metric(choose.labels, probabilities >= thresholds, probabilities, task.classes)
    best = max((row["score"] for row in state.history), default=-math.inf)
    row = {"epoch": state.epoch, "loss": loss, "score": float(score),
           "threshold": float(np.median(thresholds)), "lr": rate}  # fmt: skip
    state.history.append(row)
    if score > best or not state.best:  # of equally good epochs the earlier one
        # A state_dict is a view of the weights, which go on changing.
        state.best = {
            name: value.detach().cpu().clone() for name, value in network.state_dict().items()
        }
        state.best_epoch, state.thresholds = state.epoch, thresholds.tolist()


def predict(task: Task, network: torch.nn.Module, items: Items) -> np.ndarray:
    """Compute the probabilities of all items: (records, classes), float64.

    Records are taken by length; padding and neighbours do not change what the network answers.
    """
    network.eval()
    whole = [signal.shape[1] <= items.longest for signal in items.signals]
    probabilities = np.empty((len(items), len(task.classes)))
    order = np.argsort([signal.shape[1] for signal in items.signals], kind="stable")
    short = [int(place) for place in order if whole[place]]
    size = task.recipe.batch
    unused = generator_of("no window is drawn")
    with torch.inference_mode():
        for start in range(0, len(short), size):
            places = short[start : start + size]
            batch = items.batch(places, unused)
            logits = network(batch.signal.to(task.device), batch.length.to(task.device))
            probabilities[places] = torch.sigmoid(logits.double()).cpu().numpy()
    for place in (int(place) for place in order if not whole[place]):
        signal = items.signals[place][items.rows].astype(np.float32)
        probabilities[place] = probabilities_of(task.recipe, network, signal, task.device)
    return probabilities


def _line(task: Task, state: State, pace: Pace, sets_left: int) -> str:
    """Sum an epoch up for people; later lead sets are taken to last as long as this one."""
    left_s = pace.left_s + (sets_left - 1) * (pace.used + pace.left_s)
    row = state.history[-1]
    best = " (best)" if state.best_epoch == state.epoch else ""
    return (
        f"{task.name}: epoch {state.epoch} of {math.ceil(pace.plan)}, loss {row['loss']:.4f}, "
        f"score {row['score']:.3f}{best}, threshold {row['threshold']:.2f}; "
        f"all lead sets done in {duration(left_s)}"
    )
