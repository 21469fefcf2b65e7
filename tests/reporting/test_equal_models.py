"""Runs that ended with the same weights are marked, because their scores are equal for that reason."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gym.reporting.comparison import write_comparison
from gym.reporting.equal_models import describe_equal_models, mark_equal, mark_runs
from gym.reporting.figure4 import draw_figure4
from gym.reporting.figure4_data import size_series
from gym.reporting.figure4_interactive import figure4_html
from gym.reporting.run_table import run_labels
from gym.reporting.sweep_page import write_special_reports
from tests.reporting.test_run_table import made_run

LEGEND = "same letter: equal weights"


def matrix():
    """Two networks of two sizes with three losses; cce and kld have equal weights."""
    return [
        made_run([50 + filters], model=model, loss=loss, filters=filters, weights=f"{model}{filters}{loss == 'dice'}")
        for model in ("unet", "resunet")
        for loss in ("dice", "cce", "kld")
        for filters in (2, 4)
    ]


@given(st.lists(st.sampled_from(["", "x", "y", "z", "w"]), max_size=12))
def test_equal_keys_share_a_mark(keys):
    """Two keys have the same mark if and only if they are equal; a single or unknown key has none."""
    marks = mark_equal(keys)

    for one, mark in zip(keys, marks, strict=True):
        assert bool(mark) == (bool(one) and keys.count(one) > 1)
        for other, other_mark in zip(keys, marks, strict=True):
            assert not mark or (mark == other_mark) == (one == other)


def test_marks_are_letters_in_order():
    """The 27th is aa."""
    keys = [number for number in range(1, 29) for _ in "12"]

    assert mark_equal(keys)[::2] == [*"abcdefghijklmnopqrstuvwxyz", "aa", "ab"]
    assert mark_runs(matrix()) == ["", "", "a", "b", "a", "b", "", "", "c", "d", "c", "d"]


def test_a_sentence_says_which_runs_are_equal():
    """It counts the different models, and names some groups."""
    runs = matrix()

    assert describe_equal_models(runs, run_labels(runs)) == (
        "The 12 runs are 8 different models: runs with the same letter have equal weights, to the last bit (a: unet "
        "cce f2 and unet kld f2; b: unet cce f4 and unet kld f4; c: resunet cce f2 and resunet kld f2; and 1 more)."
    )
    assert describe_equal_models(runs[:4], run_labels(runs[:4])) == ""
    assert describe_equal_models([], []) == ""


def test_points_of_figure_4_with_equal_weights_share_a_letter():
    """It stands at the points of both versions, and the legend explains it."""
    runs = matrix()
    series = size_series(runs)
    marks = {loss: [point.mark for line in models.values() for point in line] for loss, models in series.items()}

    assert marks == {"dice": [""] * 4, "cce": [*"abcd"], "kld": [*"abcd"]}
    figure = draw_figure4(runs)
    texts = [text.get_text() for axes in figure.axes[1:3] for text in axes.texts]
    assert sorted(texts) == ["2a", "2a", "2c", "2c", "4b", "4b", "4d", "4d"]
    assert LEGEND in [text.get_text() for text in figure.legends[0].get_texts()]
    page = figure4_html(runs)
    assert re.search(r'"text":\["2a","4b"\]', page)
    assert "a: weights equal to those of the other points with this letter" in page


def test_points_of_several_seeds_are_equal_as_a_whole():
    """One equal seed is not enough."""
    seeds = [
        made_run(loss=loss, settings={"seed": seed}, weights=f"{seed}{seed == 2 and odd}")
        for loss, odd in (("cce", ""), ("kld", ""), ("hinge", "other"))
        for seed in (1, 2)
    ]
    marks = {loss: models["unet"][0].mark for loss, models in size_series(seeds).items()}

    assert marks == {"cce": "a", "kld": "a", "hinge": ""}


def test_different_models_have_no_marks(tmp_path):
    """Neither figure, page nor findings mention equal weights."""
    runs = matrix()[:4]
    write_comparison(tmp_path, runs, "mine")

    assert LEGEND not in [text.get_text() for text in draw_figure4(runs).legends[0].get_texts()]
    assert "equal weights" not in (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert write_special_reports(tmp_path, runs) == []


def test_pages_and_findings_say_it(tmp_path):
    """The finding is also printed in the terminal and logged as the description of the parent run."""
    runs = matrix()
    write_comparison(tmp_path, runs, "mine")
    sentence = describe_equal_models(runs, run_labels(runs))

    assert sentence in (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert write_special_reports(tmp_path, runs)[0] == sentence
