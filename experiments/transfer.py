"""Models trained on PTB-XL, on other hospitals' records: Challenge samples and LUDB.

Each model predicts from 12, 6, 4, 3 and 2 leads.  Lead sets for which the same network reads the
same leads share a row.  docs/transfer.md describes the choice of classes, gains and records.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from datasets.ludb import read_ludb
from docs.generate import table, write_tables
from ecg import LeadwiseError
from ecg.headers import LeadLines, Message, with_gain
from ecg.labels import CODES, class_name, label_matrix
from ecg.leads import LEAD_SETS, derivable_leads
from ecg.records import Record, find_records, summarise
from ecg.rules import RULES
from experiments.outputs import NO, RESAMPLES
from models.decision import decide
from models.folder import FittedHead, TrainedSet
from models.model import Model
from scoring.bootstrap import intervals
from scoring.measures import areas, count, f_measure, macro

# With 8 positives among 100 records an AUROC of 0.9 has a standard error of 0.07 (Hanley & McNeil
# 1982): it differs from chance, but models can hardly be compared.
ENOUGH = 8
UNSEEN = tuple(  # not among PTB-XL's labels
    code for code in CODES if class_name(code) in ("BBB", "Brady", "PRWP", "PVC")
)
PTBXL = "HR"  # prefix of its records' names
# Georgia's first release has 4880/mV, later ones have 1000/mV for the same samples.
SUPERSEDED_GAIN, GAIN = 4880.0, 1000.0
HEAD = (
    "model | leads | class | positives | F1 | F1 with rules, change | AUROC | change from most "
    "leads | PTB-XL: F1 / with rules / AUROC"
)
DATA_HEAD = f"data | left out | scored | fewer than {ENOUGH} positives | not in PTB-XL's labels"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Records of other hospitals and their labels, (records, 26 classes)."""

    name: str
    records: tuple[Record, ...]
    labels: np.ndarray
    left_out: str = "none"

    @property
    def reported(self) -> np.ndarray:
        """Columns of the classes with enough positives that were in the training data."""
        enough = self.labels.sum(axis=0) >= ENOUGH
        return np.flatnonzero(enough & ~np.isin(CODES, UNSEEN))


class LoadedNetwork(NamedTuple):
    """A network and the sizes of all lead sets for which it reads the same leads."""

    model: Model
    trained: TrainedSet
    sizes: tuple[int, ...]

    @property
    def fitted(self) -> FittedHead:
        """Decision and rules."""
        return self.trained.heads[self.model.recipe.head.name]


class Predictions(NamedTuple):
    """A network's outputs for records: each (records, classes)."""

    probabilities: np.ndarray
    outputs: np.ndarray  # the model's decision alone
    with_rules: np.ndarray  # with the model's rules

    def of(self, columns: np.ndarray) -> "Predictions":
        """Select classes."""
        return Predictions(*(part[:, columns] for part in self))


def read_samples(folder: Path) -> Labelled:
    """Read the Challenge's samples: labelled, not of PTB-XL, each signal once.

    Without a code in its Dx line a record is unlabelled, not normal.

    Raises
    ------
    LeadwiseError
        The folder does not exist, or a signal cannot be used.
    """
    records = _usable(find_records(folder))
    others = [record for record in records if not record.name.startswith(PTBXL)]
    labelled = [record for record in others if record.header.codes]
    unique: dict[bytes, Record] = {}
    for record in labelled:
        unique.setdefault(record.digital().tobytes(), record)
    left_out = (
        f"{len(records) - len(others)} of PTB-XL, {len(others) - len(labelled)} without label, "
        f"{len(labelled) - len(unique)} that repeat a signal"
    )
    return labelled_as("samples", [_with_right_gain(one) for one in unique.values()], left_out)


def labelled_as(name: str, records: Sequence[Record], left_out: str = "none") -> Labelled:
    """Label records by their headers' codes."""
    labels = label_matrix([record.header.codes for record in records])
    return Labelled(name, tuple(records), labels, left_out)


def _usable(result: tuple[list[Record], list[Message]]) -> list[Record]:
    """Print the problems and return the records."""
    records, problems = result
    for line in summarise(problems):
        print(line, file=sys.stderr)
    return records


def _with_right_gain(record: Record) -> Record:
    if set(record.header.lines.gains) != {SUPERSEDED_GAIN}:
        return record
    return replace(record, header=with_gain(record.header, GAIN))


def load_networks(model: Path) -> list[LoadedNetwork]:
    """Load the networks for the Challenge's lead sets, most leads first.

    Raises
    ------
    LeadwiseError
        The folder holds no usable model, or one with other classes.
    """
    loaded = Model.load(model)
    if loaded.classes != CODES:
        raise LeadwiseError(f"{model}: its classes are not the Challenge's 26")
    groups: dict[tuple[tuple[str, ...], frozenset[str]], LoadedNetwork] = {}
    for size, leads in LEAD_SETS.items():
        trained, _ = loaded.network_for(leads)
        key = (trained.leads, derivable_leads(leads) & set(trained.leads))
        before = groups.get(key, LoadedNetwork(loaded, trained, ()))
        groups[key] = before._replace(sizes=(*before.sizes, size))
    return list(groups.values())


def shown(record: Record, leads: Sequence[str]) -> Record:
    """Reduce a record to these leads."""
    chosen = [record.leads.index(lead) for lead in leads if lead in record.leads]
    lines = LeadLines._make(tuple(field[i] for i in chosen) for field in record.header.lines)
    header = replace(record.header, leads=tuple(record.leads[i] for i in chosen), lines=lines)
    return Record(header, recording=record.digital()[chosen])


def predict_all(network: LoadedNetwork, data: Labelled) -> Predictions:
    """Run a network on all records with the largest of its lead sets."""
    leads = LEAD_SETS[network.sizes[0]]
    records = tqdm(data.records, desc=f"{len(leads)} leads, {data.name}", leave=False)
    predictions = [network.model.predict(shown(record, leads)) for record in records]
    probabilities = np.array([prediction.probabilities for prediction in predictions])
    with_rules = np.array([prediction.labels for prediction in predictions])
    return Predictions(probabilities, decide(network.fitted.decision, probabilities), with_rules)


def measure(
    labels: np.ndarray, predictions: Predictions, most: Predictions, times: np.ndarray | None = None
) -> np.ndarray:
    """Measure each class and (last) the mean over classes.

    Parameters
    ----------
    labels : np.ndarray of bool, shape (records, classes)
    predictions, most : Predictions
        The outputs to measure, and those with the largest lead set.
    times : np.ndarray, shape (…, records), optional
        How often each record counts.

    Returns
    -------
    np.ndarray, shape (…, 4, classes + 1)
        F1, its change by rules, AUROC, and its change from the most leads.
    """
    f1 = f_measure(count(labels, predictions.outputs, times))
    with_rules = f_measure(count(labels, predictions.with_rules, times))
    auroc, widest = (areas(labels, one.probabilities, times).auroc for one in (predictions, most))
    values = np.stack([f1, with_rules, auroc, widest], axis=-2)
    values = np.concatenate([values, macro(values)[..., None]], axis=-1)
    f1, with_rules, auroc, widest = np.moveaxis(values, -2, 0)
    return np.stack([f1, with_rules - f1, auroc, auroc - widest], axis=-2)


def class_rows(
    data: Labelled, network: LoadedNetwork, predictions: Predictions,
    most: Predictions | None, home: np.ndarray | None,
) -> Iterator[str]:  # fmt: skip
    """Make one row per class and one for their mean, without the column `model`.

    `home` are the measures of the same classes on PTB-XL.  `most` are the predictions with the
    largest lead set; None if these are they.
    """
    labels, own = data.labels[:, data.reported], predictions.of(data.reported)
    widest = own if most is None else most.of(data.reported)
    values = measure(labels, own, widest)
    low, high = intervals(
        lambda times: measure(labels, own, widest, times).reshape(len(times), -1),
        len(labels), RESAMPLES, np.random.default_rng(0),
    ).reshape(2, *values.shape)  # fmt: skip

    def cell(what: int, column: int, sign: str = "") -> str:
        value, *ends = (_f(array[what, column], sign) for array in (values, low, high))
        return f"{value} ({' to '.join(ends)})"

    ruled_codes = {RULES[rule.name].codes[0] for rule in network.fitted.rules
              if rule.options["mode"] != "off"}  # fmt: skip
    codes = [CODES[column] for column in data.reported]
    leads = f"{', '.join(map(str, network.sizes))} (network of {len(network.trained.leads)})"
    for column, name in enumerate([*map(class_name, codes), "**mean**"]):
        of_class = column < len(codes)
        ruled = codes[column] in ruled_codes if of_class else not ruled_codes.isdisjoint(codes)
        yield " | ".join([
            leads, name, str(int(labels[:, column].sum())) if of_class else "",
            cell(0, column),
            f"{_f(values[:2, column].sum())}, {cell(1, column, '+')}" if ruled else NO,
            cell(2, column),
            NO if most is None else cell(3, column, "+"),
            NO if home is None else _on_ptbxl(home[:, column], ruled),
        ])  # fmt: skip


def _on_ptbxl(values: np.ndarray, ruled: bool) -> str:
    f1, change, auroc, _ = values
    return f"{_f(f1)} / {_f(f1 + change) if ruled else NO} / {_f(auroc)}"


def _f(value: float, sign: str = "") -> str:
    return f"{round(value, 3) + 0.0:{sign}.3f}"  # no -0.000


def data_row(data: Labelled) -> str:
    """Count the scored records, and the positives of classes that are not scored."""
    positives = dict(zip(CODES, data.labels.sum(axis=0).tolist(), strict=True))
    rare = [code for code in CODES if 0 < positives[code] < ENOUGH and code not in UNSEEN]
    unseen = [code for code in UNSEEN if positives[code]]
    cells = (
        ", ".join(f"{class_name(code)} {positives[code]}" for code in codes)
        for codes in (rare, unseen)
    )
    return " | ".join([data.name, data.left_out, str(len(data.records)), *cells])


def report(
    samples: Path, ludb: Path, models: Sequence[Path], *, ptbxl: Path | None, page: Path | None
) -> Iterator[str]:
    """Make the tables, and write them into a page if one is given.

    Raises
    ------
    LeadwiseError
        A folder holds no usable model or records.
    """
    networks = {model: load_networks(model) for model in models}  # first, to find wrong folders
    sets = (read_samples(samples), labelled_as("LUDB", _usable(read_ludb(ludb))))
    home = labelled_as("PTB-XL", _usable(find_records(ptbxl))) if ptbxl else None
    rows: dict[str, list[str]] = {data.name: [] for data in sets}
    for model, loaded in networks.items():
        most: dict[str, Predictions] = {}
        for network in loaded:
            on_ptbxl = predict_all(network, home) if home else None
            for data in sets:
                columns, predictions = data.reported, predict_all(network, data)
                measured = None
                if home and on_ptbxl:
                    own = on_ptbxl.of(columns)
                    measured = measure(home.labels[:, columns], own, own)
                of_classes = class_rows(data, network, predictions, most.get(data.name), measured)
                rows[data.name] += [f"{model.name} | {row}" for row in of_classes]
                most.setdefault(data.name, predictions)
    tables = {"transfer-data": table(DATA_HEAD, list(map(data_row, sets)))}
    tables |= {f"transfer-{name.lower()}": table(HEAD, lines) for name, lines in rows.items()}
    if page:
        write_tables(page, tables)
    for lines in tables.values():
        yield from (*lines, "")


if __name__ == "__main__":
    from experiments.__main__ import main

    main("transfer")
