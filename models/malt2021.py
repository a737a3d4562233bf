"""STAFF-MALT 2021: one network for single beats, "artefact or beat" and "normal or ventricular".

M. Sahin and D. Kilinc, "Artificial Intelligence Based ECG Analysis Framework", slides, STAFF-MALT
2021.  A beat's window of 50 + 50 samples is a beat or an artefact (network 1); that of 150 + 150
samples is normal or ventricular (network 2).  The slides name separable convolutions with residual
connections, a BiLSTM, attention and 169,932 parameters for both windows, so no weight depends on
the length.

The slides do not give the layout, the sampling rate or the optimiser.  Ours are choices:

- Three residual blocks of width 128 and kernel 9, a BiLSTM of 32 units, attention of 32 units.
  Several hundred layouts have 169,932 parameters; this one has the smallest recurrent part.
- 250 Hz, so the windows are 0.4 and 1.2 s long.
- Adam with a rate of 0.001 and cross-entropy, for the published epochs and batches.
- Network 2 begins with the weights of network 1, and network 1 with a training on simulated beats.
  The slides say that transfer learning was used, not from what, nor whether layers were frozen:
  none is, except in `malt-ventricular-frozen`, which trains the head alone.

A window is no record, so this module is no system of `models.SYSTEMS` (docs/design.md, section 3).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ecg import LeadwiseError
from models.layers import Convolution, FeatureMaps

FS = 250.0  # Hz
SIMULATED = "simulated beats"
WIDTH, KERNEL, BLOCKS, UNITS = 128, 9, 3, 32
SHORTEST = 2**BLOCKS  # samples of a window of which one step remains
CACHED = 9600  # samples of a batch: their 128 channels (5 MB) stay in a processor's cache


@dataclass(frozen=True)
class BeatRecipe:
    """How a beat network is trained.

    Attributes
    ----------
    half : int
        Samples before the R peak, and from it on.
    classes : tuple of str
    epochs, batch : int
        As published.
    attention : bool
        Whether additive attention pools the BiLSTM's outputs; else their mean does.
    pretrained : str, optional
        The recipe whose trained network this one begins with, or `SIMULATED`.
    frozen : bool
        Whether the head alone is trained.
    lr : float
        Of Adam.
    """

    half: int
    classes: tuple[str, ...]
    epochs: int
    batch: int
    attention: bool
    pretrained: str | None = None
    frozen: bool = False
    lr: float = 1e-3


def _recipes() -> dict[str, BeatRecipe]:
    """Make the published grid, tables 1 to 3 of both networks, and a network 2 that is frozen."""
    recipes = {}
    for experiment in ("lstm", "transfer", "attention"):
        transfer, attention = experiment != "lstm", experiment == "attention"
        first, second = f"malt-artefact-{experiment}", f"malt-ventricular-{experiment}"
        recipes[first] = BeatRecipe(
            50, ("artefact", "beat"), 25, 256, attention, SIMULATED if transfer else None
        )
        recipes[second] = BeatRecipe(
            150, ("N", "V"), 27, 128, attention, first if transfer else None
        )
    recipes["malt-ventricular-frozen"] = replace(recipes["malt-ventricular-attention"], frozen=True)
    return recipes


RECIPES = _recipes()


def windows(signal: np.ndarray, r_peaks: np.ndarray, half: int) -> np.ndarray:
    """Cut the window `signal[r - half : r + half]` of each R peak r.

    Samples before the start and after the end have the value of the edge.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
    r_peaks : np.ndarray of int, shape (beats,)
        Samples.

    Returns
    -------
    np.ndarray, shape (beats, leads, 2 * half)

    Raises
    ------
    LeadwiseError
        An R peak is outside the signal.

    Examples
    --------
    >>> signal = np.arange(1000)[None]
    >>> for half in (50, 150):
    ...     window = windows(signal, np.array([60]), half)[0, 0]
    ...     print(len(window), window[0], window[-1], (window == 0).sum())
    100 10 109 0
    300 0 209 91
    """
    samples = signal.shape[1]
    peaks = np.asarray(r_peaks, np.int64)
    if outside := int(((peaks < 0) | (peaks >= samples)).sum()):
        raise LeadwiseError(f"{outside} of {len(peaks)} R peaks are outside the {samples} samples")
    indices = np.clip(peaks[:, None] + np.arange(-half, half), 0, samples - 1)
    return np.moveaxis(signal[:, indices], 0, 1)


class Separable(nn.Module):
    """A depthwise convolution, a 1 × 1 convolution with bias, batch norm and an activation.

    Kernel d[t, i] and weights w[i, o] have the result of one convolution with d[t, i] · w[i, o].
    """

    def __init__(self, channels: int, width: int, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.depthwise = Convolution(channels, channels, KERNEL, groups=channels, norm=False)
        self.pointwise = Convolution(channels, width, 1, bias=True, activation=activation)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, 1, steps) to (batch, width, 1, steps)."""
        hidden: torch.Tensor = self.pointwise(self.depthwise(signal))
        return hidden


class Block(nn.Module):
    """Two separable convolutions, a 1 × 1 convolution as shortcut, ReLU and max-pooling by 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            Separable(channels, WIDTH, nn.ReLU()), Separable(WIDTH, WIDTH)
        )
        self.shortcut = Convolution(channels, WIDTH, 1, bias=True)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, 1, steps) to (batch, 128, 1, steps // 2)."""
        hidden = functional.relu(self.convolutions(signal) + self.shortcut(signal))
        return functional.max_pool2d(hidden, (1, 2))


class AdditiveAttention(nn.Module):
    """The mean over steps, weighted by the softmax of v · tanh(W h + b) + c; Bahdanau et al. 2015.

    The steps have no mask: all windows of a batch have one length.
    """

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.hidden, self.score = nn.Linear(features, units), nn.Linear(units, 1)

    def weights(self, states: torch.Tensor) -> torch.Tensor:
        """Map (batch, steps, features) to weights (batch, steps), whose sum is 1."""
        scores: torch.Tensor = self.score(torch.tanh(self.hidden(states)))
        return scores[..., 0].softmax(1)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map (batch, steps, features) to (batch, features)."""
        return (self.weights(states)[..., None] * states).sum(1)


class BeatNetwork(nn.Module):
    """Separable residual convolutions, a BiLSTM, attention and a linear layer; see the module.

    Parameters
    ----------
    channels : int
        Leads of a window.
    classes : int
        Exclusive classes; the outputs are logits.
    attention : bool
        Whether additive attention pools the BiLSTM's outputs; else their mean over time does.

    Examples
    --------
    Parameters as Keras counts them (as published) and as PyTorch does:

    >>> network = BeatNetwork(1, 2)
    >>> keras_parameters(network), sum(weight.numel() for weight in network.parameters())
    (169932, 167884)
    >>> keras_parameters(BeatNetwork(1, 2, attention=False))
    167819
    """

    def __init__(self, channels: int, classes: int, attention: bool = True) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(WIDTH if n else channels) for n in range(BLOCKS)))
        self.lstm = nn.LSTM(WIDTH, UNITS, batch_first=True, bidirectional=True)
        self.attention = AdditiveAttention(2 * UNITS, UNITS) if attention else None
        self.head = nn.Linear(2 * UNITS, classes)
        self._frozen = False

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map windows (batch, channels, samples) to logits (batch, classes)."""
        return self.forward_head(self.forward_features(signal))

    def feature_maps(self) -> FeatureMaps:
        """Name the output of the last block; max-pooling centres its steps between samples."""
        return FeatureMaps((self.blocks[-1],), (SHORTEST - 1) / 2, SHORTEST)

    def forward_features(self, signal: torch.Tensor) -> torch.Tensor:
        """Map windows (batch, channels, samples) to features (batch, 128, samples // 8)."""
        if signal.shape[2] < SHORTEST:
            raise LeadwiseError(
                f"a window of {signal.shape[2]} samples is too short; {SHORTEST} are needed"
            )
        rows = signal[:, :, None].contiguous(memory_format=torch.channels_last)
        hidden: torch.Tensor = self.blocks(rows)
        return hidden[:, :, 0]

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """Map features (batch, 128, steps) to logits (batch, classes)."""
        states, _ = self.lstm(features.transpose(1, 2).contiguous())  # (batch, steps, 64)
        pooled = states.mean(1) if self.attention is None else self.attention(states)
        logits: torch.Tensor = self.head(pooled)
        return logits

    def freeze(self) -> None:
        """Freeze all but the head: no gradients, and batch norms that keep their statistics."""
        self._frozen = True
        self.requires_grad_(False)
        self.head.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "BeatNetwork":
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode and not self._frozen)
        self.head.train(mode)
        return self


def keras_parameters(network: nn.Module) -> int:
    """Count parameters as Keras does, in which the published number is stated.

    Running statistics of batch norms count, and an LSTM has one bias vector where PyTorch has two.
    """
    weights = [one for name, one in network.named_parameters() if "bias_hh" not in name]
    statistics = [one for name, one in network.named_buffers() if "running" in name]
    return sum(tensor.numel() for tensor in (*weights, *statistics))


def transfer(network: BeatNetwork, weights: Mapping[str, torch.Tensor], *, frozen: bool) -> None:
    """Begin a network with the weights of another one.

    Attention that the other network lacks, and a head of another number of classes, keep their
    own weights.

    Parameters
    ----------
    weights : mapping of str to torch.Tensor
        `state_dict()` of the other network.
    frozen : bool
        Whether to train the head alone; else all weights are trained.

    Raises
    ------
    LeadwiseError
        A weight of the convolutions or the BiLSTM is missing or has another shape.
    """
    own = network.state_dict()
    fitting = {
        name: weight
        for name, weight in weights.items()
        if name in own and weight.shape == own[name].shape
    }
    needed = {name for name in own if name.startswith(("blocks.", "lstm."))}
    if lacking := sorted(needed - fitting.keys()):
        raise LeadwiseError(
            f"the weights do not fit the network ({len(lacking)} missing or of another shape, "
            f"first {lacking[0]}); a network of as many leads is needed"
        )
    network.load_state_dict({**own, **fitting})
    if frozen:
        network.freeze()


@torch.inference_mode()
def predict(network: BeatNetwork, signal: np.ndarray) -> np.ndarray:
    """Compute the probabilities of windows, in batches that stay in the processor's cache.

    Parameters
    ----------
    network : BeatNetwork
        In evaluation mode.
    signal : np.ndarray, shape (beats, channels, samples)

    Returns
    -------
    np.ndarray of float32, shape (beats, classes)
    """
    device = network.head.weight.device
    values = torch.from_numpy(np.ascontiguousarray(signal, np.float32))
    batches = values.split(max(1, CACHED // values.shape[2]))
    parts = [network(batch.to(device)).softmax(1).cpu() for batch in batches]
    return torch.cat(parts).numpy()
