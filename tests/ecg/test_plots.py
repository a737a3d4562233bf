"""Drawings: their size, words and scale."""

import numpy as np
import pytest
from matplotlib.image import imread

from ecg import LeadwiseError
from ecg.plots import plot_record
from simulate import simulate
from training.run import plot_training


def size_of(path):
    """Width and height in pixels, from the header of a PNG."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def text_of(path):
    """The words of an SVG file, with the fixture `words`."""
    return path.read_text(encoding="utf-8")


@pytest.fixture
def words():
    """Keep the words of SVG files as text, so that tests can read them."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.fonttype": "none"}):
        yield


def draw(path, record, **texts):
    plot_record(path, record.signal, record.leads, record.fs, **{"title": record.name, **texts})
    return path


def test_twelve_leads_fill_a_sheet_and_only_the_drawing_is_written(tmp_path):
    width, height = size_of(draw(tmp_path / "a.png", simulate(["PVC"], seed=1)))
    assert width == pytest.approx(270 / 25.4 * 150, abs=2)  # 10 s at 25 mm/s, and margins
    assert 800 < height < 1100
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("leads", [("II",), ("I", "II"), ("I", "II", "III", "V2"), ("V1", "aVR")])
@pytest.mark.parametrize(("duration_s", "fs"), [(0.5, 100), (10, 500), (30, 257)])
def test_other_lead_sets_have_one_row_per_lead(tmp_path, leads, duration_s, fs):
    record = simulate(duration_s=duration_s, fs=fs, leads=leads)
    _, height = size_of(draw(tmp_path / "a.png", record))
    assert height == pytest.approx((23 + 35 * len(leads)) / 25.4 * 150, abs=2)


def test_words_on_the_sheet(tmp_path, words):
    record = simulate(["AF"], seed=1, duration_s=60)
    drawn = text_of(draw(tmp_path / "a.svg", record, title="JS00001", note="AF, simulated"))
    for word in ("25 mm/s   10 mm/mV", "first 10 s of 60 s", "Research use, not a medical device."):
        assert word in drawn
    for word in ("JS00001", "AF, simulated", "SIMULATED", "aVR", "V6"):
        assert word in drawn
    genuine = text_of(draw(tmp_path / "b.svg", simulate(), title="JS00001", note="Female, 50"))
    assert "SIMULATED" not in genuine
    assert "first 10 s" not in genuine
    short = text_of(draw(tmp_path / "c.svg", simulate(duration_s=2), title="JS00001"))
    assert "2 s, every column from 0 s on" in short


def test_lead_order_and_case_do_not_matter(tmp_path):
    record = simulate(["LBBB"], seed=1)
    first = draw(tmp_path / "a.png", record)
    turned = [lead.upper() for lead in reversed(record.leads)]
    other = tmp_path / "b.png"
    plot_record(other, record.signal[::-1], turned, record.fs, title=record.name)
    assert first.read_bytes() == other.read_bytes()


def test_gaps_flat_leads_and_huge_amplitudes_are_drawn(tmp_path):
    record = simulate()
    signal = record.signal.copy()
    signal[0] = np.nan
    signal[1, 1000:2000] = np.nan
    signal[2] = 0
    signal[3] *= 1e4
    signal[4] += 300
    signal[5, 7] = np.inf
    plot_record(tmp_path / "a.png", signal, record.leads, record.fs, title="extremes")
    assert size_of(tmp_path / "a.png")[0] > 1500
    assert np.isnan(signal[0]).all()  # the signal is left as it was
    margin = imread(tmp_path / "a.png")[20:75, 500:]  # right of the title, above the paper
    assert (margin == 1).all()


def test_two_leads_can_have_the_same_name(tmp_path):
    record = simulate(leads=("II", "V1"))
    plot_record(tmp_path / "a.png", record.signal, ("ECG", "ECG"), record.fs, title="Holter")
    assert size_of(tmp_path / "a.png")[1] > 400


def test_records_that_cannot_be_drawn_are_refused(tmp_path):
    with pytest.raises(LeadwiseError, match=r"X1: a signal of shape \(2, 100\) cannot be drawn as"):
        plot_record(tmp_path / "a.png", np.zeros((2, 100)), ("I",), 100, title="X1")
    with pytest.raises(LeadwiseError, match=r"X1: a signal of shape \(1, 0\)"):
        plot_record(tmp_path / "a.png", np.zeros((1, 0)), ("I",), 100, title="X1")
    with pytest.raises(LeadwiseError, match=r"a\.gif: pictures are written as png, svg, pdf"):
        draw(tmp_path / "a.gif", simulate())
    with pytest.raises(LeadwiseError, match="cannot be written"):
        draw(tmp_path / "none" / "a.png", simulate())
    assert not list(tmp_path.iterdir())


def rows(scores):
    return [
        {"epoch": epoch, "loss": 1 / epoch, "score": score, "threshold": 0.3, "lr": 1e-3}
        for epoch, score in enumerate(scores, 1)
    ]


def test_training_curves_name_the_best_epoch(tmp_path, words):
    history = {"12 leads": rows([0.1, 0.4, 0.35]), "2 leads": rows([0.2])}
    plot_training(tmp_path / "a.svg", history)
    drawn = text_of(tmp_path / "a.svg")
    for word in ("12 leads: 0.400, epoch 2", "2 leads: 0.200, epoch 1", "training loss"):
        assert word in drawn
    plot_training(tmp_path / "a.png", history)
    width, height = size_of(tmp_path / "a.png")
    assert (width, height) == (1500, 660)


def test_training_curves_without_scores(tmp_path, words):
    plot_training(tmp_path / "a.svg", {"12 leads": rows([np.nan, np.nan])})
    assert "12 leads: no score" in text_of(tmp_path / "a.svg")
