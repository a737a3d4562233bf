"""Rename all beats of a cluster, as a person has decided.

The first annotation is kept as NAME.auto, a WFDB annotation file like NAME.atr, and each change is
a line of NAME.changes.tsv: when, who, cluster, from, to, beats.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from ecg import LeadwiseError
from ecg.beat_table import table_text
from ecg.files import atomic_write
from holter.files import read_result, write_files
from holter.report import write_report
from holter.result import CLASSES

COLUMNS = ("when", "who", "cluster", "from", "to", "beats")


def relabel(stem: Path, cluster: int, label: str, who: str) -> str:
    """Rename the beats of a cluster and write all files of the result anew.

    Parameters
    ----------
    stem : Path
        FOLDER/NAME.
    cluster : int
        Number; relabelled clusters keep theirs.
    label : str
        N, S or V; the cluster's own label confirms it.
    who : str
        Person who decided.

    Returns
    -------
    str
        What was changed.

    Raises
    ------
    LeadwiseError
        There is no such result, cluster or label, or a file cannot be written.
    """
    result = read_result(stem)
    looks = {look.number: look for look in result.looks}
    if cluster not in looks or label not in CLASSES:
        raise LeadwiseError(
            f"{stem}: has no cluster {cluster} or no label {label}; it has the clusters "
            f"{', '.join(map(str, looks)) or 'none'}, and labels are {', '.join(CLASSES)}"
        )
    annotation, first = Path(f"{stem}.atr"), Path(f"{stem}.auto")
    if not annotation.exists():
        raise LeadwiseError(f"{annotation}: does not exist; analyse the recording again")
    if not first.exists():
        with atomic_write(first) as draft:
            shutil.copyfile(annotation, draft)
    before, beats = looks[cluster].label, int((result.clusters == cluster).sum())
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = (now, " ".join(who.split()), str(cluster), before, label, str(beats))
    _append(Path(f"{stem}.changes.tsv"), line)
    changed = result.relabelled(cluster, label)
    write_report(changed, stem)
    write_files(changed, stem)
    return f"{stem.name}: {beats:,} beats of cluster {cluster}: {before} is now {label}"


def _append(path: Path, line: tuple[str, ...]) -> None:
    """Append a line to the table of changes."""
    before = path.read_text(encoding="utf-8") if path.exists() else table_text(COLUMNS, [])
    with atomic_write(path) as draft:
        draft.write_text(before + "\t".join(line) + "\n", encoding="utf-8")
