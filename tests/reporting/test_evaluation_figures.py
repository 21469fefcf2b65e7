"""The figures of an evaluation show its numbers: confusion matrix, calibration, errors by distance, differences."""

from itertools import pairwise

import numpy as np
import pytest

from gym.evaluation.bootstrap import Interval
from gym.evaluation.scores import sum_counts
from gym.reporting.evaluation_figures import (
    distance_labels,
    draw_confusion_matrix,
    draw_differences,
    draw_errors_by_distance,
    draw_reliability,
    error_rates,
)
from tests.evaluation.test_document import assessed
from tests.reporting.figure_checks import nothing_is_cut_off


def test_a_confusion_matrix_shows_shares_counts_and_ious(saved_size):
    """Each row has shares of its true class and names the IoU of the class; the title is the mean IoU."""
    figure = draw_confusion_matrix(np.array([[6000, 2000], [1000, 1000]]), ["water", "sand"])
    axes = figure.axes[0]

    assert [text.get_text() for text in axes.texts] == ["75.0%\n6,000", "25.0%\n2,000", "50.0%\n1,000", "50.0%\n1,000"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["water", "sand"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["water\nIoU 0.667", "sand\nIoU 0.250"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("predicted", "true", "Mean IoU 0.458")
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.75, 0.25], [0.5, 0.5]])
    width, height = saved_size(figure)
    assert width > height


def test_a_class_that_is_absent_from_the_truth_has_an_empty_row(saved_size):
    """Its shares are 0/0 and therefore undefined."""
    figure = draw_confusion_matrix(np.array([[5, 1], [0, 0]]), ["there", "absent"])

    assert [text.get_text() for text in figure.axes[0].texts] == ["83.3%\n5", "16.7%\n1", "", ""]
    assert saved_size(figure)


def test_a_class_that_is_neither_true_nor_predicted_has_no_iou():
    """Its row says so, and the mean leaves it out."""
    figure = draw_confusion_matrix(np.array([[5, 0], [0, 0]]), ["there", "absent"])
    axes = figure.axes[0]

    assert [label.get_text() for label in axes.get_yticklabels()] == ["there\nIoU 1.000", "absent\nno IoU"]
    assert axes.get_title() == "Mean IoU 1.000"


def test_long_class_names_leave_room_for_the_cells():
    """A hundred million pixels fit into their cell, and no name is cut off."""
    names = ["a really very long class name for water", "another long class name of vegetation"]
    figure = draw_confusion_matrix(np.full((2, 2), 10**8), names)

    assert nothing_is_cut_off(figure)
    axes = figure.axes[0]
    widest = max(text.get_window_extent().width for text in axes.texts)
    assert widest < axes.get_window_extent().width / 2


def test_dollar_signs_in_a_matrix_are_shown(saved_size):
    """Read as mathematics, the name would be invalid."""
    assert saved_size(draw_confusion_matrix(np.eye(2, dtype=int), [r"$\q$", "a$b$"]))


@pytest.mark.parametrize("classes", [2, 4, 12])
def test_a_confusion_matrix_grows_with_its_classes(classes):
    """Every cell has its text, and the texts of a row do not overlap."""
    matrix = np.random.default_rng(0).integers(10**6, 10**8, (classes, classes))
    figure = draw_confusion_matrix(matrix, [f"class {number}" for number in range(classes)])
    figure.draw_without_rendering()

    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == classes**2
    for left, right in pairwise(boxes[:classes]):
        assert left.x1 < right.x0


def test_without_a_temperature_the_reliability_diagram_has_one_curve():
    """The other line is that of perfect calibration."""
    assert len(draw_reliability(sum_counts(assessed(1, float("nan")).counts)).axes[0].lines) == 2
    assert len(draw_reliability(sum_counts(assessed().counts)).axes[0].lines) == 3


def test_distance_classes_are_labelled_in_pixels():
    """Pixels on the boundary are at distance 0."""
    assert distance_labels() == ["0", "1", "2", "3-4", "5-8", "9-16", "17-32", "33+"]


def test_bars_are_error_rates():
    """They are percentages of the labelled pixels at each distance."""
    assessment = assessed()
    errors = assessment.counts.errors.sum(axis=0)
    bars = draw_errors_by_distance(assessment.scenes, assessment.counts.errors, 0).axes[0].patches

    assert [bar.get_height() for bar in bars][:2] == pytest.approx(100 * errors[:2, 1] / errors[:2, 0])


def test_bootstrap_samples_without_pixels_at_a_distance_have_no_error_rate_there():
    """Only one of two scenes has pixels at 33 and more, all wrong; a sample without it is undefined and not 0%."""
    errors = np.zeros((2, 8, 2))
    errors[:, 0] = 4, 1
    errors[1, 7] = 5, 5

    rates = error_rates(["a", "b"], errors, seed=0)

    assert rates[0] == (0.25, 0.25, 0.25)
    assert rates[7] == (1, 1, 1)
    assert np.isnan(rates[3]).all()


def test_differences_are_drawn_with_their_intervals():
    """The dot is the difference, the line its interval."""
    differences = {"other": {name: Interval(0.1, 0.0, 0.2) for name in ("iou", "boundary_iou", "kld")}}
    span, dot, zero = draw_differences(differences, "places").axes[0].lines

    assert span.get_xdata().tolist() == [0.0, 0.2]
    assert dot.get_xdata().tolist() == [0.1]
    assert zero.get_xdata()[0] == 0


def test_differences_name_the_units_of_their_intervals():
    """A column of the table may have any name."""
    differences = {"other": {name: Interval(0.1, 0.0, 0.2) for name in ("iou", "boundary_iou", "kld")}}

    text = draw_differences(differences, "units by $x$").get_supxlabel()

    assert text == r"this run minus the other, with 95 % interval over units by \$x\$"
