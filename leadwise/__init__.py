"""Leadwise as a library: the names that most users need, each imported at its first use.

    from leadwise import WEIGHTS, Model, read_record

The packages (`ecg`, `models`, …) are at the root, because the Challenge's organisers copy the tree
and run scripts from its root.  `pip install` puts them into `leadwise/_tree`, so that names as
general as `models` are not in site-packages.  This module adds their folder to `sys.path`: after
`import leadwise`, `from ecg.waves import intervals` works, too.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
_INSTALLED = _HERE / "_tree"
TREE = _INSTALLED if _INSTALLED.is_dir() else _HERE.parent
WEIGHTS = TREE / "weights"  # the shipped model folders

# Public name -> module and the name there.
_EXPORTS = {
    "LeadwiseError": ("ecg", "LeadwiseError"),
    "Model": ("models.model", "Model"),
    "Prediction": ("models.model", "Prediction"),
    "Record": ("ecg.records", "Record"),
    "__version__": ("ecg", "__version__"),
    "find_records": ("ecg.records", "find_records"),
    "heart_rate": ("ecg.beats", "heart_rate"),
    "judge": ("ecg.rules", "judge"),
    "plot_record": ("ecg.plots", "plot_record"),
    "r_peaks": ("ecg.beats", "detect"),
    "read_record": ("ecg.records", "read_record"),
    "record_of": ("ecg.records", "record_of"),
}
__all__ = ["TREE", "WEIGHTS", *_EXPORTS]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: torch is loaded with `Model`, not before."""
    if name not in _EXPORTS:
        raise AttributeError(f"leadwise has no '{name}'; its names are {', '.join(__all__)}")
    module, attribute = _EXPORTS[name]
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _find_packages() -> None:
    """Put our packages first on `sys.path`; refuse to mix them with others of the same names."""
    if str(TREE) not in sys.path:
        sys.path.insert(0, str(TREE))
    for package in ("datasets", "ecg", "models", "scoring", "simulate", "training"):
        loaded = getattr(sys.modules.get(package), "__file__", None)
        if loaded and not Path(loaded).resolve().is_relative_to(TREE):
            raise ImportError(
                f"leadwise needs the name '{package}', but {loaded} uses it in this process; "
                "rename that module, or import leadwise in another process"
            )


_find_packages()
