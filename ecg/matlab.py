"""MATLAB files: the matrix of versions 4 and 5 (6 and 7 have the format of 5).

Source: MathWorks, MAT-File Format.  SciPy's reader is not used: one flipped byte in a version 5
file crashes its process with a segmentation fault (SciPy 1.17.1, a data type outside its table),
and a matrix of numbers needs little of the format.  Version 7.3 (HDF5) is not read.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecg import LeadwiseError
from ecg.files import most_unpacked, read_bytes

# Version 4: tens digit of the type number of a matrix; version 5: types of data elements.
_TYPES_4 = {0: "f8", 10: "f4", 20: "i4", 30: "i2", 40: "u2", 50: "u1"}
_TYPES_5 = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
            13: "u8"}  # fmt: skip
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC = range(6, 16)  # classes of version 5: double, single, int8 … uint64
_OPAQUE = 17  # an object, with another layout
_COMPLEX = 0x0800  # in a matrix's flags
_HEAD_4 = struct.Struct("<5i")  # type, rows, columns, imaginary part, length of the name
_VAL = b"val\0"
_AGAIN = "; fetch the file again"

# A variable: its name, and its matrix if it is real.
_Variable = tuple[str, np.ndarray | None]


def read_mat(path: str, name: str, key: str | None = None) -> np.ndarray:
    """Read the matrix of a MATLAB file.

    Parameters
    ----------
    path : str
        The .mat file.
    name : str
        Name of the record, for messages.
    key : str, optional
        The variable; default: `val`, else the only one.

    Returns
    -------
    np.ndarray of shape (leads, samples)
        In the stored type, usually int16; read-only.

    Raises
    ------
    LeadwiseError
        The file is missing, cut off or holds no such matrix.
    """
    try:
        content = read_bytes(path)  # faster than a memory map below a few MB (measured)
    except OSError as error:
        raise LeadwiseError(f"{name}: the signal cannot be read: {error.strerror}") from error
    try:
        return _choose(content, key)
    except (struct.error, zlib.error) as error:
        raise LeadwiseError(f"{name}: the .mat is damaged ({error}){_AGAIN}") from error
    except ValueError as error:
        raise LeadwiseError(f"{name}: the .mat {error}") from error


def map_mat(path: str, name: str) -> np.ndarray:
    """Map the matrix `val` of a version 4 file into memory, so that parts of it can be read.

    Other files are read as a whole (`read_mat`).

    Raises
    ------
    LeadwiseError
        As `read_mat` does.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_4.size + len(_VAL))
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise LeadwiseError(f"{name}: the signal cannot be read: {error.strerror}") from error
    if len(head) < _HEAD_4.size + len(_VAL) or not head.endswith(_VAL):
        return read_mat(path, name)
    kind, rows, columns, imaginary, letters = _HEAD_4.unpack_from(head)
    numbers = _TYPES_4.get(kind)
    if numbers is None or imaginary or letters != len(_VAL) or min(rows, columns) < 1:
        return read_mat(path, name)
    if size < len(head) + rows * columns * int(numbers[1]):
        return read_mat(path, name)  # which names what is missing
    shape = (columns, rows)
    return np.memmap(path, "<" + numbers, mode="r", offset=len(head), shape=shape).T


def write_mat(path: Path, digital: np.ndarray) -> None:
    """Write int16 (leads, samples) as MATLAB version 4, variable `val`."""
    leads, samples = digital.shape
    head = np.array([30, leads, samples, 0, 4], "<i4").tobytes() + b"val\0"
    path.write_bytes(head + np.ascontiguousarray(digital.T, "<i2").tobytes())


def _choose(content: bytes, key: str | None) -> np.ndarray:
    """Find the variable; each ValueError completes the sentence `NAME: the .mat …`."""
    target = key or "val"
    others: dict[str, np.ndarray | None] = {}
    for variable, matrix in _variables(content):
        if variable == target:
            break
        others[variable] = None if others else matrix  # of several, none is used
    else:
        if key or len(others) != 1:
            present = ", ".join(others) or "nothing"
            raise ValueError(f"holds no variable '{target}', but {present}")
        matrix = next(iter(others.values()))
    if matrix is None:
        raise ValueError("holds no real matrix of leads × samples")
    return matrix


def _variables(content: bytes) -> Iterator[_Variable]:
    if 0 in content[:4]:  # version 4 starts with a number below 5000, version 5 with text
        return _variables_of_4(content)
    if content[124:126] in (b"\x00\x02", b"\x02\x00"):
        raise ValueError("is MATLAB 7.3 (HDF5); save it by MATLAB's option -v7")
    if len(content) < 128 or content[126:128] not in (b"IM", b"MI"):
        what = (
            f"holds {len(content)} bytes, no signal" if len(content) < 128 else "is no MATLAB file"
        )
        raise ValueError(what + _AGAIN)
    return _variables_of_5(memoryview(content), "<" if content[126:128] == b"IM" else ">")


def _variables_of_4(content: bytes) -> Iterator[_Variable]:
    order = "<" if struct.unpack_from("<i", content)[0] in range(5000) else ">"
    head = struct.Struct(order + "5i")
    position = 0
    while position < len(content):
        # The type is 1000 more if big-endian.
        kind, rows, columns, imaginary, letters = head.unpack_from(content, position)
        kind %= 1000
        numbers = _TYPES_4.get(kind - kind % 10)  # units: 1 text, 2 sparse
        if numbers is None or min(rows, columns, letters) < 0:
            raise ValueError("is no MATLAB file" + _AGAIN)
        start = position + head.size + letters
        count = rows * columns
        end = start + count * int(numbers[1]) * (2 if imaginary else 1)
        if len(content) < end:
            raise ValueError(f"is cut off: {len(content)} of {end} bytes{_AGAIN}")
        variable = content[position + head.size : start].rstrip(b"\0").decode("latin-1")
        if kind % 10 or imaginary:
            yield variable, None
        else:
            values = np.frombuffer(content, order + numbers, count, start)
            yield variable, _native(values, columns, rows)
        position = end


def _variables_of_5(content: memoryview, order: str) -> Iterator[_Variable]:
    position, room = 128, most_unpacked(len(content))
    while position < len(content):
        kind, body, position = _element(content, position, order)
        if kind == _COMPRESSED:
            unpacked = _unpack(body, order, room)
            room -= len(unpacked)
            kind, body, _ = _element(memoryview(unpacked), 0, order)
        if kind != _MATRIX:
            raise ValueError(f"is damaged (element of type {kind}){_AGAIN}")
        variable, matrix = _matrix(body, order)
        if variable:  # MATLAB's own notes have no name
            yield variable, matrix


def _unpack(packed: memoryview, order: str, most: int) -> bytes:
    """Unpack a compressed element, unless its head states more than `most` bytes."""
    head = zlib.decompressobj().decompress(packed, 8)
    size = struct.unpack_from(order + "I", head, 4)[0] + len(head)
    if size > most:
        raise ValueError(
            f"states {size / 1e6:,.0f} MB in {len(packed) / 1e6:,.3f} MB; no ECG is compressed so "
            "far, and it is not unpacked"
        )
    reader = zlib.decompressobj()
    unpacked = reader.decompress(packed, size + 8)
    if not reader.eof:
        raise ValueError(f"is cut off or damaged: {len(unpacked)} of {size} bytes{_AGAIN}")
    return unpacked


def _element(content: memoryview, position: int, order: str) -> tuple[int, memoryview, int]:
    """Read a data element: its type, its bytes, and the position of the next one."""
    kind, size = struct.unpack_from(order + "II", content, position)
    if kind > 0xFFFF:  # the short form: size and type in one number, then at most four bytes
        size, kind = kind >> 16, kind & 0xFFFF
        start, following = position + 4, position + 8
    else:
        start = position + 8
        following = start + size + (0 if kind == _COMPRESSED else -size % 8)
    end = start + size
    if end > min(len(content), following):
        raise ValueError(f"is cut off or damaged: {len(content)} of {end} bytes{_AGAIN}")
    return kind, content[start:end], following


def _matrix(body: memoryview, order: str) -> _Variable:
    _, flags, position = _element(body, 0, order)
    (flag,) = struct.unpack_from(order + "I", flags)
    if flag & 0xFF == _OPAQUE:
        return "", None
    _, shape, position = _element(body, position, order)
    _, letters, position = _element(body, position, order)
    variable = bytes(letters).decode("latin-1")
    if flag & 0xFF not in _NUMERIC or flag & _COMPLEX or len(shape) != 8:
        return variable, None
    rows, columns = struct.unpack_from(order + "2i", shape)
    kind, values, _ = _element(body, position, order)
    numbers = _TYPES_5.get(kind)
    if numbers is None or min(rows, columns) < 0 or rows * columns * int(numbers[1]) != len(values):
        raise ValueError(f"is damaged ({rows} × {columns} numbers of type {kind}){_AGAIN}")
    return variable, _native(np.frombuffer(values, order + numbers), columns, rows)


def _native(numbers: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """Shape a matrix stored by columns, in the byte order of the machine."""
    numbers = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    return numbers.reshape(columns, rows).T
