"""Studies of HeartlyAI 2021: tasks, data, pretraining and rate; classes of beats by patient."""

from dataclasses import replace

from experiments.grid import Grid, variants
from experiments.wave_sections import OFF
from models import find
from models.recipe import part, vary

# A small budget.
EPOCHS, BEAT_EPOCHS, BATCH = 3, 5, 16
SAMPLING = part("inverse_frequency", annotated=2, others=400, power=0.5)
OF_BEATS = part("inverse_frequency", annotated=2, further=1.0, others=300, power=0.5)


def ablation() -> Grid:
    """Train variants of `heartly-leadwise` on a folder of `python -m datasets.waves … --fold 8`.

    Fold 9 scores diagnoses, LUDB's development records waves.  The folder has simulated records;
    one variant alone learns from them.
    """
    base = vary(
        find("heartly-leadwise"), epochs=EPOCHS, batch=BATCH, sampling=SAMPLING,
        leave_out=(part("sources", names=("simulated",)),),
    )  # fmt: skip
    diagnosis, waves, beats = base.heads
    no_diagnosis, no_waves, no_beats = (replace(head, weight=OFF) for head in base.heads)
    fs, network = 2 * base.fs, base.network.options
    recipes = variants(base, {
        "whole": {},
        "diagnosis-alone": {"heads": (diagnosis, no_waves, no_beats)},
        "waves-alone": {"heads": (waves, no_diagnosis, no_beats)},  # the first chooses the epoch
        "without-beats": {"heads": (diagnosis, waves, no_beats)},
        "without-no-p": {"heads": (diagnosis, replace(waves, mask="off"), beats)},
        "without-qtdb": {"leave_out": (part("sources", names=("simulated", "qtdb")),)},
        "with-simulated": {"leave_out": ()},
        "barlow": {"pretraining": part("barlow", share=0.2, weight=1 / network["width"])},
        "500-hz": {"fs": fs, "network": part(base.network.name, **{**network, "fs": fs})},
    })  # fmt: skip
    return Grid(
        "heartly-ablation", f"tasks, data, pretraining and rate of HeartlyAI, {EPOCHS} epochs each",
        recipes, leads=(), sections=("marks",),
    )  # fmt: skip


def beats() -> Grid:
    """Train `heartly-leadwise` on a folder of `python -m datasets.waves … --fold 8`.

    The folder has LUDB, MIT-BIH, whose five folds of patients are the test folds, and diagnoses in
    other folds.  The weights are initialised from a training without MIT-BIH and without QTDB,
    which has excerpts of MIT-BIH.  Waves choose the epoch: no beats are left for it, and the
    diagnoses of few records get worse while the other two tasks improve.
    """
    base = find("heartly-leadwise")
    diagnosis, waves, beats = base.heads
    recipe = vary(
        base, epochs=BEAT_EPOCHS, batch=BATCH, sampling=OF_BEATS, heads=(waves, diagnosis, beats)
    )  # fmt: skip
    return Grid(
        "heartly-beats", f"classes of beats by patient, {BEAT_EPOCHS} epochs each",
        {"whole": recipe}, leads=(), folds=tuple(("8", str(fold)) for fold in range(1, 6)),
        measures=(), sections=("beats-out-of-fold",), pretrained=True,
    )  # fmt: skip
