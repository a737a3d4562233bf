"""Reports of one record, laid out as by `bxb -s`, `bxb -S`, `rxr -s` and `rxr -S`."""

from collections.abc import Sequence

import numpy as np

from scoring.ec57 import beats, runs
from scoring.ec57.beats import ROWS, Comparison, O, Share, without_svebs
from scoring.ec57.runs import SVEB, RunComparison
from scoring.ec57.tables import shutdown_shares

_LENGTHS = ("0", "1", "2", "3", "4", "5", ">5")


def beat_report(
    name: str, annotators: Sequence[str], comparison: Comparison, *, svebs: bool = True
) -> str:
    """Lay out the matrix and the rates of one record.

    Parameters
    ----------
    annotators : sequence of str
        Extensions of the reference and of the test annotator.
    svebs : bool
        Whether to tell supraventricular ectopic beats, as `bxb -S`; else as `bxb -s`.
    """
    matrix = comparison.matrix if svebs else without_svebs(comparison.matrix)
    kinds = list(ROWS if svebs else ROWS.replace("S", ""))
    rates = beats.shares(matrix)
    shown = ["QRS Se", "QRS +P", "VEB Se", "VEB +P"]
    shown += ["SVEB Se", "SVEB +P"] if svebs else ["VEB FPR"]
    lines = [
        *_title("Beat-by-beat", name, annotators),
        f"{'Algorithm':>24}",
        f"     {''.join(f'{kind.lower():>4} ' for kind in kinds)}".rstrip(),
        f"   {'_' * (5 * len(kinds) + 1)}",
        *(f" {kind} |{_row(matrix[ROWS.index(kind)], kinds, kind)}" for kind in kinds),
        "",
        *(_line(*_label(key), rates[key], 3 if key.endswith("FPR") else 2) for key in shown),
    ]
    if svebs:
        error = comparison.rr_error_ms
        text = f"{error:6.2f} ms" if error == error else "     -"
        lines.append(f"{'RMS RR interval error':>26}: {text}")
    lines += ["", ""]
    for key, share in shutdown_shares(matrix, svebs=svebs).items():
        lines.append(_line(f"{key} missed in shutdown", 26, share))
    seconds = int(comparison.shutdown_s + 0.5)
    return "\n".join([*lines, f"{'Total shutdown time':>26}: {seconds:5d} seconds"])


def run_report(name: str, annotators: Sequence[str], comparison: RunComparison, kind: str) -> str:
    """Lay out both matrices and the rates of the runs of one record; arguments as before."""
    lines = [*_title(f"{'S' * (kind == SVEB)}VE run-by-run", name, annotators)]
    titles = ("     (Run Sensitivity", "(Run Positive Predictivity")
    for matrix, title in zip(comparison, titles, strict=True):
        lines += [
            f"{'Algorithm Run Length':>35}",
            f"      {''.join(f'{length:>5}' for length in _LENGTHS)}",
            f"     {'_' * 36}",
        ]
        for length, row in zip(_LENGTHS, matrix, strict=True):
            cells = [f"{number:4d}" for number in row.tolist()]
            cells[0] = "    " if length == "0" else cells[0]
            lines.append(f"  {length:>2} | {' '.join(cells)}")
        lines += ["", f" {title} Summary Matrix)", "", ""]
    lines.pop()
    for key, share in runs.shares(comparison).items():
        length, _, rate = key.rpartition(" ")
        label = "sensitivity" if rate == "Se" else "positive predictivity"
        lines.append(_line(f"{length} {label}", 31, share, 0))
    return "\n".join([*lines, ""])


def _title(what: str, name: str, annotators: Sequence[str]) -> list[str]:
    reference, test = annotators
    return [
        f"{what} comparison results for record {name}",
        f"Reference annotator: {reference}",
        f"     Test annotator: {test}",
        "",
    ]


def _row(row: np.ndarray, kinds: Sequence[str], kind: str) -> str:
    """Lay out a row; O and X have no columns o and x."""
    shown = [own for own in kinds if ROWS.index(own) < O or ROWS.index(kind) < O]
    return "".join(f" {row[ROWS.index(own)]:4d}" for own in shown)


def _label(key: str) -> tuple[str, int]:
    beat, rate = key.split()
    words = {"Se": "sensitivity", "+P": "positive predictivity", "FPR": "false positive rate"}
    return f"{beat} {words[rate]}", 26


def _line(label: str, width: int, share: Share, digits: int = 2) -> str:
    """Lay out a rate with its numbers of beats or runs."""
    wide = 6 if digits else 3
    dash = f"{'-':>{wide}} "
    text = f"{share.percent:{wide}.{digits}f}%" if share.whole else dash
    return f"{label:>{width}}: {text} ({share.part}/{share.whole})"
