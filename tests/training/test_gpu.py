"""Workers of one machine take different GPUs."""

import os

import pytest
from filelock import FileLock

from gym.training import runtime


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with some GPUs; gives what TensorFlow is told to see."""
    seen = []
    monkeypatch.setattr(runtime.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(runtime, "_held", [])
    monkeypatch.setattr(runtime.tf.config, "set_visible_devices", lambda device, kind: seen.append((device, kind)))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def having(*gpus):
        monkeypatch.setattr(runtime.tf.config, "list_physical_devices", lambda kind: list(gpus))
        return seen

    return having


@pytest.mark.parametrize("gpus", [[], ["only"]])
def test_nothing_is_claimed_where_there_is_no_choice(machine, gpus):
    """Without a GPU, or with one."""
    seen = machine(*gpus)
    runtime.claim_gpu()

    assert seen == []


def test_a_process_takes_the_first_that_is_free_and_keeps_it(machine, tmp_path):
    """The first is another's."""
    seen = machine("a", "b", "c")
    with FileLock(tmp_path / "segsweep-gpu-0.lock"):
        runtime.claim_gpu()
        runtime.claim_gpu()

    assert seen == [("b", "GPU")]


def test_gpus_are_told_apart_by_the_names_given_to_a_job(machine, monkeypatch, tmp_path):
    """Two jobs of a cluster that both see one GPU as their first do not keep each other off."""
    seen = machine("a", "b")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with FileLock(tmp_path / "segsweep-gpu-0.lock"):
        runtime.claim_gpu()

    assert seen == [("a", "GPU")]
    assert (tmp_path / "segsweep-gpu-2.lock").exists()


def test_more_processes_than_gpus_share(machine, tmp_path):
    """By their number."""
    seen = machine("a", "b")
    with FileLock(tmp_path / "segsweep-gpu-0.lock"), FileLock(tmp_path / "segsweep-gpu-1.lock"):
        runtime.claim_gpu()

    assert seen == [(["a", "b"][os.getpid() % 2], "GPU")]
