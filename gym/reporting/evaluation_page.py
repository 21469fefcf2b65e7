"""The results of an evaluation: an HTML page in one file that needs no network, and a summary in the terminal.

evaluation.html             the page
confusion_matrix.png        pixels by true and predicted class, and their share of the true class
reliability.png             accuracy by confidence
errors_by_distance.png      error rate by distance from a class boundary
worst.png, best.png         images with the lowest and the highest IoU
differences.png             differences to other runs; only in a comparison
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Column, Table

from gym.config.registries import SCORES, Place
from gym.core.files import write_text
from gym.core.text import plain_console, pluralize, print_table
from gym.data.samples import ReadSample
from gym.evaluation.assessment import Assessment
from gym.evaluation.bootstrap import Interval
from gym.evaluation.legacy_scores import explain_left_out
from gym.evaluation.scores import sum_counts
from gym.reporting import evaluation_figures, page_tables
from gym.reporting.contact_sheet import draw_contact_sheet, rank_by_iou
from gym.reporting.page_tables import PageTable, is_defined, score_cell, score_table
from gym.reporting.pages import render_page
from gym.reporting.style import embed_png, save_figure

_SHEET = 8  # images on a contact sheet

Differences = Mapping[str, Mapping[str, Interval]]


def write_page(
    folder: Path,
    assessment: Assessment,
    title: str,
    about: Mapping[str, str],
    bands: Sequence[str],
    read: ReadSample,
    seed: int,
    differences: Differences,
) -> list[Path]:
    """Write the page and its pictures.

    Args:
        folder: Destination folder.
        assessment: The results of the evaluation.
        title: Title of the page.
        about: What the page says before the scores, as names and values.
        bands: Band names.
        read: Returns image and label of a sample.
        seed: Seed of the bootstrap.
        differences: The scores of this run minus those of each other run, by name of the other run.

    Returns:
        The page, then the pictures.

    Raises:
        OSError: A file cannot be written.
    """
    figures = _draw_figures(assessment, bands, read, seed)
    if differences:
        figures["differences"] = evaluation_figures.draw_differences(differences, assessment.units.plural)
    pictures = {name: folder / f"{name}.png" for name in figures}
    for name, path in pictures.items():
        save_figure(figures[name], path)
    page = render_page(
        "evaluation",
        title=title,
        about=about,
        assessment=assessment,
        tables=make_tables(assessment, differences),
        comparisons=baseline_tables(assessment),
        legacy=page_tables.legacy_rows(assessment.evaluation.legacy, assessment.overall),
        legacy_note=explain_left_out(assessment.evaluation.classes, assessment.evaluation.null_class),
        pictures={name: embed_png(path) for name, path in pictures.items()},
    )
    write_text(folder / "evaluation.html", page)
    return [folder / "evaluation.html", *pictures.values()]


def _draw_figures(assessment: Assessment, bands: Sequence[str], read: ReadSample, seed: int) -> dict[str, Figure]:
    evaluation, counts = assessment.evaluation, assessment.counts
    figures = {
        "confusion_matrix": evaluation_figures.draw_confusion_matrix(evaluation.matrix, evaluation.classes),
        "reliability": evaluation_figures.draw_reliability(sum_counts(counts)),
        "errors_by_distance": evaluation_figures.draw_errors_by_distance(assessment.units.names, counts.errors, seed),
    }
    if ranked := rank_by_iou(evaluation):
        for name, images in {"worst": ranked[:_SHEET], "best": ranked[::-1][:_SHEET]}.items():
            figures[name] = draw_contact_sheet(evaluation, bands, read, assessment.side, images, f"the {name}")
    return figures


def make_tables(assessment: Assessment, differences: Differences) -> dict[str, PageTable]:
    """Tabulate all scores: overall, by class, by site, and the differences to other runs."""
    main = SCORES.get(SCORES.default)
    class_titles = {entry.name: entry.class_title for entry in SCORES.by_class}
    site_titles = SCORES.titles_at(Place.SITE_TABLE)
    site_titles |= {f"{main.name}/{name}": f"{main.class_title} {name}" for name in assessment.classes}
    return {
        "overall": page_tables.overall_table(assessment.overall, assessment.images),
        "classes": score_table("class", class_titles, assessment.classes),
        "sites": score_table("site", site_titles, assessment.sites),
        "differences": score_table("other run", SCORES.titles_at(Place.EVALUATION), differences),
    }


def baseline_tables(assessment: Assessment) -> dict[str, PageTable]:
    """Compare the model with its baselines, one table per comparison, by its title."""
    comparisons = assessment.baselines.comparisons if assessment.baselines else []
    return {one.title: page_tables.baseline_table(one.scores, one.leads, "lead of the model") for one in comparisons}


def print_assessment(name: str, assessment: Assessment, differences: Differences, page: Path, choice: str = "") -> None:
    """Print the main scores, the differences in mean IoU to other runs, and the path of the page.

    Args:
        name: Name of the run.
        assessment: The results of the evaluation.
        differences: As for `write_page`.
        page: The page.
        choice: How the run was chosen; empty if it was not.
    """
    console = plain_console()
    scenes = pluralize(len(set(assessment.scenes)), "scene")
    kind = "image" if assessment.side == "all" else f"{assessment.side} image"
    console.print()
    console.print(f"{name} on {pluralize(len(assessment.scenes), kind)} of {scenes}", style="bold")
    if choice:
        console.print(choice)
    for warning in assessment.warnings:
        console.print(f"warning: {warning}")
    print_table(summary_table(assessment))
    for other, scores in differences.items():
        main = SCORES.get(SCORES.default)
        console.print(f"{main.title} minus that of {other}: {score_cell(scores[main.name]).text}")
    units = assessment.units
    intervals = f"in parentheses: 95 % interval over {units.describe()}"
    if units.number < 2:
        intervals = f"no intervals: all images are of {units.describe()}"
    console.print_lines(["", *filter(None, [intervals, units.note, f"full report: {page}"])])


def summary_table(assessment: Assessment) -> Table:
    """Tabulate the main scores, the IoU of each class, and the mean IoU of the model and its baselines."""
    table = Table("score", Column("all pixels", justify="right"))
    for entry in SCORES.at(Place.TERMINAL):
        # Every evaluation shows a dash for an undefined score, but metres only if the imagery is georeferenced.
        if entry.unit != "m" or is_defined(assessment.overall[entry.name]):
            table.add_row(entry.long_title, score_cell(assessment.overall[entry.name]).text)
    main = SCORES.get(SCORES.default)
    table.add_section()
    for kind, scores in assessment.classes.items():
        table.add_row(f"{main.class_title} {kind}", score_cell(scores[main.name]).text)
    for comparison in assessment.baselines.comparisons if assessment.baselines else []:
        table.add_section()
        for name, scores in comparison.scores.items():
            row = f"{main.class_title} on a lattice, {comparison.title}: {name}"
            table.add_row(row, score_cell(scores[main.name]).text)
    return table
