"""The picture of failures shows the worst images in order, with every pixel in its place."""

import numpy as np
import pytest
from matplotlib.image import imread

from gym.data.class_colours import render_errors
from gym.data.labels import IGNORE
from gym.evaluation.run_model import Evaluation
from gym.reporting.card.worst_images import draw_worst, find_worst, write_worst
from tests.reporting.test_contact_sheet import with_ious

BANDS, CLASSES = ["a", "b", "c"], ["water", "sand"]
GAP = 4


def evaluation_of(count, rows, columns):
    """Images with random predictions, and a function that reads them with their labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, 200, (count, rows, columns, 3)).astype(np.uint8)
    labels = rng.choice(np.array([0, 1, IGNORE], np.uint8), (count, rows, columns))
    names = [f"image{number}" for number in range(count)]
    nothing = {"matrices": np.ones((count, 2, 2), np.int64), "kld_sums": np.zeros(count), "legacy": {}}
    predicted = rng.integers(0, 2, labels.shape).astype(np.uint8)
    samples = [10 * number for number in range(count)]
    evaluation = Evaluation(names, ["site"] * count, samples, CLASSES, predicted=predicted, **nothing)
    return evaluation, lambda sample: (images[sample // 10], labels[sample // 10])


def panels_of(picture, rows, columns, count):
    """The panels of a picture, ``(count, 4, rows, columns, 3)``."""
    return [
        [
            picture[row : row + rows, column : column + columns]
            for column in range(0, 4 * (columns + GAP), columns + GAP)
        ]
        for row in range(0, count * (rows + GAP), rows + GAP)
    ]


def test_the_five_worst_images_are_found_worst_first():
    """An image without labelled pixels is not among them."""
    assert find_worst(with_ious(80, 20, None, 60, 10, 90, 50, 70)) == [4, 1, 6, 3, 7]
    assert find_worst(with_ious(80, 20)) == [1, 0]
    assert find_worst(with_ious(None)) == []


@pytest.mark.parametrize(("rows", "columns"), [(128, 130), (200, 256)])
def test_every_pixel_is_drawn_in_its_place(rows, columns):
    """Each image is one row in the given order, with white gaps; nothing is resampled."""
    evaluation, read = evaluation_of(3, rows, columns)
    picture = draw_worst(evaluation, [2, 0], BANDS, read)

    assert picture.dtype == np.uint8
    assert picture.shape == (2 * rows + GAP, 4 * columns + 3 * GAP, 3)
    for index, found in zip([2, 0], panels_of(picture, rows, columns, 2), strict=True):
        image, truth = read(evaluation.samples[index])
        expected = render_errors(image, truth, evaluation.predicted[index], BANDS, CLASSES)
        for panel, values in zip(found, expected, strict=True):
            np.testing.assert_array_equal(panel, np.round(255 * values))
    assert (picture[rows : rows + GAP] == 255).all()
    assert (picture[:, columns : columns + GAP] == 255).all()


def test_large_images_are_drawn_at_every_third_pixel():
    """An image of 600 x 700 pixels and its label are subsampled alike."""
    evaluation, read = evaluation_of(1, 600, 700)
    picture = draw_worst(evaluation, [0], BANDS, read)

    assert picture.shape == (200, 4 * 234 + 3 * GAP, 3)
    _, truth = read(0)
    wrong = (truth < 2) & (truth != evaluation.predicted[0])
    np.testing.assert_array_equal((picture[:, -234:] == 255).all(axis=-1), wrong[::3, ::3])


def test_small_images_are_enlarged():
    """The pixels of an image 32 pixels wide become squares of four by four."""
    evaluation, read = evaluation_of(1, 16, 32)
    picture = draw_worst(evaluation, [0], BANDS, read)

    assert picture.shape == (64, 4 * 128 + 3 * GAP, 3)
    squares = picture[:, :128].reshape(16, 4, 32, 4, 3)
    assert (squares == squares[:, :1, :, :1]).all()


def test_the_picture_is_written_without_loss(tmp_path):
    """The same picture always has the same bytes."""
    evaluation, read = evaluation_of(2, 16, 16)
    picture = draw_worst(evaluation, [1, 0], BANDS, read)
    for name in ("one.png", "two.png"):
        write_worst(tmp_path / name, picture)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    np.testing.assert_array_equal(np.round(255 * imread(tmp_path / "one.png"))[..., :3], picture)
