"""The learning curves of many runs: a column a loss, architectures apart by colour and dash, sizes by shade."""

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from gym.config.registries import ARCHITECTURES
from gym.reporting.training_curves import RunCurve, draw_run_curves, shade
from gym.training.checkpoint import Epoch
from tests.reporting.test_figures import nothing_is_cut_off, texts


def curve(model="unet", loss="cce", filters=4, losses=(0.9, 0.5, 0.4), is_finished=True):
    """A run with these validation losses; its IoU is one less that, its training loss half of it."""
    epochs = [Epoch(number, 1e-3, value / 2, 0.3, value, 1 - value, 0.2) for number, value in enumerate(losses, 1)]
    return RunCurve(model, loss, filters, epochs, is_finished)


def lines_of(axes):
    """The lines of a panel that have more than a dot."""
    return [line for line in axes.get_lines() if line.get_linestyle() != "None"]


def test_runs_stand_below_their_loss_in_the_order_of_figure_4():
    """Mean IoU, validation loss and training loss; each value at its epoch."""
    figure = draw_run_curves([curve(loss="kld"), curve(), curve("resunet")])

    assert [axes.get_title() for axes in figure.axes] == ["loss cce", "loss kld", *[""] * 4]
    labels = [axes.get_ylabel() for axes in figure.axes[::2]]
    assert labels == ["mean IoU, validation", "loss, validation", "loss, training"]
    expected = [[0.1, 0.5, 0.6], [0.9, 0.5, 0.4], [0.45, 0.25, 0.2]]
    for axes, values in zip(figure.axes[::2], expected, strict=True):
        unet, resunet = lines_of(axes)
        np.testing.assert_array_equal(unet.get_xdata(), [1, 2, 3])
        np.testing.assert_allclose(unet.get_ydata(), values)
        assert (to_hex(unet.get_color()), unet.get_linestyle()) == (ARCHITECTURES.get("unet").style.colour, "-")
        assert (to_hex(resunet.get_color()), resunet.get_linestyle()) == (
            ARCHITECTURES.get("resunet").style.colour,
            "--",
        )
    assert texts(figure.legends[0]) == ["UNet", "Res-UNet"]


def test_mean_iou_has_one_scale_and_losses_each_their_own():
    """They do not compare; one that spans much is logarithmic."""
    figure = draw_run_curves([curve(loss="dice"), curve(losses=(30.0, 2.0, 0.3))])
    figure.draw_without_rendering()
    (iou, other_iou), (loss, wide_loss) = figure.axes[:2], figure.axes[2:4]

    assert iou.get_ylim() == other_iou.get_ylim()
    assert loss.get_ylim() != wide_loss.get_ylim()
    assert (loss.get_yscale(), wide_loss.get_yscale(), iou.get_yscale()) == ("linear", "log", "linear")


def test_fewer_filters_are_paler():
    """From two fifths of the colour to all of it, evenly by rank; the only size has all of it."""
    full = np.array(to_rgb("#0072b2"))

    np.testing.assert_allclose(shade("#0072b2", 2, [2, 6, 12]), 1 - 0.4 * (1 - full))
    np.testing.assert_allclose(shade("#0072b2", 6, [2, 6, 12]), 1 - 0.7 * (1 - full))
    np.testing.assert_allclose(shade("#0072b2", 12, [2, 6, 12]), full)
    np.testing.assert_allclose(shade("#0072b2", 6, [6]), full)


def test_a_run_that_did_not_finish_is_grey():
    """It has the epochs that it came to, and the legend says what grey is."""
    figure = draw_run_curves([curve(filters=2, losses=(0.9,), is_finished=False), curve(filters=8)])

    broken, whole = lines_of(figure.axes[0])
    assert broken.get_color() == "0.6"
    assert len(broken.get_xdata()) == 1
    assert to_hex(whole.get_color()) == ARCHITECTURES.get("unet").style.colour
    assert texts(figure.legends[0]) == ["UNet", "paler: fewer filters (2 to 8)", "not finished"]


def test_a_loss_that_is_not_finite_breaks_nothing():
    """A run that diverged is drawn up to there."""
    figure = draw_run_curves([curve(losses=(0.9, float("nan"))), curve(losses=(float("inf"),) * 2)])

    assert nothing_is_cut_off(figure)


@pytest.mark.parametrize("curves", [[], [curve(losses=())]])
def test_without_an_epoch_the_figure_says_so(curves):
    """It has no panels."""
    assert [text.get_text() for text in draw_run_curves(curves).texts] == ["No epoch of any run is known."]


@pytest.mark.parametrize("losses", [["cce"], ["dice", "cce", "kld"], ["dice", "cce", "kld", "hinge"]])
def test_nothing_is_cut_off(losses):
    """Of any number of columns; three are as wide as a page."""
    figure = draw_run_curves([curve(model, loss) for model in ARCHITECTURES.names for loss in losses])

    assert nothing_is_cut_off(figure)
    assert (figure.get_figwidth() == 7.2) == (len(losses) == 3)
