"""A run and a sweep end with commands that can be copied."""

import shlex

import pytest

from gym.config.schema import TrackingConfig
from gym.runs.next_steps import format_run_steps, format_sweep_steps
from tests.app.commands import run_lightly


def test_the_next_steps_can_be_copied():
    """The commands name the outputs folder, the tracking server and the experiment, unless they are the defaults."""
    assert format_run_steps("abc", "outputs", TrackingConfig())[1:] == [
        "  view:     ./scripts/ui",
        "  evaluate: python -m gym.evaluate run=abc",
        "  predict:  python -m gym.predict run=abc input=IMAGES output=LABELS",
    ]
    assert format_run_steps("abc", "my runs", TrackingConfig(experiment="mine"))[1:] == [
        "  view:     ./scripts/ui 5000 'my runs'",
        "  evaluate: python -m gym.evaluate run=abc 'outputs=my runs' tracking.experiment=mine",
        "  predict:  python -m gym.predict run=abc input=IMAGES output=LABELS 'outputs=my runs' "
        "tracking.experiment=mine",
    ]
    assert format_run_steps("abc", "/data/o", TrackingConfig("http://127.0.0.1:1"))[1:] == [
        "  view:     ./scripts/ui 5000 /data/o",
        "  evaluate: python -m gym.evaluate run=abc outputs=/data/o tracking.uri=http://127.0.0.1:1",
        "  predict:  python -m gym.predict run=abc input=IMAGES output=LABELS outputs=/data/o "
        "tracking.uri=http://127.0.0.1:1",
    ]


def test_a_sweep_ends_with_what_to_do_next():
    """Its best run is evaluated, and applied to images."""
    assert format_sweep_steps("278b689c15cc", "here", TrackingConfig(), ["toy"]) == [
        "logged as sweep 278b689c15cc",
        "  view:     ./scripts/ui 5000 here",
        "  report:   python -m gym.report sweep=278b689c15cc outputs=here plugins=toy",
        "  evaluate: python -m gym.evaluate run=best:278b689c15cc outputs=here plugins=toy",
        "  predict:  python -m gym.predict run=best:278b689c15cc input=IMAGES output=LABELS outputs=here plugins=toy",
    ]


@pytest.mark.parametrize("name", ["my sweep", "a,b", "12e45", "it's (1)", "${x}", "K\u00fcste"])
def test_a_sweep_of_any_name_can_be_reported(name):
    """The shell and Hydra leave the name as it is."""
    line = format_sweep_steps(name, "outputs", TrackingConfig())[2]

    done = run_lightly("report", *shlex.split(line)[4:], "--cfg", "job", "--resolve", "--package", "sweep")
    assert done == (0, f"{name}\n", "")
