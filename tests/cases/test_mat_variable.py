"""A `.mat` whose one matrix has another name is read by training and running alike."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.io import loadmat, savemat

from ecg.matlab import read_mat
from ecg.records import read_record
from tests.cases.conftest import FAILED


def test_learned_from_and_answered(
    case: Callable[[str], Path], answer: Callable, learn: Callable
) -> None:
    data = case("mat-variable") / "data"
    matrix = loadmat(data / "ok.mat")["val"]
    neighbours = {
        "v4": ({"ecg": matrix}, {"format": "4"}),
        "packed": ({"signal": matrix}, {"do_compression": True}),
        "both": ({"other": matrix[:1], "val": matrix}, {}),
        "double": ({"data": matrix.astype(float)}, {}),
        "wide": ({"data": matrix.astype(np.int32)}, {"format": "4"}),
    }
    for name, (variables, options) in neighbours.items():
        savemat(data / f"{name}.mat", variables, **options)
        (data / f"{name}.hea").write_text((data / "ok.hea").read_text().replace("ok", name))
    two = {"a": matrix, "b": matrix}
    savemat(data / "two.mat", two)
    (data / "two.hea").write_text((data / "ok.hea").read_text().replace("ok", "two"))
    right = sorted(["named", "ok", *neighbours])
    status, rows, err = answer(data)
    assert (status, rows["two"]) == (1, FAILED)
    assert "two failed: the .mat holds no variable 'val', but a, b" in err
    assert all(rows[name] == rows["ok"] != FAILED for name in neighbours)
    assert rows["named"] != FAILED
    learned = learn(data)
    assert learned.names == right
    assert learned.left_out == "two: the .mat holds no variable 'val', but a, b"


def test_big_endian_with_samples_without_value(case: Callable[[str], Path]) -> None:
    data = case("mat-variable") / "data"
    matrix = loadmat(data / "ok.mat")["val"].copy()
    matrix[1, 7] = -32768
    text = (data / "ok.hea").read_text()
    old = int(read_mat(str(data / "ok.mat"), "ok")[1].sum(dtype=np.int16))
    new = int(matrix[1].sum(dtype=np.int16))
    (data / "ok.hea").write_text(text.replace(f" {old} 0 II\n", f" {new} 0 II\n"))
    head = np.array([1030, *matrix.shape, 0, 4], ">i4").tobytes() + b"val\0"
    (data / "ok.mat").write_bytes(head + matrix.astype(">i2").tobytes("F"))
    reading = read_record(data / "ok.hea").read()
    assert reading.errors == ()
    assert np.argwhere(np.isnan(reading.signal)).tolist() == [[1, 7]]
    matrix[2, 9] += 1
    (data / "ok.mat").write_bytes(head + matrix.astype(">i2").tobytes("F"))
    assert "checksum of III" in str(read_record(data / "ok.hea").read().errors[0])
