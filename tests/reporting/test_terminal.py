"""The last words of a run say what it came to and how to go on."""

import numpy as np
import pytest

from gym.reporting.run_page import show_result
from tests.evaluation.test_run_model import made_up

SCORES = {"seconds": 185.2, "kld": 0.12345, "stopping_epoch": 12.0, "best_epoch": 8.0, "parameters": 1_234_567.0}


@pytest.fixture
def printed(capsys, monkeypatch):
    """Print a result in a terminal of 80 columns without colours, and give its lines."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def lines(evaluation, name="resunet cce f6", next_steps=(), **more):
        show_result(name, SCORES | more, evaluation, next_steps)
        return [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]

    return lines


def test_each_class_has_its_line(printed):
    """IoU, Dice and share of truth by class, then the means."""
    lines = printed(made_up([[[6, 2], [1, 1]]], ["site"], ["water", "sand"]))

    assert "┃ class ┃ IoU ┃ Dice ┃ share of truth ┃" in lines
    assert "water 0.667 0.800 0.800" in lines
    assert "sand 0.250 0.400 0.200" in lines
    assert "mean 0.458 0.600" in lines


def test_a_class_that_is_nowhere_has_no_score(printed):
    """It is shown as a dash, and left out of the mean."""
    lines = printed(made_up([[[5, 0], [0, 0]]], ["site"], ["there", "absent"]))

    assert "there 1.000 1.000 1.000" in lines
    assert "absent - - 0.000" in lines
    assert "mean 1.000 1.000" in lines


def test_the_scores_are_those_of_all_pairs(printed):
    """Two pairs are summed before any ratio is taken."""
    lines = printed(made_up([[[3, 2], [1, 0]], [[3, 0], [0, 1]]], ["site", "site"], ["water", "sand"]))

    assert "water 0.667 0.800 0.800" in lines


def test_the_run_and_its_numbers_are_named(printed):
    """Name, time, divergence, epochs and parameters."""
    lines = printed(made_up([[[1, 0], [0, 1]]], ["site"]))

    assert "resunet cce f6 3 min 05 s" in lines
    assert "KLD 0.1235 stopping epoch 12 best epoch 8 parameters 1,234,567" in lines


def test_without_a_counted_pixel_there_are_dashes_only(printed):
    """No class, and so no mean, has a score."""
    lines = printed(made_up([np.zeros((2, 2), int)], ["site"], ["water", "sand"]))

    assert "water - - -" in lines
    assert "sand - - -" in lines
    assert "mean - -" in lines
    assert not any("nan" in line for line in lines)


def test_the_next_steps_come_last(printed):
    """In the order given, after an empty line."""
    lines = printed(made_up([[[1, 0], [0, 1]]], ["site"]), next_steps=["logged as run 0123abcd", "see it"])

    assert lines[-3:] == ["", "logged as run 0123abcd", "see it"]


def test_a_long_line_is_not_broken(printed):
    """A folder can be copied in one piece, however deep it is."""
    command = "python -m gym.predict outputs=/" + "/".join(["deep"] * 40)

    assert printed(made_up([[[1, 0], [0, 1]]], ["site"]), next_steps=[command])[-1] == command


@pytest.mark.parametrize("name", ["[red] clay", "[/b]", ":ship:", "sweep [lr=1]", "[link=x]y[/link]"])
def test_names_are_printed_as_they_are(printed, name):
    """Brackets are no markup and colons no emoji: in the run's name, a class, or a line of the next steps."""
    evaluation = made_up([[[6, 2], [1, 1]]], ["site"], [name, "land"])

    lines = printed(evaluation, name=name, next_steps=[f"outputs=/data/{name}/o"])

    assert f"{name} 3 min 05 s" in lines
    assert f"{name} 0.667 0.800 0.800" in lines
    assert f"outputs=/data/{name}/o" in lines


def test_many_classes_have_a_line_each(printed):
    """Twelve classes with long names."""
    names = [f"terrestrial vegetation {number}" for number in range(12)]
    lines = printed(made_up([[[int(row == column) for column in range(12)] for row in range(12)]], ["site"], names))

    assert [line for line in lines if line.startswith("terrestrial")] == [f"{name} 1.000 1.000 0.083" for name in names]


def test_a_test_side_has_a_line_of_its_own(printed):
    """So that nobody takes the validation side's table for the last judgement."""
    evaluation = made_up([[[6, 2], [1, 1]]], ["site"], ["water", "sand"])

    scores = {"test/iou": 0.5, "test/dice": 0.6}
    assert "on the test side: mean IoU 0.500, Dice 0.600" in printed(evaluation, **scores)
    assert not any("test side" in line for line in printed(evaluation))
