"""Weights come back to the bit, and from nothing but a whole file of the same model."""

import keras
import numpy as np
import pytest

from gym.core.errors import RunError
from gym.training import checkpoint
from gym.training.checkpoint import EarlyStopping, Epoch, History


@pytest.fixture
def model():
    """A dense layer that has taken one step of Adam."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    model.compile(optimizer="adam", loss="mse", jit_compile=False)
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    return model


def test_the_last_state_is_whole(model, tmp_path):
    """Weights, optimizer moments and step, and early stopping; a fresh model goes on as the old one would."""
    stopping = EarlyStopping(3, best_loss=0.25, best_epoch=2, last_epoch=4)
    history = History(stopping, [Epoch(4, 1e-3, 0.5, 0.1, 0.25, float("inf"), 0.4)], seconds=7.5)
    checkpoint.save_last(model, history, tmp_path)
    other = keras.models.clone_model(model)
    other.compile(optimizer="adam", loss="mse", jit_compile=False)

    assert checkpoint.read_last_epoch(tmp_path) == 4
    assert checkpoint.load_last(other, tmp_path) == history
    for one in (model, other):
        one.train_on_batch(np.full((4, 3), 2.0), np.ones((4, 2)))
    assert checkpoint.hash_weights(model) == checkpoint.hash_weights(other)
    assert int(other.optimizer.iterations) == 2


def test_the_best_weights_come_back(model, tmp_path):
    """Also batch-normalisation statistics."""
    checkpoint.save_best(model, tmp_path)
    before = checkpoint.hash_weights(model)
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    assert checkpoint.hash_weights(model) != before

    checkpoint.load_best(model, tmp_path)

    assert checkpoint.hash_weights(model) == before


@pytest.mark.parametrize("damage", ["missing", "empty", "half"])
def test_a_damaged_checkpoint_is_refused(model, tmp_path, damage):
    """With the file and the remedy."""
    path = tmp_path / checkpoint.BEST
    if damage != "missing":
        checkpoint.save_best(model, tmp_path)
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else 300])

    with pytest.raises(RunError, match=r"best\.npz cannot be read \(.*\); train the run again"):
        checkpoint.load_best(model, tmp_path)


def test_a_checkpoint_of_another_model_is_refused(model, tmp_path):
    """Before one weight is changed."""
    checkpoint.save_best(model, tmp_path)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    before = checkpoint.hash_weights(other)

    with pytest.raises(RunError, match=r"holds 6 arrays that do not fit this model's 2; train anew"):
        checkpoint.load_best(other, tmp_path)
    assert checkpoint.hash_weights(other) == before
