"""A training folder of waves, beats and diagnoses: `python -m datasets.waves OUT --ludb LUDB …`.

OUT gets one folder per source, and `folds.tsv` (record, fold, patient) for all:

- `ludb`: waves per lead.  The development records are in the validation fold.  Without codes: LUDB
  lacks most classes of the Challenge (docs/transfer.md).
- `qtdb`: waves of both leads together, in NAME.all with the parts in which all waves are marked.
- `mitdb`: beats of DS1.  Its waves are not marked, thus unknown.
- `simulated`: waves and beats of `python -m simulate OUT --annotations`, without codes.
- `ptbxl`: a link to a data folder of diagnoses with its own folds.tsv (`python -m datasets.ptbxl`).

Headers are written; signals and other annotations are links.  Names start with the source, because
LUDB and MIT-BIH have records of the same name.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from datasets import mitbih
from datasets.ludb import DEVELOPMENT, read_ludb
from datasets.mitbih import DS1, read_mitbih
from datasets.qtdb import patient_of, read_qtdb
from datasets.tables import read_rows
from ecg import LeadwiseError
from ecg.annotation_files import BEATS_EXTENSION, annotation_files, write_annotations
from ecg.files import atomic_write, make_folder
from ecg.headers import Message
from ecg.progress import quiet_pipe
from ecg.records import Record, find_records, summarise

VALIDATION = "9"
FOLDS = 5  # of the other records with marks, by patient


class Row(NamedTuple):
    """A line of folds.tsv; without a fold the patient gets one."""

    record: str
    fold: str
    patient: str


def lay_out_ludb(source: Path, out: Path, fold: str) -> tuple[list[Row], list[Message]]:
    """Lay out LUDB; the development records get the fold."""
    records, problems = read_ludb(source)
    rows = []
    for record in records:
        name = f"ludb{record.name}"
        _write(record, out, name)
        for lead in record.leads:
            marks = Path(f"{record.stem}.{lead.casefold()}")
            if marks.is_file():
                _link(marks, out / f"{name}.{lead.casefold()}")
        rows.append(Row(name, fold if record.name in DEVELOPMENT else "", name))
    return rows, problems


def lay_out_qtdb(source: Path, out: Path) -> tuple[list[Row], list[Message]]:
    """Lay out QTDB; excerpts of MIT-BIH have their patient there."""
    records, problems = read_qtdb(source)
    rows = []
    for record in records:
        _write(record, out, record.name)
        assert record.marks is not None, "read_qtdb reads them"
        write_annotations(record.marks, out / record.name)
        patient = patient_of(record.name)  # a number: of his record in the source
        rows.append(Row(record.name, "", f"mitdb{patient}" if patient.isdecimal() else patient))
    return rows, problems


def lay_out_mitbih(source: Path, out: Path) -> tuple[list[Row], list[Message]]:
    """Lay out DS1 of MIT-BIH, with MLII as lead II."""
    records, problems = read_mitbih(source)
    rows = []
    for record in records:
        if record.name in DS1:
            name = f"mitdb{record.name}"
            _write(record, out, name)
            beats = Path(f"{record.stem}.{BEATS_EXTENSION}")
            _link(beats, out / f"{name}.{BEATS_EXTENSION}")
            rows.append(Row(name, "", f"mitdb{mitbih.patient_of(record.name)}"))
    return rows, problems


def lay_out_simulated(source: Path, out: Path) -> tuple[list[Row], list[Message]]:
    """Lay out simulated records, each of a patient of its own."""
    records, problems = find_records(source)
    rows = []
    for record in records:
        _write(record, out, record.name)
        for extension in annotation_files(record.stem, record.leads):
            _link(Path(f"{record.stem}.{extension}"), out / f"{record.name}.{extension}")
        rows.append(Row(record.name, "", record.name))
    return rows, problems


def lay_out_folder(source: Path, out: Path) -> tuple[list[Row], list[Message]]:
    """Link a data folder, and read its folds.tsv.

    Raises
    ------
    LeadwiseError
        The folder has no folds.tsv with the columns record, fold and patient.
    """
    path = source / "folds.tsv"
    if not path.is_file():
        raise LeadwiseError(f"{source}: has no folds.tsv; prepare it with python -m datasets.ptbxl")
    titles, *lines = [row.cells for row in read_rows(path)] or [[]]
    if titles != list(Row._fields):
        raise LeadwiseError(f"{path}: needs the columns {', '.join(Row._fields)}, in this order")
    _link(source, out)
    return [Row(*cells) for cells in lines], []


def _write(record: Record, out: Path, name: str) -> None:
    """Write the header as it was read, under another name, and link the signal."""
    header, lines = record.header, record.header.lines
    (file,) = set(lines.files)
    signal = f"{name}{Path(file).suffix}"
    text = [f"{name} {len(header.leads)} {header.fs:.10g} {record.samples}"]
    fields = (lines.formats, lines.gains, lines.baselines, lines.units)
    of_leads = zip(*fields, lines.firsts, lines.checksums, header.leads, strict=True)
    for form, gain, baseline, unit, first, checksum, lead in of_leads:
        text.append(f"{signal} {form} {gain:g}({baseline})/{unit} 0 0 {first} {checksum} 0 {lead}")
    age = "NaN" if math.isnan(header.age) else f"{header.age:g}"
    text += [f"# Age: {age}", f"# Sex: {header.sex.capitalize()}"]
    make_folder(out)
    with atomic_write(out / f"{name}.hea") as draft:
        draft.write_text("\n".join(text) + "\n", encoding="utf-8")
    _link(Path(record.stem).parent / file, out / signal)


def _link(source: Path, target: Path) -> None:
    """Link to a file or folder; a link from an earlier run is replaced."""
    if target.is_symlink():
        target.unlink()
    target.symlink_to(source.resolve())


def with_folds(rows: Iterable[Row], fold: str) -> list[Row]:
    """Give each patient without a fold one of five others, in turn."""
    others = [str(number) for number in range(1, FOLDS + 2) if str(number) != fold][:FOLDS]
    rows = list(rows)
    patients = dict.fromkeys(row.patient for row in rows if not row.fold)
    of_patient = {patient: others[place % FOLDS] for place, patient in enumerate(patients)}
    return [row._replace(fold=row.fold or of_patient[row.patient]) for row in rows]


def lay_out(out: Path, fold: str, sources: dict[str, Path]) -> Iterator[str]:
    """Lay out the sources, and write folds.tsv; describe the result and the problems.

    Parameters
    ----------
    out : Path
    fold : str
        Of LUDB's development records.
    sources : dict of str to Path
        Folders of ludb, qtdb, mitdb, simulated and ptbxl, or some of them.

    Raises
    ------
    LeadwiseError
        A folder is not that of its source.
    """
    make_folder(out)
    rows: list[Row] = []
    problems: list[Message] = []
    kinds: dict[str, Callable[[Path, Path], tuple[list[Row], list[Message]]]] = {
        "ludb": partial(lay_out_ludb, fold=fold),
        "qtdb": lay_out_qtdb,
        "mitdb": lay_out_mitbih,
        "simulated": lay_out_simulated,
        "ptbxl": lay_out_folder,
    }
    for name, source in sources.items():
        new, left_out = kinds[name](source, out / name)
        rows, problems = [*rows, *new], [*problems, *left_out]
        yield f"{name}: {len(new)} records."
    yield from summarise(problems)
    lines = ["\t".join(row) for row in with_folds(rows, fold)]
    with atomic_write(out / "folds.tsv") as draft:
        draft.write_text("\n".join(["\t".join(Row._fields), *lines, ""]), encoding="utf-8")


@quiet_pipe()
def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.waves",
        description="Make a data folder with waves, beats and diagnoses from several sources.",
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="data folder to write")
    parser.add_argument("--ludb", type=Path, help="folder of LUDB: waves")
    parser.add_argument("--qtdb", type=Path, help="folder of QTDB: waves")
    parser.add_argument("--mitdb", type=Path, help="folder of MIT-BIH: beats of DS1")
    parser.add_argument("--simulated", type=Path, help="simulated records: waves and beats")
    parser.add_argument("--ptbxl", type=Path, help="data folder with folds.tsv: diagnoses")
    parser.add_argument(
        "--fold", default=VALIDATION,
        help="validation fold, which gets LUDB's development records (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(words)
    names = ("ludb", "qtdb", "mitdb", "simulated", "ptbxl")
    sources = {name: path for name in names if (path := getattr(options, name))}
    if not sources:
        parser.error("name at least one source")
    try:
        for line in lay_out(options.out, options.fold, sources):
            print(line, file=sys.stderr)
    except (LeadwiseError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
