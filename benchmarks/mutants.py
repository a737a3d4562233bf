"""Mutants of texts, tables, JSON and binary files, for `benchmarks.fuzz`."""

import json
import struct
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

ODD_WORDS = (b"", b"0", b"-1", b"nan", b"inf", b"1e20", b"1e-20", b"99999999999999", b"0x10",
             b"1,5", b"500Hz", b"~", b"\xff\xfe", b"\x1b[2J", b"\t", b"a b", b"=1+1", b"true",
             b"-32768", "Ä".encode(), b"None")  # fmt: skip
Choice = TypeVar("Choice")
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 0.5, 1e308, 10**20, float("nan"), float("inf"), "", "x", "1", [],
    [[]], {}, {"name": "x"}, [1, "a"], "I", -1e-9,
)  # fmt: skip
BLANKS = (b" ", b"\t", b"\r", b"\n", b",", b";", b"#", b'"', b"\0", b"\xef\xbb\xbf")


def text(generator: np.random.Generator, content: bytes) -> bytes:
    """Mutate a text by one edit: of a sign, a word, a line, or of the whole."""
    lines = content.split(b"\n")
    row, other = generator.integers(len(lines), size=2)
    edit = generator.integers(9)
    if edit == 0:
        return _flipped(generator, content)
    if edit == 1:
        place = generator.integers(len(content) + 1)
        return content[:place] + _one(generator, BLANKS) + content[place:]
    if edit == 2:
        place = generator.integers(len(content))
        return content[:place] + content[place + 1 :]
    if edit == 3:
        return content[: generator.integers(len(content))]
    if edit == 4:
        return content.replace(b"\n", _one(generator, (b"\r\n", b"\r", b"\r\r\n", b"\n\n", b" \n")))
    if edit == 5:
        lines.insert(row, lines[other])
    elif edit == 6:
        del lines[row]
    elif edit == 7:
        lines[row], lines[other] = lines[other], lines[row]
    else:
        lines[row] = _with_odd_word(generator, lines[row])
    return b"\n".join(lines)


def header(generator: np.random.Generator, content: bytes) -> bytes:
    """Mutate a header: one edit in five is of its comments, two are of words of other lines."""
    described, mark, comments = content.partition(b"\n#")
    edit = generator.integers(5)
    if edit == 0 and mark:
        return described + b"\n" + text(generator, b"#" + comments)
    if edit < 3:
        return text(generator, described) + mark + comments
    lines = described.split(b"\n")
    row = generator.integers(len(lines))
    lines[row] = _with_odd_word(generator, lines[row])
    return b"\n".join(lines) + mark + comments


def binary(generator: np.random.Generator, content: bytes) -> bytes:
    """Mutate bytes: flipped bits, a cut, zeros, a repeated or a lost block, an odd number."""
    edit, place = generator.integers(6), int(generator.integers(len(content)))
    size = int(generator.integers(1, 200))
    if edit == 0:
        return _flipped(generator, content, count=int(generator.integers(1, 5)))
    if edit == 1:
        return content[:place]
    if edit == 2:
        return content[:place] + bytes(min(size, len(content) - place)) + content[place + size :]
    if edit == 3:
        return content[:place] + content[place : place + size] + content[place:]
    if edit == 4:
        return content[:place] + content[place + size :]
    place = 4 * int(generator.integers(min(50, len(content) // 4)))
    number = struct.pack("<i", _one(generator, (-1, 0, 1, 2**31 - 1, -(2**31), 12, 5000, 2**24)))
    return content[:place] + number + content[place + 4 :]


def json_text(generator: np.random.Generator, content: bytes) -> bytes:
    """Mutate a JSON text: in three of four cases one of its values or keys."""
    if generator.integers(4) == 0:
        return text(generator, content)
    tree = json.loads(content)
    places = list(_places(tree))
    parent, key = places[generator.integers(len(places))]
    edit = generator.integers(5)
    if edit == 0:
        del parent[key]
    elif edit == 1 and isinstance(parent, dict):
        parent[key + _one(generator, ("s", "x", " "))] = parent.pop(key)
    elif edit == 2 and isinstance(parent[key], int | float):
        parent[key] = parent[key] * _one(generator, (-1, 0, 2, 1e6, 1e-6, float("nan")))
    else:
        parent[key] = _one(generator, ODD_VALUES)
    return json.dumps(tree, indent=1).encode()


def safetensors(generator: np.random.Generator, content: bytes) -> bytes:
    """Mutate the head of a safetensors file: its size, its JSON, or an entry."""
    size = struct.unpack_from("<Q", content)[0]
    head, weights = content[8 : 8 + size], content[8 + size :]
    edit = generator.integers(4)
    if edit == 0:
        number = _one(generator, (0, 1, size - 1, size + 1, 2**63, 2**64 - 1, len(content)))
        return struct.pack("<Q", number) + head + weights
    head = json_text(generator, head) if edit == 1 else _other_entry(generator, head)
    return struct.pack("<Q", len(head)) + head + weights


def _other_entry(generator: np.random.Generator, head: bytes) -> bytes:
    tree = json.loads(head)
    entry = tree[_one(generator, [name for name in tree if name != "__metadata__"])]
    key = _one(generator, ("dtype", "shape", "data_offsets"))
    if key == "dtype":
        entry[key] = _one(generator, ("F16", "BF16", "F64", "I32", "BOOL", "U8", "X", "F8_E4M3"))
    elif generator.integers(2):
        entry[key] = entry[key][::-1]
    else:
        odd = _one(generator, (-1, 0, 1, 2**40, 2**64, 0.5, "1", None))
        entry[key] = [*entry[key][:-1], odd]
    return json.dumps(tree).encode()


def json_of(content: bytes) -> Any:
    """Read JSON, or the head of a safetensors file; None if it is damaged."""
    try:
        return json.loads(content)
    except ValueError:
        pass
    try:
        return json.loads(content[8 : 8 + struct.unpack_from("<Q", content)[0]])
    except (ValueError, struct.error, OverflowError):
        return None


def alike(one: Any, other: Any) -> bool:
    """Check that two JSON values have the same keys, types and lengths (but of lists of parts)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        if all(isinstance(each, dict) and "name" in each for each in [*one, *other]):
            return True  # a recipe may have other parts
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return type(one) is type(other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return other == other  # not NaN
    return type(one) is type(other)


def contains(whole: Any, part: Any) -> bool:
    """Check that a JSON value has all values of another one."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part) and isinstance(whole, bool) == isinstance(part, bool)


def same_cells(one: bytes, other: bytes) -> bool:
    """Compare two lines of tables; numbers, single letters and `P…` (patients) may differ."""
    cells, others = (line.replace(b"\t", b",").rstrip(b"\r").split(b",") for line in (one, other))
    return len(cells) == len(others) and all(
        cell == another or _kind_of(cell) == _kind_of(another) != "word"
        for cell, another in zip(cells, others, strict=True)
    )


def _kind_of(cell: bytes) -> str:
    if cell.strip() in (b"N", b"A", b"O", b"~"):
        return "letter"
    if cell.startswith(b"P"):
        return "patient"
    try:
        return "number" if np.isfinite(float(cell)) else "word"
    except ValueError:
        return "word"


def difference(one: bytes, other: bytes) -> str:
    """Show where two files differ first, JSON without regard to its layout."""
    if (before := json_of(one)) is not None and (after := json_of(other)) is not None:
        one, other = (json.dumps(each).encode() for each in (before, after))
    places = (
        place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]
    )
    place = next(places, min(len(one), len(other)))
    start = max(0, place - 30)
    return f"{one[start : place + 30]!r} -> {other[start : place + 30]!r}"


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """List all values of a JSON tree as (container, key)."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    places = [(tree, key) for key in keys]
    for key in keys:
        if isinstance(tree[key], dict | list):
            places += _places(tree[key])
    return places


def _with_odd_word(generator: np.random.Generator, line: bytes) -> bytes:
    comma = b"," if b"," in line else b"\t" if b"\t" in line else b" "
    words = line.split(comma)
    place = generator.integers(len(words))
    if generator.integers(3):
        words[place] = _one(generator, ODD_WORDS)
    else:
        words[place] = _flipped(generator, words[place])
    return comma.join(words)


def _flipped(generator: np.random.Generator, content: bytes, count: int = 1) -> bytes:
    mutant = bytearray(content)
    for place in generator.integers(len(content), size=count if content else 0):
        mutant[place] ^= 1 << generator.integers(8)
    return bytes(mutant)


def _one(generator: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    return choices[int(generator.integers(len(choices)))]
