"""The published networks of STAFF-MALT 2021 on MIT-BIH DS1 by cross-validation over patients.

    python -m benchmarks.beat_networks MITDB NSTDB RUNS

MITDB is the folder of the WFDB records, NSTDB that of the noises bw, em and ma.  RUNS keeps the
trained networks; finished ones are not trained again.  The command writes the tables of
docs/results/holter.md.  Folds and seeds are those of benchmarks.beat_classes.  V counts at the
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
from holter.pair_training import WINDOWS, read_sources, train_experiment
from holter.result import CLASSES
from holter.steps import ARTEFACTS, BEAT_CHECK, MERGING, V_CHECK
from holter.validation import FOLDS, LEFT_OUT, agreement, split

RESULTS = ROOT / "docs" / "results.md"
SEED, SEEDS, BEST, FROZEN = 0, 3, "attention", "frozen"
LONGER = 4 * WINDOWS
TITLES = {
    "lstm": "convolution and LSTM", "transfer": "with transfer",
    "attention": "with transfer and attention",
    "frozen": "with transfer and attention, network 2 frozen but for its head",
}  # fmt: skip
PUBLISHED_F1 = {
    "lstm": ("98.90", "98.50"), "transfer": ("99.97", "99.67"), "attention": ("99.98", "99.70"),
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


def train_folds(
    sources: list[Source], simulated: Examples, runs: Path, name: str, seed: int, most: int
) -> list[BeatPair]:
    """Train an experiment in all folds: for each patient the pair that has not seen him."""
    folds, pairs = split([source.clean for source in sources], seed), []
    for fold in range(FOLDS):
        log(f"{name}, {most} windows, seed {seed}, fold {fold}")
        others = [source for source, own in zip(sources, folds, strict=True) if own != fold]
        folder = runs / f"{most}-windows-seed-{seed}" / f"fold-{fold}"
        pairs.append(train_experiment(name, folder, others, simulated, seed, most))
    return [pairs[fold] for fold in folds]


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


def figures(marked: Sequence[Marked], labels: Sequence[np.ndarray]) -> list[float]:
    """Give sensitivity, positive predictivity and F1 of V in per cent, and the lost beats."""
    v = agreement(marked, labels, "V")
    lost = [(one.matched & (own == EXTRA)).sum() for one, own in zip(marked, labels, strict=True)]
    return [100 * v.sensitivity, 100 * v.predictivity, 100 * v.f1, sum(lost)]


def shown(seeds: Sequence[list[float]]) -> Row:
    """Show the mean of `figures` over seeds, and the range of F1."""
    se, predictivity, f1, lost = np.mean(seeds, axis=0)
    each = [one[2] for one in seeds]
    span = f" ({min(each):.1f} to {max(each):.1f})" if len(seeds) > 1 else ""
    return [f"{se:.1f}", f"{predictivity:.1f}", f"{f1:.1f}{span}", f"{lost:,.0f}"]


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


def v_rows(trials: dict[str, list[Trial]]) -> Iterator[Row]:
    """Give the rows of V at the detected R peaks: all seeds, then changes of the first one."""
    for name, seeds in trials.items():
        each = [figures(trial.marked, labels_of(trial)) for trial in seeds]
        yield [f"{TITLES[name]}, {len(seeds)} seeds", *shown(each)]
    first = trials[BEST][SEED]
    changes = {
        f"{TITLES[BEST]}, first seed": [], "without network 1": [ARTEFACTS],
        "without validation after network 1": [BEAT_CHECK],
        "without validation after network 2": [V_CHECK],
        "network 2 alone": [ARTEFACTS, BEAT_CHECK, V_CHECK],
    }  # fmt: skip
    for title, steps in changes.items():
        yield [title, *shown([figures(first.marked, labels_of(first, steps))])]
    for title, main in (("MLII alone", True), ("the other lead alone", False)):
        lead = single_lead(first, main)
        yield [title, *shown([figures(lead.marked, labels_of(lead))])]
    for title, left in (("merged", []), ("not merged", [MERGING])):
        read, count = read_by_a_person(first.marked, labels_of(first), left)
        row = f"clusters named by a person, {title} ({count:.1f} per record)"
        yield [row, *shown([figures(first.marked, read)])]


def by_beat_row(pair: BeatPair, marked: list[Marked], held: list[np.ndarray]) -> Row:
    """Give the row of networks that have seen other beats of the same patients."""
    trial = tried([pair] * len(marked), {CLEAN: marked})
    labels = [
        np.where(own, label, LEFT_OUT) for own, label in zip(held, labels_of(trial), strict=True)
    ]
    found = [one._replace(missed=0 * one.missed) for one in marked]
    return ["folds by beat instead of by patient", *shown([figures(found, labels)])]


def network_rows(trials: dict[str, Trial]) -> Iterator[Row]:
    """Give the rows of each network on its own classes, beside the published F1."""
    for title, trial in trials.items():
        published = PUBLISHED_F1.get(title, ("–", "–"))
        own = TITLES.get(title, title)
        if len(trial.beats) == len(CONDITIONS):
            each = [scored(trial, condition) for condition in CONDITIONS]
            truth, called = (np.concatenate(parts) for parts in zip(*each, strict=True))
            yield [own, "1: artefact, beat", *_by_class(truth, called >= 0.5), published[0]]
        known = [(one.classes >= 0) & one.table.usable.any(axis=1) for one in trial.marked]
        pairs = list(zip(trial.marked, trial.answers[CLEAN], known, strict=True))
        truth = np.concatenate([one.classes[some] == 2 for one, _, some in pairs])
        called = np.concatenate([answers.ventricular[some] > 0.5 for _, answers, some in pairs])
        yield [own, "2: N, V", *_by_class(truth, called), published[1]]


def scored(trial: Trial, condition: str) -> tuple[np.ndarray, np.ndarray]:
    """Give which R peaks are beats, and network 1's probabilities of it, all patients."""
    beats, scores = [], []
    for one, own in zip(trial.beats[condition], trial.answers[condition], strict=True):
        known = (one.matched | ~one.flutter) & one.table.usable.any(axis=1)
        beats.append(one.matched[known])
        scores.append(own.beat[known])
    return np.concatenate(beats), np.concatenate(scores)


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
    options = parse_options(__doc__, "mitdb", "nstdb", "runs")
    sources = read_sources(options.mitdb, options.nstdb)
    marked, held = [source.clean for source in sources], held_out(sources)
    simulated = simulated_examples(read_noise(options.nstdb))
    pairs = {
        name: [
            train_folds(sources, simulated, options.runs, name, seed, WINDOWS)
            for seed in range(SEEDS)
        ]
        for name in EXPERIMENTS
    }
    log("folds by beat")
    folder = options.runs / f"{WINDOWS}-windows-seed-{SEED}" / "by-beat"
    seen = train_experiment(BEST, folder, without(sources, held), simulated)
    longer = train_folds(sources, simulated, options.runs, BEST, SEED, LONGER)
    write(noisy(options.mitdb, options.nstdb), pairs, longer, by_beat_row(seen, marked, held))


def noisy(mitdb: Path, nstdb: Path) -> dict[str, list[Marked]]:
    """Find the beats of all recordings without and with noise."""
    log("recordings with noise")
    noise = read_noise(nstdb, later=True)
    each = [under(mitdb, name, noise) for name in DS1]
    return {condition: [one[condition] for one in each] for condition in CONDITIONS}


def write(
    beats: dict[str, list[Marked]],
    pairs: dict[str, list[list[BeatPair]]],
    longer: list[BeatPair],
    seen: Row,
) -> None:
    """Test the pairs and write the tables; network 1 reads noise in the first seed."""
    log("predictions")
    clean, trials = {CLEAN: beats[CLEAN]}, {}
    for name, seeds in pairs.items():
        conditions = [clean if seed or name == FROZEN else beats for seed in range(len(seeds))]
        trials[name] = [tried(one, own) for one, own in zip(seeds, conditions, strict=True)]
    more = f"{TITLES[BEST]}, {LONGER:,} windows"
    last = tried(longer, beats)
    of_last = [f"{more}, first seed", *shown([figures(last.marked, labels_of(last))])]
    first = {**{name: seeds[SEED] for name, seeds in trials.items()}, more: last}
    title = "{} class: precision / recall / F1"
    networks = ("networks", "network", title.format("first"), title.format("second"), "mean F1",
                "published F1")  # fmt: skip
    pipelines = ("pipeline", "V: Se", "+P", "F1", "beats lost")
    removed = ("windows", "R peaks of", "beats", "artefacts", "removed")
    artefacts = [
        [f"{windows:,}", *row]
        for windows, trial in ((WINDOWS, first[BEST]), (LONGER, last))
        for row in artefact_rows(trial)
    ]
    write_tables(RESULTS, {
        "holter-networks": table_lines(networks, network_rows(first)),
        "holter-pair": table_lines(pipelines, [*v_rows(trials), of_last, seen]),
        "holter-artefacts": table_lines(removed, artefacts),
    })  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(main))
