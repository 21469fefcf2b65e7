"""Checkpoints restore weights and history exactly, and refuse files that are damaged or of another model."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.core.errors import RunError
from gym.training import checkpoint
from gym.training.checkpoint import (
    MLFLOW_NAMES,
    EarlyStopping,
    Epoch,
    History,
    epoch_metrics,
    epochs_from_metrics,
)


@pytest.fixture
def model():
    """A small model that has taken one step of Adam."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    model.compile(optimizer="adam", loss="mse", jit_compile=False)
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    return model


def test_the_last_state_is_complete(model, tmp_path):
    """A new model continues from weights, optimizer state and history as the old one would."""
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


def history_of(best, last):
    """The history of a training whose best and last epochs are given."""
    epochs = [Epoch(number, 1e-3, 0.5, 0.1, 0.25, 0.5, 0.4) for number in range(1, last + 1)]
    return History(EarlyStopping(9, best_loss=0.25, best_epoch=best, last_epoch=last), epochs)


def save_epoch(model, best, last, folder, *, until="end"):
    """Save an epoch as the training does; a kill may come after the best weights, or after the last state."""
    if best == last:
        checkpoint.save_best(model, last, folder)
    if until == "best":
        return
    coming = (folder / checkpoint.NEXT).read_bytes() if best == last else b""
    checkpoint.save_last(model, history_of(best, last), folder)
    if until == "last":  # before next.npz is renamed
        (folder / checkpoint.BEST).unlink(missing_ok=True)
        (folder / checkpoint.NEXT).write_bytes(coming)


@pytest.mark.parametrize(("until", "kept"), [("best", 1), ("last", 2), ("end", 2)])
def test_a_kill_leaves_no_best_that_the_history_does_not_know(model, tmp_path, until, kept):
    """The best weights are those of the best epoch in the last state, wherever the kill came."""
    hashes = {}
    save_epoch(model, 1, 1, tmp_path)
    hashes[1] = checkpoint.hash_weights(model)
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    save_epoch(model, 2, 2, tmp_path, until=until)
    hashes[2] = checkpoint.hash_weights(model)

    checkpoint.settle_best(tmp_path)
    checkpoint.load_best(model, tmp_path)

    assert checkpoint.exists(tmp_path)
    assert checkpoint.hash_weights(model) == hashes[kept]
    assert checkpoint.read_last_epoch(tmp_path) == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == [checkpoint.BEST, checkpoint.LAST]


def test_best_weights_of_another_epoch_are_refused(model, tmp_path):
    """Those of earlier versions, which did not record the epoch, are accepted."""
    save_epoch(model, 1, 1, tmp_path)
    checkpoint.save_last(model, history_of(2, 3), tmp_path)
    with pytest.raises(RunError, match=r"best\.npz is of epoch 1, but epoch 2 is the best; train the run again\.$"):
        checkpoint.settle_best(tmp_path)

    checkpoint._write_arrays(tmp_path / checkpoint.BEST, model.weights, {})
    checkpoint.settle_best(tmp_path)


def test_the_best_weights_are_restored(model, tmp_path):
    """Batch-normalisation statistics are restored as well."""
    save_epoch(model, 1, 1, tmp_path)
    before = checkpoint.hash_weights(model)
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    assert checkpoint.hash_weights(model) != before

    checkpoint.load_best(model, tmp_path)

    assert checkpoint.hash_weights(model) == before


@pytest.mark.parametrize("damage", ["missing", "empty", "half"])
def test_a_damaged_checkpoint_is_refused(model, tmp_path, damage):
    """The error names the file and the remedy."""
    path = tmp_path / checkpoint.BEST
    if damage != "missing":
        save_epoch(model, 1, 1, tmp_path)
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else 300])

    with pytest.raises(RunError, match=r"best\.npz cannot be read \(.*\); train the run again"):
        checkpoint.load_best(model, tmp_path)


def test_a_checkpoint_of_another_model_is_refused(model, tmp_path):
    """No weight is changed."""
    save_epoch(model, 1, 1, tmp_path)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    before = checkpoint.hash_weights(other)

    with pytest.raises(
        RunError, match=r"holds 6 arrays, but this model has 2 variables or other shapes; train the run again\.$"
    ):
        checkpoint.load_best(other, tmp_path)
    assert checkpoint.hash_weights(other) == before


def observe(losses, patience):
    """Observe losses until patience runs out."""
    stopping = EarlyStopping(patience)
    for epoch, loss in enumerate(losses, start=1):
        stopping.observe(epoch, loss)
        if stopping.is_over:
            break
    return stopping


def test_early_stopping_by_hand():
    """Epoch 2 is the best; after three epochs without improvement, training stops at epoch 5."""
    stopping = observe([0.9, 0.5, 0.6, 0.5, 0.7, 0.1], patience=3)

    assert (stopping.best_epoch, stopping.best_loss, stopping.last_epoch) == (2, 0.5, 5)


def test_an_equal_loss_is_not_an_improvement():
    """The first of several equal epochs remains the best."""
    stopping = EarlyStopping(2)

    assert stopping.observe(1, 0.5)
    assert not stopping.observe(2, 0.5)


@given(st.lists(st.floats(0, 10), min_size=1), st.integers(1, 10))
def test_the_best_epoch_is_the_first_with_the_lowest_loss(losses, patience):
    """Training never continues for more than ``patience`` epochs after it."""
    stopping = observe(losses, patience)
    seen = losses[: stopping.last_epoch]

    assert stopping.best_loss == min(seen)
    assert stopping.best_epoch == seen.index(min(seen)) + 1
    assert stopping.last_epoch - stopping.best_epoch <= patience
    assert stopping.is_over or stopping.last_epoch == len(losses)


def test_every_value_of_an_epoch_is_logged():
    """The number of the epoch is the step instead."""
    assert {*MLFLOW_NAMES, "number"} == set(Epoch._fields)
    assert epoch_metrics(Epoch(3, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)) == {
        "learning_rate": 0.1,
        "train/loss": 0.2,
        "train/iou": 0.3,
        "val/loss": 0.4,
        "val/iou": 0.5,
        "val/kld": 0.6,
    }


@given(st.lists(st.tuples(*[st.floats(allow_nan=False)] * 6), max_size=5))
def test_logged_epochs_are_restored(rows):
    """Epochs are returned in order, whatever the order of the logged steps."""
    epochs = [Epoch(number, *row) for number, row in enumerate(rows, start=1)]
    logged = {
        name: {epoch.number: epoch_metrics(epoch)[name] for epoch in reversed(epochs)} for name in MLFLOW_NAMES.values()
    }

    assert epochs_from_metrics(logged) == epochs


def test_an_incompletely_logged_epoch_is_left_out():
    """A run without metrics has no epochs."""
    logged = {name: {1: 0.5, 2: 0.4} for name in MLFLOW_NAMES.values()}
    del logged["val/iou"][2]

    assert [epoch.number for epoch in epochs_from_metrics(logged)] == [1]
    assert epochs_from_metrics({}) == []
