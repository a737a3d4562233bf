"""The commands that `pip install` makes: each calls the `main` of the script of that name."""

from collections.abc import Callable
from importlib import import_module

import leadwise  # noqa: F401 - puts packages and scripts on sys.path


def _main_of(script: str) -> Callable[[], int]:
    """Return a function that imports a script when it is called, and runs its `main`."""

    def main() -> int:
        status: int = import_module(script).main()
        return status

    return main


train = _main_of("train_model")
run = _main_of("run_model")
evaluate = _main_of("evaluate_model")
delineate = _main_of("delineate")
extract_leads = _main_of("extract_leads_wfdb")
simulate = _main_of("simulate.__main__")
