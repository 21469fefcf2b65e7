"""Write the card of a run, and add evaluations to it.

card.md         the card as Markdown; its pictures are in the same folder
card.html       the same as one file that needs no network
card.json       the contents, to which an evaluation adds its results
"""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
from markupsafe import Markup

from gym.config.schema import SplitConfig
from gym.core.errors import RunError, first_line
from gym.core.files import hash_file, translate_disk_errors, write_text
from gym.core.temporary import temporary_folder
from gym.data.dataset import Dataset
from gym.data.samples import ReadSample, scene_names
from gym.data.split import Split
from gym.data.units import Units, count_units
from gym.evaluation.run_model import Evaluation
from gym.models.cpu_ops import is_tuned
from gym.reporting.card import tables
from gym.reporting.card.collect import describe_worst, find_confusions, score_side, summarize_data
from gym.reporting.card.contents import CONTENTS, CardContents, add_evaluations, read_contents, write_contents
from gym.reporting.card.descriptions import describe_data, describe_model, describe_training, train_command
from gym.reporting.card.limitations import find_limitations, find_warnings
from gym.reporting.card.markdown import bullets, code_block, escape, to_page
from gym.reporting.card.worst_images import WORST, draw_worst, find_worst, write_worst
from gym.reporting.dataset_page import describe_split
from gym.reporting.page_tables import provenance_rows
from gym.reporting.pages import TEMPLATES, render_page
from gym.reporting.style import embed_png
from gym.runs.mlflow_log import RunLog
from gym.runs.provenance import environment_tags
from gym.runs.result import RunResult

CARD = "card.md"
_MODEL = "model/model.keras"
_TOTALS = ("parameters", "trainable_parameters", "seconds", "best_epoch", "stopping_epoch", "training_steps", "loss")
_PUBLIC_TAGS = ("git_commit", "version.")  # a card is shared, so it does not describe the machine
_PICTURE = re.compile(r"^!\[(.*)\]\((.*)\)$", re.MULTILINE)

_CARD_TEMPLATES = TEMPLATES.overlay(autoescape=False, finalize=escape, keep_trailing_newline=True)
_CARD_TEMPLATES.globals = {"tables": tables, "bullets": bullets, "code_block": code_block, "count_units": count_units}

log = logging.getLogger(__name__)


def write_run_card(
    folder: Path,
    dataset: Dataset,
    split: Split,
    split_config: SplitConfig,
    result: RunResult,
    evaluations: Mapping[str, Evaluation],
    units: Mapping[str, Units],
    read: ReadSample,
) -> None:
    """Write the card of a finished run, and the picture of the validation images with the lowest IoU.

    Args:
        folder: Contains the model and the pictures of the run.
        dataset: The dataset of the run.
        split: The samples on each side.
        split_config: How the split was made.
        result: The result of the run.
        evaluations: Its evaluations by side; ``validation`` is among them.
        units: The units that intervals redraw, by side.
        read: Returns image and label of a sample.

    Raises:
        OSError: A file cannot be written.
    """
    validation = evaluations["validation"]
    worst = find_worst(validation)
    if worst:
        write_worst(folder / WORST, draw_worst(validation, worst, dataset.bands, read))
    tags = {name: value for name, value in environment_tags().items() if name.startswith(_PUBLIC_TAGS)}
    contents = CardContents(
        name=result.name,
        run_id=result.run_id,
        fingerprint=result.fingerprint,
        date=datetime.now(UTC).date().isoformat(),
        settings=result.settings,
        totals={name: result.scores[name] for name in _TOTALS if name in result.scores},
        hashes={"the weights": result.weights_sha256, _MODEL: hash_file(folder / _MODEL)},
        provenance=tags | {"precision": keras.config.dtype_policy().name, "tuned": str(is_tuned())},
        split=describe_split(split_config),
        data=summarize_data(dataset, split, split_config.likeness),
        scores=[
            score_side(side, of, scene_names(dataset, of.samples), units[side]) for side, of in evaluations.items()
        ],
        worst=describe_worst(validation, worst),
        confusions=find_confusions(validation.matrix, validation.classes),
    )
    write_card(folder, contents)


def refresh_card(run: RunLog, place: str, document: Mapping[str, Any]) -> None:
    """Add an evaluation to the card of a run, as `update_card` does; it replaces an earlier one of the same folder.

    Args:
        run: The run that has the card and the files of the evaluation.
        place: The folder of these files among the run's artifacts.
        document: The evaluation, as returned by `gym.evaluation.document.describe_assessment`.

    Raises:
        DataError: The files of the card cannot be written.
        RunError: MLflow cannot be used.
    """
    update_card(run, lambda contents: add_evaluations(contents, {place: document}))


def update_card(run: RunLog, change: Callable[[CardContents], CardContents]) -> None:
    """Change the contents of the card of a run, and write the card again.

    A card whose contents are missing or damaged is left unchanged, with a warning.

    Args:
        run: The run that has the card.
        change: Returns the new contents.

    Raises:
        DataError: The files of the card cannot be written.
        RunError: MLflow cannot be used.
    """
    disk = translate_disk_errors(f"the card of run {run.run_id}", "set TMPDIR=...")
    with temporary_folder() as temporary:
        artifacts, card = temporary / "artifacts", temporary / "card"
        with disk:
            run.fetch_artifacts([CONTENTS], artifacts)
            try:
                contents = change(read_card(artifacts / CONTENTS))
            except RunError as error:
                log.warning("the card of run %s was not updated: %s", run.run_id, error)
                return
            run.fetch_artifacts(find_pictures(contents), artifacts)
            write_card(card, contents, artifacts)
        run.log_folder(card)


def write_card(folder: Path, contents: CardContents, pictures: Path | None = None) -> None:
    """Write the files of a card.

    Args:
        folder: Destination folder.
        contents: What the card shows.
        pictures: Folder of the run's artifacts, with the pictures to embed; None means ``folder``. A missing picture is
            described in words.

    Raises:
        OSError: A file cannot be written.
    """
    text = render_markdown(contents)
    write_contents(folder / CONTENTS, contents)
    write_text(folder / CARD, text)
    write_text(folder / "card.html", _render_html(text, pictures or folder))


def render_markdown(contents: CardContents) -> str:
    """Return the card as Markdown."""
    return _CARD_TEMPLATES.get_template("card.md.jinja").render(
        card=contents,
        classes=[one.name for one in contents.data.classes],
        warnings=find_warnings(contents),
        limitations=find_limitations(contents),
        model=describe_model(contents),
        data=describe_data(contents),
        training=describe_training(contents),
        evaluations=dict(sorted(contents.evaluations.items())),
        provenance=dict(provenance_rows([contents.provenance])),
        command=train_command(contents),
    )


def _render_html(text: str, pictures: Path) -> str:
    page = to_page(text, lambda address: embed_png(pictures / address) if (pictures / address).is_file() else "")
    return render_page("card", title=page.title, parts=page.parts, body=Markup(page.body))  # noqa: S704 - to_page escapes


def read_card(path: Path) -> CardContents:
    """Read the contents of a card that can be written again; errors as for `read_contents`."""
    contents = read_contents(path)
    try:
        render_markdown(contents)
    except Exception as error:  # settings and evaluations are checked only by their use
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise RunError(f"{path} is not a readable model card ({reason}); train the run again.") from error
    return contents


def find_pictures(contents: CardContents) -> list[str]:
    """Return the paths of the pictures on a card, relative to the run's artifacts."""
    return [address for _, address in _PICTURE.findall(render_markdown(contents))]


def describe_pictures(text: str) -> str:
    """Replace the pictures of a card by their descriptions, for a place without the picture files."""
    return _PICTURE.sub(r"(\1)", text)
