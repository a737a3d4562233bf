"""The simulator: criteria of all diagnoses, measured from the signal and the annotations."""

import itertools
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.annotations import Rhythms, Spans, beat_mask, wave_mask
from ecg.labels import codes_by_name
from ecg.leads import LEAD_SETS, LIMB, STANDARD
from ecg.records import find_records
from simulate import (
    CLEAN,
    DIAGNOSES,
    Noise,
    Simulated,
    draw_diagnoses,
    simulate,
    simulate_records,
    write_records,
)
from simulate.diagnoses import CONTRADICTIONS, check, contradiction, spread_diagnoses
from simulate.dipole import DOWER, EIGHT, Wave, add_wave
from simulate.patient import draw_patient
from simulate.rhythm import draw_beats
from simulate.shapes import QRS, normal_beat, ventricular_beat

ROW = {lead: row for row, lead in enumerate(STANDARD)}
PAIRS = [
    pair
    for pair in itertools.combinations_with_replacement(DIAGNOSES, 2)
    if not contradiction(pair)
]
WIDE = {"LBBB", "RBBB", "PR"}


class Measured(NamedTuple):
    """Measurements of a cardiologist in the beats of the basic rhythm."""

    rate: float  # a minute
    swing: float  # s, of RR
    pq: float  # s, nan without P
    qrs: float  # s
    qtc: tuple[float, float]  # s, Bazett and Fridericia
    axis: float  # degrees
    net: np.ndarray  # (12,) mV, mean of QRS
    limb: float  # mV, largest QRS of the limb leads, peak to peak
    r_in_v3: float  # mV
    t: np.ndarray  # (12,) mV, at the top of T


def usual_beats(record: Simulated) -> list[int]:
    """Beats of the basic rhythm whose QRS and T lie completely in the record."""
    samples = record.signal.shape[1]
    return [
        beat
        for beat, (symbol, waves) in enumerate(zip(record.symbols, record.waves, strict=True))
        if symbol not in "AV" and waves[1:].min() > 0 and waves[2, 1] < samples
    ]


def measure(record: Simulated) -> Measured:
    beats, waves = usual_beats(record), record.waves / record.fs
    rr = np.diff(record.r_peaks) / record.fs
    starts = np.where(record.waves[:, 0, 0] >= 0, waves[:, 0, 0], np.nan)
    complexes = [record.signal[:, slice(*record.waves[beat, 1])] for beat in beats]
    net = np.mean([part.mean(1) for part in complexes], axis=0)
    tops = [int(np.mean(record.waves[beat, 2]) + 0.02 * record.fs) for beat in beats]
    qt = np.median(waves[beats, 2, 1] - waves[beats, 1, 0])
    return Measured(
        rate=60 / rr.mean(),
        swing=np.ptp(rr),
        pq=float(np.median(waves[beats, 1, 0] - starts[beats])),
        qrs=float(np.median(waves[beats, 1, 1] - waves[beats, 1, 0])),
        qtc=(qt / rr.mean() ** (1 / 2), qt / rr.mean() ** (1 / 3)),
        axis=float(np.degrees(np.arctan2(2 / np.sqrt(3) * net[ROW["aVF"]], net[ROW["I"]]))),
        net=net,
        limb=max(np.ptp(part[:6], axis=1).max() for part in complexes),
        r_in_v3=max(part[ROW["V3"]].max() for part in complexes),
        t=record.signal[:, tops].mean(1),
    )


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_records_have_exactly_the_given_diagnoses_alone_and_in_pairs(pair):
    for seed in (0, 1):
        diagnoses = set(check(pair))
        record = simulate(pair, seed=seed, duration_s=20, noise=CLEAN)
        measured = measure(record)
        if "NSR" in diagnoses:
            assert 60 <= measured.rate <= 100
        assert (measured.rate < 60) == ("SB" in diagnoses)
        if "STach" in diagnoses:
            assert measured.rate > 100
        if not diagnoses & {"AF", "PAC", "PVC"}:
            assert (measured.swing > 0.12) == ("SA" in diagnoses)
        assert np.isnan(measured.pq) if diagnoses & {"AF", "AFL"} else True
        if not np.isnan(measured.pq):
            assert (measured.pq > 0.2) == ("IAVB" in diagnoses)
        assert (measured.qrs >= 0.12) == bool(diagnoses & WIDE)
        if not diagnoses & {*WIDE, "IRBBB"}:
            assert measured.qrs < 0.105
        assert min(measured.qtc) > 0.48 if "LQT" in diagnoses else max(measured.qtc) < 0.46
        assert (measured.axis < -30) == ("LAD" in diagnoses)
        assert (measured.axis > 90) == ("RAD" in diagnoses)
        assert (measured.net[ROW["II"]] < 0) == ("LAD" in diagnoses)
        assert (measured.limb < 0.5) == ("LQRSV" in diagnoses)
        if not diagnoses & {"LBBB", "PR"}:
            assert (measured.r_in_v3 <= 0.3) == ("PRWP" in diagnoses)
        if not diagnoses & {*WIDE, "AFL"}:
            signs = np.sign(measured.t[[ROW[lead] for lead in ("I", "II", "V3", "V4", "V5", "V6")]])
            assert (signs == (-1 if "TInv" in diagnoses else 1)).all()


@pytest.mark.parametrize("name", DIAGNOSES)
@pytest.mark.parametrize("duration_s", [0.5, 2.5, 10.0])
def test_every_diagnosis_has_a_beat_at_any_duration(name, duration_s):
    for seed in range(5):
        record = simulate([name], seed=seed, duration_s=duration_s, fs=100)
        assert record.signal.shape == (12, round(100 * duration_s))
        assert record.signal.dtype == np.float32
        assert np.isfinite(record.signal).all()
        assert len(record.r_peaks) >= 1
        assert codes_by_name()[name] in record.codes
        for symbol, ectopic in (("A", "PAC"), ("V", "PVC")):
            assert (symbol in record.symbols) == (name == ectopic)


def test_v1_shows_the_shape_of_right_bundle_branch_block():
    for name, low, high in (("IRBBB", 0.1, 0.9), ("RBBB", 0.3, 2.0)):
        record = simulate([name], seed=4, noise=CLEAN)
        onset, offset = record.waves[usual_beats(record)[0], 1]
        v1 = record.signal[ROW["V1"], onset:offset]
        bottom = int(np.argmin(v1))
        assert v1[bottom] < -0.1
        assert v1[:bottom].max() > 0.1
        assert low < v1[bottom:].max() < high
        assert record.signal[ROW["V6"], onset:offset].min() < -0.1  # S


def test_v6_shows_the_shape_of_left_bundle_branch_block():
    record = simulate(["LBBB"], seed=4, noise=CLEAN)
    onset, offset = record.waves[usual_beats(record)[0], 1]
    v6, v1 = record.signal[[ROW["V6"], ROW["V1"]], onset:offset]
    tops = np.flatnonzero((v6[1:-1] > v6[:-2]) & (v6[1:-1] > v6[2:]))
    assert v6.min() > -0.05  # neither q nor S
    assert len(tops) == 2  # notched
    assert v1.min() < -0.5
    assert v1.max() < 0.1
    assert measure(record).t[ROW["V6"]] < 0 < measure(record).t[ROW["V1"]]


def test_fibrillation_is_irregular_has_no_p_and_has_continuous_waves():
    record = simulate(["AF"], seed=2, duration_s=60, noise=CLEAN)
    rr = np.diff(record.r_peaks) / record.fs
    assert rr.std() / rr.mean() > 0.12
    assert 1 not in record.mask
    quiet = record.signal[ROW["V1"], record.mask == 0]
    assert 0.015 < quiet.std() < 0.15
    sinus = simulate(["NSR"], seed=2, duration_s=60, noise=CLEAN)
    assert sinus.signal[ROW["V1"], sinus.mask == 0].std() < 0.015


def test_flutter_is_regular_and_its_waves_have_about_300_per_minute():
    record = simulate(["AFL"], seed=2, duration_s=60, noise=CLEAN)
    rr = np.diff(record.r_peaks)
    assert np.ptp(rr) <= 1
    assert 1 not in record.mask
    spectrum = np.abs(np.fft.rfft(record.signal[ROW["III"]] - record.signal[ROW["III"]].mean()))
    frequencies = np.fft.rfftfreq(record.signal.shape[1], 1 / record.fs)
    band = (frequencies > 4) & (frequencies < 6)
    peak = frequencies[band][np.argmax(spectrum[band])]
    assert 260 <= 60 * peak <= 330
    block = peak * rr.mean() / record.fs
    assert block == pytest.approx(round(block), abs=0.02)


def test_premature_beats_are_early_and_their_pauses_right():
    for name in ("PAC", "PVC"):
        for seed in range(8):
            record = simulate([name], seed=seed, duration_s=30, noise=CLEAN)
            times = record.r_peaks / record.fs
            rr = np.diff(times)
            usual = np.median(rr)
            for beat in [k for k, s in enumerate(record.symbols) if s in "AV"][1:-1]:
                assert rr[beat - 1] < 0.92 * usual
                if name == "PVC":
                    assert rr[beat - 1] + rr[beat] == pytest.approx(2 * usual, rel=0.08)
                    assert record.waves[beat, 0, 0] == -1  # no P
                    assert np.diff(record.waves[beat, 1])[0] >= 0.12 * record.fs
                else:
                    assert rr[beat - 1] + rr[beat] < 1.97 * usual
                    height = {
                        k: record.signal[ROW["II"], slice(*record.waves[k, 0])].sum()
                        for k in (beat, beat - 2)
                    }
                    assert height[beat - 2] > 0 > height[beat]


def test_a_pacemakers_spike_precedes_each_wide_complex():
    for fs in (100, 250, 500, 1000):
        record = simulate(["PR"], seed=1, fs=fs, noise=CLEAN)
        for beat in usual_beats(record):
            onset = record.waves[beat, 1, 0]
            before = np.abs(record.signal[ROW["II"], onset - round(0.07 * fs) : onset])
            assert before.max() > 0.3
            assert before[0] < 0.15


@pytest.mark.parametrize("name", sorted(set(DIAGNOSES) - {"AF", "AFL"}))
def test_r_peaks_are_where_the_hearts_vector_is_longest(name):
    """Atrial waves of AF and AFL overlap the QRS complex and would be measured with it."""
    record = simulate([name], seed=3, leads=EIGHT, noise=CLEAN)
    frank = np.linalg.pinv(DOWER) @ record.signal  # (3, samples), by least squares
    length = np.linalg.norm(frank, axis=0)
    for beat in usual_beats(record):
        onset, offset = record.waves[beat, 1]
        assert abs(onset + int(np.argmax(length[onset:offset])) - record.r_peaks[beat]) <= 1


def test_limb_leads_agree_to_rounding_with_noise_too():
    for record in simulate_records(20, seed=5):
        one, two = record.signal[:2].astype(float)
        for lead, (of_one, of_two) in LIMB.items():
            wanted = of_one * one + of_two * two
            assert np.abs(record.signal[ROW[lead]] - wanted).max() < 1e-6


def test_the_mask_shows_the_waves():
    crowded = (simulate(["STach", "PAC"], seed=seed, fs=250) for seed in range(20))
    for record in itertools.chain(simulate_records(38, seed=1, fs=250), crowded):
        rebuilt = np.zeros_like(record.mask)
        for beat in record.waves:
            for value, (onset, offset) in enumerate(beat, 1):
                if onset >= 0:
                    assert 0 <= onset < offset <= len(rebuilt)
                    assert not rebuilt[onset:offset].any()  # waves do not overlap
                    rebuilt[onset:offset] = value
        inside = slice(*record.waves[record.waves >= 0][[0, -1]]) if len(record.waves) else slice(0)
        shown = rebuilt > 0
        assert (record.mask[shown] == rebuilt[shown]).all()
        assert (record.mask[inside] == rebuilt[inside]).mean() > 0.98
        assert record.waves.shape == (len(record.r_peaks), 3, 2)
        assert len(record.symbols) == len(record.r_peaks)


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_patient():
    first, again = (list(simulate_records(8, seed=9)) for _ in range(2))
    for one, two in zip(first, again, strict=True):
        assert one.signal.tobytes() == two.signal.tobytes()
        assert (one.name, one.codes, one.age, one.sex) == (two.name, two.codes, two.age, two.sex)
    longer = list(simulate_records(12, seed=9))
    assert longer[7].signal.tobytes() == first[7].signal.tobytes()
    assert longer[0].signal.tobytes() != next(simulate_records(1, seed=10)).signal.tobytes()
    alone = simulate(["AF"], seed=4).signal
    assert alone.tobytes() == simulate(["AF"], seed=(4, 0)).signal.tobytes()
    assert alone.tobytes() != simulate(["AF"], seed=5).signal.tobytes()


@pytest.mark.parametrize("name", DIAGNOSES)
def test_the_sampling_frequency_moves_no_beat(name):
    slow, fast = (simulate([name], seed=6, fs=fs, noise=CLEAN) for fs in (125, 1000))
    assert slow.symbols == fast.symbols
    assert np.abs(slow.r_peaks / 125 - fast.r_peaks / 1000).max() <= 1 / 125
    assert np.abs(slow.waves / 125 - fast.waves / 1000).max() <= 1 / 125
    if name != "PR":  # a spike is drawn wider at low fs
        np.testing.assert_allclose(slow.signal, fast.signal[:, ::8], atol=1e-3)


def test_leads_are_those_requested():
    whole = simulate(["LAD"], seed=2)
    subset = simulate(["LAD"], seed=2, leads=("v2", "AVF", "I"))
    assert subset.leads == ("V2", "aVF", "I")
    assert (subset.signal == whole.signal[[ROW["V2"], ROW["aVF"], ROW["I"]]]).all()


def test_noise_has_the_requested_amplitudes():
    clean = simulate(seed=1, noise=CLEAN).signal
    muscle = simulate(seed=1, noise=Noise(0, 0, muscle_mv=0.05)).signal - clean
    assert muscle[[0, 1, 6]].std() == pytest.approx(0.05, rel=0.05)
    mains = simulate(seed=1, noise=Noise(0, 0.1, 60.0, 0)).signal - clean
    frequencies = np.fft.rfftfreq(mains.shape[1], 1 / 500)
    assert frequencies[np.argmax(np.abs(np.fft.rfft(mains[1])))] == pytest.approx(60)
    assert 0.04 < np.abs(mains[1]).max() <= 0.1
    wander = simulate(seed=1, noise=Noise(0.1, 0, muscle_mv=0)).signal - clean
    assert 0.02 < np.abs(wander).max() < 0.6
    assert np.abs(np.diff(wander)).max() < 0.005
    spoiled = simulate(seed=1, noise=Noise(flat=("avl",), noisy=("V1",))).signal
    assert not spoiled[ROW["aVL"]].any()
    assert spoiled[ROW["V1"]].std() > clean[ROW["V1"]].std() + 0.05
    slow = {"seed": 1, "fs": 100}  # too slow for 60 Hz
    hummed = simulate(noise=Noise(0, 0.1, 60, 0), **slow).signal
    assert (hummed == simulate(noise=CLEAN, **slow).signal).all()


@pytest.mark.parametrize("diagnoses", [("AF", "PVC"), ("STach", "PAC", "PVC"), ("SB", "PAC")])
def test_an_hour_has_beats_up_to_its_ends(diagnoses):
    for seed in range(40):
        generator = np.random.default_rng(seed)
        beats = draw_beats(draw_patient(diagnoses, generator), 3600, generator)
        assert beats.times[0] < 0
        assert beats.times[-1] > 3600
        assert 0.25 < np.diff(beats.times).min()
        assert np.diff(beats.times).max() < 2.5
        assert 0.1 < (beats.kinds != "normal").mean() < 0.45


def test_an_hour_can_be_simulated():
    record = simulate(["AF", "PVC"], duration_s=3600, fs=100, leads=("II",))
    assert record.signal.shape == (1, 360_000)
    assert record.signal[0, -1000:].std() > 0.03


def test_drawn_sets_include_every_diagnosis_without_contradictions():
    sets = spread_diagnoses(300, 0)
    counts = {name: sum(name in drawn_set for drawn_set in sets) for name in DIAGNOSES}
    assert min(counts.values()) >= 300 // len(DIAGNOSES)
    assert all(check(drawn_set) == drawn_set for drawn_set in sets)
    assert {name for drawn_set in sets[: len(DIAGNOSES)] for name in drawn_set} == set(DIAGNOSES)
    drawn = {draw_diagnoses(np.random.default_rng(seed)) for seed in range(400)}
    assert {name for drawn_set in drawn for name in drawn_set} == set(DIAGNOSES)
    assert any(len(drawn_set) > 2 for drawn_set in drawn)


def test_patients_differ():
    records = list(simulate_records(40, duration_s=0.5, fs=100))
    assert len({record.age for record in records}) > 20
    assert {record.sex for record in records} == {"Female", "Male"}
    patients = [draw_patient(("NSR",), np.random.default_rng(seed)) for seed in range(200)]
    for name in ("rr_s", "axis_deg", "voltage_mv", "pq_s", "qrs_s", "qt_s", "t_mv", "p_mv"):
        values = np.array([getattr(patient, name) for patient in patients])
        assert values.std() > 0.02 * np.abs(values.mean())


def test_unknown_and_contradictory_diagnoses_are_errors():
    with pytest.raises(LeadwiseError, match="LAFB: no such simulated .* known are NSR, SB, STach"):
        simulate(["LAFB"])
    with pytest.raises(
        LeadwiseError, match="SA and AF exclude each other: breathing affects the s"
    ):
        simulate(["AF", "SA"])
    with pytest.raises(LeadwiseError, match="SB and STach exclude .* one rhythm at a time. Leave"):
        simulate(["STach", "SB"])
    for firsts, seconds, _ in CONTRADICTIONS:
        assert set(firsts) | set(seconds) <= set(DIAGNOSES)
        with pytest.raises(LeadwiseError, match="exclude each other"):
            simulate([firsts[0], seconds[-1]])
    assert simulate("LAD", noise=CLEAN).codes == simulate(["NSR", "LAD"]).codes


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fs": 50}, "fs is 50 Hz; it can be 100 to 1000 Hz"),
        ({"duration_s": 0.2}, "duration_s is 0.2 s; it can be 0.5 to 3600 s"),
        ({"duration_s": float("nan")}, "duration_s is nan s"),
        ({"leads": ("I", "V7")}, "V7: cannot be simulated; known are I, II"),
        ({"leads": ()}, "no lead: cannot be simulated"),
        ({"diagnoses": ["PAC", "PVC"], "duration_s": 1}, "PAC and PVC do not both fit into 1 s"),
    ],
)
def test_other_bad_requests_are_errors(options, text):
    with pytest.raises(LeadwiseError, match=text):
        simulate(**options)


def test_two_kinds_of_ectopic_beats_fit_into_ten_seconds():
    for seed in range(60):
        for rhythm in ("SB", "NSR", "STach", "SA"):
            record = simulate([rhythm, "PAC", "PVC"], seed=seed, fs=100, leads=("II",))
            assert {"A", "V"} <= set(record.symbols)


def test_a_wave_is_added_at_its_position_and_cut_at_the_ends():
    rise, fall = np.array([0.02]), np.array([0.04])
    wave = Wave(-0.04, 0.08, np.array([0.0]), rise, fall, np.array([[1.0, 2.0, 0.0]]))
    beats, fs = np.array([-5.0, 0.01, 0.5, 0.99, 7.0]), 250.0
    heart = np.zeros((250, 3))
    add_wave(heart, wave, beats, fs)
    times = np.arange(250) / fs
    since = times[:, None] - beats
    plain = np.exp(-0.5 * (since / np.where(since < 0, 0.02, 0.04)) ** 2).sum(1)
    np.testing.assert_allclose(heart, plain[:, None] * [1.0, 2.0, 0.0], atol=2e-4)


@pytest.mark.parametrize("shape", sorted(QRS))
def test_qrs_tables_fill_the_duration(shape):
    """The outermost Gaussians reach onset and offset, so that the width is the drawn one."""
    diagnoses = ("NSR", shape) if shape in ("LBBB", "RBBB", "IRBBB") else ("NSR",)
    diagnoses = ("PR",) if shape == "PR" else diagnoses
    patient = draw_patient(diagnoses, np.random.default_rng(0))
    beat = ventricular_beat(patient) if shape == "PVC" else normal_beat(patient)
    width = patient.pvc_qrs_s if shape == "PVC" else patient.qrs_s
    assert beat.qrs.offset - beat.qrs.onset == pytest.approx(width, rel=0.03)


def test_written_records_are_read_back_and_marked_as_simulated(tmp_path):
    names = write_records(tmp_path / "new", 3, seed=2, fs=250, leads=LEAD_SETS[6])
    assert names == ["SIM00001", "SIM00002", "SIM00003"]
    records, problems = find_records(tmp_path / "new")
    assert not problems
    for record, truth in zip(
        records, simulate_records(3, seed=2, fs=250, leads=LEAD_SETS[6]), strict=True
    ):
        assert (record.name, record.leads) == (truth.name, truth.leads)
        assert record.header.codes == truth.codes
        assert record.header.age == truth.age
        assert record.header.sex.casefold() == truth.sex.casefold()
        np.testing.assert_allclose(record.signal, truth.signal, atol=6e-4)
        header = (tmp_path / "new" / f"{record.name}.hea").read_text(encoding="utf-8")
        assert "simulated" in header


def test_annotations_are_written_on_request_and_read_with_the_record(tmp_path):
    options = {"seed": 2, "fs": 250, "leads": ("II",)}
    write_records(tmp_path / "plain", 3, **options)
    write_records(tmp_path / "marked", 3, annotations=True, **options)
    for plain in (tmp_path / "plain").iterdir():
        assert plain.read_bytes() == (tmp_path / "marked" / plain.name).read_bytes()
    endings = sorted(path.suffix for path in (tmp_path / "marked").iterdir())
    assert endings == sorted([".all", ".atr", ".hea", ".mat"] * 3)
    records, _ = find_records(tmp_path / "marked")
    for record, truth in zip(records, simulate_records(3, **options), strict=True):
        assert record.annotations() == truth.annotations()
        np.testing.assert_array_equal(wave_mask(record.annotations(), record.samples), truth.mask)
    assert find_records(tmp_path / "plain")[0][0].annotations() is None


@pytest.mark.parametrize(("name", "label"), [("AF", "AFIB"), ("AFL", "AFL"), ("LAD", "N")])
def test_annotations_hold_beats_waves_and_rhythm(name, label):
    record = simulate([name], seed=3)
    marks = record.annotations()
    assert marks.fs == record.fs
    assert marks.rhythms == Rhythms([0], [5000], [label])
    assert marks.annotated == Spans([0], [5000], [""])
    of_qrs = marks.waves.take(marks.waves.kinds == "N")
    assert set(record.r_peaks) <= set(of_qrs.peaks)
    known = marks.waves.peaks[marks.waves.peaks >= 0]
    assert len(known) > 0.9 * len(marks.waves)
    assert (np.diff(np.sort(marks.waves.onsets)) > 0).all()
    present = marks.waves.take(marks.waves.peaks >= 0)
    assert (present.onsets <= present.peaks).all()
    assert (present.peaks < present.offsets).all()
    assert len(set(beat_mask(marks, 5000).tolist()) - {255}) == 1


def test_the_command_writes_records_and_reports_that_they_are_simulated(tmp_path):
    command = [sys.executable, "-m", "simulate", str(tmp_path / "out"), "--records", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "2 SIMULATED records, SIM00001 to SIM00002" in done.stderr
    assert done.stdout == ""
    assert len(list((tmp_path / "out").glob("*.mat"))) == 2
    wrong = subprocess.run([*command, "--fs", "9"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("Error: fs is 9 Hz")
    assert "Traceback" not in wrong.stderr
