"""The training loop of one lead set: train, evaluate, copy the best weights, save state, log."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.progress import duration, log, progress_bar
from models import lookup
from models.folder import versions
from models.network import build, outputs_of
from models.recipe import Recipe, recipe_to_json
from models.sample import Batch
from training.budget import FIRST_STEPS, TimeBudget, TooShort, TotalBudget
from training.dataset import Dataset, batch_count
from training.evaluate import LeadSetRun, predict, score_head, training_score
from training.optim import (
    NORM_BATCHES,
    STOPS,
    batches_per_step,
    ema_decay,
    ema_network,
    optimiser_of,
    set_rate,
    update_ema,
)
from training.pretraining import EMBEDDING, ViewLoss, record_head, view_loss_of, with_others
from training.state import (
    TrainingState,
    generator_of,
    load_state,
    number_of,
    optimiser_tensors,
    restore_optimiser,
    save_state,
)


def training_key(
    recipe: Recipe, device: torch.device, precision: str, data: str,
    labels: Mapping[str, np.ndarray], validation: np.ndarray,
) -> dict[str, str]:  # fmt: skip
    """Collect all that trained weights depend on; a state with another key is not resumed.

    Time budget and other lead sets are left out, so an interrupted training can be resumed with a
    longer budget.
    """
    content = recipe_to_json(replace(recipe, minutes=0.0, lead_sets=()))
    return {
        "data": data,
        "labels": hashlib.sha256(b"".join(one.tobytes() for one in labels.values())).hexdigest(),
        "split": hashlib.sha256(validation.tobytes()).hexdigest(),
        **{f"recipe: {name}": json.dumps(value) for name, value in content.items()},
        "device": str(device),
        "precision": precision,
        "threads": str(torch.get_num_threads()),
        **{f"version of {name}": version for name, version in versions().items()},
    }


def train(
    run: LeadSetRun, train_part: Dataset, validation_part: Dataset, scored_part: Dataset,
    total: TotalBudget, state_file: Path,
) -> TrainingState:  # fmt: skip
    """Train a lead set's network, or continue an interrupted training.

    Parameters
    ----------
    scored_part : Dataset
        Training records that are scored after each epoch (`training.evaluate.scored_records`).
    total : TotalBudget
        Time budget of all lead sets; this one gets its share.
    state_file : Path
        Written after each epoch, and every few minutes within one.

    Returns
    -------
    TrainingState
        With the weights of the best epoch and the history.

    Raises
    ------
    LeadwiseError
        A loss, a prediction or a score is not finite.
    TooShort
        After the first steps no time is left to evaluate and write the network.
    """
    recipe = run.recipe
    state = load_state(state_file, run.key)
    if state.finished:
        total.resumed(state.used_s)
        log(f"{run.name}: already trained.")
        return state
    network, optimiser = _start(run, state)
    steps = batch_count(train_part.epoch_records, recipe.batch)
    mean = float(np.minimum(train_part.lengths, recipe.crop_samples).mean())
    samples = mean * train_part.epoch_records / steps  # of a batch
    evaluated = validation_part.lengths.sum() + scored_part.lengths.sum()
    budget = TimeBudget(
        total, recipe.epochs, steps, float(evaluated / samples),
        min(steps, NORM_BATCHES) if recipe.ema else 0,
        done=state.epoch * steps + state.step, used=state.used_s,
    )  # fmt: skip

    def save() -> None:
        state.network, state.optimiser = network.state_dict(), optimiser_tensors(optimiser)
        state.used_s = budget.used
        save_state(state_file, state)
        budget.saved()

    while state.step or not budget.over:
        _epoch(run, network, optimiser, train_part, budget, state, save)
        if not state.epoch and budget.over and budget.hopeless:
            raise TooShort(_too_short(budget))
        state.epoch, state.step = state.epoch + 1, 0
        state.step_losses += [float(f"{one['loss']:.6g}") for one in state.losses]
        losses, state.losses = _mean_losses(state.losses), []
        predicting = network
        if recipe.ema:
            batches = _norm_batches(run, train_part, state.epoch)
            predicting = ema_network(network, state.ema, batches)
        rate = float(optimiser.param_groups[0]["lr"])
        _evaluate(run, predicting, validation_part, scored_part, state, losses, rate)
        budget.evaluated()
        if STOPS[recipe.stop.name](state.scores, **recipe.stop.options):
            budget.stop()
            log(f"{run.name}: stopped early; the best score was in epoch {state.best_epoch}.")
        state.finished = budget.over
        save()
        log(_epoch_line(run, state, budget))
    return state


def _start(run: LeadSetRun, state: TrainingState) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Make network and optimiser, and restore them from the state if it has a step."""
    recipe = run.recipe
    with torch.random.fork_rng():
        torch.manual_seed(number_of(recipe.seed, run.name, "weights"))
        network = build(recipe, run.leads, run.classes)
    network.load_state_dict({**network.state_dict(), **run.init, **run.frozen})
    for name, weight in network.named_parameters():
        if name in run.frozen:
            weight.requires_grad_(False)
    if state.started:
        log(f"{run.name}: continues {state.position}.")
        network.load_state_dict(state.network)
    network.to(run.device)
    optimiser = optimiser_of(recipe, network)
    if state.started:
        restore_optimiser(optimiser, state.optimiser)
    if recipe.ema:
        state.ema = {
            name: state.ema.get(name, weight).detach().to(run.device, copy=True)
            for name, weight in network.named_parameters()
        }
    return network, optimiser


def set_train_mode(network: torch.nn.Module) -> None:
    """Set train mode; frozen modules stay in eval mode, so their outputs do not change."""
    network.train()
    for module in network.modules():
        trainable = [weight.requires_grad for weight in module.parameters()]
        if trainable and not any(trainable):
            module.eval()


def _epoch(
    run: LeadSetRun, network: torch.nn.Module, optimiser: torch.optim.Optimizer,
    train_part: Dataset, budget: TimeBudget, state: TrainingState, save: Callable[[], None],
) -> None:  # fmt: skip
    """Run one pass over the training records, or the rest or the planned part of it.

    The losses are added to the state, which is saved every few minutes.
    """
    recipe, scores, epoch = run.recipe, state.scores, state.epoch + 1
    set_train_mode(network)
    losses = state.losses
    cuda = [run.device] if run.device.type == "cuda" else []
    shuffled = train_part.shuffled(generator_of(recipe.seed, run.name, epoch))
    with (
        torch.random.fork_rng(devices=cuda),
        progress_bar(f"{run.name}, epoch {epoch}", budget.steps, "batch") as shown,
    ):
        shown.update(state.step)
        pending = 0  # batches since the last step of the optimiser; the state is saved at 0
        for step, indices in islice(enumerate(shuffled), state.step, None):
            if budget.over:
                break
            counters = (recipe.seed, run.name, epoch, step)
            torch.manual_seed(number_of(*counters))  # dropout can only use the global generator
            set_rate(recipe, optimiser, budget.progress, scores)
            if not pending:
                optimiser.zero_grad()
            view_loss = view_loss_of(recipe, budget.progress)
            losses.append(
                _backward(run, network, train_part, indices, generator_of(*counters), view_loss)
            )
            _check_loss(run, losses[-1]["loss"], epoch)
            pending += 1
            if pending >= batches_per_step(recipe, budget.progress) or step + 1 == budget.steps:
                _step(run, network, optimiser, state, budget.steps, pending)
                pending = 0
            budget.stepped()
            state.step = step + 1
            shown.update()
            shown.set_postfix(loss=f"{np.mean([one['loss'] for one in losses[-50:]]):.4f}")
            _report(run, budget)
            if budget.save_due and not pending and state.step < budget.steps:
                save()
        if pending:  # the budget has ended the epoch
            _step(run, network, optimiser, state, budget.steps, pending)


def _mean_losses(losses: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in losses])) for name in losses[0]}


def _report(run: LeadSetRun, budget: TimeBudget) -> None:
    """Log once if the budget is too short, and now and then the projected end."""
    first = budget.total.sets_left == len(run.recipe.lead_sets)
    known = budget.counted == FIRST_STEPS or (budget.over and budget.counted < FIRST_STEPS)
    if first and known and budget.plan < 1 and not (budget.over and budget.hopeless):
        log(f"Warning: {_too_short(budget)}")
    if budget.due:
        log(_projection(run, budget))
        budget.reported()


def _step(
    run: LeadSetRun, network: torch.nn.Module, optimiser: torch.optim.Optimizer,
    state: TrainingState, steps: int, batches: int,
) -> None:  # fmt: skip
    """Step the optimiser by the mean gradient of so many batches, and update the EMA."""
    if batches > 1:
        for weight in network.parameters():
            if weight.grad is not None:
                weight.grad /= batches
    try:
        optimiser.step()
    except RuntimeError as error:
        if "overflow" not in str(error):
            raise
        raise LeadwiseError(
            f"{run.name}: a step of the optimiser overflows in epoch {state.epoch + 1}; lower the "
            "learning rate"
        ) from error
    if run.recipe.ema:
        done = state.epoch * steps + state.step
        update_ema(state.ema, network, ema_decay(run.recipe.ema, done))


def _check_loss(run: LeadSetRun, loss: float, epoch: int) -> None:
    """Stop a training that has diverged, before its weights are saved."""
    if not math.isfinite(loss):
        raise LeadwiseError(
            f"{run.name}: the loss is {loss} in epoch {epoch}; lower the learning rate, or check "
            "the loss for logarithms of 0 and unknown targets"
        )


def _backward(
    run: LeadSetRun, network: torch.nn.Module, train_part: Dataset, indices: list[int],
    generator: np.random.Generator, view_loss: ViewLoss | None = None,
) -> dict[str, float]:  # fmt: skip
    """Accumulate the gradients of a batch over its micro-batches; return its losses.

    `loss` is the weighted sum over heads; with several heads each loss has a further entry.
    """
    recipe = run.recipe
    totals: dict[str, float] = {}
    if view_loss:
        indices = with_others(recipe, indices, len(train_part), generator)
    mixed = run.precision == "bfloat16"
    for micro_batch in train_part.micro_batches(indices, run.recipe.crop_samples):
        with torch.autocast(run.device.type, torch.bfloat16, enabled=mixed):
            losses = _losses(run, network, train_part, micro_batch, generator, view_loss)
            loss = sum(losses[head.name] * head.weight for head in recipe.heads)
        share = len(micro_batch) / len(indices)
        assert isinstance(loss, torch.Tensor)
        (loss * share).backward()
        parts = {f"loss {name}": value for name, value in losses.items()} if len(losses) > 1 else {}
        for name, value in {"loss": loss, **parts}.items():
            totals[name] = totals.get(name, 0.0) + float(value.detach()) * share
    return totals


def _losses(
    run: LeadSetRun, network: torch.nn.Module, train_part: Dataset, indices: list[int],
    generator: np.random.Generator, view_loss: ViewLoss | None,
) -> dict[str, torch.Tensor]:  # fmt: skip
    """Run the network on a micro-batch, and return the loss of each head.

    With `view_loss` the loss of the first record head compares two views of the records.
    """
    recipe = run.recipe

    def run_on_view() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        batch = train_part.batch(indices, generator).to(run.device)
        outputs = outputs_of(recipe, network, batch.signal, batch.length, batch.facts)
        return outputs, batch.targets

    outputs, targets = run_on_view()
    losses = {
        head.name: lookup(recipe, "LOSSES", head.loss.name)(
            outputs[head.name], targets[head.name], **head.loss.options
        )
        for head in recipe.heads
    }
    if view_loss:
        losses[record_head(recipe).name] = view_loss(
            outputs[EMBEDDING], run_on_view()[0][EMBEDDING]
        )
    return losses


def _norm_batches(run: LeadSetRun, train_part: Dataset, epoch: int) -> Iterator[Batch]:
    """Yield training batches for the estimation of batch-norm statistics."""
    generator = generator_of(run.recipe.seed, run.name, epoch, "average")
    for indices in train_part.shuffled(generator):
        for micro_batch in train_part.micro_batches(indices, run.recipe.crop_samples):
            yield train_part.batch(micro_batch, generator).to(run.device)


def _evaluate(
    run: LeadSetRun, network: torch.nn.Module, validation_part: Dataset, scored_part: Dataset,
    state: TrainingState, losses: Mapping[str, float], rate: float,
) -> None:  # fmt: skip
    """Score the validation records, add the epoch to the history, and copy the best weights."""
    predictions = predict(run, network, validation_part)
    scores, thresholds = {}, {}
    for head in run.recipe.heads:
        scores[head.name], thresholds[head.name] = score_head(
            run.recipe, head, predictions[head.name], validation_part, run.classes[head.name]
        )
    first, *others = run.recipe.heads
    score = scores[first.name]
    if not math.isfinite(score):
        raise LeadwiseError(
            f"{run.name}: the validation score ({first.metric}) is {score} in epoch {state.epoch}; "
            "check that the validation records have positive and negative labels"
        )
    best = max(state.scores, default=-math.inf)
    state.history.append({
        "epoch": state.epoch, **losses, "score": score, "threshold": thresholds[first.name],
        "lr": rate, **{f"score {head.name}": scores[head.name] for head in others},
        "training score": training_score(run, network, scored_part),
    })  # fmt: skip
    if score > best or not state.best:  # of equally good epochs the earlier one
        # Copies, because a state_dict refers to the weights themselves, which training changes.
        state.best = {
            name: value.detach().cpu().clone() for name, value in network.state_dict().items()
        }
        state.best_epoch = state.epoch


def _too_short(budget: TimeBudget) -> str:
    """Tell how long one epoch per lead set takes."""
    return (
        f"the budget of {duration(budget.total.seconds)} does not hold one epoch per lead set, "
        f"which needs about {math.ceil(budget.needed_s / 60)} minutes; useful scores need many "
        "epochs. Set more minutes, fewer lead sets, or a smaller recipe."
    )


def _epoch_line(run: LeadSetRun, state: TrainingState, budget: TimeBudget) -> str:
    """Summarise an epoch in one line."""
    row = state.history[-1]
    best = " (best)" if state.best_epoch == state.epoch else ""
    by = "" if math.isnan(row["threshold"]) else f", threshold {row['threshold']:.2f}"
    return (
        f"{run.name}: epoch {state.epoch} of {_planned(budget)}, loss {row['loss']:.4f}, "
        f"score {row['score']:.3f}{best}{by}; "
        f"all lead sets done in {duration(_all_left_s(budget))}"
    )


def _planned(budget: TimeBudget) -> str:
    """Format the planned epochs; a plan that the budget cuts changes with the speed."""
    return f"{'about ' if budget.cut and not budget.over else ''}{math.ceil(budget.plan)}"


def _projection(run: LeadSetRun, budget: TimeBudget) -> str:
    """Report the speed and the projected end."""
    return (
        f"{run.name}: {run.recipe.batch / budget.step_s:.3g} records/s, "
        f"{_planned(budget)} of at most {budget.epochs} epochs planned; this lead set done "
        f"in {duration(budget.left_s)}, all lead sets in "
        f"{duration(_all_left_s(budget))} (budget {duration(budget.total.seconds)})"
    )


def _all_left_s(budget: TimeBudget) -> float:
    """Project the end of all lead sets, assuming that later ones take as long as this one."""
    later = (budget.total.sets_left - 1) * (budget.used + budget.left_s)
    return max(0.0, min(budget.left_s + later, budget.total.left_s))
