"""The comparison of the runs of a sweep: a table, figures, and a page that holds them all.

comparison.csv          a row per run, with exact numbers
comparison.html         table, recommendation and figures, in one file that needs no network
figure4.png             mean IoU and KLD by model size, as in the paper
figure4.html            the interactive version
pareto.png              mean IoU by number of parameters and by training time
stopping_epochs.png     when each run stopped
"""

from collections.abc import Sequence
from pathlib import Path

from gym.core.files import write_text
from gym.reporting.comparison_figures import draw_pareto, draw_stopping_epochs
from gym.reporting.equal_models import describe_equal_models
from gym.reporting.figure4 import draw_figure4
from gym.reporting.figure4_interactive import figure4_html
from gym.reporting.page_tables import runs_table
from gym.reporting.pages import render_page
from gym.reporting.recommendation import Recommendation, recommend
from gym.reporting.run_table import comparison_rows, run_labels, swept_keys, write_csv
from gym.reporting.style import embed_png, save_figure
from gym.runs.result import RunResult

_DPI = 140


def write_comparison(folder: Path, results: Sequence[RunResult], title: str, seed: int = 0) -> Recommendation:
    """Write the comparison; other files in the folder are left alone.

    Args:
        folder: Destination folder, created if missing.
        results: The finished runs, in the order of the table.
        title: Title of the page.
        seed: Seed of the bootstrap behind the recommendation.

    Returns:
        Which run to use.

    Raises:
        OSError: A file cannot be written.
    """
    recommendation = recommend(results, seed)
    figures = {
        "figure4": draw_figure4(results),
        "pareto": draw_pareto(results, recommendation.chosen),
        "stopping_epochs": draw_stopping_epochs(results),
    }
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png", _DPI)
    page = render_page(
        "comparison",
        title=title,
        recommendation=recommendation,
        table=runs_table(results, recommendation),
        equal_models=describe_equal_models(results, run_labels(results)),
        pictures={name: embed_png(folder / f"{name}.png") for name in figures},
    )
    write_csv(folder / "comparison.csv", comparison_rows(results, swept_keys(results)))
    write_text(folder / "figure4.html", figure4_html(results))
    write_text(folder / "comparison.html", page)
    return recommendation
