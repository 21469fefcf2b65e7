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
    longest = max(len(name) for name in classes)
    ncols = max(1, min(6, len(legend), int(figure.get_figwidth() / (0.6 + 0.085 * longest))))
    figure.legend(handles=legend, loc="outside lower center", ncols=ncols, fontsize=fontsize)
