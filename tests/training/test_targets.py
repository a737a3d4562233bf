"""Targets per sample: from a record's annotations, or from a diagnosis that excludes P waves."""

from dataclasses import replace

import numpy as np
import pytest

from ecg.annotations import ABSENT, ALL_LEADS, QRS, Annotations, Spans, Waves
from ecg.leads import STANDARD
from ecg.records import record_of
from models import find
from models.recipe import Head, part
from models.sample import NO_P, UNKNOWN
from training.cache import dense_target, rows_of

RECIPE = find("isibrno-published")


def test_without_annotations_each_sample_is_unknown() -> None:
    record = record_of(np.zeros((2, 50)), ("I", "II"), RECIPE.fs)
    for kind, classes in (("samples", "waves"), ("beats", "beats")):
        target = dense_target(record, Head("dense", kind, classes=classes), 100, RECIPE)
        assert target.tolist() == [[255] * 100]


def test_targets_have_a_row_per_lead_with_single_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    head = Head("waves", "samples", classes="waves", loss=part("cross_entropy"), metric="dice")
    beats = Head("beats", "beats", classes="beats", loss=part("cross_entropy"), metric="beat_f1")
    recipe = replace(RECIPE, augment=(part("single_lead", probability=0.5),))
    assert [rows_of(RECIPE, head), rows_of(recipe, head), rows_of(recipe, beats)] == [1, 13, 1]
    leads = STANDARD[:8]

    def target_of(lines: dict[str, tuple[int, int]]) -> list[set[int]]:
        waves = [(on, ABSENT, off, "N", lead) for lead, (on, off) in lines.items()]
        spans = Spans.of([(10, 90, lead) for lead in lines])
        annotations = Annotations(recipe.fs, waves=Waves.of(waves), annotated=spans)
        record = record_of(np.zeros((len(leads), 100)), leads, recipe.fs)
        monkeypatch.setattr(type(record), "annotations", lambda _: annotations)
        rows = dense_target(record, head, 100, recipe)
        return [set(np.flatnonzero(row == QRS).tolist()) for row in rows]

    by_lead = {lead: (40 + number, 50 + number) for number, lead in enumerate(leads[:7])}
    rows = target_of(by_lead)
    assert rows[0] == set(range(43, 53)), "the median of seven leads"
    assert rows[1:8] == [set(range(on, off)) for on, off in by_lead.values()]
    assert rows[8:] == [set()] * 5, "no marks, or not in the record"
    assert target_of(dict(list(by_lead.items())[:5]))[0] == set(), "too few leads"
    rows = target_of({ALL_LEADS: (20, 30)})
    assert rows[:9] == [set(range(20, 30))] * 9, "marks of all leads are those of each"
    assert rows[9:] == [set()] * 4


@pytest.mark.parametrize(
    ("codes", "mask", "value"),
    [("164889003", "no P", NO_P), ("10370003", "no P", NO_P), ("426783006", "no P", UNKNOWN),
     ("164889003", "off", UNKNOWN)],
)  # fmt: skip
def test_records_that_cannot_have_p_waves(codes: str, mask: str, value: int) -> None:
    head = Head("waves", "samples", classes="waves", mask=mask, metric="dice")
    record = record_of(np.zeros((2, 50)), ("I", "II"), RECIPE.fs)
    record = replace(record, header=replace(record.header, codes=(codes,)))
    assert set(dense_target(record, head, 50, RECIPE).ravel().tolist()) == {value}
