"""Pictures of a run hold what they promise, draw without a warning, and are written whole or not at all."""

from itertools import combinations, pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from gym.data.class_colours import render_rgb
from gym.data.labels import IGNORE
from gym.evaluation import confusion
from gym.evaluation.run_model import Evaluation
from gym.reporting import figures, style
from gym.training.loop import Epoch
from tests.evaluation.test_run_model import made_up


def with_ious(*ious):
    """An evaluation whose pairs have these mean IoUs, in hundredths; None for a pair without a counted pixel."""
    matrices = [[[0, 0], [0, 0]] if iou is None else [[2 * iou, 100 - iou], [100 - iou, 2 * iou]] for iou in ious]
    return made_up(matrices, ["site"] * len(ious))


def epochs_of(*losses, train=None, rate=1e-3):
    train = losses if train is None else train
    return [
        Epoch(number, rate, train_loss, 0.4, loss, 0.3, 0.2)
        for number, (loss, train_loss) in enumerate(zip(losses, train, strict=True), start=1)
    ]


def shown_images(sheet):
    """The panels of a contact sheet that are in use, ``(images, 4)``, in reading order."""
    return np.reshape([axes for axes in sheet.axes if axes.axison], (-1, 4))


def nothing_is_cut_off(figure):
    """Whether all that is drawn lies on the page, but for the hundredth of an inch that an edge is wide."""
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()
    return min(drawn.x0, drawn.y0) >= -0.01 and (drawn.max <= figure.bbox_inches.max + 0.01).all()


def shown_ticks(axis):
    """Labels of the ticks within the limits of an axis, great and small."""
    low, high = axis.get_view_interval()
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_text()]


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


@pytest.fixture
def drawn_whole(tmp_path):
    """Write a figure, and give the size of the picture."""

    def check(figure):
        style.save(figure, tmp_path / "figure.png", dpi=50)
        with Image.open(tmp_path / "figure.png") as picture:
            return picture.size

    return check


@pytest.fixture
def sheet():
    """Draw a contact sheet of pairs that are wrong in their first ``number`` columns, with one ignored row.

    The sample of the second pair is 10, of the third 20: a sample's number is not its place in the evaluation.
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

        return figures.draw_contact_sheet(evaluation, bands, read, side), evaluation, read

    return draw


def test_images_are_ordered_from_worst_to_best():
    """By their own mean IoU; a pair without a counted pixel is not shown."""
    assert figures.spread_by_iou(with_ious(50, None, 100, 0, 25), most=10) == [3, 4, 0, 2]


def test_a_spread_takes_worst_best_and_evenly_between():
    """Three of five are the first, the middle and the last; of four, the third stands for the half."""
    assert figures.spread_by_iou(with_ious(10, 20, 30, 40, 50), most=3) == [0, 2, 4]
    assert figures.spread_by_iou(with_ious(40, 30, 20, 10), most=3) == [3, 1, 0]
    assert figures.spread_by_iou(with_ious(40, 30, 20, 10), most=2) == [3, 0]
    assert figures.spread_by_iou(with_ious(40, 30, 20, 10), most=1) == [3]


def test_equal_images_keep_their_order():
    """A sheet drawn twice is the same sheet."""
    assert figures.spread_by_iou(with_ious(50, 50, 0, 50), most=4) == [2, 0, 1, 3]


def test_without_a_counted_pixel_there_is_nothing_to_show():
    """No image has an IoU to rank by."""
    assert figures.spread_by_iou(with_ious(None, None), most=4) == []


@given(ious=st.lists(st.none() | st.integers(0, 100), min_size=1, max_size=30), most=st.integers(1, 12))
def test_a_spread_is_of_different_images_in_order(ious, most):
    """Up to ``most`` images, none twice, IoU never falling, the worst among them, the best too if two fit."""
    defined = [iou for iou in ious if iou is not None]
    picks = figures.spread_by_iou(with_ious(*ious), most)
    shown = [ious[pick] for pick in picks]

    assert len(set(picks)) == len(picks) == min(most, len(defined))
    assert shown == sorted(shown)
    if shown:
        assert shown[0] == min(defined)
    if len(shown) > 1:
        assert shown[-1] == max(defined)


def test_learning_curves_hold_the_epochs(drawn_whole):
    """Three panels: both losses, both IoUs, the rate; the best epoch is marked in each."""
    figure = figures.draw_learning_curves(epochs_of(0.9, 0.5, 0.6, train=(0.8, 0.4, 0.3)), best_epoch=2)
    loss, iou, rate = figure.axes

    assert [axes.get_title() for axes in figure.axes] == ["Loss", "Mean IoU", "Learning rate"]
    np.testing.assert_array_equal(loss.lines[0].get_xydata(), [(1, 0.8), (2, 0.4), (3, 0.3)])
    np.testing.assert_array_equal(loss.lines[1].get_xydata(), [(1, 0.9), (2, 0.5), (3, 0.6)])
    np.testing.assert_array_equal(iou.lines[0].get_ydata(), [0.4] * 3)
    np.testing.assert_array_equal(iou.lines[1].get_ydata(), [0.3] * 3)
    np.testing.assert_array_equal(rate.lines[0].get_ydata(), [1e-3] * 3)
    assert texts(figure.legends[0]) == ["training", "validation", "best epoch 2"]
    assert all(set(axes.lines[-1].get_xdata()) == {2} for axes in figure.axes)
    assert (loss.get_yscale(), rate.get_yscale()) == ("linear", "log")
    assert drawn_whole(figure) == (600, 180)


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
def test_learning_curves_of_any_losses_can_be_drawn(drawn_whole, epochs):
    """One epoch, losses of zero or below, or none that changes."""
    assert drawn_whole(figures.draw_learning_curves(epochs, best_epoch=1)) == (600, 180)


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
def test_a_loss_of_zero_or_less_is_drawn_on_a_linear_scale(epochs):
    """A logarithmic one could not show it, in whichever of the two curves it is."""
    figure = figures.draw_learning_curves(epochs, best_epoch=1)

    assert figure.axes[0].get_yscale() == "linear"


def test_losses_of_more_than_a_decade_are_drawn_on_a_logarithmic_scale():
    """Early epochs are often tenfold the late ones: a linear scale would show nothing of those."""
    figure = figures.draw_learning_curves(epochs_of(9.0, 0.5, train=(0.5, 0.4)), best_epoch=2)

    assert figure.axes[0].get_yscale() == "log"


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_epochs_are_whole_numbers(count):
    """There is no epoch one and a half, also where there is only one."""
    figure = figures.draw_learning_curves(epochs_of(*[0.5] * count), best_epoch=1)
    figure.draw_without_rendering()

    for axes in figure.axes:
        labels = shown_ticks(axes.xaxis)
        assert labels
        assert set(labels) <= {str(number) for number in range(1, count + 1)}


@pytest.mark.parametrize(
    "losses", [(2.0, 0.05), (1.2, 0.9), (0.9, 0.5, 0.6)], ids=["two decades", "about one", "within a decade"]
)
def test_losses_have_plain_numbers_beside_them(losses):
    """As in 0.1, not as a power of ten; wherever the losses lie there is at least one to read them by."""
    figure = figures.draw_learning_curves(epochs_of(*losses), best_epoch=1)
    figure.draw_without_rendering()

    labels = shown_ticks(figure.axes[0].yaxis)

    assert labels
    for label in labels:
        assert float(label) > 0
        assert "e" not in label


def test_a_confusion_matrix_says_shares_counts_and_ious(drawn_whole):
    """Row by row shares of the true class; IoU beside its name, and the mean above."""
    figure = figures.draw_confusion_matrix(np.array([[6000, 2000], [1000, 1000]]), ["water", "sand"])
    axes = figure.axes[0]

    assert [text.get_text() for text in axes.texts] == ["75.0%\n6,000", "25.0%\n2,000", "50.0%\n1,000", "50.0%\n1,000"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["water", "sand"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["water\nIoU 0.667", "sand\nIoU 0.250"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("predicted", "true", "Mean IoU 0.458")
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.75, 0.25], [0.5, 0.5]])
    width, height = drawn_whole(figure)
    assert width > height


def test_a_class_that_is_not_in_the_truth_has_an_empty_row(drawn_whole):
    """0/0 is no share."""
    figure = figures.draw_confusion_matrix(np.array([[5, 1], [0, 0]]), ["there", "absent"])

    assert [text.get_text() for text in figure.axes[0].texts] == ["83.3%\n5", "16.7%\n1", "", ""]
    assert drawn_whole(figure)


def test_a_class_that_is_nowhere_has_no_iou():
    """Neither true nor predicted: 0/0 is said in words, and left out of the mean."""
    figure = figures.draw_confusion_matrix(np.array([[5, 0], [0, 0]]), ["there", "absent"])
    axes = figure.axes[0]

    assert [label.get_text() for label in axes.get_yticklabels()] == ["there\nIoU 1.000", "absent\nno IoU"]
    assert axes.get_title() == "Mean IoU 1.000"


def test_long_names_leave_the_cells_their_room():
    """A hundred million pixels are still written within their cell, and no name is cut off."""
    names = ["a really very long class name for water", "another long class name of vegetation"]
    figure = figures.draw_confusion_matrix(np.full((2, 2), 10**8), names)

    assert nothing_is_cut_off(figure)
    axes = figure.axes[0]
    widest = max(text.get_window_extent().width for text in axes.texts)
    assert widest < axes.get_window_extent().width / 2


def test_dollar_signs_in_a_matrix_are_dollar_signs(drawn_whole):
    """Read as mathematics, this name could not be drawn at all."""
    assert drawn_whole(figures.draw_confusion_matrix(np.eye(2, dtype=int), [r"$\q$", "a$b$"]))


@pytest.mark.parametrize("classes", [2, 4, 12])
def test_a_confusion_matrix_grows_with_its_classes(classes):
    """Every cell has its words, and the words of one row do not overlap."""
    matrix = np.random.default_rng(0).integers(10**6, 10**8, (classes, classes))
    figure = figures.draw_confusion_matrix(matrix, [f"class {number}" for number in range(classes)])
    figure.draw_without_rendering()

    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == classes**2
    for left, right in pairwise(boxes[:classes]):
        assert left.x1 < right.x0


def test_a_contact_sheet_shows_the_worst_first(sheet, drawn_whole):
    """Four panels an image; its name below the first, its scores below the last, classes in the legend."""
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
    assert texts(figure.legends[0]) == ["low", "high"]
    assert drawn_whole(figure)


def test_a_contact_sheet_says_which_side_it_is_of(sheet):
    """The test side looks the same otherwise."""
    figure, _, _ = sheet(count=2, side="test")

    assert figure.get_suptitle().startswith("2 of 2 test images, worst first; ")


def test_the_samples_of_a_sheet_may_be_tensors(sheet):
    """As `gym.data.batches.SampleReader` gives them."""
    drawn, evaluation, read = sheet(count=1)

    figure = figures.draw_contact_sheet(evaluation, "abc", lambda sample: map(tf.constant, read(sample)), "test")

    for ours, theirs in zip(shown_images(figure)[0], shown_images(drawn)[0], strict=True):
        np.testing.assert_array_equal(ours.images[0].get_array(), theirs.images[0].get_array())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_column_of_panels_has_its_title(sheet, count):
    """Above the topmost panel, and nowhere else."""
    figure, _, _ = sheet(count)

    for axes in figure.axes:
        kinds = ["image", "truth", "prediction", "errors in white"]
        start = axes.get_subplotspec().colspan.start
        topmost = axes.axison and axes.get_subplotspec().rowspan.start == 0
        assert axes.get_title() == (kinds[start % 4] if topmost else "")


def test_panels_show_image_truth_prediction_and_errors(sheet):
    """Errors are white and nothing else is; where the truth is ignored no class is laid over the image."""
    figure, evaluation, read = sheet(count=3)
    image, truth, prediction, errors = (axes.images[0].get_array() for axes in shown_images(figure)[0])
    (values, label), predicted = read(20), evaluation.predicted[2]
    wrong = (label != predicted) & (label != IGNORE)

    np.testing.assert_allclose(image / 255, render_rgb(values, ["a", "b", "c"]), atol=0.5 / 255 + 1e-9)
    np.testing.assert_array_equal((errors == 255).all(axis=-1), wrong)
    np.testing.assert_array_equal((truth != prediction).any(axis=-1), wrong)
    for panel in (truth, prediction):
        np.testing.assert_array_equal(panel[0], image[0])


def test_a_contact_sheet_has_twelve_images_at_most(sheet):
    """Of fourteen pairs twelve are shown, the worst and the best among them."""
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
def test_a_long_name_is_shortened(sheet, prefix, shown):
    """To 26 characters with the ellipsis, from the front: names often differ at their end."""
    figure, _, _ = sheet(count=1, prefix=prefix)

    assert figure.axes[0].get_xlabel() == shown


@pytest.mark.parametrize("frame", [(128, 128), (160, 80), (192, 96), (128, 64), (32, 192), (8, 8)])
@pytest.mark.parametrize("count", [1, 3])
def test_nothing_on_a_sheet_is_cut_off_or_written_over(sheet, frame, count):
    """Shortened names below, and six long ones in the legend, in frames that are square, tall and wide."""
    classes = ["terrestrial vegetation", "herbaceous wetland", "unconsolidated sediment", "impervious developed"]
    figure, _, _ = sheet(
        count, frame, [*classes, "open coastal water", "agricultural cropland"], prefix="2015-10-07-18-33-59_L8_site_"
    )

    assert nothing_is_cut_off(figure)
    used = shown_images(figure).ravel()
    words = [axes.xaxis.label for axes in used if axes.get_xlabel()] + [axes.title for axes in used if axes.get_title()]
    boxes = [text.get_window_extent() for text in (*words, figure._suptitle)]
    boxes += [axes.get_window_extent() for axes in used] + [figure.legends[0].get_window_extent()]
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)


@pytest.mark.parametrize(("count", "lines", "columns"), [(1, 1, 4), (2, 1, 8), (3, 2, 8)])
def test_two_images_share_a_row_and_one_is_alone_on_its_own(sheet, count, lines, columns):
    """Four panels each; a single image is not given an empty place beside it."""
    figure, _, _ = sheet(count)

    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == (lines, columns)


def test_dollar_signs_on_a_sheet_are_dollar_signs(sheet, drawn_whole):
    """In the names of classes and of images: read as mathematics, these could not be drawn at all."""
    figure, _, _ = sheet(count=2, classes=[r"$\q$", "a$b$"], prefix=r"$\q$")

    assert drawn_whole(figure)


@pytest.mark.parametrize(
    ("frame", "classes", "bands", "count"),
    [((8, 8), 2, 1, 1), ((8, 64), 4, 2, 5), ((64, 8), 12, 3, 2), ((8, 8), 30, 4, 3)],
    ids=["one image of one band", "wide", "tall with 12 classes", "30 classes"],
)
def test_sheets_of_any_shape_can_be_drawn(sheet, drawn_whole, frame, classes, bands, count):
    """Frames that are not square, few and many classes, few and many bands."""
    names = [f"class {number}" for number in range(classes)]
    figure, _, _ = sheet(count, frame, names, [f"band_{number}" for number in range(bands)])

    assert texts(figure.legends[0]) == names
    assert len(shown_images(figure)) == count
    assert drawn_whole(figure)


def test_a_figure_that_cannot_be_drawn_leaves_the_old_file(tmp_path):
    """Nor is a half-written one left beside it."""

    class Breaking(Figure):
        def savefig(self, path, **options):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    path = tmp_path / "figure.png"
    path.write_bytes(b"old")

    with pytest.raises(OSError, match="No space left"):
        style.save(Breaking(), path)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_figure_is_saved_in_a_folder_made_for_it(tmp_path):
    """At 110 dots an inch unless told."""
    style.save(Figure(figsize=(2, 1)), tmp_path / "new" / "figure.png")

    with Image.open(tmp_path / "new" / "figure.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (220, 110))
    assert len(list((tmp_path / "new").iterdir())) == 1
