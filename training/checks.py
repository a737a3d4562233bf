"""Checks of a recipe before long work starts: names, numbers, combinations, and a trial batch."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.labels import POLICIES
from models import lookup
from models.inputs import channels_per_lead, check_rate, post_transform
from models.network import build, outputs_of
from models.recipe import KINDS, Head, Part, Recipe
from scoring import DENSE_METRICS, METRICS
from training.augment import AUGMENTATIONS, BATCHES
from training.data import MASKS
from training.decisions import FITS, USES
from training.optim import OPTIMISERS, SCHEDULES, STOPS
from training.transfer import check_transfer

TRIAL_S = 10.0  # length of the records of the trial batch, before the post-transforms


def check_recipe(recipe: Recipe) -> None:
    """Check all names and combinations of a recipe before long work starts.

    Raises
    ------
    LeadwiseError
        A name is unknown (the message lists the known ones), or parts do not fit each other.
    """
    named: list[tuple[str, str, Mapping[str, object] | Sequence[str]]] = [
        ("optimiser", recipe.optimiser.name, OPTIMISERS),
        ("schedule", recipe.schedule.name, SCHEDULES),
        ("stop", recipe.stop.name, STOPS),
    ]
    for head in recipe.heads:
        named += [
            ("kind of head", head.kind, KINDS),
            ("classes", head.classes, POLICIES),
            ("mask", head.mask, MASKS),
            ("decision", head.decision, FITS),
            ("rules", head.rules, USES),
            ("metric", head.metric, DENSE_METRICS if head.dense else METRICS),
        ]
    for kind, name, known in named:
        if name not in known:
            raise LeadwiseError(f"no {kind} '{name}'; known are {', '.join(known)}")
    dense = [head.kind for head in recipe.heads if head.dense]
    if len(set(dense)) < len(dense):
        raise LeadwiseError(f"{recipe.name}: has two heads of kind {dense[-1]}; one is supported")
    for part in recipe.augment:
        augmentation = lookup(recipe, "AUGMENTATIONS", part.name, AUGMENTATIONS)
        of_batch = part.name in BATCHES
        if of_batch and augmentation is not BATCHES[part.name]:
            raise LeadwiseError(
                f"{recipe.name}: '{part.name}' is the name of an augmentation of batches; rename "
                "the system's own"
            )
        if part.name == "mixup" and dense:
            raise LeadwiseError(f"{recipe.name}: mixup cannot mix classes per sample")
        _check_numbers(recipe, part, augmentation, 4 if of_batch else 2)
    for part in (*recipe.transforms, *recipe.post_transforms):
        transform = lookup(recipe, "TRANSFORMS", part.name)
        _check_numbers(recipe, part, transform, 2, stated=("to_hz", "seconds"))
    for part in (head.loss for head in recipe.heads):
        _check_numbers(recipe, part, lookup(recipe, "LOSSES", part.name), 2)
    network = lookup(recipe, "NETWORKS", recipe.network.name)
    _check_numbers(recipe, recipe.network, network, 2)
    _check_numbers(recipe, recipe.optimiser, OPTIMISERS[recipe.optimiser.name], 1)
    _check_numbers(recipe, recipe.schedule, SCHEDULES[recipe.schedule.name], 2)
    _check_numbers(recipe, recipe.stop, STOPS[recipe.stop.name], 1)
    check_rate(recipe)
    check_transfer(recipe)


def _check_numbers(
    recipe: Recipe, part: Part, function: Callable[..., object], arguments: int,
    stated: Sequence[str] = (),
) -> None:  # fmt: skip
    """Check the numbers of a part against the parameters of its function.

    Parameters
    ----------
    arguments : int
        Number of positional arguments that the function gets.
    stated : sequence of str
        Parameters that have the recipe's value if the part leaves them out.
    """
    expected = signature(function, follow_wrapped=False)
    implied = {name: None for name in stated if name in expected.parameters}
    named = list(expected.parameters)[arguments:]
    unknown = sorted(part.options.keys() - set(named))
    if unknown and not any(one.kind == one.VAR_KEYWORD for one in expected.parameters.values()):
        raise LeadwiseError(
            f"{recipe.name}: '{part.name}' has no number {unknown[0]}; known are "
            f"{', '.join(named) or 'none'}"
        )
    try:
        expected.bind(*[None] * arguments, **{**implied, **part.options})
    except TypeError as error:
        raise LeadwiseError(f"{recipe.name}: wrong numbers of '{part.name}': {error}") from error


def try_batch(recipe: Recipe) -> None:
    """Run network and losses on two random records, to find what does not fit.

    Raises
    ------
    LeadwiseError
        The network fails or lacks the output of a head, or an output does not fit its head or loss.
    """
    classes = {head.name: POLICIES[head.classes]([["1"], ["2"]]) for head in recipe.heads}
    leads = recipe.lead_sets[0]
    record = np.zeros((1, min(recipe.max_samples, round(TRIAL_S * recipe.fs))), np.float32)
    samples = min(recipe.max_samples, post_transform(recipe, record)[0].shape[1])
    signal = torch.zeros(2, len(leads) * channels_per_lead(recipe), samples)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        try:
            network = build(recipe, leads, classes)
            outputs = outputs_of(recipe, network, signal.normal_(), torch.full((2,), samples))
            for head in recipe.heads:
                _try_loss(recipe, head, outputs, len(classes[head.name]), samples)
        except LeadwiseError:
            raise
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError,
                ValueError) as error:  # fmt: skip
            raise LeadwiseError(
                f"{recipe.name}: network or loss fail on a trial batch of two records of "
                f"{samples} samples: {type(error).__name__}: {error}"
            ) from error


def _try_loss(
    recipe: Recipe, head: Head, outputs: Mapping[str, torch.Tensor], classes: int, samples: int
) -> None:
    """Check the shape of a head's output and compute its loss on targets of 0."""
    if head.name not in outputs:
        raise LeadwiseError(
            f"{recipe.name}: the network gives no output '{head.name}'; it gives "
            f"{', '.join(outputs)}"
        )
    shape = (2, classes, samples) if head.dense else (2, classes)
    found = tuple(outputs[head.name].shape)
    if found[-len(shape) :] != shape:  # an ensemble has a first axis of members
        raise LeadwiseError(
            f"{recipe.name}: the output '{head.name}' has the shape {found} for two records of "
            f"{samples} samples, but a head of kind {head.kind} needs {shape}"
        )
    target = torch.zeros(2, samples, dtype=torch.int64) if head.dense else torch.zeros(2, classes)
    value = lookup(recipe, "LOSSES", head.loss.name)(
        outputs[head.name], target, **head.loss.options
    )
    if value.shape != () or not torch.isfinite(value):
        raise LeadwiseError(f"{recipe.name}: the loss '{head.loss.name}' is {value}, not a number")
