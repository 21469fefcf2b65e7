"""The card of a run that has just ended."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import keras

from gym.card.collect import collect_facts
from gym.card.pictures import WORST, draw_worst, find_worst, write_worst
from gym.card.writing import write_card
from gym.config import Config
from gym.data.pipeline import SampleReader
from gym.data.split import Split
from gym.data.store import Store
from gym.files import hash_file
from gym.models.tuned import is_tuned
from gym.reporting.evaluation import Evaluation
from gym.result import RunResult
from gym.tracking import machine_tags

_MODEL = "model/model.keras"
_KEPT = ("git_commit", "version.")  # a card is handed on: of the machine it tells no more than the paths of the data


def write_run_card(
    folder: Path,
    config: Config,
    store: Store,
    split: Split,
    result: RunResult,
    evaluations: Mapping[str, Evaluation],
) -> None:
    """Write the card of a run beside its other files, and the picture of the validation images it does worst on.

    Args:
        folder: Holds its model and its pictures.
        config: Its configuration.
        store: Its data.
        split: Their sides.
        result: What it came to.
        evaluations: What it did on its sides; validation is among them.

    Raises:
        OSError: Something cannot be written.
    """
    validation = evaluations["validation"]
    if worst := find_worst(validation):
        read = SampleReader(store, config.augment, config.seed)
        write_worst(folder / WORST, draw_worst(validation, worst, store.bands, read))
    tags = {name: value for name, value in machine_tags().items() if name.startswith(_KEPT)}
    facts = collect_facts(
        config,
        store,
        split,
        result,
        evaluations,
        hashes={"the weights": result.weights_sha256, _MODEL: hash_file(folder / _MODEL)},
        provenance=tags | {"precision": keras.config.dtype_policy().name, "tuned": str(is_tuned())},
        date=datetime.now(UTC).date().isoformat(),
    )
    write_card(folder, facts)
