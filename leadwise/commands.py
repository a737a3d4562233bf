"""The commands that `pip install` makes: each calls the `main` of the script of that name."""

import leadwise  # noqa: F401 - puts the rooms and scripts on sys.path


def train() -> int:
    """Run `leadwise-train`, which is train_model.py."""
    from train_model import main

    return main()


def run() -> int:
    """Run `leadwise-run`, which is run_model.py."""
    from run_model import main

    return main()


def evaluate() -> int:
    """Run `leadwise-evaluate`, which is evaluate_model.py."""
    from evaluate_model import main

    return main()


def extract_leads() -> int:
    """Run `leadwise-extract-leads`, which is extract_leads_wfdb.py."""
    from extract_leads_wfdb import main

    return main()


def simulate() -> int:
    """Run `leadwise-simulate`, which is `python -m simulate`."""
    from simulate.__main__ import main

    return main()
