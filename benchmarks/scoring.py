"""Time of the scorer, compared with its loop-by-loop twin on the same files.

    python -m benchmarks.scoring [--records 88253] [--seed 0]

Folders of headers and outputs are written, as many as the 2021 training set has.  Measured are the
Challenge metric of the arrays, and the whole command in a new process, which reads both folders and
writes all scores.  The twin is `benchmarks.peers.challenge_scorer`.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT, machine, parse_options, print_table, run, run_process, timed
from benchmarks.peers import challenge_scorer
from ecg.labels import CODES
from ecg.leads import STANDARD
from scoring.challenge import challenge_metric, load_weights
from scoring.outputs import read_outputs

WEIGHTS = ROOT / "scoring" / "weights-2021.csv"
PEER = (
    "import sys; from benchmarks.peers.challenge_scorer import evaluate; "
    "print(evaluate(*sys.argv[1:4], 2021)[1]['challenge_metric'])"
)


def write_files(folder: Path, records: int, generator: np.random.Generator) -> np.ndarray:
    """Write headers and outputs of random records, and return their labels, (records, 26)."""
    labels = generator.random((records, len(CODES))) < 0.06
    logits = generator.normal(size=labels.shape) + 3 * labels - 2
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
    lead = "{0}.mat 16+24 1000/mV 16 0 28 -1716 0 {1}\n"
    (folder / "labels").mkdir()
    (folder / "outputs").mkdir()
    for number in range(records):
        name = f"R{number:06d}"
        codes = ",".join(np.array(CODES)[labels[number]])
        text = f"{name} 12 500 5000 12-May-2020 12:33:59\n"
        text += "".join(lead.format(name, lead_name) for lead_name in STANDARD)
        text += f"#Age: 74\n#Sex: Male\n#Dx: {codes}\n#Rx: Unknown\n#Hx: Unknown\n#Sx: Unknown\n"
        (folder / "labels" / f"{name}.hea").write_text(text)
        outputs = ",".join("1" if value else "0" for value in probabilities[number] > 0.5)
        values = ",".join(map(str, probabilities[number]))
        text = f"#{name}\n{','.join(CODES)}\n{outputs}\n{values}\n"
        (folder / "outputs" / f"{name}.csv").write_text(text)
    return labels


def measure(folder: Path, labels: np.ndarray) -> list[tuple[str, float, float, int]]:
    """Measure both sides: what, our seconds, the twin's, the goal for their ratio."""
    paths = [str(path) for path in sorted((folder / "outputs").iterdir())]
    outputs = read_outputs(paths, load_weights().classes).outputs
    metrics = [timed(lambda: challenge_metric(labels, outputs)) for _ in range(5)]
    classes, weights = challenge_scorer.load_weights(WEIGHTS, 2021)
    expected, twin = timed(
        lambda: challenge_scorer.challenge_metric(weights, labels, outputs, classes)
    )
    assert abs(metrics[0][0] - expected) < 1e-12, (metrics, expected)
    ours = min(duration.wall for _, duration in metrics)

    folders = folder / "labels", folder / "outputs"
    scores = folder / "scores.csv"
    _, whole = run_process([sys.executable, "evaluate_model.py", *folders, scores])
    printed, twin_whole = run_process([sys.executable, "-c", PEER, *folders, WEIGHTS])
    written = scores.read_text().rpartition(",")[2]
    assert written == f"{float(printed):.3f}", (written, printed)
    return [
        ("Challenge metric", ours, twin.wall, 15),
        ("whole command", whole.wall, twin_whole.wall, 4),
    ]


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, records=88253, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        labels = write_files(Path(folder), options.records, np.random.default_rng(options.seed))
        print(f"{machine()}; {options.records} records\n")
        print_table(
            ["what", "ours, s", "loops, s", "ratio", "goal"],
            (
                [name, f"{ours:.3f}", f"{twin:.2f}", f"{twin / ours:.1f}", f"{goal}"]
                for name, ours, twin, goal in measure(Path(folder), labels)
            ),
        )


if __name__ == "__main__":
    run(main)
