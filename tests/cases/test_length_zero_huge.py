"""A length of 0 is not stated; an absurd one concerns its record alone."""

import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import wfdb
from scipy.io import savemat

from ecg.records import read_record
from tests.cases.conftest import FAILED


def test_zero_and_absent_are_taken_from_the_file(
    case: Callable[[str], Path], answer: Callable, learn: Callable
) -> None:
    data = case("length-zero-huge") / "data"
    digital = read_record(data / "ok.hea").digital()[:2].T.astype(int)
    for name, length in {"dat0": " 0", "dat": ""}.items():
        wfdb.wrsamp(name, 250, ["mV"] * 2, ["I", "II"], d_signal=digital, fmt=["212"] * 2,
                    adc_gain=[1000] * 2, baseline=[0] * 2, write_dir=str(data))  # fmt: skip
        header = data / f"{name}.hea"
        text = header.read_text().replace(f"{name} 2 250 1500", f"{name} 2 250{length}")
        header.write_text(text + "# Dx: 426783006\n")
        assert read_record(header).samples == 1500
    names = ["dat", "dat0", "ok", "zero"]
    status, rows, _ = answer(data)
    assert (status, sorted(rows)) == (0, names)
    assert rows["dat"] == rows["dat0"] != FAILED
    assert learn(data).names == names


def test_absurd_ones_are_named_and_the_others_used(
    case: Callable[[str], Path], answer: Callable, learn: Callable
) -> None:
    data = case("length-zero-huge") / "huge"
    text, content = (data / "r0.hea").read_text(), (data / "r0.mat").read_bytes()
    for name, length in {"day": 30_000_000, "month": 170_000_000, "most": 10**15 - 1}.items():
        (data / f"{name}.hea").write_text(
            text.replace("r0", name).replace(f"{name} 12 250 1500", f"{name} 12 250 {length}")
        )
        (data / f"{name}.mat").write_bytes(content)
    (data / "sparse.hea").write_text(text.replace("r0", "sparse"))
    with open(data / "sparse.mat", "wb") as file:
        file.write(content[:24])
        file.truncate(20 * 10**9)
    status, rows, err = answer(data)
    learned = learn(data)
    assert (status, learned.names) == (1, ["r0", "r1", "r2"])
    for name in ("day", "huge", "month", "most", "sparse"):
        assert rows[name] == FAILED
        assert f"{name} failed: " in err
        assert f"{name}: " in learned.left_out
    assert (
        "sparse failed: the header states 1,500 samples of 12 leads, too few for 20,000,000,000"
        in err
    )


def test_a_small_file_that_unpacks_to_gigabytes_is_not_unpacked(
    case: Callable[[str], Path], answer: Callable, learn: Callable
) -> None:
    data = case("length-zero-huge") / "data"
    savemat(data / "ok.mat", {"val": np.zeros((12, 5), np.int16)}, do_compression=True)
    head = (data / "ok.mat").read_bytes()[:128]
    size = 3 * 10**9
    packer = zlib.compressobj()
    body = packer.compress(struct.pack("<II", 14, size))
    body += b"".join(packer.compress(bytes(10**7)) for _ in range(30)) + packer.flush()
    (data / "ok.mat").write_bytes(head + struct.pack("<II", 15, len(body)) + body)
    start = time.monotonic()
    status, rows, err = answer(data)
    assert (status, rows["ok"]) == (1, FAILED)
    assert "ok failed: the .mat states 3,000 MB in 0.292 MB; no ECG is compressed so far" in err
    assert "ok: the .mat states 3,000 MB" in learn(data).left_out
    assert time.monotonic() - start < 20
