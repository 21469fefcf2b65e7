"""Report on one run: its scores, curves and examples on one page, and its figures for print.

report.html             everything, in one file that needs no network
figure3.png, .svg       validation images, their labels and what the model makes of them
learning_curves.png, .svg

The end of a run, in the terminal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from gym.core.files import write_text
from gym.core.text import format_duration, format_score, plain_console
from gym.evaluation import confusion
from gym.evaluation.run_model import Evaluation
from gym.evaluation.scores import MEANINGS, MEANINGS_OF_A_CLASS
from gym.reporting.evaluation_page import LEGACY
from gym.reporting.figure3 import ZOOM, Examples, draw_examples
from gym.reporting.figures import draw_learning_curves
from gym.reporting.page_tables import ShownTable, make_table, site_table
from gym.reporting.pages import render_page
from gym.reporting.run_table import score_of
from gym.reporting.style import PAGE_WIDTH, save_for_print, show_figure
from gym.reporting.training_curves import no_curves
from gym.runs.result import RunResult
from gym.training.checkpoint import Epoch


def show_result(name: str, scores: Mapping[str, float], evaluation: Evaluation, next_steps: Sequence[str]) -> None:
    """Print the scores of a run on the validation side, those of a test side in one line, and what to do next."""
    console = plain_console()
    console.print(f"\n{name}  {format_duration(scores['seconds'])}", style="bold")
    console.print(score_table(evaluation))
    if "test/iou" in scores:
        console.print(
            f"on the test side: mean IoU {format_score(scores['test/iou'])}, Dice {format_score(scores['test/dice'])}"
        )
    console.print(
        f"KLD {format_score(scores.get('kld', float('nan')), digits=4)}   "
        f"stopping epoch {scores['stopping_epoch']:.0f}   "
        f"best epoch {scores['best_epoch']:.0f}   parameters {scores['parameters']:,.0f}"
    )
    console.print("\n" + "\n".join(next_steps))


def score_table(evaluation: Evaluation) -> Table:
    """IoU, Dice and share of truth by class, and the means of the first two."""
    table = Table()
    table.add_column("class")
    for column in ("IoU", "Dice", "share of truth"):
        table.add_column(column, justify="right")
    matrix = evaluation.matrix
    shares = confusion.ratio(matrix.sum(axis=1), np.full(len(matrix), matrix.sum()))
    scores = zip(evaluation.classes, confusion.class_iou(matrix), confusion.class_dice(matrix), shares, strict=True)
    for label, *values in scores:
        table.add_row(label, *map(format_score, values))
    table.add_section()
    table.add_row("mean", format_score(confusion.mean_iou(matrix)), format_score(confusion.mean_dice(matrix)), "")
    return table


_FONT = 7.0
_COUNTS = {
    "parameters": "parameters",
    "trainable_parameters": "of them trainable",
    "stopping_epoch": "stopping epoch",
    "best_epoch": "best epoch",
    "training_pairs": "training pairs",
    "training_steps": "training steps",
}


@dataclass(frozen=True)
class RunFacts:
    """All that a report on a run is made from.

    Attributes:
        name: Of the run.
        about: What is to be said of it first, by name.
        result: What it came to; None where it did not come to an end.
        epochs: As far as they were logged.
        command: Makes it.
        environment: With what it was made, by name.
        sites: The site of each validation image, by name; empty where the data are gone.
        examples: What Figure 3 shows; where there is nothing to show, why not.
        notes: What is gone or went wrong, in sentences.
    """

    name: str
    about: list[tuple[str, str]]
    result: RunResult | None
    epochs: list[Epoch]
    command: str
    environment: list[tuple[str, str]]
    sites: dict[str, str]
    examples: Examples | str
    notes: list[str] = field(default_factory=list)


def write_run_report(folder: Path, facts: RunFacts) -> list[Path]:
    """Write the report into a folder, each file whole or not at all; what else is in the folder stays.

    Args:
        folder: Where to; made as needed.
        facts: What is known of the run.

    Returns:
        The files, the page first.

    Raises:
        OSError: Something cannot be written.
    """
    result = facts.result
    figures = {"learning_curves": draw_curves(facts.epochs), **draw_examples(facts.examples)}
    files = [path for name, figure in figures.items() for path in save_for_print(figure, folder, name)]
    page = render_page(
        "run_report.html.jinja",
        title=f"Run {facts.name}",
        facts=facts,
        tables=score_tables(result) if result else [],
        counts=word_counts(result) if result else [],
        sites=site_table(result, facts.sites) if result else None,
        legacy=legacy_rows(result) if result else [],
        pictures={name: show_figure(figure, folder / f"{name}.png") for name, figure in figures.items()},
        zoom=ZOOM,
    )
    write_text(folder / "report.html", page)
    return [folder / "report.html", *files]


def draw_curves(epochs: list[Epoch]) -> Figure:
    """The learning curves of a run as wide as a page, with letters that can be read there."""
    if not epochs:
        return no_curves()
    with mpl.rc_context({"font.size": _FONT}):
        figure = draw_learning_curves(epochs, min(epochs, key=lambda epoch: epoch.val_loss).number)
    figure.set_size_inches(PAGE_WIDTH, 2.5)
    return figure


def score_tables(result: RunResult) -> list[tuple[str, ShownTable]]:
    """The scores of each side: over all classes, and by class."""
    sides = {"validation": "", "test": "test/"}
    known = {side: prefix for side, prefix in sides.items() if f"{prefix}iou" in result.scores}
    overall = {
        meaning: [score_of(result, f"{prefix}{name}") for prefix in known.values()]
        for name, meaning in MEANINGS.items()
        if any(f"{prefix}{name}" in result.scores for prefix in known.values())
    }
    tables = [("Over all classes", make_table(["score", *known], overall))]
    for side, prefix in known.items():
        scores = [
            name
            for name in MEANINGS_OF_A_CLASS
            if any(key.startswith(f"{prefix}class_{name}/") for key in result.scores)
        ]
        rows = {kind: [score_of(result, f"{prefix}class_{name}/{kind}") for name in scores] for kind in result.classes}
        tables.append(
            (f"By class, {side}", make_table(["class", *(MEANINGS_OF_A_CLASS[name] for name in scores)], rows))
        )
    return tables


def word_counts(result: RunResult) -> list[tuple[str, str]]:
    """Sizes, epochs and time of a run, by name."""
    rows = [
        (title, f"{value:,.0f}") for name, title in _COUNTS.items() if (value := score_of(result, name)) is not None
    ]
    seconds = score_of(result, "seconds")
    return [
        *rows,
        *([("training time", format_duration(seconds))] if seconds is not None else []),
        ("weights (SHA-256)", result.weights_sha256),
    ]


def legacy_rows(result: RunResult) -> list[dict[str, str]]:
    """The numbers that the original program would have printed, with what each of them is."""
    values: Mapping[str, float | None] = {name: score_of(result, f"legacy/{name}") for name in LEGACY}
    return [{"meaning": LEGACY[name], "value": f"{value:.3f}"} for name, value in values.items() if value is not None]
