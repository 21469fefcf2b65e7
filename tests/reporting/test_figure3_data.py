"""The models and images of Figure 3 are chosen by fixed rules, and the images are read as the models saw them."""

from dataclasses import replace

import numpy as np
import pytest

from gym.config.schema import AugmentConfig
from gym.core.errors import DataError
from gym.data.batches import SampleReader
from gym.reporting.figure3_data import ChosenImage, add_outputs, choose_images, choose_models, read_examples
from tests.reporting.test_run_table import made_run

MEDIAN, MOST_DIFFERENT, WORST = (
    "the image with the median mean IoU (averaged over both models)",
    "the other image on which the models' accuracies differ most",
    "the image with the lowest mean IoU",
)
AUGMENT = AugmentConfig(mode="offline", copies=2, rotation=30)


class FirstBand:
    """A model that predicts the class from the hundreds of the first band, as the tiny dataset is labelled."""

    def predict_on_batch(self, images):
        """Return the probabilities of three classes."""
        assert images.shape == (1, 16, 32, 3)
        return np.eye(3)[np.clip(images[..., 0] // 100, 0, 2).astype(int)]


def images_of(*names):
    """Images chosen by hand."""
    return [ChosenImage(name, "by hand") for name in names]


def run_of(model, iou, weights, ious=(60, 40), **more):
    """A run of an architecture with this mean IoU and these weights."""
    return replace(made_run(ious, model=model, iou=iou, **more), weights_sha256=weights)


def test_the_best_unet_and_the_best_resunet_are_chosen():
    """They have this order, even if other architectures are better."""
    runs = [
        run_of("resunet", 0.9, "a"),
        run_of("simple_unet", 0.99, "b"),
        run_of("unet", 0.7, "c"),
        run_of("unet", 0.8, "d"),
        run_of("unet", None, "e"),
    ]

    assert [run.weights_sha256 for run in choose_models(runs)] == ["d", "a"]


def test_of_two_other_architectures_the_best_of_each_is_chosen():
    """The better one comes first."""
    runs = [run_of("unet", 0.9, "a"), run_of("unet", 0.8, "b"), run_of("simple_unet", 0.95, "c")]

    assert [run.weights_sha256 for run in choose_models(runs)] == ["c", "a"]


def test_of_one_architecture_the_two_best_are_chosen():
    """The same weights are not chosen twice; cce and kld may train the same model."""
    runs = [run_of("unet", 0.9, "a"), run_of("unet", 0.9, "a", loss="kld"), run_of("unet", 0.8, "b")]

    assert [run.weights_sha256 for run in choose_models(runs)] == ["a", "b"]
    assert choose_models(runs[:2]) == runs[:1]
    assert choose_models([run_of("unet", None, "a")]) == []


def test_the_images_of_two_runs_worked_out_by_hand():
    """Of the mean IoUs 40, 50, 60 and 70, the median is 50; the runs differ most at 70, with 60 and 80."""
    one, other = made_run([40, 52, 60, 60]), made_run([40, 48, 60, 80])

    assert choose_images([one, other]) == [("scene1", MEDIAN), ("scene3", MOST_DIFFERENT)]


def test_the_median_image_is_not_chosen_twice():
    """If the runs differ most on it, the image with the next largest difference is chosen."""
    chosen = choose_images([made_run([40, 20, 61]), made_run([40, 80, 60])])

    assert [image.name for image in chosen] == ["scene1", "scene2"]


def test_of_one_run_the_median_and_the_worst_image_are_chosen():
    """There is no other run to differ from."""
    assert choose_images([made_run([80, 30, 50])]) == [
        ("scene2", "the image with the median mean IoU"),
        ("scene1", WORST),
    ]


def test_only_images_of_both_runs_are_chosen():
    """The runs may list them in different orders."""
    one, other = made_run([40, 50], images=["a", "b"]), made_run([10, 50], images=["c", "b"])

    assert [image.name for image in choose_images([one, other])] == ["b"]
    assert choose_images([one, made_run([10], images=["d"])]) == []


@pytest.mark.parametrize("count", [0, 2])
def test_images_without_labelled_pixels_are_not_chosen(count):
    """They have no IoU."""
    run = made_run([40] * 3)
    run.matrices[count:] = 0

    assert len(choose_images([run])) == count


def test_a_pair_is_read_as_it_is_in_the_dataset(tiny_dataset):
    """It has no outputs yet."""
    (example,) = read_examples(tiny_dataset, images_of("pair3"), AUGMENT, seed=1)

    np.testing.assert_array_equal(example.image, tiny_dataset.read_image(3))
    np.testing.assert_array_equal(example.label, tiny_dataset.read_label(3))
    assert (example.name, example.outputs) == ("pair3", [])


def test_an_augmented_copy_is_the_one_that_the_models_saw(tiny_dataset):
    """Runs with split=paper validate on copies."""
    (example,) = read_examples(tiny_dataset, images_of("pair3 copy 2"), AUGMENT, seed=1)

    image, label = SampleReader(tiny_dataset, AUGMENT, 1)(2 * len(tiny_dataset) + 3)
    np.testing.assert_array_equal(example.image, image)
    np.testing.assert_array_equal(example.label, label)
    assert (example.image != tiny_dataset.read_image(3)).any()


def test_a_missing_image_is_an_error(tiny_dataset):
    """The error names the image and the dataset."""
    with pytest.raises(
        DataError, match=r"tiny has no image elsewhere, on which the models were validated; train them again\.$"
    ):
        read_examples(tiny_dataset, images_of("pair3", "elsewhere"), AUGMENT, seed=1)


def test_every_model_appends_its_output(tiny_dataset):
    """An output has the most probable class of each pixel."""
    examples = read_examples(tiny_dataset, images_of("pair2", "pair4"), AUGMENT, seed=1)
    once = add_outputs(examples, FirstBand())
    twice = add_outputs(once, FirstBand())

    assert [len(example.outputs) for example in examples + once + twice] == [0, 0, 1, 1, 2, 2]
    for example in once:
        assert example.outputs[0].dtype == np.uint8
        np.testing.assert_array_equal(example.outputs[0], example.label)
