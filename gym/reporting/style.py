"""The look that all figures share: sizes, text, legends, and how a figure is saved or embedded in a page."""

import base64
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gym.core.files import atomic_file
from gym.data.class_colours import class_colours

PAGE_WIDTH = 7.2  # inches: two columns of a journal
COLUMN_WIDTH = 3.5
PRINT_DPI = 300
SMALLEST_FONT = 6.5  # points: the smallest print that is still readable
LONGEST_LABEL = 60  # characters that fit beside a panel
BLUE, ORANGE = "#0072b2", "#d55e00"  # distinguishable by colour-blind readers: Okabe & Ito 2008

# At INFO matplotlib reports every font it looks for.
logging.getLogger("matplotlib").setLevel(logging.WARNING)


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
