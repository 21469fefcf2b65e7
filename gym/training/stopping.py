"""When to stop: no better validation loss for ``patience`` epochs."""

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """What is known of a run's validation loss so far; plain numbers, so a checkpoint can hold it.

    Epochs count from 1, and 0 stands for none. The stopping epoch of a run is the last that was trained.
    """

    patience: int
    best_loss: float = float("inf")
    best_epoch: int = 0
    last_epoch: int = 0

    def observe(self, epoch: int, loss: float) -> bool:
        """Take the validation loss of an epoch; tell whether it is the lowest so far."""
        self.last_epoch = epoch
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
        return self.best_epoch == epoch

    @property
    def is_over(self) -> bool:
        """Whether the last ``patience`` epochs brought nothing better."""
        return self.last_epoch - self.best_epoch >= self.patience
