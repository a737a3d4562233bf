"""Charts of experiments: lines and a matrix.  PNG, SVG or PDF files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg.labels import class_name
from ecg.plots import COLOURS, QUIET, new_figure, plain, save

STYLES = ("-", "--", ":", "-.")  # the next one when all colours are used
ACROSS = 4  # panels in a row
Pairs = Sequence[tuple[float, float]]  # x, y


def plot_lines(
    path: str | Path, lines: Mapping[str, Sequence[Pairs]], *, title: str, x_name: str, y_name: str,
    dashed: Mapping[str, Pairs] | None = None, ticks: Mapping[float, str] | None = None,
) -> None:  # fmt: skip
    """Draw named lines; a name may have several (one per seed), which share its colour.

    Parameters
    ----------
    path : str or Path
        .png, .svg or .pdf; written atomically.
    lines : mapping of str to sequences of (x, y)
    dashed : mapping of str to (x, y), optional
        Published values, in the colour of the line of the same name.
    ticks : mapping of float to str, optional
        Labels of the horizontal axis.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(10, max(4.4, 1.2 + 0.24 * len(lines)))
    axes = figure.subplots()
    for index, (name, traces) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        style = STYLES[index // len(COLOURS) % len(STYLES)]
        for number, trace in enumerate(traces):
            x, y = np.array(trace, float).T
            axes.plot(
                x, y, style, color=colour, linewidth=1.4, marker="." if len(x) < 8 else None,
                label=None if number else name,
            )  # fmt: skip
        if dashed and name in dashed:
            x, y = np.array(dashed[name], float).T
            axes.plot(x, y, "x", linestyle=(0, (1, 2)), color=colour, label=f"{name}, published")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if ticks:
        axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set(title=title, xlabel=x_name, ylabel=y_name)
    plain(axes)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    figure.tight_layout()
    save(figure, path)


def plot_matrix(
    path: str | Path, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], *,
    title: str, row_name: str, column_name: str,
) -> None:  # fmt: skip
    """Draw a matrix of shares, 0 to 1, as colours with percentages.

    Parameters
    ----------
    path : str or Path
        .png, .svg or .pdf; written atomically.
    values : np.ndarray of shape (rows, columns)
        NaN cells are grey and empty.
    """
    figure = new_figure(2.2 + 0.36 * len(columns), 1.6 + 0.33 * len(rows))
    axes = figure.subplots()
    axes.set_facecolor("#e6e6e6")
    shown = axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.argwhere(np.isfinite(values)).tolist():
        share = float(values[row, column])
        if round(100 * share):
            colour = "white" if share > 0.55 else "#1a1a1a"
            axes.text(
                column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7.5,
                color=colour,
            )  # fmt: skip
    axes.set_xticks(range(len(columns)), list(columns), rotation=90)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(title=title, xlabel=column_name, ylabel=row_name)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.02, format=lambda x, _: f"{100 * x:.0f}")
    figure.tight_layout()
    save(figure, path)


def plot_class_scores(
    path: str | Path,
    classes: Sequence[str],
    scores: Mapping[str, np.ndarray],
    *,
    title: str,
    value_name: str,
    absent: str = "no positive",
) -> None:
    """Draw a score by class and lead set as dots, the best class (by mean) on top.

    Parameters
    ----------
    path : str or Path
        .png, .svg or .pdf; written atomically.
    classes : sequence of str
        SNOMED CT codes, drawn as their abbreviations, or names.
    scores : mapping of str to np.ndarray of shape (classes,)
        Of each lead set; NaN where no record has the class, which the picture notes.
    title, value_name : str
        Above the picture and below its axis.
    absent : str
        The picture's note on a class without a score.
    """
    table = np.array([np.asarray(values, float) for values in scores.values()])  # (sets, classes)
    known = np.isfinite(table)
    means = np.where(known, table, 0).sum(0) / np.maximum(known.sum(0), 1)
    order = np.lexsort((means, known.any(0)))  # classes without a positive record at the bottom
    height = np.arange(len(classes))
    figure = new_figure(7.5, 1.6 + 0.3 * len(classes))
    axes = figure.subplots()
    for index, (name, values) in enumerate(zip(scores, table, strict=True)):
        shift = 0.5 * ((index + 0.5) / len(table) - 0.5)  # of a row, to separate equal dots
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(values[order], height - shift, "o", color=colour, markersize=6, label=name)
    low = float(np.min(table, where=known, initial=0.0))
    axes.set_xlim(low - 0.02, float(np.max(table, where=known, initial=1.0)) + 0.02)
    for row in height[~known.any(0)[order]].tolist():
        word = axes.text(low, row, absent, va="center", fontsize=9, color=QUIET)
        word.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.5})
    axes.set_yticks(height, [class_name(classes[index]) for index in order])
    axes.set(ylim=(-0.7, len(classes) - 0.3), xlabel=value_name, title=title)
    plain(axes)
    if len(scores) > 1:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    figure.tight_layout()
    save(figure, path)


def plot_reliability(
    path: str | Path, lines: Mapping[str, Sequence[np.ndarray]], *, title: str
) -> None:
    """Draw observed against predicted shares; the diagonal is perfect calibration.

    Parameters
    ----------
    path : str or Path
        .png, .svg or .pdf; written atomically.
    lines : mapping of str to pairs, predicted, observed
        Of each line (`before scaling`) arrays of shape (bins,), NaN where a bin has no pair.
    """
    figure = new_figure(10, 4.4)
    shares, counts = figure.subplots(1, 2)
    shares.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":")
    for index, (name, (pairs, predicted, observed)) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        filled = np.flatnonzero(np.asarray(pairs) > 0)
        line = {"color": colour, "linewidth": 1.6, "marker": ".", "label": name}
        shares.plot(predicted[filled], observed[filled], **line)
        counts.plot(predicted[filled], pairs[filled], **line)
    shares.set(xlabel="mean probability", ylabel="share of labels", title=title)
    counts.set(xlabel="mean probability", yscale="log", title="pairs of record and class")
    for axes in (shares, counts):
        axes.set_xlim(-0.02, 1.02)
        plain(axes)
    shares.set_aspect("equal")
    counts.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    figure.tight_layout()
    save(figure, path)


class Panel(NamedTuple):
    """A small chart: its title, and named lines of x and y, both 0 to 1."""

    title: str
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]]


def plot_panels(
    path: str | Path, panels: Sequence[Panel], x_name: str, y_name: str, drawstyle: str = "default"
) -> None:
    """Draw small charts of shares, four in a row; lines of one name share a colour and the legend.

    Parameters
    ----------
    path : str or Path
        .png, .svg or .pdf; written atomically.
    drawstyle : str
        Matplotlib's, for example `steps-pre`.
    """
    columns, rows = min(ACROSS, len(panels)), -(-len(panels) // ACROSS)
    figure = new_figure(1 + 2.4 * columns, 0.8 + 2.2 * rows)
    grid = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    for axes, panel in zip(grid, panels, strict=False):
        for colour, (name, (x, y)) in zip(COLOURS, panel.lines.items(), strict=False):
            axes.plot(x, y, color=colour, linewidth=1.4, label=name, drawstyle=drawstyle)
        axes.set(title=panel.title, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        plain(axes)
        axes.title.set_fontsize(9)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[len(panels) - columns : len(panels)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel(x_name, fontsize=10)
    figure.supylabel(y_name, fontsize=10)
    if len(panels[0].lines) > 1:
        names = list(panels[0].lines)
        figure.legend(*grid[0].get_legend_handles_labels(), ncols=len(names),
                      frameon=False, loc="upper right", fontsize=9)  # fmt: skip
    figure.tight_layout(rect=(0, 0, 1, 0.96 if len(panels[0].lines) > 1 else 1))
    save(figure, path)
