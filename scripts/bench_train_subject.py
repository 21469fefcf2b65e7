"""Time one way to train a network and print the numbers as JSON; `bench_train.py` runs it once for each way.

    python scripts/bench_train_subject.py ours unet --filters 6 --size 256 --batch 8 --steps 3

The data is random and stays in memory, so that only the steps are measured.
"""

import argparse
import json
import os
import resource
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np

BANDS, CLASSES = 5, 4
OWN = ("plain_float32", "plain", "ours")
WAYS = ("original_own", "original_graph", *OWN, "torch")


def main() -> None:
    """Time a first call, several training steps, and inference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("model", choices=("unet", "resunet"))
    parser.add_argument("--filters", type=int, default=6)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0 means all cores")
    parser.add_argument(
        "--precision", default="auto", help="precision of segsweep; PyTorch takes float32 or mixed_bfloat16"
    )
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    images, labels = random_batch(given.batch, given.size)
    prepare = prepare_torch if given.way == "torch" else prepare_keras
    train, infer = prepare(given, images, labels)
    first, _ = timed(train, 1)
    step, _ = timed(train, given.steps)
    infer(1)
    times = 1 if given.way == "original_own" else 3
    inference, _ = timed(infer, times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    numbers = {"first": first, "step": step / given.steps, "inference": inference / times / given.batch, "peak": peak}
    if given.way in OWN:
        from step_cost import step_cost

        numbers["multiply_adds"] = step_cost(train.model, given.batch).multiply_adds
    print(json.dumps(numbers))


def random_batch(batch: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Generate random images and labels."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch, size, size, BANDS)).astype(np.float32)
    return images, rng.integers(0, CLASSES, images.shape[:3]).astype(np.uint8)


def timed(call: Callable[[int], Any], times: int) -> tuple[float, Any]:
    """Time a call; return the seconds and its result."""
    started = time.perf_counter()
    result = call(times)
    return time.perf_counter() - started, result


def prepare_keras(given: argparse.Namespace, images: np.ndarray, labels: np.ndarray) -> tuple[Callable, Callable]:
    """Prepare a way that uses Keras: that of segsweep or the original."""
    import tensorflow as tf

    from gym.data.batches import without_autotune  # autotuning makes steps of all ways up to twice as slow

    one_hot = np.eye(CLASSES, dtype=np.float32)[labels]
    model = original(given) if given.way.startswith("original") else own(given)
    truth = one_hot if given.way.startswith("original") else labels

    def train(steps: int) -> None:
        batches = tf.data.Dataset.from_tensors((images, truth)).repeat(steps)
        model.fit(without_autotune(batches), verbose=0)

    def infer(times: int) -> None:
        if given.way == "original_own":  # the original predicts one image at a time
            for _ in range(times):
                for image in images:
                    model.predict(image[None], verbose=0)
            return
        for _ in range(times):
            model.predict_on_batch(images)

    train.model = model
    return train, infer


def own(given: argparse.Namespace) -> Any:
    """Build the network of segsweep, with or without its fast decoder and tuned operations.

    Without optimisations, it uses float32 or the fastest precision of the machine.
    """
    from gym.config.schema import LossConfig, ModelConfig, OptimizerConfig, TrainingConfig
    from gym.models.architectures import build_model
    from gym.training.loop import compile_model
    from gym.training.runtime import prepare_tensorflow

    precision = "float32" if given.way == "plain_float32" else given.precision
    is_ours = given.way == "ours"
    prepare_tensorflow(TrainingConfig(precision=precision, tuned=is_ours, threads=given.threads))
    decoder = "half" if is_ours else "plain"
    config = ModelConfig(name=given.model, filters=given.filters, decoder=decoder)
    network = build_model(config, (given.size, given.size, BANDS), CLASSES)
    return compile_model(network, OptimizerConfig(), LossConfig().name, [1.0] * CLASSES)


def original(given: argparse.Namespace) -> Any:
    """Build the original's network, as it trains it (eager, mixed_float16) or at its best (a graph, float32).

    A slice and a convolution of stride 1 replace its strided 1x1 convolution, whose gradient crashes on CPUs. They
    compute the same function.
    """
    import keras
    import tensorflow as tf

    sys.modules["transformers"] = types.SimpleNamespace(TFSegformerForSemanticSegmentation=None)
    from doodleverse_utils import model_imports

    plain = tf.keras.layers.Conv2D

    def convolution(filters: int, kernel_size: Any, strides: int = 1, **options: Any) -> Callable:
        if tuple(np.ravel(kernel_size)) == (1, 1) and strides == 2:
            return lambda maps: plain(filters, 1, **options)(maps[:, ::2, ::2, :])
        return plain(filters, kernel_size, strides=strides, **options)

    layers = types.SimpleNamespace(**{name: getattr(tf.keras.layers, name) for name in dir(tf.keras.layers)})
    layers.Conv2D = convolution
    model_imports.tf = types.SimpleNamespace(
        keras=types.SimpleNamespace(layers=layers, models=tf.keras.models), random=tf.random
    )
    is_own = given.way == "original_own"
    keras.config.set_dtype_policy("mixed_float16" if is_own else "float32")
    build = getattr(model_imports, f"custom_{given.model}")
    model = build((given.size, given.size, BANDS), given.filters, nclasses=CLASSES)
    model.compile("adam", "categorical_crossentropy", run_eagerly=is_own, jit_compile=False)
    return model


def prepare_torch(given: argparse.Namespace, images: np.ndarray, labels: np.ndarray) -> tuple[Callable, Callable]:
    """Prepare the equivalent PyTorch network, channels last, in bfloat16 by autocast or in float32."""
    import torch
    from bench_train_torch import UNet

    network = UNet(BANDS, given.filters, CLASSES, given.model == "resunet").to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), eps=1e-7)
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)
    truth = torch.from_numpy(labels.astype(np.int64))
    reduced = torch.autocast("cpu", torch.bfloat16, enabled=given.precision == "mixed_bfloat16")

    def train(steps: int) -> None:
        network.train()
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            with reduced:
                scores = network(batch)
            torch.nn.functional.cross_entropy(scores.float(), truth).backward()
            optimizer.step()

    def infer(times: int) -> None:
        network.eval()
        for _ in range(times):
            with torch.no_grad(), reduced:
                torch.softmax(network(batch).float(), 1).numpy()

    return train, infer


if __name__ == "__main__":
    main()
