"""Train a model: Keras' own loop, with what makes a run repeatable and safe around it."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from gym.config.schema import Config
from gym.core.errors import RunError, TrainingError
from gym.core.seeding import derive_seed
from gym.core.signals import raise_pending_signal
from gym.models.losses import PixelLoss
from gym.training import checkpoint
from gym.training.checkpoint import EarlyStopping, Epoch, History
from gym.training.metrics import ConfusionIoU, EpochLoss, PixelKLD, train_without_validation_metrics
from gym.training.optimizer import build_optimizer, learning_rate

Logs = dict[str, Any] | None

log = logging.getLogger(__name__)


def compile_model(model: keras.Model, config: Config, weights: Sequence[float]) -> None:
    """Give a model its optimizer, loss and counters. ``jit_compile`` is off: XLA is slower than oneDNN on a CPU."""
    classes = model.output_shape[-1]
    model.compile(
        optimizer=build_optimizer(config.optimizer),
        loss=PixelLoss(config.loss.name, weights),
        metrics=[ConfusionIoU(classes), PixelKLD(classes), EpochLoss(config.loss.name, weights)],
        jit_compile=False,
    )
    train_without_validation_metrics(model)
    # Otherwise its variables are made while the first step is traced, which is then traced a second time.
    model.optimizer.build(model.trainable_variables)


def train(
    model: keras.Model,
    config: Config,
    training: Callable[[int], Any],
    steps: int,
    validation: Any,
    folder: Path,
    on_epoch: Callable[[Epoch], None],
    displays: Sequence[keras.callbacks.Callback] = (),
) -> History:
    """Train until early stopping or the last epoch, and leave the best weights in the model.

    A training that was cut off goes on after its last complete epoch, and ends to the bit as if it had not been.

    Args:
        model: A compiled model.
        config: The experiment.
        training: Gives batches without end from an epoch on, as `gym.data.batches.training_batches` does.
        steps: Batches in an epoch.
        validation: Batches of the validation side.
        folder: Where `checkpoint.BEST` and `checkpoint.LAST` go, or are from an attempt before.
        on_epoch: Told each epoch as it ends, and again the last of an attempt that was cut off: it may not have heard.
        displays: Callbacks that show progress.

    Raises:
        TrainingError: The loss is no longer a finite number.
    """
    history = restore_training(model, folder) or History(EarlyStopping(config.training.patience))
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch: learning_rate(config.schedule, epoch)),
        DropoutByEpoch(config.seed),
        HeedSignals(),
        FiniteLoss(),
        EpochEnd(history, config, folder, on_epoch),
        *displays,
    ]
    if history.epochs:
        on_epoch(history.epochs[-1])
    if not history.is_over(config.training.epochs):
        model.fit(
            training(history.stopping.last_epoch),
            steps_per_epoch=steps,
            initial_epoch=history.stopping.last_epoch,
            epochs=config.training.epochs,
            validation_data=validation,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
    checkpoint.load_best(model, folder)
    return history


def restore_training(model: keras.Model, folder: Path) -> History | None:
    """Put a model where an attempt before was cut off; None where there was none, or it left nothing readable."""
    if not all((folder / name).exists() for name in (checkpoint.LAST, checkpoint.BEST)):
        return None
    try:
        history = checkpoint.load_last(model, folder)
    except RunError as error:
        log.warning("%s", error)
        return None
    log.info("going on after epoch %d", history.stopping.last_epoch)
    return history


class DropoutByEpoch(keras.callbacks.Callback):
    """Start the random numbers of every dropout layer anew in each epoch, from (seed, layer, epoch)."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        for position, layer in enumerate(self.model.layers):
            if isinstance(layer, keras.layers.Dropout):
                start = [derive_seed(self._seed, "dropout", position, epoch), 0]
                layer.seed_generator.state.assign(start)


class HeedSignals(keras.callbacks.Callback):
    """Stop between two steps, if a signal asked for it and was lost."""

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        raise_pending_signal()


class FiniteLoss(keras.callbacks.Callback):
    """End the run as soon as the loss is no longer a finite number."""

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        refuse_non_finite(float((logs or {})["loss"]), f"step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        refuse_non_finite(float((logs or {})["val_epoch_loss"]), f"the validation of epoch {epoch + 1}")


def refuse_non_finite(loss: float, when: str) -> None:
    """Raise `TrainingError` for a loss that is NaN or infinite."""
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} at {when}; it must be finite: lower schedule.max_rate or set optimizer.clip_norm=1."
        )


class EpochEnd(keras.callbacks.Callback):
    """Keep the checkpoints, tell the epoch on, and stop when it is time."""

    def __init__(self, history: History, config: Config, folder: Path, on_epoch: Callable[[Epoch], None]) -> None:
        super().__init__()
        self._history, self._config, self._folder, self._on_epoch = history, config, folder, on_epoch
        self._seconds, self._began = history.seconds, time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        record = read_epoch(epoch, learning_rate(self._config.schedule, epoch), logs or {})
        self._history.epochs.append(record)
        self._history.seconds = self._seconds + time.monotonic() - self._began
        if self._history.stopping.observe(record.number, record.val_loss):
            checkpoint.save_best(self.model, self._folder)
        checkpoint.save_last(self.model, self._history, self._folder)
        self._on_epoch(record)
        self.model.stop_training = self._history.stopping.is_over


def read_epoch(epoch: int, rate: float, logs: dict[str, Any]) -> Epoch:
    """Take an epoch's values from Keras' names for them."""
    return Epoch(
        number=epoch + 1,
        learning_rate=rate,
        train_loss=float(logs["loss"]),
        train_iou=float(logs["iou"]),
        val_loss=float(logs["val_epoch_loss"]),
        val_iou=float(logs["val_iou"]),
        val_kld=float(logs["val_kld"]),
    )
