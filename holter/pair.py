"""The published pair of networks as a model of the command: beat or artefact, then normal or V.

Sahin and Kilinc, STAFF-MALT 2021: network 1 removes artefacts among the R peaks, network 2 names
the others normal or ventricular, and the answers of both are validated by morphology
(`holter.morphology`).  Each network reads one lead; ours averages the log-odds of all usable leads.

A model is a folder: `pair.json` names the experiment, the origin and the sha256 of
`networks-….safetensors`, which holds the weights of both networks.  Nothing is unpickled.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save

from ecg import LeadwiseError
from holter import morphology
from holter.model_folder import read_folder, write_folder
from holter.steps import ARTEFACTS, BEAT_CHECK, PAIR_FILE, V_CHECK, VENTRICULAR
from holter.table import BeatTable
from models.malt2021 import RECIPES, BeatNetwork, BeatRecipe, predict

FORMAT = 1
KINDS = ("artefact", "ventricular")
EXPERIMENTS = {  # recipes of networks 1 and 2
    "lstm": ("malt-artefact-lstm", "malt-ventricular-lstm"),
    "transfer": ("malt-artefact-transfer", "malt-ventricular-transfer"),
    "attention": ("malt-artefact-attention", "malt-ventricular-attention"),
    "frozen": ("malt-artefact-attention", "malt-ventricular-frozen"),
}
CORE = slice(100, 200)  # network 1's samples of a window
LIMIT = 10.0  # of scaled windows
MOST_LOG_ODDS = 12.0  # of one lead
BATCH = 1024  # beats whose windows are scaled at once
LEAST_BEAT = 0.02  # probability; 0.5 loses beats, as half of the training were artefacts
UNSURE = 0.5  # probability of V that the check after network 2 leaves to a V it does not confirm


class Answers(NamedTuple):
    """Log-odds of a beat and of V by lead, (beats, leads), 0 for unusable leads."""

    beat_odds: np.ndarray
    v_odds: np.ndarray
    usable: np.ndarray

    @property
    def beat(self) -> np.ndarray:
        """Probability of a beat, (beats,), by the mean log-odds of the usable leads."""
        return self._mean(self.beat_odds)

    @property
    def ventricular(self) -> np.ndarray:
        """Probability of V, (beats,)."""
        return self._mean(self.v_odds)

    def _mean(self, odds: np.ndarray) -> np.ndarray:
        mean = (odds * self.usable).sum(axis=1) / np.maximum(1, self.usable.sum(axis=1))
        return np.asarray(1 / (1 + np.exp(-mean)))


def usual_ranges(table: BeatTable) -> np.ndarray:
    """Give the usual range of each lead about the R peak in mV, (leads,); 1 if it is unknown."""
    sizes = np.ptp(table.windows[..., CORE], axis=2).astype(np.float32)
    usual = morphology.usual(sizes, table.usable)
    return np.where(usual > 0, usual, 1.0)


def inputs(windows: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Scale windows (beats, leads, 300) for the networks, to float16.

    Each lead is divided by its usual range in the recording: the amplitude of a beat tells
    artefacts, that of a recording tells nothing.
    """
    scaled = windows.astype(np.float32) / ranges[:, None]
    return np.asarray(scaled.clip(-LIMIT, LIMIT).astype(np.float16))


@dataclass(frozen=True, eq=False)
class BeatPair:
    """Two trained networks: called with a table of beats, they give probabilities of N, S and V.

    A row of zeros is an artefact.  S is never answered.

    Attributes
    ----------
    artefact, ventricular : BeatNetwork
        In evaluation mode.
    experiment : str
        Of `EXPERIMENTS`.
    origin : dict
        Data, seed and versions of the training.
    sha256 : str
        Of the file of weights; empty if it was not read from a folder.
    without : collection of str
        Steps of `holter.steps.OF_PAIR` that are left out.
    """

    artefact: BeatNetwork
    ventricular: BeatNetwork
    experiment: str
    origin: dict[str, Any]
    sha256: str = ""
    without: Collection[str] = ()

    def __call__(self, table: BeatTable) -> np.ndarray:
        """Compute the probabilities of N, S and V, float64 of shape (beats, 3)."""
        return self.decide(table, self.answers(table))

    def answers(self, table: BeatTable, *, artefacts_only: bool = False) -> Answers:
        """Run both networks, or network 1 alone, on each usable lead of each beat."""
        ranges = usual_ranges(table)
        beat, ventricular = np.zeros((2, *table.usable.shape))
        for first in range(0, len(table), BATCH):
            some = slice(first, first + BATCH)
            rows = table.usable[some]
            own = inputs(table.windows[some], ranges)[rows][:, None]
            if len(own):
                beat[some][rows] = _log_odds(predict(self.artefact, own[..., CORE]))
                if not artefacts_only:
                    ventricular[some][rows] = _log_odds(predict(self.ventricular, own))
        return Answers(beat, ventricular, table.usable)

    def decide(self, table: BeatTable, answers: Answers) -> np.ndarray:
        """Apply the steps to the networks' answers: probabilities (beats, 3)."""
        beat = table.usable.any(axis=1)
        if ARTEFACTS not in self.without:
            beat &= answers.beat >= LEAST_BEAT
        if BEAT_CHECK not in self.without:
            beat &= morphology.is_beat(table, answers.beat)
        ventricular = np.where(beat, answers.ventricular, 0.0)
        if VENTRICULAR in self.without:
            ventricular[:] = 0
        elif V_CHECK not in self.without:
            called = np.flatnonzero(beat)
            different = morphology.is_different(table if beat.all() else table.take(called))
            doubtful = called[~different & (ventricular[called] > UNSURE)]
            ventricular[doubtful] = UNSURE
        return np.stack([beat * (1 - ventricular), np.zeros(len(table)), ventricular], axis=1)

    def heat(self, table: BeatTable, beats: Sequence[int], labels: Sequence[str]) -> np.ndarray:
        """Compute Grad-CAM of network 2 for the labels of some beats: (some, leads, 300), 0 to 1.

        Unusable leads are NaN.
        """
        from models.explain import explain_beats

        some = np.asarray(beats, int)
        rows = table.usable[some]
        result = np.full((len(some), *table.windows.shape[1:]), np.nan, np.float32)
        classes = np.repeat([int(label == "V") for label in labels], rows.sum(axis=1))
        windows = inputs(table.windows[some], usual_ranges(table))[rows][:, None]
        result[rows] = explain_beats(self.ventricular, windows, classes.tolist())
        return result

    def leaving_out(self, steps: Collection[str]) -> "BeatPair":
        """Give the same model without some steps."""
        return replace(self, without=tuple(steps))


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    p = probabilities.astype(float).clip(1e-12, 1)
    odds = np.log(p[:, 1]) - np.log(p[:, 0])
    return np.asarray(odds.clip(-MOST_LOG_ODDS, MOST_LOG_ODDS))


def write_pair(pair: BeatPair, folder: Path) -> None:
    """Write a model folder; `pair.json` is written last.

    Raises
    ------
    LeadwiseError
        A file cannot be written.
    """
    networks = dict(zip(KINDS, (pair.artefact, pair.ventricular), strict=True))
    content = save(
        {
            f"{name}.{key}": tensor.contiguous()
            for name, network in networks.items()
            for key, tensor in network.state_dict().items()
        }
    )
    fields = {"format": FORMAT, "experiment": pair.experiment, "origin": pair.origin}
    write_folder(folder, PAIR_FILE, "networks", content, fields)


def load_pair(folder: Path) -> BeatPair:
    """Load a model folder.

    Raises
    ------
    LeadwiseError
        It is no such folder, or its files do not belong together.
    """
    stored = read_folder(folder, PAIR_FILE, {"format": FORMAT}, "holter.pair_training")
    experiment = stored.fields.get("experiment")
    if experiment not in EXPERIMENTS:
        raise LeadwiseError(
            f"{folder / PAIR_FILE}: experiment must be one of {', '.join(EXPERIMENTS)}"
        )
    try:
        first, second = networks_of(load_tensors(stored.content), experiment)
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise LeadwiseError(f"{stored.path}: not the weights of the pair: {reason}") from error
    return BeatPair(first, second, experiment, stored.origin, stored.sha256)


def networks_of(
    tensors: dict[str, torch.Tensor], experiment: str
) -> tuple[BeatNetwork, BeatNetwork]:
    """Make the networks of an experiment from the weights of both, in evaluation mode.

    Raises
    ------
    RuntimeError
        A weight is missing or has another shape.
    """
    first, second = (
        network_of(RECIPES[name], _named(tensors, kind))
        for kind, name in zip(KINDS, EXPERIMENTS[experiment], strict=True)
    )
    return first, second


def network_of(recipe: BeatRecipe, weights: dict[str, torch.Tensor]) -> BeatNetwork:
    """Make a recipe's network with trained weights, in evaluation mode.

    Raises
    ------
    RuntimeError
        A weight is missing or has another shape.
    """
    network = BeatNetwork(1, len(recipe.classes), recipe.attention).eval()
    network.load_state_dict(weights)
    return network


def _named(tensors: dict[str, torch.Tensor], kind: str) -> dict[str, torch.Tensor]:
    parts = ((*key.partition("."), tensor) for key, tensor in tensors.items())
    return {name: tensor for first, _, name, tensor in parts if first == kind}
