"""The data type of a run is chosen before its fingerprint, and a run ends in the type in which it began."""

import json
import logging
import os
from dataclasses import replace

import pytest

from gym.app import precision
from gym.app.precision import resolve_precision
from gym.app.train import run_experiment
from gym.runs.run_folder import end_attempt, hold_run_folder, read_attempt
from gym.runs.spec import plan_run
from gym.training.precision import Choice

SMALL = ("data.scenes=4", "data.sites=2", "data.size=32")


@pytest.fixture
def chosen(monkeypatch):
    """What the machine chooses; the test may change it. The list holds the threads that were asked for."""
    state = {"choice": Choice("mixed_bfloat16", "measured"), "asked": []}

    def choose(threads):
        state["asked"].append(threads)
        return state["choice"]

    monkeypatch.setattr(precision, "choose_precision", choose)
    return state


@pytest.fixture
def plan(configure, tmp_path):
    """Plan a run, and resolve its data type."""

    def planned(*overrides):
        config = configure(*SMALL, *overrides)
        return resolve_precision(config.training, plan_run(config, tmp_path / "runs"))

    return planned


@pytest.mark.parametrize("explicit", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_an_explicit_value_measures_nothing(plan, chosen, explicit):
    """It is used as it is."""
    training, spec, tags = plan(f"training.precision={explicit}")

    assert tags == {}
    assert training.precision == spec.settings["training"]["precision"] == explicit
    assert chosen["asked"] == []


@pytest.mark.parametrize("choice", ["float32", "mixed_bfloat16"])
def test_the_choice_is_part_of_the_fingerprint(plan, chosen, choice, caplog):
    """The run is the one that has the same data type explicitly."""
    caplog.set_level(logging.INFO)
    chosen["choice"] = Choice(choice, "it was fast")
    training, spec, tags = plan("training.threads=3")
    _, explicit, _ = plan("training.threads=3", f"training.precision={choice}")

    assert training.precision == spec.settings["training"]["precision"] == choice
    assert (spec.fingerprint, spec.folder) == (explicit.fingerprint, explicit.folder)
    assert spec.requested
    assert spec.requested != spec.fingerprint
    assert chosen["asked"] == [3]
    assert tags == {"precision_measured": "it was fast"}
    assert caplog.messages[-1] == f"training.precision=auto: {choice} (it was fast)"


def interrupt(training, spec, _tags):
    """Begin a run, and leave it unfinished."""
    with hold_run_folder(spec.folder, {"precision": training.precision}, resume=True, requested=spec.requested):
        pass


def test_an_interrupted_run_keeps_its_data_type_on_another_machine(plan, chosen, caplog):
    """Its folder is found again although the machine would choose differently, and nothing is measured."""
    caplog.set_level(logging.INFO)
    first = plan()
    interrupt(*first)
    chosen["choice"] = Choice("float32", "the cache is gone and the machine another")

    again = plan()

    assert again[0] == first[0]
    assert again[2] == {}
    assert (again[1].fingerprint, again[1].folder) == (first[1].fingerprint, first[1].folder)
    assert len(chosen["asked"]) == 1
    assert caplog.messages[-1] == "training.precision=auto: mixed_bfloat16 (this run began in it)"


@pytest.mark.parametrize("ended", ["training.resume=false", "finished", "another seed"])
def test_a_new_attempt_measures_again(plan, chosen, ended):
    """What was not interrupted, or is not to be resumed, does not bind a run."""
    first = plan()
    interrupt(*first)
    chosen["choice"] = Choice("float32", "another machine")
    if ended == "finished":
        end_attempt(first[1].folder)
    overrides = {"training.resume=false": ["training.resume=false"], "another seed": ["seed=7"]}.get(ended, [])

    training, _, _ = plan(*overrides)

    assert training.precision == "float32"


def test_the_latest_attempt_counts(plan, chosen):
    """After ``training.resume=false`` on two machines, two attempts have the same request."""
    for choice in ("float32", "mixed_bfloat16"):
        chosen["choice"] = Choice(choice, "measured")
        training, spec, tags = plan("training.resume=false")
        interrupt(training, spec, tags)
        os.utime(spec.folder / "attempt.json", (1, 1) if choice == "float32" else None)

    assert plan()[0].precision == "mixed_bfloat16"


@pytest.mark.parametrize("explicit", [(), ("training.precision=float32",)])
def test_an_interrupted_run_of_an_earlier_version_with_cross_entropy_is_announced(
    plan, configure, chosen, tmp_path, caplog, explicit
):
    """It clipped; the line says what to add, and that resumes it in its data type."""
    old = plan_run(configure(*SMALL, *explicit, "loss.clip=true"), tmp_path / "runs")
    with hold_run_folder(old.folder, {"precision": "float32", "threads": 2}, resume=True):
        pass

    _, spec, _ = plan(*explicit)
    _, again, _ = plan(*explicit, "loss.clip=true")
    plan(*explicit, "loss=dice")

    assert spec.folder != old.folder == again.folder
    assert [message for message in caplog.messages if "0.1.0" in message] == [
        "version 0.1.0 was interrupted in this run, whose loss it computed from clipped probabilities; the run starts "
        "again, unless you add loss.clip=true to resume it"
    ]


def test_an_attempt_that_is_joined_with_auto_keeps_its_data_type(plan, chosen):
    """It was started with an explicit one, so that only joining it can record the request."""
    explicit = plan("training.precision=mixed_bfloat16")
    interrupt(*explicit)
    interrupt(*plan())
    chosen["choice"] = Choice("float32", "another machine")

    training, spec, _ = plan()

    assert training.precision == "mixed_bfloat16"
    assert spec.folder == explicit[1].folder


@pytest.mark.trains
def test_without_resuming_an_interrupted_attempt_is_ended(configure, tmp_path, chosen, blank_pictures):
    """Otherwise, the next command would resume it, although the run has finished since in another data type."""
    tiny = ("+debug=tiny", "model=unet", "model.levels=1", "model.kernel=3", "training.precision=auto")
    config = configure(*tiny)
    began = resolve_precision(config.training, plan_run(config, tmp_path / "runs"))
    interrupt(*began)
    chosen["choice"] = Choice("float32", "another machine")

    result = run_experiment(configure(*tiny, "training.resume=false"))
    again = resolve_precision(config.training, plan_run(config, tmp_path / "runs"))

    assert read_attempt(began[1].folder) is None
    assert result.settings["training.precision"] == again[0].precision == "float32"


def test_a_run_that_an_earlier_version_began_is_resumed_in_its_folder(plan, configure, chosen, tmp_path):
    """Its fingerprint contains ``auto`` itself, and its folder records the data type."""
    config = configure(*SMALL, "loss=dice")
    old = plan_run(config, tmp_path / "runs")
    with hold_run_folder(old.folder, {"precision": "mixed_bfloat16", "threads": 2}, resume=True):
        pass
    assert "requested" not in json.loads((old.folder / "attempt.json").read_text())
    chosen["choice"] = Choice("float32", "measured")

    training, spec, _ = plan("loss=dice")

    assert training == replace(config.training, precision="mixed_bfloat16")
    assert (spec.fingerprint, spec.folder) == (old.fingerprint, old.folder)
    assert chosen["asked"] == []
