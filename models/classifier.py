"""The classifier: what everybody else sees of a trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.headers import Message
from ecg.leads import serving_set, sort_leads
from ecg.records import Record
from ecg.rules import Finding
from models import lookup
from models.decision import decide
from models.folder import ModelFolder, TrainedSet, load_weights, read_model
from models.inputs import channels_per_lead, finish, prepare, unfit, windows
from models.recipe import Part, Recipe
from models.rules import answers_of, combine, findings_of

_WINDOWS_AT_ONCE = 4  # of a long record: bounds memory, not results


class Answer(NamedTuple):
    """What a model says of a record; `warnings` tell what was odd about it.

    `findings` are what all rules say, where the model lets one of them join its labels.
    """

    probabilities: np.ndarray  # (classes,) float64
    labels: np.ndarray  # (classes,) bool
    warnings: tuple[Message, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Classifier:
    """A network with its recipe and decision, ready to answer records of any leads.

    Attributes
    ----------
    recipe : Recipe
        How records are read.
    classes : tuple of str
        SNOMED CT codes, in the order of the answers.
    leads : tuple of str
        What the network reads; a record's missing leads are derived or zero.
    decision : Part
        How probabilities become labels (`models.decision`).
    rules : tuple of Part
        Rules that join these labels (`models.rules`); those that are off are left out.
    """

    recipe: Recipe
    classes: tuple[str, ...]
    leads: tuple[str, ...]
    decision: Part
    rules: tuple[Part, ...]
    network: torch.nn.Module
    device: torch.device

    @classmethod
    def load(
        cls, folder: str | Path, leads: Sequence[str], device: torch.device | None = None
    ) -> "Classifier":
        """Load the network that serves records of these leads best (`ecg.leads.serving_set`).

        A set whose weights are damaged is passed over as long as another one is whole.

        Raises
        ------
        LeadwiseError
            The folder holds no usable model.
        """
        model = read_model(Path(folder))
        trained = {entry.leads: entry for entry in model.lead_sets}
        damage: list[str] = []
        while trained:
            entry = trained.pop(serving_set(leads, trained))
            try:
                return cls._of(model, entry, device or torch.device("cpu"))
            except LeadwiseError as error:
                damage.append(str(error))
        raise LeadwiseError("; ".join(damage))

    @classmethod
    def _of(cls, model: ModelFolder, trained: TrainedSet, device: torch.device) -> "Classifier":
        network = build(model.recipe, trained.leads, len(model.classes))
        load_weights(model, trained, network)
        network.to(device).eval()
        rules = tuple(rule for rule in trained.rules if rule.options["mode"] != "off")
        return cls(
            model.recipe, model.classes, trained.leads, trained.decision, rules, network, device
        )

    def answer(self, record: Record) -> Answer:
        """Answer a record: probabilities, labels, and what is to be said about it.

        Raises
        ------
        LeadwiseError
            The signal cannot be used.
        """
        reading = record.read()
        inputs = prepare(self.recipe, reading.signal, record.leads, self.leads, record.fs)
        warnings = [*record.header.warnings, *reading.errors, *reading.warnings]
        if inputs.missing:
            text = f"{', '.join(sort_leads(inputs.missing))} missing and not derivable; read as 0"
            warnings.append(Message(record.name, "missing leads", text))
        odd = unfit(self.recipe, record.fs)
        warnings += [Message(record.name, "filter beyond rate", text) for text in odd]
        probabilities = probabilities_of(self.recipe, self.network, inputs.signal, self.device)
        labels = decide(self.decision, probabilities[None])[0]
        if not self.rules:
            return Answer(probabilities, labels, tuple(warnings))
        findings = findings_of(reading.signal, record.leads, self.leads, record.fs)
        labels = combine(labels[None], answers_of(findings)[None], self.rules, self.classes)[0]
        return Answer(probabilities, labels, tuple(warnings), findings)


def build(recipe: Recipe, leads: Sequence[str], classes: int) -> torch.nn.Module:
    """Build the network of a recipe for some leads, untrained."""
    network = lookup(recipe, "NETWORKS", recipe.network.name)
    rows = len(leads) * channels_per_lead(recipe)
    built: torch.nn.Module = network(rows, classes, **recipe.network.options)
    return built


@torch.inference_mode()
def probabilities_of(
    recipe: Recipe, network: torch.nn.Module, signal: np.ndarray, device: torch.device
) -> np.ndarray:
    """Run a network on one prepared signal; the probabilities of its windows are averaged.

    Returns
    -------
    np.ndarray of shape (classes,)
        Float64.
    """
    total: np.ndarray | float = 0.0
    pieces = windows(recipe, finish(recipe, signal))
    for start in range(0, len(pieces), _WINDOWS_AT_ONCE):
        some = pieces[start : start + _WINDOWS_AT_ONCE]
        batch, length = pad(some)
        logits = network(batch.to(device), length.to(device))
        total = total + from_logits(recipe, logits).sum(0)
    return np.asarray(total / len(pieces))


def from_logits(recipe: Recipe, logits: torch.Tensor) -> np.ndarray:
    """Turn logits into probabilities: each class's own, or one among exclusive classes.

    Parameters
    ----------
    logits : torch.Tensor of shape (records, classes)

    Returns
    -------
    np.ndarray of shape (records, classes)
        Float64; rows add up to 1 where the recipe's classes are exclusive.
    """
    exact = logits.double()
    return (exact.softmax(1) if recipe.exclusive else torch.sigmoid(exact)).cpu().numpy()


def pad(signals: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack signals (rows, samples) into a batch, padded with zeros to the longest.

    Returns
    -------
    batch : torch.Tensor of shape (signals, rows, samples), float32
    length : torch.Tensor of shape (signals,)
        Valid samples.
    """
    length = torch.tensor([signal.shape[1] for signal in signals])
    batch = torch.zeros(len(signals), signals[0].shape[0], int(length.max()))
    for row, signal in zip(batch, signals, strict=True):
        row[:, : signal.shape[1]] = torch.from_numpy(np.asarray(signal))
    return batch, length
