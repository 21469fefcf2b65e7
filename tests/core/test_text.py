"""Numbers, durations and scores are formatted for people."""

import pytest

from gym.core.text import format_duration, format_interval, format_score, group_reasons, plain_console, pluralize


@pytest.mark.parametrize("width", ["0", "1", "20", "none"])
def test_a_text_is_shown_whole_at_any_width(capsys, monkeypatch, width):
    """The terminal wraps it."""
    monkeypatch.setenv("COLUMNS", width)
    plain_console().print("a long line that must be copied whole")

    assert capsys.readouterr().out == "a long line that must be copied whole\n"


@pytest.mark.parametrize(("number", "words"), [(0, "0 scenes"), (1, "1 scene"), (2, "2 scenes"), (11, "11 scenes")])
def test_only_one_is_singular(number, words):
    """Zero takes the plural."""
    assert pluralize(number, "scene") == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185, "3 min 05 s"), (7300, "2 h 01 min")]
)
def test_a_duration_has_at_most_two_units(seconds, words):
    """Seconds, minutes or hours, depending on its length."""
    assert format_duration(seconds) == words


@pytest.mark.parametrize(("score", "words"), [(0.12345, "0.123"), (1.0, "1.000"), (float("nan"), "-")])
def test_an_undefined_score_is_a_dash(score, words):
    """A defined one has three decimals unless another number is given."""
    assert format_score(score) == words
    assert format_score(0.12346, digits=4) == "0.1235"


@pytest.mark.parametrize(
    ("score", "words"),
    [
        ((0.8126, 0.75, 0.9), "0.813 (0.750 to 0.900)"),
        ((0.5, float("nan"), float("nan")), "0.500"),
        ((12.34, 9.96, 14.0), "12.3 (10.0 to 14.0)"),
        ((-0.25, -0.5, 0.0), "-0.250 (-0.500 to 0.000)"),
        ((float("nan"),) * 3, "-"),
    ],
)
def test_a_score_is_shown_with_its_interval(score, words):
    """Large values, such as distances in metres, have fewer decimals."""
    assert format_interval(*score) == words


def test_equal_reasons_are_one_line():
    """The most frequent comes first; a name that a reason repeats does not count."""
    failed = {"one.tif": "one.tif: is empty."} | {f"{n}.tif": f"{n}.tif has 3 bands, not 4." for n in range(500)}
    failed |= {f"{n}": f"/a/{n}.png cannot be read." for n in range(7)}

    assert group_reasons(failed) == [
        "500 such as 0.tif: has 3 bands, not 4.",
        "7 such as 0: /a/0.png cannot be read.",
        "one.tif: is empty.",
    ]
    assert group_reasons({}) == []
