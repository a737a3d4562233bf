"""Checks of a recipe before the first record is read: names, numbers, and a trial batch."""

import math
from collections.abc import Collection, Mapping

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.labels import POLICIES
from models import known_parts, lookup
from models.decision import check_decision
from models.facts import KINDS, reads_facts
from models.inputs import channels_per_lead, check_transforms
from models.network import build, outputs_of, skeleton
from models.parts import check_numbers, reported
from models.recipe import Head, Recipe, recipe_from_json, recipe_to_json
from models.typed import suggestion
from scoring import DENSE_METRICS, METRICS
from training.augment import AUGMENTATIONS, BATCHES
from training.cache import cached_leads, rows_of
from training.combinations import check_combinations
from training.data import MASKS, taught_labels
from training.dataset import Dataset, dataset_of
from training.decisions import FITS, USES, fit_of
from training.evaluate import score_head
from training.mapped import MappedArrays
from training.optim import ACCUMULATIONS, MOMENTA, OPTIMISERS, SCHEDULES, STOPS, optimiser_of
from training.pretraining import PRETRAININGS, check_embedding
from training.sampling import SAMPLINGS
from training.selection import SELECTIONS
from training.splits import SPLITS
from training.transfer import TRANSFERS, check_transfer

TRIAL_S = 10.0  # length of the records of the trial batch, before the post-transforms
TRIAL_RECORDS = 2
SCORES = (0.1, 0.2, 0.2, 0.1, math.nan)  # of trial epochs; a score may be undefined


def check_recipe(recipe: Recipe) -> None:
    """Check all names, numbers and combinations of a recipe.

    Raises
    ------
    LeadwiseError
        A name is unknown (the message lists known or similar ones), a number is wrong, or parts do
        not fit each other.
    """
    recipe_from_json(recipe_to_json(recipe), recipe.name)  # types and ranges
    _check_names(recipe)
    _check_augmentations(recipe)
    where = recipe.name
    for loss in (head.loss for head in recipe.heads):
        check_numbers(where, loss, lookup(recipe, "LOSSES", loss.name), 2)
    check_numbers(where, recipe.optimiser, OPTIMISERS[recipe.optimiser.name], 1)
    if "lr" not in recipe.optimiser.options:
        raise LeadwiseError(f"{where}: '{recipe.optimiser.name}' lacks the number lr")
    check_numbers(where, recipe.schedule, SCHEDULES[recipe.schedule.name], 2)
    check_numbers(where, recipe.pretraining, PRETRAININGS[recipe.pretraining.name], 1)
    check_numbers(where, recipe.accumulation, ACCUMULATIONS[recipe.accumulation.name], 1)
    check_numbers(where, recipe.stop, STOPS[recipe.stop.name], 1)
    check_numbers(where, recipe.sampling, SAMPLINGS[recipe.sampling.name], 2)
    check_numbers(where, recipe.transfer, TRANSFERS[recipe.transfer.name].check, 1)
    check_numbers(where, recipe.split, SPLITS[recipe.split.name], 4)
    for one in recipe.leave_out:
        check_numbers(where, one, SELECTIONS[one.name], 1)
    check_combinations(recipe)
    _try_schedule(recipe)
    check_transforms(recipe)
    for leads in recipe.lead_sets:
        skeleton(recipe, leads, _trial_classes(recipe))
    check_transfer(recipe)


def _check_names(recipe: Recipe) -> None:
    named: list[tuple[str, str, Collection[str]]] = [
        ("optimiser", recipe.optimiser.name, OPTIMISERS),
        ("schedule", recipe.schedule.name, SCHEDULES),
        ("sampling", recipe.sampling.name, SAMPLINGS),
        ("pretraining", recipe.pretraining.name, PRETRAININGS),
        ("accumulation", recipe.accumulation.name, ACCUMULATIONS),
        ("stop", recipe.stop.name, STOPS),
        ("transfer", recipe.transfer.name, TRANSFERS),
        ("split", recipe.split.name, SPLITS),
        *(("leave_out", one.name, SELECTIONS) for one in recipe.leave_out),
    ]
    lookup(recipe, "NETWORKS", recipe.network.name)
    decisions = {**known_parts(recipe, "DECISIONS"), **known_parts(recipe, "FITS", FITS)}
    for head in recipe.heads:
        if head.engineered:
            lookup(recipe, "TARGETS", head.targets, {})
        named += [
            ("mask", head.mask, (*MASKS, "no P") if head.kind == "samples" else MASKS),
            ("decision", head.decision, decisions),
            ("rules", head.rules, USES),
            ("metric", head.metric, DENSE_METRICS if head.dense else METRICS),
        ]
    for kind, name, known in named:
        if name not in known:
            raise LeadwiseError(f"{recipe.name}: no {kind} '{name}'; {suggestion(name, known)}")


def _check_augmentations(recipe: Recipe) -> None:
    for augmentation in recipe.augment:
        name = augmentation.name
        function = lookup(recipe, "AUGMENTATIONS", name, AUGMENTATIONS)
        if name in BATCHES and function is not BATCHES[name]:
            raise LeadwiseError(
                f"{recipe.name}: '{name}' is the name of an augmentation of batches; rename the "
                "system's own"
            )
        check_numbers(recipe.name, augmentation, function, 4 if name in BATCHES else 2)


def _try_schedule(recipe: Recipe) -> None:
    """Evaluate schedule and early stopping at a few points of a training."""
    name, numbers = recipe.schedule.name, recipe.schedule.options
    with reported(f"{recipe.name}: the schedule '{name}' fails"):
        for schedule in (SCHEDULES[name], MOMENTA.get(name, SCHEDULES[name])):
            for progress in (0.0, 0.3, 0.7, 1.0):
                factor = schedule(progress, SCORES, **numbers)
                if not 0 <= factor < math.inf:
                    raise LeadwiseError(
                        f"{recipe.name}: the schedule '{name}' multiplies the learning rate by "
                        f"{factor:g} at {progress:.0%} of a training"
                    )
    with reported(f"{recipe.name}: the early stopping '{recipe.stop.name}' fails"):
        STOPS[recipe.stop.name](SCORES, **recipe.stop.options)


def _trial_classes(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    return {head.name: POLICIES[head.classes]([["1"], ["2"]]) for head in recipe.heads}


def try_batch(recipe: Recipe) -> None:
    """Augment two random records, run network and losses on them, and score the outputs.

    Raises
    ------
    LeadwiseError
        An augmentation or the network fails, the network lacks the output of a head, or an output
        does not fit its head, loss, metric or decision.
    """
    leads, classes = recipe.lead_sets[0], _trial_classes(recipe)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        with reported(f"{recipe.name}: the post-transforms fail on a trial batch"):
            dataset = _trial_dataset(recipe, leads, classes)
            samples = int(dataset.lengths[0])
        with reported(f"{recipe.name}: an augmentation fails on a trial batch"):
            batch = dataset.batch(range(TRIAL_RECORDS), np.random.default_rng(0))
        samples = batch.signal.shape[2]
        if not torch.isfinite(batch.signal).all():
            raise LeadwiseError(f"{recipe.name}: the augmentations give NaN or infinity")
        with reported(
            f"{recipe.name}: network or loss fail on a trial batch of {TRIAL_RECORDS} records of "
            f"{samples} samples"
        ):
            network = build(recipe, leads, classes)
            outputs = outputs_of(recipe, network, batch.signal, batch.length, batch.facts)
            check_embedding(recipe, outputs)
            for head in recipe.heads:
                target = batch.targets[head.name]
                columns = len(classes[head.name]) if head.dense else target.shape[1]
                _check_output(recipe, head, outputs, columns, samples)
                _try_loss(recipe, head, outputs[head.name], target)
            if any(head.engineered for head in recipe.heads):
                outputs = outputs_of(
                    recipe, network.eval(), batch.signal, batch.length, batch.facts
                )
                for head in recipe.heads:
                    _check_output(recipe, head, outputs, len(classes[head.name]), samples)
        with reported(f"{recipe.name}: the optimiser '{recipe.optimiser.name}' cannot be made"):
            optimiser_of(recipe, network)
    for head in (head for head in recipe.heads if not head.dense):
        _try_decision(recipe, head, dataset, classes[head.name])


def _trial_dataset(
    recipe: Recipe, leads: tuple[str, ...], classes: Mapping[str, tuple[str, ...]]
) -> Dataset:
    """Make random records with one class each, prepared as the cache holds them."""
    generator = np.random.default_rng(0)
    samples = max(1, min(recipe.max_samples, round(TRIAL_S * recipe.fs)))
    lengths = np.full(TRIAL_RECORDS, samples)
    channels = len(cached_leads(recipe)) * channels_per_lead(recipe)
    noise = generator.normal(size=(TRIAL_RECORDS, channels, samples)).astype(np.float32)
    labels = {
        head.name: np.eye(TRIAL_RECORDS, len(classes[head.name]), dtype=bool)
        for head in recipe.heads
        if not head.dense
    }
    dense = {}
    for head in (head for head in recipe.heads if head.dense):
        rows = rows_of(recipe, head)
        zeros = np.zeros((TRIAL_RECORDS, rows, samples), np.uint8)
        dense[head.name] = MappedArrays(zeros.tobytes(), np.uint8, rows, lengths)
    codes = [[classes_of[row] for classes_of in classes.values()] for row in range(TRIAL_RECORDS)]
    taught = taught_labels(recipe, codes)
    kind = reads_facts(recipe)
    facts = np.zeros((TRIAL_RECORDS, len(KINDS[kind])), np.float32) if kind else None
    signals = MappedArrays(noise.tobytes(), np.float32, channels, lengths)
    return dataset_of(signals, labels, leads, recipe, None, dense, taught, facts)


def _check_output(
    recipe: Recipe, head: Head, outputs: Mapping[str, torch.Tensor], classes: int, samples: int
) -> None:
    """Check that a head has an output, and its shape."""
    if head.name not in outputs:
        raise LeadwiseError(
            f"{recipe.name}: the network gives no output '{head.name}'; it gives "
            f"{', '.join(outputs)}"
        )
    shape = (TRIAL_RECORDS, classes, samples) if head.dense else (TRIAL_RECORDS, classes)
    output = outputs[head.name]
    found = tuple((output[0] if isinstance(output, tuple) else output).shape)
    if found[-len(shape) :] != shape:  # an ensemble has a first axis of members
        raise LeadwiseError(
            f"{recipe.name}: the output '{head.name}' has the shape {found} for two records of "
            f"{samples} samples, but a head of kind {head.kind} needs {shape}"
        )


def _try_loss(recipe: Recipe, head: Head, output: torch.Tensor, target: torch.Tensor) -> None:
    """Compute the loss; where labels can be unknown, also with those of one record unknown."""
    targets = [target]
    if not head.dense and (head.mask != "off" or len(recipe.heads) > 1):
        unknown = target.clone()
        unknown[0] = torch.nan
        targets.append(unknown)
    for each in targets:
        value = lookup(recipe, "LOSSES", head.loss.name)(output, each, **head.loss.options)
        if value.shape != () or not torch.isfinite(value):
            raise LeadwiseError(
                f"{recipe.name}: the loss '{head.loss.name}' is {value}, not a number"
            )


def _try_decision(recipe: Recipe, head: Head, dataset: Dataset, classes: tuple[str, ...]) -> None:
    """Score random probabilities; fit and apply a decision of the system's own."""
    probabilities = np.random.default_rng(0).uniform(size=(TRIAL_RECORDS, len(classes)))
    fit = fit_of(recipe, head.decision)
    if fit not in FITS.values():  # fitted to two records those take a second and show nothing
        with reported(f"{recipe.name}: the decision '{head.decision}' fails on trial predictions"):
            labels = dataset.labels[head.name]
            check_decision(fit(probabilities, labels, classes, recipe.seed), len(classes), recipe)
    with reported(f"{recipe.name}: the metric '{head.metric}' fails on trial predictions"):
        score_head(recipe, head, probabilities, dataset, classes)
