"""Training learns, is reproducible bit for bit, keeps the best weights, and stops at a loss that is not finite."""

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
from gym.training.loop import DropoutSeeder, check_finite, compile_model, find_generators
from gym.training.optimizer import learning_rate
from tests.training.conftest import small_config


@pytest.mark.trains
def test_training_learns_what_one_band_shows(train_small):
    """Twelve epochs suffice to learn that the first band encodes the class."""
    _, history, reported = train_small(small_config(epochs=12, patience=12))

    assert reported == history.epochs
    assert reported[-1].train_loss < 0.8 * reported[0].train_loss
    assert max(epoch.train_iou for epoch in reported) > 0.4


@pytest.mark.trains
def test_epochs_are_reported_with_their_learning_rates(train_small):
    """Epochs are numbered from 1, their rates are those of the schedule, and their values are finite."""
    config = small_config()
    _, history, reported = train_small(config)

    assert [epoch.number for epoch in reported] == [1, 2, 3]
    assert [epoch.learning_rate for epoch in reported] == [learning_rate(config.schedule, epoch) for epoch in range(3)]
    assert all(math.isfinite(value) for epoch in reported for value in epoch)
    assert history.stopping.last_epoch == 3


@pytest.mark.trains
def test_training_is_reproducible_bit_for_bit(train_small):
    """Equal seeds yield equal weights and scores; another seed yields others."""
    first, _, reported = train_small(is_fresh=True)
    again, _, reported_again = train_small(is_fresh=True)
    other_config = small_config()
    other_config.seed = 6
    other, _, _ = train_small(other_config)

    assert checkpoint.hash_weights(first) == checkpoint.hash_weights(again)
    assert reported == reported_again
    assert checkpoint.hash_weights(other) != checkpoint.hash_weights(first)


@pytest.mark.trains
def test_training_leaves_the_best_weights_in_the_model(train_small, tiny_dataset):
    """The validation loss of the trained model is the lowest of all epochs, not that of the last epoch."""
    config = small_config(epochs=8, patience=8)
    config.schedule.max_rate = 0.3
    model, history, reported = train_small(config)

    ((images, labels),) = ordered_batches(tiny_dataset, [4, 5], 2)
    loss = PixelLoss("cce", [1.0, 1.0, 1.0])(labels, model(images, training=False))

    lowest = min(reported, key=lambda epoch: epoch.val_loss)
    assert history.stopping.best_epoch == lowest.number
    assert lowest.number < 8
    assert float(loss) == pytest.approx(lowest.val_loss, rel=1e-5)


@pytest.mark.trains
def test_best_and_last_are_separate_files(train_small, tmp_path):
    """One file holds the weights of the best epoch, the other those of the last."""
    config = small_config(epochs=8, patience=8)
    config.schedule.max_rate = 0.3
    model, history, _ = train_small(config, folder=tmp_path)
    best = checkpoint.hash_weights(model)

    assert checkpoint.load_last(model, tmp_path) == history
    assert checkpoint.hash_weights(model) != best


class Interruption(BaseException):
    """Interrupts training as a signal does."""


@pytest.mark.trains
@pytest.mark.parametrize(
    ("cuts", "precision"),
    [*(([cut], "float32") for cut in (1, 2, 3, 4)), ([1, 2, 4], "float32"), ([2], "mixed_float16")],
    ids=str,
)
def test_an_interrupted_training_ends_like_an_uninterrupted_one(train_small, tmp_path, cuts, precision):
    """Whenever it is interrupted, weights and epochs are equal bit for bit, and no epoch is trained twice.

    The last epoch before each interruption is reported again, because its report may have been lost.
    """
    keras.config.set_dtype_policy(precision)
    config = small_config(epochs=5, patience=5)
    model, history, reported = train_small(config)
    whole, numbers, left = checkpoint.hash_weights(model), [], list(cuts)
    is_fresh = len(cuts) > 1  # as if another process resumed

    def cut(epoch):
        numbers.append(epoch.number)
        if left and epoch.number == left[0]:
            left.pop(0)
            raise Interruption

    for _ in cuts:
        with pytest.raises(Interruption):
            train_small(config, folder=tmp_path, on_epoch=cut, is_fresh=is_fresh)
    resumed, resumed_history, _ = train_small(config, folder=tmp_path, on_epoch=cut, is_fresh=is_fresh)

    assert checkpoint.hash_weights(resumed) == whole
    assert resumed_history.epochs == history.epochs == reported
    assert resumed_history.stopping == history.stopping
    assert numbers == sorted([1, 2, 3, 4, 5, *cuts])
    assert history.seconds > 0


@pytest.mark.trains
def test_a_training_interrupted_within_an_epoch_repeats_that_epoch(train_small, tmp_path):
    """The steps of the incomplete epoch leave no trace."""
    model, _, reported = train_small()
    whole = checkpoint.hash_weights(model)

    class InterruptWithin(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 6:
                raise Interruption

    with pytest.raises(Interruption):
        train_small(folder=tmp_path, displays=[InterruptWithin()])
    resumed, history, _ = train_small(folder=tmp_path)

    assert checkpoint.hash_weights(resumed) == whole
    assert history.epochs == reported


@pytest.mark.trains
def test_a_finished_training_is_not_continued(train_small, tmp_path):
    """A training that stopped early is finished, too."""
    config = small_config(epochs=30, patience=2)
    config.schedule.max_rate = 1.0
    model, history, _ = train_small(config, folder=tmp_path)
    first = checkpoint.hash_weights(model)
    again, history_again, reported = train_small(config, folder=tmp_path)

    assert reported == history.epochs[-1:]
    assert history_again == history
    assert checkpoint.hash_weights(again) == first


@pytest.mark.trains
def test_an_unreadable_checkpoint_restarts_the_training(train_small, tmp_path, caplog):
    """A warning gives the reason."""
    for name in (checkpoint.LAST, checkpoint.BEST):
        (tmp_path / name).write_bytes(b"cut off")
    _, _, reported = train_small(folder=tmp_path)

    assert [epoch.number for epoch in reported] == [1, 2, 3]
    assert "cannot be read" in caplog.text


@pytest.mark.trains
def test_training_stops_when_patience_runs_out(train_small):
    """With a learning rate that ruins the model, the loss does not improve and training stops early."""
    config = small_config(epochs=30, patience=2)
    config.schedule.max_rate = 1.0
    _, history, reported = train_small(config)

    assert len(reported) < 30
    assert history.stopping.last_epoch - history.stopping.best_epoch == 2


@pytest.mark.trains
@pytest.mark.parametrize("name", ["cce", "dice", "kld", "hinge"])
def test_every_loss_trains(train_small, name):
    """Every registered loss compiles and is finite."""
    config = small_config(epochs=1)
    config.loss = LossConfig(name)
    _, _, reported = train_small(config)

    assert math.isfinite(reported[0].train_loss)


@pytest.mark.trains
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains(train_small, precision):
    """In float16 the loss is scaled so that gradients do not vanish; the reported loss is not."""
    whole = train_small(small_config(epochs=2))[2]
    keras.config.set_dtype_policy(precision)
    model, _, half = train_small(small_config(epochs=2))

    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (precision == "mixed_float16")
    assert [epoch.train_loss for epoch in half] == pytest.approx([epoch.train_loss for epoch in whole], rel=0.05)


@pytest.mark.trains
def test_a_loss_that_is_not_finite_stops_training(train_small):
    """The error names the step and the settings to change."""
    config = small_config()
    config.schedule.start_rate = config.schedule.max_rate = 1e30
    config.augment.copies = 4

    remedy = r"lower schedule\.max_rate or set optimizer\.clip_norm=1\."
    with pytest.raises(TrainingError, match=rf"the loss is (nan|inf) at .*, but it must be finite; {remedy}"):
        train_small(config)


def test_only_finite_losses_pass():
    """NaN and both infinities raise an error."""
    check_finite(0.0, "step 1")
    for loss in (math.nan, math.inf, -math.inf):
        with pytest.raises(TrainingError, match=f"the loss is {loss} at step 7, but it must be finite; lower"):
            check_finite(loss, "step 7")


@pytest.mark.trains
def test_dropout_does_not_depend_on_earlier_epochs(train_small):
    """Every dropout layer is seeded from (seed, layer, epoch) at the start of an epoch."""
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
    """The runs of a sweep share a process, so the graphs of a run must be freed with its model."""
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
    """XLA is slower than oneDNN on a CPU and must not be chosen automatically."""
    model, _, _ = train_small(small_config(epochs=1))

    assert model.jit_compile is False


def test_class_weights_affect_the_loss(tiny_dataset):
    """A larger weight of one class changes the loss."""
    config = small_config()
    keras.utils.set_random_seed(1)
    from gym.models.architectures import build_model

    model = build_model(config.model, tiny_dataset.shape, 3)
    losses = []
    for weights in ([1.0, 1.0, 1.0], [1.0, 1.0, 50.0]):
        compiled = compile_model(model, config.optimizer, config.loss.name, weights)
        compiled.run_eagerly = True  # tracing the graph of one step takes seconds
        scores = compiled.evaluate(ordered_batches(tiny_dataset, [4, 5], 2), verbose=0, return_dict=True)
        losses.append(scores["epoch_loss"])

    assert not np.isclose(*losses)


class Noisy(keras.layers.Layer):
    """A layer of a plugin that draws random numbers by itself, and in a layer of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.second = keras.random.SeedGenerator(1), keras.random.SeedGenerator(2)
        self.noise = keras.layers.GaussianNoise(0.5)


def test_random_layers_within_others_are_seeded():
    """Each generator has a place of its own, and the same state in the same epoch; those of other layers stay."""
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.25), inner, Noisy()])
    callback = DropoutSeeder(7)
    callback.set_model(model)

    states = []
    for epoch in (3, 4, 3):
        callback.on_epoch_begin(epoch)
        states.append([generator.state.numpy().tolist() for *_, generator in find_generators(model.layers)])

    assert len(states[0]) == 5
    assert len({tuple(state) for state in states[0]}) == 5
    assert states[0] == states[2]
    assert all(one != other for one, other in zip(states[0], states[1], strict=True))
