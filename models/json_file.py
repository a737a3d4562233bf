"""JSON files: strict reading, and text that people can read."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from ecg import LeadwiseError
from models.typed import one_line, shown

LARGEST = 64 << 20  # bytes; a model.json of the Challenge's classes has 20 kB


def readable(content: Any) -> str:
    """Write indented JSON, but each innermost list or object on one line."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return re.sub(r"[\[{][^\[\]{}]*[\]}]", lambda match: re.sub(r"\s*\n\s*", " ", match[0]), text)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    LeadwiseError
        It cannot be read, is no plain file, is too large, or repeats a field.
    """
    try:
        if path.exists() and not path.is_file():
            raise LeadwiseError(f"{path}: cannot be read: not a plain file")
        if path.stat().st_size > LARGEST:
            raise LeadwiseError(f"{path}: cannot be read: larger than {LARGEST >> 20} MiB")
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
    except (FileNotFoundError, LeadwiseError):
        raise
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise LeadwiseError(f"{path}: cannot be read: not JSON ({one_line(error)})") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        ((repeated, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the field {shown(repeated)} occurs twice")
    return content
