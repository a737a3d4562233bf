"""The picture of docs/design.md: imports point down, never up, never sideways."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What each room may import of ours; what is missing here may import nothing of ours.
MAY_IMPORT = {
    "ecg": set(),
    "datasets": {"ecg"},
    "simulate": {"ecg"},
    "scoring": {"ecg", "datasets"},
    "models": {"ecg", "simulate"},
    "training": {"ecg", "datasets", "scoring", "models"},
    "experiments": {
        "benchmarks",
        "datasets",
        "docs",
        "ecg",
        "models",
        "scoring",
        "simulate",
        "training",
    },
    "docs": {"datasets", "ecg", "scoring", "models", "simulate", "training"},
    "team_code": {"ecg", "models", "training"},
    "entries": {"ecg", "models", "helper_code", "team_code"},
    "helper_code": {"ecg", "scoring"},
    "evaluate_model": {"ecg", "scoring"},
    "extract_leads_wfdb": {"ecg", "helper_code"},
    "run_model": {"ecg", "helper_code", "scoring", "team_code"},
    "test_model": {"run_model"},
    "leadwise": {
        "evaluate_model",
        "extract_leads_wfdb",
        "run_model",
        "simulate",
        "train_model",
    },
    "train_model": {"ecg", "team_code", "training"},
    "benchmarks": {
        "datasets",
        "docs",
        "ecg",
        "simulate",
        "scoring",
        "models",
        "training",
        "evaluate_model",
        "helper_code",
        "tests",
    },
}
# At import; SciPy, wfdb and Matplotlib are imported inside the functions that use them.
NUMPY_ONLY = {"ecg", "datasets", "simulate", "scoring"}
MAY_USE_TORCH = {"models", "training", "team_code", "benchmarks", "docs"}


def modules() -> list[Path]:
    rooms = [path for path in ROOT.iterdir() if path.name in MAY_IMPORT]
    return sorted([*ROOT.glob("*.py"), *(path for room in rooms for path in room.rglob("*.py"))])


def imports(node: ast.AST) -> set[str]:
    """The top names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return {node.module.partition(".")[0]}
    return set()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert room in MAY_IMPORT, f"{room} has no place in the picture of docs/design.md"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    everywhere = set().union(*(imports(node) for node in ast.walk(tree)))
    ours = everywhere & (set(MAY_IMPORT) | {"tests"})
    assert ours <= MAY_IMPORT[room] | {room}
    assert "torch" not in everywhere or room in MAY_USE_TORCH
    if room in NUMPY_ONLY:
        at_import = set().union(*(imports(node) for node in tree.body))
        allowed = {"numpy", "ecg", "datasets", "simulate", "scoring", *sys.stdlib_module_names}
        assert at_import <= allowed
