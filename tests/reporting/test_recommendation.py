"""The recommended run is the smallest that the validation scenes cannot distinguish from the best."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.data.units import Units
from gym.reporting.recommendation import bootstrap_scores, recommend, standard_error
from tests.reporting.test_run_table import made_run

TILES = ["a tile 1", "a tile 2"]


def test_a_bootstrap_worked_out_by_hand():
    """Of a perfect scene and one that is all wrong, a sample has both of one, both of the other, or one of each.

    One of each has 100 true positives per class and a union of 300 pixels; the deviation of 0, 1/3, 1/3, 1 is 0.3632.
    """
    run = replace(made_run([0, 0]), matrices=np.array([[[100, 0], [0, 100]], [[0, 100], [100, 0]]]))
    ious = bootstrap_scores(run, seed=0, draws=4000)

    values, times = np.unique(ious.round(9), return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 3, 1], atol=1e-8)
    np.testing.assert_allclose(times / 4000, [0.25, 0.5, 0.25], atol=0.03)
    assert standard_error(run, draws=4000) == pytest.approx(0.3632, abs=0.01)


def test_equal_scenes_have_no_standard_error():
    """Whichever are drawn, the mean IoU is the same."""
    np.testing.assert_allclose(bootstrap_scores(made_run([70, 70, 70]), seed=3), 0.7)
    assert standard_error(made_run([70, 70, 70])) == pytest.approx(0, abs=1e-12)


def test_the_standard_error_of_one_scene_is_undefined():
    """Two tiles of one scene do not help."""
    assert np.isnan(standard_error(made_run([70])))
    assert np.isnan(standard_error(made_run([70, 50], images=TILES, scenes=["a", "a"])))


def test_tiles_of_a_scene_are_drawn_together():
    """Scenes cut into equal tiles have the same standard error as whole scenes; order does not matter."""
    whole = made_run([80, 60, 40])
    images, ious = [f"scene{number} tile {tile}" for tile in range(4) for number in range(3)], [80, 60, 40] * 4
    tiled = made_run(ious, images=images, scenes=[image.partition(" ")[0] for image in images])

    np.testing.assert_allclose(bootstrap_scores(tiled, 1), bootstrap_scores(whole, 1))
    assert standard_error(tiled) == pytest.approx(standard_error(whole))
    assert "from 3 validation scenes" in recommend([tiled], seed=0).sentence
    turned = replace(tiled, images=images[::-1], scenes=tiled.scenes[::-1], matrices=tiled.matrices[::-1])
    np.testing.assert_array_equal(bootstrap_scores(turned, 1), bootstrap_scores(tiled, 1))


def test_a_sample_may_have_no_labelled_pixel():
    """It has no mean IoU and is left out of the standard error."""
    run = replace(made_run([80, 80]), matrices=np.array([[[0, 0], [0, 0]], [[160, 20], [20, 160]]]))

    ious = bootstrap_scores(run, seed=0)

    assert set(ious[~np.isnan(ious)].round(6)) == {0.8}
    assert 0.15 < np.isnan(ious).mean() < 0.35
    assert standard_error(run) == pytest.approx(0)


def test_samples_depend_on_the_seed():
    """The same seed draws the same samples."""
    run = made_run(range(0, 100, 5))

    np.testing.assert_array_equal(bootstrap_scores(run, 1), bootstrap_scores(run, 1))
    assert (bootstrap_scores(run, 1) != bootstrap_scores(run, 2)).any()


def test_the_smaller_run_within_one_standard_error_is_recommended():
    """The best has 0.9, 0.7, 0.7 or 0.5 in samples, a deviation of 0.141; the smaller one is always 0.02 worse."""
    best, smaller, worse = made_run([90, 50], filters=8), made_run([88, 48]), made_run([60, 40], filters=2)

    recommendation = recommend([worse, best, smaller], seed=0)

    assert recommendation.best is best
    assert recommendation.chosen is smaller
    assert recommendation.standard_error == pytest.approx(0.1414, abs=0.01)
    assert recommendation.difference == (pytest.approx(0.02), pytest.approx(0.02))
    assert recommendation.sentence == (
        "Recommended: unet cce f4 (16,000 parameters, mean IoU 0.680), the smallest model within one standard error "
        f"({recommendation.standard_error:.3f}, from 2 validation scenes) of the best, unet cce f8 (64,000 parameters, "
        "mean IoU 0.700); the 95 % interval of the best run's lead is 0.020 to 0.020. The best mean IoU, 0.700, was "
        "chosen as the highest among 3 models on the same 2 validation scenes; a bootstrap estimates the optimism of "
        "this choice at 0.000, which leaves 0.700."
    )


def test_the_best_is_recommended_if_no_smaller_run_is_near():
    """The sentence says that it is the best."""
    best, smaller = made_run([70, 70], filters=8), made_run([69, 69])

    recommendation = recommend([smaller, best], seed=0)

    assert recommendation.chosen is recommendation.best is best
    assert recommendation.difference == (0, 0)
    assert recommendation.sentence == (
        "Recommended: unet cce f8 (64,000 parameters, mean IoU 0.700). It is the best run, and no smaller model is "
        "within one standard error (0.000, from 2 validation scenes) of it. The best mean IoU, 0.700, was chosen as "
        "the highest among 2 models on the same 2 validation scenes; a bootstrap estimates the optimism of this choice "
        "at 0.000, which leaves 0.700."
    )


def test_the_choice_of_the_best_is_named_with_its_optimism():
    """By hand in tests/evaluation/test_optimism.py: 0.15. A single run is not chosen."""
    runs = [made_run([90, 50]), made_run([60, 70], filters=2)]

    found = recommend(runs, seed=0, draws=20_000)

    assert found.selection.models == 2
    assert found.selection.optimism == pytest.approx(0.15, abs=0.002)
    assert found.sentence.endswith(
        f" The best mean IoU, 0.700, was chosen as the highest among 2 models on the same 2 validation scenes; a "
        f"bootstrap estimates the optimism of this choice at {found.selection.optimism:.3f}, which leaves "
        f"{0.7 - found.selection.optimism:.3f}."
    )
    alone = recommend(runs[:1], seed=0)
    assert alone.selection is None
    assert "chosen" not in alone.sentence


def test_without_a_recommendation_the_choice_is_named_without_an_estimate():
    """The reason is that of the missing recommendation."""
    sentence = recommend([made_run([90, 50]), made_run([60, 70], images=["a", "b"])], seed=0).sentence

    assert sentence == (
        "No recommendation: the runs have different validation images, as in leave-one-site-out, so their scores are "
        "not comparable. The best mean IoU, 0.700, was chosen as the highest among 2 models, which makes it optimistic "
        "by an unknown amount."
    )


def test_of_equally_small_runs_the_better_is_recommended():
    """Of equally good runs, the smaller is the best."""
    good, better, best = made_run([86, 50]), made_run([88, 50]), made_run([90, 50], filters=8)
    assert recommend([good, better, best], seed=0).chosen is better
    assert recommend([better, good, best], seed=0).chosen is better
    twin = replace(made_run([90, 50]), name="twin")

    assert recommend([best, twin], seed=0).best is twin
    assert recommend([made_run([60, 50]), twin, best], seed=0).chosen is twin


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ([], "no run has a mean IoU"),
        ([made_run(iou=None), made_run(iou=float("nan")), made_run(parameters=None)], "no run has a mean IoU"),
        ([made_run(), made_run(images=["scene0", "other"])], "the runs have different validation images"),
        (
            [made_run(settings={"data.seed": 0}), made_run(settings={"data.seed": 1})],
            "the runs differ in data.seed, so images with the same name are not the same image",
        ),
        (
            [made_run(settings={"data.remap": {"1": 0}}), made_run(settings={"data.remap": None})],
            "the runs differ in data.remap, so images with the same name are not the same image",
        ),
        ([made_run(), replace(made_run(), classes=["sea", "land"])], "the runs have different classes"),
        (
            [made_run(images=TILES, scenes=["a", "a"]), made_run(images=TILES)],
            "some runs were made by an earlier version, which did not record which images share a scene",
        ),
        ([made_run([50]), made_run([60])], "there is only one validation scene"),
        ([made_run(), replace(made_run(), scenes=[])], "the confusion matrices are missing"),
    ],
)
def test_runs_that_cannot_be_compared_have_no_recommendation(runs, why):
    """The sentence gives the reason."""
    recommendation = recommend(runs, seed=0)

    assert recommendation.chosen is recommendation.best is None
    assert np.isnan(recommendation.standard_error)
    assert recommendation.sentence.startswith(f"No recommendation: {why}")


PLACES = ["cape", "cape", "cove", "cove", "bay", "bay"]


def over_places(ious, **more):
    """A run whose split kept places of two images together."""
    return replace(made_run(ious, **more), unit_kind="place", unit_names=PLACES)


def test_the_standard_error_redraws_the_units_of_the_split():
    """Two equal scenes of a place say no more than one: the error is that of three scenes, and exceeds that of six."""
    doubled, whole = [90, 90, 60, 60, 40, 40], made_run([90, 60, 40])
    run = over_places(doubled)

    np.testing.assert_allclose(np.sort(bootstrap_scores(run, 1, 2000)).mean(), 0.63, atol=0.02)
    assert standard_error(run, draws=4000) == pytest.approx(standard_error(whole, draws=4000), rel=0.05)
    assert standard_error(run) == pytest.approx(2**0.5 * standard_error(made_run(doubled)), rel=0.1)
    assert np.isnan(standard_error(replace(run, unit_names=["cape"] * 6)))


def test_the_recommendation_names_the_units():
    """They are those of the validation side."""
    recommendation = recommend([over_places([90, 88, 60, 58, 40, 42])], seed=0)

    assert "from 3 validation places" in recommendation.sentence
    assert recommendation.units == Units("place", PLACES)


def test_runs_with_different_units_are_compared_on_the_coarsest():
    """A run of an earlier version, or one split by scene, is redrawn by place as well, whatever the order of images."""
    best, smaller = over_places([90, 80, 70, 60, 50, 40], filters=8), made_run([88, 78, 68, 58, 48, 38])
    turned = replace(smaller, images=smaller.images[::-1], scenes=smaller.scenes[::-1], matrices=smaller.matrices[::-1])

    for other in (smaller, turned):
        recommendation = recommend([other, best], seed=0)
        assert recommendation.chosen is other
        assert recommendation.best is best
        assert recommendation.units.kind == "place"
        assert recommendation.units.number == 3
        assert recommendation.standard_error == standard_error(best)
        assert recommendation.difference == (pytest.approx(0.02), pytest.approx(0.02))


def test_runs_whose_units_cross_have_no_recommendation():
    """No bootstrap suits both; a single unit has no standard error."""
    places = over_places([90, 80, 70, 60, 50, 40])
    dates = replace(places, unit_kind="date", unit_names=["1", "2"] * 3)

    assert recommend([places, dates], seed=0).sentence == (
        "No recommendation: the splits of the runs keep different units together (places or dates), and neither "
        "contains the other."
    )
    alone = replace(places, unit_names=["cape"] * 6)
    assert recommend([alone], seed=0).sentence == (
        "No recommendation: there is only one validation place, so the standard error cannot be estimated."
    )


def test_runs_without_a_score_do_not_prevent_a_recommendation():
    """Their images may even be different."""
    best = made_run([70, 60])

    assert recommend([made_run(iou=None, images=["x", "y"]), best], seed=0).chosen is best


RUNS = st.lists(
    st.tuples(st.lists(st.integers(0, 100), min_size=5, max_size=5), st.integers(1, 4)), min_size=1, max_size=6
)


@settings(deadline=None)
@given(RUNS, st.integers(0, 3))
def test_the_recommended_run_is_near_the_best_and_not_larger(made, seed):
    """It is within the standard error of the best, no smaller run is, and the ends of the interval are in order."""
    runs = [made_run(ious, filters=filters) for ious, filters in made]

    recommendation = recommend(runs, seed, draws=50)
    least = recommendation.best.scores["iou"] - recommendation.standard_error

    assert recommendation.best.scores["iou"] == max(run.scores["iou"] for run in runs)
    assert recommendation.chosen.scores["iou"] >= least
    assert recommendation.chosen.scores["parameters"] <= recommendation.best.scores["parameters"]
    for run in runs:
        if run.scores["iou"] >= least:
            assert run.scores["parameters"] >= recommendation.chosen.scores["parameters"]
    assert recommendation.difference[0] <= recommendation.difference[1]


@pytest.mark.parametrize("keys", [["seed"], ["split.training_share"], ["seed", "split.training_share"]])
def test_chance_and_labels_are_no_choice(keys):
    """Nobody chooses a model by its seed, or fewer labels."""
    runs = [
        replace(run, settings={**run.settings, **dict.fromkeys(keys, number)})
        for number, run in enumerate([made_run(), made_run(), made_run()], start=1)
    ]

    advice = recommend(runs, seed=0)

    assert advice.chosen is None
    words = " and ".join(keys)
    assert advice.sentence.startswith(f"No recommendation: the runs differ only in {words}, which is no choice")
