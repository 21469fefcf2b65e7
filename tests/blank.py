"""Replace figures by blank pictures, because drawing one takes half a second.

This is for tests of runs; tests of figures check what they show.
"""

import io
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image


def blank_picture(suffix: str) -> bytes:
    """Return a picture of one pixel, in the format of a suffix."""
    if suffix == ".svg":
        return b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    picture = io.BytesIO()
    Image.new("RGB", (1, 1)).save(picture, suffix.removeprefix("."))
    return picture.getvalue()


def save_blank_pictures(patch: pytest.MonkeyPatch) -> None:
    """Make figures save blank pictures."""

    def save(_: Figure, path: Path, **__: Any) -> None:
        path.write_bytes(blank_picture(path.suffix))

    patch.setattr(Figure, "savefig", save)
