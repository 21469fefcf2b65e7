"""TensorFlow is configured as requested, and the workers of a machine use different GPUs."""

import os

import keras
import pytest
import tensorflow as tf
from filelock import FileLock

from gym.config.schema import TrainingConfig
from gym.models import cpu_ops
from gym.training import runtime


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("fpu avx512_bf16", "mixed_bfloat16"),
        ("amx_bf16 sse", "mixed_bfloat16"),
        ("fpu avx2 bf16x", "float32"),
        (None, "float32"),
    ],
)
def test_auto_is_bfloat16_only_if_the_processor_supports_it(monkeypatch, tmp_path, flags, precision):
    """The processor's flags decide; without a list of flags it is float32."""
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"flags\t\t: {flags}\n")
    monkeypatch.setattr(runtime, "CPU_FLAGS", path)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])

    assert runtime.resolve_precision("auto") == precision


@pytest.mark.parametrize(
    ("capability", "precision"), [((7, 5), "float32"), ((8, 0), "mixed_bfloat16"), ((9, 0), "mixed_bfloat16")]
)
def test_a_gpu_takes_precedence_over_the_processor(monkeypatch, capability, precision):
    """GPUs support bfloat16 from compute capability 8.0."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: {"compute_capability": capability})

    assert runtime.resolve_precision("auto") == precision


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_an_explicit_precision_is_used(precision):
    """The machine does not matter."""
    runtime.prepare_tensorflow(TrainingConfig(precision=precision))

    assert keras.config.dtype_policy().name == precision


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
