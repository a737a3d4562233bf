"""The layers of docs/design.md: a package imports only from packages below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Packages and modules of ours that each one may import.
MAY_IMPORT = {
    "ecg": set(),
    "datasets": {"ecg"},
    "simulate": {"ecg"},
    "scoring": {"ecg", "datasets"},
    "models": {"ecg", "simulate"},
    "training": {"ecg", "datasets", "scoring", "models"},
    "holter": {"ecg", "datasets", "leadwise", "models", "scoring", "simulate", "training"},
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
    "delineate": {"ecg", "leadwise", "models", "training"},
    "extract_leads_wfdb": {"ecg", "helper_code", "training"},
    "run_model": {"ecg", "models", "scoring", "team_code", "training"},
    "test_model": {"run_model"},
    "leadwise": {
        "delineate",
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
        "holter",
        "simulate",
        "scoring",
        "models",
        "training",
        "evaluate_model",
        "helper_code",
    },
}
# At import time; SciPy, wfdb and Matplotlib are imported inside the functions that use them.
NUMPY_ONLY = {"ecg", "datasets", "simulate", "scoring"}
MAY_USE_TORCH = {"holter", "models", "training", "team_code", "benchmarks", "docs"}


def modules() -> list[Path]:
    packages = [path for path in ROOT.iterdir() if path.name in MAY_IMPORT]
    return sorted(
        [*ROOT.glob("*.py"), *(path for package in packages for path in package.rglob("*.py"))]
    )


def imports(node: ast.AST) -> set[str]:
    """Return the top names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return {node.module.partition(".")[0]}
    return set()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_import_only_lower_layers(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert package in MAY_IMPORT, f"{package} is not in the layers of docs/design.md"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    everywhere = set().union(*(imports(node) for node in ast.walk(tree)))
    ours = everywhere & (set(MAY_IMPORT) | {"tests"})
    assert ours <= MAY_IMPORT[package] | {package}
    assert "torch" not in everywhere or package in MAY_USE_TORCH
    if package in NUMPY_ONLY:
        at_import = set().union(*(imports(node) for node in tree.body))
        allowed = {"numpy", "ecg", "datasets", "simulate", "scoring", *sys.stdlib_module_names}
        assert at_import <= allowed


def test_prediction_loads_no_module_of_training() -> None:
    """In a fresh process, at import and after the first prediction."""
    code = """
import sys
from models.model import Model
loaded = [set(sys.modules)]
from ecg.records import read_record
Model.load("weights/isibrno2020").predict(
    read_record("tests/data/challenge-samples/E05526.hea")
)
loaded.append(set(sys.modules))
for modules in loaded:
    print(sorted(name for name in modules if name.partition(".")[0] == "training"))
"""
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert (completed.returncode, completed.stdout) == (0, "[]\n[]\n"), completed.stderr
