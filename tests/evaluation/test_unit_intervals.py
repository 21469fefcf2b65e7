"""Intervals over units: coverage in simulations, an independent bootstrap, and unchanged numbers over scenes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.core.seeding import generator
from gym.evaluation.against_baselines import iou_lead, score_matrices
from gym.evaluation.bootstrap import percentile_interval
from gym.evaluation.confusion import confusion_matrix, mean_iou
from gym.evaluation.scores import (
    class_scores,
    image_scores,
    mean_image_scores,
    overall_scores,
    score_differences,
    site_scores,
)
from scripts.interval_coverage import SPREADS, measure_coverage, true_iou
from tests.evaluation.test_scores import CLASS_NAMES, counted, drawn

SCENES = [f"s{index // 2}" for index in range(9)]
SITES = ["n"] * 5 + ["s"] * 4


def made():
    """Counts of nine images, and of a model that is always wrong."""
    truth, scores = drawn(9)
    return counted(truth, scores), counted(truth, np.roll(scores, 1, axis=-1))


def test_intervals_over_scenes_do_not_change_by_a_bit():
    """The numbers are those of the version that knew only scenes; integers make them the same on every machine."""
    counts, other = made()
    lead = (0.773786642149391, 0.7305376888059083, 0.8190693905143192)

    assert overall_scores(SCENES, counts, 0)["iou"] == (0.7982166009338592, 0.7633581305095674, 0.8346959793937089)
    assert mean_image_scores(SCENES, counts, 0)["iou"] == pytest.approx(
        (0.6956500304395687, 0.6558173410717694, 0.7336322014217326), rel=1e-14
    )
    by_class = class_scores(SCENES, counts, CLASS_NAMES, 0)
    assert by_class["water"]["iou"] == (0.7848837209302325, 0.6956521739130435, 0.856396866840731)
    by_site = site_scores(SITES, SCENES, counts, CLASS_NAMES, 0)
    assert by_site["n"]["iou"] == (0.8002262111856653, 0.5613026819923371, 0.8610841278407388)
    assert score_differences(SCENES, counts, other, 0)["iou"] == lead
    assert iou_lead(SCENES, counts.matrix, other.matrix, 0) == lead


def bootstrap_by_hand(units, statistic, seed):
    """The 95 % interval of a statistic of image numbers, from draws that concatenate the images of whole units."""
    names = sorted(set(units))
    picks = generator(seed, "bootstrap").integers(0, len(names), (1000, len(names)))
    images = {name: [index for index, unit in enumerate(units) if unit == name] for name in names}
    values = [statistic([index for pick in row for index in images[names[pick]]]) for row in picks]
    return np.nanpercentile(values, [2.5, 97.5])


@settings(max_examples=3, deadline=None)
@given(st.lists(st.sampled_from(["cape", "cove", "bay"]), min_size=9, max_size=9), st.integers(0, 9))
def test_intervals_equal_those_of_an_independent_cluster_bootstrap(places, seed):
    """Scores, means over images, classes, differences and baselines redraw whole places."""
    counts, other = made()
    if len(set(places)) < 2:
        places = ["cape", *["cove"] * 8]
    one, two = counts.matrix, other.matrix
    each = image_scores(counts)["iou"]

    def iou(images):
        return mean_iou(one[images].sum(axis=0))

    def water(images):
        matrix = one[images].sum(axis=0)
        return matrix[0, 0] / (matrix[0].sum() + matrix[:, 0].sum() - matrix[0, 0])

    def lead(images):
        return iou(images) - mean_iou(two[images].sum(axis=0))

    for found, statistic in (
        (overall_scores(places, counts, seed)["iou"], iou),
        (score_matrices(places, one, seed)["iou"], iou),
        (class_scores(places, counts, CLASS_NAMES, seed)["water"]["iou"], water),
        (mean_image_scores(places, counts, seed)["iou"], lambda images: each[images].mean()),
        (score_differences(places, counts, other, seed)["iou"], lead),
        (iou_lead(places, one, two, seed), lead),
    ):
        assert found[1:] == pytest.approx(bootstrap_by_hand(places, statistic, seed), rel=1e-9)


def test_a_site_alone_has_no_interval_if_sites_are_the_units():
    """It is one unit: its score is known, but not how it varies, and the width is not 0."""
    counts, _ = made()
    by_site = site_scores(SITES, SITES, counts, CLASS_NAMES, 0)

    for site, scores in by_site.items():
        for name, score in scores.items():
            assert np.isnan(score[1:]).all(), (site, name)
    assert by_site["n"]["iou"].value == site_scores(SITES, SCENES, counts, CLASS_NAMES, 0)["n"]["iou"].value
    assert not np.isnan(overall_scores(SITES, counts, 0)["iou"]).any()


def test_scores_are_the_same_whatever_is_redrawn():
    """Only intervals depend on the unit."""
    counts, _ = made()
    over = [overall_scores(units, counts, 0) for units in (SCENES, SITES)]

    for name in over[0]:
        assert over[0][name].value == pytest.approx(over[1][name].value, rel=1e-12, nan_ok=True)


def test_units_cover_the_true_score_and_scenes_do_not():
    """Of 95 % intervals over 50 places, about 94 % contain the true mean IoU, over their 78 scenes 84 %.

    The standard errors of 300 samples are 1.5 and 2.1 points. `scripts/interval_coverage.py` prints more digits.
    """
    spread = SPREADS["moderately"]
    by_place, by_scene, ratio = measure_coverage(50, spread, 300, true_iou(spread, places=200_000))

    assert 0.89 <= by_place <= 0.98
    assert by_scene <= 0.89
    assert by_place - by_scene >= 0.05
    assert ratio == pytest.approx(1.33, abs=0.05)


def test_few_units_cover_less_than_they_say():
    """Five places contain the true mean IoU in about 82 % of cases, as the page says."""
    spread = SPREADS["moderately"]
    by_place, by_scene, _ = measure_coverage(5, spread, 400, true_iou(spread, places=200_000))

    assert 0.75 <= by_place <= 0.89
    assert by_scene < by_place


def plain_interval(sums, random):
    """A percentile interval of the pooled accuracy of units, ``(units, 2)`` correct and all pixels, in plain NumPy."""
    drawn_sums = sums[random.integers(0, len(sums), (500, len(sums)))].sum(axis=1)
    return np.percentile(drawn_sums[:, 0] / drawn_sums[:, 1], [2.5, 97.5])


def test_coverage_agrees_with_a_plain_simulation():
    """Thirty places of four equal scenes each: over scenes, an interval is half as wide and covers two thirds."""
    random, covered = np.random.default_rng(3), np.zeros(2)
    for sample in range(200):
        accuracy = random.uniform(0.6, 1, 30)  # its mean is 0.8
        right = np.repeat((1000 * accuracy).round().astype(np.uint16), 4)
        matrices = np.stack([[[count, 1000 - count], [1000 - count, count]] for count in right.astype(int)])
        for kind, units in enumerate((np.repeat(np.arange(30), 4), np.arange(120))):
            names = [f"{unit:03}" for unit in units]
            found = score_matrices(names, matrices, sample)["overall_accuracy"]
            sums = np.zeros((units.max() + 1, 2))
            np.add.at(sums, units, np.stack([2 * right, np.full(120, 2000)], axis=1))
            assert found[1:] == pytest.approx(plain_interval(sums, random), abs=0.02)
            covered[kind] += found.low <= 0.8 <= found.high

    by_place, by_scene = covered / 200
    assert 0.89 <= by_place <= 0.98
    assert 0.55 <= by_scene <= 0.78


def test_one_unit_has_no_interval_even_if_scores_vary_inside_it():
    """The number of units decides, not that of images."""
    truth = np.zeros((2, 2), np.uint8)
    matrices = np.stack([confusion_matrix(truth, truth + shift, 2) for shift in (0, 1)])

    assert np.isnan(score_matrices(["a", "a"], matrices, 0)["overall_accuracy"][1:]).all()
    assert percentile_interval(0.5, np.array([0.5, 0.5]), units=2) == (0.5, 0.5, 0.5)
