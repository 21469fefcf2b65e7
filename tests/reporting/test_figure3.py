"""Figure 3 shows image, label and outputs of examples, and enlarges where the outputs differ most."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gym.data.class_colours import overlay, render_rgb
from gym.data.labels import IGNORE
from gym.reporting.figure3 import ZOOM, draw_figure3, find_part, place_window
from gym.reporting.figure3_data import Example, Examples
from tests.reporting.figure_checks import legend_texts, nothing_is_cut_off

CLASSES, BANDS = ["water", "sand"], ["red", "green", "blue"]
TWO = [("unet cce f4", "1.0M parameters"), ("resunet cce f4", "1.6M parameters")]


def example(shape=(12, 18), outputs=2, name="shore"):
    """An image of water above sand; the first model takes one pixel of water for sand, the others are perfect."""
    rng = np.random.default_rng(0)
    label = np.zeros(shape, np.uint8)
    label[shape[0] // 2 :] = 1
    label[0, 0] = IGNORE
    first = np.where(label == IGNORE, 1, label)
    first[1, shape[1] - 2] = 1
    rest = [np.where(label == IGNORE, 0, label) for _ in range(outputs - 1)]
    return Example(name, rng.integers(1, 200, (*shape, 3)).astype(np.uint8), label, [first, *rest])


def panels_of(figure, lines):
    """The pictures of a figure, by row."""
    return np.array([axes.get_images()[0].get_array() for axes in figure.axes], object).reshape(lines, -1)


def examples(images, models=TWO, classes=CLASSES):
    """What Figure 3 shows, of images with outputs."""
    return Examples(images=images, models=models, labels=[], rules=[], bands=BANDS, classes=classes)


def test_an_example_is_image_label_and_outputs():
    """Class colours are laid over the image, except on ignored pixels, whatever a model predicts there."""
    shown = example()
    figure = draw_figure3(examples([shown]))

    picture = render_rgb(shown.image, BANDS)
    masked = np.where(shown.label == IGNORE, IGNORE, shown.outputs[0])
    expected = [picture, overlay(picture, shown.label, CLASSES), overlay(picture, masked, CLASSES)]
    for axes, values in zip(figure.axes, expected, strict=False):
        np.testing.assert_allclose(axes.get_images()[0].get_array(), values)
    assert [axes.get_title() for axes in figure.axes[:4]] == [
        "(a) image",
        "(b) label",
        "(c) unet cce f4\n1.0M parameters",
        "(d) resunet cce f4\n1.6M parameters",
    ]
    assert legend_texts(figure.legends[0]) == CLASSES


def test_the_scores_below_the_outputs_worked_out_by_hand():
    """One of 107 pixels of water is taken for sand, and there are 108 of sand: IoU 106/107 and 108/109."""
    figure = draw_figure3(examples([example()]))

    by_hand = (106 / 107 + 108 / 109) / 2
    assert [axes.get_xlabel() for axes in figure.axes[2:4]] == [f"mean IoU {by_hand:.3f}", "mean IoU 1.000"]
    assert figure.axes[0].get_xlabel() == "shore"


def test_the_part_where_outputs_differ_is_enlarged():
    """It has a third of the rows and columns around that pixel, and each panel has a box around it."""
    shown = example()
    part = find_part(shown, shown.label != IGNORE)
    figure = draw_figure3(examples([shown]))

    assert part == (slice(0, 4), slice(11, 17))
    whole, enlarged = figure.axes[2], figure.axes[6]
    np.testing.assert_allclose(enlarged.get_images()[0].get_array(), whole.get_images()[0].get_array()[part])
    for axes in figure.axes[:4]:
        assert {box.get_bbox().bounds for box in axes.patches} == {(10.5, -0.5, 6, 4)}
    assert figure.axes[4].get_xlabel() == f"box, enlarged {ZOOM} times"


def test_for_one_model_the_part_that_deviates_from_the_label_is_enlarged():
    """Ignored pixels do not count."""
    shown = example(outputs=1)

    assert find_part(shown, shown.label != IGNORE) == (slice(0, 4), slice(11, 17))


def test_if_all_agree_the_middle_is_enlarged():
    """No part is of more interest than another."""
    shown = example()
    agreeing = shown._replace(outputs=[shown.outputs[1]] * 2)

    assert find_part(agreeing, shown.label != IGNORE) == (slice(4, 8), slice(6, 12))


@given(
    marks=hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    down=st.integers(1, 9),
    right=st.integers(1, 9),
)
def test_no_window_has_more_marks_than_the_chosen_one(marks, down, right):
    """All windows are counted one by one."""
    down, right = min(down, marks.shape[0]), min(right, marks.shape[1])
    counts = {
        (row, column): marks[row : row + down, column : column + right].sum()
        for row in range(marks.shape[0] - down + 1)
        for column in range(marks.shape[1] - right + 1)
    }

    chosen = place_window([marks], (down, right))

    assert counts[chosen] == max(counts.values())


@pytest.mark.parametrize("shape", [(12, 18), (8, 64), (64, 8), (2, 2)])
@pytest.mark.parametrize("models", [1, 2])
def test_any_frame_fits_a_page(shape, models):
    """Frames may be wide or tall, names long, and there may be one model or two."""
    scenes = [example(shape, models, name=r"$\q$ " * 20), example(shape, models)]
    titles = [("resunet cce f4 model.kernel=13", "13,926,052 parameters")] * models
    figure = draw_figure3(examples(scenes, titles, ["water " * 9, "$and$"]))

    assert figure.get_figwidth() <= 7.2
    assert figure.get_figheight() <= 9.21
    assert nothing_is_cut_off(figure)
    assert figure.axes[2].get_title().endswith("\n13,926,052 parameters")
    boxes = [axes.title.get_window_extent() for axes in figure.axes[: 2 + models]]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
