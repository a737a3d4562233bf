"""Drawings of a record on ECG paper, as PNG, SVG or PDF files, and what all figures share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.leads import STANDARD, canonical_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The paper of an electrocardiograph: AHA/ACC/HRS recommendations 2007, part I (Kligfield et al.).
MM_PER_S, MM_PER_MV = 25.0, 10.0
SHOWN_S = 10.0
COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
RHYTHM_LEAD = "II"
ROW_MM = 35.0
LINE_MM = 20.0  # from the top of a row to its zero line; R waves are larger than S waves
REACH_MV = 2.6  # traces are clipped here, to stay clear of the next row
PULSE_MM = (2.0, 7.0)  # start and end of the calibration pulse, 1 mV for 0.2 s
MARGIN_MM = 5.0  # around the traces
HEAD_MM, FOOT_MM = 14.0, 9.0
LEFT_MM = MARGIN_MM + 10.0  # traces start after the pulse
WIDTH_MM = LEFT_MM + SHOWN_S * MM_PER_S + MARGIN_MM
MM_PER_INCH = 25.4
DPI = 150
PAPER, FINE, COARSE, INK = "#fffafa", "#f8dcdc", "#efb3b3", "#1a1a1a"
ALARM, QUIET = "#b3261e", "#5f5f5f"
FORMATS = ("png", "svg", "pdf")
DISCLAIMER = "Research use, not a medical device."
# A palette for colour-blind readers: Okabe & Ito 2008.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def plot_record(
    path: str | Path,
    signal: np.ndarray,
    leads: Sequence[str],
    fs: float,
    *,
    title: str,
    note: str = "",
) -> None:
    """Draw a record on ECG paper, true to scale at 25 mm/s and 10 mm/mV.

    Twelve leads are drawn in four columns of 2.5 s above ten seconds of lead II, as printed by
    electrocardiographs; other lead sets have one row per lead.  Only the first ten seconds are
    drawn, with a note.  Each trace is centred on its median and clipped at 2.6 mV from it and at
    the edge of the paper; NaN are gaps.

    Parameters
    ----------
    path : str or Path
        .png, .svg or .pdf.
    signal : np.ndarray of shape (leads, samples)
        In mV.
    leads : sequence of str
        Names of the leads, in any order and case.
    fs : float
        Hz.
    title : str
    note : str
        A line below the title; if it contains "simulated", SIMULATED is printed in the corner.

    Raises
    ------
    LeadwiseError
        The signal has no samples, or another number of leads.
    """
    names = [canonical_name(lead) for lead in leads]
    if signal.ndim != 2 or len(signal) != len(names) or not signal.size:
        raise LeadwiseError(
            f"{title}: a signal of shape {signal.shape} cannot be drawn as {len(names)} leads."
        )
    shown = signal[:, : round(SHOWN_S * fs)]
    standard = sorted(names) == sorted(STANDARD)
    rows = 4 if standard else len(names)
    height_mm = HEAD_MM + rows * ROW_MM + FOOT_MM
    figure, axes = _paper(height_mm)
    centres = [height_mm - HEAD_MM - ROW_MM * row - LINE_MM for row in range(rows)]
    if standard:
        _draw_columns(axes, dict(zip(names, shown, strict=True)), fs, centres)
    else:
        for lead, trace, centre in zip(names, shown, centres, strict=True):
            _draw_trace(axes, lead, trace, fs, LEFT_MM, centre)
    for centre in centres:
        _draw_pulse(axes, centre)
    _write_margins(axes, height_mm, title, note, signal.shape[1] / fs, columns=standard)
    save(figure, path)


def _paper(height_mm: float) -> tuple["Figure", "Axes"]:
    """Create a sheet with its grid; coordinates are mm from the lower left corner."""
    from matplotlib.collections import LineCollection

    figure = new_figure(WIDTH_MM / MM_PER_INCH, height_mm / MM_PER_INCH)
    figure.set_facecolor("white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH_MM), ylim=(0, height_mm))
    axes.axis("off")
    low, high = FOOT_MM, height_mm - HEAD_MM
    left, right = MARGIN_MM, WIDTH_MM - MARGIN_MM
    axes.fill_between([left, right], low, high, color=PAPER, linewidth=0)
    for step, colour, width in ((1.0, FINE, 0.4), (5.0, COARSE, 0.7)):
        upright = [((x, low), (x, high)) for x in np.arange(left, right + 0.1, step)]
        level = [((left, y), (right, y)) for y in np.arange(low, high + 0.1, step)]
        axes.add_collection(LineCollection(upright + level, colors=colour, linewidths=width))
    return figure, axes


def _draw_columns(
    axes: "Axes", shown: Mapping[str, np.ndarray], fs: float, centres: Sequence[float]
) -> None:
    """Draw twelve leads in four columns, and lead II below them."""
    column_s = SHOWN_S / len(COLUMNS)
    whole = len(shown[RHYTHM_LEAD]) >= SHOWN_S * fs
    for index, column in enumerate(COLUMNS):
        first = round(index * column_s * fs) if whole else 0
        last = round((index + 1) * column_s * fs) if whole else round(column_s * fs)
        left = LEFT_MM + index * column_s * MM_PER_S
        for lead, centre in zip(column, centres, strict=False):
            _draw_trace(axes, lead, shown[lead][first:last], fs, left, centre)
            if index:
                axes.plot([left, left], [centre - 2.5, centre + 2.5], color=INK, linewidth=0.8)
    _draw_trace(axes, RHYTHM_LEAD, shown[RHYTHM_LEAD], fs, LEFT_MM, centres[-1])


def _draw_trace(
    axes: "Axes", lead: str, trace: np.ndarray, fs: float, left: float, centre: float
) -> None:
    """Draw one lead from a position on the paper (mm), with its name above."""
    finite = trace[np.isfinite(trace)]
    middle = float(np.median(finite)) if finite.size else 0.0
    height = MM_PER_MV * np.clip(trace.astype(float) - middle, -REACH_MV, REACH_MV)
    across = left + MM_PER_S * np.arange(len(trace)) / fs
    paper = FOOT_MM + 0.5, axes.get_ylim()[1] - HEAD_MM - 0.5
    line = np.clip(centre + height, *paper)
    axes.plot(across, line, color=INK, linewidth=0.9, solid_joinstyle="round", zorder=3)
    label = axes.text(left + 1.5, centre + 12.5, lead, fontsize=10, weight="bold", zorder=2)
    label.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 0.8})


def _draw_pulse(axes: "Axes", centre: float) -> None:
    """Draw the calibration pulse of a row: 1 mV for 0.2 s."""
    up, down = MARGIN_MM + PULSE_MM[0], MARGIN_MM + PULSE_MM[1]
    across = [up - 1.5, up, up, down, down, down + 1.5]
    axes.plot(across, centre + MM_PER_MV * np.array([0, 0, 1, 1, 0, 0]), color=INK, linewidth=0.9)


def _write_margins(
    axes: "Axes", height_mm: float, title: str, note: str, duration_s: float, *, columns: bool
) -> None:
    """Write title and note above, scale, duration and disclaimer below."""
    right = WIDTH_MM - MARGIN_MM
    axes.text(MARGIN_MM, height_mm - 6.0, title, fontsize=12, weight="bold", color=INK)
    axes.text(MARGIN_MM, height_mm - 11.5, note, fontsize=9, color=QUIET)
    if "simulated" in note.casefold():
        stamp = axes.text(right, height_mm - 6.0, "SIMULATED", ha="right", color=ALARM)
        stamp.set(fontsize=12, weight="bold")
    scale = f"{MM_PER_S:g} mm/s   {MM_PER_MV:g} mm/mV"
    if duration_s > SHOWN_S:
        scale += f"   first {SHOWN_S:g} s of {duration_s:g} s"
    elif duration_s < SHOWN_S:
        scale += f"   {duration_s:g} s" + (", every column from 0 s on" if columns else "")
    axes.text(MARGIN_MM, 3.5, scale, fontsize=9, color=INK)
    axes.text(right, 3.5, DISCLAIMER, fontsize=9, color=QUIET, ha="right")


def new_figure(width_in: float, height_in: float) -> "Figure":
    """Create a figure of this size without a window and without global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def plain(axes: "Axes") -> None:
    """Remove frame and ticks, and add a light grid under the lines."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.title.set_fontsize(11)


def save(figure: "Figure", path: str | Path) -> None:
    """Write a figure in the format of the path's ending."""
    ending = Path(path).suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise LeadwiseError(f"{path}: pictures are written as {', '.join(FORMATS)}.")
    with atomic_write(path) as draft:
        figure.savefig(draft, format=ending)
