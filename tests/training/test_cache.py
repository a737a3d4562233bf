"""The cache holds transformed records; its files are complete or absent."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS, STANDARD
from ecg.records import Record, find_records, write_record
from models import find
from models.facts import facts_of
from models.inputs import prepare
from models.recipe import Head, Recipe, part, vary
from simulate import write_records
from tests.conftest import mapped_arrays
from training import cache as cache_module
from training.cache import fingerprint, open_cache
from training.mapped import MappedArrays, map_file

RECIPE = find("isibrno-published")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    write_records(data, 6, seed=1, duration_s=2.0, fs=200.0)
    return data


def records_of(folder: Path) -> list[Record]:
    return find_records(folder)[0]


def test_signals_are_the_prepared_ones_to_half_precision(folder: Path, tmp_path: Path) -> None:
    records = records_of(folder)
    cache = open_cache(records, RECIPE, tmp_path / "cache", workers=1)
    assert cache.usable.tolist() == list(range(6))
    for record, signal in zip(records, cache.signals, strict=True):
        plain = prepare(RECIPE, record.signal, record.leads, STANDARD, record.fs).signal
        assert signal.shape == plain.shape == (36, 500)
        np.testing.assert_allclose(signal, plain, rtol=1e-3, atol=1e-4)  # float16 has 11 bits


def test_many_workers_make_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecg.parallel.RECORDS_PER_TASK", 4)
    data = tmp_path / "data"
    data.mkdir()
    write_records(data, 18, seed=1, duration_s=1.0, fs=100.0)
    contents = [
        open_cache(records_of(data), RECIPE, tmp_path / str(workers), workers).path.read_bytes()
        for workers in (1, 2)
    ]
    assert contents[0] == contents[1]


def test_it_is_used_again_until_a_record_changes(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    first = open_cache(records_of(folder), RECIPE, tmp_path, workers=1)
    capsys.readouterr()
    assert open_cache(records_of(folder), RECIPE, tmp_path, workers=1).path == first.path
    assert "Using the prepared signals in" in capsys.readouterr().err
    os.utime(folder / "SIM00003.mat", (1, 1))
    other = open_cache(records_of(folder), RECIPE, tmp_path, workers=1)
    assert other.path != first.path
    assert "Preparing 6 records" in capsys.readouterr().err


def test_the_fingerprint_covers_signal_and_annotation_files(tmp_path: Path) -> None:
    """Signals in other formats, and for dense heads the annotations that targets come from."""
    write_records(tmp_path, 2, seed=1, duration_s=2.0, fs=200.0, annotations=True)
    header = tmp_path / "SIM00001.hea"
    header.write_text(header.read_text().replace("SIM00001.mat", "SIM00001.dat"))
    (tmp_path / "SIM00001.mat").rename(tmp_path / "SIM00001.dat")
    dense = vary(RECIPE, heads=(Head("waves", "samples", classes="waves", metric="dice"),))

    def changed(name: str) -> tuple[bool, bool]:
        """Whether the fingerprints for labels and for waves differ after a change of a file."""
        before = [fingerprint(records_of(tmp_path), recipe) for recipe in (RECIPE, dense)]
        os.utime(tmp_path / name, (1, 1))
        after = [fingerprint(records_of(tmp_path), recipe) for recipe in (RECIPE, dense)]
        return before[0] != after[0], before[1] != after[1]

    assert changed("SIM00001.dat") == (True, True)
    assert changed("SIM00002.hea") == (True, True)
    assert changed("SIM00002.all") == (False, True)
    (tmp_path / "SIM00002.txt").write_text("a note")
    assert changed("SIM00002.txt") == (False, False)


def test_the_cache_depends_on_transforms_and_rate(folder: Path, tmp_path: Path) -> None:
    """Each variant has a file of its own; what comes after the cache changes nothing."""
    records = records_of(folder)

    def path(**changes: object) -> Path:
        cache = open_cache(records, vary(RECIPE, **changes), tmp_path / "cache", workers=1)
        return cache.path

    kept = RECIPE.transforms
    shorter, others = kept[:-1], tuple(
        part(one.name, **{**one.options, "low_hz": 1.0}) if "low_hz" in one.options else one
        for one in kept
    )  # fmt: skip
    assert others != kept
    paths = [path(), path(transforms=others), path(transforms=shorter), path(fs=500.0)]
    assert len(set(paths)) == 4
    assert path(epochs=3, batch=8, augment=(), post_transforms=()) == paths[0]


def test_the_cache_depends_on_the_headers_leads_and_rate(folder: Path, tmp_path: Path) -> None:
    """Also of a header whose size and time are the same: its leads may be renamed by an option."""
    header, before = folder / "SIM00002.hea", fingerprint(records_of(folder), RECIPE)
    text, stat = header.read_text(), header.stat()
    for old, new in ((" V6\n", " V5\n"), (" 200 400", " 250 400")):
        assert old in text
        header.write_text(text.replace(old, new))
        os.utime(header, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert header.stat().st_size == stat.st_size
        assert fingerprint(records_of(folder), RECIPE) != before
    header.write_text(text)
    os.utime(header, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint(records_of(folder), RECIPE) == before
    header.write_text(text + "# a comment\n")
    assert fingerprint(records_of(folder), RECIPE) != before


def damage_index(path: Path, damage: str) -> None:
    """Change the index so that it can still be read."""
    index = json.loads(path.read_text())
    if damage == "shifted records":
        index["usable"] = [number + 1 for number in index["usable"]]
    elif damage == "swapped lengths":
        index["lengths"][0] += 5
        index["lengths"][1] -= 5
    elif damage == "other channels":
        index["channels"] //= 2
        index["lengths"] = [2 * length for length in index["lengths"]]
    elif damage == "no warnings":
        index["warnings"] = [["SIM00001", "kind", "text"]]
    elif damage == "another checksum":
        index["checksums"] = [0]
    path.write_text(json.dumps([] if damage == "a list" else index))


@pytest.mark.parametrize(
    "damage", ["a list", "shifted records", "swapped lengths", "other channels", "no warnings",
               "another checksum"]
)  # fmt: skip
def test_a_changed_index_is_made_again(
    folder: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture
) -> None:
    first = open_cache(records_of(folder), RECIPE, tmp_path, workers=1)
    index = first.path.with_suffix(".json")
    whole = index.read_text()
    damage_index(index, damage)
    assert index.read_text() != whole
    capsys.readouterr()
    open_cache(records_of(folder), RECIPE, tmp_path, workers=1)
    assert index.read_text() == whole
    assert "is incomplete or damaged, and is created again." in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["a bit", "zeros", "swapped records"])
@pytest.mark.parametrize("file", ["f16", "waves.u8"])
def test_changed_contents_are_made_again(
    tmp_path: Path, damage: str, file: str, capsys: pytest.CaptureFixture
) -> None:
    write_records(tmp_path, 4, seed=1, duration_s=2.0, fs=200.0, annotations=True)
    recipe = vary(RECIPE, heads=(Head("waves", "samples", classes="waves", metric="dice"),))
    first = open_cache(records_of(tmp_path), recipe, tmp_path / "cache", workers=1)
    path = first.path.with_suffix(f".{file}")
    whole = path.read_bytes()
    content, half = bytearray(whole), len(whole) // 2
    if damage == "a bit":
        content[half] ^= 1
    elif damage == "zeros":
        content[-64:] = bytes(64) if any(content[-64:]) else bytes([1]) * 64
    else:
        content = content[half:] + content[:half]
    assert content != whole
    path.write_bytes(content)
    capsys.readouterr()
    open_cache(records_of(tmp_path), recipe, tmp_path / "cache", workers=1)
    assert path.read_bytes() == whole
    assert "is incomplete or damaged, and is created again." in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["cut", "index", "lost"])
def test_a_damaged_cache_is_made_again(
    folder: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture
) -> None:
    first = open_cache(records_of(folder), RECIPE, tmp_path, workers=1)
    whole = first.path.read_bytes()
    index = first.path.with_suffix(".json")
    if damage == "cut":
        first.path.write_bytes(whole[:-2])
    elif damage == "index":
        index.write_text(index.read_text()[:-10])
    else:
        first.path.unlink()
    capsys.readouterr()
    again = open_cache(records_of(folder), RECIPE, tmp_path, workers=1)
    assert again.path.read_bytes() == whole
    log = capsys.readouterr().err
    assert ("is incomplete or damaged, and is created again." in log) == (damage != "lost")
    assert "Preparing 6 records" in log


def test_bad_records_are_left_out_with_name_and_reason(folder: Path, tmp_path: Path) -> None:
    (folder / "SIM00001.mat").write_bytes((folder / "SIM00001.mat").read_bytes()[:500])
    flipped = bytearray((folder / "SIM00002.mat").read_bytes())
    flipped[1000] ^= 0x40
    (folder / "SIM00002.mat").write_bytes(flipped)
    write_record(folder, "SIM00003", np.zeros((12, 400)), STANDARD, 200.0, codes=["426783006"])
    cache = open_cache(records_of(folder), RECIPE, tmp_path, workers=1)
    assert cache.usable.tolist() == [3, 4, 5]
    texts = [str(message) for message in cache.left_out]
    assert texts[0].startswith("SIM00001: the .mat is cut off: 500 of 9624 bytes")
    assert texts[1].startswith("SIM00002: signal and header disagree")
    assert texts[2] == "SIM00003: all leads are flat"


def test_a_record_that_is_deleted_meanwhile_is_left_out(folder: Path, tmp_path: Path) -> None:
    records = records_of(folder)
    (folder / "SIM00005.mat").unlink()
    cache = open_cache(records, RECIPE, tmp_path, workers=1)
    assert [message.record for message in cache.left_out] == ["SIM00005"]


@pytest.mark.parametrize(
    ("fault", "text"),
    [(lambda signal: signal * np.nan, "SIM00002: has values that are not finite after the recipe"),
     (lambda signal: signal * np.inf, "SIM00002: has values that are not finite after the recipe"),
     (lambda signal: signal[:, 10_000], "SIM00002: cannot be read (IndexError: index 10000 is out"),
     (lambda signal: np.empty(1 << 50), "SIM00002: cannot be read (MemoryError: Unable to"),
     (lambda signal: 1 // 0, "SIM00002: cannot be read (ZeroDivisionError: integer division")],
)  # fmt: skip
def test_a_record_that_breaks_while_prepared_is_left_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable, text: str
) -> None:
    def prepared(recipe: Recipe, signal: np.ndarray, *others: object) -> object:
        inputs = prepare(recipe, signal, *others)
        broken = np.array_equal(signal, bad)
        with np.errstate(invalid="ignore"):
            return inputs._replace(signal=fault(inputs.signal)) if broken else inputs

    records = records_of(folder)
    bad = records[1].signal
    monkeypatch.setattr(cache_module, "prepare", prepared)
    cache = open_cache(records, RECIPE, tmp_path, workers=1)
    assert cache.usable.tolist() == [0, 2, 3, 4, 5]
    (message,) = cache.left_out
    assert str(message).startswith(text)


def test_a_record_that_is_too_long_for_the_disk_is_left_out_with_its_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = folder / "SIM00002.hea"
    header.write_text(header.read_text().replace(" 200 400", " 200 4000000"))
    # 20,000 s at the recipe's 250 Hz, 36 channels of 2 bytes, and 5 % more: 378 MB.
    usage = SimpleNamespace(free=378_000_001)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(LeadwiseError, match="the longest record is SIM00002, with 4000000"):
        open_cache(records_of(folder), RECIPE, tmp_path, workers=1)
    usage.free = 377_999_999
    cache = open_cache(records_of(folder), RECIPE, tmp_path, workers=1)
    assert cache.usable.tolist() == [0, 2, 3, 4, 5]
    (message,) = cache.left_out
    assert str(message).startswith("SIM00002: the header says 4000000 samples at 200 Hz; prepared")
    assert "they need 0.4 GB" in str(message)


def test_too_small_a_disk_is_an_error_before_work_starts(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(
        LeadwiseError,
        match=r"prepared signals need 0.0 GB, but 0.0 GB are free; .*record is SIM00001, with 400",
    ):
        open_cache(records_of(folder), RECIPE, tmp_path / "cache", workers=1)
    assert not list((tmp_path / "cache").iterdir())


def test_records_of_all_lengths_and_missing_leads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, leads, seconds in (("A", ("II", "I"), 0.5), ("B", STANDARD, 130.0)):
        signal = rng.normal(scale=0.3, size=(len(leads), int(seconds * 100)))
        write_record(tmp_path, name, signal, leads, 100.0, codes=["426783006"])
    cache = open_cache(records_of(tmp_path), RECIPE, tmp_path / "cache", workers=1)
    short, long = cache.signals
    assert (short.shape, long.shape) == ((36, 125), (36, 32_500))
    assert (short[6:12] == 0).all()
    assert (short[:6] != 0).any()
    assert "V1, V2, V3, V4, V5, V6 missing" in str(cache.warnings[0])
    index = json.loads(cache.path.with_suffix(".json").read_text())
    assert index["lengths"] == [125, 32_500]


def test_a_recipe_of_a_single_lead_has_a_cache_of_its_own(folder: Path, tmp_path: Path) -> None:
    records, single = records_of(folder), vary(RECIPE, lead_sets=(("ECG",),))
    two = vary(RECIPE, lead_sets=(LEAD_SETS[2],))
    paths = [
        open_cache(records, recipe, tmp_path / "cache", workers=1).path
        for recipe in (RECIPE, two, single)
    ]
    assert paths[0] == paths[1] != paths[2]
    cache = open_cache(records, single, tmp_path / "cache", workers=1)
    assert cache.signals.channels == 3  # the lead and its two envelopes
    for record, signal in zip(records, cache.signals, strict=True):
        plain = prepare(RECIPE, record.signal, record.leads, ("I",), record.fs).signal
        np.testing.assert_allclose(signal, plain, rtol=1e-3, atol=1e-4)


def test_a_new_cache_replaces_others_only_in_a_folder_of_our_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    ours, theirs = tmp_path / "state", tmp_path / "shared"
    for cache_folder, keep in ((ours, False), (theirs, True)):
        old = open_cache(records_of(folder), RECIPE, cache_folder, workers=1, keep=keep)
        (cache_folder / ".signals-0123.f16.17.part").touch()
        with monkeypatch.context() as patch:
            patch.setattr(cache_module, "__version__", "another")
            capsys.readouterr()
            new = open_cache(records_of(folder), RECIPE, cache_folder, workers=1, keep=keep)
        assert new.path != old.path
        text = "The prepared signals of other records, another recipe or version are deleted."
        assert (text in capsys.readouterr().err) == (not keep)
        assert old.path.exists() == keep
        assert len(list(cache_folder.iterdir())) == (4 if keep else 2)  # no draft, no lock


def test_one_of_two_processes_makes_the_cache_and_the_other_waits(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on, map_in_order = Event(), Event(), cache_module.map_in_order

    def slowly(*arguments: object) -> object:
        reading.set()
        assert go_on.wait(60)
        return map_in_order(*arguments)

    def log(text: str) -> None:
        lines.append(text)
        if "waits" in text:
            go_on.set()

    lines: list[str] = []
    monkeypatch.setattr(cache_module, "map_in_order", slowly)
    monkeypatch.setattr("ecg.lock.log", log)
    monkeypatch.setattr("training.cache.log", log)
    with ThreadPoolExecutor() as pool:  # the lock is the open file's, so threads suffice
        first = pool.submit(open_cache, records_of(folder), RECIPE, tmp_path / "cache", 1)
        assert reading.wait(60)
        second = pool.submit(open_cache, records_of(folder), RECIPE, tmp_path / "cache", 1)
        assert first.result().path == second.result().path
    waits = (
        f"process {os.getpid()} prepares signals here; "
        "this process waits for it within its time budget."
    )
    assert [line.partition(": ")[2] for line in lines if "waits" in line] == [waits]
    assert [line.split()[0] for line in lines if "waits" not in line] == ["Preparing", "Using"]
    assert len(list((tmp_path / "cache").iterdir())) == 2


class Deadly(Record):
    """A record that kills the process that it is sent to."""

    def __reduce__(self) -> tuple:
        return eval, ("__import__('os').kill(__import__('os').getpid(), 9)",)


def test_a_killed_reading_process_is_an_error_and_a_second_start_works(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecg.parallel.RECORDS_PER_TASK", 1)
    records = records_of(folder)
    deadly = [*records[:5], Deadly(records[5].header, records[5].stem)]
    with pytest.raises(LeadwiseError, match="was killed.* set LEADWISE_WORKERS to fewer than 2"):
        open_cache(deadly, RECIPE, tmp_path / "cache", workers=2)
    assert not list((tmp_path / "cache").iterdir())
    cache = open_cache(records, RECIPE, tmp_path / "cache", workers=2)
    assert len(cache.usable) == 6


def test_a_file_in_place_of_the_folder_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LeadwiseError, match="file: cannot be created: File exists"):
        open_cache(records_of(folder), RECIPE, tmp_path / "file", workers=1)


def resident_kb() -> int:
    """Return the memory of this process that pages of files occupy."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile:"))


def test_pages_of_records_are_read_again_and_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.mapped.MAPPED_BYTES", 4e6)
    rng = np.random.default_rng(0)
    records = [rng.normal(size=(4, 50_000)).astype(np.float16) for _ in range(100)]  # 40 MB
    signals = mapped_arrays(records, tmp_path / "signals.f16")
    before = resident_kb()
    views = list(signals)
    for record, view in zip(records, views, strict=True):
        np.testing.assert_array_equal(view, record)
        np.testing.assert_array_equal(signals.subset(np.array([1, 0]))[1], records[0])
    for number, record in enumerate(records):
        np.testing.assert_array_equal(signals[number], record)
    assert resident_kb() - before < 8_000
    np.testing.assert_array_equal(views[0], records[0])


def test_a_file_that_is_truncated_while_in_use_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "signals.f16"
    signals = mapped_arrays([np.ones((2, 5000), np.float16)], path)
    with open(path, "rb+") as file:
        file.truncate(100)
    with pytest.raises(LeadwiseError, match="the cache was truncated while in use; start again"):
        signals[0]


def test_arrays_are_those_of_the_file_in_order_or_of_a_subset(tmp_path: Path) -> None:
    records = [np.full((2, n), n, np.uint8) for n in (3, 1, 4)]
    for path in (None, tmp_path / "masks.u8"):
        mapped = mapped_arrays(records, path)
        assert len(mapped) == 3
        for one, record in zip(mapped, records, strict=True):
            np.testing.assert_array_equal(one, record)
        subset = mapped.subset(np.array([2, 0])).subset(np.array([1]))
        assert subset.lengths.tolist() == [3]
        np.testing.assert_array_equal(subset[0], records[0])
        assert not mapped[0].flags.writeable


def test_an_empty_file_holds_no_record(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert map_file(tmp_path / "empty") == b""
    assert not len(MappedArrays(b"", np.float16, 12, np.array([], int)))


def test_warnings_of_header_and_signal_are_kept(folder: Path, tmp_path: Path) -> None:
    header = folder / "SIM00004.hea"
    header.write_text(header.read_text().replace(" 1000.0(0)/mV", " 0(0)/mV", 1))
    for cache in (open_cache(records_of(folder), RECIPE, tmp_path, workers=1) for _ in range(2)):
        kinds = [(one.record, one.kind) for one in cache.warnings]
        assert ("SIM00004", "no gain") in kinds
        assert {record for record, _ in kinds} == {"SIM00004"}


def test_facts_are_cached_for_networks_that_read_them(folder: Path, tmp_path: Path) -> None:
    records = records_of(folder)
    assert open_cache(records, RECIPE, tmp_path, workers=1).facts is None
    recipe = replace(find("heartly-leadwise"), heads=RECIPE.heads)
    for cache in (open_cache(records, recipe, tmp_path, workers=1) for _ in range(2)):
        signals = [records[index].read().signal for index in cache.usable]
        headers = [records[index].header for index in cache.usable]
        want = [facts_of(*each) for each in zip(headers, signals, strict=True)]
        np.testing.assert_array_equal(cache.facts, want)


def test_each_single_lead_has_a_cache_of_its_own(folder: Path, tmp_path: Path) -> None:
    records = records_of(folder)
    paths = [
        open_cache(records, vary(RECIPE, lead_sets=(leads,)), tmp_path, workers=1).path
        for leads in (("ECG",), ("MLII",), ("ECG", "MLII"), ("I",), ("II",))
    ]
    assert len(set(paths[:3])) == 3
    assert paths[3] == paths[4], "one cache of twelve leads serves all their sets"


def test_an_absurd_gain_stays_finite_in_half_precision(folder: Path, tmp_path: Path) -> None:
    signal = np.zeros((1, 400))
    signal[0, 100], signal[0, 300] = 30, -30
    write_record(folder, "SIM00001", signal, ["II"], 200.0)
    header = folder / "SIM00001.hea"
    header.write_text(header.read_text().replace("1000.0(0)/mV", "0.1(0)/mV"))
    recipe = vary(RECIPE, transforms=(part("fill"), part("resample")))
    cached = open_cache(records_of(folder), recipe, tmp_path, workers=1).signals[0]
    assert (cached.max(), cached.min()) == (np.float16(6e4), np.float16(-6e4))
