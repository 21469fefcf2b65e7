"""HTML pages from the templates of this package, each one file that needs no network, and what reports share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from gym.core.files import write_text
from gym.data.units import count_units, name_units
from gym.evaluation.bootstrap import COVERAGE_OF_FEW_UNITS, FEW_UNITS
from gym.reporting.figure3 import ZOOM, draw_figure3
from gym.reporting.figure3_data import Examples
from gym.reporting.style import embed_figure, save_for_print

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
)
TEMPLATES.globals |= {
    "few_units": FEW_UNITS,
    "coverage_of_few_units": COVERAGE_OF_FEW_UNITS,
    "count_units": count_units,
    "name_units": name_units,
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the reports on a run and on a sweep have in common.

    Attributes:
        name: Name of the run or sweep.
        command: The command that trains the run, or starts or resumes the sweep; empty if unknown.
        environment: Code, packages, machine and data, as names and values.
        sites: The site of each validation image, by image name; empty if the data are missing.
        examples: What Figure 3 shows, or the reason why there is none.
        notes: What is missing or went wrong, in sentences.
    """

    name: str
    command: str
    environment: list[tuple[str, str]]
    sites: dict[str, str]
    examples: Examples | str
    notes: list[str] = field(default_factory=list)


def write_report(
    folder: Path, template: str, report: Report, figures: Mapping[str, Figure], **values: Any
) -> list[Path]:
    """Write the page of a report and its figures for print, Figure 3 included; other files in the folder stay.

    Args:
        folder: Destination folder, created if missing.
        template: Name of the template, as in ``sweep``.
        report: What the report shows.
        figures: Its figures by file name, without Figure 3.
        values: Further variables of the template by name.

    Returns:
        The page, then the figures.

    Raises:
        OSError: A file cannot be written.
    """
    if not isinstance(report.examples, str):
        figures = {**figures, "figure3": draw_figure3(report.examples)}
    files = [path for name, figure in figures.items() for path in save_for_print(figure, folder, name)]
    pictures = {name: embed_figure(figure, folder / f"{name}.png") for name, figure in figures.items()}
    title = f"{template.capitalize()} {report.name}"
    page = render_page(template, title=title, report=report, pictures=pictures, zoom=ZOOM, **values)
    write_text(folder / "report.html", page)
    return [folder / "report.html", *files]


def render_page(template: str, **values: Any) -> str:
    """Fill a template with values, which are escaped: whatever a user named is shown as text.

    Args:
        template: Name of the template without its suffix, as in ``comparison``.
        values: The template's variables by name.

    Raises:
        jinja2.UndefinedError: The template uses a variable that is not given.
    """
    return TEMPLATES.get_template(f"{template}.html.jinja").render(values)
