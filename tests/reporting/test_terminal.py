"""The terminal shows the scores of a finished run and the next steps."""

import numpy as np
import pytest

from gym.reporting.terminal import print_result
from tests.evaluation.test_run_model import make_evaluation

SCORES = {"seconds": 185.2, "kld": 0.12345, "stopping_epoch": 12.0, "best_epoch": 8.0, "parameters": 1_234_567.0}


@pytest.fixture
def printed(capsys, monkeypatch):
    """Print a result in a terminal of 80 columns without colours, and return its lines."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def lines(evaluation, name="resunet cce f6", next_steps=(), **more):
        print_result(name, SCORES | more, evaluation, next_steps)
        return [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]

    return lines


def test_each_class_has_a_line(printed):
    """It has IoU, Dice and the share of the true pixels; the last line has the means."""
    lines = printed(make_evaluation([[[6, 2], [1, 1]]], ["site"], ["water", "sand"]))

    assert "┃ class ┃ IoU ┃ Dice ┃ share of truth ┃" in lines
    assert "water 0.667 0.800 0.800" in lines
    assert "sand 0.250 0.400 0.200" in lines
    assert "mean 0.458 0.600" in lines


def test_an_absent_class_has_no_score(printed):
    """It is shown as a dash, and the mean leaves it out."""
    lines = printed(make_evaluation([[[5, 0], [0, 0]]], ["site"], ["there", "absent"]))

    assert "there 1.000 1.000 1.000" in lines
    assert "absent - - 0.000" in lines
    assert "mean 1.000 1.000" in lines


def test_pairs_are_summed_before_ratios_are_taken(printed):
    """Two pairs give the scores of their summed confusion matrix."""
    lines = printed(make_evaluation([[[3, 2], [1, 0]], [[3, 0], [0, 1]]], ["site", "site"], ["water", "sand"]))

    assert "water 0.667 0.800 0.800" in lines


def test_name_time_and_totals_are_shown(printed):
    """The totals are KLD, stopping epoch, best epoch and parameters."""
    lines = printed(make_evaluation([[[1, 0], [0, 1]]], ["site"]))

    assert "resunet cce f6 3 min 05 s" in lines
    assert "KLD 0.1235 stopping epoch 12 best epoch 8 parameters 1,234,567" in lines


def test_without_labelled_pixels_all_scores_are_dashes(printed):
    """NaN is never shown."""
    lines = printed(make_evaluation([np.zeros((2, 2), int)], ["site"], ["water", "sand"]))

    assert "water - - -" in lines
    assert "sand - - -" in lines
    assert "mean - -" in lines
    assert not any("nan" in line for line in lines)


def test_the_next_steps_come_last(printed):
    """They follow an empty line in the given order."""
    lines = printed(make_evaluation([[[1, 0], [0, 1]]], ["site"]), next_steps=["logged as run 0123abcd", "see it"])

    assert lines[-3:] == ["", "logged as run 0123abcd", "see it"]


def test_long_lines_are_not_wrapped(printed):
    """A long path can be copied in one piece."""
    command = "python -m gym.predict outputs=/" + "/".join(["deep"] * 40)

    assert printed(make_evaluation([[[1, 0], [0, 1]]], ["site"]), next_steps=[command])[-1] == command


@pytest.mark.parametrize("name", ["[red] clay", "[/b]", ":ship:", "sweep [lr=1]", "[link=x]y[/link]"])
def test_names_are_printed_unchanged(printed, name):
    """Brackets are not markup and colons are not emoji, in run names, class names and next steps."""
    evaluation = make_evaluation([[[6, 2], [1, 1]]], ["site"], [name, "land"])

    lines = printed(evaluation, name=name, next_steps=[f"outputs=/data/{name}/o"])

    assert f"{name} 3 min 05 s" in lines
    assert f"{name} 0.667 0.800 0.800" in lines
    assert f"outputs=/data/{name}/o" in lines


def test_many_classes_with_long_names_fit(printed):
    """Each of twelve classes has its own line."""
    names = [f"terrestrial vegetation {number}" for number in range(12)]
    lines = printed(make_evaluation([np.eye(12, dtype=int)], ["site"], names))

    assert [line for line in lines if line.startswith("terrestrial")] == [f"{name} 1.000 1.000 0.083" for name in names]


def test_a_test_side_has_its_own_line(printed):
    """The table alone shows only the validation side."""
    evaluation = make_evaluation([[[6, 2], [1, 1]]], ["site"], ["water", "sand"])

    scores = {"test/iou": 0.5, "test/dice": 0.6}
    assert "test side: mean IoU 0.500, mean Dice 0.600" in printed(evaluation, **scores)
    assert not any("test side" in line for line in printed(evaluation))


def test_a_narrow_terminal_cuts_nothing_off(printed, monkeypatch):
    """The lines of the table wrap in the terminal instead."""
    monkeypatch.setenv("COLUMNS", "20")
    lines = printed(make_evaluation([[[6, 2], [1, 1]]], ["site"], ["a long name of a class", "sand"]))

    assert "a long name of a class 0.667 0.800 0.800" in lines
