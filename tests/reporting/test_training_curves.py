"""Training curves show every epoch, of one run in detail and of all runs of a sweep side by side."""

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from gym.config.registries import ARCHITECTURES
from gym.reporting.style import PAGE_WIDTH
from gym.reporting.training_curves import RunCurve, draw_page_curves, draw_sweep_curves, draw_training_curves, shade
from gym.training.checkpoint import Epoch
from tests.reporting.figure_checks import legend_texts, nothing_is_cut_off, visible_ticks


def epochs_of(*losses, train=None, rate=1e-3):
    """Epochs with these validation losses, and training losses if they differ."""
    train = losses if train is None else train
    return [
        Epoch(number, rate, train_loss, 0.4, loss, 0.3, 0.2)
        for number, (loss, train_loss) in enumerate(zip(losses, train, strict=True), start=1)
    ]


def curve(model="unet", loss="cce", filters=4, losses=(0.9, 0.5, 0.4), is_finished=True):
    """A run with these validation losses; its IoU is one minus the loss, its training loss half of it."""
    epochs = [Epoch(number, 1e-3, value / 2, 0.3, value, 1 - value, 0.2) for number, value in enumerate(losses, 1)]
    return RunCurve(model, loss, filters, epochs, is_finished)


def lines_of(axes):
    """The lines of a panel that have more than a dot."""
    return [line for line in axes.get_lines() if line.get_linestyle() != "None"]


def test_the_curves_of_a_run_show_its_epochs(saved_size):
    """The panels are loss, IoU and learning rate; each marks the best epoch."""
    figure = draw_training_curves(epochs_of(0.9, 0.5, 0.6, train=(0.8, 0.4, 0.3)), best_epoch=2)
    loss, iou, rate = figure.axes

    assert [axes.get_title() for axes in figure.axes] == ["Loss", "Mean IoU", "Learning rate"]
    np.testing.assert_array_equal(loss.lines[0].get_xydata(), [(1, 0.8), (2, 0.4), (3, 0.3)])
    np.testing.assert_array_equal(loss.lines[1].get_xydata(), [(1, 0.9), (2, 0.5), (3, 0.6)])
    np.testing.assert_array_equal(iou.lines[0].get_ydata(), [0.4] * 3)
    np.testing.assert_array_equal(iou.lines[1].get_ydata(), [0.3] * 3)
    np.testing.assert_array_equal(rate.lines[0].get_ydata(), [1e-3] * 3)
    assert legend_texts(figure.legends[0]) == ["training", "validation", "best epoch 2"]
    assert all(set(axes.lines[-1].get_xdata()) == {2} for axes in figure.axes)
    assert (loss.get_yscale(), rate.get_yscale()) == ("linear", "log")
    assert saved_size(figure) == (600, 180)


@pytest.mark.parametrize(
    "epochs",
    [
        epochs_of(0.5),
        epochs_of(0.0, 0.0),
        epochs_of(-0.1, -0.5, -0.9),
        epochs_of(0.5, 0.4, train=(0.0, -0.1)),
        epochs_of(1e6, 1e-6, rate=1e-9),
        epochs_of(*[0.5] * 100),
    ],
    ids=["one epoch", "zero", "negative", "negative training", "wide", "flat"],
)
def test_any_losses_can_be_drawn(saved_size, epochs):
    """There may be one epoch, losses of zero or below, or none that changes."""
    assert saved_size(draw_training_curves(epochs, best_epoch=1)) == (600, 180)


@pytest.mark.parametrize(
    "epochs",
    [
        epochs_of(0.5, 0.0, -0.1),
        epochs_of(0.5, 0.0, train=(0.5, 0.4)),
        epochs_of(0.5, 0.4, train=(0.1, -0.1)),
        epochs_of(0.5, 0.4, train=(0.1, 0.0)),
    ],
    ids=["both", "validation", "training", "training zero"],
)
def test_a_loss_of_zero_or_less_has_a_linear_scale(epochs):
    """A logarithmic scale cannot show it, in either curve."""
    figure = draw_training_curves(epochs, best_epoch=1)

    assert figure.axes[0].get_yscale() == "linear"


def test_losses_over_more_than_a_decade_have_a_logarithmic_scale():
    """A linear scale would flatten the late epochs, whose losses are often a tenth of the early ones."""
    figure = draw_training_curves(epochs_of(9.0, 0.5, train=(0.5, 0.4)), best_epoch=2)

    assert figure.axes[0].get_yscale() == "log"


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_epoch_ticks_are_whole_numbers(count):
    """There may be a single epoch."""
    figure = draw_training_curves(epochs_of(*[0.5] * count), best_epoch=1)
    figure.draw_without_rendering()

    for axes in figure.axes:
        labels = visible_ticks(axes.xaxis)
        assert labels
        assert set(labels) <= {str(number) for number in range(1, count + 1)}


@pytest.mark.parametrize(
    "losses", [(2.0, 0.05), (1.2, 0.9), (0.9, 0.5, 0.6)], ids=["two decades", "about one", "within a decade"]
)
def test_loss_ticks_are_plain_numbers(losses):
    """They read 0.1 instead of a power of ten, and at least one is visible."""
    figure = draw_training_curves(epochs_of(*losses), best_epoch=1)
    figure.draw_without_rendering()

    labels = visible_ticks(figure.axes[0].yaxis)

    assert labels
    for label in labels:
        assert float(label) > 0
        assert "e" not in label


def test_page_curves_are_as_wide_as_a_page():
    """They mark the epoch with the lowest validation loss."""
    figure = draw_page_curves(epochs_of(0.9, 0.5, 0.6))

    assert figure.get_figwidth() == PAGE_WIDTH
    assert legend_texts(figure.legends[0])[-1] == "best epoch 2"
    assert nothing_is_cut_off(figure)


def test_runs_are_in_the_column_of_their_loss():
    """The columns have the order of Figure 4, the rows are validation IoU, validation loss and training loss."""
    figure = draw_sweep_curves([curve(loss="kld"), curve(), curve("resunet")])

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
    assert legend_texts(figure.legends[0]) == ["UNet", "Res-UNet"]


def test_only_mean_iou_shares_its_scale_across_losses():
    """Loss functions are not comparable; one with a wide range is logarithmic."""
    figure = draw_sweep_curves([curve(loss="dice"), curve(losses=(30.0, 2.0, 0.3))])
    figure.draw_without_rendering()
    (iou, other_iou), (loss, wide_loss) = figure.axes[:2], figure.axes[2:4]

    assert iou.get_ylim() == other_iou.get_ylim()
    assert loss.get_ylim() != wide_loss.get_ylim()
    assert (loss.get_yscale(), wide_loss.get_yscale(), iou.get_yscale()) == ("linear", "log", "linear")


def test_models_with_fewer_filters_are_paler():
    """The strength rises evenly by rank from two fifths to full colour; a single size has full colour."""
    full = np.array(to_rgb("#0072b2"))

    np.testing.assert_allclose(shade("#0072b2", 2, [2, 6, 12]), 1 - 0.4 * (1 - full))
    np.testing.assert_allclose(shade("#0072b2", 6, [2, 6, 12]), 1 - 0.7 * (1 - full))
    np.testing.assert_allclose(shade("#0072b2", 12, [2, 6, 12]), full)
    np.testing.assert_allclose(shade("#0072b2", 6, [6]), full)


def test_an_unfinished_run_is_grey():
    """It has the epochs that it reached, and the legend explains the grey."""
    figure = draw_sweep_curves([curve(filters=2, losses=(0.9,), is_finished=False), curve(filters=8)])

    broken, whole = lines_of(figure.axes[0])
    assert broken.get_color() == "0.6"
    assert len(broken.get_xdata()) == 1
    assert to_hex(whole.get_color()) == ARCHITECTURES.get("unet").style.colour
    assert legend_texts(figure.legends[0]) == ["UNet", "paler: fewer filters (2 to 8)", "unfinished"]


def test_losses_that_are_not_finite_can_be_drawn():
    """A run that diverged is drawn up to that epoch."""
    figure = draw_sweep_curves([curve(losses=(0.9, float("nan"))), curve(losses=(float("inf"),) * 2)])

    assert nothing_is_cut_off(figure)


@pytest.mark.parametrize("figure", [draw_sweep_curves([]), draw_sweep_curves([curve(losses=())]), draw_page_curves([])])
def test_without_epochs_the_figure_says_so(figure):
    """It has no panels."""
    assert [text.get_text() for text in figure.texts] == ["No epochs have been logged."]


@pytest.mark.parametrize("losses", [["cce"], ["dice", "cce", "kld"], ["dice", "cce", "kld", "hinge"]])
def test_any_number_of_columns_fits(losses):
    """Three columns have the width of a page."""
    figure = draw_sweep_curves([curve(model, loss) for model in ARCHITECTURES.names for loss in losses])

    assert nothing_is_cut_off(figure)
    assert (figure.get_figwidth() == PAGE_WIDTH) == (len(losses) == 3)
