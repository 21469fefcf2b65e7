"""The legend of class colours fits below any picture."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from gym.data.class_colours import class_colours
from gym.reporting.style import class_legend
from tests.reporting.test_figures import nothing_is_cut_off, texts


def test_every_class_has_its_colour():
    """The one it has in the picture."""
    figure, names = Figure(figsize=(7, 2), layout="constrained"), ["water", "$surf$", "sand"]
    class_legend(figure, names)

    (legend,) = figure.legends
    assert texts(legend) == ["water", r"\$surf\$", "sand"]
    np.testing.assert_allclose([patch.get_facecolor()[:3] for patch in legend.get_patches()], class_colours(names))


@pytest.mark.parametrize(
    ("width", "names"), [(3, ["class"] * 12), (7.2, ["a rather long name"] * 9), (3.5, ["w" * 20])]
)
def test_a_legend_is_as_wide_as_its_figure_at_most(width, names):
    """In as many columns as there is room for."""
    figure = Figure(figsize=(width, 3), layout="constrained")
    figure.subplots()
    class_legend(figure, names)

    assert nothing_is_cut_off(figure)
