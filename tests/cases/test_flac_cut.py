"""Signal files that are cut off, packed beyond measure or of unknown formats are named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb
from scipy.io import loadmat

from tests.cases.conftest import CASES, FAILED

ECG = loadmat(CASES / "mat-variable" / "data" / "ok.mat")["val"].T.astype(int)  # (1500, 12)
LEADS = ["I", "II", "V2"]


def write(folder: Path, name: str, fmt: str, digital: np.ndarray = ECG[:, [0, 1, 7]]) -> Path:
    wfdb.wrsamp(name, 250, ["mV"] * 3, LEADS, d_signal=digital, fmt=[fmt] * 3,
                adc_gain=[1000] * 3, baseline=[0] * 3, write_dir=str(folder))  # fmt: skip
    header = folder / f"{name}.hea"
    header.write_text(header.read_text() + "# Dx: 164889003\n")
    return header


def cut(folder: Path, name: str, fmt: str) -> None:
    write(folder, name, fmt)
    whole = (folder / f"{name}.dat").read_bytes()
    (folder / f"{name}.dat").write_bytes(whole[: len(whole) // 2])


def flac_of_zeros(folder: Path, name: str) -> None:
    header = write(folder, name, "516")
    import soundfile

    with soundfile.SoundFile(
        folder / f"{name}.dat", "w", 96000, 3, "PCM_16", format="FLAC"
    ) as file:
        for _ in range(40):
            file.write(np.zeros((1_000_000, 3), np.int16))
    header.write_text(header.read_text().replace("3 250 1500", "3 250 40000000"))


def second_format(folder: Path, name: str, fmt: str) -> None:
    header = write(folder, name, "16")
    rows = header.read_text().splitlines()
    rows[2] = rows[2].replace(".dat 16 ", f".dat {fmt} ")
    header.write_text("\n".join(rows) + "\n")


def test_bad_ones_are_named_and_the_others_used(
    case: Callable[[str], Path], answer: Callable, learn: Callable
) -> None:
    data = case("flac-cut") / "data"
    for fmt in ("16", "212", "24", "516"):
        write(data, f"good{fmt}", fmt)
        cut(data, f"cut{fmt}", fmt)
    flac_of_zeros(data, "zeros")
    second_format(data, "fmt56", "56")
    second_format(data, "fmt24", "24")
    reasons = {
        "cut": "wfdb cannot read the signal",
        "cut16": "cut16.dat is cut off: it holds 750 of 1500 samples; fetch the file again",
        "cut212": "cut212.dat is cut off: it holds 750 of 1500 samples",
        "cut24": "cut24.dat is cut off: it holds 750 of 1500 samples",
        "cut516": "wfdb cannot read the signal",
        "zeros": "zeros.dat states 40,000,000 samples in",
        "fmt56": "signal format 56 is not one of WFDB's",
        "fmt24": "the header states the formats 16 and 24 for one file, fmt24.dat",
    }
    good = [f"good{fmt}" for fmt in ("16", "212", "24", "516")] + ["ok", "ok2"]
    status, rows, err = answer(data)
    learned = learn(data)
    assert status == 1
    for name, reason in reasons.items():
        assert rows[name] == FAILED
        assert err.count(f"{name} failed: ") == 1
        assert f"{name} failed: {reason}" in err
        assert f"{name}: {reason}" in learned.left_out
    assert sorted(set(rows) - set(reasons)) == sorted(good) == sorted(learned.names)
    assert rows["good16"] == rows["good212"] == rows["good24"] == rows["good516"] != FAILED


@pytest.mark.parametrize("fmt", ["16", "212", "80", "24", "32", "516"])
def test_checksums_of_each_format(fmt: str, tmp_path: Path, learn: Callable) -> None:
    small = np.clip(ECG[:, [0, 1, 7]] // 8, -120, 120)
    small[5, 1] = {"80": -128, "212": -2048}.get(fmt, -100)
    write(tmp_path, "good", fmt, small)
    header = write(tmp_path, "bad", fmt, small)
    sums = [line.split()[6] for line in header.read_text().splitlines()[1:3]]
    assert all(int(each) >= 0 for each in sums)  # wfdb-python's, unlike WFDB's, have no sign
    header.write_text(header.read_text().replace(f" {sums[0]} ", f" {int(sums[0]) + 1} "))
    learned = learn(tmp_path)
    assert learned.names == ["good"]
    assert learned.left_out == (
        "bad: signal and header disagree in first value or checksum of I; fetch it again"
    )
