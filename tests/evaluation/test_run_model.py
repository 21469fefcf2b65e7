"""Counts of a network that is a known function, against counts taken in numpy."""

import keras
import numpy as np
import pytest

from gym.config.schema import AugmentConfig
from gym.data.batches import SampleReader, ordered_batches
from gym.data.labels import IGNORE
from gym.evaluation import confusion
from gym.evaluation.run_model import Evaluation, evaluate_model, named_scores

SAMPLES = [4, 0, 3, 1]


@pytest.fixture(scope="module")
def model():
    """Class by the hundreds of band a, which is the truth, but 0 where band b is above 40; sure to 0.8."""
    images = keras.Input((16, 32, 3))
    kind = keras.ops.where(images[..., 1] > 40, 0.0, keras.ops.floor(images[..., 0] / 100))
    return keras.Model(images, 0.7 * keras.ops.one_hot(keras.ops.cast(kind, "int32"), 3) + 0.1)


@pytest.fixture(scope="module")
def evaluation(model, tiny_dataset):
    return evaluated(model, tiny_dataset, SAMPLES, 3)


def evaluated(model, dataset, samples, batch, *changes):
    return evaluate_model(model, dataset, samples, ordered_batches(dataset, samples, batch, *changes))


def expected_prediction(dataset, position):
    image = dataset.read_image(position)
    return np.where(image[..., 1] > 40, 0, image[..., 0] // 100)


def made_up(matrices, sites, classes=("a", "b"), kld_sums=None, legacy=None):
    """An evaluation with these confusion matrices, one a pair."""
    return Evaluation(
        names=[f"pair{number}" for number in range(len(sites))],
        sites=list(sites),
        samples=list(range(len(sites))),
        classes=list(classes),
        matrices=np.array(matrices),
        kld_sums=np.zeros(len(sites)) if kld_sums is None else np.array(kld_sums),
        predicted=np.zeros((len(sites), 2, 2), np.uint8),
        legacy=legacy or {},
    )


def test_predictions_are_the_functions(evaluation, tiny_dataset):
    """Class indices of every pair, in the order asked for."""
    assert evaluation.predicted.dtype == np.uint8
    for predicted, position in zip(evaluation.predicted, SAMPLES, strict=True):
        np.testing.assert_array_equal(predicted, expected_prediction(tiny_dataset, position))


def test_names_and_sites_follow_the_samples(evaluation):
    """They come along in the same order, and the class names with them."""
    assert evaluation.samples == SAMPLES
    assert evaluation.names == ["pair4", "pair0", "pair3", "pair1"]
    assert evaluation.sites == ["site0", "site0", "site1", "site1"]
    assert evaluation.classes == ["low", "middle", "high"]


def test_copies_are_counted_as_they_are_drawn(model, tiny_dataset):
    """As the paper's program validated: a copy has the name and the site of its pair, and pixels of its own."""
    mirror = AugmentConfig("offline", 3, 0.0, 0.0, 0.0, 0.0, flip_horizontal=True)
    copies = [6 + 4, 12 + 4, 18 + 1]

    evaluation = evaluated(model, tiny_dataset, copies, 2, mirror, 3)

    assert evaluation.samples == copies
    assert evaluation.names == ["pair4 copy 1", "pair4 copy 2", "pair1 copy 3"]
    assert evaluation.sites == ["site0", "site0", "site1"]
    read = SampleReader(tiny_dataset, mirror, 3)
    drawn = [tuple(map(np.asarray, read(sample))) for sample in copies]
    assert any(
        (image != tiny_dataset.read_image(sample % 6)).any() for (image, _), sample in zip(drawn, copies, strict=True)
    )
    for matrix, predicted, (image, truth) in zip(evaluation.matrices, evaluation.predicted, drawn, strict=True):
        np.testing.assert_array_equal(predicted, np.where(image[..., 1] > 40, 0, image[..., 0] // 100))
        np.testing.assert_array_equal(matrix, confusion.confusion_matrix(truth, predicted, 3))


def test_matrices_agree_with_counting_in_numpy(evaluation, tiny_dataset):
    """Cell by cell: pixels of true class ``row`` that are predicted as ``column``; ignored ones in no cell."""
    for matrix, position in zip(evaluation.matrices, SAMPLES, strict=True):
        truth, predicted = tiny_dataset.read_label(position), expected_prediction(tiny_dataset, position)
        for row, column in np.ndindex(3, 3):
            assert matrix[row, column] == ((truth == row) & (predicted == column)).sum()

    np.testing.assert_array_equal(evaluation.matrices.sum(axis=(1, 2)), [512, 512 - 16, 512, 512])
    np.testing.assert_array_equal(evaluation.matrix, evaluation.matrices.sum(axis=0))


def test_the_divergence_by_hand(evaluation, tiny_dataset):
    """A right pixel costs -log(0.8), a wrong one -log(0.1), an ignored one nothing."""
    right = np.array([np.trace(matrix) for matrix in evaluation.matrices])
    wrong = evaluation.matrices.sum(axis=(1, 2)) - right

    np.testing.assert_allclose(evaluation.kld_sums, -right * np.log(0.8) - wrong * np.log(0.1), rtol=1e-6)
    assert evaluation.kld == pytest.approx(evaluation.kld_sums.sum() / (4 * 512 - 16))
    assert (tiny_dataset.read_label(0) == IGNORE).sum() == 16


def test_sites_have_matrices_of_their_own(evaluation):
    """Even pairs are of one site and odd ones of the other; together they are all pairs."""
    of_site = evaluation.site_counts()

    assert list(of_site) == ["site0", "site1"]
    np.testing.assert_array_equal(of_site["site0"].matrix, evaluation.matrices[0] + evaluation.matrices[1])
    np.testing.assert_array_equal(of_site["site1"].matrix, evaluation.matrices[2] + evaluation.matrices[3])
    assert of_site["site0"].kld_sum + of_site["site1"].kld_sum == pytest.approx(evaluation.kld_sums.sum())


@pytest.mark.parametrize("batch", [1, 2, 4, 100])
def test_no_score_depends_on_the_batch_size_but_the_legacy_ones(model, tiny_dataset, evaluation, batch):
    """The counts are the same to the bit; the original's averages over batches are not."""
    other = evaluated(model, tiny_dataset, SAMPLES, batch)
    ours, theirs = named_scores(evaluation), named_scores(other)

    np.testing.assert_array_equal(other.matrices, evaluation.matrices)
    np.testing.assert_array_equal(other.predicted, evaluation.predicted)
    assert ours.keys() == theirs.keys()
    for name in ours:
        if not name.startswith("legacy/"):
            assert theirs[name] == pytest.approx(ours[name], rel=1e-12)
    assert theirs["legacy/iou"] != pytest.approx(ours["legacy/iou"], rel=1e-9)


def test_no_score_depends_on_the_order_of_the_pairs(model, tiny_dataset, evaluation):
    """Pairs may be listed in any order."""
    turned = evaluated(model, tiny_dataset, SAMPLES[::-1], 4)

    np.testing.assert_array_equal(turned.matrix, evaluation.matrix)
    assert turned.kld == pytest.approx(evaluation.kld, rel=1e-12)


def test_a_perfect_model_scores_one(tiny_dataset):
    """Every IoU, Dice, precision and recall is 1, for each class and each site."""
    images = keras.Input((16, 32, 3))
    kind = keras.ops.cast(keras.ops.floor(images[..., 0] / 100), "int32")
    perfect = keras.Model(images, keras.ops.one_hot(kind, 3))

    scores = named_scores(evaluated(perfect, tiny_dataset, range(6), 4))

    assert scores.pop("kld") == 0
    assert scores.pop("legacy/kld") == pytest.approx(0, abs=1e-6)
    assert scores.pop("legacy/kld_2022") == pytest.approx(0, abs=1e-6)
    assert scores == pytest.approx(dict.fromkeys(scores, 1.0))
    assert len(scores) == 8 + 4 * 3 + 2 * 2 + 4


def test_names_and_values_by_hand():
    """Two pairs of two sites: 6 and 1 right, 2 and 1 wrong; then all right."""
    evaluation = made_up(
        [[[6, 2], [1, 1]], [[0, 0], [0, 5]]], ["north", "south"], kld_sums=[4.5, 3.0], legacy={"iou": 0.25}
    )

    scores = named_scores(evaluation)

    assert scores["iou"] == pytest.approx((6 / 9 + 6 / 9) / 2)
    assert scores["dice"] == scores["f1"] == pytest.approx((12 / 15 + 12 / 15) / 2)
    assert scores["overall_accuracy"] == pytest.approx(12 / 15)
    assert scores["kld"] == pytest.approx(7.5 / 15)
    assert scores["class_iou/a"] == pytest.approx(6 / 9)
    assert scores["class_dice/b"] == pytest.approx(12 / 15)
    assert scores["class_precision/a"] == pytest.approx(6 / 7)
    assert scores["class_precision/b"] == pytest.approx(6 / 8)
    assert scores["class_recall/a"] == pytest.approx(6 / 8)
    assert scores["class_recall/b"] == pytest.approx(6 / 7)
    assert scores["site_iou/north"] == pytest.approx((6 / 9 + 1 / 4) / 2)
    assert scores["site_dice/north"] == pytest.approx((12 / 15 + 2 / 5) / 2)
    assert scores["site_iou/south"] == scores["site_dice/south"] == 1
    assert scores["legacy/iou"] == 0.25


def test_what_is_undefined_is_left_out():
    """A class that is nowhere has no score, one never true no recall; a site without a counted pixel none."""
    nothing = np.zeros((3, 3), int)
    evaluation = made_up([[[4, 0, 1], [0, 0, 0], [0, 0, 0]], nothing], ["seen", "unseen"], ["a", "b", "c"])

    scores = named_scores(evaluation)

    assert not any(np.isnan(value) for value in scores.values())
    assert {name for name in scores if name.endswith("/b")} == set()
    assert {name for name in scores if name.endswith("/c")} == {"class_iou/c", "class_dice/c", "class_precision/c"}
    assert scores["class_iou/c"] == 0
    assert "site_iou/seen" in scores
    assert "site_iou/unseen" not in scores
    assert "matthews_correlation" not in scores


def test_without_a_counted_pixel_there_is_no_score():
    """No number is better than an invented one."""
    evaluation = made_up([np.zeros((2, 2), int)], ["unseen"])

    assert np.isnan(evaluation.kld)
    assert named_scores(evaluation) == {}


def test_every_score_of_training_has_its_name(evaluation):
    """Each is logged under the name it is registered by."""
    scores, summary = named_scores(evaluation), confusion.training_scores(evaluation.counts)

    assert {name: scores[name] for name in summary} == summary
