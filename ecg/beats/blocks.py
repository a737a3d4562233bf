"""Blocks of a recording, and the candidates for beats in each.

The blocks depend on fs alone, not on the chunks in which the recording arrives.  A block gives the
candidates of 300 s.  It contains 20 s of context on either side, which exceeds the length of the
running medians.  So the candidates and their likelihoods are the same for any chunks.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.beats.envelopes import BANDS_HZ, interpolate_gaps, log_envelopes
from ecg.beats.likelihood import (
    BEATS,
    LIMIT,
    Levels,
    candidate_steps,
    initial_levels,
    local_maximum,
    log_likelihood_ratio,
    measure_levels,
    running_median,
)
from ecg.beats.viterbi import Candidates, Viterbi

BLOCK_S = 300.0
CONTEXT_S = 20.0
SHORTEST_S = 0.5  # shorter blocks have no beats, since no level can be estimated
SEAM_S = 0.02  # one candidate may lie this far apart in neighbouring blocks
PEAK_S = 0.05  # the R peak lies within this of the middle of the complex
BASE_S = 0.1  # the R peak's base line is taken this far before and after
FIRST_RR_S = 0.8  # assumed RR interval in the first pass: 75 beats per minute
EARLY_COSTS = (0.2, 1.0)  # of an early beat, in the two passes that estimate the levels


NONE = Candidates(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, int))


class Block(NamedTuple):
    """A part of the signal with context; its candidates lie from sample `onset` to `offset`."""

    signal: np.ndarray
    first: int  # sample of the recording at which `signal` begins
    onset: int
    offset: int


def split_blocks(chunks: Iterable[np.ndarray], fs: float) -> Iterator[Block]:
    """Split a recording into blocks that depend on fs alone."""
    core, context = round(BLOCK_S * fs), round(CONTEXT_S * fs)
    held: list[np.ndarray] = []
    first, end, onset = 0, 0, 0
    for chunk in chunks:
        check_shape(chunk, held[0] if held else chunk)
        held.append(chunk)
        end += chunk.shape[1]
        while end >= onset + core + context:
            whole = held[0] if len(held) == 1 else np.concatenate(held, axis=1)
            offset = onset + core
            yield Block(whole[:, : offset + context - first], first, onset, offset)
            onset = offset
            whole = whole[:, max(onset - context - first, 0) :]
            first = max(onset - context, first)
            held = [whole]
    if held:
        yield Block(np.concatenate(held, axis=1), first, onset, end)


def check_shape(signal: np.ndarray, first: np.ndarray) -> None:
    """Raise an error unless the shape is (leads, samples), with the leads of the first chunk."""
    if signal.ndim != 2 or not len(signal) or len(signal) != len(first):
        raise LeadwiseError(
            f"the signal has the shape {signal.shape}; expected (leads, samples), with the same "
            f"leads in each chunk; the first has {first.shape}."
        )


def block_candidates(block: Block, fs: float, last: float) -> Candidates:
    """Find the candidates of a block after the last one of the previous block, in s."""
    if block.signal.shape[1] < SHORTEST_S * fs:
        return NONE
    filled, changing = interpolate_gaps(block.signal)
    if not changing.any():
        return NONE
    envelopes = log_envelopes(filled, changing, fs)
    levels, trust = initial_levels(envelopes)
    steps = candidate_steps(log_likelihood_ratio(envelopes.logs, trust, levels))
    levels = Levels(*(level[:, steps] for level in levels))
    initial = levels.contrast
    peaks, trust = local_maximum(envelopes.logs, steps), trust[:, steps]
    middles = np.rint(steps * envelopes.stride).astype(int)
    samples = block.first + _r_peaks(filled, fs, middles, levels)
    times = samples / fs
    local = np.full(len(steps), FIRST_RR_S)
    numbers = np.arange(len(steps))
    for early in EARLY_COSTS:
        viterbi = Viterbi(early)
        viterbi.add(Candidates(times, log_likelihood_ratio(peaks, trust, levels), local, numbers))
        beats = viterbi.finish()
        if len(beats) > 1:
            measured = measure_levels(envelopes, steps[beats], initial[:, beats])
            levels = Levels(*(_interpolate(times, times[beats], level) for level in measured))
            local = np.interp(times, times[beats], _local_rr(times[beats]))
    ratios = log_likelihood_ratio(peaks, trust, levels)
    begin = max(block.onset / fs - SEAM_S * (block.onset > 0), last + SEAM_S)
    inside = (times >= begin) & (times < block.offset / fs + SEAM_S) & (ratios > -LIMIT)
    return Candidates(
        times[inside], np.minimum(ratios, LIMIT)[inside], local[inside], samples[inside]
    )


def _interpolate(times: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolate each channel from known times: (channels, known) to (channels, times)."""
    return np.array([np.interp(times, known, channel) for channel in values])


def _local_rr(times: np.ndarray) -> np.ndarray:
    """Give the local RR interval at each beat: of pairs of intervals, as for bigeminy."""
    intervals = np.diff(times)
    ends = np.concatenate([intervals[:1], intervals, intervals[-1:]])
    return running_median((ends[1:] + ends[:-1]) / 2, BEATS)


def _r_peaks(filled: np.ndarray, fs: float, middles: np.ndarray, levels: Levels) -> np.ndarray:
    """Find the largest deflection near the middle of each complex, over all leads.

    A deflection is measured from the line between the samples on either side of the complex, and
    divided by the lead's QRS level.
    """
    reach, base = round(PEAK_S * fs), round(BASE_S * fs)
    end = filled.shape[1] - 1
    around = np.arange(-reach, reach + 1)
    before, after = (filled[:, np.clip(middles + side, 0, end)] for side in (-base, base))
    slope = (after - before)[:, :, None] * ((around + base) / (2 * base)).astype(np.float32)
    inside = np.clip(middles[:, None] + around, 0, end)
    deflection = np.abs(filled[:, inside] - before[:, :, None] - slope)
    weights = np.maximum(levels.contrast, 1e-6) * np.exp(-levels.qrs)
    weights = weights.reshape(len(filled), len(BANDS_HZ), -1)[:, 0]
    total = np.einsum("lcs,lc->cs", deflection, weights.astype(np.float32))
    return np.asarray(inside[np.arange(len(middles)), total.argmax(axis=1)])
