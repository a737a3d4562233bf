"""Folders of records: the headers that every command takes."""

import os
from collections.abc import Iterator
from pathlib import Path

from ecg import LeadwiseError
from ecg.headers import Message
from ecg.segments import segment_headers

# Of two records with one name the first is used, because outputs are named by record.
LOST = ("name twice", "unusable name", "unreadable folder")


def header_path(text: str) -> Path:
    """Give the path of a record's header: `NAME`, `NAME.hea` or the file of the signal."""
    stem, ending = os.path.splitext(text)
    if ending.lower() == ".hea":
        return Path(text)
    return Path(f"{stem if ending in ('.mat', '.dat') else text}.hea")


def find_headers(folder: str | os.PathLike[str]) -> tuple[list[Path], list[Message]]:
    """Find the headers in a folder, flat or nested; hidden files and folders are skipped.

    Links to folders are followed, each folder once.

    Returns
    -------
    headers : list of Path
        By name of the record; without those of the segments of multi-segment records.
    problems : list of Message
        What is left out.  `LOST` are the kinds that may mean a record without an answer; others
        are signals without a header and links to a folder above.

    Raises
    ------
    LeadwiseError
        The folder does not exist, cannot be read or holds no header.
    """
    root = Path(folder)
    if not root.is_dir():
        raise LeadwiseError(f"{root}: no such folder")
    headers: dict[str, Path] = {}
    problems: list[Message] = []
    segments: set[Path] = set()
    for parent, files in _folders(root, problems):
        here = set(files)
        with_header = {os.path.splitext(name)[0] for name in files if name.lower().endswith(".hea")}
        for file in files:
            name, ending = os.path.splitext(file)
            if ending.lower() == ".hea":
                path = parent / file
                if not _is_unicode(name):
                    text = "its file name is not UTF-8; rename its files"
                    problems.append(Message(name, "unusable name", text))
                elif name in headers:
                    text = f"two records of this name; {path} is left out"
                    problems.append(Message(name, "name twice", text))
                else:
                    headers[name] = path
                    if not {f"{name}.mat", f"{name}.dat"} & here:
                        segments |= segment_headers(path)
            elif ending == ".mat" and name not in with_header:
                text = "has a signal but no header"
                problems.append(Message(name, "no header", text))
    if not headers:
        reasons = "".join(f"; {problem}" for problem in problems if problem.kind != "no header")
        raise LeadwiseError(
            f"{root}: holds no record (no .hea file); is it the data folder?{reasons[:300]}"
        )
    return [headers[name] for name in sorted(headers) if headers[name] not in segments], problems


def _is_unicode(name: str) -> bool:
    """Check a file name; Python replaces its bytes that are not UTF-8 by surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _folders(root: Path, problems: list[Message]) -> Iterator[tuple[Path, list[str]]]:
    """Walk through a folder: each folder once, with its visible files, sorted."""

    def report(error: OSError) -> None:
        name = os.path.relpath(error.filename, root)
        text = f"the folder cannot be read: {error.strerror}; its records are left out"
        problems.append(Message(name, "unreadable folder", text))

    home = os.path.realpath(root)
    visited: set[str] = set()
    for parent, folders, files in os.walk(root, onerror=report, followlinks=True):
        actual = os.path.realpath(parent)
        if above := actual != home and os.path.commonpath([home, actual]) == actual:
            name = os.path.relpath(parent, root)
            problems.append(Message(name, "link upwards", "links to a folder above; not followed"))
        if above or actual in visited:
            folders.clear()
            continue
        visited.add(actual)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(parent), sorted(name for name in files if not name.startswith("."))
