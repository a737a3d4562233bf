"""Models trained on PTB-XL, on other hospitals' records: Challenge samples and LUDB.

    python -m experiments.transfer SAMPLES LUDB MODEL [MODEL …] --ptbxl FOLD9

SAMPLES are genuine records of the Challenge at 500 Hz, laid out as it does; those of PTB-XL are
left out.  LUDB holds its records in WFDB's format.  Each MODEL is asked with 12, 6, 4, 3 and 2
leads; where requests show the same leads to the same network they are one row.  FOLD9 holds records
of PTB-XL that no model has learned from: what the same classes reach at home.  The tables go into
docs/results.md; docs/transfer.md says how classes, gains and records were chosen.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from datasets.ludb import read_ludb
from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.headers import LeadLines, Message, with_gain
from ecg.labels import CODES, class_name, label_matrix
from ecg.leads import LEAD_SETS, derivable_leads
from ecg.records import Record, find_records, summarise
from ecg.rules import RULES
from experiments.outputs import RESAMPLES
from models.classifier import Classifier
from models.decision import decide
from scoring.bootstrap import intervals
from scoring.measures import areas, count, f_measure, macro

PAGE = Path(__file__).resolve().parent.parent / "docs" / "results.md"
# An AUROC of 0.9 has with 8 positives among 100 records a standard error of 0.07 (Hanley & McNeil
# 1982), so good is told from chance, and no more; each positive is an eighth of the recall.
ENOUGH = 8
UNSEEN = tuple(  # PTB-XL's labels have none of these
    code for code in CODES if class_name(code) in ("BBB", "Brady", "PRWP", "PVC")
)
PTBXL = "HR"  # how its records' names begin
# Georgia's first release says 4880/mV; later ones say 1000/mV of the same samples.
SUPERSEDED_GAIN, GAIN = 4880.0, 1000.0
HEAD = (
    "| model | leads | class | positives | F1 | F1 with rules, change | AUROC | change from most "
    "leads | PTB-XL: F1 / with rules / AUROC |"
)
DATA_HEAD = f"| data | left out | scored | fewer than {ENOUGH} positives | not in PTB-XL's labels |"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Records of other hospitals and their labels, (records, 26 classes)."""

    name: str
    records: tuple[Record, ...]
    labels: np.ndarray
    left_out: str = "none"

    @property
    def reported(self) -> np.ndarray:
        """Columns of the classes that there are enough of and that training has seen."""
        there = self.labels.sum(axis=0) >= ENOUGH
        return np.flatnonzero(there & ~np.isin(CODES, UNSEEN))


class Asked(NamedTuple):
    """A network and all requests that show it the same leads."""

    classifier: Classifier
    sizes: tuple[int, ...]


class Answers(NamedTuple):
    """What a network says of records: each (records, classes)."""

    probabilities: np.ndarray
    outputs: np.ndarray  # the model's decision alone
    joined: np.ndarray  # with the model's rules

    def of(self, columns: np.ndarray) -> "Answers":
        """Take some of the classes."""
        return Answers(*(part[:, columns] for part in self))


def read_samples(folder: Path) -> Labelled:
    """Read the Challenge's samples: of hospitals other than PTB-XL's, labelled, each signal once.

    A Dx line without a code means that the label was removed, not that nothing was found.

    Raises
    ------
    LeadwiseError
        There is no such folder, or a signal cannot be used.
    """
    found = _usable(find_records(folder))
    others = [record for record in found if not record.name.startswith(PTBXL)]
    labelled = [record for record in others if record.header.codes]
    once: dict[bytes, Record] = {}
    for record in labelled:
        once.setdefault(record.digital().tobytes(), record)
    told = (
        f"{len(found) - len(others)} of PTB-XL, {len(others) - len(labelled)} without label, "
        f"{len(labelled) - len(once)} that repeat a signal"
    )
    return labelled_as("samples", [_with_right_gain(one) for one in once.values()], told)


def labelled_as(name: str, records: Sequence[Record], left_out: str = "none") -> Labelled:
    """Label records by their headers' codes."""
    labels = label_matrix([record.header.codes for record in records])
    return Labelled(name, tuple(records), labels, left_out)


def _usable(found: tuple[list[Record], list[Message]]) -> list[Record]:
    """Say what is not among the records, and give them."""
    records, problems = found
    for line in summarise(problems):
        print(line, file=sys.stderr)
    return records


def _with_right_gain(record: Record) -> Record:
    if set(record.header.lines.gains) != {SUPERSEDED_GAIN}:
        return record
    return replace(record, header=with_gain(record.header, GAIN))


def ask(model: Path) -> list[Asked]:
    """Load the networks that serve the Challenge's lead sets, most leads first.

    Raises
    ------
    LeadwiseError
        The folder holds no usable model, or one of other classes.
    """
    groups: dict[tuple[tuple[str, ...], frozenset[str]], Asked] = {}
    for size, leads in LEAD_SETS.items():
        classifier = Classifier.load(model, leads)
        if classifier.classes != CODES:
            raise LeadwiseError(f"{model}: its classes are not the Challenge's 26")
        key = (classifier.leads, derivable_leads(leads) & set(classifier.leads))
        before = groups.get(key, Asked(classifier, ()))
        groups[key] = Asked(before.classifier, (*before.sizes, size))
    return list(groups.values())


def shown(record: Record, leads: Sequence[str]) -> Record:
    """Give a record as if only these leads had been recorded."""
    rows = [record.leads.index(lead) for lead in leads if lead in record.leads]
    lines = LeadLines._make(tuple(entries[row] for row in rows) for entries in record.header.lines)
    header = replace(record.header, leads=tuple(record.leads[row] for row in rows), lines=lines)
    return Record(header, recording=record.digital()[rows])


def answers_on(asked: Asked, data: Labelled) -> Answers:
    """Let a network answer all records with the most leads of its requests."""
    classifier, leads = asked.classifier, LEAD_SETS[asked.sizes[0]]
    title = f"{len(leads)} leads, {data.name}"
    said = [
        classifier.answer(shown(record, leads))
        for record in tqdm(data.records, desc=title, leave=False)
    ]
    probabilities = np.array([answer.probabilities for answer in said])
    joined = np.array([answer.labels for answer in said])
    return Answers(probabilities, decide(classifier.decision, probabilities), joined)


def measure(
    labels: np.ndarray, answers: Answers, most: Answers, times: np.ndarray | None = None
) -> np.ndarray:
    """Measure some classes and, last, their mean.

    Parameters
    ----------
    labels : np.ndarray of bool, shape (records, classes)
    answers, most : Answers
        Those to measure, and those with the most leads.
    times : np.ndarray, shape (…, records), optional
        How often each record counts.

    Returns
    -------
    np.ndarray, shape (…, 4, classes + 1)
        F1, what rules change of it, AUROC, and that less the AUROC with most leads.
    """
    f1, joined = (
        f_measure(count(labels, outputs, times)) for outputs in (answers.outputs, answers.joined)
    )
    auroc, widest = (areas(labels, one.probabilities, times).auroc for one in (answers, most))
    values = np.stack([f1, joined, auroc, widest], axis=-2)
    values = np.concatenate([values, macro(values)[..., None]], axis=-1)
    f1, joined, auroc, widest = np.moveaxis(values, -2, 0)
    return np.stack([f1, joined - f1, auroc, auroc - widest], axis=-2)


def channels_of(
    data: Labelled, asked: Asked, answers: Answers, most: Answers | None, home: np.ndarray | None
) -> Iterator[str]:
    """Report a network on some records, a row a class and one for their mean, from `leads` on.

    `home` is what `measure` says of the same classes on PTB-XL; `most` None where these are the
    answers with most leads.
    """
    labels, some = data.labels[:, data.reported], answers.of(data.reported)
    widest = some if most is None else most.of(data.reported)
    values = measure(labels, some, widest)
    low, high = intervals(
        lambda times: measure(labels, some, widest, times).reshape(len(times), -1),
        len(labels), RESAMPLES, np.random.default_rng(0),
    ).reshape(2, *values.shape)  # fmt: skip

    def cell(what: int, place: int, sign: str = "") -> str:
        ends = (low[what, place], high[what, place])
        return f"{_f(values[what, place], sign)} ({' to '.join(_f(end, sign) for end in ends)})"

    joined = {RULES[rule.name].codes[0] for rule in asked.classifier.rules}
    codes = [CODES[column] for column in data.reported]
    said = f"{', '.join(map(str, asked.sizes))} (network of {len(asked.classifier.leads)})"
    for place, name in enumerate([*map(class_name, codes), "**mean**"]):
        of_class = place < len(codes)
        ruled = codes[place] in joined if of_class else not joined.isdisjoint(codes)
        yield " | ".join([
            said, name, str(int(labels[:, place].sum())) if of_class else "",
            cell(0, place),
            f"{_f(values[:2, place].sum())}, {cell(1, place, '+')}" if ruled else "–",
            cell(2, place),
            "–" if most is None else cell(3, place, "+"),
            "–" if home is None else _at_home(home[:, place], ruled),
        ])  # fmt: skip


def _at_home(values: np.ndarray, ruled: bool) -> str:
    f1, change, auroc, _ = values
    return f"{_f(f1)} / {_f(f1 + change) if ruled else '–'} / {_f(auroc)}"


def _f(value: float, sign: str = "") -> str:
    return f"{round(value, 3) + 0.0:{sign}.3f}"  # no -0.000


def data_row(data: Labelled) -> str:
    """Tell which records are scored and which classes are too rare."""
    positives = dict(zip(CODES, data.labels.sum(axis=0).tolist(), strict=True))
    rare = [
        f"{class_name(code)} {number}"
        for code, number in positives.items()
        if 0 < number < ENOUGH and code not in UNSEEN
    ]
    unseen = [f"{class_name(code)} {positives[code]}" for code in UNSEEN if positives[code]]
    return (
        f"| {data.name} | {data.left_out} | {len(data.records)} | {', '.join(rare)} | "
        f"{', '.join(unseen)} |"
    )


def report(samples: Path, ludb: Path, models: Sequence[Path], ptbxl: Path | None) -> None:
    """Write the tables of docs/results.md."""
    asked_of = {
        model: ask(model) for model in models
    }  # first, since a wrong folder is said at once
    sets = (read_samples(samples), labelled_as("LUDB", _usable(read_ludb(ludb))))
    home = labelled_as("PTB-XL", _usable(find_records(ptbxl))) if ptbxl else None
    tables = {data.name: [HEAD, _ruler(HEAD)] for data in sets}
    for model, asked in asked_of.items():
        most: dict[str, Answers] = {}
        for one in asked:
            at_home = answers_on(one, home) if home else None
            for data in sets:
                columns, answers = data.reported, answers_on(one, data)
                measured = None
                if home and at_home:
                    some = at_home.of(columns)
                    measured = measure(home.labels[:, columns], some, some)
                rows = channels_of(data, one, answers, most.get(data.name), measured)
                tables[data.name] += [f"| {model.name} | {row} |" for row in rows]
                most.setdefault(data.name, answers)
    about = [DATA_HEAD, _ruler(DATA_HEAD), *map(data_row, sets)]
    of_sets = {f"transfer-{name.lower()}": rows for name, rows in tables.items()}
    write_tables(PAGE, {"transfer-data": about, **of_sets})


def _ruler(head: str) -> str:
    return "| --- " * (head.count(" | ") + 1) + "|"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("samples", metavar="SAMPLES", type=Path)
    parser.add_argument("ludb", metavar="LUDB", type=Path)
    parser.add_argument("models", metavar="MODEL", type=Path, nargs="+")
    parser.add_argument("--ptbxl", metavar="FOLD9", type=Path)
    options = parser.parse_args()
    try:
        report(options.samples, options.ludb, options.models, options.ptbxl)
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
