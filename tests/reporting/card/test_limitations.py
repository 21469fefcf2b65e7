"""Warnings and limitations follow from the contents of a card."""

from dataclasses import replace

import pytest

from gym.data.units import Units
from gym.evaluation.bootstrap import COVERAGE_OF_FEW_UNITS
from gym.reporting.card.contents import ClassSummary, SideSummary
from gym.reporting.card.limitations import find_limitations, find_warnings
from tests.reporting.card.made_up import made_card, made_side

MANY = 30


def limitations_of(*arguments, **others):
    """All limitations as one text."""
    return "\n".join(find_limitations(made_card(*arguments, **others)))


def classes(**training):
    """Classes with these numbers of training pixels."""
    return [ClassSummary(name, "#0072b2", {"training": pixels, "validation": 5}) for name, pixels in training.items()]


def many_scenes(side="validation"):
    """Thirty images, each a scene of its own."""
    return made_side(side, matrices=[[[9, 1], [1, 9]]] * MANY, sites=["duck", "elwha"] * (MANY // 2))


def test_a_sound_run_has_no_warning():
    """It has only limitations."""
    assert find_warnings(made_card()) == []
    assert len(find_limitations(made_card())) > 5


def test_a_leaky_split_has_a_warning():
    """The milder limitation that validation selected the epoch is then left out."""
    leaky = {"split.method": "paper"}
    (warning,) = find_warnings(made_card(leaky))

    assert warning.startswith(
        "This split leaks: as in the paper's program, copies of one scene are on the training and the validation"
    )
    assert "selected the best epoch" not in limitations_of(leaky)
    assert "selected the best epoch" in limitations_of()


def test_near_duplicates_have_a_warning():
    """It gives their number."""
    assert find_warnings(made_card(data={"alike": 1}))[0].startswith("1 near-duplicate on different sides")
    assert find_warnings(made_card(data={"alike": 3}))[0].startswith("3 near-duplicates on different sides")


def test_a_class_without_training_pixels_has_a_warning():
    """A class with few training pixels is a limitation."""
    card = made_card(data={"classes": classes(water=9990, surf=10, sand=0)})

    assert find_warnings(card) == ["The model has never seen sand: there are no such training pixels."]
    rare = "It has seen little of surf: less than 1% of the labelled training pixels each."
    assert rare in find_limitations(card)
    assert "seen little" not in limitations_of(data={"classes": classes(water=99, sand=1)})


def test_the_scores_may_not_hold_at_other_sites():
    """The model was evaluated only at its training sites, or at others as well, or the sites are unknown."""
    assert "All scenes come from the training sites (2 sites); expect lower scores elsewhere." in limitations_of()
    elsewhere = [SideSummary("training", 5, 4, {"duck": 5}), SideSummary("test", 5, 4, {"elwha": 5})]
    assert "All scenes come from the training sites" not in limitations_of(data={"sides": elsewhere})
    unknown = [SideSummary("training", 5, 1, {"all": 5})]
    assert "The sites of the scenes are unknown" in limitations_of(data={"sides": unknown})
    assert "It was trained on 1 labelled scene; expect errors" in limitations_of(data={"sides": unknown})


def test_few_scenes_are_a_limitation():
    """One scene has no interval, fewer than twenty have narrow ones, and sites with one scene are named."""
    assert "Intervals over 3 validation scenes tend to be too narrow." in limitations_of()
    assert limitations_of(scores=[made_side(), made_side("test")]).count(COVERAGE_OF_FEW_UNITS) == 1
    assert "Sites with one validation scene have no interval: elwha." in limitations_of()
    alone = limitations_of(scores=[made_side(scenes=["a", "a", "a"])])
    assert "All validation images come from one scene, so there are no intervals." in alone
    assert "Sites with one" not in alone
    assert COVERAGE_OF_FEW_UNITS not in alone
    enough = limitations_of(scores=[many_scenes()])
    assert "too narrow" not in enough
    assert "no interval" not in enough


def test_the_limitations_name_the_units_of_the_intervals():
    """Each side may have its own; sites that are units have no interval of their own."""
    places = made_side(units=Units("place", ["cape", "cape", "bay"]))
    sites = made_side("test", units=Units("site", ["duck", "duck", "elwha"]))
    text = limitations_of(scores=[places, sites])

    assert "The intervals measure the choice of places and sites, not the randomness of training" in text
    assert "Intervals over 2 validation places tend to be too narrow." in text
    assert "Intervals over 2 test sites tend to be too narrow." in text
    assert "Sites with one validation place have no interval: duck, elwha." in text
    assert "The test intervals redraw whole sites, so the scores of a single site have none." in text
    one = made_side("test", units=Units("site", ["duck"] * 3))
    assert "All test images come from one site, so there are no intervals." in limitations_of(scores=[places, one])


def test_a_site_without_labelled_pixels_is_not_a_site_with_one_scene():
    """It has no score at all."""
    empty = made_side(matrices=[[[9, 1], [1, 9]], [[9, 2], [1, 9]], [[0, 0], [0, 0]]], sites=["a", "a", "b"])

    assert "Sites with one" not in limitations_of(scores=[empty])


def test_a_test_side_has_its_own_limitations():
    """It did not select the best epoch."""
    text = limitations_of(scores=[many_scenes(), made_side("test")])

    assert "so their scores are slightly optimistic; the test scores are not affected." in text
    assert "Intervals over 3 test scenes" in text
    assert "there is no test side." in limitations_of()


def test_the_best_of_a_sweep_is_named_as_such():
    """The sentence says whether there are other scores; other runs have none."""
    chosen = "The validation mean IoU, 0.800, was chosen as the highest among 8 models."

    assert f"{chosen[:-1]}; there is no test side." in limitations_of(selection=chosen)
    sides = [many_scenes(), made_side("test")]
    assert f"{chosen[:-1]}; the test scores are not affected." in limitations_of(selection=chosen, scores=sides)
    assert "chosen" not in limitations_of()


def test_a_class_that_validation_lacks_is_named():
    """It has no score."""
    text = limitations_of(scores=[made_side(matrices=[[[5, 0], [0, 0]]] * 3)])

    assert "sand: absent from truth and prediction of the validation side" in text
    assert "absent from truth" not in limitations_of()


@pytest.mark.parametrize(("epochs", "is_limited"), [(7, True), (15, False)])
def test_a_training_that_was_too_short_is_a_limitation(epochs, is_limited):
    """Its last epoch was the best."""
    assert ("longer training may improve the model" in limitations_of({"training.epochs": epochs})) == is_limited


def test_left_out_files_and_the_seed_are_mentioned():
    """Both are given with their numbers."""
    text = limitations_of({"seed": 17}, data={"left_out": 4})

    assert "Files or scenes left out because they could not be used: 4 (left_out.json)." in text
    assert "trained with one seed (17)" in text
    assert "left_out.json" not in limitations_of()


def test_at_most_eight_names_are_listed():
    """The others are counted."""
    absent = {f"kind{number}": 0 for number in range(11)}
    (warning,) = find_warnings(made_card(data={"classes": classes(water=5, **absent)}))

    assert warning.startswith("The model has never seen kind0, kind1,")
    assert "kind7 and 3 more: there are no" in warning


@pytest.mark.parametrize(("steps", "is_limited"), [(56.0, True), (500.0, False)])
def test_too_few_steps_are_a_limitation(steps, is_limited):
    """Runs of earlier versions did not record their steps."""
    card = made_card()

    text = "\n".join(find_limitations(replace(card, totals=card.totals | {"training_steps": steps})))

    assert ("It was trained for only 56 steps; batch normalisation needs several hundred." in text) == is_limited
    assert "batch normalisation" not in limitations_of()


@pytest.mark.parametrize("null_class", ["padding", "nothing"])
def test_scores_that_include_a_null_class_are_a_limitation(null_class):
    """It raises the mean over classes, and a run without one, even of an earlier version, has no such sentence."""
    assert f"include the class {null_class} of padding" in limitations_of({"data.null_class": null_class})
    assert "include the class" not in limitations_of({"data.null_class": ""})
    assert "include the class" not in limitations_of()
