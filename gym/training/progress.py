"""Show the progress of training: a live bar in a terminal, otherwise one line per epoch."""

import sys
import time
from statistics import fmean
from typing import Any

import keras
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from gym.config.registries import SCORES, Place
from gym.core.text import format_duration, plain_console

Logs = dict[str, Any] | None


def progress_callback(epochs: int, steps: int) -> keras.callbacks.Callback:
    """Create the callback that suits standard output, for ``epochs`` epochs of ``steps`` steps."""
    return (ProgressBar if sys.stdout.isatty() else EpochPrinter)(epochs, steps)


class EpochPrinter(keras.callbacks.Callback):
    """Prints one line per epoch, with losses, IoU, KLD and the maximum time left."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__()
        self._epochs, self._steps = epochs, steps
        self._durations: list[float] = []  # of the epochs of this process
        self._since, self._timed = time.monotonic(), 0  # start and number of the timed steps of this epoch

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._since, self._timed = time.monotonic(), 0

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if not self._durations and batch == 0:  # the first step takes longer: TensorFlow builds the graph
            self._since = time.monotonic()
        else:
            self._timed += 1

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        seconds = time.monotonic() - self._since
        self._durations.append(seconds * self._steps / max(self._timed, 1))
        self._print(f"epoch {epoch + 1}/{self._epochs}  {format_logs(logs or {})}  {self.time_left(epoch + 1)}")

    def time_left(self, done: float) -> str:
        """Estimate the time for all remaining epochs from those that this process trained; it may stop early.

        The first epoch, in which graphs are built, counts only until there is another.
        """
        if self._durations:
            pace = fmean(self._durations[1:] or self._durations)
        else:
            pace = (time.monotonic() - self._since) * self._steps / max(self._timed, 1)
        return f"at most {format_duration((self._epochs - done) * pace)} left"

    def _print(self, line: str) -> None:
        print(line, flush=True)


class ProgressBar(EpochPrinter):
    """Shows the steps of the current epoch in a bar, above it one line per finished epoch."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__(epochs, steps)
        columns = TextColumn("{task.description}"), BarColumn(bar_width=16), TextColumn("{task.fields[state]}")
        self._progress = Progress(*columns, console=plain_console(), transient=True)
        self._bar: TaskID = self._progress.add_task("starting", total=steps, state="building the graph")

    def on_train_begin(self, logs: Logs = None) -> None:
        self._progress.start()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_end(batch, logs)
        self._progress.update(self._bar, completed=batch + 1, state=self._format_state(batch + 1, logs or {}))

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self._epoch = epoch
        self._progress.update(self._bar, completed=0, description=f"epoch {epoch + 1}/{self._epochs}")

    def on_train_end(self, logs: Logs = None) -> None:
        self._progress.stop()

    def _print(self, line: str) -> None:
        self._progress.console.print(line)

    def _format_state(self, step: int, logs: dict[str, Any]) -> str:
        left = self.time_left(self._epoch + step / self._steps)
        main = SCORES.default
        return f"{step}/{self._steps}  loss {float(logs['loss']):.4f}  {main} {float(logs[main]):.3f}  {left}"


def format_logs(logs: dict[str, Any]) -> str:
    """Format the scores of an epoch."""
    values = [f"loss {float(logs['loss']):.4f}", f"val loss {float(logs['val_epoch_loss']):.4f}"]
    for name in (entry.name for entry in SCORES.at(Place.EPOCH) if entry.rates_predictions):
        digits = 3 if name == SCORES.default else 4
        values.append(f"val {name} {float(logs[f'val_{name}']):.{digits}f}")
    return "  ".join(values)
