"""A contact sheet shows images of one side in order, with truth, prediction, errors and scores."""

from itertools import combinations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gym.data.class_colours import render_rgb
from gym.data.labels import IGNORE
from gym.evaluation import confusion
from gym.evaluation.run_model import Evaluation
from gym.reporting.contact_sheet import draw_contact_sheet, pick_evenly, rank_by_iou
from tests.evaluation.test_run_model import make_evaluation
from tests.reporting.figure_checks import legend_texts, nothing_is_cut_off


def with_ious(*ious):
    """An evaluation whose pairs have these mean IoUs, in hundredths; None is a pair without labelled pixels."""
    matrices = [[[0, 0], [0, 0]] if iou is None else [[2 * iou, 100 - iou], [100 - iou, 2 * iou]] for iou in ious]
    return make_evaluation(matrices, ["site"] * len(ious))


def shown_images(sheet):
    """The panels of a contact sheet that are in use, ``(images, 4)``, in reading order."""
    return np.reshape([axes for axes in sheet.axes if axes.axison], (-1, 4))


@pytest.fixture
def sheet():
    """Draw a contact sheet of pairs that are wrong in their first ``number`` columns and have one ignored row.

    The samples are 0, 10 and 20, so a sample's number is not its position in the evaluation.
    """

    def draw(count=3, frame=(8, 12), classes=("low", "high"), bands=("a", "b", "c"), prefix="pair", side="validation"):
        rng, images, labels, predicted = np.random.default_rng(0), [], [], []
        for number in range(count):
            label = rng.integers(0, len(classes), frame, dtype=np.uint8)
            image = rng.integers(1, 255, (*frame, len(bands)), dtype=np.uint8)
            guess = label.copy()
            guess[:, :number] = (guess[:, :number] + 1) % len(classes)
            label[0], image[0] = IGNORE, 0
            images.append(image)
            labels.append(label)
            predicted.append(guess)
        both = zip(labels, predicted, strict=True)
        evaluation = Evaluation(
            names=[f"{prefix}{number}" for number in range(count)],
            sites=["site"] * count,
            samples=[10 * number for number in range(count)],
            classes=list(classes),
            matrices=np.array([confusion.confusion_matrix(label, guess, len(classes)) for label, guess in both]),
            kld_sums=np.zeros(count),
            predicted=np.array(predicted),
            legacy={},
        )

        def read(sample):
            return images[sample // 10], labels[sample // 10]

        return draw_contact_sheet(evaluation, bands, read, side), evaluation, read

    return draw


def test_images_are_ranked_from_worst_to_best():
    """The order is that of their mean IoU; a pair without labelled pixels is left out."""
    assert rank_by_iou(with_ious(50, None, 100, 0, 25)) == [3, 4, 0, 2]


def test_equal_images_keep_their_order():
    """A sheet that is drawn twice is the same sheet."""
    assert rank_by_iou(with_ious(50, 50, 0, 50)) == [2, 0, 1, 3]


def test_without_labelled_pixels_no_image_is_ranked():
    """No image has an IoU to rank by."""
    assert rank_by_iou(with_ious(None, None)) == []


@pytest.mark.parametrize(
    ("count", "most", "picked"),
    [
        (5, 3, [0, 2, 4]),
        (9, 3, [0, 4, 8]),
        (4, 3, [0, 2, 3]),
        (4, 2, [0, 3]),
        (4, 1, [0]),
        (3, 12, [0, 1, 2]),
        (1, 4, [0]),
        (0, 4, []),
    ],
)
def test_items_are_picked_evenly(count, most, picked):
    """The first and the last item are among the picked ones if two fit."""
    assert pick_evenly(range(count), most) == picked


@given(ious=st.lists(st.none() | st.integers(0, 100), min_size=1, max_size=30), most=st.integers(1, 12))
def test_picked_images_are_distinct_and_in_order(ious, most):
    """Their IoU never falls, and the worst and the best image are among them if two fit."""
    defined = [iou for iou in ious if iou is not None]
    picks = pick_evenly(rank_by_iou(with_ious(*ious)), most)
    shown = [ious[pick] for pick in picks]

    assert len(set(picks)) == len(picks) == min(most, len(defined))
    assert shown == sorted(shown)
    if shown:
        assert shown[0] == min(defined)
    if len(shown) > 1:
        assert shown[-1] == max(defined)


def test_a_contact_sheet_shows_the_worst_first(sheet, saved_size):
    """Each image has four panels, its name below the first and its scores below the last; the legend names classes."""
    figure, evaluation, _ = sheet(count=3)
    images = shown_images(figure)

    assert [panels[0].get_xlabel() for panels in images] == ["pair2", "pair1", "pair0"]
    ious = [confusion.mean_iou(evaluation.matrices[index]) for index in (2, 1, 0)]
    accuracies = [10 / 12, 11 / 12, 1]
    for panels, iou, accuracy in zip(images, ious, accuracies, strict=True):
        assert panels[3].get_xlabel() == f"IoU {iou:.3f}  accuracy {accuracy:.3f}"
    assert figure.get_suptitle() == (
        f"3 of 3 validation images, worst first; mean IoU of all {confusion.mean_iou(evaluation.matrix):.3f}"
    )
    assert legend_texts(figure.legends[0]) == ["low", "high"]
    assert saved_size(figure)


def test_a_contact_sheet_names_its_side(sheet):
    """Sheets of the validation and test sides look the same otherwise."""
    figure, _, _ = sheet(count=2, side="test")

    assert figure.get_suptitle().startswith("2 of 2 test images, worst first; ")


def test_samples_may_be_tensors(sheet):
    """`gym.data.batches.SampleReader` returns tensors."""
    drawn, evaluation, read = sheet(count=1)

    figure = draw_contact_sheet(evaluation, "abc", lambda sample: map(tf.constant, read(sample)), "test")

    for ours, theirs in zip(shown_images(figure)[0], shown_images(drawn)[0], strict=True):
        np.testing.assert_array_equal(ours.images[0].get_array(), theirs.images[0].get_array())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_only_the_topmost_panels_have_titles(sheet, count):
    """Every column of panels has its title once."""
    figure, _, _ = sheet(count)

    for axes in figure.axes:
        kinds = ["image", "truth", "prediction", "errors in white"]
        start = axes.get_subplotspec().colspan.start
        topmost = axes.axison and axes.get_subplotspec().rowspan.start == 0
        assert axes.get_title() == (kinds[start % 4] if topmost else "")


def test_panels_show_image_truth_prediction_and_errors(sheet):
    """Errors and nothing else are white; ignored pixels show the image without a class colour."""
    figure, evaluation, read = sheet(count=3)
    image, truth, prediction, errors = (axes.images[0].get_array() for axes in shown_images(figure)[0])
    (values, label), predicted = read(20), evaluation.predicted[2]
    wrong = (label != predicted) & (label != IGNORE)

    np.testing.assert_allclose(image / 255, render_rgb(values, ["a", "b", "c"]), atol=0.5 / 255 + 1e-9)
    np.testing.assert_array_equal((errors == 255).all(axis=-1), wrong)
    np.testing.assert_array_equal((truth != prediction).any(axis=-1), wrong)
    for panel in (truth, prediction):
        np.testing.assert_array_equal(panel[0], image[0])


def test_a_contact_sheet_has_at_most_twelve_images(sheet):
    """Of fourteen pairs, twelve are shown, including the worst and the best."""
    figure, _, _ = sheet(count=14, frame=(4, 28))
    images = shown_images(figure)

    assert len(images) == 12
    assert (images[0][0].get_xlabel(), images[-1][0].get_xlabel()) == ("pair13", "pair0")
    assert figure.get_suptitle().startswith("12 of 14 validation images")


@pytest.mark.parametrize(
    ("prefix", "shown"),
    [
        ("2015-10-07-18-33-59_site_", "2015-10-07-18-33-59_site_0"),
        ("2015-10-07-18-33-59_site__", "…15-10-07-18-33-59_site__0"),
        ("2015-10-07-18-33-59_L8_site_", "…-10-07-18-33-59_L8_site_0"),
    ],
    ids=["26 characters", "27 characters", "29 characters"],
)
def test_a_long_name_is_cut_at_its_start(sheet, prefix, shown):
    """It keeps 26 characters, ellipsis included, because names often differ at their end."""
    figure, _, _ = sheet(count=1, prefix=prefix)

    assert figure.axes[0].get_xlabel() == shown


@pytest.mark.parametrize("frame", [(128, 128), (160, 80), (192, 96), (128, 64), (32, 192), (8, 8)])
@pytest.mark.parametrize("count", [1, 3])
def test_nothing_on_a_sheet_is_cut_off_or_overlaps(sheet, frame, count):
    """Long names below the panels and in the legend fit, whatever the shape of the frame."""
    classes = ["terrestrial vegetation", "herbaceous wetland", "unconsolidated sediment", "impervious developed"]
    figure, _, _ = sheet(
        count, frame, [*classes, "open coastal water", "agricultural cropland"], prefix="2015-10-07-18-33-59_L8_site_"
    )

    assert nothing_is_cut_off(figure)
    used = shown_images(figure).ravel()
    texts = [axes.xaxis.label for axes in used if axes.get_xlabel()] + [axes.title for axes in used if axes.get_title()]
    boxes = [text.get_window_extent() for text in (*texts, figure._suptitle)]
    boxes += [axes.get_window_extent() for axes in used] + [figure.legends[0].get_window_extent()]
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)


@pytest.mark.parametrize(("count", "lines", "columns"), [(1, 1, 4), (2, 1, 8), (3, 2, 8)])
def test_two_images_share_a_row(sheet, count, lines, columns):
    """A single image has no empty place next to it."""
    figure, _, _ = sheet(count)

    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == (lines, columns)


def test_dollar_signs_on_a_sheet_are_shown(sheet, saved_size):
    """These names of classes and images are not valid mathematics."""
    figure, _, _ = sheet(count=2, classes=[r"$\q$", "a$b$"], prefix=r"$\q$")

    assert saved_size(figure)


@pytest.mark.parametrize(
    ("frame", "classes", "bands", "count"),
    [((8, 8), 2, 1, 1), ((8, 64), 4, 2, 5), ((64, 8), 12, 3, 2), ((8, 8), 30, 4, 3)],
    ids=["one image of one band", "wide", "tall with 12 classes", "30 classes"],
)
def test_sheets_of_any_shape_can_be_drawn(sheet, saved_size, frame, classes, bands, count):
    """Frames may be wide or tall, and there may be few or many classes and bands."""
    names = [f"class {number}" for number in range(classes)]
    figure, _, _ = sheet(count, frame, names, [f"band_{number}" for number in range(bands)])

    assert legend_texts(figure.legends[0]) == names
    assert len(shown_images(figure)) == count
    assert saved_size(figure)
