"""Decode the outputs of dense heads to annotations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ecg.annotations import ALL_LEADS, BEAT_MASK_S, Annotations, Beats, Spans
from ecg.beats import detect
from ecg.records import Record
from ecg.waves import annotate_mask
from models.network import SignalOutput
from models.recipe import Recipe


def decode(
    recipe: Recipe, classes: Mapping[str, Sequence[str]], output: SignalOutput, record: Record,
    signal: np.ndarray,
) -> Annotations | None:  # fmt: skip
    """Convert classes per sample to waves, and classes around R peaks to beats.

    R peaks are those of `ecg.beats.detect`.

    Parameters
    ----------
    classes : dict of sequences of str
        Of each head.
    output : SignalOutput
        Of the record's prepared signal.
    signal : np.ndarray of shape (leads, samples)
        The record's signal in mV.

    Returns
    -------
    Annotations or None
        At the record's own sampling rate; None if no head is dense.
    """
    dense = {head.kind: head for head in recipe.heads if head.dense}
    if not dense:
        return None
    read = output.positions >= 0
    positions = output.positions[read]
    annotations = Annotations(recipe.fs)
    if "samples" in dense:
        mask = np.zeros(int(positions.max(initial=-1)) + 1, np.uint8)
        mask[positions] = output.probabilities[dense["samples"].name][:, read].argmax(0)
        first, last = int(positions.min(initial=len(mask))), len(mask)
        annotated = Spans(np.array([first]), np.array([last]), np.array([ALL_LEADS]))
        annotations = Annotations(recipe.fs, waves=annotate_mask(mask), annotated=annotated)
    annotations = annotations.resampled(record.fs)
    if "beats" in dense:
        head = dense["beats"]
        samples, symbols, reach = [], [], round(BEAT_MASK_S * recipe.fs)
        probabilities = output.probabilities[head.name][:, read]
        peaks = detect(signal, record.fs)
        centres = np.rint(peaks * recipe.fs / record.fs)
        firsts = np.searchsorted(positions, centres - reach)  # positions ascend
        lasts = np.searchsorted(positions, centres + reach, side="right")
        for sample, first, last in zip(peaks.tolist(), firsts, lasts, strict=True):
            if first < last:
                samples.append(sample)
                symbols.append(classes[head.name][probabilities[:, first:last].mean(1).argmax()])
        beats = Beats(np.array(samples), np.array(symbols))
        annotations = replace(annotations, beats=beats)
    return annotations
