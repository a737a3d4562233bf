"""MATLAB files against SciPy's reader and writer; damaged ones give an error message."""

import io
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat
from scipy.sparse import csr_array

from ecg import LeadwiseError
from ecg.matlab import map_mat, read_mat, write_mat

DIGITAL = np.array([[1, -2, 300], [-32768, 32767, 0]], np.int16)
LAYOUTS = [("4", False), ("5", False), ("5", True)]  # version, compressed
SAMPLE = Path(__file__).parent.parent / "data" / "challenge-samples" / "A0689.mat"


def packed(variables: dict, version: str = "4", compressed: bool = False) -> bytes:
    file = io.BytesIO()
    savemat(file, variables, format=version, do_compression=compressed)
    return file.getvalue()


def read(content: bytes, folder: Path, key: str | None = None) -> np.ndarray:
    path = folder / "R1.mat"
    path.write_bytes(content)
    return read_mat(str(path), "R1", key)


def test_genuine_signal_as_scipy_reads_it() -> None:
    matrix_read = read_mat(str(SAMPLE), "A0689")
    assert (matrix_read.dtype, matrix_read.shape) == (np.int16, (12, 5000))
    np.testing.assert_array_equal(matrix_read, loadmat(SAMPLE)["val"])


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_type_and_version(dtype: type, layout: tuple[str, bool], tmp_path: Path) -> None:
    numbers = np.arange(6).reshape(2, 3).astype(dtype)
    matrix_read = read(packed({"val": numbers}, *layout), tmp_path)
    assert matrix_read.dtype == dtype
    np.testing.assert_array_equal(matrix_read, numbers)


def test_big_endian_version_4(tmp_path: Path) -> None:
    head = np.array([1030, 2, 3, 0, 4], ">i4").tobytes() + b"val\0"
    matrix_read = read(head + DIGITAL.astype(">i2").tobytes("F"), tmp_path)
    np.testing.assert_array_equal(matrix_read, DIGITAL)


def test_big_endian_version_5(tmp_path: Path) -> None:
    def element(kind: int, body: bytes) -> bytes:
        return struct.pack(">II", kind, len(body)) + body + bytes(-len(body) % 8)

    flags, shape = struct.pack(">II", 10, 0), struct.pack(">2i", 2, 3)
    numbers = element(3, DIGITAL.astype(">i2").tobytes("F"))
    matrix = element(6, flags) + element(5, shape) + element(1, b"val") + numbers
    matrix_read = read(b"MATLAB 5.0".ljust(124) + b"\1\0MI" + element(14, matrix), tmp_path)
    assert matrix_read.dtype == np.int16
    np.testing.assert_array_equal(matrix_read, DIGITAL)
    np.testing.assert_array_equal(loadmat(tmp_path / "R1.mat")["val"], DIGITAL)  # as SciPy sees it


@pytest.mark.parametrize("layout", LAYOUTS)
def test_val_else_the_only_variable_or_the_requested_one(
    layout: tuple[str, bool], tmp_path: Path
) -> None:
    other = np.ones((1, 4), np.int16)
    both = packed({"text": "abc", "complex": other * 1j, "other": other, "val": DIGITAL}, *layout)
    np.testing.assert_array_equal(read(both, tmp_path), DIGITAL)
    np.testing.assert_array_equal(read(both, tmp_path, "other"), other)
    np.testing.assert_array_equal(read(packed({"ecg": DIGITAL}, *layout), tmp_path), DIGITAL)
    with pytest.raises(LeadwiseError, match="^R1: the .mat holds no variable 'val', but ecg$"):
        read(packed({"ecg": DIGITAL}, *layout), tmp_path, "val")
    with pytest.raises(LeadwiseError, match="^R1: the .mat holds no variable 'val', but a, b$"):
        read(packed({"a": other, "b": other}, *layout), tmp_path)


@pytest.mark.parametrize(
    "variables",
    [
        {"val": "text"},
        {"val": np.array([[1 + 2j]])},
        {"val": csr_array(np.eye(3))},
    ],
    ids=["text", "complex", "sparse"],
)
@pytest.mark.parametrize("version", ["4", "5"])
def test_variables_that_are_no_matrix(variables: dict, version: str, tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match="^R1: the .mat holds no real matrix of leads × samp"):
        read(packed(variables, version), tmp_path)


def test_cells_and_empty_files(tmp_path: Path) -> None:
    cell = np.empty((1, 2), object)
    cell[:] = [[DIGITAL, DIGITAL]]
    with pytest.raises(LeadwiseError, match="no real matrix"):
        read(packed({"val": cell}, "5"), tmp_path)
    with pytest.raises(LeadwiseError, match="^R1: the .mat holds no variable 'val', but nothing$"):
        read(packed({}, "5"), tmp_path)
    with pytest.raises(LeadwiseError, match="^R1: the .mat holds 0 bytes, no signal; fetch"):
        read(b"", tmp_path)
    assert read(packed({"val": np.empty((12, 0), np.int16)}), tmp_path).size == 0


def test_a_missing_file_and_a_folder_of_its_name(tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match="^R1: the signal cannot be read: No such file"):
        read_mat(str(tmp_path / "R1.mat"), "R1")
    with pytest.raises(LeadwiseError, match="^R1: the signal cannot be read: It is a folder"):
        read_mat(str(tmp_path), "R1")


def read_or_error(content: bytes, folder: Path) -> np.ndarray | str:
    """Read an array or get the sentence; anything else fails the test."""
    try:
        return read(content, folder)
    except LeadwiseError as error:
        return str(error)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cut_anywhere(layout: tuple[str, bool], tmp_path: Path) -> None:
    whole = packed({"val": DIGITAL}, *layout)
    for length in range(len(whole)):
        matrix_or_error = read_or_error(whole[:length], tmp_path)
        assert isinstance(matrix_or_error, str), length
        assert matrix_or_error.startswith("R1: the .mat ")
    with pytest.raises(LeadwiseError, match="^R1: the .mat is cut off: 35 of 36 bytes; fetch the"):
        read(packed({"val": DIGITAL})[:-1], tmp_path)


def test_text_and_web_pages(tmp_path: Path) -> None:
    for content in (b"A0001 12 500 5000 12-May-2020\n" * 9, b"<!DOCTYPE html><html>" * 9):
        with pytest.raises(
            LeadwiseError, match="^R1: the .mat is no MATLAB file; fetch the file again$"
        ):
            read(content, tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_flipped_bytes_give_an_array_or_an_error(layout: tuple[str, bool], tmp_path: Path) -> None:
    whole = np.frombuffer(packed({"val": DIGITAL, "name": "text"}, *layout), np.uint8)
    generator = np.random.default_rng(8)
    sentences = 0
    for _ in range(1000):
        broken = whole.copy()
        positions = generator.integers(len(whole), size=generator.integers(1, 4))
        broken[positions] = generator.integers(256, size=len(positions))
        matrix_or_error = read_or_error(broken.tobytes(), tmp_path)
        sentences += isinstance(matrix_or_error, str)
        assert (
            matrix_or_error.startswith("R1: the .mat ")
            if isinstance(matrix_or_error, str)
            else matrix_or_error.ndim == 2
        )
    assert 50 < sentences < 950  # the fuzz reaches both ends


def test_a_flipped_byte_that_crashes_scipys_process(tmp_path: Path) -> None:
    broken = bytearray(packed({"val": DIGITAL}, "5"))
    broken[176] = 0xA1  # the type of the numbers; scipy.io.loadmat 1.17.1 dies of it
    with pytest.raises(LeadwiseError, match="^R1: the .mat is damaged .2 × 3 numbers of type 161"):
        read(bytes(broken), tmp_path)


def test_negative_sizes(tmp_path: Path) -> None:
    head = np.array([30, -2, -3, 0, 4], "<i4").tobytes() + b"val\0"
    with pytest.raises(LeadwiseError, match="^R1: the .mat is no MATLAB file; fetch the file"):
        read(head + DIGITAL.tobytes(), tmp_path)


def test_matlab_7_3_is_named(tmp_path: Path) -> None:
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(400)
    with pytest.raises(LeadwiseError, match="^R1: the .mat is MATLAB 7.3 .HDF5.; save it by"):
        read(head, tmp_path)


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        matrix_or_error = read_or_error(content, Path(folder))
    assert (
        matrix_or_error.startswith("R1: the .mat ")
        if isinstance(matrix_or_error, str)
        else matrix_or_error.ndim == 2
    )


def test_written_as_scipy_writes_it(tmp_path: Path) -> None:
    write_mat(tmp_path / "R1.mat", DIGITAL)
    assert (tmp_path / "R1.mat").read_bytes() == packed({"val": DIGITAL})


def test_a_mapped_file_has_the_samples_of_a_read_one(tmp_path: Path) -> None:
    digital = np.arange(-300, 300, dtype=np.int16).reshape(3, 200)
    write_mat(tmp_path / "R.mat", digital)
    mapped = map_mat(str(tmp_path / "R.mat"), "R")
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, digital)
    np.testing.assert_array_equal(read_mat(str(tmp_path / "R.mat"), "R"), digital)
    np.testing.assert_array_equal(loadmat(tmp_path / "R.mat")["val"], digital)


@pytest.mark.parametrize("numbers", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_the_limits_of_each_type_are_read_as_written(tmp_path: Path, numbers: str) -> None:
    limits = np.iinfo(numbers) if numbers[0] in "iu" else np.finfo(numbers)
    values = np.array([[limits.min, limits.max, 1]], numbers)
    savemat(tmp_path / "R.mat", {"val": values}, format="5")
    read = read_mat(str(tmp_path / "R.mat"), "R")
    assert read.dtype == numbers
    np.testing.assert_array_equal(read, values)
