"""Small tables of text, as scripts and spreadsheets save them: rows of cells.

Cells are separated by tabs, semicolons, commas or blanks, as the first line shows.  No cell of our
tables needs quotes, so they are dropped, and one that is never closed cannot swallow lines.
"""

import codecs
import os
from pathlib import Path
from typing import NamedTuple

from ecg import LeadwiseError

_ENDINGS = (".hea", ".mat", ".dat")
_AROUND = " '\u201c\u201d\ufeff"  # blanks, other quotes, marks of the byte order


class Row(NamedTuple):
    """A row: its line number in the file, and its cells without blanks and quotes around them."""

    line: int
    cells: list[str]

    def __str__(self) -> str:
        """Quote the row for a message."""
        return f"'{','.join(self.cells)[:60]}'"


def read_rows(path: Path) -> list[Row]:
    r"""Read the rows of a table that are not empty.

    Text is UTF-8 or UTF-16, line ends are any.  Characters that cannot be printed become `?`.

    Raises
    ------
    LeadwiseError
        The file cannot be read, or is no text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be read: {error.strerror}") from error
    rows, delimiter = [], ""
    for number, line in enumerate(_lines(path, content), 1):
        line = line.replace('"', "").strip("\ufeff")
        if not line.strip():
            continue
        if not delimiter:
            delimiter = next((one for one in "\t;," if one in line), " ")
            if line.startswith("sep="):  # a spreadsheet's own line
                continue
        cells = line.split() if delimiter == " " else line.split(delimiter)
        rows.append(Row(number, [_printable(cell.strip().strip(_AROUND)) for cell in cells]))
    return [row for row in rows if any(row.cells)]


def record_name(cell: str) -> str:
    r"""Give the name of the record that a cell names, perhaps by its path or file.

    Examples
    --------
    >>> record_name("A00/A00001"), record_name(r"A00\A00002.mat"), record_name("HR1.5")
    ('A00001', 'A00002', 'HR1.5')
    """
    stem, ending = os.path.splitext(cell.replace("\\", "/").rsplit("/", 1)[-1])
    return stem if ending.lower() in _ENDINGS else stem + ending


def _lines(path: Path, content: bytes) -> list[str]:
    """Decode a file and split it into lines."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in content[:2]:  # UTF-16 without its mark: every other byte is 0
        encoding = "utf-16-be" if content[0] == 0 else "utf-16-le"
    else:
        encoding = "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise LeadwiseError(
            f"{path}: line {line} is no text in UTF-8 or UTF-16; save the table as CSV UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _printable(cell: str) -> str:
    """Replace what could control a terminal."""
    if cell.isprintable():
        return cell
    return "".join(one if one.isprintable() else "?" for one in cell)
