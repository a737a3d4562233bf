"""Export: turn a trained model folder into one to publish."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.expected import write_expected
from models.folder import halved, read_model, read_weights, write_model, write_weights


def export(model: Path, folder: Path) -> None:
    """Write a model with half-precision weights, expected answers and no path of this machine.

    Parameters
    ----------
    model : Path
        A model folder, such as RUNS/STUDY/CELL/model.

    Raises
    ------
    LeadwiseError
        The folder holds no usable model.
    """
    trained = read_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for entry in trained.lead_sets:
        halves = halved(read_weights(trained, entry))
        file, sha256 = write_weights(folder, f"{len(entry.leads)}-leads", halves)
        entries.append(replace(entry, file=file, sha256=sha256))
    about = without_paths(trained.training)
    write_model(replace(trained, path=folder, lead_sets=tuple(entries), training=about))
    write_expected(folder)


def without_paths(training: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the paths of this machine from what a model folder says about its training."""
    program, _, _, *options = str(training["command"]).split(" ")
    command = " ".join([program, "DATA", "MODEL", *(Path(word).name for word in options)])
    about = {**training, "command": command}
    if "init_from" in about:
        source = about["init_from"]
        about["init_from"] = {**source, "model": Path(source["model"]).name}
    return about


if __name__ == "__main__":
    from experiments.__main__ import main

    main("export")
