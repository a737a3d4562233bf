"""PTB-XL's 71 statements: a data folder whose headers name them, for the study `statements`."""

import ast
import csv
import re
import shutil
from pathlib import Path

from ecg import LeadwiseError
from ecg.headers import parse_header
from experiments.runs import files_of
from training.soft import write_soft

UNKNOWN = 0.0  # likelihood in PTB-XL's table: the physician has stated none


def read_statements(table: Path) -> dict[str, dict[str, float]]:
    """Read each record's statements and their likelihoods in per cent, by its Challenge name.

    Parameters
    ----------
    table : Path
        PTB-XL's own `ptbxl_database.csv`, or a table with the columns `record` and `scp_codes`;
        or one with `record` and `scp`, which has no likelihoods (`UNKNOWN`).

    Raises
    ------
    LeadwiseError
        The table has other columns.
    """
    delimiter = "," if table.suffix == ".csv" else "\t"
    with open(table, newline="", encoding="utf-8") as rows:
        reader = csv.DictReader(rows, delimiter=delimiter)
        columns = set(reader.fieldnames or ())
        if {"record", "scp"} <= columns:
            return {
                row["record"]: dict.fromkeys(filter(None, row["scp"].split(",")), UNKNOWN)
                for row in reader
            }
        if "scp_codes" in columns and columns & {"ecg_id", "record"}:
            return dict(_row(table, number, row) for number, row in enumerate(reader, 2))
    raise LeadwiseError(
        f"{table}: neither the columns record and scp nor ecg_id and scp_codes; is it PTB-XL's?"
    )


def _row(table: Path, number: int, row: dict[str, str]) -> tuple[str, dict[str, float]]:
    try:
        name = row["record"] if "record" in row else f"HR{int(row['ecg_id']):05d}"
        stated = dict(ast.literal_eval(row["scp_codes"]))
        return name, {str(code): float(likelihood) for code, likelihood in stated.items()}
    except (ValueError, SyntaxError, TypeError) as error:
        raise LeadwiseError(f"{table}, line {number}: is no row of PTB-XL's ({error})") from error


def write_statements(data: Path, table: Path, folder: Path) -> None:
    """Make a data folder whose headers name the statements after the Challenge's codes.

    A Challenge code is the common label of related statements, which helps to train rare ones.
    Signals are links.  If the table has likelihoods, `soft.tsv` has them, and 1 where one is
    unknown, for recipes whose `targets` are `soft`.
    """
    if folder.exists():
        raise LeadwiseError(f"{folder}: exists already; choose a new folder")
    statements = read_statements(table)
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    certain: dict[str, dict[str, float]] = {}
    for header in sorted(data.glob("*.hea")):
        text = header.read_text()
        stated = statements.get(header.stem, {})
        codes = [*parse_header(text, header.stem).codes, *stated]
        likelihoods = {code: stated.get(code, UNKNOWN) for code in codes}
        certain[header.stem] = {code: value / 100 or 1.0 for code, value in likelihoods.items()}
        text = re.sub(r"^# ?Dx:.*$", f"# Dx: {','.join(codes)}", text, flags=re.MULTILINE)
        (draft / header.name).write_text(text, encoding="utf-8")
        for path in files_of(header):
            if path != header:
                (draft / path.name).symlink_to(path.resolve())
    shutil.copy(data / "folds.tsv", draft)
    if any(likelihood for stated in statements.values() for likelihood in stated.values()):
        classes = sorted({code for codes in certain.values() for code in codes})
        targets = {
            name: [codes.get(one, 0.0) for one in classes] for name, codes in certain.items()
        }
        write_soft(draft, classes, targets)
    draft.rename(folder)


if __name__ == "__main__":
    from experiments.__main__ import main

    main("statements")
