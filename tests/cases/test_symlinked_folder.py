"""Linked folders are read as others; each folder is read once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ecg.records import find_headers
from tests.cases.conftest import FAILED


def test_a_linked_folder_is_read(
    case: Callable[[str], Path], answer: Callable, learn: Callable
) -> None:
    data = case("symlinked-folder") / "data"
    (data / "g2").symlink_to("../elsewhere")
    (data / "g1" / "again").symlink_to(data / "g1")  # a loop
    (data / "g3").symlink_to("g1")  # the same folder again
    (data / "nowhere").symlink_to("absent")
    status, rows, err = answer(data)
    assert (status, sorted(rows)) == (0, ["c1a", "c1b"])
    assert FAILED not in rows.values()
    assert learn(data).names == ["c1a", "c1b"]
    assert "two records" not in err


def test_a_link_to_a_folder_above_is_named(case: Callable[[str], Path]) -> None:
    data = case("symlinked-folder") / "data"
    (data / "up").symlink_to("..")
    headers, problems = find_headers(data)
    assert [path.stem for path in headers] == ["c1a"]
    assert list(map(str, problems)) == ["up: links to a folder above; not followed"]


def test_an_unreadable_folder_is_named(
    case: Callable[[str], Path], answer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = case("symlinked-folder") / "data"
    (data / "locked").mkdir()
    scan = os.scandir

    def refuse(path: str) -> object:
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr("os.scandir", refuse)
    status, rows, err = answer(data)
    assert (status, sorted(rows)) == (1, ["c1a"])
    assert "locked: the folder cannot be read: Permission denied; its records are left out" in err


def test_names_that_are_not_utf_8(case: Callable[[str], Path], answer: Callable) -> None:
    data = case("symlinked-folder") / "data"
    for ending in (".hea", ".mat"):
        (data / "g1" / f"c1a{ending}").rename(
            os.fsdecode(bytes(data) + b"/m\xe4rz" + ending.encode())
        )
    (data / "g2").symlink_to("../elsewhere")
    status, rows, err = answer(data)
    assert (status, sorted(rows)) == (1, ["c1b"])
    assert r"m\udce4rz: its file name is not UTF-8; rename its files" in err
