"""The page of an evaluation: one HTML file with its tables and pictures, which needs no network.

evaluation.html             the page
confusion_matrix.png        pixels by true and predicted class, and their shares of the true class
reliability.png             whether the model is as sure as it is right
errors_by_distance.png      how far from the boundaries its errors are
worst.png, best.png         images of the lowest and the highest IoU
differences.png             only beside other runs
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gym.bootstrap import Interval
from gym.console import worded_interval
from gym.data.sides import ReadSample
from gym.evaluation.assessment import Assessment
from gym.evaluation.figures import draw_differences, draw_errors_by_distance, draw_reliability
from gym.evaluation.scores import MEANINGS, MEANINGS_OF_A_CLASS, OF_A_SITE
from gym.files import write_text
from gym.reporting.drawing import embed, save
from gym.reporting.figures import draw_confusion_matrix, draw_contact_sheet, rank_by_iou
from gym.reporting.page import render_page
from gym.reporting.shown_table import ShownTable

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
    contests = beside.contests if beside else []
    contest_rows = [
        {name: [*scores.values(), contest.leads.get(name)] for name, scores in contest.scores.items()}
        for contest in contests
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
            for contest, rows in zip(contests, contest_rows, strict=True)
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
    return {"shown": worded_interval(*score), "value": repr(score.value)}


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
