"""Tables of one line per record, with sums, gross and average rates, laid out as by WFDB.

They are the files that `bxb -l`, `bxb -L`, `rxr -l` and `rxr -L` write and `sumstats` completes.
Gross rates count each beat once, average ones each record once.  Columns as `Vn'` join what the
layout does not tell apart: n' is any beat but S and V, F' is F and Q, O' and o' are O and X.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from scoring.ec57 import beats, runs
from scoring.ec57.beats import (
    BEATS,
    Comparison,
    F,
    N,
    O,
    Q,
    S,
    Share,
    V,
    X,
    mean_percent,
    without_svebs,
)
from scoring.ec57.runs import SVEB, RunComparison

_BEAT_HEADINGS = {
    False: "Record Nn' Vn' Fn' On'  Nv   Vv  Fv' Ov' No' Vo' Fo'  Q Se   Q +P   V Se   V +P  V FPR",
    True: "Record Nn' Sn' Vn' Fn' On'  Ns  Ss  Vs  Fs' Os' Nv  Sv   Vv  Fv' Ov' No' So' Vo' Fo'"
    "  Q Se   Q +P   V Se   V +P   S Se   S +P RR err",
}
_BEAT_RATES = {
    False: ("QRS Se", "QRS +P", "VEB Se", "VEB +P", "VEB FPR"),
    True: ("QRS Se", "QRS +P", "VEB Se", "VEB +P", "SVEB Se", "SVEB +P"),
}
_BEAT_WIDTHS = {
    False: (5, 3, 3, 3, 3, 4, 3, 3, 3, 3, 3),
    True: (5, *(3,) * 11, 4, *(3,) * 6),
}
_SHUTDOWN_HEADINGS = {
    False: "Record Nx   Vx   Fx   Qx  % beats  % N    % V    % F   Total Shutdown\n"
    "                           missed missed missed missed      Time",
    True: "Record Nx   Sx   Vx   Fx   Qx  % beats  % N    % S    % V    % F   Total Shutdown\n"
    "                                missed missed missed missed missed      Time",
}
_RUN_HEADING = "Record CTs CFN CTp CFP STs SFN STp SFP LTs LFN LTp LFP  CSe C+P SSe S+P LSe L+P"


def beat_table(records: Mapping[str, Comparison], *, svebs: bool = True) -> str:
    """Lay out the beats of records by name, as `bxb -L` or, without SVEBs, `bxb -l`."""
    heading, widths = _BEAT_HEADINGS[svebs], _BEAT_WIDTHS[svebs]
    lines = [heading]
    for name, record in records.items():
        rates = beats.shares(_reported(record.matrix, svebs))
        line = f"{name:>4}{_counts(_columns(record.matrix, svebs), widths)}"
        line += "".join(_rate(rates[key], key) for key in _BEAT_RATES[svebs])
        if svebs:  # one blank less before the dash, as bxb has it
            line += _number(record.rr_error_ms) if record.intervals else "     -"
        lines.append(line)
    total = beats.pool(records.values())
    sums = _columns(total.matrix, svebs)
    lines += ["_" * len(heading), f"Sum  {sums[0]:6d}{_counts(sums[1:], widths[1:])}"]
    each = [_summed_rates(record.matrix, svebs) for record in records.values()]
    gross = _summed_rates(total.matrix, svebs)
    blank = 83 if svebs else 54
    lines.append(f"{'Gross':{blank}}" + "".join(_rate(gross[key], key) for key in gross))
    means = {key: mean_percent(own[key] for own in each) for key in gross}
    line = f"{'Average':{blank}}" + "".join(_number(means[key], key) for key in means)
    if svebs:
        errors = [round(one.rr_error_ms, 2) for one in records.values() if one.intervals]
        line += _number(float(np.mean(errors)) if errors else np.nan)
    marked = total.matrix[BEATS]
    text = f"Total QRS complexes: {marked.sum()}  Total VEBs: {marked[V].sum()}"
    if svebs:
        text += f"  Total SVEBs: {marked[S].sum()}"
    return "\n".join([*lines, line, text, *_end(records)])


def shutdown_table(records: Mapping[str, Comparison], *, svebs: bool = True) -> str:
    """Lay out beats missed in shutdown, as in the second file of `bxb -L` or `bxb -l`."""
    kinds = [N, S, V, F, Q] if svebs else [N, V, F, Q]
    lines = [_SHUTDOWN_HEADINGS[svebs]]
    seconds = [int(record.shutdown_s + 0.5) for record in records.values()]
    for (name, record), own in zip(records.items(), seconds, strict=True):
        matrix = _reported(record.matrix, svebs)
        missed = _counts(matrix[kinds, X].tolist(), (4,) * len(kinds))
        rates = "".join(_rate(share) for share in shutdown_shares(matrix, svebs=svebs).values())
        marked = " ".join(map(str, matrix[BEATS].sum(axis=1).tolist()))
        lines.append(f"{name:>4}{missed}  {rates}{own:5d} seconds {marked}")
    total = _reported(beats.pool(records.values()).matrix, svebs)
    missed = _counts(total[kinds, X].tolist(), (4,) * len(kinds))
    if svebs:
        lines += ["_" * 72, f"Sum {missed}{'':38}{sum(seconds):4d} seconds"]
    else:
        each = [shutdown_shares(_reported(one.matrix, False), svebs=False)
                for one in records.values()]  # fmt: skip
        gross = shutdown_shares(total, svebs=False)
        means = [mean_percent(own[key] for own in each) for key in gross]
        lines += [
            "_" * 68,
            f"Sum  {missed}{'':31}{sum(seconds):4d} seconds",
            f"{'Gross':25}" + "".join(map(_rate, gross.values())),
            f"{'Average':25}" + "".join(map(_number, means)),
        ]
    return "\n".join([*lines, *_end(records)])


def shutdown_shares(matrix: np.ndarray, *, svebs: bool = True) -> dict[str, Share]:
    """Compute the shares of beats missed in shutdown: all, N, S, V and F."""
    rows = {"Beats": [N, S, V, F, Q], "N": [N], "S": [S], "V": [V], "F": [F]}
    if not svebs:
        del rows["S"]
    return {
        name: Share(int(matrix[own, X].sum()), int(matrix[own].sum())) for name, own in rows.items()
    }


def run_table(records: Mapping[str, RunComparison], kind: str) -> str:
    """Lay out the runs of records by name, as `rxr -L` in its first file or (SVEB) its second."""
    lines = ["(SVE run detection)"] if kind == SVEB else []
    lines.append(_RUN_HEADING)
    each = {name: runs.shares(record) for name, record in records.items()}
    for name, rates in each.items():
        counts = _counts(_tallies(rates), (3,) * 12)
        lines.append(f"{name:>4}{counts} " + "".join(_whole(one.percent) for one in rates.values()))
    gross = runs.shares(runs.pool(records.values()))
    means = [mean_percent(rates[key] for rates in each.values()) for key in gross]
    totals = [gross[key].whole for key in gross if key.endswith("Se")]
    return "\n".join([
        *lines,
        "_" * 77,
        f"Sum  {_counts(_tallies(gross), (5, *(3,) * 11))}",
        f"{'Gross':55}" + "".join(_whole(share.percent) for share in gross.values()),
        f"{'Average':55}" + "".join(map(_whole, means)),
        "Total couplets: {}  Total short runs: {}  Total long runs: {}".format(*totals),
        *_end(records),
    ])  # fmt: skip


def _reported(matrix: np.ndarray, svebs: bool) -> np.ndarray:
    return matrix if svebs else without_svebs(matrix)


def _columns(matrix: np.ndarray, svebs: bool) -> list[int]:
    """Give the counts of a line, column by column of the matrix, without O and X at the end."""
    rows, columns = [[N], [S], [V], [F, Q], [O, X]], [[N, F, Q], [S], [V], [O, X]]
    if not svebs:
        matrix = without_svebs(matrix)
        del rows[1], columns[1]
    return [int(matrix[np.ix_(row, own)].sum()) for own in columns for row in rows][:-1]


def _summed_rates(matrix: np.ndarray, svebs: bool) -> dict[str, Share]:
    """Compute the rates of the last lines; here sumstats does not count F called S as false."""
    rates = beats.shares(_reported(matrix, svebs))
    if svebs:
        true = int(matrix[S, S])
        rates["SVEB +P"] = Share(true, int(matrix[[N, S, V, O, X], S].sum()))
    return {key: rates[key] for key in _BEAT_RATES[svebs]}


def _tallies(rates: Mapping[str, Share]) -> list[int]:
    """Give true and not true runs of each rate: CTs, CFN, CTp, CFP and so on."""
    return [number for part, whole in rates.values() for number in (part, whole - part)]


def _counts(numbers: Sequence[int], widths: Sequence[int]) -> str:
    return "".join(f" {number:{width}d}" for number, width in zip(numbers, widths, strict=True))


def _rate(share: Share, key: str = "") -> str:
    return _number(share.percent, key)


def _number(value: float, key: str = "") -> str:
    """Format a number of two digits; the rate of false VEBs has three."""
    return f" {value:6.{3 if key.endswith('FPR') else 2}f}" if value == value else "      -"


def _whole(percent: float) -> str:
    return f" {percent:3.0f}" if percent == percent else "   -"


def _end(records: Mapping[str, object]) -> Iterator[str]:
    yield ""
    yield f"Summary of results from {len(records)} record{'' if len(records) == 1 else 's'}"
