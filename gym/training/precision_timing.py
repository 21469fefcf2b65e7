"""Time the convolutions of a U-Net, forward and backward, in several data types: ``THREADS TYPE TYPE...``.

Prints the seconds of each round by data type as JSON. `gym.training.precision` runs it.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from gym.core.startup import quiet_tensorflow_imports

with quiet_tensorflow_imports():
    import tensorflow as tf

ROUNDS = 3
# The encoder of the default network on a batch of the default size.
_BATCH, _SIZE, _FILTERS, _LEVELS, _KERNEL = 4, 128, 6, 5, 7
_ROUND_SECONDS = 0.3
# What TensorFlow raises if there is no kernel; other errors, such as a lack of memory, say nothing about a data type.
_CANNOT = (
    tf.errors.AbortedError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.UnimplementedError,
)


def time_precisions(names: Sequence[str]) -> dict[str, list[float]]:
    """Return the seconds of a pass in each of `ROUNDS` rounds, by data type; the data types take turns.

    A data type that this machine cannot compute in is left out, unless it is the first, the default.
    """
    passes: dict[str, Callable[[], Any]] = {}
    for name in names:
        run = make_pass(name.removeprefix("mixed_"))
        with suppress(*(_CANNOT if passes else ())):
            run()  # traces the graph and creates the kernels
            passes[name] = run
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(ROUNDS):
        for name, run in passes.items():
            seconds[name].append(_time_pass(run))
    return seconds


def make_pass(dtype: str) -> Callable[[], Any]:
    """Return a function that convolves maps of each level and computes the gradients, with weights in float32."""
    shapes = [(_BATCH, _SIZE >> level, _SIZE >> level, _FILTERS << level) for level in range(_LEVELS)]
    generator = tf.random.Generator.from_seed(0)
    maps = [tf.cast(generator.normal(shape), dtype) for shape in shapes]
    kernels = [generator.normal((_KERNEL, _KERNEL, shape[-1], shape[-1])) for shape in shapes]

    @tf.function(autograph=False)
    def compute(maps: list[Any], kernels: list[Any]) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch([maps, kernels])
            results = [
                tf.nn.conv2d(one, tf.cast(kernel, dtype), 1, "SAME") for one, kernel in zip(maps, kernels, strict=True)
            ]
            loss = tf.add_n([tf.reduce_mean(tf.square(tf.cast(result, tf.float32))) for result in results])
        return [tf.reduce_sum(gradient) for part in tape.gradient(loss, [maps, kernels]) for gradient in part]

    return lambda: [value.numpy() for value in compute(maps, kernels)]


def _time_pass(run: Callable[[], Any]) -> float:
    passes, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < _ROUND_SECONDS or not passes:
        run()
        passes += 1
    return elapsed / passes


def main() -> None:
    """Time the data types given on the command line, with the given number of threads."""
    threads, *names = sys.argv[1:]
    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    tf.config.threading.set_inter_op_parallelism_threads(int(threads))
    print(json.dumps(time_precisions(names)))


if __name__ == "__main__":
    main()
