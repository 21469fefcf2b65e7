"""Train a model: Keras' training loop, made repeatable and resumable."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from gym.config.schema import OptimizerConfig, ScheduleConfig
from gym.core.errors import RunError, TrainingError
from gym.core.seeding import derive_seed
from gym.core.signals import raise_pending_signal
from gym.models.losses import PixelLoss, output_activation
from gym.training import checkpoint
from gym.training.checkpoint import EarlyStopping, Epoch, History
from gym.training.metrics import ConfusionIoU, EpochLoss, PixelKLD, ValidatedModel
from gym.training.optimizer import build_optimizer, learning_rate

Logs = dict[str, Any] | None
Place = tuple[int, ...]  # position of a layer, then of a layer within it, and so on

log = logging.getLogger(__name__)


class BatchStreams(NamedTuple):
    """The batches of a training run.

    Attributes:
        training: Makes an endless stream of batches that starts with the given epoch, counted from 0.
        per_epoch: Number of training batches in an epoch.
        validation: The batches of the validation side.
    """

    training: Callable[[int], Any]
    per_epoch: int
    validation: Any


def compile_model(
    network: keras.Model,
    optimizer: OptimizerConfig,
    loss: str,
    class_weights: Sequence[float],
    loss_options: Mapping[str, Any] | None = None,
    *,
    clip: bool = False,
) -> keras.Model:
    """Make a network trainable; the returned model shares its weights.

    Args:
        network: A network from `gym.models.architectures.build_model`.
        optimizer: The optimizer.
        loss: A name registered in `gym.config.registries.LOSSES`.
        class_weights: One positive weight per class.
        loss_options: The options of the loss, if it has some.
        clip: Whether to compute the loss from clipped probabilities even if it can be computed from logits.
    """
    classes = network.output_shape[-1]
    model = ValidatedModel(network, [PixelKLD(classes), EpochLoss(loss, class_weights, loss_options)])
    model.compile(
        optimizer=build_optimizer(optimizer),
        loss=PixelLoss(loss, class_weights, loss_options, "" if clip else output_activation(network)),
        metrics=[ConfusionIoU(classes)],
        jit_compile=False,  # on a CPU, XLA is 2 to 4 times slower than oneDNN
    )
    # Keras would create the optimizer's variables while it traces the first step, and then trace that step again.
    model.optimizer.build(model.trainable_variables)
    return model


def train(
    model: keras.Model,
    batches: BatchStreams,
    folder: Path,
    on_epoch: Callable[[Epoch], None],
    *,
    epochs: int,
    patience: int,
    schedule: ScheduleConfig,
    seed: int,
    displays: Sequence[keras.callbacks.Callback] = (),
) -> History:
    """Train until early stopping or the last epoch, and leave the best weights in the model.

    An interrupted training resumes after its last complete epoch, and ends with bitwise equal weights.

    Args:
        model: A model from `compile_model`.
        batches: The imagery and labels.
        folder: Folder of `checkpoint.BEST` and `checkpoint.LAST`, which an interrupted training has left there.
        on_epoch: Called after every epoch, and when training resumes, with its last epoch: that call may be lost.
        epochs: Maximum number of epochs.
        patience: Epochs without a lower validation loss after which training stops.
        schedule: The learning rate of each epoch.
        seed: Seed of the dropout layers.
        displays: Callbacks that show progress.

    Raises:
        TrainingError: The loss is no longer finite.
    """
    history = resume_training(model, folder, on_epoch) or History(EarlyStopping(patience))
    if not history.is_finished(epochs):
        model.fit(
            batches.training(history.stopping.last_epoch),
            steps_per_epoch=batches.per_epoch,
            initial_epoch=history.stopping.last_epoch,
            epochs=epochs,
            validation_data=batches.validation,
            callbacks=[
                keras.callbacks.LearningRateScheduler(lambda epoch: learning_rate(schedule, epoch)),
                DropoutSeeder(seed),
                TrainingCheck(),
                EpochRecorder(history, schedule, folder, on_epoch),
                *displays,
            ],
            shuffle=False,
            verbose=0,
        )
    checkpoint.load_best(model, folder)
    return history


def resume_training(model: keras.Model, folder: Path, on_epoch: Callable[[Epoch], None]) -> History | None:
    """Load the state an interrupted training left, and pass on its last epoch; None if none can be read."""
    if not checkpoint.exists(folder):
        return None
    try:
        checkpoint.settle_best(folder)
        history = checkpoint.load_last(model, folder)
    except RunError as error:
        log.warning("%s", error)
        return None
    log.info("resuming after epoch %d", history.stopping.last_epoch)
    on_epoch(history.epochs[-1])
    return history


class DropoutSeeder(keras.callbacks.Callback):
    """Seed every layer that draws random numbers at the start of each epoch from (seed, layer, epoch), as in dropout.

    So a run can resume. Layers within other layers are seeded, too, as in the network of a plugin.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        for place, number, generator in find_generators(self.model.layers):
            purpose = f"dropout {number}" if number else "dropout"
            generator.state.assign([derive_seed(self._seed, purpose, *place, epoch), 0])


def find_generators(layers: Sequence[Any], place: Place = ()) -> Iterator[tuple[Place, int, Any]]:
    """Yield the random generators of layers and of the layers within them: place of the layer, number, generator."""
    for position, layer in enumerate(layers):
        here = (*place, position)
        # Keras has no public list of either.
        for number, generator in enumerate(layer._seed_generators):
            yield here, number, generator
        yield from find_generators(layer._layers, here)


class TrainingCheck(keras.callbacks.Callback):
    """Stop the run if a signal has arrived, whose exception Keras may have lost, or the loss is no longer finite."""

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        raise_pending_signal()
        check_finite(float((logs or {})["loss"]), f"step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        check_finite(float((logs or {})["val_epoch_loss"]), f"the validation of epoch {epoch + 1}")


def check_finite(loss: float, moment: str) -> None:
    """Raise `TrainingError` if a loss is NaN or infinite."""
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} at {moment}, but it must be finite; lower schedule.max_rate or set "
            "optimizer.clip_norm=1."
        )


class EpochRecorder(keras.callbacks.Callback):
    """Record each epoch, write the checkpoints, and stop the training when patience runs out."""

    def __init__(
        self, history: History, schedule: ScheduleConfig, folder: Path, on_epoch: Callable[[Epoch], None]
    ) -> None:
        super().__init__()
        self._history, self._schedule, self._folder, self._on_epoch = history, schedule, folder, on_epoch
        self._seconds, self._started = history.seconds, time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        record = read_epoch(epoch, learning_rate(self._schedule, epoch), logs or {})
        self._history.epochs.append(record)
        self._history.seconds = self._seconds + time.monotonic() - self._started
        if self._history.stopping.observe(record.number, record.val_loss):
            checkpoint.save_best(self.model, record.number, self._folder)
        checkpoint.save_last(self.model, self._history, self._folder)
        self._on_epoch(record)
        self.model.stop_training = self._history.stopping.is_over


def read_epoch(epoch: int, rate: float, logs: dict[str, Any]) -> Epoch:
    """Read an epoch, counted from 0, from the logs that Keras passes to callbacks."""
    logged = {name: name.removeprefix("train_") for name in Epoch._fields[2:]} | {"val_loss": "val_epoch_loss"}
    return Epoch(epoch + 1, rate, **{name: float(logs[key]) for name, key in logged.items()})
