"""Plugins that tests write to a temporary folder, outside the package."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gym.config.plugins import unload_plugin

# An architecture, a score that rates every confusion matrix, and a loss.
TOY = '''
"""A plugin with an architecture, a score and a loss."""

from dataclasses import dataclass

import gym


@dataclass
class ToyOptions:
    """Further keys of the architecture."""

    blocks: int = 1


@dataclass
class ScaledOptions:
    """Further keys of the loss."""

    factor: float = 2.0


gym.register_architecture("toy", "toy:build", title="Toy net", colour="#009e73", marker="P", options=ToyOptions)
gym.register_score(
    "hit_rate",
    "toy:hit_rate",
    title="hit rate",
    places=["run", "evaluation", "image", "table", "objective", "figure 4"],
)
gym.register_loss("scaled", "toy:scaled_loss", options=ScaledOptions)


def build(config, shape, classes, first):
    """Some convolutions at full resolution."""
    import keras

    images = keras.Input(shape, name="images")
    maps = first(images)
    for _ in range(config.options["blocks"]):
        maps = keras.layers.Conv2D(config.filters, 3, padding="same", activation="relu")(maps)
    probabilities = keras.layers.Conv2D(classes, 1, activation="softmax", dtype="float32")(maps)
    return keras.Model(images, probabilities, name=config.name)


def hit_rate(matrix):
    """The share of pixels on the diagonal."""
    import numpy as np

    hits, total = np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1))
    return np.divide(hits, total, out=np.full(np.shape(total), np.nan), where=total > 0)


def scaled_loss(factor):
    """A multiple of the cross-entropy."""
    from gym.models.losses import LossFormula, cross_entropy, weighted_mean

    return LossFormula(cross_entropy, lambda sums, weights: factor * weighted_mean(sums, weights))
'''


@pytest.fixture
def write_plugin(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Write a plugin to a folder on the import path, and unload it after the test."""
    before = dict(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    written = []

    def write(name: str, text: str) -> Path:
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(name)
        return path

    yield write
    for name in written:
        unload_plugin(name.removesuffix(".__init__"))
    for name in set(sys.modules) - set(before):
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
