"""Heat in a drawing of a record: a yellow line behind each trace, wider where it is hotter."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOUR = "#F5B700"  # darker than Okabe & Ito's yellow, which pales on paper
WIDEST_PT, LEAST = 9.0, 0.02  # width of the line at heat 1; less heat is not drawn
LEGEND_MM = 24.0


def draw_heat(axes: "Axes", across: np.ndarray, line: np.ndarray, heat: np.ndarray) -> None:
    """Draw heat (samples,) from 0 to 1 along a trace, whose positions are in mm."""
    from matplotlib.collections import LineCollection

    if not heat.any():
        return
    points = np.stack([across, line], axis=1)
    pieces = np.stack([points[:-1], points[1:]], axis=1)
    between = (heat[:-1] + heat[1:]) / 2
    drawn = (between > LEAST) & np.isfinite(pieces).all((1, 2))
    axes.add_collection(
        LineCollection(
            list(pieces[drawn]), colors=COLOUR, linewidths=WIDEST_PT * between[drawn],
            capstyle="round", zorder=2.2,
        )
    )  # fmt: skip


def draw_heat_legend(axes: "Axes", right: float, height: float) -> None:
    """Draw the widths of little and much heat, ending at `right`."""
    across = np.linspace(right - LEGEND_MM, right, 50)
    draw_heat(axes, across, np.full(50, height + 1.0), np.linspace(0.0, 1.0, 50))
    axes.text(right - LEGEND_MM - 1.5, height, "heat", fontsize=9, ha="right")
