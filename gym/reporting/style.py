"""The look that all figures share: sizes, text, legends, and how a figure is saved or embedded in a page."""

import base64
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gym.core.files import atomic_file
from gym.data.class_colours import class_colours

PAGE_WIDTH = 7.2  # inches: two columns of a journal
COLUMN_WIDTH = 3.5
PRINT_DPI = 300
FONT, SMALLEST_FONT = 7.5, 6.5  # points: text of printed figures, and the smallest that is still readable
_LOSS_WIDTH = 2.15  # inches of each further column
MOST_NAMED = 100  # rows of a panel
_LONGEST_LABEL = 60  # characters that fit next to a panel
BLUE, ORANGE = "#0072b2", "#d55e00"  # distinguishable by colour-blind readers: Okabe & Ito 2008

Lines = Literal["x", "y", "both"]

# At INFO matplotlib reports every font it looks for.
logging.getLogger("matplotlib").setLevel(logging.WARNING)


def make_panels(
    width: float, height: float, rows: int = 1, columns: int = 1, *, grid: Lines | None = None, **options: Any
) -> tuple[Figure, Any]:
    """Create a figure of a size in inches, and its panels.

    Args:
        width: Width of the figure.
        height: Height of the figure.
        rows: Rows of panels.
        columns: Columns of panels.
        grid: The axes with grid lines: ``x``, ``y`` or ``both``; None means none.
        options: Further options of `Figure.subplots`.

    Returns:
        The figure and its panels: a single panel, or an array of them, as `Figure.subplots` returns.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, **options)
    if grid:
        for axes in figure.axes:
            axes.grid(alpha=0.25, axis=grid)
    return figure, panels


def make_loss_grid(
    losses: Sequence[str], rows: Sequence[str], xlabel: str, height: float, **options: Any
) -> tuple[Figure, np.ndarray]:
    """Create a figure of panels, one column per loss and one row per y label, as Figure 4 has them.

    With the paper's three losses it has the width of a printed page; ``height`` is in inches.
    """
    width = max(COLUMN_WIDTH, PAGE_WIDTH + _LOSS_WIDTH * (len(losses) - 3))
    shape = len(rows), len(losses)
    figure, grid = make_panels(width, height, *shape, grid="both", sharex=True, squeeze=False, **options)
    for column, loss in zip(grid.T, losses, strict=True):
        column[0].set_title(f"loss {plot_text(loss)}", fontsize=FONT + 0.5)
        column[-1].set_xlabel(xlabel, fontsize=FONT)
    for axes, label in zip(grid[:, 0], rows, strict=True):
        axes.set_ylabel(label, fontsize=FONT)
    for axes in grid.ravel():
        axes.tick_params(labelsize=FONT - 0.5)
    return figure, grid


def make_message(text: str) -> Figure:
    """Create a figure without panels that only says why there is nothing to show."""
    figure = Figure(figsize=(COLUMN_WIDTH, 1), layout="constrained")
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=FONT)
    return figure


def save_figure(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure in the format of the path's suffix; the same figure always yields the same bytes."""
    metadata = {"Date": None} if path.suffix == ".svg" else None
    # matplotlib derives the ids in an SVG from a random salt unless one is set.
    with atomic_file(path) as temporary, mpl.rc_context({"svg.hashsalt": "segsweep"}):
        figure.savefig(temporary, dpi=dpi, metadata=metadata)


def save_for_print(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as a 300 dpi PNG and as an SVG with its text drawn as paths; return both paths."""
    paths = [folder / f"{name}{suffix}" for suffix in (".png", ".svg")]
    for path in paths:
        save_figure(figure, path, PRINT_DPI)
    return paths


def embed_figure(figure: Figure, path: Path) -> dict[str, Any]:
    """Return the ``source`` of a saved figure and its width in ``inches``, so that a page shows all at one scale."""
    return {"source": embed_png(path), "inches": figure.get_figwidth()}


def embed_png(path: Path) -> str:
    """Encode a PNG file as a data URI for the ``src`` of an image."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def plot_text(name: str, longest: int | None = None) -> str:
    """Prepare a user's text for matplotlib: a dollar sign stays one, and an ellipsis replaces the start of a long name.

    Names often differ only at their end, so the end is kept. ``longest`` counts characters, ellipsis included.
    """
    if longest is not None and len(name) > longest:
        name = f"…{name[1 - longest :]}"
    return name.replace("$", r"\$")


def label_point(axes: Axes, text: str, point: tuple[float, float], offset: tuple[float, float], **options: Any) -> None:
    """Write a text next to a point; ``offset`` is in points, to the right and upward."""
    axes.annotate(text, point, xytext=offset, textcoords="offset points", **options)


def name_rows(axes: Axes, names: Sequence[str], noun: str) -> None:
    """Label the rows of a panel from the top; more than 100 rows are not named but counted, as ``noun``."""
    axes.set_ylim(len(names) - 0.4, -0.6)
    if not any(names):
        axes.set_yticks([])
    elif len(names) <= MOST_NAMED:
        axes.set_yticks(range(len(names)), [plot_text(name, _LONGEST_LABEL) for name in names])
    else:
        axes.set(yticks=[], ylabel=f"{len(names)} {noun}, in order")


def add_legend(figure: Figure, panels: Iterable[Axes], **options: Any) -> None:
    """Add one legend for several panels, with one entry per label."""
    handles = {handle.get_label(): handle for axes in panels for handle in axes.get_legend_handles_labels()[0]}
    figure.legend(handles=list(handles.values()), fontsize=8, **options)


def add_class_legend(figure: Figure, classes: Sequence[str], fontsize: float = 9) -> None:
    """Name the class colours below a figure, in as many columns as fit its width."""
    handles = [
        Patch(color=colour, label=plot_text(name)) for name, colour in zip(classes, class_colours(classes), strict=True)
    ]
    ncols = _legend_columns(figure.get_figwidth(), classes)
    figure.legend(handles=handles, loc="outside lower center", ncols=ncols, fontsize=fontsize)


def class_legend_height(width: float, classes: Sequence[str], fontsize: float = 9) -> float:
    """Return the inches that `add_class_legend` takes below a figure ``width`` inches wide, margins included."""
    lines = -(-len(classes) // _legend_columns(width, classes))
    return (1.7 * lines + 2) * fontsize / 72


def _legend_columns(width: float, classes: Sequence[str]) -> int:
    longest = max(len(name) for name in classes)
    return max(1, min(6, len(classes), int(width / (0.6 + 0.085 * longest))))
