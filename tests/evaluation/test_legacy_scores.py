"""The scores of the original program, worked out by hand from its definitions."""

import numpy as np
import pytest

from gym.data.labels import IGNORE
from gym.evaluation.legacy_scores import LegacyScores, drop_incomparable, explain_left_out

SMOOTH = 1e-5


def batch(labels, probabilities):
    """A batch of one image with one row."""
    row = np.array(probabilities, float).reshape(1, 1, len(labels), -1)
    return np.array([[labels]], np.uint8).reshape(1, 1, -1), row


def test_one_batch_by_hand():
    """Of three classes one is absent and counts as perfect."""
    legacy = LegacyScores(3)
    legacy.add(*batch([0, 0, 1, 1], [[0.6, 0.4, 0], [0.4, 0.6, 0], [0.3, 0.7, 0], [0.1, 0.9, 0]]))
    result = legacy.result()

    assert result["iou"] == pytest.approx((1 / 2 + 2 / 3 + 1) / 3, abs=1e-4)
    dice = [(2 * 1.0) / (2 + 1.4), (2 * 1.6) / (2 + 2.6), 1.0]
    assert result["dice"] == pytest.approx(np.mean(dice), abs=1e-4)
    assert result["iou_2022"] == pytest.approx(1 / 2, abs=1e-4)
    assert result["dice_2022"] == pytest.approx((2 * 2.6 + 1) / (4 + 4 + 1))
    assert result["kld_2022"] == pytest.approx(-np.log([0.6, 0.4, 0.7, 0.9]).mean(), abs=1e-4)


def test_the_hard_kld_is_the_error_rate_times_16():
    """On one-hot predictions the divergence only measures the share of wrong pixels."""
    legacy = LegacyScores(2)
    legacy.add(*batch([0, 0, 1, 1], [[1, 0], [0, 1], [0, 1], [0, 1]]))

    assert legacy.result()["kld"] == pytest.approx(16.118 * 1 / 4, abs=1e-3)


def test_batches_are_averaged_and_only_ten_in_2022():
    """After ten perfect batches and ten wrong ones, the 2022 scores include only the first ten."""
    legacy = LegacyScores(2)
    for _ in range(10):
        legacy.add(*batch([0, 1], [[1, 0], [0, 1]]))
    for _ in range(10):
        legacy.add(*batch([0, 1], [[0, 1], [1, 0]]))
    result = legacy.result()

    assert result["iou"] == pytest.approx(0.5, abs=1e-4)
    assert result["iou_2022"] == pytest.approx(1.0, abs=1e-4)


def test_ignored_pixels_are_not_counted():
    """A batch of ignored pixels only does not count as a batch."""
    whole, rest = LegacyScores(2), LegacyScores(2)
    rest.add(*batch([0, 1], [[0.9, 0.1], [0.4, 0.6]]))
    whole.add(*batch([0, 1, IGNORE], [[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]))
    whole.add(*batch([IGNORE], [[0.5, 0.5]]))

    assert whole.result() == rest.result()
    assert LegacyScores(2).result() == {}


@pytest.mark.parametrize("prefix", ["", "legacy/", "test/legacy/"])
def test_the_mean_iou_of_2022_needs_a_null_class(prefix):
    """The paper's first class was the null class, so the score of any other first class is another quantity."""
    scores = {f"{prefix}{name}": 0.5 for name in ("iou", "iou_2022", "dice_2022", "kld_2022")}

    assert drop_incomparable(scores, null_class=True) == scores
    assert list(drop_incomparable(scores, null_class=False)) == [
        f"{prefix}{name}" for name in ("iou", "dice_2022", "kld_2022")
    ]


@pytest.mark.parametrize(
    ("classes", "null_class", "reason"),
    [
        (["padding", "water", "sand"], True, ""),
        (["water", "sand", "padding"], False, "and the first class here is water; "),
        (["sand", "water"], False, "and the first class here is sand; "),
        ([], False, "and the first class here is another; "),
    ],
)
def test_one_line_says_why_a_score_is_left_out(classes, null_class, reason):
    """It names the first class, whatever the order."""
    line = explain_left_out(classes, null_class)

    assert reason in line
    assert "\n" not in line
    assert bool(line) != null_class


def with_one_hot(labels, probabilities):
    """Compute the scores as the original does, from one-hot labels."""
    classes = probabilities.shape[-1]
    truth, soft = np.eye(classes)[labels[labels != IGNORE]], probabilities[labels != IGNORE].astype(np.float64)
    hard = np.eye(classes)[soft.argmax(axis=1)]

    def iou(one, other):
        overlap = (one * other).sum(axis=0)
        return (overlap + 1e-5) / (one.sum(axis=0) + other.sum(axis=0) - overlap + 1e-5)

    def kld(one, other):
        one, other = np.clip(one, 1e-7, 1), np.clip(other, 1e-7, 1)
        return (one * np.log(one / other)).sum(axis=1).mean()

    dice = (2 * (truth * soft).sum(axis=0) + 1e-5) / (truth.sum(axis=0) + soft.sum(axis=0) + 1e-5)
    return {
        "iou": iou(truth, hard).mean(),
        "dice": dice.mean(),
        "kld": kld(truth, hard),
        "iou_2022": iou(truth[:, :1], soft[:, :1] > 0.5)[0],
        "dice_2022": (2 * (truth * soft).sum() + 1) / (truth.sum() + soft.sum() + 1),
        "kld_2022": kld(truth, soft),
    }


@pytest.mark.parametrize("sharpness", [0.1, 1.0, 30.0])
def test_scores_equal_those_of_one_hot_labels(sharpness):
    """Nearly binary probabilities and an absent class are included."""
    random = np.random.default_rng(0)
    labels = random.choice([0, 1, 2, IGNORE], (3, 9, 8)).astype(np.uint8)
    powers = np.exp(sharpness * random.normal(size=(3, 9, 8, 4)))
    probabilities = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    legacy = LegacyScores(4)
    legacy.add(labels, probabilities)

    assert legacy.result() == pytest.approx(with_one_hot(labels, probabilities), rel=1e-5)
