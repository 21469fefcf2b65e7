"""What every picture needs: to be written whole, and names that are shown as they are."""

import logging
from pathlib import Path

from matplotlib.figure import Figure

from gym.files import replacing

logging.getLogger("matplotlib").setLevel(logging.WARNING)


def save(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure, whole or not at all."""
    with replacing(path) as beside:
        figure.savefig(beside, dpi=dpi)


def literal(name: str) -> str:
    """Keep matplotlib from reading a user's dollar signs as mathematics."""
    return name.replace("$", r"\$")
