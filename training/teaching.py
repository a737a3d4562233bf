"""Teaching: how the first lead set's network helps the later ones; a recipe's `teach` names it.

A teacher is `teach(task, learn, first, **numbers) -> task, learn`: what the loop is told of a later
lead set.  `backbone` gives its network weights that it keeps, `labels` its records other labels.
Nothing here is drawn or kept on disk: a resumed training asks the same teacher again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.progress import log
from models.classifier import build
from models.inputs import channels_of, channels_per_lead, finish
from models.recipe import Recipe
from training.items import Items
from training.loop import Task, network_of, predict


@dataclass(frozen=True)
class First:
    """The first lead set, trained.

    Attributes
    ----------
    task : Task
    learn : Items
        Its training part, with the records' own labels.
    weights : dict of torch.Tensor
        Of its best epoch.
    sha256 : str
        Names them.
    """

    task: Task
    learn: Items
    weights: dict[str, torch.Tensor]
    sha256: str

    @cached_property
    def answers(self) -> np.ndarray:
        """Probabilities of the training part's records, as they are: (records, classes)."""
        log(f"{self.task.name}: answers {len(self.learn)} records to teach the other lead sets.")
        return predict(self.task, network_of(self.task, self.weights), self.learn)


Taught = tuple[Task, Items]


class Teacher(NamedTuple):
    """A way to teach, and what is to be asked before long work begins: `check(recipe, **numbers)`.

    `teach(task, learn, first, **numbers)` gives what a later lead set is trained with.
    """

    teach: Callable[..., Taught]
    check: Callable[..., None]


def taught(task: Task, learn: Items, first: First | None) -> Taught:
    """Let the first lead set teach a later one, as the recipe says; the first one learns alone.

    Parameters
    ----------
    task, learn
        A lead set and its training part.
    first : First, optional
        None while the first lead set itself is trained.
    """
    if first is None:
        return task, learn
    part = task.recipe.teach
    return TEACHERS[part.name].teach(task, learn, first, **part.options)


def check_teaching(recipe: Recipe) -> None:
    """See that a recipe's lead sets can be taught as it says, before long work begins.

    Raises
    ------
    LeadwiseError
        There is no such way to teach, or it does not fit recipe or network.
    """
    if (name := recipe.teach.name) not in TEACHERS:
        raise LeadwiseError(f"no way to teach '{name}'; known are {', '.join(TEACHERS)}")
    TEACHERS[name].check(recipe, **recipe.teach.options)


def nothing(task: Task, learn: Items, first: First) -> Taught:
    """Let each lead set learn alone."""
    return task, learn


def check_nothing(recipe: Recipe) -> None:
    """Find nothing wrong."""


def backbone(task: Task, learn: Items, first: First) -> Taught:
    """Give the network the first one's backbone, cut down to its leads, to keep.

    Only what follows the backbone is learned.  Exact from the record on: on the same record the
    same features come out for a lead, whichever lead set reads it (`check_backbone`).
    """
    network = network_of(first.task, first.weights)
    kept = _cut_down(task.recipe, network, first.task.leads, task.leads)
    return replace(task, key=_signed(task, first), kept=kept), learn


def check_backbone(recipe: Recipe) -> None:
    """See that each lead goes its own way, in `finish` and network, and keeps its channels.

    Raises
    ------
    LeadwiseError
        A lead set has a lead that the first one lacks, or a lead does not.
    """
    first, *later = recipe.lead_sets
    kinds = channels_per_lead(recipe)
    generator = np.random.default_rng(0)
    spread = np.arange(1, kinds * len(first) + 1)[:, None]
    trial = (spread * generator.normal(size=(len(spread), 64))).astype(np.float32)
    with torch.device("meta"):  # shapes alone
        network = build(recipe, first, 1)
        for leads in later:
            if odd := set(leads) - set(first):
                raise LeadwiseError(
                    f"{recipe.name}: lead {min(odd)} is not in the first lead set, whose network "
                    "teaches the others"
                )
            own = build(recipe, leads, 1).state_dict()
            for name, weight in _cut_down(recipe, network, first, leads).items():
                if own[name].shape != weight.shape:
                    raise LeadwiseError(
                        f"{recipe.name}: among {len(leads)} leads a lead has not as many channels "
                        f"as among {len(first)}; set the network's lead_width"
                    )
            rows = channels_of(leads, first, kinds)
            if not np.allclose(finish(recipe, trial)[rows], finish(recipe, trial[rows])):
                raise LeadwiseError(
                    f"{recipe.name}: what its `finish` makes of a lead depends on the other leads, "
                    "so the backbone of more leads would not know it; z_score goes lead by lead"
                )


def _cut_down(
    recipe: Recipe, network: torch.nn.Module, have: Sequence[str], want: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Give the weights, by name, of a network's backbone for some of its leads."""
    backbone_of = getattr(network, "backbone_of", None)
    if backbone_of is None:
        raise LeadwiseError(f"{recipe.name}: no part of '{recipe.network.name}' can be reused")
    kept: dict[str, torch.Tensor] = backbone_of(channels_of(want, have, channels_per_lead(recipe)))
    return kept


def _signed(task: Task, first: First) -> dict[str, str]:
    """Add to a key who taught: no state is gone on from that other weights have taught."""
    return {**task.key, "teacher": first.sha256}


def labels(task: Task, learn: Items, first: First, *, share: float) -> Taught:
    """Mix what the first network says of whole records into the labels; Hinton et al. 2015.

    The labels to choose on, and by which the decision is fitted, stay the records' own.

    Parameters
    ----------
    share : float
        Of the first network's probabilities; the rest is the records' own labels.
    """
    mixed = (1 - share) * learn.labels + share * first.answers
    return replace(task, key=_signed(task, first)), replace(learn, labels=mixed.astype(np.float32))


def check_labels(recipe: Recipe, *, share: float) -> None:
    """See that the share is one.

    Raises
    ------
    LeadwiseError
        It is not.
    """
    if not 0 < share <= 1:
        raise LeadwiseError(f"{recipe.name}: a share of {share} cannot be taught; 0.5 is one half")


TEACHERS = {
    "nothing": Teacher(nothing, check_nothing),
    "backbone": Teacher(backbone, check_backbone),
    "labels": Teacher(labels, check_labels),
}
