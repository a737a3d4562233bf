"""The published networks of STAFF-MALT 2021 on MIT-BIH DS1 by cross-validation over patients.

    python -m benchmarks.beat_networks MITDB NSTDB RUNS

MITDB is the folder of the WFDB records, NSTDB that of the noises bw, em and ma.  RUNS keeps the
trained networks; finished ones are not trained again.  The command writes the tables of
docs/results/holter.md.  Folds are those of benchmarks.beat_classes, first seed; transfer with
attention has all five, the other experiments the first one.  V counts at the
detected R peaks; fusion and unclassifiable beats and ventricular flutter count neither way.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.common import ROOT, parse_options, run, table_lines
from docs.generate import write_tables
from ecg.progress import log
from ecg.records import read_record
from holter.cases import EXTRA, NEITHER
from holter.clusters import find_clusters
from holter.examples import (
    Examples,
    Marked,
    Source,
    read_marked,
    read_noise,
    simulated_examples,
    with_noise,
)
from holter.pair import EXPERIMENTS, Answers, BeatPair
from holter.pair_training import read_sources, train_experiment
from holter.result import CLASSES
from holter.steps import ARTEFACTS, BEAT_CHECK, MERGING, V_CHECK
from holter.validation import FOLDS, LEFT_OUT, agreement, split

RESULTS = ROOT / "docs" / "results.md"
SEED, BEST = 0, "attention"
TITLES = {
    "lstm": "convolution and LSTM", "transfer": "with transfer",
    "attention": "with transfer and attention",
}  # fmt: skip
PUBLISHED_F1 = {
    "lstm": (98.90, 98.50), "transfer": (99.97, 99.67), "attention": (99.98, 99.70),
}  # fmt: skip # Sahin and Kilinc 2021, tables 1 to 3: networks 1 and 2
MOST_LOST = 0.001  # of the beats
CONDITIONS = {"clean": None, "em 6 dB": ("em", 6.0), "ma 0 dB": ("ma", 0.0)}
Row = list[str]


class Trial(NamedTuple):
    """Patients, each with a pair of networks that were trained on others, and their answers."""

    sources: list[Source]
    pairs: list[BeatPair]
    clean: list[Answers]
    noisy: list[Answers]

    @property
    def marked(self) -> list[Marked]:
        """The beats of the recordings without added noise."""
        return [source.clean for source in self.sources]

    def first(self, count: int) -> "Trial":
        """Take the first patients, which are those of the first fold."""
        return Trial(
            self.sources[:count], self.pairs[:count], self.clean[:count], self.noisy[:count]
        )


def train_folds(
    sources: list[Source], folds: np.ndarray, simulated: Examples, runs: Path
) -> dict[str, Trial]:
    """Train `BEST` in all folds, the other experiments in the first one."""
    trials: dict[str, list[Trial]] = {name: [] for name in EXPERIMENTS}
    for fold in range(FOLDS):
        own = folds == fold
        others = [source for source, out in zip(sources, own, strict=True) if not out]
        tested = [source for source, out in zip(sources, own, strict=True) if out]
        for name in (BEST,) if fold else EXPERIMENTS:
            log(f"fold {fold}, {name}")
            pair = train_experiment(name, runs / f"fold{fold}", others, simulated)
            trials[name].append(tried(pair, tested))
    return {
        name: Trial(*(sum(each, []) for each in zip(*own, strict=True)))
        for name, own in trials.items()
    }


def tried(pair: BeatPair, sources: list[Source]) -> Trial:
    """Run the networks on recordings and their noisy copies."""
    clean = [pair.answers(source.clean.table) for source in sources]
    noisy = [pair.answers(source.noisy.table) for source in sources]
    return Trial(sources, [pair] * len(sources), clean, noisy)


def held_out(sources: list[Source]) -> list[np.ndarray]:
    """Choose a fifth of the beats of each patient."""
    generator = np.random.default_rng(SEED)
    return [generator.integers(FOLDS, size=len(source.clean.table)) == 0 for source in sources]


def without(sources: list[Source], held: list[np.ndarray]) -> list[Source]:
    """Take beats out of the training, and what is nearest to them in noisy copies."""

    def rest(marked: Marked, peaks: np.ndarray, own: np.ndarray) -> Marked:
        out = own[np.abs(marked.table.peaks[:, None] - peaks).argmin(axis=1)]
        return marked._replace(
            classes=np.where(out, NEITHER, marked.classes),
            matched=marked.matched & ~out, flutter=marked.flutter | out,
        )  # fmt: skip

    return [
        source._replace(
            clean=rest(source.clean, source.clean.table.peaks, own),
            noisy=rest(source.noisy, source.clean.table.peaks, own),
        )
        for source, own in zip(sources, held, strict=True)
    ]


def labels_of(trial: Trial, steps: Sequence[str] = ()) -> list[np.ndarray]:
    """Decide labels without some steps: indices of `CLASSES`, `EXTRA` for artefacts."""
    labels = []
    for pair, one, own in zip(trial.pairs, trial.marked, trial.clean, strict=True):
        p = pair.leaving_out(steps).decide(one.table, own)
        labels.append(np.where(p.any(axis=1), p.argmax(axis=1), EXTRA))
    return labels


def figures(marked: Sequence[Marked], labels: Sequence[np.ndarray]) -> Row:
    """Give sensitivity, positive predictivity and F1 of V in per cent, and the lost beats."""
    v = agreement(marked, labels, "V")
    lost = [(one.matched & (own == EXTRA)).sum() for one, own in zip(marked, labels, strict=True)]
    values = (v.sensitivity, v.predictivity, v.f1)
    return [*(f"{100 * value:.1f}" for value in values), f"{sum(lost):,}"]


def single_lead(trial: Trial, main: bool) -> Trial:
    """Use MLII alone, or the other lead."""
    sources, clean = [], []
    for source, answers in zip(trial.sources, trial.clean, strict=True):
        table = source.clean.table
        usable = table.usable & np.array([(name == "MLII") == main for name in table.leads])
        changed = source.clean._replace(table=replace(table, usable=usable))
        sources.append(source._replace(clean=changed))
        clean.append(answers._replace(usable=usable))
    return trial._replace(sources=sources, clean=clean)


def read_by_a_person(
    marked: Sequence[Marked], labels: Sequence[np.ndarray], steps: Sequence[str] = ()
) -> tuple[list[np.ndarray], float]:
    """Give each cluster the class that most of its beats have; and the clusters per record."""
    result, count = [], 0
    for one, own in zip(marked, labels, strict=True):
        kept = np.flatnonzero((own != EXTRA) & one.table.usable.any(axis=1))
        read = own.copy()
        names = np.array(CLASSES)[own[kept]]
        clusters = find_clusters(one.table.take(kept), names, steps)
        for cluster in clusters:
            members = kept[cluster.members]
            known = one.classes[members]
            known = np.where(known == EXTRA, len(CLASSES), known)[known != NEITHER]
            most = int(np.bincount(known, minlength=1).argmax()) if len(known) else 0
            read[members] = EXTRA if most == len(CLASSES) else most
        result.append(read)
        count += len(clusters)
    return result, count / len(marked)


def v_rows(trials: dict[str, Trial], first: int) -> Iterator[Row]:
    """Give the rows of V at the detected R peaks; `first` patients are those of the first fold."""
    best = trials[BEST]
    for name, trial in trials.items():
        own = trial.first(first)
        title = f"{TITLES[name]}, {len(own.sources)} patients"
        yield [title, *figures(own.marked, labels_of(own))]
    yield [f"{TITLES[BEST]}, all patients", *figures(best.marked, labels_of(best))]
    changes = {
        "without network 1": [ARTEFACTS], "without validation after network 1": [BEAT_CHECK],
        "without validation after network 2": [V_CHECK],
        "network 2 alone": [ARTEFACTS, BEAT_CHECK, V_CHECK],
    }  # fmt: skip
    for title, steps in changes.items():
        yield [title, *figures(best.marked, labels_of(best, steps))]
    for title, main in (("MLII alone", True), ("the other lead alone", False)):
        lead = single_lead(best, main)
        yield [title, *figures(lead.marked, labels_of(lead))]
    for title, left in (("merged", []), ("not merged", [MERGING])):
        read, count = read_by_a_person(best.marked, labels_of(best), left)
        row = f"clusters named by a person, {title} ({count:.1f} per record)"
        yield [row, *figures(best.marked, read)]


def by_beat_row(sources: list[Source], simulated: Examples, runs: Path) -> Row:
    """Give the row of networks that have seen other beats of the same patients."""
    log("folds by beat")
    held = held_out(sources)
    pair = train_experiment(BEST, runs / "by-beat", without(sources, held), simulated)
    trial = tried(pair, sources)
    labels = [
        np.where(own, label, LEFT_OUT) for own, label in zip(held, labels_of(trial), strict=True)
    ]
    found = [one._replace(missed=0 * one.missed) for one in trial.marked]
    return ["folds by beat instead of by patient", *figures(found, labels)]


def network_rows(trials: dict[str, Trial], first: int) -> Iterator[Row]:
    """Give the rows of each network on its own classes, beside the published F1."""
    shown = [(name, trials[name].first(first)) for name in trials]
    for name, trial in [*shown, (BEST, trials[BEST])]:
        title = f"{TITLES[name]}, {len(trial.sources)} patients"
        truth, called = [], []
        for source, clear, loud in zip(trial.sources, trial.clean, trial.noisy, strict=True):
            for marked, own in ((source.clean, clear), (source.noisy, loud)):
                known = (marked.matched | ~marked.flutter) & marked.table.usable.any(axis=1)
                truth.append(marked.matched[known])
                called.append(own.beat[known] >= 0.5)
        yield [title, "1: artefact, beat", *_by_class(truth, called), _shown(name, 0)]
        truth, called = [], []
        for source, clear in zip(trial.sources, trial.clean, strict=True):
            known = (source.clean.classes >= 0) & source.clean.table.usable.any(axis=1)
            truth.append(source.clean.classes[known] == 2)
            called.append(clear.ventricular[known] > 0.5)
        yield [title, "2: N, V", *_by_class(truth, called), _shown(name, 1)]


def _shown(name: str, network: int) -> str:
    return f"{PUBLISHED_F1[name][network]:.2f}"


def _by_class(truth: list[np.ndarray], called: list[np.ndarray]) -> Row:
    """Give precision, recall and F1 of both classes, and the mean F1, in per cent."""
    known, own = np.concatenate(truth), np.concatenate(called)
    shown, f1s = [], []
    for value in (False, True):
        both, either = ((known == value) & (own == value)).sum(), (known == value).sum()
        precision, recall = both / max(1, (own == value).sum()), both / max(1, either)
        f1s.append(2 * both / max(1, either + (own == value).sum()))
        shown.append(" / ".join(f"{100 * one:.1f}" for one in (precision, recall, f1s[-1])))
    return [*shown, f"{100 * np.mean(f1s):.1f}"]


def artefact_rows(trial: Trial, mitdb: Path, nstdb: Path) -> Iterator[Row]:
    """Give the artefacts that network 1 removes while it loses 0.1 % of the beats at most."""
    noise = read_noise(nstdb, later=True)
    for title, condition in CONDITIONS.items():
        beats, scores = [], []
        for source, pair in zip(trial.sources, trial.pairs, strict=True):
            marked, stem = source.clean, mitdb / source.name
            if condition:
                record, annotation = read_record(f"{stem}.hea"), Path(f"{stem}.atr")
                noisy = with_noise(record, annotation, [(noise[condition[0]], condition[1])], 0)
                marked = read_marked(noisy, annotation)
            known = (marked.matched | ~marked.flutter) & marked.table.usable.any(axis=1)
            beats.append(marked.matched[known])
            scores.append(pair.answers(marked.table).beat[known])
        beat, score = np.concatenate(beats), np.concatenate(scores)
        limit = np.sort(score[beat])[int(MOST_LOST * beat.sum())]
        removed = (score[~beat] < limit).mean()
        yield [title, f"{beat.sum():,}", f"{(~beat).sum():,}", f"{100 * removed:.0f}"]


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "mitdb", "nstdb", "runs")
    sources = read_sources(options.mitdb, options.nstdb)
    folds = split([source.clean for source in sources], SEED)
    simulated = simulated_examples(read_noise(options.nstdb))
    trials = train_folds(sources, folds, simulated, options.runs)
    first = int((folds == 0).sum())
    rows = [*v_rows(trials, first), by_beat_row(sources, simulated, options.runs)]
    each = "{} class: precision / recall / F1"
    networks = ("networks", "network", each.format("first"), each.format("second"), "mean F1",
                "published F1")  # fmt: skip
    artefacts = artefact_rows(trials[BEST], options.mitdb, options.nstdb)
    write_tables(RESULTS, {
        "holter-networks": table_lines(networks, network_rows(trials, first)),
        "holter-pair": table_lines(("pipeline", "V: Se", "+P", "F1", "beats lost"), rows),
        "holter-artefacts": table_lines(
            ("R peaks of", "beats", "artefacts", "removed"), artefacts
        ),
    })  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(main))
