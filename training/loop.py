"""The training loop of one lead set: step, evaluate, keep the best, save the state, log."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.labels import POLICIES
from ecg.progress import duration, log, progress_bar
from models import lookup
from models.classifier import build, from_logits, probabilities_of
from models.decision import decide, highest
from models.folder import versions
from models.losses import Batch
from models.recipe import Part, Recipe, recipe_to_json
from scoring import METRICS
from training.augment import AUGMENTATIONS
from training.average import averaged, follow, kept
from training.decisions import FITS, global_threshold, measure_of
from training.items import Items, batch_count, batches
from training.masks import MASKS
from training.pace import Pace
from training.rules import USES, fit_rules, rule_lines
from training.schedules import MOMENTA, SCHEDULES, STOPS
from training.state import (
    State,
    generator_of,
    load_state,
    number_of,
    optimiser_tensors,
    restore_optimiser,
    save_state,
)

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
}


@dataclass(frozen=True)
class Task:
    """What one lead set's training needs to know.

    `name` is for people and files (`12-leads`), `key` is from `training_key`; `begin` are weights,
    by name, with which the network begins, `kept` are such that stay as they are.
    """

    name: str
    key: dict[str, str]
    recipe: Recipe
    leads: tuple[str, ...]
    classes: tuple[str, ...]
    device: torch.device
    precision: str = "float32"
    kept: Mapping[str, torch.Tensor] = field(default_factory=dict)
    begin: Mapping[str, torch.Tensor] = field(default_factory=dict)


def check_names(recipe: Recipe) -> None:
    """See that the loop knows all that a recipe names, before long work begins.

    Raises
    ------
    LeadwiseError
        A name is unknown; the known ones are listed.
    """
    named: list[tuple[str, str, Mapping[str, Any]]] = [
        ("optimiser", recipe.optimiser.name, OPTIMISERS),
        ("schedule", recipe.schedule.name, SCHEDULES),
        ("stop", recipe.stop.name, STOPS),
        *(("augmentation", part.name, AUGMENTATIONS) for part in recipe.augment),
        ("classes", recipe.classes, POLICIES),
        ("mask", recipe.mask, MASKS),
        ("decision", recipe.decision, FITS),
        ("rules", recipe.rules, USES),
        ("select", recipe.select, METRICS),
    ]
    for kind, name, known in named:
        if name not in known:
            raise LeadwiseError(f"no {kind} '{name}'; known are {', '.join(known)}")
    steps = [("TRANSFORMS", step) for step in (*recipe.steps, *recipe.finish)]
    for kind, part in (("NETWORKS", recipe.network), ("LOSSES", recipe.loss), *steps):
        lookup(recipe, kind, part.name)


def training_key(
    recipe: Recipe, device: torch.device, precision: str, data: str, labels: np.ndarray,
    validation: np.ndarray,
) -> dict[str, str]:  # fmt: skip
    """Name all that a training's weights depend on; states of another key are not resumed.

    The budget and the other lead sets are left out: an interrupted training may go on with more
    time.
    """
    content = recipe_to_json(replace(recipe, minutes=0.0, lead_sets=()))
    return {
        "data": data,
        "labels": hashlib.sha256(labels.tobytes()).hexdigest(),
        "split": hashlib.sha256(validation.tobytes()).hexdigest(),
        **{f"recipe: {name}": json.dumps(value) for name, value in content.items()},
        "device": str(device),
        "precision": precision,
        "threads": str(torch.get_num_threads()),
        **{f"version of {name}": version for name, version in versions().items()},
    }


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
        With the best epoch's weights and the history.
    """
    recipe = task.recipe
    state = load_state(state_file, task.key)
    if state.finished:
        log(f"{task.name}: trained already.")
        return state
    network, optimiser = _begin(task, state)
    steps = batch_count(len(learn), recipe.batch)
    pace = Pace(seconds, recipe.epochs, steps, math.ceil(len(choose) / recipe.batch),
                done=state.epoch, used=state.used_s)  # fmt: skip
    while not pace.over:
        state.epoch += 1
        loss = _epoch(task, network, optimiser, learn, pace, state, sets_left)
        answering = network
        if recipe.average:
            answering = averaged(network, state.average, _shown(task, learn, state.epoch))
        _evaluate(task, answering, choose, state, loss, _rate(optimiser))
        pace.evaluated()
        if STOPS[recipe.stop.name](_scores(state), **recipe.stop.options):
            pace.stop()
            log(f"{task.name}: the score rises no more; the best epoch was {state.best_epoch}.")
        state.network, state.optimiser = network.state_dict(), optimiser_tensors(optimiser)
        state.used_s, state.finished = pace.used, pace.over
        save_state(state_file, state)
        log(_line(task, state, pace, sets_left))
    return state


def _begin(task: Task, state: State) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Make network and optimiser, as they were if the state knows."""
    recipe = task.recipe
    with torch.random.fork_rng():
        torch.manual_seed(number_of(recipe.seed, task.name, "weights"))
        network = build(recipe, task.leads, len(task.classes))
    network.load_state_dict({**network.state_dict(), **task.begin, **task.kept})
    for name, weight in network.named_parameters():
        weight.requires_grad_(name not in task.kept)
    if state.epoch:
        log(f"{task.name}: going on after epoch {state.epoch}.")
        network.load_state_dict(state.network)
    network.to(task.device)
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    optimiser = OPTIMISERS[recipe.optimiser.name](learning, **recipe.optimiser.options)
    if state.epoch:
        restore_optimiser(optimiser, state.optimiser)
    if recipe.average:
        state.average = {
            name: state.average.get(name, weight).detach().to(task.device, copy=True)
            for name, weight in network.named_parameters()
        }
    return network, optimiser


def to_learning(network: torch.nn.Module) -> None:
    """Switch to training all but parts that are kept: their norms and dropouts stay as answering.

    So what a kept part makes of a signal is what it made of it where it was learned.
    """
    network.train()
    for part in network.modules():
        learns = [weight.requires_grad for weight in part.parameters()]
        if learns and not any(learns):
            part.eval()


def _epoch(
    task: Task, network: torch.nn.Module, optimiser: torch.optim.Optimizer, learn: Items,
    pace: Pace, state: State, sets_left: int,
) -> float:  # fmt: skip
    """Run one pass over the training part, or what the plan leaves of it; give the mean loss."""
    recipe, device = task.recipe, task.device
    scores = _scores(state)
    lengths = np.minimum(learn.lengths, learn.longest)
    order = batches(lengths, recipe.batch, generator_of(recipe.seed, task.name, state.epoch))
    to_learning(network)
    losses: list[float] = []
    cuda = [device] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=cuda),
        progress_bar(f"{task.name}, epoch {state.epoch}", pace.steps, "batch") as shown,
    ):
        for step, places in enumerate(order):
            counters = (recipe.seed, task.name, state.epoch, step)
            torch.manual_seed(number_of(*counters))  # dropout can only use the global generator
            _set_rate(recipe, optimiser, pace.progress, scores)
            optimiser.zero_grad()
            losses.append(_backward(task, network, learn, places, generator_of(*counters)))
            optimiser.step()
            if recipe.average:
                done = (state.epoch - 1) * pace.steps + step
                follow(state.average, network, kept(recipe.average, done))
            pace.stepped()
            shown.update()
            shown.set_postfix(loss=f"{np.mean(losses[-50:]):.4f}")
            if pace.due:
                log(_projection(task, pace, sets_left))
                pace.told()
            if pace.over:
                break
    return float(np.mean(losses))


def _backward(
    task: Task, network: torch.nn.Module, learn: Items, places: list[int],
    generator: np.random.Generator,
) -> float:  # fmt: skip
    """Add up the gradients of a batch, piece by piece where it is long; give its loss."""
    recipe, device, total = task.recipe, task.device, 0.0
    loss_function = lookup(recipe, "LOSSES", recipe.loss.name)
    mixed = task.precision == "bfloat16"
    for piece in learn.pieces(places):
        batch = Batch(*(part.to(device) for part in learn.batch(piece, generator)))
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            loss, _ = loss_function(network, batch, **recipe.loss.options)
        share = len(piece) / len(places)
        (loss * share).backward()
        total += float(loss.detach()) * share
    return total


def _shown(task: Task, learn: Items, epoch: int) -> Iterator[Batch]:
    """Give batches as an epoch shows them, to estimate statistics on."""
    generator = generator_of(task.recipe.seed, task.name, epoch, "average")
    lengths = np.minimum(learn.lengths, learn.longest)
    for places in batches(lengths, task.recipe.batch, generator):
        for piece in learn.pieces(places):
            yield Batch(*(part.to(task.device) for part in learn.batch(piece, generator)))


def _set_rate(
    recipe: Recipe, optimiser: torch.optim.Optimizer, progress: float, scores: list[float]
) -> None:
    """Give the optimiser the rate of this moment, and β₁ where the schedule moves it too."""
    name, numbers = recipe.schedule.name, recipe.schedule.options
    for group in optimiser.param_groups:
        share = SCHEDULES[name](progress, scores, **numbers)
        group["lr"] = recipe.optimiser.options["lr"] * share
        if name in MOMENTA:
            group["betas"] = (MOMENTA[name](progress, scores, **numbers), group["betas"][1])


def _scores(state: State) -> list[float]:
    return [row["score"] for row in state.history]


def _rate(optimiser: torch.optim.Optimizer) -> float:
    return float(optimiser.param_groups[0]["lr"])


def _evaluate(
    task: Task, network: torch.nn.Module, choose: Items, state: State, loss: float, rate: float
) -> None:
    """Score the validation part, note the epoch, keep the best.

    Labels are those of the best global threshold, or of the highest class where classes are
    exclusive; the threshold that is noted is then NaN.
    """
    probabilities, threshold = predict(task, network, choose), math.nan
    if task.recipe.exclusive:
        outputs = highest(probabilities)
    else:
        threshold, _ = global_threshold(probabilities, measure_of(choose.labels, task.classes))
        outputs = probabilities >= threshold
    metric = METRICS[task.recipe.select]
    score = metric(choose.labels, outputs, probabilities, task.classes)
    best = max(_scores(state), default=-math.inf)
    row = {"epoch": state.epoch, "loss": loss, "score": float(score), "threshold": threshold,
           "lr": rate}  # fmt: skip
    state.history.append(row)
    if score > best or not state.best:  # of equally good epochs the earlier one
        # A state_dict is a view of the weights, which go on changing.
        state.best = {
            name: value.detach().cpu().clone() for name, value in network.state_dict().items()
        }
        state.best_epoch = state.epoch


def fit_decision(
    task: Task, state: State, choose: Items, answers: np.ndarray
) -> tuple[Part, tuple[Part, ...]]:
    """Fit decision and rules to what the best epoch's network says of the validation part.

    Parameters
    ----------
    answers : np.ndarray of shape (records, rules)
        What the rules say of the validation part; unused where the recipe's are off.

    Returns
    -------
    decision : Part
    rules : tuple of Part
        With what each does to the labels that are so decided.
    """
    probabilities = predict(task, network_of(task, state.best), choose)
    fit = FITS[task.recipe.decision]
    decision = fit(probabilities, choose.labels, task.classes, task.recipe.seed)
    outputs = decide(decision, probabilities)
    rules = fit_rules(task.recipe.rules, outputs, answers, choose.labels, task.classes)
    for line in rule_lines(rules):
        log(f"{task.name}: {line}")
    return decision, rules


def network_of(task: Task, weights: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Build the network of a lead set with weights that were learned."""
    network = build(task.recipe, task.leads, len(task.classes))
    network.load_state_dict(weights)
    return network.to(task.device)


def predict(task: Task, network: torch.nn.Module, items: Items) -> np.ndarray:
    """Compute the probabilities of all items: (records, classes), float64.

    Records are taken by length; padding and neighbours do not change what the network answers.
    """
    network.eval()
    whole = items.lengths <= items.longest
    probabilities = np.empty((len(items), len(task.classes)))
    order = np.argsort(items.lengths, kind="stable").tolist()
    short = [place for place in order if whole[place]]
    size = task.recipe.batch
    with torch.inference_mode():
        for start in range(0, len(short), size):
            for places in items.pieces(short[start : start + size]):
                batch = items.batch(places)
                logits = network(batch.signal.to(task.device), batch.length.to(task.device))
                probabilities[places] = from_logits(task.recipe, logits)
    for place in (place for place in order if not whole[place]):
        signal = items.signals[place][items.rows].astype(np.float32)
        probabilities[place] = probabilities_of(task.recipe, network, signal, task.device)
    return probabilities


def _line(task: Task, state: State, pace: Pace, sets_left: int) -> str:
    """Sum an epoch up for people."""
    row = state.history[-1]
    best = " (best)" if state.best_epoch == state.epoch else ""
    by = "" if math.isnan(row["threshold"]) else f", threshold {row['threshold']:.2f}"
    return (
        f"{task.name}: epoch {state.epoch} of {math.ceil(pace.plan)}, loss {row['loss']:.4f}, "
        f"score {row['score']:.3f}{best}{by}; "
        f"all lead sets done in {duration(_all_left_s(pace, sets_left))}"
    )


def _projection(task: Task, pace: Pace, sets_left: int) -> str:
    """Say for people how fast it goes and when it will end."""
    return (
        f"{task.name}: {task.recipe.batch / pace.step_s:.3g} records/s, "
        f"{math.ceil(pace.plan)} of at most {pace.epochs} epochs planned; this lead set done in "
        f"{duration(pace.left_s)}, all lead sets in {duration(_all_left_s(pace, sets_left))} "
        f"(budget {duration(60 * task.recipe.minutes)})"
    )


def _all_left_s(pace: Pace, sets_left: int) -> float:
    """Project the end of all; later lead sets are taken to last as long as this one."""
    return pace.left_s + (sets_left - 1) * (pace.used + pace.left_s)
