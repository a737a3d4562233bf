"""From a record to the probabilities of waves and beat classes, stretch by stretch.

The network of HeartlyAI 2021 reads each lead by itself, as lead II with zeros for the others: the
augmentation `single_lead` trains it so.  Then it reads all leads together for the classes of beats.

Long records are read in windows of 32 s on a fixed grid from the record's start; 2 s on each side
of a window are context, whose probabilities are not used.  Transforms, level and scale are those of
each window.  Therefore nothing depends on how much is read at a time.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.leads import ALONE
from ecg.records import Record
from models.heartly2021.network import BEATS
from models.inputs import channels_of, channels_per_lead, post_transform, prepare
from models.model import Model
from models.recipe import Recipe

STEP_S, GUARD_S = 28.0, 2.0  # between windows; context on each side
WINDOWS = 4  # that are prepared together
GROUPS = 8  # of windows that are read from the file at once: 15 min
FRAMES = 32_768  # of a batch: its features stay in a processor's cache
MARGIN_S = 10.0  # of signal before and after the waves that a stretch owns

Row = tuple[np.ndarray, np.ndarray]  # channels (channels, frames), and their positions


class Window(NamedTuple):
    """Samples that the network reads, `[first, last)`, and those whose probabilities are used."""

    first: int
    last: int
    own_first: int
    own_last: int


class Stretch(NamedTuple):
    """Probabilities of a part of a record.

    Attributes
    ----------
    first : int
        Sample of the first frame.
    own_first, own_last : int
        Samples whose waves belong to this stretch; the others are its neighbours'.
    ratio : Fraction
        Frames per sample.
    waves : np.ndarray of float32, shape (leads, 4, frames)
    beats : np.ndarray of float32, shape (beat classes, frames)
    """

    first: int
    own_first: int
    own_last: int
    ratio: Fraction
    waves: np.ndarray
    beats: np.ndarray


class Segmenter:
    """Computes probabilities with the network of a model folder.

    Raises
    ------
    LeadwiseError
        The network marks no waves.
    """

    def __init__(self, model: Model) -> None:
        largest = max((entry.leads for entry in model.folder.lead_sets), key=len)
        trained, network = model.network_for(largest)
        if not hasattr(network, "segment"):
            raise LeadwiseError(
                f"{model.folder.path}: its network marks no waves; give a model of HeartlyAI 2021"
            )
        self.leads: tuple[str, ...] = trained.leads
        self.other = ALONE if ALONE in self.leads else self.leads[0]
        self.classes = model.folder.classes[BEATS]
        self._recipe, self._device = model.recipe, model.device
        self._network: Any = network
        self._kinds = channels_per_lead(model.recipe)

    def stretches(self, record: Record, groups: int = GROUPS) -> Iterator[Stretch]:
        """Compute the probabilities of a record; stretches overlap by twice the margin.

        Parameters
        ----------
        groups : int
            Groups of windows that are read at once: changes the stretches, not the probabilities.
        """
        samples = record.samples
        ratio = frames_per_sample(self._recipe, record.fs)
        margin = _whole(MARGIN_S * record.fs, ratio)
        laid = windows(samples, record.fs, ratio)
        start, owned = 0, 0  # samples: of the first frame, of the first wave that is not given yet
        waves = beats = None
        for index in range(0, len(laid), WINDOWS * groups):
            some = laid[index : index + WINDOWS * groups]
            new_waves, new_beats = self._read(record, some, ratio)
            waves = new_waves if waves is None else np.concatenate([waves, new_waves], 2)
            beats = new_beats if beats is None else np.concatenate([beats, new_beats], 1)
            last = some[-1].own_last
            last = last if last == samples else last - margin
            yield Stretch(start, owned, last, ratio, waves, beats)
            kept = max(start, last - margin)
            skipped = int((kept - start) * ratio)
            waves, beats = waves[..., skipped:].copy(), beats[:, skipped:].copy()
            start, owned = kept, last

    def _read(
        self, record: Record, laid: Sequence[Window], ratio: Fraction
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run the network on neighbouring windows: probabilities of their own samples."""
        start = laid[0].first
        signal = read_samples(record, start, laid[-1].last)
        waves, beats = [], []
        for index in range(0, len(laid), WINDOWS):
            group = laid[index : index + WINDOWS]
            parts = [signal[:, window.first - start : window.last - start] for window in group]
            rows = [row for part in parts for row in self._rows(record, _interpolated(part))]
            results = self._run(rows)
            count = len(results) // len(group)
            for number, window in enumerate(group):
                own = results[number * count : (number + 1) * count]
                first = int((window.own_first - window.first) * ratio)
                frames = int((window.own_last - window.own_first) * ratio)
                ends = window.own_last == window.last  # the last one may end within a frame
                inside = slice(first, None if ends else first + frames)
                waves.append(np.stack([one[:, inside] for one, _ in own[: len(signal)]]))
                beats.append(own[-1][1][:, inside])
        return np.concatenate(waves, 2), np.concatenate(beats, 1)

    def _rows(self, record: Record, signal: np.ndarray) -> Iterator[Row]:
        """Prepare each lead by itself and, of several leads, all together."""
        name = self.other
        for lead in signal:
            prepared = prepare(self._recipe, lead[None], [name], [name], record.fs).signal
            ready, positions = post_transform(self._recipe, prepared)
            row = np.zeros((len(self.leads) * self._kinds, ready.shape[1]), np.float32)
            row[channels_of([name], self.leads, self._kinds)] = ready
            yield row, positions
        if len(signal) > 1:
            # A lead that is read as lead II does not replace the record's own lead II.
            have = [
                lead if lead in self.leads or self.other in record.leads else self.other
                for lead in record.leads
            ]
            prepared = prepare(self._recipe, signal, have, self.leads, record.fs).signal
            yield post_transform(self._recipe, prepared)

    @torch.inference_mode()
    def _run(self, rows: Sequence[Row]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Give the probabilities of waves and beats of each row, at the prepared signal's frames.

        Which rows form a batch depends on their lengths only.
        """
        results = []
        for frames, group in groupby(rows, lambda row: row[0].shape[1]):
            equal = list(group)
            size = max(1, FRAMES // frames)
            for start in range(0, len(equal), size):
                some = equal[start : start + size]
                batch = torch.from_numpy(np.stack([channels for channels, _ in some]))
                outputs = self._network.segment(batch.to(self._device))
                waves, beats = (one.float().softmax(1).cpu().numpy() for one in outputs)
                results += [
                    (own_waves[:, positions >= 0], own_beats[:, positions >= 0])
                    for own_waves, own_beats, (_, positions) in zip(waves, beats, some, strict=True)
                ]
        return results


def frames_per_sample(recipe: Recipe, fs: float) -> Fraction:
    """Give the frames per sample of a record, as the recipe's transforms resample it.

    Examples
    --------
    >>> from models import find
    >>> frames_per_sample(find("isibrno-published"), 360.0)
    Fraction(25, 36)
    """
    samples = Fraction(recipe.fs / fs).limit_denominator(1000).denominator
    samples *= -(-1000 // samples)
    trial = np.zeros((1, samples), np.float32)
    return Fraction(prepare(recipe, trial, ["II"], ["II"], fs).signal.shape[1], samples)


def windows(samples: int, fs: float, ratio: Fraction) -> list[Window]:
    """Lay windows over a record on a grid from its start; the last one ends with the record.

    Each starts at a whole frame.

    Examples
    --------
    >>> [tuple(one) for one in windows(4000, 100.0, Fraction(5, 2))]
    [(0, 3200, 0, 3000), (800, 4000, 3000, 4000)]
    """
    guard, step = _whole(GUARD_S * fs, ratio), _whole(STEP_S * fs, ratio)
    length = step + 2 * guard
    if samples <= length:
        return [Window(0, samples, 0, samples)]
    laid = []
    for first in range(0, samples - length, step):
        own_first = first + guard if first else 0
        laid.append(Window(first, first + length, own_first, first + guard + step))
    frames = ratio.denominator
    earlier = -(-(samples - length) // frames) * frames
    return [*laid, Window(earlier, samples, laid[-1].own_last, samples)]


def _whole(samples: float, ratio: Fraction) -> int:
    """Round to samples that are whole frames, at least one."""
    return max(1, round(samples / ratio.denominator)) * ratio.denominator


def read_samples(record: Record, first: int, last: int) -> np.ndarray:
    """Read samples `[first, last)` in mV, NaN where one has no value or an infinite one."""
    signal = record.window(first / record.fs, last / record.fs).signal
    return np.where(np.isfinite(signal), signal, np.float32(np.nan))


def _interpolated(signal: np.ndarray) -> np.ndarray:
    """Fill samples without a value by lines, so that a gap has no steps; an empty lead by 0."""
    filled = np.nan_to_num(signal, nan=0.0)
    for row, missing in zip(filled, np.isnan(signal), strict=True):
        if missing.any() and not missing.all():
            present = np.flatnonzero(~missing)
            row[missing] = np.interp(np.flatnonzero(missing), present, row[present])
    return np.asarray(filled)
