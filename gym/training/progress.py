"""Show the progress of training: a live bar in a terminal, otherwise one line per epoch."""

import sys
import time
from typing import Any

import keras
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from gym.config.registries import SCORES, Place
from gym.core.text import format_duration, plain_console

Logs = dict[str, Any] | None


def progress_callback(epochs: int, steps: int) -> keras.callbacks.Callback:
    """Create the callback that suits standard output, for ``epochs`` epochs of ``steps`` steps."""
    return ProgressBar(epochs, steps) if sys.stdout.isatty() else EpochPrinter(epochs)


class EpochPrinter(keras.callbacks.Callback):
    """Prints one line per epoch, with losses, IoU, KLD and the maximum time left."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._first: int | None = None  # above 0 in a resumed run
        self._started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self._first is None:
            self._first = epoch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._print(f"epoch {epoch + 1}/{self._epochs}  {format_logs(logs or {})}  {self.time_left(epoch + 1)}")

    def time_left(self, done: float) -> str:
        """Estimate the time for all remaining epochs from the pace so far; early stopping may end sooner."""
        seconds_per_epoch = (time.monotonic() - self._started) / (done - (self._first or 0))
        return f"at most {format_duration((self._epochs - done) * seconds_per_epoch)} left"

    def _print(self, line: str) -> None:
        print(line, flush=True)


class ProgressBar(EpochPrinter):
    """Shows the steps of the current epoch in a bar, above it one line per finished epoch."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__(epochs)
        self._steps = steps
        columns = TextColumn("{task.description}"), BarColumn(bar_width=16), TextColumn("{task.fields[state]}")
        self._progress = Progress(*columns, console=plain_console(), transient=True)
        self._bar: TaskID = self._progress.add_task("starting", total=steps, state="building the graph")

    def on_train_begin(self, logs: Logs = None) -> None:
        self._progress.start()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
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
