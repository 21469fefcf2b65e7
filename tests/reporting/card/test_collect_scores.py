"""The scores of a card equal those of an evaluation, intervals included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.data.units import Units
from gym.evaluation import confusion
from gym.evaluation.bootstrap import draw_units, resample
from gym.evaluation.counts import Counts, map_counts
from gym.evaluation.scores import class_scores, overall_scores, site_scores
from gym.reporting.card.collect import describe_worst, find_confusions, score_side
from gym.reporting.card.contents import Confusion
from tests.reporting.card.made_up import CLASSES, MATRICES, as_matrix, made_evaluation, made_side


def test_scores_worked_out_by_hand():
    """Overall, 375 of 450 pixels are correct."""
    side = made_side()

    assert (side.side, side.images, side.scenes) == ("validation", 3, 3)
    assert side.overall["overall_accuracy"][0] == pytest.approx(375 / 450)
    water, sand = 230 / (260 + 275 - 230), 145 / (190 + 175 - 145)
    assert side.classes["water"]["iou"][0] == pytest.approx(water)
    assert side.classes["sand"]["iou"][0] == pytest.approx(sand)
    assert side.classes["sand"]["precision"][0] == pytest.approx(145 / 175)
    assert side.classes["sand"]["recall"][0] == pytest.approx(145 / 190)
    assert side.classes["water"]["dice"][0] == pytest.approx(2 * 230 / (260 + 275))
    assert side.overall["iou"][0] == pytest.approx((water + sand) / 2)
    assert side.overall["kld"][0] == pytest.approx(45 / 450)
    assert side.sites["elwha"]["iou/water"][0] == pytest.approx(60 / 90)
    assert side.sites["elwha"]["overall_accuracy"][0] == pytest.approx(120 / 150)
    assert side.sites["duck"]["kld"][0] == pytest.approx(30 / 300)


def test_intervals_come_from_resampled_scenes():
    """Images of one scene are drawn together."""
    side = made_side(scenes=["a", "b", "b"])
    sums = np.array([MATRICES[0], np.add(MATRICES[1], MATRICES[2])])
    drawn = confusion.mean_iou(resample(draw_units(2, 0), sums))

    assert side.scenes == 2
    assert side.overall["iou"][1:] == pytest.approx(np.percentile(drawn, [2.5, 97.5]))


@given(st.integers(0, 99))
def test_an_evaluation_has_the_same_scores(seed):
    """Its additional counts change neither the common scores nor their intervals."""
    rng = np.random.default_rng(seed)
    made = made_evaluation(rng.integers(0, 50, (6, 2, 2)), ["x", "y", "y", "x", "z", "y"])
    scenes = ["a", "b", "b", "c", "d", "e"]
    shapes = {"probability_sums": (2,), "strip_matrix": (3, 3), "distance_sums": (2,), "distance_counts": (2,)}
    shapes |= {
        "metre_sums": (2,),
        "metre_counts": (2,),
        "drawn": (2,),
        "missed": (2,),
        "errors": (4, 2),
        "reliability": (10, 3),
        "reliability_with_temperature": (10, 3),
    }
    known = {"matrix": made.matrices, "kld_sum": made.kld_sums}
    whole = Counts._make(known.get(name, np.ones((6, *shapes.get(name, ())))) for name in Counts._fields)
    assert map_counts(len, whole) == (6,) * len(whole)

    side = score_side("test", made, scenes, Units("scene", scenes))

    overall, by_class = overall_scores(scenes, whole, 0), class_scores(scenes, whole, CLASSES, 0)
    by_site = site_scores(made.sites, scenes, whole, CLASSES, 0)
    for found, full in (
        (side.overall, overall),
        *((side.classes[name], by_class[name]) for name in CLASSES),
        *((side.sites[name], by_site[name]) for name in ("x", "y", "z")),
    ):
        assert {name: np.array(full[name]) for name in found} == {
            name: pytest.approx(np.array(score, float), nan_ok=True) for name, score in found.items()
        }


def test_an_absent_class_has_no_score():
    """It has neither a value nor an interval, and means leave it out."""
    side = made_side(matrices=[[[5, 0], [0, 0]], [[7, 0], [0, 0]]], sites=["a", "b"])

    assert side.classes["sand"] == {name: [None] * 3 for name in ("iou", "dice", "precision", "recall")}
    assert side.overall["iou"] == [1.0, 1.0, 1.0]
    assert side.sites["a"]["iou/sand"] == [None] * 3


def test_one_scene_has_no_interval():
    """Its images are not independent."""
    side = made_side(scenes=["a", "a", "a"])

    assert side.scenes == 1
    assert side.overall["iou"][0] is not None
    assert all(score[1:] == [None, None] for score in side.overall.values())


def test_the_worst_images_are_described():
    """They have name, site, mean IoU and share of correct pixels."""
    (worst,) = describe_worst(made_evaluation(), [2])

    assert (worst.name, worst.site) == ("pair2", "elwha")
    assert worst.iou == pytest.approx((60 / 90 + 60 / 90) / 2)
    assert worst.overall_accuracy == pytest.approx(120 / 150)


def test_the_largest_confusions_come_first():
    """They are shares of the true class; a fourth one and those below 1 % are left out."""
    matrix = as_matrix([[50, 30, 20, 0], [10, 85, 5, 0], [0, 9, 991, 0], [0, 0, 0, 0]])

    assert find_confusions(matrix, ["a", "b", "c", "d"]) == [
        Confusion("a", "b", 0.3),
        Confusion("a", "c", 0.2),
        Confusion("b", "a", 0.1),
    ]
    assert find_confusions(as_matrix([[100, 0], [9, 991]]), ["a", "b"]) == []
