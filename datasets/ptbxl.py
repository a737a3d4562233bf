"""PTB-XL as PhysioNet ships it, as a data folder: `python -m datasets.ptbxl IN OUT`.

Wagner et al., Scientific Data 2020;7:154, doi 10.13026/kfzx-aw45: 21,799 records of 10 s, 12 leads.
IN has `ptbxl_database.csv` and the signals, `records100/` or `records500/`.  OUT gets per record
the Challenge's name (HR00001), a header with age, sex and Dx codes, and a link to the signal;
finally `folds.tsv` (record, fold, patient) with PTB-XL's own ten folds.  The same command resumes.

The codes are those of the Challenge's headers (2021), in their order: each statement of PTB-XL and
each heart axis is one code, whatever its likelihood.  Compared with the Challenge's codes of 19,601
records: 7 differ, where version 1.0.3 of PTB-XL has other statements than 1.0.1.
"""

import argparse
import ast
import csv
import math
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ecg import FAILURES, LeadwiseError
from ecg.files import atomic_write, make_folder, read_bytes, remove_drafts
from ecg.headers import Message, parse_header
from ecg.lock import locked
from ecg.progress import progress_bar, quiet_pipe
from ecg.records import summarise

TABLE = "ptbxl_database.csv"
FILENAMES = {100: "filename_lr", 500: "filename_hr"}
COLUMNS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "heart_axis", "strat_fold")
HIDDEN_AGE = 300.0  # written for ages above 89
SEX = {"0": "Male", "1": "Female"}
# Code of the Challenge: PTB-XL's statements.
STATEMENTS_OF = {
    "10370003": "PACE",
    "11157007": "BIGU",
    "164861001": "ISC_ ISCAL ISCAS ISCIL",
    "164865005": "ALMI ASMI ILMI IMI INJAL INJAS INJIL INJIN INJLA IPLMI IPMI LMI PMI",
    "164873001": "LVH VCLVH",
    "164884008": "PRC(S) PVC",
    "164889003": "AFIB",
    "164890007": "AFLT",
    "164909002": "CLBBB",
    "164917005": "QWAVE",
    "164931005": "STE_",
    "164934002": "LOWT NDT NT_ TAB_",
    "164947007": "LPR",
    "164951009": "ABQRS HVOLT",
    "195042002": "2AVB",
    "251120003": "ILBBB",
    "251146004": "LVOLT",
    "251180001": "TRIGU",
    "266249003": "SEHYP",
    "270492004": "1AVB",
    "27885002": "3AVB",
    "284470004": "PAC",
    "425419005": "ISCIN",
    "425623009": "ISCLA",
    "426177001": "SBRAD",
    "426434006": "ISCAN",
    "426761007": "SVTAC",
    "426783006": "NORM SR",
    "427084000": "STACH",
    "427393009": "SARRH",
    "428750005": "ANEUR DIG EL",
    "429622005": "STD_",
    "445118002": "LAFB",
    "445211001": "LPFB",
    "446358003": "RAO/RAE",
    "54329005": "AMI",
    "55930002": "NST_",
    "59931005": "INVT",
    "63593006": "SVARR",
    "67198005": "PSVT",
    "67741000119109": "LAO/LAE",
    "698252002": "IVCD",
    "713426002": "IRBBB",
    "713427006": "CRBBB",
    "74390002": "WPW",
    "89792004": "RVH",
    "111975006": "LNGQT",
}
CODE_OF = {name: code for code, names in STATEMENTS_OF.items() for name in names.split()}
# Left and right axis deviation, indeterminate axis; without a code: normal, or not given.
AXIS = {
    "LAD": "39732003", "ALAD": "39732003", "RAD": "47665007", "ARAD": "47665007",
    "AXL": "251200008", "AXR": "251200008", "SAG": "251200008", "MID": "", "": "",
}  # fmt: skip


class Row(NamedTuple):
    """A record of the table."""

    record: str
    patient: str
    fold: str
    age: float  # years, NaN if unknown or hidden
    sex: str
    statements: tuple[str, ...]
    axis: str
    file: str  # path of the signal without its ending, relative to IN

    @property
    def codes(self) -> tuple[str, ...]:
        """The Challenge's codes, sorted as in its headers."""
        codes = {CODE_OF[name] for name in self.statements} | {AXIS[self.axis]}
        return tuple(sorted(codes - {""}))


def read_table(path: Path, rate: int) -> tuple[list[Row], list[Message]]:
    """Read `ptbxl_database.csv`.

    Parameters
    ----------
    rate : int
        100 or 500 Hz: which of the two signals.

    Returns
    -------
    rows : list of Row
    problems : list of Message
        Rows left out, with reasons.

    Raises
    ------
    LeadwiseError
        The table cannot be read or has other columns.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lacking = {*COLUMNS, FILENAMES[rate]} - set(reader.fieldnames or ())
            lines = list(enumerate(reader, 2))
    except OSError as error:
        text = f"{error.strerror}; IN is the folder of PTB-XL as PhysioNet ships it"
        raise LeadwiseError(f"{path}: cannot be read: {text}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LeadwiseError(f"{path}: cannot be read: {error}") from error
    if lacking:
        raise LeadwiseError(f"{path}: has no column {', '.join(sorted(lacking))}; is it PTB-XL's?")
    rows: dict[str, Row] = {}
    problems: list[Message] = []
    for number, line in lines:
        name = f"line {number}"
        try:
            name = f"HR{int(line['ecg_id']):05d}"
            row = _row(name, line, FILENAMES[rate])
            if name in rows:
                raise LeadwiseError("is in the table twice; the first row is used")
            rows[name] = row
        except (*FAILURES, SyntaxError, TypeError, AttributeError) as error:  # any bad cell
            text = str(error) if isinstance(error, LeadwiseError) else f"unusable row: {error}"
            problems.append(Message(name, "left out", text))
    return list(rows.values()), problems


def _row(name: str, line: Mapping[str, str], filename: str) -> Row:
    """Read a row; raise an error of Python or ours if a cell is not PTB-XL's."""
    stated = ast.literal_eval(line["scp_codes"])
    if not isinstance(stated, dict):
        raise LeadwiseError(f"scp_codes is {line['scp_codes'][:60]}, not statements: likelihoods")
    axis, fold = line["heart_axis"].strip(), int(line["strat_fold"])
    if unknown := [key for key in stated if key not in CODE_OF]:
        raise LeadwiseError(f"{unknown[0]!r} is no statement of PTB-XL")
    if axis not in AXIS or line["sex"] not in SEX or not 1 <= fold <= 10:
        text = f"heart_axis {axis!r}, sex {line['sex']!r} or strat_fold {fold} is not PTB-XL's"
        raise LeadwiseError(text)
    age = float(line["age"] or "nan")
    age = math.nan if age == HIDDEN_AGE else age
    patient = str(int(float(line["patient_id"])))
    if not re.fullmatch(r"records\d+/\d+/\w+", line[filename]):
        raise LeadwiseError(f"{filename} is {line[filename][:60]!r}, no path below records…/")
    return Row(name, patient, str(fold), age, SEX[line["sex"]], tuple(stated), axis, line[filename])


def header_of(row: Row, text: str) -> str:
    """Give a record its name in the Challenge, age, sex and codes, in the dialect of 2021."""
    kept = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    body = [re.sub(r"^\S+", f"{row.record}{end}", line.strip())
            for line, end in zip(kept, ["", *[".dat"] * len(kept)], strict=False)]  # fmt: skip
    age = "NaN" if math.isnan(row.age) else f"{row.age:g}"
    body += [f"# Age: {age}", f"# Sex: {row.sex}", f"# Dx: {','.join(row.codes)}"]
    return "\n".join([*body, "# Rx: Unknown", "# Hx: Unknown", "# Sx: Unknown"]) + "\n"


def prepare(row: Row, source: Path, out: Path, *, copy: bool) -> None:
    """Write a record's header and link or copy its signal, unless that is done.

    Raises
    ------
    LeadwiseError
        Header or signal is missing or not the record's, or cannot be written.
    """
    signal, target = source / f"{row.file}.dat", out / f"{row.record}.dat"
    try:
        original = read_bytes(source / f"{row.file}.hea").decode("utf-8", "replace")
        size = signal.stat().st_size
    except OSError as error:
        raise LeadwiseError(f"{error.filename}: {error.strerror}; download it again") from error
    text, read = header_of(row, original), parse_header(original, row.record)
    if set(read.lines.files) != {signal.name}:
        raise LeadwiseError(f"its header does not name {signal.name}; download it again")
    if size != (expected := 2 * len(read.leads) * (read.samples or 0)):  # 16 bits
        text = f"{signal} has {size} bytes, not {expected} as its header says; download it again"
        raise LeadwiseError(text)
    if copy and target.is_symlink():
        target.unlink()  # writing would follow it to PTB-XL's own file
    if copy and not (target.exists() and target.stat().st_size == size):
        with atomic_write(target) as draft:
            shutil.copyfile(signal, draft)
    elif not copy and not (target.is_symlink() and target.readlink() == signal):
        target.unlink(missing_ok=True)
        target.symlink_to(signal)
    header = out / f"{row.record}.hea"
    if not header.exists() or header.read_text(encoding="utf-8") != text:
        with atomic_write(header) as draft:
            draft.write_text(text, encoding="utf-8")


def prepare_all(source: Path, out: Path, rate: int, *, copy: bool) -> Iterator[str]:
    """Prepare all records and write folds.tsv; describe the result and the problems.

    Raises
    ------
    LeadwiseError
        The table cannot be read, no record can be prepared, or OUT holds other records.
    """
    source, out = source.resolve(), out.resolve()
    rows, problems = read_table(source / TABLE, rate)
    if not (source / f"records{rate}").is_dir():
        raise LeadwiseError(f"{source}: has no folder records{rate}; choose the other --rate?")
    make_folder(out)
    with locked(out / ".lock", "prepares records here; wait for it"):
        others = {path.stem for path in out.glob("*.hea")} - {row.record for row in rows}
        if others:
            raise LeadwiseError(
                f"{out}: holds {len(others)} records that the table lacks ({min(others)}, …); "
                "choose a new OUT"
            )
        remove_drafts(out)
        done: list[Row] = []
        with progress_bar("preparing", len(rows), "record") as shown:
            for row in rows:
                try:
                    prepare(row, source, out, copy=copy)
                    done.append(row)
                except LeadwiseError as error:
                    text = str(error).removeprefix(f"{row.record}: ")
                    problems.append(Message(row.record, "left out", text))
                shown.update()
        yield from summarise(problems)
        if not done:
            raise LeadwiseError(f"{source}: no record can be prepared; see the lines above")
        lines = ["\t".join((row.record, row.fold, row.patient)) for row in done]
        with atomic_write(out / "folds.tsv") as draft:
            draft.write_text("\n".join(["record\tfold\tpatient", *lines, ""]), encoding="utf-8")
    patients = len({row.patient for row in done})
    yield f"{len(done)} records of {patients} patients are in {out}; {len(problems)} left out."
    if problems:
        raise LeadwiseError("some records were left out; the same command tries them again")


@quiet_pipe()
def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.ptbxl",
        description="Make a data folder from PTB-XL as PhysioNet ships it: headers with the "
        "Challenge's codes, links to the signals, and folds.tsv. The same command resumes. Exit "
        "status 1 if a record was left out.",
    )
    parser.add_argument("source", metavar="IN", type=Path, help=f"folder with {TABLE}")
    parser.add_argument("out", metavar="OUT", type=Path, help="data folder to write")
    parser.add_argument(
        "--rate", type=int, choices=FILENAMES, default=500, help="Hz (default: 500)"
    )
    parser.add_argument("--copy", action="store_true", help="copy the signals instead of linking")
    options = parser.parse_args(words)
    try:
        for line in prepare_all(options.source, options.out, options.rate, copy=options.copy):
            print(line, file=sys.stderr)
    except (LeadwiseError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
