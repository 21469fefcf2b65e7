"""Scores compared with values by hand, with scikit-learn, and with their own properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as independent

from gym.config.registries import SCORES, Place
from gym.data.labels import IGNORE
from gym.evaluation import confusion

matrices = hnp.arrays(np.int64, (3, 3), elements=st.integers(0, 50))


@st.composite
def label_pairs(draw):
    """A truth with some ignored pixels and a prediction, with up to 4 classes."""
    size = draw(st.integers(1, 60))
    truth = draw(hnp.arrays(np.uint8, size, elements=st.sampled_from([0, 1, 2, 3, IGNORE])))
    predicted = draw(hnp.arrays(np.uint8, size, elements=st.integers(0, 3)))
    return truth, predicted


def matrix_scores(matrix):
    """All scores of a confusion matrix that are logged at the end of training, the correlation last."""
    return {
        entry.name: confusion.score_matrix(entry, matrix) for entry in SCORES.at(Place.RUN) if entry.is_known_by_image
    }


def test_scores_by_hand():
    """Two classes and ten pixels: 6 and 1 correct, 2 and 1 wrong."""
    matrix = np.array([[6, 2], [1, 1]])

    np.testing.assert_allclose(confusion.class_iou(matrix), [6 / 9, 1 / 4])
    np.testing.assert_allclose(confusion.class_dice(matrix), [12 / 15, 2 / 5])
    np.testing.assert_allclose(confusion.class_precision(matrix), [6 / 7, 1 / 3])
    np.testing.assert_allclose(confusion.class_recall(matrix), [6 / 8, 1 / 2])
    assert confusion.mean_iou(matrix) == pytest.approx((6 / 9 + 1 / 4) / 2)
    assert confusion.overall_accuracy(matrix) == pytest.approx(0.7)
    assert confusion.frequency_weighted_iou(matrix) == pytest.approx(0.8 * 6 / 9 + 0.2 / 4)
    assert confusion.matthews_correlation(matrix) == pytest.approx((6 * 1 - 2 * 1) / np.sqrt(7 * 3 * 8 * 2))


def test_an_absent_class_has_no_score_and_is_left_out_of_the_mean():
    """A class in neither truth nor prediction has no IoU; one that is only predicted has an IoU of 0."""
    absent = np.array([[5, 0, 0], [0, 5, 0], [0, 0, 0]])
    invented = np.array([[4, 0, 1], [0, 5, 0], [0, 0, 0]])

    assert np.isnan(confusion.class_iou(absent)[2])
    assert confusion.mean_iou(absent) == 1.0
    assert confusion.class_iou(invented)[2] == 0.0
    assert np.isnan(confusion.class_recall(invented)[2])
    assert confusion.class_precision(invented)[2] == 0.0


def test_without_counted_pixels_all_scores_are_nan():
    """No warning is raised."""
    assert all(np.isnan(value) for value in matrix_scores(np.zeros((4, 4), np.int64)).values())


def test_a_single_class_has_no_correlation():
    """Matthews correlation is 0/0 if truth or prediction is constant."""
    assert np.isnan(confusion.matthews_correlation(np.array([[9, 0], [0, 0]])))
    assert np.isnan(confusion.matthews_correlation(np.array([[5, 0], [4, 0]])))


@given(label_pairs())
def test_the_matrix_agrees_with_scikit_learn(pair):
    """Rows are true classes, columns predicted classes; ignored pixels are not counted."""
    truth, predicted = pair
    counted = truth != IGNORE

    ours = confusion.confusion_matrix(truth, predicted, 4)

    assert ours.sum() == counted.sum()
    if counted.any():
        theirs = independent.confusion_matrix(truth[counted], predicted[counted], labels=range(4))
        np.testing.assert_array_equal(ours, theirs)


@given(label_pairs())
def test_scores_agree_with_scikit_learn(pair):
    """Every score that scikit-learn has agrees on random labels with absent classes."""
    truth, predicted = pair
    counted = truth != IGNORE
    if not counted.any():
        return
    y, z = truth[counted], predicted[counted]
    scores = matrix_scores(confusion.confusion_matrix(truth, predicted, 4))
    classes = sorted(set(y) | set(z))

    options = {"labels": classes, "average": "macro", "zero_division": np.nan}
    assert scores["iou"] == pytest.approx(independent.jaccard_score(y, z, labels=classes, average="macro"))
    assert scores["f1"] == pytest.approx(independent.f1_score(y, z, labels=classes, average="macro"))
    assert scores["overall_accuracy"] == pytest.approx(independent.accuracy_score(y, z))
    assert scores["precision"] == pytest.approx(independent.precision_score(y, z, **options))
    assert scores["recall"] == pytest.approx(independent.recall_score(y, z, **options))
    weighted = independent.jaccard_score(y, z, labels=sorted(set(y)), average="weighted")
    assert scores["frequency_weighted_iou"] == pytest.approx(weighted)
    if len(set(y)) > 1 and len(set(z)) > 1:
        assert scores["matthews_correlation"] == pytest.approx(independent.matthews_corrcoef(y, z))


@given(label_pairs(), st.integers(1, 7))
def test_accumulation_does_not_depend_on_batches(pair, parts):
    """Counting in parts yields the same matrix and KLD as counting at once."""
    truth, predicted = pair
    scores = np.random.default_rng(0).dirichlet(np.ones(4), len(truth))

    pieces = [
        confusion.confusion_matrix(*piece, 4) for piece in zip(*(np.array_split(x, parts) for x in pair), strict=True)
    ]
    klds = [
        confusion.pixel_kld(*piece)
        for piece in zip(np.array_split(truth, parts), np.array_split(scores, parts), strict=True)
    ]

    np.testing.assert_array_equal(sum(pieces), confusion.confusion_matrix(truth, predicted, 4))
    assert sum(klds) == pytest.approx(confusion.pixel_kld(truth, scores))


@given(matrices, st.permutations(range(3)))
def test_renumbering_classes_does_not_change_means(matrix, order):
    """Scores stay within their ranges."""
    scores = np.array(list(matrix_scores(matrix).values()))
    renamed = np.array(list(matrix_scores(matrix[np.ix_(order, order)]).values()))

    np.testing.assert_allclose(renamed, scores, rtol=1e-12, atol=1e-12)
    defined = scores[:-1][~np.isnan(scores[:-1])]
    assert ((defined >= 0) & (defined <= 1)).all()
    assert np.isnan(scores[-1]) or -1 - 1e-12 <= scores[-1] <= 1 + 1e-12


@given(matrices)
def test_a_perfect_prediction_scores_one(matrix):
    """Every defined score is 1."""
    perfect = np.diag(np.diag(matrix))
    scores = np.array(list(matrix_scores(perfect).values()))

    np.testing.assert_allclose(scores[~np.isnan(scores)], 1.0)


def test_kld_by_hand():
    """It sums -log of the true class's probability, after normalisation, over the counted pixels."""
    truth = np.array([0, 1, IGNORE], np.uint8)
    scores = np.array([[0.5, 0.5], [0.2, 0.6], [0.0, 1.0]])

    assert confusion.pixel_kld(truth, scores) == pytest.approx(np.log(2) - np.log(0.75))


def test_a_probability_of_zero_has_a_finite_kld():
    """It costs -log(1e-7), the bound that the original program uses."""
    assert confusion.pixel_kld(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(16.118, abs=1e-3)


@given(hnp.arrays(np.int64, (2, 3, 3), elements=st.integers(0, 3)))
def test_a_stack_of_matrices_is_scored_like_single_matrices(several):
    """Classes, or all pixels, may be absent."""
    one_by_one = np.array([list(matrix_scores(matrix).values()) for matrix in several])

    np.testing.assert_allclose(np.transpose(list(matrix_scores(several).values())), one_by_one)
    np.testing.assert_allclose(confusion.class_recall(several)[1], confusion.class_recall(several[1]))
