"""Examples are chosen by rule: the best of each architecture, the median image, and where they differ most."""

from dataclasses import replace

import pytest

from gym.reporting.figure3 import choose_images, choose_models
from tests.reporting.test_run_table import made_run

MEDIAN, APART, WORST = (
    "the image of median mean IoU (of the two on average)",
    "of the others that on which their shares of right pixels differ most",
    "the image of lowest mean IoU",
)


def run_of(model, iou, weights, ious=(60, 40), **more):
    """A run of an architecture with a mean IoU and weights of its own."""
    return replace(made_run(ious, model=model, iou=iou, **more), weights_sha256=weights)


def test_the_best_unet_and_the_best_resunet_are_shown():
    """In this order, also where other architectures are better."""
    runs = [
        run_of("resunet", 0.9, "a"),
        run_of("simple_unet", 0.99, "b"),
        run_of("unet", 0.7, "c"),
        run_of("unet", 0.8, "d"),
        run_of("unet", None, "e"),
    ]

    assert [run.weights_sha256 for run in choose_models(runs)] == ["d", "a"]


def test_of_two_other_architectures_the_best_of_each_is_shown():
    """The better first."""
    runs = [run_of("unet", 0.9, "a"), run_of("unet", 0.8, "b"), run_of("simple_unet", 0.95, "c")]

    assert [run.weights_sha256 for run in choose_models(runs)] == ["c", "a"]


def test_of_one_architecture_the_two_best_are_shown():
    """But no model twice, as cce and kld give it."""
    runs = [run_of("unet", 0.9, "a"), run_of("unet", 0.9, "a", loss="kld"), run_of("unet", 0.8, "b")]

    assert [run.weights_sha256 for run in choose_models(runs)] == ["a", "b"]
    assert choose_models(runs[:2]) == runs[:1]
    assert choose_models([run_of("unet", None, "a")]) == []


def test_the_images_of_two_runs_by_hand():
    """Mean IoUs of 40, 50, 60, 70: the lower of the two middle ones; then 70, which one gets as 60 and one as 80."""
    one, other = made_run([40, 52, 60, 60]), made_run([40, 48, 60, 80])

    assert choose_images([one, other]) == [("scene1", MEDIAN), ("scene3", APART)]


def test_the_median_image_is_not_shown_twice():
    """Where it is also that on which the runs differ most, the next takes its place."""
    chosen = choose_images([made_run([40, 20, 61]), made_run([40, 80, 60])])

    assert [image.name for image in chosen] == ["scene1", "scene2"]


def test_of_one_run_the_median_and_the_worst_image_are_shown():
    """Its own."""
    assert choose_images([made_run([80, 30, 50])]) == [("scene2", "the image of median mean IoU"), ("scene1", WORST)]


def test_images_that_both_runs_have_are_shown():
    """In whatever order they stand."""
    one, other = made_run([40, 50], images=["a", "b"]), made_run([10, 50], images=["c", "b"])

    assert [image.name for image in choose_images([one, other])] == ["b"]
    assert choose_images([one, made_run([10], images=["d"])]) == []


@pytest.mark.parametrize("count", [0, 2])
def test_images_without_a_counted_pixel_are_not_shown(count):
    """They have no IoU."""
    run = made_run([40] * 3)
    run.matrices[count:] = 0

    assert len(choose_images([run])) == count
