"""Files of a result: NAME.beats.tsv, NAME.review.tsv, NAME.json and NAME.atr.

The first and third hold the whole result, so that a change by a person needs no recording.
`NAME.atr` is written last: a recording that has it and `NAME.json` is finished.
"""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecg import FAILURES, LeadwiseError
from ecg.annotation_bytes import encode
from ecg.beat_table import table_text
from ecg.files import atomic_write
from holter.events import Episode, Gaps, Interval
from holter.result import CLASSES, Heat, Look, Result
from holter.review import COLUMNS as REVIEW_COLUMNS
from holter.review import cells, review

FORMAT = 1
READABLE, UNREADABLE = 0, -1  # subtypes of WFDB's noise mark "~"
BEAT_COLUMNS = (
    "beat", "sample", "time_s", "label", *(f"p_{label}" for label in CLASSES), "rr_ms", "cluster",
)  # fmt: skip


def write_files(result: Result, stem: Path) -> None:
    """Write all files of a result; `stem` is the path without an ending.

    Raises
    ------
    LeadwiseError
        A file cannot be written.
    """
    rows = (cells(rank, row, result) for rank, row in enumerate(review(result), 1))
    _write_text(stem, "review.tsv", table_text(REVIEW_COLUMNS, rows))
    _write_text(stem, "beats.tsv", table_text(BEAT_COLUMNS, _beat_rows(result)))
    text = json.dumps(to_json(result), indent=1, allow_nan=False)
    _write_text(stem, "json", text + "\n")
    with atomic_write(f"{stem}.atr") as draft:
        draft.write_bytes(annotation(result))


def _write_text(stem: Path, ending: str, text: str) -> None:
    with atomic_write(f"{stem}.{ending}") as draft:
        draft.write_text(text, encoding="utf-8")


def annotation(result: Result) -> bytes:
    """Give beats and noise as the bytes of a WFDB annotation file.

    Noise begins with a mark `~` of subtype -1, no lead readable, and ends with one of subtype 0;
    noise that lasts until the end of the recording has no second mark.
    """
    limits = result.noise.ravel()
    inside = limits < result.samples
    kinds = np.tile([UNREADABLE, READABLE], len(result.noise))[inside]
    samples = np.concatenate([result.peaks, limits[inside]])
    symbols = np.concatenate([result.labels, np.full(len(kinds), "~")])
    subtypes = np.concatenate([np.zeros(len(result), int), kinds])
    order = np.argsort(samples, kind="stable")
    nothing, empty = np.zeros(len(order), int), np.full(len(order), "")
    return encode(samples[order], symbols[order], nothing, empty, result.fs, subtypes[order])


def _beat_rows(result: Result) -> Iterable[tuple[str, ...]]:
    rr = np.full(len(result), np.nan)
    rr[1:][result.gaps.joined] = (np.diff(result.peaks) / result.fs)[result.gaps.joined]
    columns = (result.peaks, result.labels, result.probabilities, rr, result.clusters)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for beat, (sample, label, odds, before, cluster) in enumerate(rows, 1):
        yield (
            str(beat), str(sample), f"{sample / result.fs:.3f}", label,
            *(f"{p:.3f}" for p in odds), "" if math.isnan(before) else f"{1000 * before:.0f}",
            str(cluster),
        )  # fmt: skip


def to_json(result: Result) -> dict[str, Any]:
    """Give the content of NAME.json; `beat` counts from 1 as in NAME.beats.tsv."""
    events, gaps, beats = result.events, result.gaps, len(result)

    def at(beat: int) -> dict[str, Any]:
        return {"beat": beat + 1, "at_s": round(int(result.peaks[beat]) / result.fs, 3)}

    def rows(found: Sequence[Episode]) -> list[dict[str, Any]]:
        return [{**at(one.first), "beats": one.beats, "rate": round(one.rate, 1)} for one in found]

    def interval(one: Interval | None) -> dict[str, Any] | None:
        return one and {**at(one.beat), "seconds": round(one.seconds, 3)}

    trend = numbers(events.trend, 1)
    known = [rate for rate in trend if rate is not None]
    return {
        "format": FORMAT, "use": "Research use only; not a medical device.",
        "record": result.name, "leads": result.leads, "fs": result.fs, "samples": result.samples,
        "seconds": round(result.seconds, 3), "model": result.model,
        "beats": beats, "counts": events.counts, "left_out": result.left_out,
        "burden_percent": {
            label: round(100 * events.counts[label] / beats, 3) if beats else None
            for label in "SV"
        },
        "rate": {
            "median": round(float(np.median(known)), 1) if known else None,
            "lowest_minute": min(known, default=None), "highest_minute": max(known, default=None),
        },
        "longest_rr": interval(events.longest), "shortest_rr": interval(events.shortest),
        "couplets": {label: rows(found) for label, found in events.couplets.items()},
        "runs": {label: rows(found) for label, found in events.runs.items()},
        "bigeminy": rows(events.bigeminy),
        "pauses": [interval(one) for one in gaps.pauses],
        "unclear_gaps": [interval(one) for one in gaps.unclear],
        "noise_minutes": round(float(np.diff(result.noise).sum()) / result.fs / 60, 3),
        "noise_samples": result.noise.tolist(),
        "clusters": [
            {"number": look.number, "label": look.label,
             "beats": int((result.clusters == look.number).sum()), "example": at(look.centre),
             "mean_mv": [numbers(lead, 3) for lead in look.mean],
             "spread_mv": [numbers(lead, 3) for lead in look.spread],
             **({"heat": _heat_json(look.heat)} if look.heat else {})}
            for look in result.looks
        ],
        "trend": trend,
    }  # fmt: skip


def _heat_json(heat: Heat) -> dict[str, Any]:
    return {
        "label": heat.label, "beat_mv": [numbers(lead, 3) for lead in heat.beat],
        "heat": [numbers(lead, 2) for lead in heat.heat],
    }  # fmt: skip


def _heat_from(told: dict[str, Any] | None) -> Heat | None:
    if told is None:
        return None
    return Heat(told["label"], np.array(told["beat_mv"], float), np.array(told["heat"], float))


def numbers(values: np.ndarray, digits: int) -> list[float | None]:
    """Round numbers for JSON; None for NaN."""
    rounded = np.round(values.astype(float), digits).tolist()
    return [value if math.isfinite(value) else None for value in rounded]


def read_result(stem: Path) -> Result:
    """Read a result from NAME.json and NAME.beats.tsv.

    Probabilities have three digits.

    Raises
    ------
    LeadwiseError
        A file is missing or is not of `write_files`.
    """
    try:
        told = json.loads(Path(f"{stem}.json").read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise LeadwiseError(f"format {told['format']} is not {FORMAT}")
        with open(f"{stem}.beats.tsv", encoding="utf-8", newline="") as file:
            beats = list(csv.DictReader(file, delimiter="\t"))
        if len(beats) != told["beats"]:
            raise LeadwiseError(f"{len(beats)} beats in NAME.beats.tsv, {told['beats']} in JSON")
        return _from_json(told, beats)
    except FileNotFoundError as error:
        raise LeadwiseError(
            f"{error.filename}: does not exist; give FOLDER/NAME as `python -m holter` wrote it"
        ) from error
    except (*FAILURES, TypeError) as error:
        raise LeadwiseError(f"{stem}: is no result of `python -m holter`: {error}") from error


def _from_json(told: dict[str, Any], beats: list[dict[str, str]]) -> Result:
    def column(name: str, kind: type) -> np.ndarray:
        return np.array([kind(row[name]) for row in beats], kind)

    def intervals(name: str) -> list[Interval]:
        return [Interval(one["beat"] - 1, one["seconds"]) for one in told[name]]

    looks = tuple(
        Look(one["number"], one["label"], one["example"]["beat"] - 1,
             np.array(one["mean_mv"], float), np.array(one["spread_mv"], float),
             _heat_from(one.get("heat")))
        for one in told["clusters"]
    )  # fmt: skip
    joined = np.array([row["rr_ms"] != "" for row in beats[1:]], bool)
    odds = [column(f"p_{label}", float) for label in CLASSES]
    return Result(
        told["record"], told["fs"], told["samples"], tuple(told["leads"]), told["model"],
        column("sample", int), np.stack(odds, axis=1), column("cluster", int), looks,
        Gaps(joined, intervals("pauses"), intervals("unclear_gaps")),
        np.array(told["noise_samples"], int).reshape(-1, 2), told["left_out"],
    )  # fmt: skip
