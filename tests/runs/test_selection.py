"""The best of several runs was chosen among them, and its score says by how much that flatters it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.data.units import Units
from gym.runs.selection import Selection, assess_selection
from tests.reporting.test_run_table import made_run


def without_matrices(run):
    """A run as MLflow stores it."""
    return replace(run, images=[], scenes=[], matrices=np.zeros((0, 2, 2), np.int64))


def test_the_optimism_is_that_of_the_shared_scenes():
    """By hand in tests/evaluation/test_optimism.py: 0.15. The order of runs and of images does not matter."""
    one, other = made_run([90, 50]), made_run([60, 70])
    turned = replace(other, images=other.images[::-1], scenes=other.scenes[::-1], matrices=other.matrices[::-1])

    found = assess_selection([one, other], draws=20_000)

    assert (found.runs, found.models, found.obstacle) == (2, 2, "")
    assert found.score == pytest.approx(0.7)
    assert found.optimism == pytest.approx(0.15, abs=0.002)
    assert found.units == Units("scene", ["scene0", "scene1"])
    for runs in ([one, turned], [other, one]):
        assert assess_selection(runs, draws=20_000).optimism == pytest.approx(found.optimism, abs=1e-12)


def test_there_is_no_choice_without_two_different_models():
    """Runs without a mean IoU are no candidates, and runs with equal weights are one model."""
    run = made_run([90, 50], weights="w")

    assert assess_selection([]) is None
    assert assess_selection([run]) is None
    assert assess_selection([run, made_run(iou=None), made_run(iou=float("nan"))]) is None
    assert assess_selection([run, replace(run, name="unet kld f4")]) is None


def test_runs_with_equal_weights_count_once():
    """Neither the number of models nor the optimism changes with the twin of a run; unknown weights equal none."""
    runs = [made_run([90, 50], weights="w"), made_run([60, 70])]
    twin = replace(runs[0], name="unet kld f4")
    unknown = replace(made_run([30, 40]), weights_sha256="")

    found, doubled = assess_selection(runs), assess_selection([*runs, twin])

    assert (doubled.models, doubled.runs, doubled.optimism) == (2, 3, found.optimism)
    assert doubled.candidates == "2 models (3 runs)"
    assert assess_selection([unknown, unknown, replace(unknown)]).models == 2
    assert assess_selection([without_matrices(twin), *runs]).optimism == found.optimism


@pytest.mark.parametrize(
    ("runs", "obstacle"),
    [
        ([made_run([50]), made_run([60])], "there is only one validation scene, so the optimism cannot be estimated"),
        (
            [without_matrices(made_run([50, 40])), made_run([60, 30])],
            "the confusion matrices are missing, so the optimism cannot be estimated",
        ),
        (
            [made_run(settings={"split.fold": 0}), made_run(images=["scene2", "scene3"], settings={"split.fold": 1})],
            "the runs have different validation images",
        ),
        ([made_run(settings={"data.seed": 0}), made_run(settings={"data.seed": 1})], "the runs differ in data.seed"),
        (
            [replace(made_run([iou, 0]), matrices=made_run([iou, 0]).matrices * [[[1]], [[0]]]) for iou in (50, 60)],
            "fewer than two validation scenes have labelled pixels, so the optimism cannot be estimated",
        ),
    ],
)
def test_a_choice_without_an_estimate_says_why(runs, obstacle):
    """The choice is named all the same."""
    found = assess_selection(runs)

    assert found.models == 2
    assert np.isnan(found.optimism)
    assert found.obstacle.startswith(obstacle)
    assert found.to_json()["optimism"] is None
    assert found.describe("The best mean IoU").startswith(
        f"The best mean IoU, {found.score:.3f}, was chosen as the highest among 2 models, which makes it optimistic by "
        f"an unknown amount: {obstacle}"
    )
    assert f"inflates its scores by an unknown amount ({obstacle}" in found.describe_inflation()


def test_the_units_of_the_split_are_redrawn():
    """Two equal images of a place are one observation: the optimism is that of the places."""
    places = {"unit_kind": "place", "unit_names": ["cape", "cape", "bay", "bay"]}
    runs = [replace(made_run(ious), **places) for ious in ([90, 90, 50, 50], [60, 60, 70, 70])]

    found = assess_selection(runs, draws=20_000)

    assert found.optimism == pytest.approx(0.15, abs=0.002)
    assert "on the same 2 validation places; " in found.describe("It")


@given(st.lists(st.integers(0, 100), min_size=2, max_size=5), st.integers(2, 4), st.integers(0, 3))
def test_runs_with_equal_matrices_have_no_optimism(ious, number, seed):
    """They are different models, but none is better."""
    found = assess_selection([made_run(ious, weights=f"w{place}") for place in range(number)], seed, draws=50)

    assert found.models == number
    assert found.optimism == pytest.approx(0, abs=1e-12)


def test_the_sentences():
    """They name the number of models, the units and the optimism."""
    found = Selection(30, 20, 0.8, 0.0123, units=Units("scene", ["a", "b", "c"]))

    assert found.describe("The validation mean IoU") == (
        "The validation mean IoU, 0.800, was chosen as the highest among 20 models (30 runs) on the same 3 validation "
        "scenes; a bootstrap estimates the optimism of this choice at 0.012, which leaves 0.788."
    )
    assert found.describe_choice() == "the best of 20 models (30 runs) by validation mean IoU"
    assert found.describe_inflation() == (
        "these images were used to choose the run among 20 models (30 runs), which inflates its scores: a bootstrap "
        "estimates the optimism of its mean IoU at 0.012"
    )
    assert found.to_json() == {"runs": 30, "models": 20, "score": 0.8, "optimism": 0.0123, "obstacle": ""}
