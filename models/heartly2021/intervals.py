"""Intervals of each beat, computed in the network from its own masks, with gradients.

Beats and their borders come from the hard masks (argmax), without a gradient.  Inside these borders
the limits of a wave are soft: with the probability p of a wave,

    onset = Σ t · max(p(t) − p(t−1), 0) / Σ max(p(t) − p(t−1), 0)

and the offset likewise with falling steps.  For a perfect mask both equal the hard limits.
Fridericia's QTc is QT / RR^(1/3) with RR in s; RR is the distance to the QRS onset before, for the
first beat to the next one.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from ecg.annotations import QRS, P, T

NAMES = ("PQ", "QRS", "QT", "QTc", "Q-Q")
LEAST = 0.5  # sum of rising steps below which a wave is missing; a perfect mask has 1


class Beats(NamedTuple):
    """Hard limits of a record's QRS complexes, and where each beat starts, in frames.

    A beat starts half-way between the offset of the T wave before and its P onset; without one of
    the two, half-way from the QRS complex before, or to its own.
    """

    onsets: np.ndarray  # (beats,)
    offsets: np.ndarray
    starts: np.ndarray


def find_beats(mask: np.ndarray) -> Beats:
    """Find the QRS complexes of a mask (frames,) of classes none, P, QRS, T.

    Examples
    --------
    >>> mask = np.zeros(600, int)
    >>> mask[100:150], mask[180:225], mask[300:380], mask[460:510], mask[580:600] = 1, 2, 3, 1, 2
    >>> find_beats(mask).onsets.tolist(), find_beats(mask).starts.tolist()
    ([180, 580], [0, 420])
    """
    onsets, offsets = _runs(mask == QRS)
    p_onsets, _ = _runs(mask == P)
    _, t_offsets = _runs(mask == T)
    starts = np.zeros_like(onsets)
    for beat, (before, after) in enumerate(zip(offsets[:-1], onsets[1:], strict=True), start=1):
        t_ends = t_offsets[(t_offsets > before) & (t_offsets <= after)]
        left = t_ends[0] if len(t_ends) else before
        p_starts = p_onsets[(p_onsets >= left) & (p_onsets < after)]
        right = p_starts[-1] if len(p_starts) else after
        starts[beat] = (left + right) // 2
    return Beats(onsets, offsets, starts)


def _runs(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give onsets and offsets of the runs of True."""
    steps = np.diff(inside.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)


def intervals(
    probabilities: torch.Tensor, beats: Beats, fs: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the intervals of each beat.

    Parameters
    ----------
    probabilities : torch.Tensor of shape (4, frames)
        Of none, P, QRS and T.
    beats : Beats
        From the argmax of the probabilities.
    fs : float
        Frames per second.

    Returns
    -------
    values : torch.Tensor of shape (beats, 5)
        In s, in the order of `NAMES`; 0 where missing.
    missing : torch.Tensor of bool, shape (beats, 5)
    """
    count = len(beats.onsets)
    beat_of = torch.from_numpy(beat_at(beats, np.arange(probabilities.shape[1])))
    beat_of = beat_of.to(probabilities.device)
    p_onset, _, p_missing = _soft_limits(probabilities[P], beat_of, count)
    q_onset, q_offset, q_missing = _soft_limits(probabilities[QRS], beat_of, count)
    _, t_offset, t_missing = _soft_limits(probabilities[T], beat_of, count)
    rr, no_rr = torch.zeros_like(q_onset), torch.ones_like(q_missing)
    if count > 1:
        distances = q_onset.diff()
        rr, no_rr = torch.cat([distances[:1], distances]), q_missing
    qt = t_offset - q_onset
    corrected = qt / (rr / fs).clamp(min=0.1) ** (1 / 3)
    values = torch.stack([q_onset - p_onset, q_offset - q_onset, qt, corrected, rr], 1) / fs
    missing = torch.stack(
        [p_missing | q_missing, q_missing, q_missing | t_missing,
         q_missing | t_missing | no_rr, no_rr], 1,
    )  # fmt: skip
    return torch.where(missing, 0.0, values), missing


def beat_at(beats: Beats, frames: np.ndarray) -> np.ndarray:
    """Give the index of the beat that each frame belongs to."""
    return np.searchsorted(beats.starts[1:], frames, side="right")


def inside_qrs(beats: Beats) -> np.ndarray:
    """List the frames of all QRS complexes, beat by beat."""
    runs = [np.arange(*limits) for limits in zip(beats.onsets, beats.offsets, strict=True)]
    return np.concatenate(runs)


def _soft_limits(
    probability: torch.Tensor, beat_of: torch.Tensor, beats: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give soft onset and offset of a wave in each beat, and whether the beat lacks it."""
    before = functional.pad(probability, (1, 0))[:-1]
    steps = probability - before
    limits, weights = [], []
    for change in (steps.clamp(min=0), (-steps).clamp(min=0)):
        weight = change.new_zeros(beats).index_add(0, beat_of, change)
        times = torch.arange(len(probability), device=probability.device, dtype=change.dtype)
        total = change.new_zeros(beats).index_add(0, beat_of, change * times)
        limits.append(total / weight.clamp(min=1e-6))
        weights.append(weight)
    missing = (weights[0] < LEAST) | (weights[1] < LEAST)
    return limits[0], limits[1], missing
