"""Two models compared on the same records, and the curves of one: numbers, tables, refusals."""

import csv
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from ecg.labels import CODES, class_name
from experiments import __main__ as command
from experiments.compare import read_side, resampled_gains, score
from experiments.curves import curve
from scoring.outputs import save_outputs

RECORDS = 300
SHARES = np.linspace(0.02, 0.5, len(CODES))  # of positives per class
SHARES[3] = 0  # a class without a record


def write_data(folder: Path, labels: np.ndarray) -> None:
    folder.mkdir()
    for number, row in enumerate(labels):
        codes = ",".join(np.array(CODES)[row])
        (folder / f"A{number:04d}.hea").write_text(f"A{number:04d} 0 500 5000\n# Dx: {codes}\n")


def write_outputs(folder: Path, probabilities: np.ndarray, classes=CODES) -> None:
    folder.mkdir(parents=True)
    for number, row in enumerate(probabilities):
        save_outputs(folder / f"A{number:04d}.csv", f"A{number:04d}", classes,
                     (row > 0.5).astype(int), row.round(6))  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels, and outputs of a weak model `a`, a better one `b`, and three seeds of it."""
    here, draw = tmp_path_factory.mktemp("made"), np.random.default_rng(1)
    labels = draw.random((RECORDS, len(CODES))) < SHARES
    write_data(here / "data", labels)

    def outputs(noise: float, seed: int) -> np.ndarray:
        noisy = np.random.default_rng(seed).normal(0, noise, labels.shape)
        return 1 / (1 + np.exp(-4 * (labels - 0.5 + noisy)))

    write_outputs(here / "a", outputs(0.5, 1))
    write_outputs(here / "b", outputs(0.3, 1))  # errs where `a` errs
    for seed in range(3):
        write_outputs(here / "seeds" / f"seed-{seed}", outputs(0.3, 10 + seed))
    return here


def run(monkeypatch, capsys, *words: object) -> str:
    monkeypatch.setattr("sys.argv", ["experiments", *map(str, words)])
    command.main()
    return capsys.readouterr().out


def cells_of(printed: str, name: str) -> list[str]:
    (row,) = (line for line in printed.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_gains_are_the_differences_of_the_official_scores(made, monkeypatch, capsys):
    import evaluate_model

    printed = run(monkeypatch, capsys, "compare", made / "data", made / "a", made / "b")
    official = []
    for side in "ab":
        monkeypatch.setattr("sys.argv", ["evaluate_model.py", str(made / "data"), str(made / side),
                                         str(made / f"{side}-scores.csv")])  # fmt: skip
        evaluate_model.main()
        rows = table_of(made / f"{side}-scores.csv")
        official.append({name: float(value) for name, value in rows[0].items()})
    titles = {"Challenge metric": "Challenge metric", "AUROC": "AUROC", "AUPRC": "AUPRC",
              "Accuracy": "accuracy", "F-measure": "macro F1"}  # fmt: skip
    for name, title in titles.items():
        _, before, after, gain, seeds = cells_of(printed, title)
        assert (float(before), float(after)) == (official[0][name], official[1][name])
        assert float(gain.split(" ± ")[0]) == pytest.approx(
            official[1][name] - official[0][name], abs=1.1e-3
        )
        assert float(gain.split(" ± ")[1]) > 0
        assert seeds == "–"
    for code, share in zip(CODES, SHARES, strict=True):
        cells = cells_of(printed, class_name(code))
        assert cells[1] == code
        assert (cells[6:] == ["–", "–", "–"]) == (share == 0)
    assert sum(float(cells_of(printed, class_name(code))[8].split(" ± ")[0]) > 0
               for code in CODES if class_name(code) != class_name(CODES[3])) > 20  # fmt: skip


def test_the_error_is_that_of_the_mean_of_paired_differences(made):
    before, after = (read_side(made / "data", made / side) for side in "ab")
    correct = [(side[0].labels == side[0].outputs).all(1).astype(float) for side in (before, after)]
    expected = (correct[1] - correct[0]).std() / np.sqrt(RECORDS)  # accuracy: a mean over records
    gains = resampled_gains(before, after)[:, 3]
    assert gains.std(ddof=1) == pytest.approx(expected, rel=0.08)
    assert gains.mean() == pytest.approx(score(after[0])[3] - score(before[0])[3], abs=0.005)
    unpaired = np.sqrt(sum(one.var() for one in correct) / RECORDS)
    assert unpaired > 1.05 * expected


def test_a_model_gains_nothing_over_itself(made, monkeypatch, capsys):
    printed = run(monkeypatch, capsys, "compare", made / "data", made / "a", made / "a")
    assert printed.count("+0.0000 ± 0.0000") == 5 + 26 + 25  # AUROC has no value without a positive


def test_seeds_are_averaged_and_have_an_error_of_their_own(made, monkeypatch, capsys):
    printed = run(monkeypatch, capsys, "compare", made / "data", made / "seeds", made / "seeds")
    assert "seeds of A and B: 3 and 3" in printed
    metrics = [score(one)[0] for one in read_side(made / "data", made / "seeds")]
    _, before, _, gain, seeds = cells_of(printed, "Challenge metric")
    assert float(before) == pytest.approx(np.mean(metrics), abs=6e-4)
    assert gain == "+0.0000 ± 0.0000"
    assert float(seeds) == pytest.approx(np.std(metrics, ddof=1) * np.sqrt(2 / 3), abs=6e-5)


def table_of(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines(), delimiter=delimiter))


def refuse(monkeypatch, *words: object) -> str:
    monkeypatch.setattr("sys.argv", ["experiments", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return str(ended.value.code)


@pytest.mark.parametrize("classes", [("N", "A", "O", "~"), ("N|O|~", "A"), ("N", "A")])
def test_outputs_of_2017_are_refused_with_the_command_for_them(
    classes, made, tmp_path, monkeypatch
):
    write_outputs(tmp_path / "af", np.full((RECORDS, len(classes)), 0.3), classes)
    for sides in ((made / "a", tmp_path / "af"), (tmp_path / "af", made / "b")):
        error = refuse(monkeypatch, "compare", made / "data", *sides)
        assert "python -m scoring.af REFERENCE.csv" in error
        assert str(tmp_path / "af") in error


def test_records_without_labels_and_wrong_folders_are_refused(made, tmp_path, monkeypatch):
    write_data(tmp_path / "bare", np.zeros((RECORDS, len(CODES)), bool))
    error = refuse(monkeypatch, "compare", tmp_path / "bare", made / "a", made / "b")
    assert "no record has a label" in error
    assert "scoring.af" in error
    assert "bare: no class has both" in refuse(
        monkeypatch, "curves", tmp_path / "bare", made / "a", tmp_path / "out")  # fmt: skip
    (tmp_path / "empty").mkdir()
    for words in (("compare", made / "data", made / "a", tmp_path / "empty"),
                  ("curves", made / "data", tmp_path / "empty", tmp_path / "out"),
                  ("compare", made / "data", made / "a", tmp_path / "nobody")):  # fmt: skip
        assert "holds no output file (.csv)" in refuse(monkeypatch, *words)
    assert not (tmp_path / "out").exists()
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "A0000.csv").write_bytes((made / "a" / "A0000.csv").read_bytes())
    error = refuse(monkeypatch, "compare", made / "data", made / "a", tmp_path / "some")
    assert f"{RECORDS - 1} of {RECORDS} records have no output file" in error


def test_a_curve_passes_through_points_counted_by_hand():
    positive = np.array([True, False, True, False, False, True])
    one = curve(positive, np.array([0.9, 0.8, 0.8, 0.4, np.nan, 0.0]))
    assert one.thresholds.tolist() == [0.9, 0.8, 0.4, 0.0]
    assert one.recall == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])
    assert one.precision == pytest.approx([1, 2 / 3, 1 / 2, 1 / 2])
    assert one.false_positive_rate == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert one.f1 == pytest.approx([1 / 2, 2 / 3, 4 / 7, 2 / 3])


def test_curves_are_drawn_per_class_with_their_numbers(made, tmp_path, monkeypatch, capsys):
    with mpl.rc_context({"svg.fonttype": "none"}):
        printed = run(monkeypatch, capsys, "curves", made / "data", made / "b", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "curves.tsv", "precision-recall.png", "roc.png", "thresholds.png"]  # fmt: skip
    rows = table_of(tmp_path / "out" / "curves.tsv", "\t")
    assert len({row["code"] for row in rows}) == 25
    (scored,) = read_side(made / "data", made / "b")
    for code, auroc in zip(CODES, score(scored)[-26:], strict=True):
        points = [row for row in rows if row["code"] == code]
        if not points:
            assert np.isnan(auroc)
            continue
        x, y = (np.array([0.0, *(float(row[name]) for row in points)])
                for name in ("false positive rate", "recall"))  # fmt: skip
        area = ((y[1:] + y[:-1]) / 2 * np.diff(x)).sum()
        assert area == pytest.approx(auroc, abs=1e-4)
        assert float(cells_of(printed, class_name(code))[3]) == pytest.approx(auroc, abs=6e-4)


def test_curves_of_2017_take_its_table(folder_2017, tmp_path, monkeypatch, capsys):
    letters = dict(line.split(",") for line in (folder_2017 / "REFERENCE.csv").read_text().split())
    (tmp_path / "out").mkdir()
    for path in folder_2017.glob("*.hea"):
        row = np.array([0.1 + 0.6 * (letters[path.stem] == one) for one in "NAO~"])
        save_outputs(tmp_path / "out" / f"{path.stem}.csv", path.stem, "NAO~",
                     (row > 0.5).astype(int), row)  # fmt: skip
    printed = run(monkeypatch, capsys, "curves", folder_2017, tmp_path / "out", tmp_path / "pic")
    assert re.search(r"\| \S+ \| A \| \d+ \| 1\.000 \| 1\.000 \| 1\.000 \| 0\.700 \|", printed)
