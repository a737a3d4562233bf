"""Results: what training leaves in the model folder beside weights: history, picture, problems."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from ecg.files import atomic_write
from ecg.headers import Message

COLUMNS = ("epoch", "loss", "score", "threshold", "lr")

History = Mapping[str, Sequence[Mapping[str, float]]]


def write_history(folder: Path, history: History) -> None:
    """Write `history.tsv`, a row an epoch, and `training.png` where Matplotlib is installed.

    Parameters
    ----------
    history : mapping
        From the lead set's name (`12 leads`) to its rows.
    """
    lines = ["\t".join(("lead_set", *COLUMNS))]
    for name, rows in history.items():
        lines += ["\t".join([name, *(f"{row[key]:.6g}" for key in COLUMNS)]) for row in rows]
    with atomic_write(folder / "history.tsv") as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if find_spec("matplotlib") is not None:  # not in the image
        from ecg.plots import plot_training

        plot_training(folder / "training.png", history)


def write_problems(folder: Path, left_out: Sequence[Message], warnings: Sequence[Message]) -> None:
    """Write `problems.tsv`: each record that was left out or is odd, and why."""
    lines = ["record\tused\tkind\twhat"]
    lines += [f"{one.record}\tno\t{one.kind}\t{one.text}" for one in left_out]
    lines += [f"{one.record}\tyes\t{one.kind}\t{one.text}" for one in warnings]
    with atomic_write(folder / "problems.tsv") as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
