"""Classifiers of beats by others, as a program: `python beat_classifiers.py NAME SIGNALS LABELS`.

SIGNALS is an .npz file with `fs` and, per record, `NAME.lead` in mV and `NAME.peaks` in samples.
LABELS becomes a JSON file: per record a label N, S or V for each of the given R peaks, and the CPU
seconds.  Records that it has already are not done again.  The program imports nothing of ours.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

AROUND_S = 0.075  # OpenECG's labels of samples this near an R peak are the beat's
VPC = 2  # OpenECG's class of ventricular beats
OPENVITAL_FS = 100  # Hz


def openecg(lead: np.ndarray, fs: float, peaks: np.ndarray) -> list[str]:
    """Classify by OpenECG's network for 500 Hz (codec v6, ONNX): V, else N.

    A beat has the class of most of its labelled samples; without any it is N.
    """
    from openecg import encode_stream
    from scipy.signal import resample_poly

    at_500 = resample_poly(lead, 500, round(fs))
    beats = encode_stream(at_500, fs=500, model=codec()).beat
    reach = round(AROUND_S * 500)
    labels = []
    for peak in np.rint(peaks * 500 / fs).astype(int).tolist():
        near = beats[max(0, peak - reach) : peak + reach + 1]
        counts = np.bincount(near[near > 0], minlength=1)
        labels.append("V" if counts.argmax() == VPC else "N")
    return labels


@cache
def codec() -> Any:
    """Load OpenECG's network, once."""
    from openecg import load_codec_onnx

    return load_codec_onnx()


def openvital(lead: np.ndarray, fs: float, peaks: np.ndarray) -> list[str]:
    """Classify by the network of openvital's filter `ecg_classifier`: two seconds at 100 Hz.

    As there, a window is scaled from 0 to 1; a beat nearer than a second to an end is N.
    """
    from scipy.signal import resample_poly

    at_100 = resample_poly(lead, OPENVITAL_FS, round(fs))
    middles = np.rint(peaks * OPENVITAL_FS / fs).astype(int)
    inside = (middles >= OPENVITAL_FS) & (middles < len(at_100) - OPENVITAL_FS)
    windows = at_100[middles[inside, None] + np.arange(-OPENVITAL_FS, OPENVITAL_FS)]
    windows = windows - windows.min(axis=1, keepdims=True)
    windows /= np.maximum(windows.max(axis=1, keepdims=True), 1e-9)
    answers = beat_network().predict(windows[..., None].astype(np.float32), verbose=0)
    labels = np.full(len(peaks), "N")
    labels[inside] = np.array(["N", "S", "V", "N"])[answers.argmax(axis=1)]
    return labels.tolist()


@cache
def beat_network() -> Any:
    """Load openvital's network, once."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    import openvital as package

    return keras.models.load_model(Path(package.__file__).parent / "filters" / "model_beat.h5")


CLASSIFIERS: dict[str, Callable[[np.ndarray, float, np.ndarray], list[str]]] = {
    "openecg": openecg,
    "openvital": openvital,
}


def main(name: str, signals: str, labels: str) -> None:
    """Classify the beats of all records in the order of the file; go on after an interruption."""
    path = Path(labels)
    answers = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    with np.load(signals) as given:
        fs = float(given["fs"])
        for record in dict.fromkeys(key.partition(".")[0] for key in given.files if "." in key):
            if record in answers:
                continue
            lead, start = given[f"{record}.lead"].astype(float), time.process_time()
            own = CLASSIFIERS[name](lead, fs, given[f"{record}.peaks"])
            answers[record] = {"labels": own, "seconds": time.process_time() - start}
            path.write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
