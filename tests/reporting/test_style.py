"""Figures are saved as whole files, for print with reproducible bytes, and any name can be drawn."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gym.data.class_colours import class_colours
from gym.reporting.style import PAGE_WIDTH, add_class_legend, add_legend, plot_text, save_figure, save_for_print
from tests.reporting.figure_checks import legend_texts, nothing_is_cut_off


def drawn(suffix=""):
    """A figure as wide as a page, with text, a line, markers and a clip path."""
    figure = Figure(figsize=(PAGE_WIDTH, 2))
    figure.subplots().plot([0, 1], [1, 0], "o-", label="a")
    figure.axes[0].set_title(f"title{suffix}")
    return figure


def test_a_figure_that_cannot_be_drawn_leaves_the_old_file(tmp_path):
    """No temporary file is left either."""

    class Breaking(Figure):
        def savefig(self, path, **options):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    path = tmp_path / "figure.png"
    path.write_bytes(b"old")

    with pytest.raises(OSError, match="No space left"):
        save_figure(Breaking(), path)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_saving_a_figure_creates_its_folder(tmp_path):
    """The default resolution is 110 dots per inch."""
    save_figure(Figure(figsize=(2, 1)), tmp_path / "new" / "figure.png")

    with Image.open(tmp_path / "new" / "figure.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (220, 110))
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_print_has_300_dots_per_inch(tmp_path):
    """The PNG and the SVG have the width of a page."""
    picture, vector = save_for_print(drawn(), tmp_path, "figure")

    with Image.open(picture) as image:
        assert image.size == (2160, 600)
        assert round(image.info["dpi"][0]) == 300
    assert re.search(r'<svg [^>]*width="518.4pt"', vector.read_text(encoding="utf-8"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.png", "figure.svg"]


def test_the_same_figure_has_the_same_bytes(tmp_path):
    """They contain neither the time nor random ids; another figure has other bytes."""
    once, again, other = (
        [path.read_bytes() for path in save_for_print(drawn(suffix), tmp_path / str(place), "figure")]
        for place, suffix in enumerate(["", "", "!"])
    )

    assert once == again
    assert once[0] != other[0]
    assert once[1] != other[1]


def test_the_text_of_an_svg_needs_no_font(tmp_path):
    """Letters are drawn as paths."""
    _, vector = save_for_print(drawn(), tmp_path, "figure")

    assert "<text" not in vector.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "longest", "text"),
    [("a$b$", None, r"a\$b\$"), ("12345", 5, "12345"), ("123456", 5, "…3456"), ("$23456$", 4, r"…56\$")],
)
def test_names_are_shortened_before_dollar_signs_are_escaped(name, longest, text):
    """An escaped dollar sign counts as one character."""
    assert plot_text(name, longest) == text


def test_a_legend_has_each_label_once():
    """Panels that share a label share its entry."""
    figure = Figure()
    panels = figure.subplots(1, 2)
    for axes, labels in zip(panels, ("ab", "bc"), strict=True):
        for label in labels:
            axes.plot([0, 1], label=label)
    add_legend(figure, panels, loc="outside upper center")

    assert legend_texts(figure.legends[0]) == ["a", "b", "c"]


def test_every_class_has_its_colour():
    """The legend shows the colours of the pictures."""
    figure, names = Figure(figsize=(7, 2), layout="constrained"), ["water", "$surf$", "sand"]
    add_class_legend(figure, names)

    (legend,) = figure.legends
    assert legend_texts(legend) == ["water", r"\$surf\$", "sand"]
    np.testing.assert_allclose([patch.get_facecolor()[:3] for patch in legend.get_patches()], class_colours(names))


@pytest.mark.parametrize(
    ("width", "names"), [(3, ["class"] * 12), (7.2, ["a rather long name"] * 9), (3.5, ["w" * 20])]
)
def test_a_class_legend_fits_the_width_of_its_figure(width, names):
    """It has as many columns as there is room for."""
    figure = Figure(figsize=(width, 3), layout="constrained")
    figure.subplots()
    add_class_legend(figure, names)

    assert nothing_is_cut_off(figure)
