"""Heat behind the traces of a picture, measured in its pixels."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from ecg.plot_heat import COLOUR
from ecg.plots import FOOT_MM, HEAD_MM, LEFT_MM, MM_PER_INCH, MM_PER_S, plot_record
from simulate import simulate

PIXELS_PER_MM = 150 / MM_PER_INCH


def yellow(path: Path) -> np.ndarray:
    """Count the pixels of the heat's colour in each column of pixels, legend and margins apart."""
    picture = imread(path)[:, :, :3]
    head, foot = round(HEAD_MM * PIXELS_PER_MM), round(FOOT_MM * PIXELS_PER_MM)
    paper = picture[head:-foot]
    return (np.abs(paper - to_rgb(COLOUR)).max(2) < 0.02).sum(0)


def columns_of(start_s: float, stop_s: float) -> slice:
    first, last = (LEFT_MM + MM_PER_S * seconds for seconds in (start_s, stop_s))
    return slice(round(first * PIXELS_PER_MM), round(last * PIXELS_PER_MM))


@pytest.mark.parametrize("leads", [12, 2])
def test_heat_is_drawn_where_it_is(leads: int, tmp_path: Path) -> None:
    """From 6 to 7 s: in V1 to V3 and lead II of twelve leads, in both rows of two."""
    record = simulate(("NSR",), seed=0, duration_s=10.0, fs=100.0)
    heat = np.zeros(1000)
    heat[600:701] = 0.5
    for name, values in {"hot.png": heat, "cold.png": 0 * heat, "plain.png": None}.items():
        plot_record(tmp_path / name, record.signal[:leads], record.leads[:leads], 100.0,
                    title="one", heat=values)  # fmt: skip
    assert not yellow(tmp_path / "plain.png").any()
    assert not yellow(tmp_path / "cold.png").any()
    counts = yellow(tmp_path / "hot.png")
    assert counts[columns_of(6.05, 6.95)].min() >= 2 * leads**0.5
    outside = np.delete(counts, np.arange(counts.size)[columns_of(5.85, 7.15)])
    assert not outside.any()


def test_more_heat_is_a_wider_line(tmp_path: Path) -> None:
    flat = np.zeros((2, 1000), np.float32)
    widths = []
    for level in (0.0, 0.01, 0.4, 0.8):
        path = tmp_path / f"{level}.png"
        plot_record(path, flat, ("I", "II"), 100.0, title="one", heat=np.full(1000, level))
        widths.append(int(yellow(path)[columns_of(4.0, 5.0)].max()))
    assert widths[:2] == [0, 0]  # less than 0.02 is not drawn
    assert 1.8 < widths[3] / widths[2] < 3.5  # twice as wide, less the black line
