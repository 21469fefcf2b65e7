"""TensorFlow is configured as requested, and the workers of a machine use different GPUs."""

import os

import keras
import pytest
import tensorflow as tf
from filelock import FileLock

from gym.config.schema import TrainingConfig
from gym.models import cpu_ops
from gym.training import runtime


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_an_explicit_precision_is_used(precision):
    """The machine does not matter."""
    runtime.prepare_tensorflow(TrainingConfig(precision=precision))

    assert keras.config.dtype_policy().name == precision


def test_without_a_choice_it_is_float32():
    """Prediction and evaluation choose none, because a saved model brings the types of its layers."""
    runtime.prepare_tensorflow(TrainingConfig(precision="mixed_bfloat16"))
    runtime.prepare_tensorflow(TrainingConfig())

    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(("wanted", "gpus", "is_tuned"), [(True, [], True), (False, [], False), (True, ["gpu"], False)])
def test_operations_are_tuned_on_a_cpu(monkeypatch, wanted, gpus, is_tuned):
    """A GPU, or ``training.tuned=false``, switches the tuned operations off."""
    monkeypatch.setattr(runtime, "claim_gpu", lambda: None)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)

    runtime.prepare_tensorflow(TrainingConfig(tuned=wanted, precision="float32"))

    assert cpu_ops.is_tuned() == is_tuned


def test_a_late_change_of_threads_logs_a_warning(caplog):
    """TensorFlow accepts a number of threads once per process."""
    tf.zeros(1)

    runtime.set_threads(tf.config.threading.get_intra_op_parallelism_threads() + 3)

    assert (
        "has no effect, because this process has already started TensorFlow with a different number of threads"
        in caplog.text
    )


@pytest.fixture
def set_gpus(monkeypatch, tmp_path):
    """Pretend that the machine has these GPUs; returns the list of calls that restrict the visible ones."""
    calls = []
    monkeypatch.setattr(runtime.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(runtime, "_gpu_locks", [])
    monkeypatch.setattr(runtime.tf.config, "set_visible_devices", lambda device, kind: calls.append((device, kind)))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def set_gpus(*gpus):
        monkeypatch.setattr(runtime.tf.config, "list_physical_devices", lambda kind: list(gpus))
        return calls

    return set_gpus


@pytest.mark.parametrize("gpus", [[], ["only"]])
def test_no_gpu_is_claimed_without_a_choice(set_gpus, gpus):
    """A machine with fewer than two GPUs offers no choice."""
    calls = set_gpus(*gpus)
    runtime.claim_gpu()

    assert calls == []


def test_a_process_claims_the_first_free_gpu_and_keeps_it(set_gpus, tmp_path):
    """The first GPU is in use by another process."""
    calls = set_gpus("a", "b", "c")
    with FileLock(tmp_path / "segsweep-gpu-0.lock"):
        runtime.claim_gpu()
        runtime.claim_gpu()

    assert calls == [("b", "GPU")]


def test_gpus_are_identified_by_the_names_assigned_to_a_job(set_gpus, monkeypatch, tmp_path):
    """Two jobs of a cluster that each see one GPU as their first do not block each other."""
    calls = set_gpus("a", "b")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with FileLock(tmp_path / "segsweep-gpu-0.lock"):
        runtime.claim_gpu()

    assert calls == [("a", "GPU")]
    assert (tmp_path / "segsweep-gpu-2.lock").exists()


def test_more_processes_than_gpus_share_them(set_gpus, tmp_path):
    """The process id selects the GPU."""
    calls = set_gpus("a", "b")
    with FileLock(tmp_path / "segsweep-gpu-0.lock"), FileLock(tmp_path / "segsweep-gpu-1.lock"):
        runtime.claim_gpu()

    assert calls == [(["a", "b"][os.getpid() % 2], "GPU")]
