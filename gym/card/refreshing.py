"""Add an evaluation to the card of the run whose model was judged."""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gym.card.facts import FACTS, add_evaluations, read_facts
from gym.card.writing import list_pictures, write_card
from gym.errors import RunError
from gym.files import naming_disk_errors
from gym.tracking import RunLog

log = logging.getLogger(__name__)


def refresh_card(run: RunLog, place: str, document: Mapping[str, Any]) -> None:
    """Write the card of a run anew, with what an evaluation found; it takes the place of an earlier one of its kind.

    A card whose facts are not there, or damaged, stays as it is, and a word is said.

    Args:
        run: Has the card, and the files of the evaluation.
        place: The folder of its artifacts in which these lie.
        document: The evaluation, as of `gym.evaluation.document.describe_assessment`.

    Raises:
        DataError: There is no room for the files of the card.
        RunError: MLflow cannot be used.
    """
    disk = naming_disk_errors(f"the card of run {run.run_id}", "set TMPDIR=...")
    with disk, tempfile.TemporaryDirectory() as scratch:
        artifacts, card = Path(scratch) / "artifacts", Path(scratch) / "card"
        run.fetch([FACTS], artifacts)
        try:
            facts = add_evaluations(read_facts(artifacts / FACTS), {place: document})
        except RunError as error:
            log.warning("the card of run %s stays as it is: %s", run.run_id, error)
            return
        run.fetch(list_pictures(facts), artifacts)
        write_card(card, facts, artifacts)
        run.log_folder(card)
