"""The report: well-formed, self-contained, and it says what the result says."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from holter.analysis import analyse
from holter.events import Interval
from holter.report import page, write_report
from holter.result import Result
from holter.svg import alone, clusters, trend
from tests.holter.test_files import by_width, recorded
from tests.holter.test_table import in_memory

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def result() -> Result:
    return analyse(recorded(), by_width, model={"name": "by width", "sha256": "0"})


def test_the_page_needs_no_other_file_and_states_its_use(result: Result, tmp_path: Path) -> None:
    write_report(result, tmp_path / "R")
    text = (tmp_path / "R.html").read_text()
    assert "Research use only; not a medical device." in text
    assert not re.search(r'(src|href)="|@import|url\(|<script', text)
    assert f"{result.events.counts['V']:,}" in text
    assert "by width" in text
    assert text.count("<figure>") == len(result.looks)


def test_drawings_are_well_formed_files(result: Result, tmp_path: Path) -> None:
    write_report(result, tmp_path / "R")
    for name in ("R.trend.svg", "R.clusters.svg"):
        assert ElementTree.parse(tmp_path / name).getroot().tag == f"{SVG}svg"
    inner = ElementTree.parse(tmp_path / "R.clusters.svg").getroot().findall(f"{SVG}svg")
    ends = [int(one.get("y")) + int(one.get("height")) for one in inner]
    assert [int(one.get("y")) for one in inner] == [0, *ends[:-1]]


def test_names_of_any_letters_cannot_break_the_page(result: Result) -> None:
    bad = '<script>alert(1)</script>&"'
    text = page(replace(result, name=bad, leads=(bad, "V1")), trend(result), [])
    assert "<script" not in text
    ElementTree.fromstring(clusters(replace(result, leads=(bad, "V1")))[0])
    ElementTree.fromstring(trend(replace(result, name=bad)))
    HTMLParser().feed(text)


def test_noise_and_events_lie_at_their_time(result: Result) -> None:
    root = ElementTree.fromstring(trend(result))
    bands = [one for one in root if one.get("class") == "noise"]
    left = [float(one.get("x")) for one in bands]
    expected = 110 + 870 * result.noise[:, 0] / result.samples
    np.testing.assert_allclose(left, expected, atol=0.06)
    gaps = result.gaps._replace(pauses=[Interval(10, 2.5)])
    ticks = [one for one in ElementTree.fromstring(trend(replace(result, gaps=gaps)))
             if one.get("class") == "P"]  # fmt: skip
    at = 110 + 870 * result.peaks[10] / result.samples
    assert float(re.match(r"M([\d.]+) ", ticks[0].get("d"))[1]) == pytest.approx(at, abs=0.06)


def test_a_recording_without_beats_and_one_of_minutes_without_a_rate_are_drawn() -> None:
    silent = analyse(in_memory(np.zeros((2, 500)), 250), by_width)
    ElementTree.fromstring(trend(silent))
    assert clusters(silent) == []
    ElementTree.fromstring(alone([]))
    assert "Research use only" in page(silent, trend(silent), [])
