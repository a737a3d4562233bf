"""Drawings: their size, words and scale."""

import numpy as np
import pytest
from matplotlib.image import imread

from ecg import LeadwiseError
from ecg.plots import draw_record, main, plot_record
from ecg.records import record_of, write_record
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
    assert height == pytest.approx((26 + 35 * len(leads)) / 25.4 * 150, abs=2)


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
    assert "2 s, every column from its start" in short


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


def drawn_words(monkeypatch):
    """The texts and the marks (x in s of the axis) of a drawing, collected as it is saved."""
    kept = {}

    def save(figure, path):
        (axes,) = figure.axes
        kept["texts"] = [one.get_text() for one in axes.texts]
        (line,) = (one for one in axes.lines if one.get_marker() == "^")
        kept["marks_s"] = (line.get_xdata() - 15) / 25

    monkeypatch.setattr("ecg.plots.save", save)
    return kept


@pytest.mark.parametrize("fs", [100, 257, 500, 1000])
@pytest.mark.parametrize("leads", [("II",), ("I", "V2"), None])
@pytest.mark.parametrize(("start_s", "seconds"), [(0, 10), (7.5, 4), (50, 10)])
def test_r_peaks_and_seconds_are_those_of_the_recording(
    fs, leads, start_s, seconds, tmp_path, monkeypatch
):
    drawn = drawn_words(monkeypatch)
    record = simulate(["AF"], seed=3, duration_s=60, fs=fs)
    rows = [record.leads.index(lead) for lead in leads or record.leads]
    part = record_of(record.signal[rows], leads or record.leads, fs, name="R1")
    draw_record(part, tmp_path, start_s=start_s, seconds=seconds)
    truth_s = np.array(record.r_peaks) / fs - start_s
    inside = truth_s[(truth_s >= 0) & (truth_s < seconds)]
    assert len(drawn["marks_s"]) == len(inside) > 4
    assert abs(drawn["marks_s"] - inside).max() < 0.03
    seconds_named = [text for text in drawn["texts"] if text.endswith(" s") and text[0].isdigit()]
    first = int(np.ceil(start_s))
    last = int(start_s + seconds)
    assert [f"{second} s" for second in range(first, last + 1)] == [
        text for text in seconds_named if text.count(" ") == 1]  # fmt: skip
    assert "25 mm/s   10 mm/mV   ▲ R peaks" in drawn["texts"]


def test_a_lead_that_is_cut_off_at_the_edge_is_named(tmp_path, monkeypatch):
    drawn = drawn_words(monkeypatch)
    record = simulate(["NSR"], seed=3, duration_s=10, fs=500)
    signal = record.signal.copy()
    for factor, named in ((1.0, ""), (20.0, "V2")):
        signal[7] = factor * record.signal[7]
        plot_record(tmp_path / "a.png", signal, record.leads, 500, title="a")
        (scale,) = (text for text in drawn["texts"] if text.startswith("25 mm/s"))
        assert scale.partition("cut off at the edge: ")[2] == named


def test_the_command_draws_what_it_can_and_names_the_rest(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    record = simulate(["LBBB"], seed=1)
    for name, leads in (("one", 1), ("two", 2), ("all", 12), ("cut", 2)):
        write_record(tmp_path, name, record.signal[:leads], record.leads[:leads], record.fs,
                     codes=["164909002"], comments=["simulated"])  # fmt: skip
    whole = (tmp_path / "cut.mat").read_bytes()
    (tmp_path / "cut.mat").write_bytes(whole[:20])
    assert main(["one", "two.hea", "nobody", "all.mat", "cut", "--out", "pictures"]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [f"pictures/{name}.png" for name in ("one", "two", "all")]
    errors = printed.err.splitlines()
    assert [line[:14] for line in errors] == ["Error: nobody:", "Error: cut: th"]
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "all.png", "one.png", "two.png"]  # fmt: skip
    assert main(["one"]) == 0
    assert size_of(tmp_path / "one.png") == size_of(tmp_path / "pictures" / "one.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [(["one", "--start", "11"], "one: no sample between 11 and 21 s; it lasts 10 s"),
     (["one", "other/one"], "one: two records of this name; choose another --out"),
     (["other"], "other: the header cannot be read"), (["one", "--out", "one.mat"], "one.mat")],
)  # fmt: skip
def test_what_cannot_be_drawn_is_a_sentence(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    record = simulate()
    for folder in (tmp_path, tmp_path / "other"):
        write_record(folder, "one", record.signal[:1], ["I"], record.fs)
    assert main(words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["--seconds", "0"], ["--seconds", "61"], ["--start", "-1"],
                                   ["--start", "nan"], ["--start", "inf"]])  # fmt: skip
def test_wrong_times_are_wrong_usage(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["one", *words])
    assert "--start must be at least 0" in capsys.readouterr().err


def test_rates_without_r_peaks_are_drawn_and_say_so(tmp_path, monkeypatch):
    drawn = drawn_words(monkeypatch)
    draw_record(record_of(np.zeros((2, 500)), ["I", "II"], 50), tmp_path, start_s=0, seconds=10)
    assert "2 leads, 50 Hz, 10 s, rate too low for R peaks" in drawn["texts"]
    assert not len(drawn["marks_s"])
    draw_record(record_of(np.zeros((1, 5000)), ["I"], 500), tmp_path, start_s=0, seconds=10)
    assert "1 lead, 500 Hz, 10 s, no R peaks found" in drawn["texts"]


@pytest.mark.parametrize(
    ("title", "drawn"), [("JS00001",) * 2, ("x" * 80,) * 2, ("x" * 81, "x" * 79 + "…")]
)
def test_titles_have_at_most_80_characters(tmp_path, words, title, drawn):
    record = simulate(leads=("I",))
    assert f">{drawn}</text>" in text_of(draw(tmp_path / "a.svg", record, title=title))


def test_the_paper_has_equal_white_margins(tmp_path):
    """At half the height, between the rows' letters and above the foot."""
    image = imread(draw(tmp_path / "a.png", simulate(leads=("I", "II"))))
    paper = np.flatnonzero((image[len(image) // 2, :, :3] < 1).any(axis=1))
    assert paper[0] == pytest.approx(image.shape[1] - 1 - paper[-1], abs=2)
    assert paper[0] > 10


def test_names_are_drawn_as_they_are(tmp_path, words):
    record = simulate(leads=("I",))
    title = "a$b$c \x1b[31m 心電図 " + 200 * "x"
    plot_record(tmp_path / "a.svg", record.signal, ["$\\frac"], record.fs, title=title)
    drawn = text_of(tmp_path / "a.svg")
    assert "a$b$c \ufffd[31m 心電図 x" in drawn
    assert "$\\frac" in drawn
    assert 90 * "x" not in drawn


def test_more_leads_than_a_picture_has_are_refused(tmp_path):
    for leads, seconds in ((65, 10), (1, 61), (1, 0)):
        with pytest.raises(LeadwiseError, match="a picture has at most 64 leads and 60 s, not"):
            plot_record(tmp_path / "a.png", np.zeros((leads, 100)), ["I"] * leads, 100,
                        title="X1", seconds=seconds)  # fmt: skip


def rows(scores):
    return [
        {
            "epoch": epoch,
            "loss": 1 / epoch,
            "score": score,
            "threshold": 0.3,
            "lr": 1e-3,
            "training score": score + 0.1,
        }
        for epoch, score in enumerate(scores, 1)
    ]


def test_training_curves_name_the_best_epoch(tmp_path, words):
    history = {"12 leads": rows([0.1, 0.4, 0.35]), "2 leads": rows([0.2])}
    steps = {"12 leads": [1 / n for n in range(1, 700)], "2 leads": [1.0]}
    plot_training(tmp_path / "a.svg", history, steps)
    drawn = text_of(tmp_path / "a.svg")
    for word in (
        "12 leads: 0.400, epoch 2",
        "2 leads: 0.200, epoch 1",
        "training loss",
        "training dashed",
    ):
        assert word in drawn
    plot_training(tmp_path / "a.png", history, steps)
    width, height = size_of(tmp_path / "a.png")
    assert (width, height) == (1500, 660)


def test_training_curves_without_scores(tmp_path, words):
    plot_training(tmp_path / "a.svg", {"12 leads": rows([np.nan, np.nan])}, {})
    assert "12 leads: no score" in text_of(tmp_path / "a.svg")
