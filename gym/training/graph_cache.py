"""Compiled models, cached for later runs of the same process that differ only in their weights.

Tracing the graphs of a training step takes seconds, which is most of the time of a small run. Runs that differ in seed,
split, batch, epochs, learning rate or imagery of the same shape share their graphs.
"""

import gc
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

# Limits for all cached models but the latest: about 16 bytes per parameter, and 40 MB of graphs per model.
_MAX_PARAMETERS = 5_000_000
_MAX_MODELS = 4

_cache: dict[str, tuple[keras.Model, list[np.ndarray | None]]] = {}  # the most recently used model comes last


def get_compiled_model(
    key: str, build: Callable[[], keras.Model], compile: Callable[[keras.Model], keras.Model]
) -> keras.Model:
    """Return a model in the state of a newly built and compiled one.

    The next call may return the same model with other weights.

    Args:
        key: Identifies everything that the graphs depend on.
        build: Builds the network with its initial weights.
        compile: Compiles the network, builds its optimizer and returns the trainable model.
    """
    known = _cache.pop(key, None)
    if not known:
        _evict_models()
    _clear_session()
    if known:
        model, initial = known
        for variable, value in zip(model.weights, build().weights, strict=True):
            variable.assign(value)
        for variable, start in zip(model.optimizer.variables, initial, strict=True):
            variable.assign(np.zeros(variable.shape) if start is None else start)
    else:
        model = compile(build())
        initial = _initial_values(model.optimizer.variables)
    _cache[key] = model, initial
    return model


def _initial_values(variables: Sequence[Any]) -> list[np.ndarray | None]:
    # Most of these variables are as large as the weights and zero, so zeros are stored as None.
    values = [variable.numpy() for variable in variables]
    return [value if value.any() else None for value in values]


def _evict_models() -> None:
    """Drop the least recently used models."""
    while len(_cache) > _MAX_MODELS or sum(model.count_params() for model, _ in _cache.values()) > _MAX_PARAMETERS:
        del _cache[next(iter(_cache))]


def _clear_session() -> None:
    """Free what earlier runs have left in this process, such as a kernel for every variable, 5 MB a run."""
    policy = keras.config.dtype_policy()
    keras.backend.clear_session()
    keras.config.set_dtype_policy(policy)
    gc.collect()
