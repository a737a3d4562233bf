"""Simulated 12-lead records with known R peaks, waves and diagnoses.  Not patients.

A heart vector moves through P, QRS and T (`dipole`, `shapes`), beat by beat (`rhythm`), in a
patient drawn with the given diagnoses (`diagnoses`, `patient`).  The leads are its projections with
noise (`noise`) added.  The findings are plain textbook ones, for tests and demonstrations; results
on simulated records do not transfer to patients.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from ecg import LeadwiseError
from ecg.annotation_files import write_annotations
from ecg.labels import codes_by_name
from ecg.leads import STANDARD, canonical_name, choose
from ecg.records import write_record
from simulate import dipole, shapes
from simulate.diagnoses import DIAGNOSES, check, draw_diagnoses, spread_diagnoses
from simulate.noise import CLEAN, Noise, common_noise, spoil_leads
from simulate.patient import Patient, draw_patient
from simulate.rhythm import Beats, draw_beats
from simulate.truth import Simulated, annotate, mark_waves

__all__ = [
    "CLEAN",
    "DIAGNOSES",
    "Noise",
    "Simulated",
    "draw_diagnoses",
    "simulate",
    "simulate_records",
    "write_records",
]

FS_HZ = (100.0, 1000.0)
DURATION_S = (0.5, 3600.0)
COMMENTS = ("simulated: made by simulate, not a patient",)
DEFAULT_NOISE = Noise()


def simulate(
    diagnoses: Collection[str] = ("NSR",),
    *,
    seed: int | tuple[int, int] = 0,
    duration_s: float = 10.0,
    fs: float = 500.0,
    leads: Sequence[str] = STANDARD,
    noise: Noise = DEFAULT_NOISE,
    name: str = "SIM00001",
) -> Simulated:
    """Simulate one record.

    The same arguments give the same bits.  Neither fs nor leads nor noise change the patient or the
    beats, so a record can be simulated at several sampling frequencies.

    Parameters
    ----------
    diagnoses : collection of str
        Abbreviations of the Challenge, from `DIAGNOSES`.  Without a rhythm NSR is added, to the
        codes too.
    seed : int or (int, int)
        Not negative.  `seed=5` means `seed=(5, 0)`; `simulate_records(seed=5)` uses (5, 0), (5, 1)…
    duration_s : float
        0.5 to 3600 s.  PAC and PVC together need 10 s.
    fs : float
        100 to 1000 Hz.
    leads : sequence of str
        Any of the twelve, in any order and case.
    noise : Noise
        `CLEAN` means no noise.
    name : str

    Raises
    ------
    LeadwiseError
        For an unknown diagnosis or lead, diagnoses that exclude each other, and a duration or
        sampling frequency out of range.

    Examples
    --------
    >>> record = simulate(["SB", "LAD"], seed=1)
    >>> record.signal.shape, len(record.r_peaks), record.codes
    ((12, 5000), 7, ('426177001', '39732003'))
    """
    checked = check(diagnoses)
    names = _check_leads(leads)
    _check_range("fs", fs, FS_HZ, "Hz")
    _check_range("duration_s", duration_s, DURATION_S, "s")
    counted = seed if isinstance(seed, tuple) else (seed, 0)
    patient_draws, beat_draws, heart_draws, noise_draws = (
        np.random.default_rng((stream, *counted)) for stream in range(3, 7)
    )
    samples = round(duration_s * fs)
    patient = draw_patient(checked, patient_draws)
    beats = draw_beats(patient, duration_s, beat_draws)
    shaped = shape_beats(patient, beats)
    heart = move_heart(patient, beats, shaped, samples, fs, heart_draws)
    eight = (heart @ dipole.EIGHT_OF_HEART.T).T.astype(np.float32)
    eight += common_noise(noise, eight.shape, fs, noise_draws)
    signal = choose(eight, dipole.EIGHT, names).signal
    spoil_leads(signal, names, noise, noise_draws)
    waves = mark_waves(beats, shaped, samples, fs)
    marks = annotate(beats, shaped, waves, samples, fs, checked)
    return Simulated(
        name=name,
        leads=names,
        fs=float(fs),
        signal=signal,
        waves=waves[np.isin(np.rint(beats.times * fs), marks.beats.samples)],
        marks=marks,
        codes=tuple(codes_by_name()[diagnosis] for diagnosis in checked),
        age=patient.age,
        sex=patient.sex,
    )


def simulate_records(
    count: int,
    *,
    seed: int = 0,
    duration_s: float = 10.0,
    fs: float = 500.0,
    leads: Sequence[str] = STANDARD,
    noise: Noise = DEFAULT_NOISE,
) -> Iterator[Simulated]:
    """Simulate records SIM00001, SIM00002, … with random diagnoses, one at a time.

    Each diagnosis is the first of one record in 19, so 19 records contain all of them; compatible
    ones are added at random.  Record n depends on seed and n, not on the count.

    Parameters
    ----------
    count, seed : int
    duration_s, fs, leads, noise
        As for `simulate`.
    """
    for index, diagnoses in enumerate(spread_diagnoses(count, seed)):
        yield simulate(
            diagnoses,
            seed=(seed, index),
            duration_s=duration_s,
            fs=fs,
            leads=leads,
            noise=noise,
            name=f"SIM{index + 1:05d}",
        )


def write_records(
    folder: str | Path,
    count: int,
    *,
    seed: int = 0,
    duration_s: float = 10.0,
    fs: float = 500.0,
    leads: Sequence[str] = STANDARD,
    noise: Noise = DEFAULT_NOISE,
    annotations: bool = False,
) -> list[str]:
    """Write simulated records in the Challenge's format (.hea and .mat), and give their names.

    Each header has a comment that the record is simulated.  The folder is created if missing;
    records of the same names are replaced.

    Parameters
    ----------
    annotations : bool
        Also write beats and rhythm (.atr) and waves (.all) as WFDB annotation files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for record in simulate_records(
        count, seed=seed, duration_s=duration_s, fs=fs, leads=leads, noise=noise
    ):
        write_record(
            folder,
            record.name,
            record.signal,
            record.leads,
            record.fs,
            age=record.age,
            sex=record.sex,
            codes=record.codes,
            comments=COMMENTS,
        )
        if annotations:
            write_annotations(record.annotations(), folder / record.name)
        names.append(record.name)
    return names


def shape_beats(patient: Patient, beats: Beats) -> dict[str, shapes.Beat]:
    """Give the waves of each kind of beat that occurs."""
    shaping = {
        "normal": shapes.normal_beat,
        "PAC": shapes.atrial_beat,
        "PVC": shapes.ventricular_beat,
    }
    return {kind: shaping[kind](patient) for kind in np.unique(beats.kinds).tolist()}


def move_heart(
    patient: Patient,
    beats: Beats,
    shaped: dict[str, shapes.Beat],
    samples: int,
    fs: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Move the heart vector through all beats: shape (samples, 3), in mV."""
    heart = np.zeros((samples, 3))
    for kind, beat in shaped.items():
        times = beats.times[beats.kinds == kind]
        paced = patient.has("PR") and kind == "normal"
        spike = shapes.pacing_spike(patient, beat.qrs, fs) if paced else None
        for wave in (beat.p, beat.qrs, beat.t, spike):
            if wave is not None:
                dipole.add_wave(heart, wave, times, fs)
    times = np.arange(samples) / fs
    if patient.has("AF"):
        heart += shapes.fibrillation(patient, times, generator)
    if patient.has("AFL"):
        heart += shapes.flutter(patient, times, beats.in_step)
    return heart


def _check_leads(leads: Sequence[str]) -> tuple[str, ...]:
    """Give the standard names of leads; raise an error for unknown leads."""
    names = tuple(canonical_name(lead) for lead in leads)
    unknown = [lead for lead in names if lead not in STANDARD]
    if unknown or not names:
        raise LeadwiseError(
            f"{', '.join(unknown) or 'no lead'}: cannot be simulated; known are "
            f"{', '.join(STANDARD)}."
        )
    return names


def _check_range(what: str, value: float, bounds: tuple[float, float], unit: str) -> None:
    """Raise an error for a number outside its range."""
    if not bounds[0] <= value <= bounds[1]:
        raise LeadwiseError(
            f"{what} is {value:g} {unit}; it can be {bounds[0]:g} to {bounds[1]:g} {unit}."
        )
