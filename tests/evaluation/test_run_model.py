"""Counts of a network that is a known function, compared with NumPy."""

import keras
import numpy as np
import pytest

from gym.config.schema import AugmentConfig
from gym.data.batches import SampleReader, ordered_batches
from gym.data.labels import IGNORE
from gym.evaluation import confusion
from gym.evaluation.run_model import Evaluation, evaluate_model, named_scores
from tests.conftest import make_scenes, make_tiny_dataset

SAMPLES = [4, 0, 3, 1]


@pytest.fixture(scope="module")
def model():
    """Predicts the class from the hundreds of band a, or 0 if band b exceeds 40, with a probability of 0.8."""
    images = keras.Input((16, 32, 3))
    kind = keras.ops.where(images[..., 1] > 40, 0.0, keras.ops.floor(images[..., 0] / 100))
    return keras.Model(images, 0.7 * keras.ops.one_hot(keras.ops.cast(kind, "int32"), 3) + 0.1)


@pytest.fixture(scope="module")
def evaluation(model, tiny_dataset):
    return evaluated(model, tiny_dataset, SAMPLES, 3)


def evaluated(model, dataset, samples, batch, *changes):
    return evaluate_model(model, dataset, samples, ordered_batches(dataset, samples, batch, *changes))


def kld_of(evaluation):
    return confusion.training_scores(evaluation.counts)["kld"]


def expected_prediction(dataset, position):
    image = dataset.read_image(position)
    return np.where(image[..., 1] > 40, 0, image[..., 0] // 100)


def make_evaluation(matrices, sites, classes=("a", "b"), kld_sums=None, legacy=None):
    """An evaluation with one confusion matrix per pair."""
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


def test_predictions_equal_the_known_function(evaluation, tiny_dataset):
    """They are in the requested order."""
    assert evaluation.predicted.dtype == np.uint8
    for predicted, position in zip(evaluation.predicted, SAMPLES, strict=True):
        np.testing.assert_array_equal(predicted, expected_prediction(tiny_dataset, position))


def test_names_and_sites_follow_the_samples(evaluation):
    """They are in the order of the samples."""
    assert evaluation.samples == SAMPLES
    assert evaluation.names == ["pair4", "pair0", "pair3", "pair1"]
    assert evaluation.sites == ["site0", "site0", "site1", "site1"]
    assert evaluation.classes == ["low", "middle", "high"]


def test_copies_are_evaluated_after_augmentation(model, tiny_dataset):
    """As in the paper's program, a copy has the name and site of its pair, but its own pixels."""
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


def test_matrices_agree_with_numpy(evaluation, tiny_dataset):
    """Every cell is compared; ignored pixels are in none."""
    for matrix, position in zip(evaluation.matrices, SAMPLES, strict=True):
        truth, predicted = tiny_dataset.read_label(position), expected_prediction(tiny_dataset, position)
        for row, column in np.ndindex(3, 3):
            assert matrix[row, column] == ((truth == row) & (predicted == column)).sum()

    np.testing.assert_array_equal(evaluation.matrices.sum(axis=(1, 2)), [512, 512 - 16, 512, 512])
    np.testing.assert_array_equal(evaluation.matrix, evaluation.matrices.sum(axis=0))


def test_the_divergence_by_hand(evaluation, tiny_dataset):
    """A correct pixel costs -log(0.8), a wrong one -log(0.1), an ignored one nothing."""
    right = np.array([np.trace(matrix) for matrix in evaluation.matrices])
    wrong = evaluation.matrices.sum(axis=(1, 2)) - right

    np.testing.assert_allclose(evaluation.kld_sums, -right * np.log(0.8) - wrong * np.log(0.1), rtol=1e-6)
    assert kld_of(evaluation) == pytest.approx(evaluation.kld_sums.sum() / (4 * 512 - 16))
    assert (tiny_dataset.read_label(0) == IGNORE).sum() == 16


def test_each_site_has_its_own_counts(evaluation):
    """Even pairs belong to one site, odd pairs to the other; together they are all pairs."""
    of_site = evaluation.site_counts()

    assert list(of_site) == ["site0", "site1"]
    np.testing.assert_array_equal(of_site["site0"].matrix, evaluation.matrices[0] + evaluation.matrices[1])
    np.testing.assert_array_equal(of_site["site1"].matrix, evaluation.matrices[2] + evaluation.matrices[3])
    assert of_site["site0"].kld_sum + of_site["site1"].kld_sum == pytest.approx(evaluation.kld_sums.sum())


@pytest.mark.parametrize("batch", [1, 2, 4, 100])
def test_only_legacy_scores_depend_on_the_batch_size(model, tiny_dataset, evaluation, batch):
    """All counts are equal bit for bit."""
    other = evaluated(model, tiny_dataset, SAMPLES, batch)
    ours, theirs = named_scores(evaluation), named_scores(other)

    np.testing.assert_array_equal(other.matrices, evaluation.matrices)
    np.testing.assert_array_equal(other.predicted, evaluation.predicted)
    assert ours.keys() == theirs.keys()
    for name in ours:
        if not name.startswith("legacy/"):
            assert theirs[name] == pytest.approx(ours[name], rel=1e-12)
    assert theirs["legacy/iou"] != pytest.approx(ours["legacy/iou"], rel=1e-9)


def test_scores_do_not_depend_on_the_order_of_pairs(model, tiny_dataset, evaluation):
    """Matrix and KLD are equal."""
    turned = evaluated(model, tiny_dataset, SAMPLES[::-1], 4)

    np.testing.assert_array_equal(turned.matrix, evaluation.matrix)
    assert kld_of(turned) == pytest.approx(kld_of(evaluation), rel=1e-12)


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
    assert len(scores) == 8 + 4 * 3 + 2 * 2 + 3


def test_names_and_values_by_hand():
    """Two pairs of two sites: the first has 6 and 1 correct, 2 and 1 wrong pixels; the second is all correct."""
    evaluation = make_evaluation(
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


def test_undefined_scores_are_left_out():
    """Absent classes, classes missing from the truth and sites without counted pixels lack some or all scores."""
    nothing = np.zeros((3, 3), int)
    evaluation = make_evaluation([[[4, 0, 1], [0, 0, 0], [0, 0, 0]], nothing], ["seen", "unseen"], ["a", "b", "c"])

    scores = named_scores(evaluation)

    assert not any(np.isnan(value) for value in scores.values())
    assert {name for name in scores if name.endswith("/b")} == set()
    assert {name for name in scores if name.endswith("/c")} == {"class_iou/c", "class_dice/c", "class_precision/c"}
    assert scores["class_iou/c"] == 0
    assert "site_iou/seen" in scores
    assert "site_iou/unseen" not in scores
    assert "matthews_correlation" not in scores


def test_without_counted_pixels_there_are_no_scores():
    """KLD is NaN, and no score is reported."""
    evaluation = make_evaluation([np.zeros((2, 2), int)], ["unseen"])

    assert np.isnan(kld_of(evaluation))
    assert named_scores(evaluation) == {}


def test_scores_are_logged_under_their_registered_names(evaluation):
    """The values are those of `training_scores`."""
    scores, summary = named_scores(evaluation), confusion.training_scores(evaluation.counts)

    assert {name: scores[name] for name in summary} == summary


@pytest.mark.parametrize("null_class", [True, False])
def test_the_mean_iou_of_2022_is_computed_only_with_a_null_class(model, tmp_path, null_class):
    """With one, it is the IoU of padding and of pixels without data, which the network finds with p > 0.5."""
    scenes = make_scenes(2, rows=8)
    for scene in scenes.values():
        scene.label[:] = 1 + scene.label % 2
        scene.image[..., 0] = 100 * scene.label
        scene.image[..., 1] = 7
        scene.image[0, :3, 0] = 0  # 3 of 256 pixels of padding and nodata are predicted where they are not
    dataset = make_tiny_dataset(tmp_path / "s", scenes, unlabelled=0 if null_class else IGNORE)

    evaluation = evaluated(model, dataset, [0, 1], 2)

    assert evaluation.null_class == null_class
    assert ("iou_2022" in evaluation.legacy) == null_class
    assert ("legacy/iou_2022" in named_scores(evaluation)) == null_class
    assert evaluation.matrix.sum() == 2 * 16 * 32 // (1 if null_class else 2)
    if null_class:
        assert evaluation.legacy["iou_2022"] == pytest.approx(256 / 259, abs=1e-5)
