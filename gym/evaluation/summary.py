"""The end of an evaluation, in the terminal."""

from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from gym.bootstrap import Interval
from gym.console import counted, plain_console
from gym.evaluation.assessment import Assessment
from gym.evaluation.page import is_defined, show_score
from gym.evaluation.scores import MEANINGS

_SHOWN = (
    *("iou", "dice", "overall_accuracy", "kld", "boundary_iou", "boundary_distance", "boundary_distance_metres"),
    *("boundary_missed", "calibration_error"),
)


def show_assessment(
    name: str, assessment: Assessment, differences: Mapping[str, Mapping[str, Interval]], page: Path
) -> None:
    """Print the main scores, those of each class, of the baselines and of other runs, and where the page is."""
    console = plain_console()
    scenes = counted(len(set(assessment.scenes)), "scene")
    kind = "image" if assessment.side == "all" else f"{assessment.side} image"
    console.print(f"\n{name} on {counted(len(assessment.scenes), kind)} of {scenes}", style="bold")
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
    for contest in assessment.baselines.contests if assessment.baselines else []:
        table.add_section()
        for rival, scores in contest.scores.items():
            table.add_row(f"IoU on a lattice, {contest.title}: {rival}", show_score(scores["iou"])["shown"])
    return table
