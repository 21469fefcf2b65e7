"""TensorFlow is set up as asked."""

import keras
import pytest
import tensorflow as tf

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
def test_auto_is_bfloat16_only_where_the_processor_has_it(monkeypatch, tmp_path, flags, precision):
    """By the processor's own flags; without a list of them it is float32."""
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"flags\t\t: {flags}\n")
    monkeypatch.setattr(runtime, "CPU_FLAGS", path)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])

    assert runtime.resolve_precision("auto") == precision


@pytest.mark.parametrize(
    ("capability", "precision"), [((7, 5), "float32"), ((8, 0), "mixed_bfloat16"), ((9, 0), "mixed_bfloat16")]
)
def test_a_gpu_decides_before_the_processor(monkeypatch, capability, precision):
    """Compute capability 8.0 brought bfloat16."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: {"compute_capability": capability})

    assert runtime.resolve_precision("auto") == precision


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_chosen_precision_is_used(precision):
    """Whatever the machine."""
    runtime.prepare_tensorflow(TrainingConfig(precision=precision))

    assert keras.config.dtype_policy().name == precision


@pytest.mark.parametrize(("wanted", "gpus", "is_tuned"), [(True, [], True), (False, [], False), (True, ["gpu"], False)])
def test_operations_are_tuned_on_a_cpu(monkeypatch, wanted, gpus, is_tuned):
    """Where they were measured to pay, and not where ``training.tuned=false``."""
    monkeypatch.setattr(runtime, "claim_gpu", lambda: None)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)

    runtime.prepare_tensorflow(TrainingConfig(tuned=wanted, precision="float32"))

    assert cpu_ops.is_tuned() == is_tuned


def test_the_seed_decides_the_weights():
    """The same seed draws the same weights, another draws others."""
    drawn = []
    for seed in (1, 1, 2):
        runtime.seed_weights(seed)
        drawn.append(float(keras.random.normal((), seed=keras.random.SeedGenerator())))

    assert drawn[0] == drawn[1] != drawn[2]


def test_threads_that_come_too_late_are_said(monkeypatch, caplog):
    """TensorFlow takes a number of threads once a process."""
    tf.zeros(1)

    runtime.set_threads(tf.config.threading.get_intra_op_parallelism_threads() + 3)

    assert "has no effect: this process has already begun with another number" in caplog.text
