"""Delineators by others, as a program of its own: `python delineators.py NAME SIGNALS MARKS`.

SIGNALS is an .npz file with `fs` and one array in mV per lead.  MARKS becomes a JSON file: per lead
the CPU seconds and rows of sample, symbol and `num`, as in WFDB's annotation files, or an error.
The program imports nothing of ours: ECGdeli, prominence-delineator and its detector of R peaks are
under the GPL.  Each delineator runs with its own settings, on one lead.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

KINDS = "pNt"  # WFDB's symbols
SHORTEST_S = 0.03  # ours, of OpenECG's waves and holes; the shortest waves of LUDB are as long
Mark = tuple[int, str, int]  # sample, symbol, num


def marks_of(limits: Iterable[Any], number: int) -> Iterator[Mark]:
    """Give the marks of one kind of wave from its onsets, peaks and offsets; NaN is no mark."""
    for samples, sign in zip(limits, f"({KINDS[number]})", strict=True):
        values = np.asarray(samples, float)
        yield from ((int(sample), sign, number) for sample in values[np.isfinite(values)])


def neurokit2(lead: np.ndarray, fs: int) -> Iterator[Mark]:
    """Delineate by NeuroKit2's discrete wavelet transform."""
    from neurokit2 import ecg_clean, ecg_delineate, ecg_peaks

    cleaned = ecg_clean(lead, sampling_rate=fs)
    r_peaks = ecg_peaks(cleaned, sampling_rate=fs)[1]["ECG_R_Peaks"]
    found = ecg_delineate(cleaned, r_peaks, sampling_rate=fs, method="dwt")[1]
    found["ECG_R_Peaks"] = r_peaks
    for number, letter in enumerate("PRT"):
        columns = (f"ECG_{letter}_{side}" for side in ("Onsets", "Peaks", "Offsets"))
        yield from marks_of((found[column] for column in columns), number)


def prominence(lead: np.ndarray, fs: int) -> Iterator[Mark]:
    """Delineate by prominence-delineator, with its own cleaning and R peaks."""
    from prominence_delineator import ProminenceDelineator

    delineator = ProminenceDelineator(sampling_frequency=fs)
    cleaned = delineator.clean_ecg(lead)
    found = delineator.find_waves(cleaned, rpeaks=delineator.find_rpeaks(cleaned))
    for number, letter in enumerate("PRT"):
        columns = (f"{letter}_on", letter, f"{letter}_off")
        yield from marks_of((found[column] for column in columns), number)


def ecgdeli(lead: np.ndarray, fs: int) -> Iterator[Mark]:
    """Delineate by ECGdeli's port to Python."""
    from ecgdeli import annotate, filter_ecg

    (found,) = annotate(filter_ecg(lead, fs), fs).leads
    for number, (wave, peak) in enumerate((("p", "p"), ("qrs", "r"), ("t", "t"))):
        columns = (f"{wave}_on", f"{peak}_peak", f"{wave}_off")
        yield from marks_of((getattr(found, column) for column in columns), number)


def openecg(lead: np.ndarray, fs: int) -> Iterator[Mark]:
    """Delineate by OpenECG's network for 500 Hz (codec v6, ONNX).

    Holes and waves below 30 ms are removed: a bare answer has pieces of one sample, and its PyTorch
    path removes such pieces, too.
    """
    from openecg import encode_stream
    from scipy.signal import resample_poly

    at_500 = lead if fs == 500 else resample_poly(lead, 500, fs)
    events = encode_stream(at_500, fs=500, model=codec()).events("frame", drop_class=0)
    for number in range(len(KINDS)):
        waves: list[list[int]] = []
        for onset, offset in (event[:2] for event in events if event[2] == number + 1):
            if waves and onset - waves[-1][1] < SHORTEST_S * 500:
                waves[-1][1] = offset
            else:
                waves.append([onset, offset])
        for onset, offset in waves:
            if offset - onset >= SHORTEST_S * 500:
                begin, end = (round(sample * fs / 500) for sample in (onset, offset - 1))
                yield from ((begin, "(", number), (end, ")", number))


@cache
def codec() -> Any:
    """Load OpenECG's network, once."""
    from openecg import load_codec_onnx

    return load_codec_onnx()


DELINEATORS: dict[str, Callable[[np.ndarray, int], Iterator[Mark]]] = {
    "neurokit2": neurokit2,
    "prominence": prominence,
    "ecgdeli": ecgdeli,
    "openecg": openecg,
}


def main(name: str, signals: str, marks: str) -> None:
    """Delineate all leads; the first one twice, so that imports do not count."""
    delineate = DELINEATORS[name]
    answers: dict[str, dict[str, Any]] = {}
    with np.load(signals) as leads:
        fs, names = int(leads["fs"]), [one for one in leads.files if one != "fs"]
        for lead in [names[0], *names]:
            signal, start = leads[lead].astype(float), time.process_time()
            answer: dict[str, Any] = {}
            try:
                found = sorted(delineate(signal, fs))
                answer["marks"] = [mark for mark in found if 0 <= mark[0] < len(signal)]
            except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
                answer["error"] = f"{type(error).__name__}: {error}"[:200]
            answers[lead] = {**answer, "seconds": time.process_time() - start}
    Path(marks).write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
