"""Model folders of the beat classifiers: a description in JSON and plain arrays beside it.

The description states the sha256 of the arrays, PREFIX-….safetensors.  Nothing is unpickled.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ecg import LeadwiseError
from ecg.files import atomic_write, read_bytes
from models.json_file import read_json, readable

LARGEST = 64 << 20  # bytes of a file of arrays


class Stored(NamedTuple):
    """A model folder that was read: `content` are the bytes of the file of arrays at `path`."""

    fields: dict[str, Any]
    path: Path
    content: bytes
    sha256: str

    @property
    def origin(self) -> dict[str, Any]:
        """Data, seeds and versions of the training."""
        origin = self.fields.get("origin")
        return origin if isinstance(origin, dict) else {}


def write_folder(
    folder: Path, description: str, prefix: str, content: bytes, fields: Mapping[str, Any]
) -> None:
    """Write the bytes of a file of arrays, then the description that names it.

    Raises
    ------
    LeadwiseError
        A file cannot be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LeadwiseError(f"{folder}: cannot be made: {error.strerror}") from error
    name = f"{prefix}-{digest[:8]}.safetensors"
    with atomic_write(folder / name) as path:
        path.write_bytes(content)
    with atomic_write(folder / description) as path:
        told = {"format": fields["format"], "file": name, "sha256": digest, **fields}
        path.write_text(readable(told) + "\n", encoding="utf-8")


def read_folder(folder: Path, description: str, wanted: Mapping[str, Any], trainer: str) -> Stored:
    """Read a model folder.

    Parameters
    ----------
    wanted : mapping
        Fields that must have these values.
    trainer : str
        The command that writes such folders.

    Raises
    ------
    LeadwiseError
        It is no such folder, its files do not belong together, or it is of another version.
    """
    try:
        read = read_json(folder / description)
    except FileNotFoundError as error:
        raise LeadwiseError(
            f"{folder}: no {description}; give a folder that {trainer} has written"
        ) from error
    fields = read if isinstance(read, dict) else {}
    for name, value in wanted.items():
        if fields.get(name) != value:
            raise LeadwiseError(f"{folder}/{description}: {name} is not that of this version")
    file, digest = str(fields.get("file")), fields.get("sha256")
    if Path(file).name != file or not file.endswith(".safetensors"):
        raise LeadwiseError(f"{folder}/{description}: file must name a .safetensors file beside it")
    try:
        content = read_bytes(folder / file, LARGEST)
    except OSError as error:
        raise LeadwiseError(f"{folder / file}: cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise LeadwiseError(f"{folder / file}: differs from the sha256 in {description}")
    return Stored(fields, folder / file, content, str(digest))
