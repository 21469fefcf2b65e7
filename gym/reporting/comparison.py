"""Report on the runs of a sweep: a table, pictures, and one HTML page that holds them all.

comparison.csv          a row a run, exact numbers
comparison.html         table, recommendation and pictures, in one file that needs no network
figure4.png             mean IoU and KLD by model size, as in the paper
figure4.html            the same to hover over
pareto.png              mean IoU by parameters and by time
stopping_epochs.png     when each run stopped
"""

from collections.abc import Sequence
from pathlib import Path

from gym.files import write_text
from gym.reporting.comparison_figures import draw_pareto, draw_stopping_epochs
from gym.reporting.drawing import embed, save
from gym.reporting.figure4 import draw_figure4
from gym.reporting.figure4_page import figure4_html
from gym.reporting.page import render_page
from gym.reporting.recommendation import Recommendation, recommend
from gym.reporting.run_table import comparison_rows, swept_keys, write_csv
from gym.reporting.shown_table import runs_table
from gym.result import RunResult

_DPI = 140


def write_comparison(folder: Path, results: Sequence[RunResult], title: str, seed: int = 0) -> Recommendation:
    """Write the report into a folder, each file whole or not at all; what else is in the folder stays.

    Args:
        folder: Where to; made as needed.
        results: The finished runs, in the order in which they are to be listed.
        title: What they are.
        seed: Of the bootstrap behind the recommendation.

    Returns:
        Which run to use.

    Raises:
        OSError: Something cannot be written.
    """
    recommendation = recommend(results, seed)
    pictures = {
        "figure4": draw_figure4(results),
        "pareto": draw_pareto(results, recommendation.chosen),
        "stopping_epochs": draw_stopping_epochs(results),
    }
    for name, figure in pictures.items():
        save(figure, folder / f"{name}.png", _DPI)
    write_csv(folder / "comparison.csv", comparison_rows(results, swept_keys(results)))
    write_text(folder / "figure4.html", figure4_html(results))
    embedded = {name: embed(folder / f"{name}.png") for name in pictures}
    write_text(folder / "comparison.html", render(results, recommendation, title, embedded))
    return recommendation


def render(results: Sequence[RunResult], recommendation: Recommendation, title: str, pictures: dict[str, str]) -> str:
    """Make the page."""
    table = runs_table(results, recommendation)
    return render_page(
        "comparison.html.jinja", title=title, recommendation=recommendation, table=table, pictures=pictures
    )
