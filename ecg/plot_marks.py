"""Marks in a drawing of a record: bands of P, QRS and T behind the traces, letters of beats."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecg import LeadwiseError
from ecg.annotation_files import annotation_files, read_annotations
from ecg.annotations import ABSENT, ALL_LEADS, Annotations, Waves, known_parts
from ecg.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours of a palette for colour-blind readers: Okabe & Ito 2008.
BANDS = {"p": ("P", "#0072B2"), "N": ("QRS", "#D55E00"), "t": ("T", "#009E73")}
SHADE = 0.25
DEPTH_MM, HEIGHT_MM = 9.0, 11.0  # of a band below and above the zero line
LEGEND_MM = 11.0  # per entry


def read_marks(record: Record, folder: Path | None = None) -> Annotations | None:
    """Read the annotation files of a record, in another folder if it is given; None without any.

    Raises
    ------
    LeadwiseError
        A file cannot be read, or has marks beyond the end of the record.
    """
    stem = os.path.join(folder, os.path.basename(record.stem)) if folder else record.stem
    files = annotation_files(stem, record.leads) if stem else []
    if not files:
        return None
    samples = record.samples
    marks = read_annotations(stem, record.leads, record.fs, samples, files)
    last = max((int(column.max()) for column in _positions(marks) if len(column)), default=0)
    if last > samples:
        raise LeadwiseError(
            f"{record.name}: has {samples} samples, but a mark at sample {last - 1}; are the "
            "annotation files of another record?"
        )
    return marks


def _positions(marks: Annotations) -> list[np.ndarray]:
    """Give the sample numbers after all beats and waves."""
    _, lasts = known_parts(marks.waves)
    return [marks.beats.samples + 1, lasts]


def waves_of_lead(marks: Annotations, lead: str) -> Waves:
    """Take the waves of a lead; where none are marked, those of all leads together."""
    own = marks.waves.leads == lead
    return marks.waves.take(own if own.any() else marks.waves.leads == ALL_LEADS)


def draw_bands(
    axes: "Axes", waves: Waves, fs: float, left: float, centre: float, mm_per_s: float
) -> None:
    """Draw a band per wave behind a trace that starts at `left`; a missing limit is dotted."""
    firsts, lasts = known_parts(waves)
    low, high = centre - DEPTH_MM, centre + HEIGHT_MM
    for first, last, onset, offset, kind in zip(
        firsts, lasts, waves.onsets, waves.offsets, waves.kinds.tolist(), strict=True
    ):
        if kind not in BANDS:
            continue
        colour = BANDS[kind][1]
        sides = left + np.array([first, last]) / fs * mm_per_s
        axes.fill_between(sides, low, high, color=colour, alpha=SHADE, linewidth=0, zorder=1.5)
        for limit, side in zip((onset, offset), sides, strict=True):
            if limit == ABSENT:
                axes.plot([side, side], [low, high], ":", color=colour, linewidth=0.9, zorder=1.6)


def draw_legend(axes: "Axes", right: float, height: float) -> None:
    """Write the names of the bands on their colours, ending at `right`."""
    for place, (name, colour) in enumerate(reversed(BANDS.values())):
        centre = right - LEGEND_MM * (place + 0.5)
        sides = [centre - 0.45 * LEGEND_MM, centre + 0.45 * LEGEND_MM]
        axes.fill_between(sides, height - 1.2, height + 3.4, color=colour, alpha=SHADE, linewidth=0)
        axes.text(centre, height, name, fontsize=9, ha="center")
