"""Drawings of records on ECG paper: `python -m ecg.plots RECORD…`; and what all figures share."""

import argparse
import math
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecg import FAILURES, LeadwiseError
from ecg.annotations import Annotations, Beats, Waves
from ecg.beats import LOWEST_HZ, detect
from ecg.files import atomic_write, make_folder, read_bytes
from ecg.folders import header_path
from ecg.labels import class_name
from ecg.leads import STANDARD, canonical_name, list_leads
from ecg.plot_heat import draw_heat, draw_heat_legend
from ecg.plot_marks import draw_bands, draw_legend, read_marks, waves_of_lead
from ecg.progress import quiet_pipe
from ecg.records import Record, read_record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# The paper of an electrocardiograph: AHA/ACC/HRS recommendations 2007, part I (Kligfield et al.).
MM_PER_S, MM_PER_MV = 25.0, 10.0
SHOWN_S = 10.0
MOST_S, MOST_LEADS = 60.0, 64  # of one picture
AROUND_S = 5.0  # the detector reads so much before and after the drawn part
TITLE = 80  # characters, so that it ends before the stamp
COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
RHYTHM_LEAD = "II"
ROW_MM = 35.0
LINE_MM = 20.0  # from the top of a row to its zero line; R waves are larger than S waves
REACH_MV = 2.6  # traces are clipped here, to stay clear of the next row
CUT_MM = 0.5  # a lead is named as clipped if more than this is missing
PULSE_MM = (2.0, 7.0)  # start and end of the calibration pulse, 1 mV for 0.2 s
MARGIN_MM = 5.0  # around the traces
HEAD_MM, FOOT_MM = 14.0, 12.0
LEFT_MM = MARGIN_MM + 10.0  # traces start after the pulse
MM_PER_INCH = 25.4
DPI = 150
PAPER, FINE, COARSE, INK = "#fffafa", "#f8dcdc", "#efb3b3", "#1a1a1a"
MARK = "^"  # of R peaks
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
    seconds: float = SHOWN_S,
    start_s: float = 0.0,
    r_peaks: Sequence[int] | np.ndarray = (),
    marks: Annotations | None = None,
    heat: np.ndarray | None = None,
) -> None:
    """Draw a record on ECG paper, true to scale at 25 mm/s and 10 mm/mV.

    Twelve leads are drawn in four columns of 2.5 s above ten seconds of lead II, as printed by
    electrocardiographs; other lead sets have one row per lead.  Only the first ten seconds are
    drawn, with a note.  Each trace is centred on its median and clipped at 2.6 mV from it and at
    the edge of the paper; NaN are gaps.  The axis below has the seconds of the last row.

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
    seconds : float
        What is drawn, at most 60 s; twelve leads have columns of a quarter of it.
    start_s : float
        Time of the signal's first sample, for the axis.
    r_peaks : sequence of int
        Samples of the signal to mark below the last row.
    marks : Annotations, optional
        Of the signal: bands of P, QRS and T behind each trace (the lead's, else those of all
        leads), and letters of beats, which replace the marks of R peaks.
    heat : np.ndarray of shape (samples,), optional
        From 0 to 1, drawn behind all traces.

    Raises
    ------
    LeadwiseError
        The signal has no samples, another number of leads, or more than 64.
    """
    names = [canonical_name(lead) for lead in leads]
    if signal.ndim != 2 or len(signal) != len(names) or not signal.size:
        raise LeadwiseError(
            f"{title}: a signal of shape {signal.shape} cannot be drawn as {len(names)} leads."
        )
    if len(names) > MOST_LEADS or not 0 < seconds <= MOST_S:
        raise LeadwiseError(
            f"{title}: a picture has at most {MOST_LEADS} leads and {MOST_S:g} s, not "
            f"{len(names)} and {seconds:g} s."
        )
    shown = signal[:, : max(1, round(seconds * fs))]
    standard = sorted(names) == sorted(STANDARD)
    rows = 4 if standard else len(names)
    height_mm = HEAD_MM + rows * ROW_MM + FOOT_MM
    figure, axes = _paper(height_mm, seconds)
    waves = {lead: waves_of_lead(marks, lead) if marks else Waves() for lead in names}
    centres = [height_mm - HEAD_MM - ROW_MM * row - LINE_MM for row in range(rows)]
    hot = np.zeros(shown.shape[1]) if heat is None else heat[: shown.shape[1]]
    if standard:
        traces = dict(zip(names, shown, strict=True))
        cut = _draw_columns(axes, traces, waves, hot, fs, centres, seconds)
    else:
        cut = [lead for lead, trace, level in zip(names, shown, centres, strict=True)
               if _draw_trace(axes, lead, trace, waves[lead], hot, fs, LEFT_MM, level)]  # fmt: skip
    for centre in centres:
        _draw_pulse(axes, centre)
    beats = Beats(np.array(r_peaks, int), np.full(len(r_peaks), MARK))
    if marks and len(marks.beats):
        beats = marks.beats
    beats = beats.take((beats.samples >= 0) & (beats.samples < shown.shape[1]))
    _draw_times(axes, seconds, start_s, beats, fs)
    _write_margins(axes, title, note)
    if marks and len(marks.waves):
        draw_legend(axes, axes.get_xlim()[1] - MARGIN_MM, height_mm - 11.5)
    if heat is not None:
        draw_heat_legend(axes, axes.get_xlim()[1] - MARGIN_MM, height_mm - 6.0)
    peaks = MARK in beats.symbols
    _write_scale(axes, signal.shape[1] / fs, seconds, standard, peaks, cut)
    save(figure, path)


def _paper(height_mm: float, seconds: float) -> tuple["Figure", "Axes"]:
    """Create a sheet with its grid; coordinates are mm from the lower left corner."""
    from matplotlib.collections import LineCollection

    width_mm = LEFT_MM + max(SHOWN_S, seconds) * MM_PER_S + MARGIN_MM
    figure = new_figure(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH)
    figure.set_facecolor("white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width_mm), ylim=(0, height_mm))
    axes.axis("off")
    low, high = FOOT_MM, height_mm - HEAD_MM
    left, right = MARGIN_MM, width_mm - MARGIN_MM
    axes.fill_between([left, right], low, high, color=PAPER, linewidth=0)
    for step, colour, width in ((1.0, FINE, 0.4), (5.0, COARSE, 0.7)):
        upright = [((x, low), (x, high)) for x in np.arange(left, right + 0.1, step)]
        level = [((left, y), (right, y)) for y in np.arange(low, high + 0.1, step)]
        axes.add_collection(LineCollection(upright + level, colors=colour, linewidths=width))
    return figure, axes


def _draw_columns(
    axes: "Axes", shown: Mapping[str, np.ndarray], waves: Mapping[str, Waves], heat: np.ndarray,
    fs: float, centres: Sequence[float], seconds: float,
) -> list[str]:  # fmt: skip
    """Draw twelve leads in four columns, and lead II below them; return clipped leads."""
    cut = []
    column_s = seconds / len(COLUMNS)
    whole = len(shown[RHYTHM_LEAD]) >= round(seconds * fs)
    for index, column in enumerate(COLUMNS):
        first = round(index * column_s * fs) if whole else 0
        last = round((index + 1) * column_s * fs) if whole else round(column_s * fs)
        left = LEFT_MM + index * column_s * MM_PER_S
        for lead, centre in zip(column, centres, strict=False):
            own = Annotations(fs, waves=waves[lead]).window(first, last).waves
            part = slice(first, last)
            if _draw_trace(axes, lead, shown[lead][part], own, heat[part], fs, left, centre):
                cut.append(lead)
            if index:
                axes.plot([left, left], [centre - 2.5, centre + 2.5], color=INK, linewidth=0.8)
    below = shown[RHYTHM_LEAD], waves[RHYTHM_LEAD], heat, fs, LEFT_MM, centres[-1]
    clipped = _draw_trace(axes, RHYTHM_LEAD, *below)
    return [*cut, RHYTHM_LEAD] if clipped and RHYTHM_LEAD not in cut else cut


def _draw_trace(
    axes: "Axes", lead: str, trace: np.ndarray, waves: Waves, heat: np.ndarray, fs: float,
    left: float, centre: float,
) -> bool:  # fmt: skip
    """Draw one lead from a position on the paper (mm), with its name above; return if it is cut."""
    shown = Annotations(fs, waves=waves).window(0, len(trace)).waves
    draw_bands(axes, shown, fs, left, centre, MM_PER_S)
    finite = trace[np.isfinite(trace)]
    middle = float(np.median(finite)) if finite.size else 0.0
    height = MM_PER_MV * (trace.astype(float) - middle)
    across = left + MM_PER_S * np.arange(len(trace)) / fs
    paper = FOOT_MM + 0.5, axes.get_ylim()[1] - HEAD_MM - 0.5
    line = np.clip(centre + np.clip(height, -REACH_MV * MM_PER_MV, REACH_MV * MM_PER_MV), *paper)
    draw_heat(axes, across, line, heat)
    axes.plot(across, line, color=INK, linewidth=0.9, solid_joinstyle="round", zorder=3)
    label = _write(axes, left + 1.5, centre + 12.5, lead, fontsize=10, weight="bold", zorder=2.5)
    label.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 0.8})
    return bool((np.abs(centre + height - line) > CUT_MM).any())


def _draw_pulse(axes: "Axes", centre: float) -> None:
    """Draw the calibration pulse of a row: 1 mV for 0.2 s."""
    up, down = MARGIN_MM + PULSE_MM[0], MARGIN_MM + PULSE_MM[1]
    across = [up - 1.5, up, up, down, down, down + 1.5]
    axes.plot(across, centre + MM_PER_MV * np.array([0, 0, 1, 1, 0, 0]), color=INK, linewidth=0.9)


def _draw_times(axes: "Axes", seconds: float, start_s: float, beats: Beats, fs: float) -> None:
    """Write the seconds below the paper, and mark beats on its lower edge."""
    for second in range(math.ceil(start_s), math.floor(start_s + seconds) + 1):
        across = LEFT_MM + MM_PER_S * (second - start_s)
        axes.plot([across, across], [FOOT_MM - 1.2, FOOT_MM], color=QUIET, linewidth=0.8)
        _write(axes, across, FOOT_MM - 4.2, f"{second} s", fontsize=8, color=QUIET, ha="center")
    across_mm = LEFT_MM + MM_PER_S * beats.samples / fs
    peaks = across_mm[beats.symbols == MARK]
    axes.plot(peaks, np.full(len(peaks), FOOT_MM + 1.5), MARK, color=COLOURS[0], markersize=5)
    for across, symbol in zip(across_mm.tolist(), beats.symbols.tolist(), strict=True):
        if symbol != MARK:
            _write(axes, across, FOOT_MM + 0.8, symbol, fontsize=9, color=COLOURS[0], ha="center")


def _write(axes: "Axes", x: float, y: float, text: str, **style: Any) -> "Text":
    """Write a text as it is: `$` starts no formula, control characters are replaced."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    return axes.text(x, y, shown, parse_math=False, **style)


def _write_margins(axes: "Axes", title: str, note: str) -> None:
    """Write title and note above the paper, the disclaimer below."""
    right, height_mm = axes.get_xlim()[1] - MARGIN_MM, axes.get_ylim()[1]
    short = title if len(title) <= TITLE else f"{title[: TITLE - 1]}…"
    _write(axes, MARGIN_MM, height_mm - 6.0, short, fontsize=12, weight="bold", color=INK)
    _write(axes, MARGIN_MM, height_mm - 11.5, note, fontsize=9, color=QUIET)
    if "simulated" in note.casefold():
        stamp = _write(axes, right, height_mm - 6.0, "SIMULATED", ha="right", color=ALARM)
        stamp.set(fontsize=12, weight="bold")
    _write(axes, right, 2.5, DISCLAIMER, fontsize=9, color=QUIET, ha="right")


def _write_scale(
    axes: "Axes", duration_s: float, seconds: float, columns: bool, marks: bool, cut: Sequence[str]
) -> None:
    """Write scale, duration, the sign of R peaks and clipped leads below the paper."""
    scale = f"{MM_PER_S:g} mm/s   {MM_PER_MV:g} mm/mV"
    if duration_s > seconds:
        scale += f"   first {seconds:g} s of {duration_s:g} s"
    elif duration_s < seconds:
        scale += f"   {duration_s:g} s" + (", every column from its start" if columns else "")
    if marks:
        scale += "   \N{BLACK UP-POINTING TRIANGLE} R peaks"
    if cut:
        scale += f"   cut off at the edge: {list_leads(cut, 4)}"
    _write(axes, MARGIN_MM, 2.5, scale, fontsize=9, color=INK)


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
    with atomic_write(path) as draft, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # names in other scripts
        figure.savefig(draft, format=ending)


def draw_record(
    record: Record,
    folder: Path,
    *,
    start_s: float = 0.0,
    seconds: float = SHOWN_S,
    marks: Annotations | None = None,
) -> Path:
    """Draw a part of a record; return the path of the picture, FOLDER/NAME.png.

    Parameters
    ----------
    marks : Annotations, optional
        Of the whole record.  Without beats in them R peaks are found in all leads, from 100 Hz on.

    Raises
    ------
    LeadwiseError
        The signal cannot be read or drawn, or ends before `start_s`.
    """
    part = record.window(start_s, start_s + seconds)
    signal, duration_s = part.signal, record.samples / record.fs
    onset = round(start_s * record.fs)
    if marks is not None:
        marks = marks.window(onset, onset + signal.shape[1])
    r_peaks = np.zeros(0, int)
    found = record.fs >= LOWEST_HZ and not (marks and len(marks.beats))
    if found:
        around = record.window(max(0.0, start_s - AROUND_S), start_s + seconds + AROUND_S)
        before = onset - round(max(0.0, start_s - AROUND_S) * record.fs)
        r_peaks = detect(around.signal, record.fs) - before
    words = [f"{len(record.leads)} leads" if len(record.leads) > 1 else "1 lead"]
    words += [f"{record.fs:g} Hz", f"{duration_s:g} s"]
    if not len(r_peaks) and not (marks and len(marks.beats)):
        words.append("no R peaks found" if found else "rate too low for R peaks")
    if is_simulated(record):
        words.append("simulated")
    classes = ", ".join(map(class_name, record.header.codes))
    path = folder / f"{record.name}.png"
    plot_record(
        path, signal, record.leads, record.fs,
        title=f"{record.name}: {classes}" if classes else record.name, note=", ".join(words),
        seconds=seconds, start_s=start_s, r_peaks=r_peaks, marks=marks,
    )  # fmt: skip
    return path


def is_simulated(record: Record) -> bool:
    """Tell whether the record's header says that it is simulated."""
    header = Path(f"{record.stem}.hea")
    return header.exists() and b"simulated" in read_bytes(header).lower()


def _marks(record: Record, folder: Path | None) -> Annotations | None:
    """Read marks to draw; marks that cannot be drawn are named, and the record is drawn without."""
    try:
        return read_marks(record, folder)
    except FAILURES as error:
        reason = str(error).removeprefix(f"{record.name}: ")
        print(f"{record.name}: drawn without marks: {reason}", file=sys.stderr)
        return None


@quiet_pipe()
def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ecg.plots",
        description="Draw records on ECG paper (25 mm/s, 10 mm/mV) with their R peaks or "
        "marks, one PNG file per record. Records that cannot be drawn are named; the others are "
        "drawn.",
    )
    parser.add_argument("records", metavar="RECORD", nargs="+", help="header, or path without .hea")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path(), help="(default: .)")
    parser.add_argument("--start", metavar="S", type=float, default=0.0,
                        help="first second to draw (default: 0)")  # fmt: skip
    parser.add_argument("--seconds", metavar="S", type=float, default=SHOWN_S,
                        help=f"at most {MOST_S:g} (default: %(default)g)")  # fmt: skip
    parser.add_argument("--marks", metavar="FOLDER", type=Path,
                        help="of annotation files NAME.atr, NAME.all and NAME.LEAD "
                        "(default: the record's own folder)")  # fmt: skip
    options = parser.parse_args(words)
    if not (options.start >= 0 and math.isfinite(options.start) and 0 < options.seconds <= MOST_S):
        parser.error(f"--start must be at least 0, --seconds more than 0 and at most {MOST_S:g}")
    drawn: set[Path] = set()
    failed = False
    for path in map(header_path, options.records):
        try:
            if path.stem in {picture.stem for picture in drawn}:
                raise LeadwiseError(f"{path.stem}: two records of this name; choose another --out")
            make_folder(options.out)
            record = read_record(path)
            drawn.add(draw_record(record, options.out, start_s=options.start,
                                  seconds=options.seconds,
                                  marks=_marks(record, options.marks)))  # fmt: skip
            print(options.out / f"{record.name}.png", flush=True)
        except BrokenPipeError:
            raise  # the reader of our output has ended
        except FAILURES as error:
            failed = True
            known = isinstance(error, LeadwiseError)
            text = str(error) if known else f"{path.stem}: cannot be drawn: {error}"
            print(f"Error: {text}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
