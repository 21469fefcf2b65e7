"""Scores computed from counts, compared with values by hand, other libraries and their own properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics import jaccard_score

from gym.config.registries import SCORES, Place
from gym.data.labels import IGNORE
from gym.evaluation.confusion import compute_class_scores, compute_score, confusion_matrix, pixel_kld
from gym.evaluation.counts import count_image, select_images, stack_counts, sum_counts_by_unit
from gym.evaluation.scores import (
    class_scores,
    defined_values,
    image_scores,
    mean_image_scores,
    overall_scores,
    score_differences,
    sum_counts,
)

CLASS_NAMES = ["water", "sand", "other"]


def drawn(images, seed=0, side=12, ignored=0.1):
    """Labels in patches, and probabilities that are mostly right."""
    random = np.random.default_rng(seed)
    truth = np.kron(random.integers(0, 3, (images, side // 4, side // 4)), np.ones((1, 4, 4))).astype(np.uint8)
    scores = random.dirichlet(np.ones(3), truth.shape) + 0.7 * np.eye(3)[truth]
    truth[random.random(truth.shape) < ignored] = IGNORE
    return truth, (scores / scores.sum(axis=-1, keepdims=True)).astype(np.float32)


UNKNOWN = float("nan"), float("nan")


def counted(truth, scores, sides=UNKNOWN, temperature=1.5):
    """Counts of all images."""
    counts = []
    for labels, shares in zip(truth, scores, strict=True):
        matrix = confusion_matrix(labels, shares.argmax(axis=-1), shares.shape[-1])
        counts.append(count_image(labels, shares, matrix, pixel_kld(labels, shares), 1, temperature, sides))
    return stack_counts(counts)


def test_overall_scores_combine_all_pixels():
    """Mean IoU agrees with scikit-learn, KLD and class shares with SciPy's entropy."""
    truth, scores = drawn(5)
    valid = truth != IGNORE
    found = overall_scores(list("abcde"), counted(truth, scores), seed=0)

    expected = jaccard_score(truth[valid], scores.argmax(axis=-1)[valid], average="macro")
    assert found["iou"].value == pytest.approx(expected)
    one_hot = np.eye(3)[truth[valid]]
    assert found["kld"].value == pytest.approx(entropy(one_hot, scores[valid], axis=1).mean(), rel=1e-5)
    shares = np.bincount(truth[valid], minlength=3) / valid.sum()
    assert found["share_kld"].value == pytest.approx(entropy(shares, scores[valid].mean(axis=0)), rel=1e-5)
    assert found["iou"].low < found["iou"].value < found["iou"].high


def test_every_score_is_defined_and_within_its_range():
    """Only distances in metres need georeferenced images; a model that is always wrong has a negative correlation."""
    truth, scores = drawn(4)
    unbounded = {"kld", "share_kld", "boundary_distance"}

    for shown in (scores, np.roll(scores, 1, axis=-1)):
        values = defined_values(overall_scores(list("abcd"), counted(truth, shown), seed=0))
        assert set(SCORES.names_at(Place.EVALUATION)) - set(values) == {"boundary_distance_metres"}
        correlation = values.pop("matthews_correlation")
        assert -1 <= correlation <= 1
        assert (correlation > 0) == (shown is scores)
        assert all(0 <= value <= (np.inf if name in unbounded else 1) for name, value in values.items())


def one_hot(labels, classes=2):
    """Probabilities of 1 for the given labels."""
    return np.eye(classes, dtype=np.float32)[labels]


def test_the_boundary_distance_is_the_mean_over_classes():
    """By hand, for sand two pixels wide in the truth and one in the prediction.

    The water boundary agrees. Sand agrees on that side and is one pixel short on the other: its two true columns are
    0 and 1 from the prediction, its predicted column is 0 from the truth, so the mean is 1/3. The other class begins a
    pixel early: 1 in both directions.
    """
    truth, predicted = (np.repeat([widths], 2, axis=0) for widths in ([0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 2, 2]))
    counts = counted(truth[None].astype(np.uint8), one_hot(predicted, 3)[None])

    found = overall_scores(["a"], counts, seed=0)["boundary_distance"].value

    assert found == pytest.approx((0 + 1 / 3 + 1) / 3)


def test_swapped_classes_have_a_boundary_distance():
    """Their lines coincide, but each class lies on the other side: a distance of one pixel."""
    truth = np.repeat([[0, 0, 0, 1, 1, 1]], 6, axis=0).astype(np.uint8)
    counts = counted(truth[None], one_hot(1 - truth)[None])

    assert overall_scores(["a"], counts, seed=0)["boundary_distance"].value == 1


def shores():
    """Three images with a shoreline, and one of water only."""
    truth = np.zeros((4, 6, 12), np.uint8)
    truth[:3, :, 6:] = 1
    return truth


def test_a_model_without_a_shoreline_misses_it():
    """The distance cannot distinguish a model that draws one of three lines correctly; the share of misses can."""
    truth = shores()
    bold, timid = truth.copy(), truth.copy()
    timid[1:] = 0
    found = [overall_scores(list("abcd"), counted(truth, one_hot(predicted)), seed=0) for predicted in (bold, timid)]

    assert [scores["boundary_distance"].value for scores in found] == [0, 0]
    assert found[0]["boundary_missed"] == (0, 0, 0)
    assert found[1]["boundary_missed"].value == pytest.approx(2 / 3)
    of_images = image_scores(counted(truth, one_hot(timid)))["boundary_missed"]
    np.testing.assert_array_equal(of_images, [0, 1, 1, np.nan])
    by_class = class_scores(list("abcd"), counted(truth, one_hot(timid)), ["water", "land"], seed=0)
    assert [by_class[name]["boundary_missed"].value for name in ("water", "land")] == pytest.approx([2 / 3, 2 / 3])


def test_a_superfluous_boundary_counts_as_missed():
    """One of four images has a boundary in the prediction only."""
    truth, predicted = shores(), shores()
    predicted[3, :, 3:] = 1

    found = overall_scores(list("abcd"), counted(truth, one_hot(predicted)), seed=0)

    assert found["boundary_missed"].value == pytest.approx(1 / 4)


def test_distances_are_compared_only_where_both_models_have_one():
    """One model draws three lines, the first a pixel off; the other only that one, three off: they differ by 2."""
    truth = shores()
    near, far = truth.copy(), truth.copy()
    near[0, :, 6] = 0
    far[1:] = 0
    far[0, :, 6:9] = 0
    one, other = (counted(truth, one_hot(predicted), sides=(10.0, 10.0)) for predicted in (near, far))

    found = score_differences(list("abcd"), one, other, seed=0)

    assert found["boundary_distance"].value == pytest.approx(-2)
    assert found["boundary_distance_metres"].value == pytest.approx(-20)
    assert found["boundary_missed"].value == pytest.approx(-2 / 3)
    nowhere = score_differences(list("abcd"), one, counted(truth, one_hot(np.zeros_like(truth))), seed=0)
    assert np.isnan(nowhere["boundary_distance"].value)


def test_distances_are_compared_class_by_class():
    """An image in which one model has no boundary of a class still counts for the other classes."""
    truth, first, other = (
        np.repeat([widths], 4, axis=0)
        for widths in ([0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 0, 0, 1, 1, 2, 2, 2], [0, 0, 0, 1, 1, 1, 1, 1, 1])
    )
    counts = [counted(truth[None].astype(np.uint8), one_hot(label, 3)[None]) for label in (first, other)]

    found = score_differences(["a"], *counts, seed=0)["boundary_distance"].value

    assert found == pytest.approx((1 + (1 + 0 + 1 + 0) / 4) / 2 - (0 + (0 + 2 + 0) / 3) / 2)


def test_distances_in_metres_are_pixels_times_their_size():
    """Only georeferenced images count."""
    truth, scores = drawn(4)
    pixels, metres = counted(truth, scores), counted(truth, scores, sides=(10.0, 10.0))
    mixed = type(pixels)._make(np.concatenate([one[:2], other[2:]]) for one, other in zip(metres, pixels, strict=True))

    found = overall_scores(list("abcd"), mixed, seed=0)["boundary_distance_metres"].value

    first = overall_scores(list("ab"), select_images(pixels, [0, 1]), seed=0)["boundary_distance"].value
    assert found == pytest.approx(10 * first)


def test_distances_in_metres_respect_pixels_that_are_not_square():
    """With pixels of 10 m by 20 m, two columns are 40 m and two rows 20 m."""
    truth, predicted = np.zeros((12, 12), np.uint8), np.zeros((12, 12), np.uint8)
    truth[:, 6:], predicted[:, 8:] = 1, 1
    labels, scores = np.stack([truth, truth.T]), np.stack([one_hot(predicted), one_hot(predicted.T)])

    counts = counted(labels, scores, (10.0, 20.0))

    for place, metres in enumerate((40, 20)):
        found = overall_scores(["a"], select_images(counts, [place]), seed=0)
        assert found["boundary_distance"].value == 2
        assert found["boundary_distance_metres"].value == metres


def test_the_mean_over_images_weights_images_equally():
    """Images where the score is undefined are left out."""
    truth, scores = drawn(3)
    truth[2] = IGNORE
    counts = counted(truth, scores)
    each = image_scores(counts)["iou"]

    assert np.isnan(each[2])
    assert mean_image_scores(["a", "b", "c"], counts, seed=0)["iou"].value == pytest.approx(each[:2].mean())


def test_an_absent_class_has_no_score():
    """The other classes keep theirs."""
    truth = np.zeros((2, 4, 4), np.uint8)
    truth[:, 2:] = 1
    scores = np.eye(3, dtype=np.float32)[truth]
    found = class_scores(["a", "b"], counted(truth, scores), CLASS_NAMES, seed=0)

    assert np.isnan(found["other"]["iou"].value)
    assert found["water"]["iou"] == (1, 1, 1)
    assert found["water"]["boundary_distance"].value == 0


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(4)))
def test_the_order_of_images_does_not_matter(order):
    """The draws do not change either, because scenes are sorted by name."""
    truth, scores = drawn(4)
    names = list("abcd")

    straight = overall_scores(names, counted(truth, scores), seed=0)
    shuffled = overall_scores([names[at] for at in order], counted(truth[list(order)], scores[list(order)]), seed=0)

    for name in SCORES.names_at(Place.EVALUATION):
        np.testing.assert_allclose(shuffled[name], straight[name], rtol=1e-9)


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(3)))
def test_renumbering_classes_does_not_change_overall_scores(order):
    """Each class keeps its scores under its new number."""
    truth, scores = drawn(3)
    rank = np.argsort(order).astype(np.uint8)
    renamed = np.where(truth == IGNORE, IGNORE, rank[np.minimum(truth, 2)]).astype(np.uint8)
    first, other = sum_counts(counted(truth, scores)), sum_counts(counted(renamed, scores[..., list(order)]))

    for entry in SCORES.at(Place.EVALUATION):
        here, there = compute_score(entry, first), compute_score(entry, other)
        np.testing.assert_allclose(there, here, rtol=1e-6, err_msg=entry.name)
    for entry in SCORES.by_class:
        here, there = compute_class_scores(entry, first), compute_class_scores(entry, other)
        np.testing.assert_allclose(there, here[list(order)], rtol=1e-6, err_msg=entry.name)


def test_crops_of_a_scene_count_as_one_scene():
    """A single scene has no interval."""
    truth, scores = drawn(2)
    counts = counted(truth, scores)

    assert sum_counts_by_unit(["a", "a"], counts).matrix.shape == (1, 3, 3)
    assert np.isnan(overall_scores(["a", "a"], counts, seed=0)["iou"].low)


def test_a_model_does_not_differ_from_itself():
    """It differs from another by their scores, with a narrower interval than either score has."""
    truth, scores = drawn(8)
    worse = (scores + np.random.default_rng(1).dirichlet(np.ones(3), truth.shape)).astype(np.float32) / 2
    names = [f"scene{index}" for index in range(8)]
    good, bad = counted(truth, scores), counted(truth, worse)

    assert score_differences(names, good, good, seed=0)["iou"] == (0, 0, 0)
    apart, own = score_differences(names, good, bad, seed=0)["iou"], overall_scores(names, good, seed=0)["iou"]
    assert apart.value == pytest.approx(own.value - overall_scores(names, bad, seed=0)["iou"].value)
    assert apart.low > 0
