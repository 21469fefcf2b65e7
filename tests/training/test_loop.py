"""Training learns, repeats itself to the bit, keeps the best weights, and ends on a loss that is no number."""

import gc
import math

import keras
import numpy as np
import pytest

from gym.config.schema import LossConfig
from gym.core.errors import TrainingError
from gym.data.batches import ordered_batches
from gym.models.losses import PixelLoss
from gym.training import checkpoint
from gym.training.loop import DropoutSeeder, check_finite, compile_model
from gym.training.optimizer import learning_rate
from tests.training.conftest import small_config


@pytest.mark.trains
def test_training_learns_what_one_band_shows(train_small):
    """The class is written in the first band: twelve epochs are enough to see it."""
    _, history, told = train_small(small_config(epochs=12, patience=12))

    assert told == history.epochs
    assert told[-1].train_loss < 0.8 * told[0].train_loss
    assert max(epoch.train_iou for epoch in told) > 0.4


@pytest.mark.trains
def test_epochs_are_told_with_their_learning_rates(train_small):
    """Numbers from 1, rates of the schedule, finite values."""
    config = small_config()
    _, history, told = train_small(config)

    assert [epoch.number for epoch in told] == [1, 2, 3]
    assert [epoch.learning_rate for epoch in told] == [learning_rate(config.schedule, epoch) for epoch in range(3)]
    assert all(math.isfinite(value) for epoch in told for value in epoch)
    assert history.stopping.last_epoch == 3


@pytest.mark.trains
def test_a_repetition_is_equal_to_the_bit(train_small):
    """Same seed, same weights and same numbers; another seed, others."""
    first, _, told = train_small(is_fresh=True)
    again, _, told_again = train_small(is_fresh=True)
    other_config = small_config()
    other_config.seed = 6
    other, _, _ = train_small(other_config)

    assert checkpoint.hash_weights(first) == checkpoint.hash_weights(again)
    assert told == told_again
    assert checkpoint.hash_weights(other) != checkpoint.hash_weights(first)


@pytest.mark.trains
def test_the_model_comes_back_with_its_best_weights(train_small, tiny_dataset):
    """The validation loss of the returned model is the lowest of all epochs, not that of the last."""
    config = small_config(epochs=8, patience=8)
    config.schedule.max_rate = 0.3
    model, history, told = train_small(config)

    ((images, labels),) = ordered_batches(tiny_dataset, [4, 5], 2)
    loss = PixelLoss("cce", [1.0, 1.0, 1.0])(labels, model(images, training=False))

    lowest = min(told, key=lambda epoch: epoch.val_loss)
    assert history.stopping.best_epoch == lowest.number
    assert lowest.number < 8
    assert float(loss) == pytest.approx(lowest.val_loss, rel=1e-5)


@pytest.mark.trains
def test_best_and_last_are_separate_files(train_small, tmp_path):
    """The best is of the best epoch, the last of the last."""
    config = small_config(epochs=8, patience=8)
    config.schedule.max_rate = 0.3
    model, history, _ = train_small(config, folder=tmp_path)
    best = checkpoint.hash_weights(model)

    assert checkpoint.load_last(model, tmp_path) == history
    assert checkpoint.hash_weights(model) != best


class Cut(BaseException):
    """What ends a training from outside, as a signal does."""


@pytest.mark.trains
@pytest.mark.parametrize(
    ("cuts", "precision"),
    [*(([cut], "float32") for cut in (1, 2, 3, 4)), ([1, 2, 4], "float32"), ([2], "mixed_float16")],
    ids=str,
)
def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(train_small, tmp_path, cuts, precision):
    """After whichever epochs it is cut off: same weights to the bit, same epochs, none trained twice.

    The last before each cut is told again, since who was to hear of it may have been cut off too.
    """
    keras.config.set_dtype_policy(precision)
    config = small_config(epochs=5, patience=5)
    model, history, told = train_small(config)
    whole, numbers, left = checkpoint.hash_weights(model), [], list(cuts)
    is_fresh = len(cuts) > 1  # as where another process goes on

    def cut(epoch):
        numbers.append(epoch.number)
        if left and epoch.number == left[0]:
            left.pop(0)
            raise Cut

    for _ in cuts:
        with pytest.raises(Cut):
            train_small(config, folder=tmp_path, on_epoch=cut, is_fresh=is_fresh)
    resumed, resumed_history, _ = train_small(config, folder=tmp_path, on_epoch=cut, is_fresh=is_fresh)

    assert checkpoint.hash_weights(resumed) == whole
    assert resumed_history.epochs == history.epochs == told
    assert resumed_history.stopping == history.stopping
    assert numbers == sorted([1, 2, 3, 4, 5, *cuts])
    assert history.seconds > 0


@pytest.mark.trains
def test_a_training_cut_off_within_an_epoch_begins_that_epoch_again(train_small, tmp_path):
    """What the epoch had done is not counted twice."""
    model, _, told = train_small()
    whole = checkpoint.hash_weights(model)

    class CutWithin(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 6:
                raise Cut

    with pytest.raises(Cut):
        train_small(folder=tmp_path, displays=[CutWithin()])
    resumed, history, _ = train_small(folder=tmp_path)

    assert checkpoint.hash_weights(resumed) == whole
    assert history.epochs == told


@pytest.mark.trains
def test_a_training_that_is_over_is_not_trained_further(train_small, tmp_path):
    """Also where early stopping ended it."""
    config = small_config(epochs=30, patience=2)
    config.schedule.max_rate = 1.0
    model, history, _ = train_small(config, folder=tmp_path)
    first = checkpoint.hash_weights(model)
    again, history_again, told = train_small(config, folder=tmp_path)

    assert told == history.epochs[-1:]
    assert history_again == history
    assert checkpoint.hash_weights(again) == first


@pytest.mark.trains
def test_an_unreadable_checkpoint_begins_anew(train_small, tmp_path, caplog):
    """With a word on why."""
    for name in (checkpoint.LAST, checkpoint.BEST):
        (tmp_path / name).write_bytes(b"cut off")
    _, _, told = train_small(folder=tmp_path)

    assert [epoch.number for epoch in told] == [1, 2, 3]
    assert "cannot be read" in caplog.text


@pytest.mark.trains
def test_training_stops_when_patience_is_over(train_small):
    """A rate that ruins the model: the loss gets no better, and the epochs left are not trained."""
    config = small_config(epochs=30, patience=2)
    config.schedule.max_rate = 1.0
    _, history, told = train_small(config)

    assert len(told) < 30
    assert history.stopping.last_epoch - history.stopping.best_epoch == 2


@pytest.mark.trains
@pytest.mark.parametrize("name", ["cce", "dice", "kld", "hinge"])
def test_every_loss_trains(train_small, name):
    """No loss that does not compile."""
    config = small_config(epochs=1)
    config.loss = LossConfig(name)
    _, _, told = train_small(config)

    assert math.isfinite(told[0].train_loss)


@pytest.mark.trains
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains(train_small, precision):
    """In float16 the loss is scaled, so that no gradient vanishes; what is told is the loss itself."""
    whole = train_small(small_config(epochs=2))[2]
    keras.config.set_dtype_policy(precision)
    model, _, half = train_small(small_config(epochs=2))

    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (precision == "mixed_float16")
    assert [epoch.train_loss for epoch in half] == pytest.approx([epoch.train_loss for epoch in whole], rel=0.05)


@pytest.mark.trains
def test_a_loss_that_is_no_number_ends_training(train_small):
    """With the step, and what to change; nothing is trained further."""
    config = small_config()
    config.schedule.start_rate = config.schedule.max_rate = 1e30
    config.augment.copies = 4

    remedy = r"lower schedule\.max_rate or set optimizer\.clip_norm=1\."
    with pytest.raises(TrainingError, match=rf"the loss is (nan|inf) at .*, but it must be finite; {remedy}"):
        train_small(config)


def test_only_finite_losses_pass():
    """NaN and both infinities are refused."""
    check_finite(0.0, "step 1")
    for loss in (math.nan, math.inf, -math.inf):
        with pytest.raises(TrainingError, match=f"the loss is {loss} at step 7, but it must be finite; lower"):
            check_finite(loss, "step 7")


@pytest.mark.trains
def test_dropout_of_an_epoch_does_not_depend_on_the_epochs_before(train_small):
    """Each epoch starts every dropout layer from (seed, layer, epoch)."""
    model, _, _ = train_small(small_config(epochs=1))
    states = []
    for epochs in ([0, 1, 2], [2]):
        callback = DropoutSeeder(5)
        callback.set_model(model)
        for epoch in epochs:
            callback.on_epoch_begin(epoch)
        layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
        states.append([layer.seed_generator.state.numpy().tolist() for layer in layers])

    assert states[0] == states[1]
    assert len({tuple(state) for state in states[0]}) == len(states[0]) > 1


@pytest.mark.trains
def test_a_training_leaves_no_graph_behind(train_small):
    """The runs of a sweep share a process: what one traced is gone when its model is."""
    train_small(small_config(epochs=1), is_fresh=True)
    graphs = []
    for _ in range(2):
        train_small(small_config(epochs=1), is_fresh=True)
        keras.backend.clear_session()
        gc.collect()
        graphs.append(sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects()))

    assert graphs[1] == graphs[0]


@pytest.mark.trains
def test_xla_is_off(train_small):
    """It is slower than oneDNN on a CPU, and never chosen by itself."""
    model, _, _ = train_small(small_config(epochs=1))

    assert model.jit_compile is False


def test_class_weights_reach_the_loss(tiny_dataset):
    """A heavy class makes its mistakes dear."""
    config = small_config()
    keras.utils.set_random_seed(1)
    from gym.models.architectures import build_model

    model = build_model(config.model, tiny_dataset.shape, 3)
    losses = []
    for weights in ([1.0, 1.0, 1.0], [1.0, 1.0, 50.0]):
        compiled = compile_model(model, config.optimizer, config.loss.name, weights)
        scores = compiled.evaluate(ordered_batches(tiny_dataset, [4, 5], 2), verbose=0, return_dict=True)
        losses.append(scores["epoch_loss"])

    assert not np.isclose(*losses)
