"""Example images are read as the models saw them, copies included, and each model adds its output."""

import numpy as np
import pytest

from gym.config.schema import AugmentConfig
from gym.core.errors import DataError
from gym.data.batches import SampleReader
from gym.reporting.figure3 import ChosenImage, read_images, segment_images

AUGMENT = AugmentConfig(mode="offline", copies=2, rotation=30)


class FirstBand:
    """A model whose class is told by the hundreds of the first band, as the labels of the tiny dataset are."""

    def predict_on_batch(self, images):
        """Scores of three classes."""
        assert images.shape == (1, 16, 32, 3)
        return np.eye(3)[np.clip(images[..., 0] // 100, 0, 2).astype(int)]


def images_of(*names):
    return [ChosenImage(name, "by hand") for name in names]


def test_an_image_is_read_in_its_frame(tiny_dataset):
    """Image and label as they are in the dataset."""
    (example,) = read_images(tiny_dataset, images_of("pair3"), AUGMENT, seed=1)

    np.testing.assert_array_equal(example.image, tiny_dataset.read_image(3))
    np.testing.assert_array_equal(example.label, tiny_dataset.read_label(3))
    assert (example.name, example.outputs) == ("pair3", [])


def test_a_copy_is_the_one_that_the_models_saw(tiny_dataset):
    """Drawn anew, and the same: the runs of split=paper validate on copies."""
    (example,) = read_images(tiny_dataset, images_of("pair3 copy 2"), AUGMENT, seed=1)

    image, label = SampleReader(tiny_dataset, AUGMENT, 1)(2 * len(tiny_dataset) + 3)
    np.testing.assert_array_equal(example.image, image)
    np.testing.assert_array_equal(example.label, label)
    assert (example.image != tiny_dataset.read_image(3)).any()


def test_an_image_that_is_gone_is_named(tiny_dataset):
    """With the dataset that does not have it."""
    with pytest.raises(DataError, match=r"tiny has no image elsewhere, on which the models were validated\.$"):
        read_images(tiny_dataset, images_of("pair3", "elsewhere"), AUGMENT, seed=1)


def test_every_model_adds_its_output(tiny_dataset):
    """The class with the highest score of each pixel, behind those of the models before it."""
    examples = read_images(tiny_dataset, images_of("pair2", "pair4"), AUGMENT, seed=1)
    once = segment_images(examples, FirstBand())
    twice = segment_images(once, FirstBand())

    assert [len(example.outputs) for example in examples + once + twice] == [0, 0, 1, 1, 2, 2]
    for example in once:
        assert example.outputs[0].dtype == np.uint8
        np.testing.assert_array_equal(example.outputs[0], example.label)
