"""Show how training goes: a live bar in a terminal, one line an epoch elsewhere."""

import sys
import time
from typing import Any

import keras
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from gym.core.text import format_duration, plain_console

Logs = dict[str, Any] | None


def progress_callback(epochs: int, steps: int) -> keras.callbacks.Callback:
    """Choose the display that suits standard output."""
    return ProgressBar(epochs, steps) if sys.stdout.isatty() else EpochPrinter(epochs)


class EpochPrinter(keras.callbacks.Callback):
    """One line an epoch, with loss, IoU and the most time that may be left."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._first: int | None = None  # more than 0 where a run goes on
        self._started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self._first is None:
            self._first = epoch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        print(f"epoch {epoch + 1}/{self._epochs}  {summary(logs or {})}  {self.time_left(epoch + 1)}", flush=True)

    def time_left(self, done: float) -> str:
        """Word the time that the epochs still allowed would take at the pace so far."""
        seconds_an_epoch = (time.monotonic() - self._started) / (done - (self._first or 0))
        return f"at most {format_duration((self._epochs - done) * seconds_an_epoch)} left"


class ProgressBar(EpochPrinter):
    """A bar of the epoch's steps that is redrawn in place; each finished epoch leaves its line."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__(epochs)
        self._steps = steps
        columns = TextColumn("{task.description}"), BarColumn(bar_width=16), TextColumn("{task.fields[state]}")
        self._progress = Progress(*columns, console=plain_console(), transient=True)
        self._bar: TaskID = self._progress.add_task("starting", total=steps, state="building the graph")

    def on_train_begin(self, logs: Logs = None) -> None:
        self._progress.start()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._progress.update(self._bar, completed=batch + 1, state=self._state(batch + 1, logs or {}))

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self._epoch = epoch
        self._progress.update(self._bar, completed=0, description=f"epoch {epoch + 1}/{self._epochs}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        left = self.time_left(epoch + 1)
        self._progress.console.print(f"epoch {epoch + 1}/{self._epochs}  {summary(logs or {})}  {left}")

    def on_train_end(self, logs: Logs = None) -> None:
        self.close()

    def close(self) -> None:
        """Give the terminal back, also after an error."""
        self._progress.stop()

    def _state(self, step: int, logs: dict[str, Any]) -> str:
        left = self.time_left(self._epoch + step / self._steps)
        return f"{step}/{self._steps}  loss {float(logs['loss']):.4f}  iou {float(logs['iou']):.3f}  {left}"


def summary(logs: dict[str, Any]) -> str:
    """Word an epoch's scores."""
    return (
        f"loss {float(logs['loss']):.4f}  val loss {float(logs['val_epoch_loss']):.4f}  "
        f"val iou {float(logs['val_iou']):.3f}  val kld {float(logs['val_kld']):.4f}"
    )
