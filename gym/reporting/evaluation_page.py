"""The page of an evaluation: one HTML file with its tables and pictures, which needs no network.

evaluation.html             the page
confusion_matrix.png        pixels by true and predicted class, and their shares of the true class
reliability.png             whether the model is as sure as it is right
errors_by_distance.png      how far from the boundaries its errors are
worst.png, best.png         images of the lowest and the highest IoU
differences.png             only beside other runs

The end of an evaluation, in the terminal.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from gym.core.files import write_text
from gym.core.text import format_interval, plain_console, pluralize
from gym.data.samples import ReadSample
from gym.evaluation.assessment import Assessment
from gym.evaluation.bootstrap import Interval
from gym.evaluation.scores import MEANINGS, MEANINGS_OF_A_CLASS, OF_A_SITE
from gym.reporting.evaluation_figures import draw_differences, draw_errors_by_distance, draw_reliability
from gym.reporting.figures import draw_confusion_matrix, draw_contact_sheet, rank_by_iou
from gym.reporting.page_tables import ShownTable
from gym.reporting.pages import render_page
from gym.reporting.style import embed, save

_SHEET = 8  # images on a sheet
LEGACY = {
    "iou": "its mean IoU: averaged over batches, an absent class counts as perfect",
    "dice": "its mean Dice: of soft scores, likewise",
    "kld": "its KLD: the share of wrong pixels times 16.118",
    "iou_2022": "its mean IoU at the time of the paper: of the first class alone",
    "dice_2022": "its Dice at the time of the paper: over all classes at once, first ten batches",
    "kld_2022": "its KLD at the time of the paper: first ten batches",
}

Scores = Mapping[str, Interval]


def write_page(
    folder: Path,
    assessment: Assessment,
    title: str,
    facts: Mapping[str, str],
    bands: Sequence[str],
    read: ReadSample,
    seed: int,
    differences: Mapping[str, Scores],
) -> list[Path]:
    """Write the page and its pictures, each whole or not at all; gives the page, and then the pictures.

    Args:
        folder: Where to.
        assessment: What came of the evaluation.
        title: What was judged.
        facts: What else is to be said of it, by name.
        bands: Band names.
        read: Gives image and label of a sample.
        seed: Of the bootstrap.
        differences: By other run the scores of this one less those of that.

    Raises:
        OSError: Something cannot be written.
    """
    names = draw_pictures(folder, assessment, bands, read, seed)
    if differences:
        save(draw_differences(differences), folder / "differences.png")
        names.append("differences")
    pictures = {name: folder / f"{name}.png" for name in names}
    page = render_page(
        "evaluation.html.jinja",
        title=title,
        facts=facts,
        assessment=assessment,
        scenes=len(set(assessment.scenes)),
        tables=make_tables(assessment, differences),
        legacy=legacy_rows(assessment),
        pictures={name: embed(path) for name, path in pictures.items()},
    )
    write_text(folder / "evaluation.html", page)
    return [folder / "evaluation.html", *pictures.values()]


def draw_pictures(folder: Path, assessment: Assessment, bands: Sequence[str], read: ReadSample, seed: int) -> list[str]:
    """Draw what every evaluation has, one after another; gives the names of the pictures."""
    evaluation = assessment.evaluation
    ranked = rank_by_iou(evaluation)
    names = []

    def draw(name: str, figure: Figure) -> None:
        save(figure, folder / f"{name}.png")
        names.append(name)

    draw("confusion_matrix", draw_confusion_matrix(evaluation.matrix, evaluation.classes))
    draw("reliability", draw_reliability(assessment))
    draw("errors_by_distance", draw_errors_by_distance(assessment, seed))
    if ranked:
        for name, images in {"worst": ranked[:_SHEET], "best": ranked[::-1][:_SHEET]}.items():
            draw(name, draw_contact_sheet(evaluation, bands, read, assessment.side, images, f"the {name}"))
    return names


def make_tables(assessment: Assessment, differences: Mapping[str, Scores]) -> dict[str, Any]:
    """The tables of the page, by name."""
    both = {
        name: [assessment.overall[name], assessment.images.get(name)]
        for name in MEANINGS
        if is_defined(assessment.overall[name])
    }
    beside = assessment.baselines
    comparisons = beside.comparisons if beside else []
    contest_rows = [
        {name: [*scores.values(), contest.leads.get(name)] for name, scores in contest.scores.items()}
        for contest in comparisons
    ]
    site_columns = [name for name in OF_A_SITE if name != "overall_accuracy"]
    return {
        "overall": score_table(["score", "all pixels", "mean over images"], {MEANINGS[k]: v for k, v in both.items()}),
        "classes": score_table(
            ["class", *MEANINGS_OF_A_CLASS.values()],
            {name: [scores[key] for key in MEANINGS_OF_A_CLASS] for name, scores in assessment.classes.items()},
        ),
        "sites": score_table(
            ["site", *(MEANINGS[name] for name in site_columns), *(f"IoU {name}" for name in assessment.classes)],
            {
                site: [scores[key] for key in [*site_columns, *(f"iou/{name}" for name in assessment.classes)]]
                for site, scores in assessment.sites.items()
            },
        ),
        "contests": [
            (contest.title, score_table(["", "mean IoU", "mean Dice", "right pixels", "model leads by"], rows))
            for contest, rows in zip(comparisons, contest_rows, strict=True)
        ],
        "differences": score_table(
            ["less", *(MEANINGS[name] for name in MEANINGS)],
            {other: [scores[name] for name in MEANINGS] for other, scores in differences.items()},
        ),
    }


def score_table(columns: Sequence[str], rows: Mapping[str, Sequence[Interval | None]]) -> ShownTable:
    """A table of scores with their intervals; columns in which nothing is defined are left out."""
    kept = [place for place in range(len(columns) - 1) if any(is_defined(scores[place]) for scores in rows.values())]
    return ShownTable(
        [{"title": columns[0], "is_number": False}]
        + [{"title": columns[place + 1], "is_number": True} for place in kept],
        [
            {"cells": [{"shown": name, "value": name}, *(show_score(scores[place]) for place in kept)], "marks": []}
            for name, scores in rows.items()
        ],
    )


def is_defined(score: Interval | None) -> bool:
    """Whether there is such a score."""
    return score is not None and not np.isnan(score.value)


def show_score(score: Interval | None) -> dict[str, str]:
    """A score with its interval, and what to sort it by."""
    if score is None or not is_defined(score):
        return {"shown": "-", "value": ""}
    return {"shown": format_interval(*score), "value": repr(score.value)}


def legacy_rows(assessment: Assessment) -> list[dict[str, str]]:
    """The numbers that the original program would have printed, each beside the right one."""
    legacy, right = assessment.evaluation.legacy, assessment.overall
    return [
        {
            "meaning": meaning,
            "legacy": f"{legacy[name]:.3f}",
            "right": f"{right[name.removesuffix('_2022')].value:.3f}",
        }
        for name, meaning in LEGACY.items()
        if name in legacy
    ]


_SHOWN = (
    *("iou", "dice", "overall_accuracy", "kld", "boundary_iou", "boundary_distance", "boundary_distance_metres"),
    *("boundary_missed", "calibration_error"),
)


def show_assessment(
    name: str, assessment: Assessment, differences: Mapping[str, Mapping[str, Interval]], page: Path
) -> None:
    """Print the main scores, those of each class, of the baselines and of other runs, and where the page is."""
    console = plain_console()
    scenes = pluralize(len(set(assessment.scenes)), "scene")
    kind = "image" if assessment.side == "all" else f"{assessment.side} image"
    console.print(f"\n{name} on {pluralize(len(assessment.scenes), kind)} of {scenes}", style="bold")
    for warning in assessment.warnings:
        console.print(f"beware: {warning}")
    console.print(summary_table(assessment))
    for other, scores in differences.items():
        console.print(f"mean IoU less that of {other}: {show_score(scores['iou'])['shown']}")
    console.print(f"\nin brackets: 95 % interval over scenes\nall of it: {page}")


def summary_table(assessment: Assessment) -> Table:
    """Main scores, IoU of each class; and on the lattice mean IoU of the model and of each baseline."""
    table = Table()
    table.add_column("score")
    table.add_column("all pixels", justify="right")
    for key in _SHOWN:
        if key != "boundary_distance_metres" or is_defined(assessment.overall[key]):
            table.add_row(MEANINGS[key], show_score(assessment.overall[key])["shown"])
    table.add_section()
    for kind, scores in assessment.classes.items():
        table.add_row(f"IoU {kind}", show_score(scores["iou"])["shown"])
    for contest in assessment.baselines.comparisons if assessment.baselines else []:
        table.add_section()
        for rival, scores in contest.scores.items():
            table.add_row(f"IoU on a lattice, {contest.title}: {rival}", show_score(scores["iou"])["shown"])
    return table
