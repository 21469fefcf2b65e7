"""What every picture needs: to be written whole, to stand in a page, and names that are shown as they are."""

import base64
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


def shorten(name: str, longest: int) -> str:
    """A name that fits into so many signs: its end, which differs most."""
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def embed(path: Path) -> str:
    """A picture as text that a page can hold."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
