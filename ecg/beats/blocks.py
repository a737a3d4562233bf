"""Blocks: cut a recording where nothing but fs decides, and judge the candidates of each.

A block decides for 300 s and sees 20 s more on either side, farther than its running medians reach.
So the same candidates with the same evidence come out, in whatever chunks the recording comes.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.beats import evidence
from ecg.beats.chain import Candidates, Chain
from ecg.beats.evidence import Levels, candidates, guess, measure, near, running_median, weigh
from ecg.beats.traces import BANDS_HZ, fill, trace

BLOCK_S = 300.0
CONTEXT_S = 20.0
SHORTEST_S = 0.5  # in anything shorter no level can be told: no beats
SEAM_S = 0.02  # neighbouring blocks may see one candidate so far apart
PEAK_S = 0.05  # how far the R peak may lie from the middle of the complex
BASE_S = 0.1  # where the R peak's base line is taken, on either side
FIRST_RR_S = 0.8  # 75 beats a minute, while nothing is known, ...
ROUGH_EARLY = (0.2, 1.0)  # ... and what an early beat costs then, and in the second passage


NONE = Candidates(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, int))


class Block(NamedTuple):
    """A piece of signal with its context; it decides from `onset` to `offset`."""

    signal: np.ndarray
    first: int  # sample of the recording
    onset: int
    offset: int


def cut(chunks: Iterable[np.ndarray], fs: float) -> Iterator[Block]:
    """Cut a recording into blocks that depend on nothing but fs."""
    core, context = round(BLOCK_S * fs), round(CONTEXT_S * fs)
    held: list[np.ndarray] = []
    first, end, onset = 0, 0, 0
    for chunk in chunks:
        check(chunk, held[0] if held else chunk)
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


def check(signal: np.ndarray, first: np.ndarray) -> None:
    """Refuse what is not of shape (leads, samples), with as many leads as the first chunk."""
    if signal.ndim != 2 or not len(signal) or len(signal) != len(first):
        raise LeadwiseError(
            f"the signal has the shape {signal.shape}; it has to be (leads, samples), in each "
            f"chunk as in the first, which has {first.shape}."
        )


def examine(block: Block, fs: float, last: float) -> Candidates:
    """Judge the candidates of a block that come after the last one of the block before, in s."""
    if block.signal.shape[1] < SHORTEST_S * fs:
        return NONE
    filled, changing = fill(block.signal)
    if not changing.any():
        return NONE
    traces = trace(filled, changing, fs)
    levels, trust = guess(traces)
    steps = candidates(weigh(traces.logs, trust, levels))
    levels = Levels(*(level[:, steps] for level in levels))
    guessed = levels.apart
    tops, trust = near(traces.logs, steps), trust[:, steps]
    samples = block.first + _peaks(filled, fs, np.rint(steps * traces.stride).astype(int), levels)
    times = samples / fs
    local = np.full(len(steps), FIRST_RR_S)
    numbers = np.arange(len(steps))
    for early in ROUGH_EARLY:
        rough = Chain(early)
        rough.add(Candidates(times, weigh(tops, trust, levels), local, numbers))
        beats = rough.finish()
        if len(beats) > 1:
            measured = measure(traces, steps[beats], guessed[:, beats])
            levels = Levels(*(_between(times, times[beats], level) for level in measured))
            local = np.interp(times, times[beats], _usual(times[beats]))
    weight = weigh(tops, trust, levels)
    begin = max(block.onset / fs - SEAM_S * (block.onset > 0), last + SEAM_S)
    here = (times >= begin) & (times < block.offset / fs + SEAM_S) & (weight > -evidence.LIMIT)
    return Candidates(
        times[here], np.minimum(weight, evidence.LIMIT)[here], local[here], samples[here]
    )


def _between(times: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolate rows of values from known times to others, (rows, known) to (rows, times)."""
    return np.array([np.interp(times, known, row) for row in values])


def _usual(times: np.ndarray) -> np.ndarray:
    """Tell the usual interval around each beat: half of two, so that bigeminy has one as well."""
    intervals = np.diff(times)
    ends = np.concatenate([intervals[:1], intervals, intervals[-1:]])
    return running_median((ends[1:] + ends[:-1]) / 2, evidence.BEATS)


def _peaks(filled: np.ndarray, fs: float, middles: np.ndarray, levels: Levels) -> np.ndarray:
    """Find the largest deflection near the middle of each complex, over all leads.

    A deflection counts from the line between the samples on either side of the complex, in parts
    of the lead's usual one.
    """
    reach, base = round(PEAK_S * fs), round(BASE_S * fs)
    end = filled.shape[1] - 1
    around = np.arange(-reach, reach + 1)
    before, after = (filled[:, np.clip(middles + side, 0, end)] for side in (-base, base))
    slope = (after - before)[:, :, None] * ((around + base) / (2 * base)).astype(np.float32)
    inside = np.clip(middles[:, None] + around, 0, end)
    deflection = np.abs(filled[:, inside] - before[:, :, None] - slope)
    share = np.maximum(levels.apart, 1e-6) * np.exp(-levels.beats)
    share = share.reshape(len(filled), len(BANDS_HZ), -1)[:, 0]
    total = np.einsum("lcs,lc->cs", deflection, share.astype(np.float32))
    return inside[np.arange(len(middles)), total.argmax(axis=1)]
