"""Grad-CAM: which parts of a record made a network's logit of a class high.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
localization", ICCV 2017.  The map of a class is relu(Σ_k α_k A_k(t)), where A_k are the network's
last feature maps and α_k is the mean over t of the gradient of the class's logit.  For a network
that ends in the mean over time and one linear layer it equals the class activation map (Zhou et
al., CVPR 2016) divided by the number of steps.

The feature maps have all leads in them, so a map tells when, not in which lead.  It is as coarse as
the steps: `FeatureMaps.stride` samples at the recipe's rate.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.labels import class_name, label_matrix
from ecg.plots import SHOWN_S, is_simulated, plot_record
from ecg.records import Record
from models.inputs import post_transform, window_bounds
from models.layers import FeatureMaps
from models.malt2021 import BeatNetwork
from models.model import Model
from models.network import outputs_of, pad


def grad_cam(maps: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weight feature maps by their mean gradients.

    Parameters
    ----------
    maps, gradients : torch.Tensor of shape (channels, …)
        The maps, and the gradient of one logit for them.

    Returns
    -------
    torch.Tensor
        One map of 0 and more, without the dimension of the channels.

    Examples
    --------
    >>> maps = torch.tensor([[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 3.0, 1.0]])
    >>> gradients = torch.tensor([[0.5, 0.5, 0.0, 0.0], [-0.25, -0.25, -0.25, -0.25]])
    >>> grad_cam(maps, gradients)
    tensor([0.2500, 0.2500, 0.0000, 0.0000])
    """
    weights = gradients.flatten(1).mean(1)
    return torch.einsum("c,c...->...", weights, maps).relu()


def feature_maps(model: Model) -> FeatureMaps:
    """Return the feature maps of a model's first network.

    Raises
    ------
    LeadwiseError
        The model predicts no classes of records, or its network has no feature maps.
    """
    if model.record_head is None:
        raise LeadwiseError(
            f"{model.folder.path}: predicts waves or beats, no classes of records to explain"
        )
    return _maps_of(model, model.network_for(model.folder.lead_sets[0].leads)[1])


def _maps_of(model: Model, network: torch.nn.Module) -> FeatureMaps:
    name = model.recipe.name
    if not hasattr(network, "feature_maps"):
        raise LeadwiseError(
            f"{name}: its network has no method feature_maps (models/layers.py), so it cannot be "
            "explained"
        )
    try:
        maps: FeatureMaps = network.feature_maps()  # type: ignore[operator]  # as above
    except LeadwiseError as error:
        raise LeadwiseError(f"{name}: {error}") from error
    return maps


def explain(model: Model, record: Record, classes: Sequence[str]) -> np.ndarray:
    """Compute the heat of classes along a record.

    The heat of windows is averaged where they overlap.  The model is not changed, so other threads
    may use it.

    Parameters
    ----------
    classes : sequence of str
        Some of `model.classes`.

    Returns
    -------
    np.ndarray of float32, shape (classes, samples of the record)
        From 0 to 1, the highest value of each class; all 0 if nothing raises its logit.

    Raises
    ------
    LeadwiseError
        As `feature_maps` and `Model.predict`, or a class is not one of the model.

    Examples
    --------
    >>> from ecg.records import read_record
    >>> model = Model.load("weights/house2026")
    >>> record = read_record("tests/data/challenge-samples/E05526.hea")
    >>> explain(model, record, model.classes[:2]).shape
    (2, 5000)
    """
    feature_maps(model)
    head, recipe = model.record_head, model.recipe
    assert head is not None
    if unknown := [code for code in classes if code not in model.classes]:
        raise LeadwiseError(f"{recipe.name}: has no class {', '.join(unknown)}")
    indices = [model.classes.index(code) for code in classes]
    inputs = model.inputs_of(record)
    network = deepcopy(inputs.network)  # hooks on the shared one would act in all threads
    maps = _maps_of(model, network)
    facts = None if inputs.facts is None else torch.from_numpy(inputs.facts)[None].to(model.device)
    ready, positions = post_transform(recipe, inputs.prepared.signal)
    total = np.zeros((len(classes), inputs.prepared.signal.shape[1]))
    cover = np.zeros(total.shape[1])

    def logits(batch: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        return outputs_of(recipe, network, batch, length, facts)[head.name]

    for onset, offset in window_bounds(recipe, ready.shape[1]):
        batch, length = (one.to(model.device) for one in pad([ready[:, onset:offset]]))
        heat = _window_heat(maps, partial(logits, batch, length), indices, offset - onset)
        inside = positions[onset:offset] >= 0
        own = positions[onset:offset][inside]
        total[:, own] += heat[:, inside]
        cover[own] += 1
    total /= np.maximum(cover, 1)
    samples = inputs.reading.signal.shape[1]
    times = np.arange(samples) * (total.shape[1] / samples)
    return _scaled(np.stack([np.interp(times, np.arange(total.shape[1]), row) for row in total]))


def explain_beats(network: BeatNetwork, windows: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Compute the heat of one class along each window of a beat.

    Parameters
    ----------
    network : BeatNetwork
        In evaluation mode.
    windows : np.ndarray, shape (beats, channels, samples)
        From `models.malt2021.windows`.
    classes : sequence of int, one per beat
        Indices of the network's classes.

    Returns
    -------
    np.ndarray of float32, shape (beats, samples)
        From 0 to 1, the highest value of each beat; all 0 if nothing raises the logit.
    """
    network = deepcopy(network)
    maps, samples = network.feature_maps(), windows.shape[2]
    heat = np.zeros((len(windows), samples))
    for row, window, index in zip(heat, windows, classes, strict=True):
        signal = torch.from_numpy(np.asarray(window, np.float32))[None].to(network.head.weight)
        row[:] = _window_heat(maps, partial(network, signal), [index], samples)[0]
    return _scaled(heat)


def _scaled(heat: np.ndarray) -> np.ndarray:
    """Divide each row by its maximum; rows of 0 stay so."""
    highest = heat.max(axis=1, keepdims=True, initial=0)
    scaled: np.ndarray = heat / np.where(highest > 0, highest, 1)
    return scaled.astype(np.float32)


def _window_heat(
    maps: FeatureMaps, logits: Callable[[], torch.Tensor], indices: Sequence[int], samples: int
) -> np.ndarray:
    """Compute Grad-CAM for a batch of one window: (classes, samples).

    Layers and bins are added up; steps are interpolated.
    """
    # cuDNN has no backward pass of recurrent layers in evaluation mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False), _kept(maps) as features:
        values = logits()[0]
        rows = []
        for index in indices:
            gradients = torch.autograd.grad(
                values[index], features, retain_graph=True, materialize_grads=True
            )
            heat = [
                grad_cam(feature[0].detach(), gradient[0])
                for feature, gradient in zip(features, gradients, strict=True)
            ]
            rows.append(torch.stack(heat).sum(0).sum(3 - maps.time))
    steps = torch.stack(rows).double().cpu().numpy()
    centres = maps.first + maps.stride * np.arange(steps.shape[1])
    return np.stack([np.interp(np.arange(samples), centres, row) for row in steps])


@contextmanager
def _kept(maps: FeatureMaps) -> Iterator[list[torch.Tensor]]:
    """Collect the outputs of layers; the rest of the network computes from them, with gradients."""
    kept: list[torch.Tensor] = []

    def keep(
        module: torch.nn.Module, inputs: tuple[object, ...], output: torch.Tensor
    ) -> torch.Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1]

    hooks = [layer.register_forward_hook(keep) for layer in maps.layers]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def draw(
    model: Model, record: Record, probabilities: dict[str, float], folder: Path
) -> Iterator[Path]:
    """Draw the heat of classes over a record; yield the paths of the pictures.

    A record longer than ten seconds is drawn where it has most heat.  The note below the title
    tells whether the header has the class, if its heat is 0 everywhere, and if the record is
    simulated.

    Parameters
    ----------
    probabilities : dict of str to float
        Of the classes to draw.
    folder : Path
        For `RECORD-CLASS.png`.

    Raises
    ------
    LeadwiseError
        As `explain` and `ecg.plots.plot_record`.
    """
    signal = record.signal
    shown = round(SHOWN_S * record.fs)
    for code, heat in zip(probabilities, explain(model, record, list(probabilities)), strict=True):
        name = "|".join(map(class_name, code.split("|")))
        first = _hottest(heat, shown)
        note = f"Grad-CAM of {model.recipe.name}, probability {probabilities[code]:.2f}"
        if codes := record.header.codes:
            right = label_matrix([codes], [code])[0, 0]
            listed = ", ".join(map(class_name, codes))
            note += f"; header: {listed}" if right else f"; not in the header, which has {listed}"
        if len(heat) > shown:
            note += f"; hottest {SHOWN_S:g} s of {len(heat) / record.fs:g} s"
        if not heat.any():
            note += "; no part of the record raised it"
        if is_simulated(record):
            note += "; simulated"
        path = folder / f"{record.name}-{re.sub(r'[^A-Za-z0-9~+-]+', '_', name)}.png"
        plot_record(
            path, signal[:, first : first + shown], record.leads, record.fs,
            title=f"{record.name}: {name} answered", note=note, start_s=first / record.fs,
            heat=heat[first : first + shown],
        )  # fmt: skip
        yield path


def _hottest(heat: np.ndarray, shown: int) -> int:
    """Give the first of the `shown` neighbouring samples with the largest sum.

    Examples
    --------
    >>> _hottest(np.array([0, 1, 0, 0, 2, 1, 0]), 2), _hottest(np.ones(3), 5)
    (4, 0)
    """
    if len(heat) <= shown:
        return 0
    summed = np.concatenate([[0.0], np.cumsum(heat, dtype=float)])
    return int(np.argmax(summed[shown:] - summed[:-shown]))
