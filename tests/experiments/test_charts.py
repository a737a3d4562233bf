"""Charts of class scores and reliability: their size, order and words."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from ecg.labels import CODES
from experiments.charts import Panel, plot_class_scores, plot_panels, plot_reliability


def size_of(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header of a PNG."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


@pytest.fixture
def words():
    """Keep the words of SVG files as text, so that tests can read them."""
    with mpl.rc_context({"svg.fonttype": "none"}):
        yield


def test_class_scores_are_sorted_and_missing_ones_said(tmp_path, words):
    scores = {"12 leads": np.array([-0.5, np.nan, 0.9]), "2 leads": np.array([-0.4, np.nan, 0.8])}
    classes = ("164889003", "39732003", "426783006")
    plot_class_scores(tmp_path / "a.svg", classes, scores, title="By class", value_name="recall")
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert drawn.index(">LAD<") < drawn.index(">AF<") < drawn.index(">NSR<")  # from the bottom
    assert drawn.count("no positive<") == 1
    for word in ("By class", "recall", "12 leads", "2 leads"):
        assert word in drawn


def test_all_classes_fit(tmp_path):
    scores = {f"{count} leads": np.linspace(-0.2, 1, len(CODES)) for count in (12, 6, 4, 3, 2)}
    plot_class_scores(tmp_path / "a.png", CODES, scores, title="All", value_name="score")
    width, height = size_of(tmp_path / "a.png")
    assert width == 1125
    assert 1300 < height < 1600


def test_reliability_shows_the_bins_that_hold_something(tmp_path, words):
    pairs, shares = np.array([90, 0, 10]), np.array([0.1, np.nan, 0.9])
    lines = {"before": (pairs, shares, shares), "after": (pairs, shares, shares[::-1])}
    plot_reliability(tmp_path / "a.svg", lines, title="On simulated records")
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for word in ("before", "after", "On simulated records", "share of labels", "mean probability"):
        assert word in drawn
    plot_reliability(tmp_path / "a.png", lines, title="On simulated records")
    assert size_of(tmp_path / "a.png") == (1500, 660)


@pytest.mark.parametrize("count", [1, 4, 5, 26])
def test_panels_have_four_in_a_row_and_no_empty_frame(count, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("experiments.charts.save", lambda figure, path: drawn.append(figure))
    line = (np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.8, 1.0]))
    panels = [Panel(f"class {number}", {"recall": line, "F1": line}) for number in range(count)]
    plot_panels(tmp_path / "a.png", panels, "threshold", "")
    shown = [axes for axes in drawn[0].axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == [panel.title for panel in panels]
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["recall", "F1"]
    named = [axes for axes in shown if axes.xaxis.get_tick_params()["labelbottom"]]
    assert len(named) >= min(4, count)
