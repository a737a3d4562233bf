import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.labels import CLASSES, CODES, SINUS_RHYTHM
from scoring import METRICS, challenge
from scoring.challenge import Weights, challenge_metric, load_weights, prepare, rewards

OF_ANY_CLASSES = [
    name for name in METRICS if not name.startswith("af_")
]  # tests/scoring/test_af.py
AF, AFL, NSR, SB, TAB = "164889003", "164890007", SINUS_RHYTHM, "426177001", "164934002"


@pytest.fixture(scope="module")
def drawn():
    """Draw labels, outputs and probabilities of 200 records, (200, 26)."""
    draw = np.random.default_rng(1)
    labels = draw.random((200, 26)) < 0.1
    return labels, labels ^ (draw.random((200, 26)) < 0.05), draw.random((200, 26))


def rows(*records):
    """Turn codes into labels in the order of CODES."""
    return np.array([[code in record for code in CODES] for record in records])


def test_the_2021_table_has_the_classes_of_ecg_labels():
    assert [set(codes) for codes in load_weights(2021).classes] == [set(c) for c in CLASSES]


def test_weights_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        load_weights().values[0, 0] = 2


def test_unknown_year_is_an_error():
    with pytest.raises(LeadwiseError, match=r"year 2022 has no weights table; choose .*2020, 2021"):
        load_weights(2022)


# The worked examples of the Challenge's scoring page: labels, outputs, metric as a fraction.
@pytest.mark.parametrize(
    ("labels", "outputs", "metric"),
    [
        (([AF], [NSR], [SB]), ([NSR], [NSR], [NSR]), 0),
        (([AF], [NSR], [SB]), ([AF, NSR, SB],) * 3, (5 / 3 - 1.35) / (3 - 1.35)),
        (([AF], [NSR]), ([AFL], [NSR]), (1.25 - 1.125) / (2 - 1.125)),
        (
            ([AF, TAB], [NSR], [AF, TAB]),
            ([AF, SB], [NSR], [AF, TAB]),
            (3.2 - 4 / 3) / (4 - 4 / 3),
        ),
        (([AF], [NSR], [AF], [NSR]), ([], [NSR], [AF], []), -1 / 7),
    ],
)
def test_worked_examples(labels, outputs, metric):
    actual = challenge_metric(rows(*labels), rows(*outputs))
    assert actual == pytest.approx(metric, abs=1e-12)  # a few sums in double precision


def test_labels_themselves_score_one_exactly_and_sinus_rhythm_zero(drawn):
    ready = prepare(drawn[0])
    assert ready.metric(drawn[0]) == 1
    assert ready.metric(rows([NSR]).repeat(200, axis=0)) == 0


def test_only_sinus_rhythm_leaves_no_range_and_scores_zero():
    assert challenge_metric(rows([NSR], [NSR]), rows([NSR], [AF])) == 0


def test_order_of_columns_does_not_matter(drawn):
    labels, outputs, _ = drawn
    order = np.random.default_rng(2).permutation(26)
    codes = [CODES[place] for place in order]
    actual = challenge_metric(labels[:, order], outputs[:, order], codes)
    assert actual == pytest.approx(challenge_metric(labels, outputs), abs=1e-12)  # other order


def test_second_codes_and_joined_codes_name_the_same_class(drawn):
    labels, outputs, _ = drawn
    expected = challenge_metric(labels, outputs)
    for names in ([codes[-1] for codes in CLASSES], ["|".join(codes) for codes in CLASSES]):
        assert challenge_metric(labels, outputs, names) == expected


def test_columns_that_are_not_scored_count_nothing(drawn):
    labels, outputs, _ = drawn
    extra_labels, extra_outputs = np.random.default_rng(3).random((2, 200, 2)) < 0.5
    actual = challenge_metric(
        np.hstack([extra_labels, labels]),
        np.hstack([extra_outputs, outputs]),
        ["55827005", "x", *CODES],
    )
    assert actual == pytest.approx(challenge_metric(labels, outputs), abs=1e-12)  # another order


def test_a_class_without_a_column_is_as_if_nobody_had_it():
    labels, outputs = rows([AF], [AF, SB], [AFL]), rows([AF], [SB], [AF])
    kept = [CODES.index(code) for code in (AF, AFL, SB)]
    actual = challenge_metric(labels[:, kept], outputs[:, kept], [AF, AFL, SB])
    assert actual == pytest.approx(challenge_metric(labels, outputs), abs=1e-12)  # another order


# Cells of the organisers' tables (evaluation-2021 and -2020, weights.csv), typed.
@pytest.mark.parametrize("year", [2020, 2021])
def test_rewards_are_those_of_the_official_table(year):
    found = rewards([SB, "55827005", AF, "x|y", NSR, AFL, TAB], year)
    assert found.tolist() == [
        [1.0, 0.0, 0.3, 0.0, 0.45, 0.3, 0.3],
        [0.0] * 7,  # not scored: neither as label nor as output
        [0.3, 0.0, 1.0, 0.0, 0.25, 0.5, 0.5],
        [0.0] * 7,
        [0.45, 0.0, 0.25, 0.0, 1.0, 0.25, 0.25],
        [0.3, 0.0, 0.5, 0.0, 0.25, 1.0, 0.5],
        [0.3, 0.0, 0.5, 0.0, 0.25, 0.5, 1.0],
    ]


def test_rewards_of_classes_that_only_one_year_scores():
    """Bradycardia and poor R wave progression were scored from 2021 on, not in 2020."""
    classes = ["426627000", "365413008", "17338001"]
    table = rewards(classes, 2020)
    assert table[1].tolist() == table[:, 1].tolist() == [0, 0, 0]
    assert (rewards(classes, 2021) > 0).all()


def test_a_small_difference_from_sinus_rhythm_is_no_rounding():
    """One of 20,000 records is better than sinus rhythm."""
    labels, outputs = rows([AF]).repeat(20_000, axis=0), rows([NSR]).repeat(20_000, axis=0)
    outputs[0] = labels[0]
    assert challenge_metric(labels, outputs) == pytest.approx(1 / 20_000, abs=1e-12)


@pytest.mark.parametrize("name", OF_ANY_CLASSES)
def test_each_metric_is_the_one_of_its_name(name):
    """Two records: one right, one with a missed and a false class."""
    labels, outputs = rows([AF], [NSR, SB]), rows([AF], [NSR, TAB])
    probabilities = np.where(outputs, 0.9, 0.1)
    probabilities[1, CODES.index(AF)] = 0.95
    f = {AF: 1, NSR: 1, SB: 0, TAB: 0}
    expected = {
        # Observed 1 + 2 / 3, of the labels 1 + 2.9 / 2, of sinus rhythm 0.25 / 2 + 1.45 / 2.
        "challenge": (5 / 3 - 0.85) / (2.45 - 0.85),
        "accuracy": 1 / 2,
        "f_measure": np.mean(list(f.values())),
        "auroc": np.mean([0, 1, 0.5]),  # AF, NSR, SB
        "auprc": np.mean([0.5, 1, 0.5]),
    }
    found = METRICS[name](labels, outputs, probabilities, CODES)
    assert found == pytest.approx(expected[name], abs=1e-12)


def test_two_columns_of_one_class_are_refused():
    with pytest.raises(LeadwiseError, match="427172004 and 17338001 are one scored class; join"):
        prepare(np.zeros((1, 2)), ["427172004", "17338001"])


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(LeadwiseError, match=r"labels of shape \(3, 2\) do not fit 26 classes"):
        prepare(np.zeros((3, 2)))


def test_weights_that_are_no_numbers_count_nothing(drawn, monkeypatch):
    labels, outputs, _ = drawn
    table = load_weights()
    holes, zeros = table.values.copy(), table.values.copy()
    holes[0, 1], zeros[0, 1] = challenge._finite("inf"), 0.0
    assert np.isnan(holes[0, 1])
    actual = []
    for values in (holes, zeros):
        monkeypatch.setattr(
            challenge, "load_weights", lambda _, v=values: Weights(*table[:2], values=v)
        )
        actual.append(challenge_metric(labels, outputs))
    assert actual[0] == actual[1]
    monkeypatch.undo()
    assert actual[0] != challenge_metric(labels, outputs)


def test_arguments_are_left_as_they_are(drawn):
    copies = [array.copy() for array in drawn]
    for name in OF_ANY_CLASSES:
        METRICS[name](*drawn, CODES)
    for array, copy in zip(drawn, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", OF_ANY_CLASSES)
def test_each_metric_is_best_for_the_right_answer(name, drawn):
    labels, outputs, probabilities = drawn
    best = METRICS[name](labels, labels, labels.astype(float), CODES)
    assert isinstance(best, float)
    assert best == pytest.approx(1, abs=1e-12)  # a mean of ones
    assert METRICS[name](labels, outputs, probabilities, CODES) < 1


def test_metrics_offers_what_recipes_select():
    assert {"challenge", "auroc", "auprc", "f_measure", "accuracy"} <= set(METRICS)
