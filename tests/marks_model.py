"""A model that reads waves from amplitudes, so that its right marks are known exactly.

Rectangular pulses of 0.2 mV are P, of 1 mV QRS, of 0.4 mV T; a QRS of 2 mV is of class V.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import models.house2026
from ecg.leads import LEAD_SETS
from models.folder import FittedHead, ModelFolder, TrainedSet, write_model, write_weights
from models.recipe import Head, Recipe, part

AMPLITUDES = {"p": 0.2, "N": 1.0, "t": 0.4, "V": 2.0}
HEADS = (
    Head("waves", "samples", classes="waves", loss=part("cross_entropy"), metric="dice"),
    Head("beats", "beats", classes="beats", loss=part("cross_entropy"), metric="beat_f1"),
)
RECIPE = Recipe(
    name="house-marks", system="house2026", source="test", summary="waves by their amplitudes",
    fs=250.0, max_s=8.192, transforms=(part("fill"), part("resample")), network=part("amplitudes"),
    optimiser=part("adam", lr=1e-2), schedule=part("constant"), epochs=1, batch=4, heads=HEADS,
    lead_sets=(LEAD_SETS[12],),
)  # fmt: skip


class Amplitudes(nn.Module):
    """The network."""

    def __init__(self, channels: int, classes: dict[str, int]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.channels = channels

    def segment(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give logits of waves and beats."""
        assert signal.shape[1] == self.channels
        height = (signal * self.scale).abs().max(1).values
        wave = (height > 0.1).long() + 2 * (height > 0.3) - 1 * (height > 0.7)  # 0, P 1, T 3, QRS 2
        of_beat = 2 * (height > 1.5).long()
        waves, beats = (functional.one_hot(one, size) for one, size in ((wave, 4), (of_beat, 3)))
        return 8.0 * waves.transpose(1, 2), 4.0 * beats.transpose(1, 2)


def write_marks_model(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Write the model's folder."""
    patch.setitem(models.house2026.NETWORKS, "amplitudes", Amplitudes)
    folder.mkdir()
    leads = LEAD_SETS[12]
    file, sha256 = write_weights(folder, "12", Amplitudes(12, {}).state_dict())
    heads = {head.name: FittedHead(part("none"), {}) for head in HEADS}
    trained = TrainedSet(leads, file, sha256, 1, heads)
    classes = {"waves": ("none", "P", "QRS", "T"), "beats": ("N", "S", "V")}
    write_model(ModelFolder(folder, RECIPE, classes, (trained,)))
    return folder


def pulses(seconds: float, fs: float, *waves: tuple[float, float, str]) -> np.ndarray:
    """Give a signal in mV with pulses (onset_s, offset_s, key of `AMPLITUDES`)."""
    times = np.arange(round(seconds * fs)) / fs
    signal = np.zeros(len(times))
    for onset, offset, kind in waves:
        signal[(times >= onset - 1e-9) & (times < offset - 1e-9)] = AMPLITUDES[kind]
    return signal


def beats(
    seconds: float, rr_s: float = 0.8, first_s: float = 0.2, kind: str = "N"
) -> list[tuple[float, float, str]]:
    """Give the waves of regular beats that lie inside a record."""
    found = []
    for start in np.arange(first_s, seconds, rr_s).tolist():
        found += [(start, start + 0.1, "p"), (start + 0.16, start + 0.24, kind),
                  (start + 0.36, start + 0.52, "t")]  # fmt: skip
    return [wave for wave in found if wave[1] < seconds]
