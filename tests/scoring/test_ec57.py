"""EC57 beside WFDB's own figures, matrices by hand, and the optimal matching of `scoring.beats`."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.beats import match
from scoring.ec57.beats import (
    NONE,
    ROWS,
    Annotator,
    Share,
    averages,
    compare_beats,
    pair_beats,
    pool,
    shares,
    without_svebs,
)
from scoring.ec57.runs import SVEB, VEB, compare_runs
from scoring.ec57.runs import pool as pool_runs
from scoring.ec57.runs import shares as run_shares

FS = 360.0
START = 300 * 360  # the learning period ends


def annotator(*marks: tuple[int, str], subtypes: dict[int, int] | None = None) -> Annotator:
    """Build an annotator of marks; a rhythm is its note, and subtypes are by sample."""
    samples = np.array([sample for sample, _ in marks], int)
    notes = [text if text.startswith("(") else "" for _, text in marks]
    symbols = ["+" if note else text for note, (_, text) in zip(notes, marks, strict=True)]
    found = np.array([(subtypes or {}).get(sample, 0) for sample in samples.tolist()], int)
    return Annotator(samples, np.array(symbols, str), found, np.array(notes, str))


def train(text: str, first: int = START, step: int = 300) -> Annotator:
    """Build an annotator of beats at equal distances."""
    return annotator(*((first + step * place, symbol) for place, symbol in enumerate(text)))


def entries(matrix: np.ndarray) -> dict[str, int]:
    """List the entries that are not 0 as bxb names them: `Vn` is a VEB called N."""
    return {
        ROWS[row] + ROWS[column].lower(): int(matrix[row, column])
        for row, column in np.argwhere(matrix)
    }


def test_a_matrix_by_hand() -> None:
    marked = train("NNVVAF/NV")
    samples, symbols = marked.samples.copy(), marked.symbols.copy()
    symbols[[1, 3, 4, 5]] = ["V", "N", "V", "V"]  # Nv, Vn, Sv, Fv
    samples[2] += 54  # 150 ms: still a pair
    samples[7] += 55  # not a pair: No and On
    found = Annotator(samples, symbols)
    result = compare_beats(marked, found, FS, end=START + 5000)
    assert entries(result.matrix) == {
        "Nn": 1, "Nv": 1, "Vv": 2, "Vn": 1, "Sv": 1, "Fv": 1, "Qq": 1, "No": 1, "On": 1
    }  # fmt: skip
    rates = shares(result.matrix)
    assert rates["QRS Se"] == (8, 9)
    assert rates["QRS +P"] == (8, 9)
    assert rates["VEB Se"] == (2, 3)
    assert rates["VEB +P"] == (2, 4)  # Nv and Sv are false, Fv is not
    assert rates["VEB FPR"] == (2, 5)  # the others are Nn, Qq and On
    assert rates["SVEB Se"] == (0, 1)
    assert math.isnan(rates["SVEB +P"].percent)
    assert rates["SVEB FPR"] == (0, 8)
    assert entries(without_svebs(result.matrix))["Nv"] == 2


def test_svebs_that_the_test_annotator_calls_so_wrongly() -> None:
    marked, found = train("NAVF/NA"), train("AASSANN")
    rates = shares(compare_beats(marked, found, FS, end=START + 5000).matrix)
    assert rates["SVEB Se"] == (1, 2)
    assert rates["SVEB +P"] == (1, 4)  # Ns, Vs and Fs are false, Qs is not
    assert rates["SVEB FPR"] == (3, 4)  # beside Nn


def test_beats_missed_in_shutdown_as_in_bxbs_output() -> None:
    # bemoody/wfdb, issue 15: of 74 normal beats 6 are missed, all in shutdown: Nx 6, Se 91.89 %.
    marked = train("N" * 74)
    kept = [(int(sample), "N") for sample in marked.samples[[*range(30), *range(36, 74)]]]
    off, on = int(marked.samples[29]) + 10, int(marked.samples[35]) + 100
    marks = sorted([*kept, (off, "~"), (on, "~")])
    found = annotator(*marks, subtypes={off: -1})
    result = compare_beats(marked, found, FS, end=START + 74 * 300)
    assert entries(result.matrix) == {"Nn": 68, "Nx": 6}
    assert shares(result.matrix)["QRS Se"] == Share(68, 74)
    assert round(shares(result.matrix)["QRS Se"].percent, 2) == 91.89
    assert result.shutdown_s == (on - off) / FS


def test_a_single_shutdown_mark_stands_for_the_gap_around_it() -> None:
    marked = train("NNNN")
    marks = [(START, "N"), (START + 450, "~"), (START + 900, "N")]
    found = annotator(*marks, subtypes={START + 450: 48})
    result = compare_beats(marked, found, FS, end=START + 2000)
    assert entries(result.matrix) == {"Nn": 2, "Nx": 2}
    assert result.shutdown_s == (900 - 2 * 54) / FS


def test_a_false_beat_where_the_reference_is_unreadable() -> None:
    off, on = START + 310, START + 590
    marks = [(START, "N"), (off, "~"), (on, "~"), (START + 900, "N")]
    marked = annotator(*marks, subtypes={off: 51})
    result = compare_beats(marked, train("NNVN"), FS, end=START + 2000)
    assert entries(result.matrix) == {"Nn": 2, "On": 1, "Ov": 1}
    result = compare_beats(marked, annotator((off + 99, "V")), FS, end=START + 2000)
    assert entries(result.matrix) == {"No": 2, "Xv": 1}


def test_the_learning_period() -> None:
    marked = annotator((100, "N"), (START - 1, "V"), (START + 10, "N"))
    # The last beat before the start is the partner of the first one after it.
    found = annotator((500, "V"), (START - 20, "V"), (START + 400, "N"))
    result = compare_beats(marked, found, FS, end=START + 2000)
    assert entries(result.matrix) == {"Nv": 1, "On": 1}
    # A beat just after the start may belong to one before it: it does not count.
    marked = annotator((START - 30, "N"), (START + 300, "N"))
    found = annotator((START + 20, "N"), (START + 310, "N"))
    assert entries(compare_beats(marked, found, FS, end=START + 2000).matrix) == {"Nn": 1}
    whole = compare_beats(marked, found, FS, start_s=0, end=START + 2000)
    assert entries(whole.matrix) == {"Nn": 2}


def test_without_an_end_beats_after_the_last_one_of_the_reference_do_not_count() -> None:
    found = train("NNNN")
    assert entries(compare_beats(train("NN"), found, FS).matrix) == {"Nn": 2}
    result = compare_beats(train("NN"), found, FS, end=START + 2000)
    assert entries(result.matrix) == {"Nn": 2, "On": 2}


def test_beats_in_ventricular_fibrillation_do_not_count() -> None:
    marked = train("NN[NV]NN")
    result = compare_beats(marked, train("NNNNNNNN"), FS, end=START + 5000)
    assert entries(result.matrix) == {"Nn": 4, "On": 4}  # bxb leaves out each annotator's own
    assert entries(compare_beats(marked, marked, FS, end=START + 5000).matrix) == {"Nn": 4}


def test_escape_beats_are_supraventricular_ectopic_but_ventricular_ones() -> None:
    marked = train("ejnE|LRB")
    assert entries(compare_beats(marked, marked, FS).matrix) == {"Nn": 3, "Ss": 3, "Vv": 1}


def test_rapid_beats_that_are_nearer_to_the_wrong_one() -> None:
    # 40 to its own beat, 32 to the next one, which has a nearer beat of its own.
    pairs = pair_beats(np.array([1000, 1072]), np.array([1040, 1087]), 54)
    assert pairs.tolist() == [[0, 0], [1, 1]]
    # Without that one, the nearer beat is the partner.
    assert pair_beats(np.array([1000, 1072]), np.array([1040]), 54).tolist() == [[0, -1], [1, 0]]


def test_rr_errors_by_hand() -> None:
    marked, found = annotator(*((at, "N") for at in (0, 360, 720, 1080, 1440))), [0, 378, 720, 1440]
    result = compare_beats(marked, annotator(*((at, "N") for at in found)), FS, start_s=0)
    assert result.intervals == 2  # +18 and −18 samples: 50 ms; none across the missed beat
    assert result.rr_error_ms == pytest.approx(50)


positions = st.lists(st.integers(120, 200), max_size=12).map(np.cumsum)


@given(positions, positions, st.integers(0, 300))
def test_slow_beats_are_paired_as_the_optimal_matching_does(
    marked: np.ndarray, found: np.ndarray, shift: int
) -> None:
    found = found + shift
    pairs = pair_beats(marked, found, 54, 0, 10_000)
    both = pairs[(pairs != NONE).all(axis=1)]
    skipped = set(range(len(found))) - set(pairs[:, 1].tolist())
    assert set(pairs[:, 0].tolist()) - {NONE} == set(range(len(marked)))
    assert skipped <= {0}  # one near the start
    if not skipped:
        assert both.tolist() == match(marked, found, 54).tolist()


labels = st.lists(st.sampled_from(list("NAVFQ[]~|")), min_size=1, max_size=40).map("".join)


@given(labels)
def test_an_annotator_agrees_with_itself(text: str) -> None:
    marked = train(text)
    matrix = compare_beats(marked, marked, FS, end=START + 20_000).matrix
    assert (matrix == np.diag(np.diag(matrix))).all()
    for kind in (VEB, SVEB):
        rates = run_shares(compare_runs(marked, marked, FS, kind))
        assert all(part == whole for part, whole in rates.values())


def test_pooled_and_average_rates() -> None:
    first = compare_beats(train("VVVN"), train("VVNN"), FS)
    second = compare_beats(train("VNNN"), train("NNNN"), FS)
    third = compare_beats(train("NNNN"), train("NNNN"), FS)
    together = pool([first, second, third])
    assert shares(together.matrix)["VEB Se"] == (2, 4)
    mean = averages([row.matrix for row in (first, second, third)])
    assert mean["VEB Se"] == pytest.approx((200 / 3 + 0) / 2)  # the third has no VEB
    assert math.isnan(mean["SVEB Se"])
    assert averages([]) == {}
    assert pool([]).matrix.sum() == 0


def test_runs_by_hand() -> None:
    # A couplet found as one beat, a run of 4 found whole, a long run found in two parts of 3.
    marked = train("NVVNNVVVVNNVVVVVVVN")
    found = train("NVNNNVVVVNNVVVNVVVN")
    result = compare_runs(marked, found, FS)
    assert np.argwhere(result.sensitivity).tolist() == [[2, 1], [4, 4], [6, 3]]
    assert {tuple(at): int(result.predictivity[tuple(at)])
            for at in np.argwhere(result.predictivity).tolist()} == {
        (1, 1): 1, (4, 4): 1, (3, 3): 2
    }  # fmt: skip
    rates = run_shares(pool_runs([result, result]))
    assert rates["Couplet Se"] == (0, 2)
    assert rates["Short run Se"] == (2, 2)
    assert rates["Short run +P"] == (6, 6)
    assert rates["Long run Se"] == (0, 2)
    assert rates["Long run +P"] == (0, 0)


def test_ventricular_fibrillation_is_a_long_run_and_shutdown_ends_one() -> None:
    result = compare_runs(train("NN[!!]NN"), train("NNVVVVNN"), FS)
    assert np.argwhere(result.sensitivity).tolist() == [[6, 4]]
    assert np.argwhere(result.predictivity).tolist() == [[6, 4]]
    result = compare_runs(train("N[!!]VVNVVN"), train("N[!!]VVN[]N"), FS)
    assert np.argwhere(result.sensitivity).tolist() == [[2, 2], [2, 6], [6, 6]]
    assert run_shares(result)["Couplet Se"] == (2, 2)  # the second one lies in fibrillation
    off = START + 450
    marked = annotator(
        (START, "V"), (START + 300, "V"), (off, "~"), (off + 9, "~"), (START + 600, "V"),
        subtypes={off: -1},
    )  # fmt: skip
    result = compare_runs(marked, marked, FS)
    assert np.argwhere(result.sensitivity).tolist() == [[1, 1], [2, 2]]


def test_atrial_fibrillation_as_rxr_counts_record_201() -> None:
    # MIT-LCP/physionet, issue 29: an episode before the test period; one that begins with a VEB,
    # which counts as a long run of its own (rxr misses it, we do not); the beats after that VEB.
    before = [(START - 5000 + 300 * beat, "N") for beat in range(20)]
    after = [(START + 3000 + 300 * beat, "VNNANNNNN"[beat]) for beat in range(9)]
    marked = annotator(
        (START - 5100, "(AFIB"), *before, (START + 1200, "(NOD"), (START + 1400, "j"),
        (START + 1500, "(N"), (START + 1700, "N"), (START + 2900, "(AFIB"), *after,
        (START + 6000, "(N"), (START + 6100, "N"), (START + 6400, "A"), (START + 6700, "A"),
    )  # fmt: skip
    rates = run_shares(compare_runs(marked, marked, FS, SVEB))
    assert rates["Long run Se"] == (3, 3)
    assert rates["Couplet Se"] == (1, 1)
    assert run_shares(compare_runs(marked, marked, FS, VEB))["Long run Se"] == (0, 0)
