"""A card says what its facts support, loudly where the scores mislead."""

from dataclasses import replace

import pytest

from gym.reporting.card.contents import ClassFacts, SideFacts
from gym.reporting.card.prose import list_limits, list_warnings
from tests.reporting.card.made_up import made_facts, made_side

MANY = 30


def limits_of(*arguments, **others):
    """All limits as one text."""
    return "\n".join(list_limits(made_facts(*arguments, **others)))


def classes(**training):
    """Classes with so many training pixels, and as many that validate."""
    return [ClassFacts(name, "#0072b2", {"training": pixels, "validation": 5}) for name, pixels in training.items()]


def many_scenes(side="validation"):
    """Thirty images, each a scene."""
    return made_side(side, matrices=[[[9, 1], [1, 9]]] * MANY, sites=["duck", "elwha"] * (MANY // 2))


def test_a_sound_run_has_no_warning():
    """Only limits."""
    assert list_warnings(made_facts()) == []
    assert len(list_limits(made_facts())) > 5


def test_a_leaky_split_is_warned_of():
    """And the milder word that validation chose the epoch is not said besides."""
    leaky = {"split.method": "paper"}
    (warning,) = list_warnings(made_facts(leaky))

    assert warning.startswith("This split leaks: copies of one scene train and validate")
    assert "chose the epoch" not in limits_of(leaky)
    assert "chose the epoch" in limits_of()


def test_images_that_look_alike_are_warned_of():
    """With their number."""
    assert list_warnings(made_facts(data={"alike": 1}))[0].startswith("1 pair of images that stand on two sides")
    assert list_warnings(made_facts(data={"alike": 3}))[0].startswith("3 pairs of images")


def test_a_class_that_never_trained_is_warned_of():
    """By name, and one that trained little is a limit."""
    facts = made_facts(data={"classes": classes(water=9990, surf=10, sand=0)})

    assert list_warnings(facts) == ["The model never saw sand: not one training pixel is of it."]
    rare = "Of surf it has seen little: below 1% of the labelled training pixels each."
    assert rare in list_limits(facts)
    assert "seen little" not in limits_of(data={"classes": classes(water=99, sand=1)})


def test_the_sites_say_how_far_the_scores_reach():
    """Judged where it was trained; or also elsewhere; or the sites are not known."""
    assert "It was judged where it was trained (2 sites); at other sites expect less" in limits_of()
    elsewhere = [SideFacts("training", 5, 4, {"duck": 5}), SideFacts("test", 5, 4, {"elwha": 5})]
    assert "judged where it was trained" not in limits_of(data={"sides": elsewhere})
    unknown = [SideFacts("training", 5, 1, {"all": 5})]
    assert "The sites of the scenes are not told apart" in limits_of(data={"sides": unknown})
    assert "It has learnt from 1 labelled scene;" in limits_of(data={"sides": unknown})


def test_few_scenes_are_said():
    """One has no interval; below twenty intervals are too narrow; a site with one scene is named."""
    assert "Intervals from 3 validation scenes tend to be too narrow." in limits_of()
    assert "No interval where a site has one validation scene: elwha." in limits_of()
    alone = limits_of(scores=[made_side(scenes=["a", "a", "a"])])
    assert "All validation images are of one scene: there are no intervals." in alone
    assert "where a site has one" not in alone
    enough = limits_of(scores=[many_scenes()])
    assert "too narrow" not in enough
    assert "No interval" not in enough


def test_a_site_without_a_labelled_pixel_is_no_site_with_one_scene():
    """It has no score at all."""
    empty = made_side(matrices=[[[9, 1], [1, 9]], [[9, 2], [1, 9]], [[0, 0], [0, 0]]], sites=["a", "a", "b"])

    assert "where a site has one" not in limits_of(scores=[empty])


def test_a_test_side_is_told_from_validation():
    """It did not choose the epoch, and has limits of its own."""
    text = limits_of(scores=[many_scenes(), made_side("test")])

    assert "so their scores flatter a little; those of the test side did not." in text
    assert "Intervals from 3 test scenes" in text
    assert "and no test side was kept." in limits_of()


def test_a_class_that_validation_lacks_has_no_score():
    """Which is said by its name."""
    text = limits_of(scores=[made_side(matrices=[[[5, 0], [0, 0]]] * 3)])

    assert "Neither truth nor prediction on validation has sand" in text
    assert "Neither truth" not in limits_of()


@pytest.mark.parametrize(("epochs", "is_said"), [(7, True), (15, False)])
def test_a_training_that_was_cut_short_is_said(epochs, is_said):
    """Where the last epoch was the best of all."""
    assert ("longer training may still do better" in limits_of({"training.epochs": epochs})) == is_said


def test_what_was_left_out_and_the_seed_are_said():
    """With their numbers."""
    text = limits_of({"seed": 17}, data={"left_out": 4})

    assert "Files or scenes that could not be used: 4 (left_out.json)." in text
    assert "this is one seed (17)" in text
    assert "left_out.json" not in limits_of()


def test_of_many_names_some_are_named():
    """Eight, and how many more."""
    absent = {f"kind{number}": 0 for number in range(11)}
    (warning,) = list_warnings(made_facts(data={"classes": classes(water=5, **absent)}))

    assert warning.startswith("The model never saw kind0, kind1,")
    assert "kind7 and 3 more: not one" in warning


@pytest.mark.parametrize(("totals", "is_said"), [({"training_steps": 56.0}, True), ({"training_steps": 500.0}, False)])
def test_too_few_steps_are_said(totals, is_said):
    """As while training; an earlier run did not note them."""
    facts = made_facts()

    said = "\n".join(list_limits(replace(facts, totals=facts.totals | totals)))

    assert ("It was trained for only 56 steps: batch normalisation wants some hundred." in said) == is_said
    assert "batch normalisation" not in limits_of()
