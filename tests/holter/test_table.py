"""The table of beats: windows of the published size, the same for any length of the parts."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg import LeadwiseError
from ecg.headers import parse_header
from ecg.records import Record, read_record, write_record
from holter.parts import read_parts
from holter.table import read_table, usable_leads
from simulate import simulate


def in_memory(signal: np.ndarray, fs: float, leads: tuple[str, ...] = ("II", "V1")) -> Record:
    """Make a record of a signal in mV, at 1 µV."""
    lines = [f"R {len(leads)} {fs:g} {signal.shape[1]}"]
    lines += [f"R.mat 16 1000/mV 16 0 0 0 0 {lead}" for lead in leads]
    digital = np.where(np.isfinite(signal), np.rint(np.nan_to_num(signal) * 1000), -32768)
    return Record(parse_header("\n".join(lines), "R"), recording=digital.astype(np.int16))


def simulated(fs: float, seconds: float = 60, seed: int = 3) -> Record:
    one = simulate(["PVC"], seed=seed, duration_s=seconds, fs=fs, leads=("II", "V1"))
    return in_memory(one.signal, fs)


def test_a_window_has_150_samples_before_the_peak_and_the_edge_value_beyond_the_ends() -> None:
    """The sheet's example: r = 60 of 1,000 samples needs 90 samples at the left, ends at 209."""
    ramp = np.stack([np.arange(1000) / 1000, -np.arange(1000) / 1000])
    table = read_table(in_memory(ramp, 250), peaks=np.array([60, 500, 999]))
    first = np.clip(np.arange(60 - 150, 210), 0, 999) / 1000
    last = np.clip(np.arange(999 - 150, 999 + 150), 0, 999) / 1000
    assert table.windows.shape == (3, 2, 300)
    for window, expected in ((table.windows[0], first), (table.windows[2], last)):
        centred = expected - np.median(expected)
        np.testing.assert_allclose(window[0], centred, atol=2e-4)
        np.testing.assert_allclose(window[1], -centred, atol=2e-4)
    assert table.windows[0, 0, 90] == table.windows[0, 0, 0] < table.windows[0, 0, 91]


@pytest.mark.parametrize("fs", [250, 360, 128, 257])
@pytest.mark.parametrize("part_s", [1, 7.3, 31])
def test_the_table_does_not_depend_on_the_parts(fs: float, part_s: float) -> None:
    record = simulated(fs)
    whole, parts = read_table(record), read_table(record, part_s=part_s)
    assert len(whole) > 40
    for name in ("peaks", "windows", "usable"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_beats_are_kept_in_the_memory_of_the_table() -> None:
    """More than one batch of beats, so that later ones replace earlier ones."""
    table = read_table(simulated(250, seconds=300), peaks=np.arange(300, 75000 - 300, 90))
    chosen = np.random.default_rng(0).random(len(table)) < 0.6
    expected = table.take(chosen)
    kept = table.keep(chosen)
    assert np.shares_memory(kept.windows, table.windows)
    for name in ("peaks", "windows", "usable"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(expected, name))


@pytest.mark.parametrize("fs", [100, 360, 500, 1000])
def test_windows_are_the_same_at_any_rate(fs: float) -> None:
    """A sum of slow waves has the same windows at 250 Hz from any rate."""

    def waves(at: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * 3 * at) + 0.5 * np.cos(2 * np.pi * 11 * at)

    signal = np.stack([waves(np.arange(20 * fs) / fs)] * 2)
    peaks = np.arange(5, 15) * int(fs)
    table = read_table(in_memory(signal, fs), peaks=peaks)
    for window, peak in zip(table.windows, peaks, strict=True):
        expected = waves(peak / fs + np.arange(-150, 150) / 250)
        np.testing.assert_allclose(window[0], expected - np.median(expected), atol=6e-3)


def test_a_lead_without_signal_is_unusable_and_the_others_count() -> None:
    signal = simulate(["NSR"], duration_s=40, fs=250, leads=("II", "V1")).signal.copy()
    signal[1, : 20 * 250] = 0.3
    signal[1, 30 * 250 :] = np.nan
    table = read_table(in_memory(signal, 250))
    seconds = table.peaks / 250
    assert table.usable[:, 0].all()
    assert not table.usable[(seconds < 19) | (seconds > 31), 1].any()
    assert table.usable[(seconds > 21) & (seconds < 29), 1].all()
    assert np.isfinite(table.windows).all()


def test_saturation_is_found_and_a_short_plateau_is_not() -> None:
    beat = np.zeros((1, 1, 300))
    beat[..., 148:153] = 2.0  # 20 ms
    beat[..., 200:240] = 0.3  # a quantised T wave
    assert usable_leads(beat + 0.001 * np.sin(np.arange(300)), 250).all()
    beat[..., 148:165] = 2.0
    assert not usable_leads(beat, 250).any()


def test_leads_are_chosen_by_name(tmp_path: Path) -> None:
    one = simulate(["NSR"], fs=250, leads=("I", "II", "V1"))
    write_record(tmp_path, "R1", one.signal, ("I", "II", "V1"), 250)
    record = read_record(tmp_path / "R1.hea")
    table = read_table(record, ["v1", "V9"])
    assert table.leads == ("V1",)
    all_leads = read_table(record, peaks=table.peaks)
    np.testing.assert_array_equal(table.windows[:, 0], all_leads.windows[:, 2])
    with pytest.raises(LeadwiseError, match="R1: has the leads I, II, V1, none of V5; name others"):
        read_table(record, ["V5"])


def test_a_record_of_noise_or_without_beats_gives_an_empty_table() -> None:
    table = read_table(in_memory(np.zeros((2, 5000)), 250))
    assert (len(table), table.windows.shape, table.usable.shape) == (0, (0, 2, 300), (0, 2))


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    signal = simulate(["NSR"], fs=250, duration_s=30, leads=("II",)).signal
    wfdb.wrsamp(
        "R1", 250, ["mV"], ["II"], p_signal=signal.T.astype(float), fmt=["16"],
        write_dir=str(tmp_path),
    )  # fmt: skip
    path = tmp_path / "R1.dat"
    path.write_bytes(path.read_bytes()[:7000])
    with pytest.raises(LeadwiseError, match="R1: R1.dat is cut off: it holds 3500 of 7500"):
        read_table(read_record(tmp_path / "R1.hea"))


def test_parts_cover_a_window_of_a_record() -> None:
    record = simulated(250, 20).window(2, 17)
    parts = list(read_parts(record, [1], 1000, 30))
    assert [(part.begin, part.end, part.first) for part in parts] == [
        (0, 1000, 0), (1000, 2000, 970), (2000, 3000, 1970), (3000, 3750, 2970)
    ]  # fmt: skip
    joined = np.concatenate(
        [part.signal[:, part.begin - part.first :][:, : part.end - part.begin] for part in parts], 1
    )
    np.testing.assert_array_equal(joined, record.signal[[1]])
