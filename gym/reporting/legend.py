"""The legend that pictures of classes share."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gym.reporting.drawing import literal
from gym.reporting.imagery import class_colours


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
