"""Simulated rhythms for training: genuine beats, moved closer together.

22 patients show few rhythms: one of them has most supraventricular runs, two have atrial
fibrillation.  A classifier trained on the others does not know these.  Therefore stretches of sinus
rhythm become premature beats, runs, sinus tachycardia and atrial fibrillation: a piece of the
signal between two beats is cut out, with the P wave or without it.  QRS complexes and T waves stay
genuine.
"""

from typing import NamedTuple

import numpy as np

from holter.numbers import around

FS = 250.0  # Hz
JOIN = 20  # samples over which the step at a cut is spread
AFTER_R = 62  # samples after an R peak that are not cut: its T wave
LEAST = 4  # samples of a cut
REGULAR = 0.06  # largest median change of log RR around a beat of sinus rhythm
USUAL = 0.12  # largest distance of log RR from its local median
N, S, UNKNOWN = 0, 1, -1
KINDS = {"run": 0.25, "single": 0.6, "fibrillation": 0.06, "tachycardia": 0.09}  # shares


class Simulated(NamedTuple):
    """A signal with cuts, its R peaks, and the class of each beat."""

    signal: np.ndarray
    peaks: np.ndarray
    classes: np.ndarray


class _Event(NamedTuple):
    """Beats that come early in one way."""

    kind: str
    beats: int
    shares: np.ndarray  # (beats,) of the RR interval that remain
    ends: np.ndarray  # (beats,) samples from the cut's end to the R peak
    gap: int  # beats until the next event


def simulate_rhythms(
    signal: np.ndarray, peaks: np.ndarray, classes: np.ndarray, generator: np.random.Generator
) -> Simulated:
    """Make beats of sinus rhythm premature, in single beats, runs and changed rhythms.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        At 250 Hz.
    peaks : np.ndarray of int, shape (beats,)
        Samples, ascending.
    classes : np.ndarray of int, shape (beats,)
        0 for normal beats; all others stay as they are.

    Returns
    -------
    Simulated
        Classes: 1 for beats made premature, 0 for other normal beats, -1 for all others.
    """
    rr = np.diff(peaks, prepend=peaks[0] - round(FS)).astype(float)
    logs = np.log(np.maximum(rr, 1))
    irregular = np.median(np.abs(around(np.diff(logs, prepend=logs[0]), 15)), axis=1)
    usual = np.abs(logs - np.median(around(logs, 10), axis=1)) <= USUAL
    sinus = (classes == N) & (np.append(True, classes[:-1] == N)) & (irregular <= REGULAR)
    result = np.where(classes == N, N, UNKNOWN)
    spans = []
    first = int(generator.integers(10, 20))
    while first < len(peaks) - 5:
        event = _draw(generator)
        moves_sinus = event.kind in ("fibrillation", "tachycardia")
        for beat in range(first, min(first + event.beats, len(peaks) - 2)):
            if not (sinus[beat] and (moves_sinus or usual[beat])):
                break
            end = int(event.ends[beat - first])
            wanted = (1 - event.shares[beat - first]) * rr[beat]
            cut = int(min(wanted, rr[beat] - end - AFTER_R))
            enough = cut >= max(LEAST, 0 if moves_sinus else USUAL * rr[beat])
            if enough:
                spans.append((int(peaks[beat]) - end - cut, int(peaks[beat]) - end))
            if not moves_sinus:
                if not enough:
                    break
                result[beat] = S
        first += event.beats + event.gap
    cut_signal, moved = _cut(signal, spans)
    return Simulated(cut_signal, moved[peaks], result)


def _draw(generator: np.random.Generator) -> _Event:
    """Draw an event; the shares of RR follow published rates of 100 to 200 beats per minute."""
    kind = str(generator.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "fibrillation":
        beats = int(generator.integers(40, 150))
        mean, spread = generator.uniform(-0.35, -0.15), generator.uniform(0.12, 0.3)
        shares = np.exp(np.minimum(0, generator.normal(mean, spread, beats)))
        ends = generator.integers(14, 22, beats)  # behind the P wave, which goes
    elif kind == "tachycardia":
        beats = int(generator.integers(30, 80))
        ramp = np.minimum(np.arange(beats), beats - np.arange(beats)) / 15
        shares = 1 - (1 - generator.uniform(0.65, 0.85)) * np.minimum(1, ramp)
        ends = np.full(beats, 60)  # before the P wave, which stays
    else:
        beats = 1 if kind == "single" else int(np.exp(generator.uniform(np.log(2), np.log(60))))
        shares = generator.uniform(0.5, 0.87) * np.exp(generator.normal(0, 0.02, beats))
        ends = np.full(beats, generator.integers(16, 55))
    gap = int(generator.integers(6, 40) if kind == "single" else generator.integers(10, 50))
    return _Event(kind, beats, shares, ends, gap)


def _cut(signal: np.ndarray, spans: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Cut spans out; give the new signal and the new position of each sample."""
    kept = np.ones(signal.shape[1], bool)
    for onset, offset in spans:
        kept[onset:offset] = False
    moved = np.cumsum(kept) - kept
    result = signal[:, kept]
    ramp = np.linspace(1, 0, JOIN, endpoint=False)
    for _, offset in spans:
        join = int(moved[offset])
        if 0 < join <= result.shape[1] - JOIN:
            step = result[:, join] - result[:, join - 1]
            result[:, join : join + JOIN] -= step[:, None] * ramp
    return result, moved
