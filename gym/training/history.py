"""What is known of a training so far; plain numbers, so that a checkpoint can hold it."""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from gym.training.stopping import EarlyStopping


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
