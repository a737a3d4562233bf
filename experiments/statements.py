"""PTB-XL's 71 statements: a data folder whose headers name them, for the study `statements`."""

import ast
import csv
import re
import shutil
from pathlib import Path

from ecg import LeadwiseError
from ecg.headers import parse_header
from experiments.runs import files_of


def read_statements(table: Path) -> dict[str, tuple[str, ...]]:
    """Read each record's statements, by its name in the Challenge.

    Parameters
    ----------
    table : Path
        `records.tsv` (columns `record` and `scp`), or PTB-XL's own `ptbxl_database.csv`.

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
            return {row["record"]: tuple(filter(None, row["scp"].split(","))) for row in reader}
        if {"ecg_id", "scp_codes"} <= columns:
            return dict(_row(table, number, row) for number, row in enumerate(reader, 2))
    raise LeadwiseError(
        f"{table}: neither the columns record and scp nor ecg_id and scp_codes; is it PTB-XL's?"
    )


def _row(table: Path, number: int, row: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    try:
        return f"HR{int(row['ecg_id']):05d}", tuple(ast.literal_eval(row["scp_codes"]))
    except (ValueError, SyntaxError, TypeError) as error:
        raise LeadwiseError(f"{table}, line {number}: is no row of PTB-XL's ({error})") from error


def write_statements(data: Path, table: Path, folder: Path) -> None:
    """Make a data folder whose headers name the statements after the Challenge's codes.

    A Challenge code is the common label of related statements, which helps to train rare ones.
    Signals are links.
    """
    if folder.exists():
        raise LeadwiseError(f"{folder}: exists already; choose a new folder")
    statements = read_statements(table)
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for header in sorted(data.glob("*.hea")):
        text = header.read_text()
        codes = [*parse_header(text, header.stem).codes, *statements.get(header.stem, ())]
        text = re.sub(r"^# ?Dx:.*$", f"# Dx: {','.join(codes)}", text, flags=re.MULTILINE)
        (draft / header.name).write_text(text, encoding="utf-8")
        for path in files_of(header):
            if path != header:
                (draft / path.name).symlink_to(path.resolve())
    shutil.copy(data / "folds.tsv", draft)
    draft.rename(folder)


if __name__ == "__main__":
    from experiments.__main__ import main

    main("statements")
