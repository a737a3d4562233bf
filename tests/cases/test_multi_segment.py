"""Multi-segment records are read, in fixed and variable layout, or it is said what they are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import wfdb
from scipy.io import loadmat

from ecg.leads import STANDARD
from ecg.records import read_record
from tests.cases.conftest import CASES, FAILED

ECG = loadmat(CASES / "mat-variable" / "data" / "ok.mat")["val"].T  # (1500, 12)


def segment(folder: Path, name: str, samples: np.ndarray, leads: tuple[str, ...]) -> None:
    wfdb.wrsamp(name, 250, ["mV"] * len(leads), list(leads), d_signal=samples.astype(int),
                fmt=["16"] * len(leads), adc_gain=[1000] * len(leads), baseline=[0] * len(leads),
                write_dir=str(folder))  # fmt: skip


def test_without_segments_it_is_said(case: Callable[[str], Path], answer: Callable) -> None:
    status, rows, err = answer(case("multi-segment") / "data")
    assert (status, rows) == (1, {"u": FAILED, "v": FAILED})
    for name in ("u", "v"):
        text = f"a multi-segment record without the header of its segment {name}_1, {name}_2"
        assert f"{name} failed: {text}" in err


def test_fixed_layout_variable_layout_and_a_gap(
    tmp_path: Path, answer: Callable, learn: Callable
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    dx = "# Dx: 426783006\n"
    segment(data, "f_1", ECG[:1000], STANDARD)
    segment(data, "f_2", ECG[1000:], STANDARD)
    (data / "f.hea").write_text("f/2 12 250 1500\nf_1 1000\nf_2 500\n" + dx)
    layout = "".join(f"~ 0 1000/mV 16 0 0 0 0 {lead}\n" for lead in STANDARD)
    (data / "v_0.hea").write_text("v_0 12 250 0\n" + layout)
    (data / "v.hea").write_text("v/4 12 250 1800\nv_0 0\nf_1 1000\n~ 300\nf_2 500\n" + dx)
    segment(data, "two_1", ECG[:, :2], ("I", "II"))
    (data / "two.hea").write_text("two/1 2 250 1500\ntwo_1 1500\n" + dx)
    np.testing.assert_allclose(read_record(data / "f.hea").signal, ECG.T / 1000, atol=1e-6)
    variable = read_record(data / "v.hea").signal
    np.testing.assert_allclose(variable[:, 1300:], ECG[1000:].T / 1000, atol=1e-6)
    assert np.isnan(variable[:, 1000:1300]).all()
    assert (read_record(data / "f.hea").samples, read_record(data / "v.hea").samples) == (
        1500,
        1800,
    )
    status, rows, _ = answer(data)
    assert status == 0
    assert sorted(rows) == ["f", "two", "v"]
    assert FAILED not in rows.values()
    assert learn(data).names == ["f", "two", "v"]


def test_an_absurd_gap_is_refused(tmp_path: Path, answer: Callable) -> None:
    segment(tmp_path, "g_1", ECG, STANDARD)
    (tmp_path / "g.hea").write_text("g/2 12 250 1500\ng_1 1500\n~ 900000000\n")
    status, rows, err = answer(tmp_path)
    assert (status, rows["g"]) == (1, FAILED)
    assert "g failed: the header states 900,001,500 samples of 12 leads, which no ECG has" in err
