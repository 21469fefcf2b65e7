"""What every picture needs: to be written whole, to stand on a page or in print, and names shown as they are.

The legend that pictures of classes share.
"""

import base64
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gym.core.files import atomic_file
from gym.data.class_colours import class_colours

PAGE_WIDTH = 7.2  # inches: two columns of a journal
COLUMN_WIDTH = 3.5
PRINT_DPI = 300
SMALLEST_FONT = 6.5  # points: what can still be read in print

logging.getLogger("matplotlib").setLevel(logging.WARNING)


def save(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure in the format of the path's suffix, whole or not at all; the same figure gives the same bytes."""
    undated = {"Date": None} if path.suffix == ".svg" else None
    with atomic_file(path) as beside, mpl.rc_context({"svg.hashsalt": "segsweep"}):
        figure.savefig(beside, dpi=dpi, metadata=undated)


def save_for_print(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG of 300 dots an inch and as SVG, whose text is drawn as paths; gives the two files."""
    paths = [folder / f"{name}{suffix}" for suffix in (".png", ".svg")]
    for path in paths:
        save(figure, path, PRINT_DPI)
    return paths


def literal(name: str) -> str:
    """Keep matplotlib from reading a user's dollar signs as mathematics."""
    return name.replace("$", r"\$")


def shorten(name: str, longest: int) -> str:
    """A name that fits into so many signs: its end, which differs most."""
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def show_figure(figure: Figure, path: Path) -> dict[str, Any]:
    """A saved figure for a page: ``source`` to embed, and its width in ``inches``, so that all have one scale."""
    return {"source": embed(path), "inches": figure.get_figwidth()}


def embed(path: Path) -> str:
    """A picture as text that a page can hold."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def class_legend(figure: Figure, classes: Sequence[str], fontsize: float = 9) -> None:
    """Name the class colours below a figure, in as many columns as its width holds."""
    legend = [
        Patch(color=colour, label=literal(name)) for name, colour in zip(classes, class_colours(classes), strict=True)
    ]
    ncols = legend_columns(figure.get_figwidth(), classes)
    figure.legend(handles=legend, loc="outside lower center", ncols=ncols, fontsize=fontsize)


def legend_columns(width: float, classes: Sequence[str]) -> int:
    """How many names stand side by side in a figure of a width in inches."""
    longest = max(len(name) for name in classes)
    return max(1, min(6, len(classes), int(width / (0.6 + 0.085 * longest))))


def legend_height(width: float, classes: Sequence[str], fontsize: float = 9) -> float:
    """The inches that `class_legend` takes below a figure, with the room around it."""
    lines = -(-len(classes) // legend_columns(width, classes))
    return (1.7 * lines + 2) * fontsize / 72
