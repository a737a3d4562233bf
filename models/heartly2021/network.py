"""HeartlyAI 2021: one network for waves, beats and diagnosis.

Sodmann, Vollmer and Kaderali, "Segment, Perceive & Classify", CinC 2021.  A U-Net marks P, QRS and
T in each frame and names the class of each beat (N, S, V).  Its bottleneck, the intervals of each
beat, the beat's class, age, sex and amplitude are the tokens that a Perceiver reads for the
diagnosis.  Absent leads are channels of zeros.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.facts import FACTS
from models.heartly2021 import intervals
from models.heartly2021.labels import CLASSES, challenge_logits
from models.heartly2021.perceiver import Perceiver
from models.heartly2021.unet import DECODER, ENCODER, UNet
from models.layers import Convolution, FeatureMaps

WAVES, BEATS, DIAGNOSIS = "waves", "beats", "diagnosis"  # names of the recipe's heads
EMBEDDING = "embedding"  # what the last layer reads; for pretraining

Outputs = dict[str, torch.Tensor | tuple[torch.Tensor, ...]]


class Network(nn.Module):
    """U-Net, interval module and Perceiver.

    Parameters
    ----------
    channels : int
        One per lead.
    classes : mapping of str to int
        Of the heads `waves` (4), `beats` and `diagnosis` (the Challenge's 26).
    fs : float
        Frames per second.
    encoder, decoder, activation
        Of the U-Net.
    latents, width, rounds, heads : int
        Of the Perceiver.
    """

    def __init__(
        self,
        channels: int,
        classes: Mapping[str, int],
        *,
        fs: float = 500.0,
        encoder: Sequence[int] = ENCODER,
        decoder: Sequence[int] = DECODER,
        activation: str = "mish",
        latents: int = 64,
        width: int = 256,
        rounds: int = 4,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.fs = fs
        self.unet = UNet(channels, encoder, decoder, activation)
        # One segmentation per level, the bottleneck's last (deep supervision).
        self.waves = nn.ModuleList(
            Convolution(size, classes[WAVES], 1, bias=True, norm=False)
            for size in (*decoder, encoder[-1])
        )
        self.beats = Convolution(decoder[0], classes[BEATS], 1, bias=True, norm=False)
        of_beat = 2 * len(intervals.NAMES) + classes[BEATS]
        self.perceiver = Perceiver(
            encoder[-1] + of_beat + len(FACTS),
            latents=latents,
            width=width,
            rounds=rounds,
            heads=heads,
        )
        self.diagnosis = nn.Linear(width, len(CLASSES))

    def forward(
        self, signal: torch.Tensor, length: torch.Tensor, facts: torch.Tensor | None = None
    ) -> Outputs:
        """Compute logits of all heads.

        Parameters
        ----------
        signal : torch.Tensor of shape (batch, channels, samples)
        length : torch.Tensor of shape (batch,)
            Valid samples.
        facts : torch.Tensor of shape (batch, 5), optional
            Of `models.facts`; without them age and sex are missing and the amplitude is 0.

        Returns
        -------
        dict
            `waves`: in training a tuple of logits (batch, 4, samples), then those of each lower
            rate; else the first of them.  `beats` (batch, beats, samples).  `diagnosis`: in
            training (batch, 27), the engineered classes; else (batch, 26), those of the Challenge.
            `embedding` (batch, width): in training alone.
        """
        if facts is None:
            facts = signal.new_tensor([0.0, 1.0, 0.0, 1.0, 0.0]).expand(len(signal), -1)
        if self.training or bool((length == signal.shape[2]).all()):
            return self._forward(signal, facts)
        # Records of each length by themselves, so that padding does not change an output.
        rows: list[Outputs] = [{}] * len(signal)
        for samples in length.unique().tolist():
            indices = (length == samples).nonzero()[:, 0]
            outputs = self._forward(signal[indices, :, :samples], facts[indices])
            spare = signal.shape[2] - samples
            for name in (WAVES, BEATS):
                dense = outputs[name]
                assert isinstance(dense, torch.Tensor)
                outputs[name] = functional.pad(dense, (0, spare))
            for row, index in enumerate(indices.tolist()):
                rows[index] = {name: output[row] for name, output in outputs.items()}
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}  # type: ignore[misc]

    def feature_maps(self) -> FeatureMaps:
        """Name the bottleneck, which Perceiver and decoder read."""
        samples = self.unet.reduction
        return FeatureMaps((self.unet.encoder[-1],), (samples - 1) / 2, samples)

    def segment(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute logits of waves and beats only, without lower levels and Perceiver.

        Parameters
        ----------
        signal : torch.Tensor of shape (batch, channels, samples)

        Returns
        -------
        waves : torch.Tensor of shape (batch, 4, samples)
        beats : torch.Tensor of shape (batch, beats, samples)
        """
        samples = signal.shape[2]
        padded = functional.pad(signal, (0, -samples % self.unet.reduction))
        features = self.unet.decode(self.unet.encode(padded))[0]
        waves, beats = self.waves[0](features), self.beats(features)
        return waves[:, :, 0, :samples], beats[:, :, 0, :samples]

    def _forward(self, signal: torch.Tensor, facts: torch.Tensor) -> Outputs:
        samples = signal.shape[2]
        padded = functional.pad(signal, (0, -samples % self.unet.reduction))
        encoded = self.unet.encode(padded)
        decoded = self.unet.decode(encoded)
        # Lower levels have outputs for their losses alone.
        supervised = [*decoded, encoded[-1]] if self.training else decoded[:1]
        levels = [
            head(features)[:, :, 0]
            for head, features in zip(self.waves, supervised, strict=self.training)
        ]
        waves, beats = levels[0][:, :, :samples], self.beats(decoded[0])[:, :, 0, :samples]
        bottleneck = encoded[-1][:, :, 0].transpose(1, 2)  # (batch, tokens, width)
        of_beats = torch.stack([
            self._of_beats(one, classes, bottleneck.shape[1])
            for one, classes in zip(waves.float().softmax(1), beats.float().softmax(1), strict=True)
        ])  # fmt: skip
        of_record = facts[:, None].expand(-1, bottleneck.shape[1], -1)
        tokens = torch.cat([bottleneck, of_beats, of_record], 2)
        embedding = self.perceiver(tokens)
        diagnosis = self.diagnosis(embedding)
        if self.training:
            return {
                WAVES: (waves, *levels[1:]), BEATS: beats, DIAGNOSIS: diagnosis,
                EMBEDDING: embedding,
            }  # fmt: skip
        return {WAVES: waves, BEATS: beats, DIAGNOSIS: challenge_logits(diagnosis)}

    def _of_beats(self, waves: torch.Tensor, classes: torch.Tensor, tokens: int) -> torch.Tensor:
        """Compute the numbers of each token's beat: intervals, which are missing, beat classes.

        Parameters
        ----------
        waves, classes : torch.Tensor of shapes (4, samples) and (beats, samples)
            Probabilities.
        """
        empty = (len(intervals.NAMES), len(intervals.NAMES), len(classes))
        beats = intervals.find_beats(waves.detach().argmax(0).cpu().numpy())
        if not len(beats.onsets):
            values, missing, of_class = (waves.new_zeros(tokens, size) for size in empty)
            return torch.cat([values, missing + 1, of_class], 1)
        values, missing = intervals.intervals(waves, beats, self.fs)
        widths = torch.from_numpy(beats.offsets - beats.onsets).to(classes.device)
        inside = torch.from_numpy(intervals.inside_qrs(beats)).to(classes.device)
        of_frame = torch.arange(len(widths), device=classes.device).repeat_interleave(widths)
        summed = classes.new_zeros(len(widths), len(classes))
        of_class = summed.index_add(0, of_frame, classes[:, inside].T) / widths[:, None]
        numbers = torch.cat([values, missing.to(values.dtype), of_class], 1)
        centres = (np.arange(tokens) + 0.5) * self.unet.reduction
        index = torch.from_numpy(intervals.beat_at(beats, centres)).to(numbers.device)
        return numbers[index]


NETWORKS = {"heartly": Network}
