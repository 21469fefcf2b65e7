"""``training.precision=auto`` is chosen by measurement, and the measurement is kept for the machine."""

import json
import logging
import os
import subprocess
import sys
from multiprocessing.pool import ThreadPool

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from gym.training import precision
from gym.training.precision import Choice, choose_precision, describe_machine, fastest
from tests.conftest import MEASURE, ROOT

FAST = {"float32": [3.0, 3.1, 2.9], "mixed_bfloat16": [1.0, 1.1, 0.9]}
SLOW = {"float32": [1.0, 1.1, 0.9], "mixed_bfloat16": [1.5, 1.4, 1.6]}


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Use an empty cache, and pretend to measure; the list holds the threads of each measurement."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    calls = []

    def measure(threads):
        calls.append(threads)
        return FAST

    monkeypatch.setattr(precision, "_measure", measure)
    return calls


@pytest.mark.parametrize(
    ("challenger", "expected"),
    [
        ([0.9, 0.9, 0.9], "mixed_bfloat16"),
        ([0.9, 0.9, 0.92], "float32"),  # one round is not won by 10 %
        ([0.5, 0.5, 1.0], "float32"),
        ([1.6, 1.6, 1.6], "float32"),
    ],
)
def test_a_challenger_must_win_every_round_by_ten_percent(challenger, expected):
    """Otherwise noise could decide against float32, which is more exact."""
    assert fastest({"float32": [1.0, 1.0, 1.0], "mixed_bfloat16": challenger}) == expected


@given(st.lists(st.tuples(*[st.floats(1e-6, 1e3)] * 3), min_size=1, max_size=5))
def test_the_choice_is_never_slower_than_float32(rounds):
    """Whatever the times, and however many types compete."""
    base, *others = (list(column) for column in zip(*rounds, strict=True))
    seconds = {"float32": base, "mixed_bfloat16": others[0], "mixed_float16": others[1]}

    chosen = seconds[fastest(seconds)]

    assert all(own <= slow for own, slow in zip(chosen, base, strict=True))
    if chosen is base:
        assert all(any(1.1 * fast >= slow for fast, slow in zip(o, base, strict=True)) for o in others)


def test_a_type_that_cannot_be_computed_is_not_chosen(measured, monkeypatch):
    """OneDNN has no bfloat16 without AVX-512; the reason says so."""
    monkeypatch.setattr(precision, "_measure", lambda threads: {"float32": [2.0, 2.0, 2.0]})

    chosen, reason = choose_precision(2)

    assert chosen == "float32"
    assert reason.startswith("convolutions take 2000.0 ms in float32, fail in mixed_bfloat16 on ")
    assert choose_precision(2) == (chosen, reason)


def test_a_machine_is_measured_once(measured, caplog):
    """The second call reads the cache, and gives the same reason."""
    caplog.set_level(logging.INFO)
    first, second = choose_precision(2), choose_precision(2)

    assert first == second
    assert first.precision == "mixed_bfloat16"
    assert first.reason.startswith("convolutions take 3000.0 ms in float32, 1000.0 ms in mixed_bfloat16 on ")
    assert first.reason.endswith(" with 2 threads")
    assert choose_precision(1).reason.endswith(" with 1 thread")
    assert measured == [2, 1]
    line = "measuring once whether bfloat16 is faster than float32 on this machine (training.precision=auto)"
    assert caplog.messages == [line] * 2


def test_the_numbers_are_kept_with_the_machine(measured, tmp_path):
    """A reader of the cache sees what was measured where."""
    choose_precision(3)

    (entry,) = json.loads((tmp_path / "cache/segsweep/precision.json").read_text()).values()
    assert entry == {"machine": describe_machine(3), "seconds": FAST}
    assert {"processor", "instructions", "gpus", "tensorflow", "keras", "threads"} <= entry["machine"].keys()


@pytest.mark.parametrize(
    "change", ["threads", "ONEDNN_MAX_CPU_ISA", "CUDA_VISIBLE_DEVICES", "flags", "model", "version"]
)
def test_another_machine_is_measured_again(measured, monkeypatch, tmp_path, change):
    """So are other threads, instructions and versions of libraries; the first machine stays known."""
    cpuinfo = "vendor_id\t: X\nmodel\t\t: 1\nmodel name\t: Fast\nflags\t\t: avx2\n"
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(precision, "_PROCESSOR", tmp_path / "cpuinfo")
    choose_precision(2)

    with monkeypatch.context() as changed:
        if change == "no GPU":
            changed.setenv("CUDA_VISIBLE_DEVICES", "")  # hides all GPUs, unlike an unset variable
        elif change in os.environ or change.isupper():
            changed.setenv(change, "1")
        elif change == "version":
            changed.setattr(precision.metadata, "version", lambda name: "9.9")
        else:
            wanted = {"flags": cpuinfo.replace("avx2", "avx2 avx512f"), "model": cpuinfo.replace(": 1", ": 2")}
            (tmp_path / "cpuinfo").write_text(wanted.get(change, cpuinfo))
        choose_precision(4 if change == "threads" else 2)
        assert len(measured) == 2

    (tmp_path / "cpuinfo").write_text(cpuinfo)
    choose_precision(2)
    assert len(measured) == 2


@pytest.mark.parametrize(
    "damage",
    [
        '{"KEY": {"seconds": {"float32": [1], "mixed_bfloat16": [1, 1]}}}',
        "",
        "[]",
        "{",
        '{"KEY": 3}',
        '{"KEY": {"seconds": {"mixed_bfloat16": [1]}}}',
        '{"KEY": {"seconds": {"float32": ["a"]}}}',
    ],
)
def test_a_damaged_cache_counts_as_empty(measured, tmp_path, damage):
    """It is measured again and written again."""
    choose_precision(2)
    path = tmp_path / "cache/segsweep/precision.json"
    (key,) = json.loads(path.read_text())
    path.write_text(damage.replace("KEY", key))

    assert choose_precision(2).precision == "mixed_bfloat16"
    assert choose_precision(2).precision == "mixed_bfloat16"
    assert len(measured) == 2


def test_without_a_writable_cache_each_process_measures(measured, monkeypatch, tmp_path, caplog):
    """The choice is the same, and a warning says why it takes longer."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert choose_precision(2).precision == "mixed_bfloat16"
    assert "the measurement cannot be kept in " in caplog.text


def test_a_process_that_waits_for_a_measurement_says_so(measured, monkeypatch, tmp_path, caplog):
    """It would otherwise seem to hang; after the wait it measures by itself."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(precision, "_PATIENCE", 0.1)
    (tmp_path / "cache/segsweep").mkdir(parents=True)

    with FileLock(tmp_path / "cache/segsweep/precision.lock"):
        assert choose_precision(2).precision == "mixed_bfloat16"

    assert caplog.messages[0] == "waiting for another process, which measures for training.precision=auto"


def test_processes_that_start_together_measure_once(measured):
    """The workers of a sweep would otherwise slow down each other's measurement."""
    with ThreadPool(4) as pool:
        choices = pool.map(choose_precision, [2] * 4)

    assert len(set(choices)) == 1
    assert measured == [2]


@pytest.mark.parametrize(
    "error",
    [subprocess.TimeoutExpired("x", 1), OSError("no memory"), ValueError("no JSON"), IndexError(), RuntimeError("no ")],
)
def test_what_cannot_be_measured_is_float32(measured, monkeypatch, caplog, error):
    """A failure costs speed at most, and is said in one line."""

    def fail(threads):
        raise error

    monkeypatch.setattr(precision, "_measure", fail)

    assert choose_precision(2).precision == "float32"
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("training.precision=auto cannot be measured (")


def test_a_failed_measurement_is_explained(monkeypatch, tmp_path, caplog):
    """The last line of the process says why; nothing is kept, so that the next run measures again."""
    monkeypatch.setattr(precision, "_measure", MEASURE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    failed = subprocess.CompletedProcess([], 1, "", "Traceback\n\nResourceExhaustedError: out of memory\n")
    monkeypatch.setattr(precision.subprocess, "run", lambda *_, **__: failed)

    assert choose_precision(2) == ("float32", "not measured: ResourceExhaustedError: out of memory")
    assert caplog.messages == [
        "training.precision=auto cannot be measured (ResourceExhaustedError: out of memory); float32 is used, "
        "unless you set another data type"
    ]
    assert not (tmp_path / "segsweep/precision.json").exists()


def test_hidden_gpus_are_not_named(monkeypatch, tmp_path):
    """The reason would otherwise name a device that did not compute."""
    (tmp_path / "gpus/0").mkdir(parents=True)
    (tmp_path / "gpus/0/information").write_text("Model: \t\t NVIDIA H200\nIRQ: 1\n")
    monkeypatch.setattr(precision, "_GPUS", tmp_path / "gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    assert describe_machine(1)["gpus"] == "NVIDIA H200"
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert describe_machine(1)["gpus"] == ""


@pytest.mark.process
@pytest.mark.parametrize("limit", ["", "AVX2", "AVX512_CORE"])
def test_the_choice_is_the_fastest_of_what_is_measured(monkeypatch, tmp_path, limit):
    """Instruction sets are imitated with oneDNN's variable; the processor's own flags stay the same."""
    monkeypatch.setattr(precision, "_measure", MEASURE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)

    chosen = choose_precision(1)

    (entry,) = json.loads((tmp_path / "segsweep/precision.json").read_text()).values()
    assert "float32" in entry["seconds"]
    assert all(len(rounds) == 3 and min(rounds) > 0 for rounds in entry["seconds"].values())
    assert chosen.precision == fastest(entry["seconds"])
    assert entry["machine"].get("ONEDNN_MAX_CPU_ISA", "") == limit
    assert (f"under ONEDNN_MAX_CPU_ISA={limit}" in chosen.reason) == bool(limit)


@pytest.mark.process
def test_choosing_imports_no_tensorflow():
    """The driver of a sweep chooses, and must stay small."""
    code = "import sys, gym.training.precision; print({'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


def test_a_choice_is_a_precision_and_a_reason():
    """Jobs of a cluster return it."""
    assert tuple(Choice("float32", "why")) == ("float32", "why")
