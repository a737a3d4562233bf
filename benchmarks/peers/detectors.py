"""Detectors of R peaks by others: functions of one lead in mV and fs in Hz."""

from collections.abc import Callable

import numpy as np


def gqrs(lead: np.ndarray, fs: float) -> np.ndarray:
    """Detect R peaks by WFDB's GQRS."""
    from wfdb.processing import gqrs_detect

    return np.asarray(gqrs_detect(lead, fs))


def xqrs(lead: np.ndarray, fs: float) -> np.ndarray:
    """Detect R peaks by WFDB's XQRS."""
    from wfdb.processing import xqrs_detect

    return np.asarray(xqrs_detect(lead, fs, verbose=False))


def neurokit2(lead: np.ndarray, fs: float) -> np.ndarray:
    """Detect R peaks by NeuroKit2's default method."""
    from neurokit2 import ecg_clean, ecg_peaks

    cleaned = ecg_clean(lead, sampling_rate=int(fs))
    return np.asarray(ecg_peaks(cleaned, sampling_rate=int(fs))[1]["ECG_R_Peaks"])


def sleepecg(lead: np.ndarray, fs: float) -> np.ndarray:
    """Detect R peaks by SleepECG."""
    from sleepecg import detect_heartbeats

    return np.asarray(detect_heartbeats(lead, fs))


DETECTORS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "WFDB GQRS": gqrs,
    "WFDB XQRS": xqrs,
    "NeuroKit2": neurokit2,
    "SleepECG": sleepecg,
}
