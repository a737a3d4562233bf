"""Whole trainings under a time budget, on a clock that only steps and evaluations advance."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import team_code
import train_model
from ecg import LeadwiseError
from models import find
from models.folder import read_model
from models.recipe import Part, Recipe, part, vary
from simulate import write_records
from tests.conftest import small
from training import cache, decisions, loop, run
from training.budget import TotalBudget


def tiny(epochs: int = 30, **changes: object) -> Recipe:
    recipe = small(find("isibrno-basic"))
    options = {**recipe.network.options, "widths": (4, 4, 4, 4, 4), "units": 2}
    return vary(
        recipe, network=part(recipe.network.name, **options), epochs=epochs, batch=4, ema=0.9,
        schedule=part("one_cycle"), **changes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 records: 6 to validate, and 6 steps of 4 per epoch."""
    folder = tmp_path_factory.mktemp("data")
    write_records(folder, 30, seed=2, duration_s=0.5, fs=250.0)
    return folder


class Fake:
    """A clock that trainings advance: seconds for a step, an evaluation and a decision."""

    def __init__(self, patch: pytest.MonkeyPatch, recipe: Recipe | None = None) -> None:
        self.now, self.count = 1000.0, 0
        self.step_s: Callable[[int], float] = lambda count: 1.0
        self.evaluation_s, self.decision_s = 2.0, 3.0
        chosen = recipe or tiny()
        patch.setattr("training.data.find", lambda _: chosen)
        patch.setattr(run, "plot_training", lambda *_: None)
        patch.setattr(run, "process_age", lambda: 5.0)
        patch.setattr(
            run, "TotalBudget",
            lambda *values, **named: TotalBudget(*values, **named, clock=lambda: self.now),
        )  # fmt: skip
        self.slow(patch, loop, "_backward", self.next_step)
        self.slow(patch, loop, "_evaluate", lambda: self.evaluation_s)
        self.slow(patch, run, "fit_heads", lambda: self.decision_s)

    def next_step(self) -> float:
        self.count += 1
        return self.step_s(self.count)

    def slow(
        self, patch: pytest.MonkeyPatch, module: object, name: str, seconds: Callable[[], float]
    ) -> None:
        function = getattr(module, name)

        def slowed(*values: object, **named: object) -> object:
            result = function(*values, **named)
            self.now += seconds()
            return result

        patch.setattr(module, name, slowed)

    def train(self, data: Path, model: Path, patch: pytest.MonkeyPatch, seconds: float) -> float:
        """Train; return the seconds that the whole training took, with those before it."""
        patch.setenv("LEADWISE_MINUTES", str(seconds / 60))
        before = self.now
        team_code.training_code(str(data), str(model))
        return self.now - before + 5.0


def epochs_of(model: Path) -> dict[str, int]:
    """Count the epochs of each lead set."""
    rows = [line.split("\t") for line in (model / "history.tsv").read_text().splitlines()[1:]]
    names = [row[0] for row in rows]
    return {name: names.count(name) for name in names}


@pytest.mark.parametrize("seconds", [150, 300])
def test_a_budget_that_binds_is_kept_and_shared(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    used = Fake(monkeypatch).train(data, tmp_path / "model", monkeypatch, seconds)
    assert 0.9 * seconds < used <= 1.05 * seconds
    epochs = epochs_of(tmp_path / "model")
    assert list(epochs) == [f"{size} leads" for size in (12, 6, 4, 3, 2)]
    assert max(epochs.values()) - min(epochs.values()) <= 1
    log = capsys.readouterr().err
    assert "5 s of it used to prepare" in log
    assert "12-leads: epoch 1 of about " in log
    assert "Lead sets trained: 5 of 5" in log


def test_a_budget_below_one_epoch_is_kept_and_the_needed_one_is_named_early(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """One epoch is 6 steps, 2 s to evaluate and 3 s to decide; with 5 s before: 5 + 55 s."""
    fake = Fake(monkeypatch)
    fake.step_s = lambda count: 10.0
    fake.evaluation_s = 20.0
    used = fake.train(data, tmp_path / "model", monkeypatch, 240)
    assert used <= 1.05 * 240
    assert set(epochs_of(tmp_path / "model").values()) == {1}
    early, *rest = capsys.readouterr().err.split("12-leads: epoch 1 of")
    assert (
        "Warning: the budget of 4 min 0 s does not hold one epoch per lead set, which needs about"
        in early
    )
    needed = int(early.split("needs about ")[1].split()[0])
    # 5 + 5 × (60 + 20 + 3) s are 7 minutes; the plan also holds the scored training records.
    assert 6 <= needed <= 10
    assert sum("does not hold one epoch" in text for text in rest) == 0, "once is enough"
    assert "fewer than 3 of 30 epochs" in rest[-1]


def test_an_evaluation_slower_than_the_training_is_planned(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(monkeypatch)
    fake.evaluation_s = 30.0
    used = fake.train(data, tmp_path / "model", monkeypatch, 600)
    assert 500 < used <= 600
    assert set(epochs_of(tmp_path / "model").values()) <= {2, 3, 4}


def test_a_machine_that_slows_down_keeps_the_budget(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(monkeypatch)
    fake.step_s = lambda count: 1.0 if count < 40 else 3.0
    used = fake.train(data, tmp_path / "model", monkeypatch, 400)
    assert 360 < used <= 1.05 * 400
    epochs = list(epochs_of(tmp_path / "model").values())
    assert epochs[0] > epochs[1] >= 2
    assert len(epochs) == 5


def test_after_a_jump_of_a_day_what_is_trained_is_kept_and_the_rest_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    fake = Fake(monkeypatch)
    fake.step_s = lambda count: 86_400.0 if count == 20 else 1.0
    fake.train(data, tmp_path / "model", monkeypatch, 36_000)
    assert len(read_model(tmp_path / "model").lead_sets) == 1
    log = capsys.readouterr().err
    for size in (6, 4, 3, 2):
        assert (
            f"{size}-leads: not trained; the budget of 10 h 0 min is used up after 24 h 0 m" in log
        )
    assert "Lead sets trained: 1 of 5" in log
    assert "Warning: 4 lead sets are not trained; set more minutes, or fewer lead sets." in log


def test_a_budget_that_is_used_up_by_reading_is_an_error(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(monkeypatch)
    fake.slow(monkeypatch, run, "split_data", lambda: 70.0)
    message = "the budget of 1 min 0 s is used up after 1 min 15 s; set more minutes"
    with pytest.raises(LeadwiseError, match=message):
        fake.train(data, tmp_path / "model", monkeypatch, 60)
    assert not (tmp_path / "model" / "model.json").exists()


@pytest.mark.parametrize(
    ("module", "name", "seconds", "message"),
    [
        (cache, "prepare_record", 9.0, "7 of 30 records were read in 1 min 3 s, and all take"
         " about 5 min; set more minutes"),
        (decisions, "judge_record", 20.0, "3 of 7 records were judged by the rules in 1 min 0 s, "
         "and all take about 3 min; set more minutes"),
    ],
    ids=["signals", "rules"],
)  # fmt: skip
def test_reading_stops_when_the_budget_is_used_up(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    module: object, name: str, seconds: float, message: str,
) -> None:  # fmt: skip
    head = replace(tiny().heads[0], rules="learned")
    fake = Fake(monkeypatch, vary(tiny(), heads=(head,)))
    fake.slow(monkeypatch, module, name, lambda: seconds)
    with pytest.raises(LeadwiseError, match=f"budget of 1 min 0 s is used up: {message}"):
        fake.train(data, tmp_path / "model", monkeypatch, 60)
    assert fake.now - 1000 <= 60 - 5 + seconds, "no record is read after the end"
    left = {path.suffix for path in (tmp_path / "model" / "state").glob("signals-*")}
    assert left == (set() if module is cache else {".f16", ".json"}), "complete, or deleted"


def test_a_budget_that_does_not_hold_one_evaluation_ends_early_with_an_error(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A step of 40 s: an evaluation is estimated as more than 100 s."""
    fake = Fake(monkeypatch)
    fake.step_s = lambda count: 40.0
    fake.evaluation_s = 100.0
    with pytest.raises(LeadwiseError, match=r"the budget of 2 min 0 s does not hold one epoch per"):
        fake.train(data, tmp_path / "model", monkeypatch, 120)
    assert fake.now - 1000 <= 120
    assert "does not hold" not in capsys.readouterr().err, "said once"
    assert not (tmp_path / "model" / "model.json").exists()


def test_a_lead_set_that_no_longer_fits_after_its_first_step_is_not_trained(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    fake = Fake(monkeypatch, tiny(1))
    fake.step_s = lambda count: 1.0 if count <= 12 else 60.0
    used = fake.train(data, tmp_path / "model", monkeypatch, 120)
    assert used <= 1.05 * 120
    log = capsys.readouterr().err
    assert "4-leads: not trained; the budget of 2 min 0 s does not hold one epoch per lead" in log
    assert "Lead sets trained: 2 of 5" in log


def test_a_budget_that_suffices_gives_weights_that_do_not_depend_on_the_clock(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    weights = []
    for number, (step_s, seconds) in enumerate(((1.0, 1e5), (7.0, 120), (0.0, 60))):
        with monkeypatch.context() as patch:
            fake = Fake(patch, tiny(epochs=2))
            fake.step_s = lambda count, step_s=step_s: step_s
            fake.train(data, tmp_path / str(number), patch, seconds)
        weights.append(read_model(tmp_path / str(number)).lead_sets[0].sha256)
    assert weights[0] == weights[1] == weights[2]
    with monkeypatch.context() as patch:
        fake = Fake(patch, tiny(epochs=2))
        fake.step_s = lambda count: 7.0
        fake.train(data, tmp_path / "cut", patch, 60)
    assert read_model(tmp_path / "cut").lead_sets[0].sha256 != weights[0]


GROWING = {"accumulation": part("squares", at=(0.25,))}  # from the fourth step on four batches


@pytest.mark.parametrize(("changes", "saved"), [({}, (2, 4, 6, 8, 10)), (GROWING, (2, 6, 10))])
@pytest.mark.parametrize("stop_at", [1, 4, 5, 7, 11])
def test_a_training_continues_within_an_epoch_to_equal_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
    stop_at: int, changes: dict[str, Part], saved: tuple[int, ...],
) -> None:  # fmt: skip
    """Steps take two minutes, so the state is saved after every second one; epochs have six."""
    monkeypatch.setenv("LEADWISE_LEADS", "2")

    def train(model: str, patch: pytest.MonkeyPatch) -> None:
        fake = Fake(patch, tiny(epochs=2, **changes))
        fake.step_s = lambda count: 120.0
        fake.train(data, tmp_path / model, patch, 1e6)

    with monkeypatch.context() as patch:
        train("whole", patch)
    capsys.readouterr()
    with monkeypatch.context() as patch:

        def interrupt(*values: object) -> object:
            steps.append(values)
            if len(steps) > stop_at:
                raise KeyboardInterrupt
            return backward(*values)

        steps, backward = [], loop._backward
        patch.setattr(loop, "_backward", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train("cut", patch)
    capsys.readouterr()
    with monkeypatch.context() as patch:
        train("cut", patch)
    log = capsys.readouterr().err
    epochs, kept = divmod(max((step for step in saved if step <= stop_at), default=0), 6)
    if kept:
        assert f"2-leads: continues after step {kept} of epoch {epochs + 1}." in log
    elif epochs:
        assert "2-leads: continues after epoch 1." in log
    else:
        assert "continues after" not in log
    assert read_model(tmp_path / "cut").lead_sets == read_model(tmp_path / "whole").lead_sets
    histories = [(tmp_path / name / "history.tsv").read_text() for name in ("cut", "whole")]
    assert histories[0] == histories[1]


def test_a_budget_that_ends_amid_accumulated_batches_steps_with_them(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(*values: object) -> None:
        steps.append(values[-1])
        step(*values)

    monkeypatch.setenv("LEADWISE_LEADS", "2")
    fake = Fake(monkeypatch, tiny(epochs=1, accumulation=part("squares", at=(0.0,))))
    steps, step = [], loop._step
    monkeypatch.setattr(loop, "_step", noted)
    fake.train(data, tmp_path / "model", monkeypatch, 22)
    assert fake.count < 6
    assert fake.count % 4
    assert sum(steps) == fake.count


@pytest.mark.parametrize(
    ("moment", "text"),
    [("reading", "Nothing is kept: the same command starts over."),
     ("before step 2 of epoch 1", "No epoch has finished: the same command starts the training "
      "over with the prepared signals."),
     ("before step 4 of epoch 1", "The same command goes on: 2-leads continues after step 2 of "
      "epoch 1."),
     ("after epoch 1", "The same command goes on: 2-leads continues after epoch 1."),
     ("decision", "The same command goes on: 2-leads is trained.")],
)  # fmt: skip
def test_the_command_tells_what_an_interruption_keeps(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
    moment: str, text: str,
) -> None:  # fmt: skip
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("LEADWISE_LEADS", "2")
    fake = Fake(monkeypatch, tiny(epochs=2))
    last = {"before step 2 of epoch 1": 1, "before step 4 of epoch 1": 3, "after epoch 1": 6}
    fake.step_s = lambda count: 120.0 if count <= last.get(moment, 99) else interrupt()
    if moment == "reading":
        monkeypatch.setattr(run, "labelled_records", interrupt)
    if moment == "decision":
        monkeypatch.setattr(run, "fit_heads", interrupt)
    assert train_model.main([str(data), str(tmp_path / "model")]) == 130
    assert capsys.readouterr().err.endswith(f"Interrupted. {text}\n")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [("OTHER", "", "10000"), ("OMP_WAIT_POLICY", "active", None), ("GOMP_SPINCOUNT", "7", "7")],
)
def test_threads_of_the_command_sleep_while_they_wait_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str | None
) -> None:
    write_records(tmp_path, 1, seed=2, duration_s=0.5, fs=250.0)
    monkeypatch.setattr(team_code, "training_code", lambda *_: None)
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # so that it is as before after the test
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv(variable, value)
    assert train_model.main([str(tmp_path), str(tmp_path / "model")]) == 0
    assert os.environ.get("GOMP_SPINCOUNT") == expected


def test_steps_after_the_saved_ones_are_not_repeated(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an epoch of six steps that is resumed after four, two are run."""
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    with monkeypatch.context() as patch:
        fake = Fake(patch, tiny(epochs=1))
        fake.step_s = lambda count: 120.0 if count < 6 else [][0]
        with pytest.raises(IndexError):
            fake.train(data, tmp_path / "model", patch, 1e6)
    with monkeypatch.context() as patch:
        fake = Fake(patch, tiny(epochs=1))
        fake.train(data, tmp_path / "model", patch, 1e6)
    assert fake.count == 2


def test_the_state_of_other_leads_of_the_same_number_is_set_aside(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Their networks have equal shapes, so nothing else would tell."""
    model = tmp_path / "model"
    for leads in (("I", "II"), ("I", "V1")):
        with monkeypatch.context() as patch:
            Fake(patch, vary(tiny(1), lead_sets=(leads,)))
            if leads[1] == "II":
                patch.setattr(run, "fit_heads", lambda *_: [][0])
                with pytest.raises(IndexError):
                    team_code.training_code(str(data), str(model))
            else:
                team_code.training_code(str(data), str(model))
    log = capsys.readouterr().err
    assert "differs in leads (I, II, now I, V1); this lead set is trained again." in log
    assert (model / "set-aside" / "2-leads.1.safetensors").exists()
    assert "already trained" not in log


def test_weights_that_diverge_end_with_a_sentence(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    for number, (epochs, batch, rate) in enumerate(((1, 30, 1e20), (3, 4, 1e20), (2, 4, 1e38))):
        recipe = vary(tiny(epochs), optimiser=part("adam", lr=rate), batch=batch,
                      schedule=part("constant"), ema=0.0)  # fmt: skip
        Fake(monkeypatch, recipe)
        with pytest.raises(LeadwiseError, match=r"2-leads: .*lower the learning rate"):
            team_code.training_code(str(data), str(tmp_path / str(number)))
        assert not (tmp_path / str(number) / "model.json").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_predictions_that_are_not_finite_end_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """Although all losses were finite: the last step or the average may have broken a weight."""
    monkeypatch.setenv("LEADWISE_LEADS", "2")

    def broken(network: torch.nn.Module, *_: object) -> torch.nn.Module:
        with torch.no_grad():
            next(iter(network.parameters())).fill_(value)
        return network

    Fake(monkeypatch, tiny(1))
    monkeypatch.setattr(loop, "ema_network", broken)
    with pytest.raises(LeadwiseError, match="validation records are not finite, so the weights"):
        team_code.training_code(str(data), str(tmp_path / "model"))
    assert not (tmp_path / "model" / "model.json").exists()


def test_a_score_that_is_not_finite_ends_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    Fake(monkeypatch, tiny(1))
    monkeypatch.setattr(loop, "score_head", lambda *_: (float("nan"), 0.5))
    with pytest.raises(
        LeadwiseError, match=r"the validation score \(challenge\) is nan in epoch 1"
    ):
        team_code.training_code(str(data), str(tmp_path / "model"))


def test_a_training_whose_cache_is_damaged_between_two_starts_ends_with_equal_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    monkeypatch.setenv("LEADWISE_CACHE", str(tmp_path / "cache"))
    Fake(monkeypatch, tiny(1))
    team_code.training_code(str(data), str(tmp_path / "first"))
    (signals,) = (tmp_path / "cache").glob("*.f16")
    content = bytearray(signals.read_bytes())
    content[len(content) // 2] ^= 8
    signals.write_bytes(content)
    shutil.copytree(tmp_path / "cache", tmp_path / "damaged")
    capsys.readouterr()
    team_code.training_code(str(data), str(tmp_path / "second"))
    assert f"{signals} is incomplete or damaged, and is created again." in capsys.readouterr().err
    first, second = (read_model(tmp_path / name).lead_sets for name in ("first", "second"))
    assert first == second
