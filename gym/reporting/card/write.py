"""Write the card of a run.

card.md         to read anywhere; its pictures lie beside it
card.html       the same as one file that needs no network
card.json       the facts, for an evaluation to add to

The card of a run that has just ended.

Add an evaluation to the card of the run whose model was judged.
"""

import logging
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
from markupsafe import Markup

from gym.config.schema import SplitConfig
from gym.core.errors import RunError
from gym.core.files import hash_file, translate_disk_errors, write_text
from gym.data.dataset import Dataset
from gym.data.samples import ReadSample
from gym.data.split import Split
from gym.evaluation.run_model import Evaluation
from gym.models.cpu_ops import is_tuned
from gym.reporting.card import tables
from gym.reporting.card.collect import WORST, collect_facts, draw_worst, find_worst, write_worst
from gym.reporting.card.contents import FACTS, CardFacts, add_evaluations, read_facts, write_facts
from gym.reporting.card.markdown import bullets, code, escape, to_page
from gym.reporting.card.prose import (
    describe_data,
    describe_model,
    describe_training,
    is_leaky,
    list_limits,
    list_warnings,
    train_command,
)
from gym.reporting.page_tables import provenance_rows
from gym.reporting.pages import TEMPLATES, render_page
from gym.reporting.style import embed_png
from gym.runs.mlflow_log import RunLog, environment_tags
from gym.runs.result import RunResult

CARD = "card.md"

_PICTURE = re.compile(r"^!\[(.*)\]\((.*)\)$", re.MULTILINE)
_FUNCTIONS: Sequence[Callable[..., str]] = (
    *(tables.overall_table, tables.side_tables, tables.contest_table, tables.calibration_table),
    *(tables.count_table, tables.pixel_table, tables.worst_table, tables.word_score),
    *(tables.name_images, bullets, code),
)
_CARDS = TEMPLATES.overlay(autoescape=False, finalize=escape, keep_trailing_newline=True)
_CARDS.globals = {make.__name__: make for make in _FUNCTIONS}


def write_card(folder: Path, facts: CardFacts, pictures: Path | None = None) -> None:
    """Write a card, each of its files whole or not at all.

    Args:
        folder: Where to.
        facts: What it says.
        pictures: The folder of the run's artifacts; the pictures that are not there are missing in ``card.html``. None
            means ``folder``.

    Raises:
        OSError: It cannot be written.
    """
    text = render_markdown(facts)
    write_facts(folder / FACTS, facts)
    write_text(folder / CARD, text)
    write_text(folder / "card.html", render_html(text, pictures or folder))


def render_markdown(facts: CardFacts) -> str:
    """The card as Markdown."""
    return _CARDS.get_template("card.md.jinja").render(context_of(facts))


def context_of(facts: CardFacts) -> Mapping[str, Any]:
    """The values that the template uses."""
    return {
        "facts": facts,
        "classes": [one.name for one in facts.data.classes],
        "validation": next(side for side in facts.scores if side.side == "validation"),
        "leaky": is_leaky(facts),
        "warnings": list_warnings(facts),
        "limits": list_limits(facts),
        "model": describe_model(facts),
        "data": describe_data(facts),
        "training": describe_training(facts),
        "evaluations": dict(sorted(facts.evaluations.items())),
        "provenance": dict(provenance_rows([facts.provenance])),
        "command": train_command(facts),
    }


def list_pictures(facts: CardFacts) -> list[str]:
    """The pictures that a card shows, by their paths among the run's artifacts."""
    return [address for _, address in _PICTURE.findall(render_markdown(facts))]


def without_pictures(text: str) -> str:
    """A card as Markdown that names its pictures and does not show them, for where they do not lie beside it."""
    return _PICTURE.sub(r"(\1)", text)


def render_html(text: str, pictures: Path) -> str:
    """The same as one HTML file, with the pictures that are there inside it."""
    page = to_page(text, lambda address: embed_png(pictures / address) if (pictures / address).is_file() else "")
    return render_page("card", title=page.title, parts=page.parts, body=Markup(page.body))  # noqa: S704 - no markup but its own


_MODEL = "model/model.keras"
_KEPT = ("git_commit", "version.")  # a card is handed on: of the machine it tells no more than the paths of the data


def write_run_card(
    folder: Path,
    dataset: Dataset,
    split: Split,
    split_config: SplitConfig,
    result: RunResult,
    evaluations: Mapping[str, Evaluation],
    read: ReadSample,
) -> None:
    """Write the card of a run beside its other files, and the picture of the validation images it does worst on.

    Args:
        folder: Holds its model and its pictures.
        dataset: The dataset of the run.
        split: The samples on each side.
        split_config: How they were chosen.
        result: The result of the run.
        evaluations: Its evaluations by side; ``validation`` is among them.
        read: Reads the image and the label of a sample.

    Raises:
        OSError: Something cannot be written.
    """
    validation = evaluations["validation"]
    if worst := find_worst(validation):
        write_worst(folder / WORST, draw_worst(validation, worst, dataset.bands, read))
    tags = {name: value for name, value in environment_tags().items() if name.startswith(_KEPT)}
    facts = collect_facts(
        split_config,
        dataset,
        split,
        result,
        evaluations,
        hashes={"the weights": result.weights_sha256, _MODEL: hash_file(folder / _MODEL)},
        provenance=tags | {"precision": keras.config.dtype_policy().name, "tuned": str(is_tuned())},
        date=datetime.now(UTC).date().isoformat(),
    )
    write_card(folder, facts)


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
    disk = translate_disk_errors(f"the card of run {run.run_id}", "set TMPDIR=...")
    with disk, tempfile.TemporaryDirectory() as scratch:
        artifacts, card = Path(scratch) / "artifacts", Path(scratch) / "card"
        run.fetch_artifacts([FACTS], artifacts)
        try:
            facts = add_evaluations(read_facts(artifacts / FACTS), {place: document})
        except RunError as error:
            log.warning("the card of run %s stays as it is: %s", run.run_id, error)
            return
        run.fetch_artifacts(list_pictures(facts), artifacts)
        write_card(card, facts, artifacts)
        run.log_folder(card)
