"""Charts of experiments: lines and a matrix.  PNG, SVG or PDF files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ecg import LeadwiseError
from ecg.plots import COLOURS, new_figure, plain, save

STYLES = ("-", "--", ":", "-.")  # when the colours are used up
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

    Raises
    ------
    LeadwiseError
        No line is given.
    """
    from matplotlib.ticker import MaxNLocator

    if not lines:
        raise LeadwiseError(f"{path}: no line to draw")
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
