"""From a recipe to its network, and from a prepared signal to probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from ecg import LeadwiseError
from ecg.labels import POLICIES
from models import lookup
from models.inputs import channels_per_lead, post_transform, window_bounds
from models.parts import check_numbers, reported
from models.recipe import Head, Recipe

# Windows of a long record at once, and their samples: limits memory, does not change results.
WINDOWS_AT_ONCE, SAMPLES_AT_ONCE = 4, 1_000_000
MOST_WEIGHTS = 300_000_000  # 1.2 GB; the largest published network has 130 million
MOST_TENSORS = 20_000
DRAWS = (torch.Tensor.normal_, torch.Tensor.uniform_)

Classes = Mapping[str, Sequence[str]]  # of each head, by name


class SignalOutput(NamedTuple):
    """Probabilities for one prepared signal.

    Attributes
    ----------
    probabilities : dict of np.ndarray
        Per head (classes,), the mean over windows; of a dense head (classes, samples).
    windows : dict of np.ndarray
        Per head of kind `record`: (windows, classes).
    bounds : list of (int, int)
        Of each window, half-open, in samples after the post-transforms.
    positions : np.ndarray of int
        Sample of the prepared signal at each sample after the post-transforms; −1: padding.
    """

    probabilities: dict[str, np.ndarray]
    windows: dict[str, np.ndarray]
    bounds: list[tuple[int, int]]
    positions: np.ndarray


def build(recipe: Recipe, leads: Sequence[str], classes: Classes) -> torch.nn.Module:
    """Build the untrained network of a recipe for a lead set.

    The network's second argument is the number of classes that it learns; with several heads, a
    dict by head.
    """
    network = lookup(recipe, "NETWORKS", recipe.network.name)
    counts = {head.name: len(head.learned(classes[head.name])) for head in recipe.heads}
    size = counts if len(recipe.heads) > 1 else counts[recipe.head.name]
    built: torch.nn.Module = network(
        len(leads) * channels_per_lead(recipe), size, **recipe.network.options
    )
    return built


class _Undrawn(TorchFunctionMode):
    """Skip random initialisation, for which PyTorch imports 800 modules on the meta device."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the tensor that `func` would fill, or call `func`."""
        numbers = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init" or func in DRAWS:
            return args[0] if args else numbers["tensor"]
        return func(*args, **numbers)


def skeleton(recipe: Recipe, leads: Sequence[str], classes: Classes) -> torch.nn.Module:
    """Build a network without memory for its weights (PyTorch's meta device), to check its size.

    Raises
    ------
    LeadwiseError
        The numbers of the network do not fit each other, or it is too large.
    """
    part, modules, weights = recipe.network, 0, 0

    def count(module: torch.nn.Module, name: str, tensor: torch.Tensor | None) -> None:
        nonlocal modules, weights
        modules, weights = modules + 1, weights + (tensor.numel() if tensor is not None else 0)
        if modules > MOST_TENSORS or weights > MOST_WEIGHTS:
            raise LeadwiseError(
                f"{recipe.name}: the network '{part.name}' has more than {MOST_WEIGHTS:,} weights "
                f"or {MOST_TENSORS:,} tensors; make it smaller"
            )

    check_numbers(recipe.name, part, lookup(recipe, "NETWORKS", part.name), 2)
    hooks = [
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    ]
    try:
        with reported(f"{recipe.name}: the network '{part.name}' cannot be built"):
            with torch.device("meta"), _Undrawn():
                return build(recipe, leads, classes)
    finally:
        for hook in hooks:
            hook.remove()


def outputs_of(
    recipe: Recipe, network: torch.nn.Module, signal: torch.Tensor, length: torch.Tensor,
    facts: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:  # fmt: skip
    """Run a network on a batch; return its outputs (logits) by head.

    In training an output may be a tuple, its first entry the logits: deep supervision.
    """
    output = network(signal, length) if facts is None else network(signal, length, facts)
    return dict(output) if isinstance(output, Mapping) else {recipe.head.name: output}


def from_logits(head: Head, logits: torch.Tensor) -> np.ndarray:
    """Compute float64 probabilities: softmax over exclusive classes, else sigmoid.

    Classes that rules alone answer have no logit; their probability is 0 until rules are applied.

    Parameters
    ----------
    logits : torch.Tensor of shape (records, learned classes) or (records, classes, samples)
        Classes per sample or beat are always exclusive.
    """
    exact = (logits.cpu() if logits.device.type == "mps" else logits).double()  # mps has no float64
    exclusive = head.exclusive or head.dense
    learned: np.ndarray = (exact.softmax(1) if exclusive else torch.sigmoid(exact)).cpu().numpy()
    if not head.ruled:
        return learned
    classes = POLICIES[head.classes]([])
    probabilities = np.zeros((len(learned), len(classes)))
    probabilities[:, head.learned(classes)] = learned
    return probabilities


@torch.inference_mode()
def predict_signal(
    recipe: Recipe, network: torch.nn.Module, signal: np.ndarray, device: torch.device,
    facts: np.ndarray | None = None,
) -> SignalOutput:  # fmt: skip
    """Run a network on one prepared signal, window by window.

    The mean over windows is the record's probability.  Probabilities per sample (dense heads) are
    averaged where windows overlap, and 0 at samples in no window.

    Parameters
    ----------
    signal : np.ndarray of shape (channels, samples)
        From `models.inputs.prepare`.
    facts : np.ndarray of shape (facts,), optional
        Of `models.facts`, if the network reads them.
    """
    ready, positions = post_transform(recipe, signal)
    bounds = window_bounds(recipe, ready.shape[1])
    groups: dict[str, list[np.ndarray]] = {head.name: [] for head in recipe.heads}
    dense: dict[str, np.ndarray] = {}
    at_once = min(WINDOWS_AT_ONCE, max(1, SAMPLES_AT_ONCE // recipe.max_samples))
    for start in range(0, len(bounds), at_once):
        group = bounds[start : start + at_once]
        batch, length = pad([ready[:, onset:offset] for onset, offset in group])
        known = None if facts is None else torch.from_numpy(facts).expand(len(group), -1).to(device)
        outputs = outputs_of(recipe, network, batch.to(device), length.to(device), known)
        for head in recipe.heads:
            probabilities = from_logits(head, outputs[head.name])
            if head.dense:
                shape = (probabilities.shape[1], ready.shape[1])
                total = dense.setdefault(head.name, np.zeros(shape))
                for (onset, offset), window in zip(group, probabilities, strict=True):
                    total[:, onset:offset] += window[:, : offset - onset]
            else:
                groups[head.name].append(probabilities)
    cover = np.zeros(ready.shape[1])
    for onset, offset in bounds:
        cover[onset:offset] += 1
    record_heads = [head.name for head in recipe.heads if not head.dense]
    return SignalOutput(
        {
            **{name: np.asarray(sum(one.sum(0) for one in groups[name]) / len(bounds))
               for name in record_heads},
            **{name: total / np.maximum(cover, 1) for name, total in dense.items()},
        },
        {name: np.concatenate(groups[name]) for name in record_heads},
        bounds,
        positions,
    )  # fmt: skip


def pad(signals: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack signals (channels, samples) into a batch, padded with zeros to the longest.

    Returns
    -------
    batch : torch.Tensor of shape (signals, channels, samples), float32
    length : torch.Tensor of shape (signals,)
        Valid samples.
    """
    length = torch.tensor([signal.shape[1] for signal in signals])
    batch = torch.zeros(len(signals), signals[0].shape[0], int(length.max()))
    for row, signal in zip(batch, signals, strict=True):
        row[:, : signal.shape[1]] = torch.from_numpy(np.asarray(signal))
    return batch, length
