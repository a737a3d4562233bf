"""The published networks of STAFF-MALT 2021 on MIT-BIH DS1 by cross-validation over patients.

    python -m benchmarks.beat_networks MITDB NSTDB RUNS [--folds 5]

MITDB is the folder of the WFDB records, NSTDB that of the noises bw, em and ma.  RUNS keeps the
trained networks; finished ones are not trained again.  Of the five folds the first ones may be
enough (`--folds`); tables then have the patients of these folds.  The command writes the tables of
docs/results/holter.md.  Folds are those of benchmarks.beat_classes, first seed; transfer with
attention has all of them, the other experiments the first one.  V counts at the
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
from holter.cases import DS1, EXTRA, NEITHER
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
CLEAN = "clean"
CONDITIONS = {CLEAN: None, "em 6 dB": ("em", 6.0), "ma 0 dB": ("ma", 0.0)}
Row = list[str]


class Trial(NamedTuple):
    """Patients, each with a pair of networks trained on others; beats and answers by condition.

    Without noise both networks have answered, with noise network 1 alone.
    """

    pairs: list[BeatPair]
    beats: dict[str, list[Marked]]
    answers: dict[str, list[Answers]]

    @property
    def marked(self) -> list[Marked]:
        """The beats without added noise."""
        return self.beats[CLEAN]

    def first(self, count: int) -> "Trial":
        """Take the first patients, which are those of the first fold."""
        beats = {name: own[:count] for name, own in self.beats.items()}
        answers = {name: own[:count] for name, own in self.answers.items()}
        return Trial(self.pairs[:count], beats, answers)


def train_folds(
    sources: list[Source], folds: np.ndarray, count: int, simulated: Examples, runs: Path
) -> dict[str, dict[int, BeatPair]]:
    """Train `BEST` in `count` folds, the other experiments in the first one: pairs by fold."""
    pairs: dict[str, dict[int, BeatPair]] = {name: {} for name in EXPERIMENTS}
    for fold in range(count):
        others = [source for source, own in zip(sources, folds, strict=True) if own != fold]
        for name in (BEST,) if fold else EXPERIMENTS:
            log(f"fold {fold}, {name}")
            folder = runs / f"fold{fold}"
            pairs[name][fold] = train_experiment(name, folder, others, simulated)
    return pairs


def under(mitdb: Path, name: str, noise: dict[str, np.ndarray]) -> dict[str, Marked]:
    """Find the beats of a recording under each of `CONDITIONS`."""
    record, annotation = read_record(mitdb / f"{name}.hea"), mitdb / f"{name}.atr"
    found = {}
    for condition, added in CONDITIONS.items():
        heard = record
        if added:
            heard = with_noise(record, annotation, [(noise[added[0]], added[1])], 0)
        found[condition] = read_marked(heard, annotation)
    return found


def tried(pairs: list[BeatPair], beats: dict[str, list[Marked]]) -> Trial:
    """Run the networks on recordings without and with noise."""
    answers = {
        condition: [
            pair.answers(one.table, artefacts_only=condition != CLEAN)
            for pair, one in zip(pairs, own, strict=True)
        ]
        for condition, own in beats.items()
    }
    return Trial(pairs, beats, answers)


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
    for pair, one, own in zip(trial.pairs, trial.marked, trial.answers[CLEAN], strict=True):
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
    beats, answers = [], []
    for one, own in zip(trial.marked, trial.answers[CLEAN], strict=True):
        usable = one.table.usable & np.array([(lead == "MLII") == main for lead in one.table.leads])
        beats.append(one._replace(table=replace(one.table, usable=usable)))
        answers.append(own._replace(usable=usable))
    return Trial(trial.pairs, {CLEAN: beats}, {CLEAN: answers})


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
        title = f"{TITLES[name]}, {first} patients"
        yield [title, *figures(own.marked, labels_of(own))]
    yield [f"{TITLES[BEST]}, {len(best.pairs)} patients", *figures(best.marked, labels_of(best))]
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


def by_beat_row(pair: BeatPair, marked: list[Marked], held: list[np.ndarray]) -> Row:
    """Give the row of networks that have seen other beats of the same patients."""
    trial = tried([pair] * len(marked), {CLEAN: marked})
    labels = [
        np.where(own, label, LEFT_OUT) for own, label in zip(held, labels_of(trial), strict=True)
    ]
    found = [one._replace(missed=0 * one.missed) for one in marked]
    return ["folds by beat instead of by patient", *figures(found, labels)]


def network_rows(trials: dict[str, Trial], first: int) -> Iterator[Row]:
    """Give the rows of each network on its own classes, beside the published F1."""
    shown = [(name, trial.first(first)) for name, trial in trials.items()]
    for name, trial in [*shown, (BEST, trials[BEST])]:
        title = f"{TITLES[name]}, {len(trial.pairs)} patients"
        each = [scored(trial, condition) for condition in CONDITIONS]
        truth, called = (np.concatenate(parts) for parts in zip(*each, strict=True))
        yield [title, "1: artefact, beat", *_by_class(truth, called >= 0.5), _shown(name, 0)]
        known = [(one.classes >= 0) & one.table.usable.any(axis=1) for one in trial.marked]
        pairs = list(zip(trial.marked, trial.answers[CLEAN], known, strict=True))
        truth = np.concatenate([one.classes[own] == 2 for one, _, own in pairs])
        called = np.concatenate([answers.ventricular[own] > 0.5 for _, answers, own in pairs])
        yield [title, "2: N, V", *_by_class(truth, called), _shown(name, 1)]


def scored(trial: Trial, condition: str) -> tuple[np.ndarray, np.ndarray]:
    """Give which R peaks are beats, and network 1's probabilities of it, all patients."""
    beats, scores = [], []
    for one, own in zip(trial.beats[condition], trial.answers[condition], strict=True):
        known = (one.matched | ~one.flutter) & one.table.usable.any(axis=1)
        beats.append(one.matched[known])
        scores.append(own.beat[known])
    return np.concatenate(beats), np.concatenate(scores)


def _shown(name: str, network: int) -> str:
    return f"{PUBLISHED_F1[name][network]:.2f}"


def _by_class(known: np.ndarray, own: np.ndarray) -> Row:
    """Give precision, recall and F1 of both classes, and the mean F1, in per cent."""
    shown, f1s = [], []
    for value in (False, True):
        both, either = ((known == value) & (own == value)).sum(), (known == value).sum()
        precision, recall = both / max(1, (own == value).sum()), both / max(1, either)
        f1s.append(2 * both / max(1, either + (own == value).sum()))
        shown.append(" / ".join(f"{100 * one:.1f}" for one in (precision, recall, f1s[-1])))
    return [*shown, f"{100 * np.mean(f1s):.1f}"]


def artefact_rows(trial: Trial) -> Iterator[Row]:
    """Give the artefacts that network 1 removes while it loses 0.1 % of the beats at most."""
    for condition in CONDITIONS:
        beat, score = scored(trial, condition)
        limit = np.sort(score[beat])[int(MOST_LOST * beat.sum())]
        removed = (score[~beat] < limit).mean()
        yield [condition, f"{beat.sum():,}", f"{(~beat).sum():,}", f"{100 * removed:.0f}"]


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "mitdb", "nstdb", "runs", folds=FOLDS)
    sources = read_sources(options.mitdb, options.nstdb)
    marked, held = [source.clean for source in sources], held_out(sources)
    folds = split(marked, SEED)
    simulated = simulated_examples(read_noise(options.nstdb))
    pairs = train_folds(sources, folds, options.folds, simulated, options.runs)
    log("folds by beat")
    seen = train_experiment(BEST, options.runs / "by-beat", without(sources, held), simulated)
    write(options.mitdb, options.nstdb, folds, pairs, by_beat_row(seen, marked, held))


def write(
    mitdb: Path, nstdb: Path, folds: np.ndarray, pairs: dict[str, dict[int, BeatPair]], seen: Row
) -> None:
    """Test the pairs and write the tables; patients are in the order of their folds."""
    noise, first = read_noise(nstdb, later=True), int((folds == 0).sum())
    log("recordings with noise")
    order = np.argsort(folds, kind="stable")
    each = [under(mitdb, DS1[index], noise) for index in order]
    beats = {condition: [one[condition] for one in each] for condition in CONDITIONS}
    log("predictions")
    trials = {}
    for name, own in pairs.items():
        chosen = [own[fold] for fold in folds[order].tolist() if fold in own]
        part = {condition: found[: len(chosen)] for condition, found in beats.items()}
        trials[name] = tried(chosen, part)
    rows = [*v_rows(trials, first), seen]
    title = "{} class: precision / recall / F1"
    networks = ("networks", "network", title.format("first"), title.format("second"), "mean F1",
                "published F1")  # fmt: skip
    write_tables(RESULTS, {
        "holter-networks": table_lines(networks, network_rows(trials, first)),
        "holter-pair": table_lines(("pipeline", "V: Se", "+P", "F1", "beats lost"), rows),
        "holter-artefacts": table_lines(
            ("R peaks of", "beats", "artefacts", "removed"), artefact_rows(trials[BEST])
        ),
    })  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(main))
