"""Compiled models, kept for the next run of this process that trains the same one from other weights.

Tracing the graphs of a training step takes seconds, for a small run most of its time. Runs that differ in seed, data of
the same shape, split, batch, epochs or learning rate have the same graphs.
"""

import gc
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

_MOST_PARAMETERS = 5_000_000  # of all models kept but the last, at some 16 bytes each
_MOST_MODELS = 4  # kept but the last, at some 40 MB each, which their graphs take

_kept: dict[str, tuple[keras.Model, list[np.ndarray | None]]] = {}  # by key, the last used last


def get_compiled_model(
    key: str, build: Callable[[], keras.Model], compile: Callable[[keras.Model], keras.Model]
) -> keras.Model:
    """Give a model as if it had just been built and compiled.

    It is this caller's until the next call, which may put other weights into it.

    Args:
        key: Names all that the graphs depend on.
        build: Makes the model, with its first weights.
        compile: Compiles it and builds its optimizer.
    """
    if key in _kept:
        model, first = _kept.pop(key)
        for variable, value in zip(model.weights, build().weights, strict=True):
            variable.assign(value)
        for variable, start in zip(model.optimizer.variables, first, strict=True):
            variable.assign(np.zeros(variable.shape) if start is None else start)
    else:
        make_room()
        model = compile(build())
        first = first_values(model.optimizer.variables)
    _kept[key] = model, first
    return model


def first_values(variables: Sequence[Any]) -> list[np.ndarray | None]:
    """What variables begin with; None for zeros, which are most."""
    values = [variable.numpy() for variable in variables]
    return [value if value.any() else None for value in values]


def make_room() -> None:
    """Forget the models used longest ago, and what else their runs left in this process."""
    while len(_kept) > _MOST_MODELS or sum(model.count_params() for model, _ in _kept.values()) > _MOST_PARAMETERS:
        del _kept[next(iter(_kept))]
    policy = keras.config.dtype_policy()
    keras.backend.clear_session()
    keras.config.set_dtype_policy(policy)
    gc.collect()
