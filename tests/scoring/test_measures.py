import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from scoring.measures import accuracy, areas, count, f_measure, g_measure, macro, precision, recall


def column(*values):
    return np.array(values)[:, None]


def test_counts_and_what_follows_from_them():
    labels, outputs = column(1, 1, 1, 0, 0, 0, 0), column(1, 1, 0, 1, 0, 0, 0)
    counts = count(labels, outputs)
    assert [int(value[0]) for value in counts] == [2, 1, 1, 3]
    assert float(recall(counts)[0]) == pytest.approx(2 / 3)
    assert float(precision(counts)[0]) == pytest.approx(2 / 3)
    assert float(f_measure(counts)[0]) == pytest.approx(4 / 6)
    assert float(f_measure(counts, beta=2)[0]) == pytest.approx(10 / 15)
    assert float(g_measure(counts, beta=2)[0]) == pytest.approx(2 / 5)
    assert float(accuracy(labels, outputs)) == pytest.approx(5 / 7)


def test_missed_and_false_ones_weigh_differently_with_beta():
    counts = count(column(1, 1, 1, 1, 0), column(1, 1, 0, 0, 1))  # 2 true, 1 false, 2 missed
    assert float(f_measure(counts)[0]) == pytest.approx(4 / 7)
    assert float(f_measure(counts, beta=2)[0]) == pytest.approx(5 * 2 / (5 * 2 + 1 + 4 * 2))
    assert float(g_measure(counts)[0]) == pytest.approx(2 / (2 + 1 + 2 * 2))
    assert float(g_measure(counts, beta=3)[0]) == pytest.approx(2 / (2 + 1 + 3 * 2))
    assert float(precision(counts)[0]) == pytest.approx(2 / 3)
    assert float(recall(counts)[0]) == pytest.approx(2 / 4)


def test_nothing_to_find_and_nothing_found_is_undefined():
    counts = count(column(0, 0), column(0, 0))
    for measure in (recall, precision, f_measure, g_measure):
        assert np.isnan(measure(counts)).all()


def test_macro_leaves_undefined_classes_out():
    assert float(macro(np.array([1.0, np.nan, 0.5]))) == 0.75
    assert np.isnan(macro(np.array([np.nan, np.nan])))


# Positives and values; AUROC and AUPRC by hand from section 5 of the Challenge's contract.
@pytest.mark.parametrize(
    ("labels", "values", "auroc", "auprc"),
    [
        ((1, 0), (0.9, 0.1), 1, 1),
        ((1, 0), (0.1, 0.9), 0, 0.5),
        ((1, 0, 0, 1), (0.5, 0.5, 0.5, 0.5), 0.5, 0.5),
        ((1, 0, 1), (0.7, 0.7, 0.2), 0.25, 0.5 * 0.5 + 0.5 * 2 / 3),
        ((0, 0), (0.9, 0.1), np.nan, np.nan),
        ((1, 1), (0.9, 0.1), np.nan, 1),
        ((1, 0, 0), (np.nan, -1, 0.5), 0.5, 0.5),  # NaN counts as 0
        ((1, 0, 0), (np.inf, np.inf, -np.inf), 0.75, 0.5),
    ],
)
def test_areas_by_hand(labels, values, auroc, auprc):
    found = areas(column(*labels), column(*values))
    assert float(found.auroc[0]) == pytest.approx(auroc, abs=1e-15, nan_ok=True)
    assert float(found.auprc[0]) == pytest.approx(auprc, abs=1e-15, nan_ok=True)


def test_areas_are_scikit_learns():
    draw = np.random.default_rng(0)
    labels = draw.random((500, 8)) < 0.2
    values = np.round(draw.random((500, 8)), 1)
    found = areas(labels, values)
    theirs = [
        [measure(labels[:, k], values[:, k]) for k in range(8)]
        for measure in (roc_auc_score, average_precision_score)
    ]
    np.testing.assert_allclose(found, theirs, rtol=0, atol=1e-12)  # sums in another order


def test_how_often_a_record_counts_is_as_if_it_stood_there_so_often():
    draw = np.random.default_rng(3)
    labels = draw.random((40, 5)) < 0.4
    outputs = labels ^ (draw.random((40, 5)) < 0.1)  # about half of the records are correct
    values = np.round(draw.random((40, 5)), 1)
    times = draw.integers(0, 4, size=(3, 40))
    for row, often in enumerate(times):
        places = np.repeat(np.arange(40), often)
        for measure, arrays in (
            (lambda *a: np.array(areas(*a)), (labels, values)),
            (lambda *a: np.array(count(*a)), (labels, outputs)),
            (accuracy, (labels, outputs)),
        ):
            together = measure(*arrays, times)
            alone = measure(*(array[places] for array in arrays))
            picked = together[row] if together.ndim == 1 else together[:, row]
            np.testing.assert_allclose(picked, alone, rtol=0, atol=1e-12)  # other order
    shares = accuracy(labels, outputs, times)
    assert (shares > 0.2).all()
    assert (shares < 0.8).all()
    assert len(set(shares.tolist())) == 3
