"""The progress shown during training."""

import sys
import time

import pytest

from gym.training.progress import EpochPrinter, ProgressBar, progress_callback

LOGS = {"loss": 0.5, "iou": 0.25, "kld": 1.0, "val_epoch_loss": 0.75, "val_iou": 0.125, "val_kld": 2.0}


@pytest.mark.trains
def test_outside_a_terminal_each_epoch_is_one_line(capsys, train_small):
    """The line shows epoch, losses, IoU, KLD and the maximum time left."""
    train_small(displays=[progress_callback(3, 4)])
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == 3
    assert lines[0].startswith("epoch 1/3  loss ")
    assert "val iou" in lines[0]
    assert lines[-1].endswith("at most 0 s left")


@pytest.mark.trains
def test_a_terminal_shows_a_bar_and_keeps_the_lines(capsys, monkeypatch, train_small):
    """The bar shows step, loss, IoU and time left; the lines of finished epochs remain."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    bar = progress_callback(3, 4)
    assert isinstance(bar, ProgressBar)

    bar._epoch = 0
    state = bar._format_state(2, LOGS)
    train_small(displays=[bar])

    assert state.startswith("2/4  loss 0.5000  iou 0.250  at most ")
    assert capsys.readouterr().out.count("val iou") == 3


def test_no_time_is_left_after_the_last_epoch():
    """The estimate ends at zero."""
    lines = EpochPrinter(4, 2)

    assert lines.time_left(4) == "at most 0 s left"


@pytest.mark.parametrize("first", [0, 9])
def test_the_time_left_is_that_of_the_remaining_epochs(monkeypatch, capsys, first):
    """Neither the epochs before a resumption count, nor the seconds in which graphs are built."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    lines = EpochPrinter(12, 4)
    clock[0] += 30  # the checkpoint is read
    for epoch in range(first, 12):
        lines.on_epoch_begin(epoch)
        for step in range(4):
            clock[0] += 50 if (epoch, step) == (first, 0) else 1
            lines.on_train_batch_end(step, LOGS)
        lines.on_epoch_end(epoch, LOGS)

    left = [line.rpartition("at most ")[2] for line in capsys.readouterr().out.splitlines()]
    assert left == [f"{4 * (11 - epoch)} s left" for epoch in range(first, 12)]


def test_the_bar_shows_the_time_left_within_the_first_epoch(monkeypatch):
    """The first step, in which the graph is built, does not count."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    bar = ProgressBar(2, 4)
    bar.on_epoch_begin(0)
    for step in range(2):
        clock[0] += 50 if step == 0 else 3
        bar.on_train_batch_end(step, LOGS)

    assert bar._format_state(2, LOGS).endswith("at most 18 s left")
