"""Pictures that are composed, written and logged, and are blank: drawing one takes half a second.

For tests of what becomes of runs; what pictures show has tests beside what draws it.
"""

import io
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image


def blank_picture(suffix: str) -> bytes:
    """A picture of one pixel."""
    if suffix == ".svg":
        return b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    picture = io.BytesIO()
    Image.new("RGB", (1, 1)).save(picture, suffix.removeprefix("."))
    return picture.getvalue()


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Have figures saved as blank pictures."""

    def save(_: Figure, path: Path, **__: Any) -> None:
        path.write_bytes(blank_picture(path.suffix))

    patch.setattr(Figure, "savefig", save)
