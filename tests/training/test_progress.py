"""What is shown while a model trains."""

import sys

from gym.training.progress import EpochPrinter, ProgressBar, progress_callback

LOGS = {"loss": 0.5, "iou": 0.25, "kld": 1.0, "val_epoch_loss": 0.75, "val_iou": 0.125, "val_kld": 2.0}


def test_outside_a_terminal_each_epoch_is_one_line(capsys, train_small):
    """Epoch, losses, IoU, KLD and the most time left, through a real training."""
    train_small(displays=[progress_callback(3, 4)])
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == 3
    assert lines[0].startswith("epoch 1/3  loss ")
    assert "val iou" in lines[0]
    assert lines[-1].endswith("at most 0 s left")


def test_a_terminal_gets_a_bar_and_keeps_the_lines(capsys, monkeypatch, train_small):
    """The bar shows step, loss, IoU and time left while it lasts; the lines of the epochs stay."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    bar = progress_callback(3, 4)
    assert isinstance(bar, ProgressBar)

    state = bar._state(2, LOGS) if setattr(bar, "_epoch", 0) is None else ""
    train_small(displays=[bar])

    assert state.startswith("2/4  loss 0.5000  iou 0.250  at most ")
    assert capsys.readouterr().out.count("val iou") == 3


def test_time_left_shrinks_to_nothing():
    """After the last epoch nothing is left."""
    lines = EpochPrinter(4)

    assert lines.time_left(4) == "at most 0 s left"
