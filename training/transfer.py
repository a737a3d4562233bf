"""Transfer between networks: from the first lead set to the others, and from a pretrained model.

A recipe's `transfer` names how the networks of later lead sets use the first one.  `distillation`
mixes its probabilities into their targets; `frozen_backbone` copies its backbone.  A transfer is
`apply(run, train_part, first, **numbers) -> run, train_part`.  Nothing is stored on disk; a resumed
training computes it again.

`--init-from MODEL` initialises a network with all fitting tensors of another model except the last
layer, as Reich & Kruk (ECG-DualNet, 2021) transfer from Icentia11k to 2017's records.  They draw
the last layer's weights Kaiming normal and set its bias to 0.  Here it is initialised as without
transfer, so that nothing else differs.  The last layer is the tensors whose shape depends on the
number of classes: of one linear layer, of two in an ensemble of two, or queries and weights of
attention per class.  A single network initialises every member of an ensemble; they differ by their
last layers and by dropout.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.progress import log
from models.folder import ModelFolder, read_model, read_weights
from models.inputs import channels_of, channels_per_lead, post_transform
from models.network import build
from models.recipe import Recipe
from models.typed import suggestion
from training.dataset import Dataset
from training.evaluate import LeadSetRun, Weights, predict

LeadSet = tuple[str, ...]
SHOWN = 3  # names of tensors in a message
MEMBER = re.compile(r"members\.\d+\.")


@dataclass(frozen=True)
class FirstRun:
    """The trained first lead set.

    Attributes
    ----------
    train_part : Dataset
        Its training records with their own labels.
    weights : dict of torch.Tensor
        Of its best epoch.
    sha256 : str
        Hash of the weights file.
    """

    run: LeadSetRun
    train_part: Dataset
    weights: dict[str, torch.Tensor]
    sha256: str

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Probabilities of the training records: (records, classes) of the first head."""
        log(f"{self.run.name}: predicts {len(self.train_part)} records for distillation.")
        network = self.run.network(self.weights)
        return predict(self.run, network, self.train_part)[self.run.recipe.head.name]


Transferred = tuple[LeadSetRun, Dataset]


class Transfer(NamedTuple):
    """A transfer and its `check(recipe, **numbers)`, which runs before long work starts."""

    apply: Callable[..., Transferred]
    check: Callable[..., None]


def transferred(run: LeadSetRun, train_part: Dataset, first: FirstRun | None) -> Transferred:
    """Apply the recipe's transfer from the first lead set to a later one.

    Parameters
    ----------
    run, train_part
        A lead set and its training records.
    first : FirstRun, optional
        None while the first lead set itself is trained.
    """
    if first is None:
        return run, train_part
    part = run.recipe.transfer
    return TRANSFERS[part.name].apply(run, train_part, first, **part.options)


def check_transfer(recipe: Recipe) -> None:
    """Check that the recipe's transfer exists and fits recipe and network.

    Raises
    ------
    LeadwiseError
        The transfer is unknown or does not fit.
    """
    if (name := recipe.transfer.name) not in TRANSFERS:
        raise LeadwiseError(f"no transfer '{name}'; {suggestion(name, TRANSFERS)}")
    TRANSFERS[name].check(recipe, **recipe.transfer.options)


def frozen_backbone(run: LeadSetRun, train_part: Dataset, first: FirstRun) -> Transferred:
    """Copy the first network's backbone, reduced to the leads of this one, and freeze it.

    Only the layers after the backbone are trained.  The features of a lead are exactly those in the
    first network (`check_frozen_backbone`).
    """
    network = first.run.network(first.weights)
    frozen = _reduced(run.recipe, network, first.run.leads, run.leads)
    return replace(run, key=_key_with(first, run), frozen=frozen), train_part


def check_frozen_backbone(recipe: Recipe) -> None:
    """Check that post-transforms and backbone process each lead independently and alike.

    Raises
    ------
    LeadwiseError
        They do not, or a lead is not in the first lead set.
    """
    first, *later = recipe.lead_sets
    kinds = channels_per_lead(recipe)
    generator = np.random.default_rng(0)
    spread = np.arange(1, kinds * len(first) + 1)[:, None]
    trial = (spread * generator.normal(size=(len(spread), 64))).astype(np.float32)
    one_class = {head.name: ("",) for head in recipe.heads}
    with torch.device("meta"):  # shapes alone
        network = build(recipe, first, one_class)
        for leads in later:
            if unknown := set(leads) - set(first):
                raise LeadwiseError(
                    f"{recipe.name}: lead {min(unknown)} is not in the first lead set, whose "
                    "backbone the others reuse"
                )
            tensors = build(recipe, leads, one_class).state_dict()
            for name, weight in _reduced(recipe, network, first, leads).items():
                if tensors[name].shape != weight.shape:
                    raise LeadwiseError(
                        f"{recipe.name}: with {len(leads)} leads a lead has another number of "
                        f"channels than with {len(first)}; set the network's lead_width"
                    )
            channels = channels_of(leads, first, kinds)
            whole, alone = (post_transform(recipe, one)[0] for one in (trial, trial[channels]))
            if not np.allclose(whole[channels], alone):
                raise LeadwiseError(
                    f"{recipe.name}: a post-transform mixes leads, so a backbone of more leads "
                    "cannot be reused; z_score scales each lead alone"
                )


def _reduced(
    recipe: Recipe, network: torch.nn.Module, have: Sequence[str], want: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Return the weights, by name, of a network's backbone for a subset of its leads."""
    backbone_of = getattr(network, "backbone_of", None)
    if backbone_of is None:
        raise LeadwiseError(f"{recipe.name}: no part of '{recipe.network.name}' can be reused")
    weights: dict[str, torch.Tensor] = backbone_of(
        channels_of(want, have, channels_per_lead(recipe))
    )
    return weights


def _key_with(first: FirstRun, run: LeadSetRun) -> dict[str, str]:
    """Add the first network's hash to a run's key, so a state with another one is not resumed."""
    return {**run.key, "first network": first.sha256}


def distillation(
    run: LeadSetRun, train_part: Dataset, first: FirstRun, *, share: float
) -> Transferred:
    """Mix the first network's probabilities for whole records into the targets; Hinton et al. 2015.

    Validation records, which the decision is fitted on, have their own labels.

    Parameters
    ----------
    share : float
        Weight of the first network's probabilities; the rest is the records' own labels.
    """
    name = run.recipe.head.name
    mixed = (1 - share) * train_part.labels[name] + share * first.probabilities
    labels = {**train_part.labels, name: mixed.astype(np.float32)}
    return replace(run, key=_key_with(first, run)), replace(train_part, labels=labels)


def check_distillation(recipe: Recipe, *, share: float) -> None:
    """Check the share and that the first head predicts records.

    Raises
    ------
    LeadwiseError
        Either is wrong.
    """
    if not 0 < share <= 1:
        raise LeadwiseError(f"{recipe.name}: distillation with share {share}; use 0 < share <= 1")
    if recipe.head.dense:
        raise LeadwiseError(f"{recipe.name}: distillation needs a first head of kind record")


TRANSFERS = {
    "none": Transfer(lambda run, train_part, first: (run, train_part), lambda recipe: None),
    "frozen_backbone": Transfer(frozen_backbone, check_frozen_backbone),
    "distillation": Transfer(distillation, check_distillation),
}


class Pretrained(NamedTuple):
    """Weights by name, and the sha256 of their file."""

    weights: Weights
    sha256: str


def read_pretrained(folder: str | None, recipe: Recipe) -> dict[LeadSet, Pretrained]:
    """Read the weights that the networks of a recipe's lead sets are initialised with.

    Parameters
    ----------
    folder : str, optional
        Model folder of any recipe of the system; None: random weights.

    Raises
    ------
    LeadwiseError
        The model is not usable, belongs to another system, or lacks a lead set, or none of its
        tensors fits.
    """
    if folder is None:
        return {}
    model = read_model(Path(folder))
    if model.recipe.system != recipe.system:  # equal names would mean different things
        raise LeadwiseError(
            f"{model.path}: '{model.recipe.name}' of {model.recipe.system} has no weights for "
            f"'{recipe.name}'; use a model of {recipe.system}"
        )
    return {leads: _pretrained(model, recipe, leads) for leads in recipe.lead_sets}


def initialised(run: LeadSetRun, pretrained: dict[LeadSet, Pretrained]) -> LeadSetRun:
    """Add pretrained weights to a run, and their hash to its key."""
    if run.leads not in pretrained:
        return run
    source = pretrained[run.leads]
    return replace(run, init=source.weights, key={**run.key, "initial weights": source.sha256})


def _pretrained(model: ModelFolder, recipe: Recipe, leads: LeadSet) -> Pretrained:
    trained = {entry.leads: entry for entry in model.lead_sets}
    if leads not in trained:
        known = "; ".join(map(", ".join, trained))
        raise LeadwiseError(
            f"{model.path}: has no network for the leads {', '.join(leads)}; it has {known}"
        )
    shapes, last = _shapes(recipe, leads)
    single = read_weights(model, trained[leads])
    weights = _for_members(single, shapes)
    fitting = {
        name: weight
        for name, weight in weights.items()
        if name not in last and shapes.get(name) == weight.shape
    }
    if not any(weight.ndim for weight in fitting.values()):  # norms' counters fit everywhere
        raise LeadwiseError(
            f"{model.path}: none of the {len(single)} tensors of '{model.recipe.name}' fits the "
            f"network of '{recipe.name}' in name and shape; use a model of its sizes"
        )
    random = [name for name in shapes if name not in fitting and name not in last]
    others = f" and {len(random)} that do not fit ({_listed(random)})" if random else ""
    times = len(weights) // len(single)
    count = f"{len(fitting) // times} of the {len(single)} tensors"
    copies = "" if times == 1 else f", copied to {times} members"
    log(
        f"{len(leads)}-leads: initialised with {count} of {model.path}{copies}; "
        f"the tensors of the last layer ({_listed(last)}){others} are random."
    )
    return Pretrained(fitting, trained[leads].sha256)


def _for_members(weights: Weights, shapes: Mapping[str, torch.Size]) -> Weights:
    """Repeat one network's weights for each member of an ensemble (`models.layers.Members`)."""
    members = {match[0] for match in map(MEMBER.match, shapes) if match}
    if not members or any(map(MEMBER.match, weights)):
        return weights
    return {member + name: weight for member in sorted(members) for name, weight in weights.items()}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def _shapes(recipe: Recipe, leads: LeadSet) -> tuple[dict[str, torch.Size], list[str]]:
    """Return the shapes of a network's tensors, by name, and the names of the last layer's."""
    with torch.device("meta"):  # shapes alone
        one, two = (
            build(recipe, leads, {head.name: ("",) * count for head in recipe.heads}).state_dict()
            for count in (1, 2)
        )
    shapes = {name: weight.shape for name, weight in one.items()}
    return shapes, [name for name in shapes if two[name].shape != shapes[name]]
