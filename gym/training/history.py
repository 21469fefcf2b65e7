"""What is known of a training so far; plain numbers, so that a checkpoint can hold it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from gym.training.stopping import EarlyStopping

# Names of an epoch's values in MLflow, where its number is the step.
LOGGED = {
    "train_loss": "train/loss",
    "train_iou": "train/iou",
    "val_loss": "val/loss",
    "val_iou": "val/iou",
    "val_kld": "val/kld",
    "learning_rate": "learning_rate",
}


class Epoch(NamedTuple):
    """What one epoch came to.

    ``number`` counts from 1. ``train_loss`` is the mean over the epoch's batches, while the weights change;
    ``val_loss`` is the loss over all validation scenes as one, so it depends on neither batches nor order.
    """

    number: int
    learning_rate: float
    train_loss: float
    train_iou: float
    val_loss: float
    val_iou: float
    val_kld: float


def epoch_metrics(epoch: Epoch) -> dict[str, float]:
    """An epoch's values under their names in MLflow."""
    return {name: getattr(epoch, value) for value, name in LOGGED.items()}


def logged_epochs(metrics: Mapping[str, Mapping[int, float]]) -> list[Epoch]:
    """The epochs that were logged, by name and step; one of which a value is missing is left out."""
    steps = [set(metrics.get(name, {})) for name in LOGGED.values()]
    return [
        Epoch(number=step, **{value: metrics[name][step] for value, name in LOGGED.items()})
        for step in sorted(set.intersection(*steps))
    ]


@dataclass
class History:
    """How a training went, from its first epoch, however often it was taken up again.

    Attributes:
        stopping: Which epoch was best, and which was the last.
        epochs: All epochs.
        seconds: What they took, without the time between attempts.
    """

    stopping: EarlyStopping
    epochs: list[Epoch] = field(default_factory=list)
    seconds: float = 0.0

    def is_over(self, most_epochs: int) -> bool:
        """Whether there is nothing left to train."""
        return self.stopping.is_over or self.stopping.last_epoch >= most_epochs

    def as_notes(self) -> dict[str, Any]:
        """All of it, JSON-like."""
        return {"stopping": asdict(self.stopping), "epochs": self.epochs, "seconds": self.seconds}

    @classmethod
    def from_notes(cls, notes: dict[str, Any]) -> "History":
        """What `as_notes` gave, made a history again."""
        epochs = [Epoch(*values) for values in notes["epochs"]]
        return cls(EarlyStopping(**notes["stopping"]), epochs, notes["seconds"])
