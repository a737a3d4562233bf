"""Drawings of a result as SVG: the trend with events, and a picture of each cluster.

Colours are names of CSS classes, so that a page may be light or dark; `alone` makes a file of one.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby

import numpy as np

from holter.result import Look, Result
from holter.review import clock

STYLE = """
:root { --paper: #ffffff; --ink: #1d2129; --quiet: #6b7280; --line: #e3e5e9; --noise: #d9dce2;
  --n: #2563a8; --s: #b26a00; --v: #c62828; --heat: #e8a200; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181d; --ink: #e6e8ec; --quiet: #9aa2ae;
  --line: #30343c; --noise: #3d424c; --n: #6cabf0; --s: #e8a33d; --v: #f2716b;
  --heat: #ffd84d; } }
svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); }
svg .title { fill: var(--ink); font-weight: 600; }
svg .grid { stroke: var(--line); } svg .noise { fill: var(--noise); }
svg path { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
svg .N { stroke: var(--n); } svg .S { stroke: var(--s); } svg .V { stroke: var(--v); }
svg .P { stroke: var(--ink); } svg .spread { stroke: none; fill-opacity: 0.2; }
svg .spread.N { fill: var(--n); } svg .spread.S { fill: var(--s); }
svg .spread.V { fill: var(--v); }
svg .beat { stroke: var(--quiet); stroke-width: 1; }
svg .heat { stroke: var(--heat); stroke-width: 5; stroke-linecap: round; }
"""
WIDTH, LEFT, RIGHT, HIGH = 1000, 110, 20, 170  # px of the trend
TOP, ROW = 16, 18
BOX, BOX_HIGH, HEAD = 220, 150, 24  # px of a cluster
SHOWN = slice(60, 240)  # samples of a window that are drawn: 0.36 s to either side
LARGE = 0.005  # share of all beats of a cluster that chooses the scale
LEAST_MV = 1.0  # height of a cluster's picture
HEAT_LEVELS = 8  # strengths of colour; heat below half of the lowest has none
TICKS_S = (60, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
MOST_TICKS = 12


def trend(result: Result) -> str:
    """Draw heart rate by minute, noise, and a row of ticks for each kind of event."""
    events, seconds = result.events, max(result.seconds, 1.0)
    rates = events.trend[np.isfinite(events.trend)]
    low = 20 * int(rates.min() // 20) if rates.size else 40
    high = max(low + 60, 20 * int(rates.max() // 20 + 1)) if rates.size else 120

    def across(at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at_s / seconds

    def up(rate: float) -> float:
        return TOP + HIGH * (high - rate) / (high - low)

    parts = []
    for onset, offset in (result.noise / result.fs).tolist():
        width = max(across(offset) - across(onset), 1)
        parts.append(f'<rect class="noise" x="{across(onset):.1f}" y="{TOP}" width="{width:.1f}" '
                     f'height="{HIGH}"/>')  # fmt: skip
    for rate in range(low, high + 1, max(20, (high - low) // 80 * 20)):
        parts.append(_line(LEFT, up(rate), WIDTH - RIGHT, up(rate), "grid"))
        parts.append(_text(LEFT - 8, up(rate) + 4, str(rate), "end"))
    parts.append(_text(LEFT - 40, TOP + HIGH / 2, "beats/min", "end"))
    middles = np.minimum(60 * np.arange(len(events.trend)) + 30, seconds).tolist()
    minutes = [(across(at), up(rate)) for at, rate in zip(middles, events.trend, strict=True)]
    parts.append(_path(minutes, "N"))
    rows = (
        ("V runs", "V", events.runs["V"]), ("V couplets", "V", events.couplets["V"]),
        ("bigeminy", "V", events.bigeminy), ("S runs", "S", events.runs["S"]),
        ("pauses", "P", result.gaps.pauses), ("unclear gaps", "P", result.gaps.unclear),
    )  # fmt: skip
    y = TOP + HIGH + 10.0
    for name, kind, found in rows:
        parts.append(_line(LEFT, y + ROW, WIDTH - RIGHT, y + ROW, "grid"))
        parts.append(_text(LEFT - 8, y + ROW - 4, f"{name} {len(found):,}", "end"))
        at = {round(across(result.peaks[one[0]] / result.fs), 1) for one in found}
        ticks = "".join(f"M{x} {y + 3}v{ROW - 4}" for x in sorted(at))
        parts.append(f'<path class="{kind}" d="{ticks}"/>' if ticks else "")
        y += ROW
    step = next((each for each in TICKS_S if seconds / each <= MOST_TICKS), TICKS_S[-1])
    parts += [
        _text(across(at_s), y + 18, clock(at_s)[: -len(":00.0")], "middle")
        for at_s in range(0, int(seconds) + 1, step)
    ]
    label = f"Heart rate and events of {result.name}"
    return _svg(WIDTH, round(y + 26), label, parts)


def cluster(look: Look, leads: Sequence[str], beats: int, height_mv: float) -> str:
    """Draw the mean beat of each lead and its spread, one standard deviation to either side."""
    parts = []
    known = np.isfinite(look.mean).all(axis=1)
    scale = (BOX_HIGH - 16) / height_mv
    for row, (lead, mean, spread) in enumerate(zip(leads, look.mean, look.spread, strict=True)):
        left = BOX * row
        parts.append(_text(left + 6, HEAD + 12, lead, "start"))
        if not known[row]:
            parts.append(_text(left + BOX / 2, HEAD + BOX_HIGH / 2, "not usable", "middle"))
            continue
        middle = (mean[SHOWN].max() + mean[SHOWN].min()) / 2
        across = left + 6 + (BOX - 12) * np.linspace(0, 1, len(mean[SHOWN]))

        def points(
            values: np.ndarray, across: np.ndarray = across, middle: float = middle
        ) -> list[tuple[float, float]]:
            y = HEAD + BOX_HIGH / 2 - scale * (values[SHOWN] - middle)
            return list(zip(across.tolist(), y.clip(HEAD, HEAD + BOX_HIGH).tolist(), strict=True))

        band = [*points(mean + spread), *reversed(points(mean - spread))]
        parts.append(_path(band, f"spread {look.label}"))
        parts.append(_path(points(mean), look.label))
    text = f"{look.number}: {look.label}, {beats:,} beats"
    parts.append(_text(6, 16, text, "start", "title"))
    parts.append(_text(BOX * len(leads) - 6, 16, f"{height_mv:.1f} mV", "end"))
    return _svg(BOX * len(leads), HEAD + BOX_HIGH + 8, f"Cluster {text}", parts)


def clusters(result: Result) -> list[str]:
    """Draw all clusters at one scale, that of all but the smallest ones."""
    sizes = {look.number: int((result.clusters == look.number).sum()) for look in result.looks}
    large = [look for look in result.looks if sizes[look.number] >= LARGE * len(result)]
    shown = (lead[SHOWN] for look in large for lead in look.mean if np.isfinite(lead).all())
    height_mv = max([LEAST_MV, *(1.2 * float(np.ptp(lead)) for lead in shown)])
    return [cluster(look, result.leads, sizes[look.number], height_mv) for look in result.looks]


def heats(result: Result) -> list[str]:
    """Draw where the network looked in the most typical beat of each cluster."""
    shown = [look for look in result.looks if look.heat]
    ranges = [
        1.1 * float(np.ptp(lead)) for look in shown if look.heat for lead in look.heat.beat
        if np.isfinite(lead).all()
    ]  # fmt: skip
    height_mv = max([LEAST_MV, *ranges])
    return [heat(look, result, height_mv) for look in shown]


def heat(look: Look, result: Result, height_mv: float) -> str:
    """Draw a beat of each lead; the stronger a point's colour, the more heat it has."""
    assert look.heat is not None
    parts = []
    scale = (BOX_HIGH - 16) / height_mv
    leads = zip(result.leads, look.heat.beat, look.heat.heat, strict=True)
    for row, (lead, beat, own) in enumerate(leads):
        left = BOX * row
        if np.isfinite(beat).all():
            across = left + 6 + (BOX - 12) * np.linspace(0, 1, len(beat))
            middle = (beat.max() + beat.min()) / 2
            y = (HEAD + BOX_HIGH / 2 - scale * (beat - middle)).clip(HEAD, HEAD + BOX_HIGH)
            level = np.rint(own * HEAT_LEVELS).astype(int)
            for strength in range(1, HEAT_LEVELS + 1):
                points = zip(across[level == strength], y[level == strength], strict=True)
                dots = "".join(f"M{at:.1f} {high:.1f}h0" for at, high in points)
                shade = f'class="heat" stroke-opacity="{strength / HEAT_LEVELS:g}"'
                parts.append(f'<path {shade} d="{dots}"/>' if dots else "")
            parts.append(_path(zip(across.tolist(), y.tolist(), strict=True), "beat"))
        else:
            parts.append(_text(left + BOX / 2, HEAD + BOX_HIGH / 2, "not usable", "middle"))
        parts.append(_text(left + 6, HEAD + 12, lead, "start"))
    at = clock(result.peaks[look.centre] / result.fs)
    text = f"{look.number}: {look.heat.label} at {at}"
    parts.append(_text(6, 16, text, "start", "title"))
    parts.append(_text(BOX * len(result.leads) - 6, 16, f"{height_mv:.1f} mV", "end"))
    label = f"Heat of cluster {text}"
    return _svg(BOX * len(result.leads), HEAD + BOX_HIGH + 8, label, parts)


def alone(drawings: Sequence[str]) -> str:
    """Put drawings below one another into a file of their own."""
    sizes = [[int(side) for side in one.split('viewBox="0 0 ')[1].split('"')[0].split()]
             for one in drawings]  # fmt: skip
    width = max((wide for wide, _ in sizes), default=BOX)
    parts, y = [], 0
    for one, (wide, high) in zip(drawings, sizes, strict=True):
        place = f'<svg x="0" y="{y}" width="{wide}" height="{high}"'
        parts.append(one.replace("<svg", place, 1))
        y += high
    style = f"<style>{STYLE}svg {{ background: var(--paper); }}</style>"
    return _svg(width, max(y, 1), "", [style, *parts])


def _svg(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    role = f' role="img" aria-label="{escape(label)}"' if label else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"{role}>'
        + "".join(parts) + "</svg>"
    )  # fmt: skip


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{of_kind}>{escape(text)}</text>'


def _path(points: Iterable[tuple[float, float]], kind: str) -> str:
    """Draw a line; points that are NaN interrupt it, and a point between two of them is a dot."""

    def pieces() -> Iterator[str]:
        for known, run in groupby(points, key=lambda point: point[1] == point[1]):
            if known:
                (x, y), *rest = run
                yield f"M{x:.1f} {y:.1f}" + "".join(
                    f"L{x:.1f} {y:.1f}" for x, y in rest or [(x + 1, y)]
                )

    return f'<path class="{kind}" d="{"".join(pieces())}"/>'
