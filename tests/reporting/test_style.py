"""A figure is written for print in two formats, the same bytes each time."""

import re

from matplotlib.figure import Figure
from PIL import Image

from gym.reporting.style import PAGE_WIDTH, save_for_print


def drawn(salt=""):
    """A figure as wide as a page, with text, a line, markers and a clip path."""
    figure = Figure(figsize=(PAGE_WIDTH, 2))
    figure.subplots().plot([0, 1], [1, 0], "o-", label="a")
    figure.axes[0].set_title(f"title{salt}")
    return figure


def test_print_is_300_dots_an_inch(tmp_path):
    """Over the width of a page, and the SVG is as wide."""
    picture, vector = save_for_print(drawn(), tmp_path, "figure")

    with Image.open(picture) as image:
        assert image.size == (2160, 600)
        assert round(image.info["dpi"][0]) == 300
    assert re.search(r'<svg [^>]*width="518.4pt"', vector.read_text(encoding="utf-8"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.png", "figure.svg"]


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    """Neither the time nor chance is in them; another figure gives others."""
    once, again, other = (
        [path.read_bytes() for path in save_for_print(drawn(salt), tmp_path / str(place), "figure")]
        for place, salt in enumerate(["", "", "!"])
    )

    assert once == again
    assert once[0] != other[0]
    assert once[1] != other[1]


def test_the_text_of_an_svg_needs_no_font(tmp_path):
    """It is drawn as paths."""
    _, vector = save_for_print(drawn(), tmp_path, "figure")

    assert "<text" not in vector.read_text(encoding="utf-8")
