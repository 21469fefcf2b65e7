"""Planning turns a command into runs: each combination once, checked in advance, on one dataset."""

from pathlib import Path

import pytest

from gym.core.errors import ConfigError
from gym.sweeps.ledger import Ledger
from gym.sweeps.plan import (
    DatasetCache,
    PlannedRun,
    differing_overrides,
    expand_grid,
    format_command,
    name_outputs,
    name_sweep,
    name_sweep_run,
    plan_runs,
    queue_run,
    read_configs,
)
from tests.composition import compose_quickly

SMALL = ["data.size=32", "data.scenes=8"]


@pytest.fixture
def make_plan(tmp_path, configure):
    """Plan the runs of a command line."""
    configure()  # registers what the YAML refers to

    def make(*arguments, params=None):
        combinations = expand_grid(params or {}, [*SMALL, f"outputs={tmp_path}", *arguments])
        configs = read_configs(combinations, lambda overrides: compose_quickly("config", overrides))
        return plan_runs(configs, combinations, DatasetCache())

    return make


@pytest.mark.parametrize(
    "arguments",
    [
        ["seed=range(0,100000000)"],
        ["seed=range(0,200)", "data.seed=range(0,200,2)"],
        ["seed=" + ",".join(map(str, range(10001)))],
    ],
)
def test_a_sweep_of_too_many_runs_is_refused(arguments):
    """Its runs are not listed, which would take all memory."""
    with pytest.raises(
        ConfigError, match=r"^these values make [\d,]+ runs, but a sweep has at most 10,000; give fewer"
    ):
        expand_grid({}, arguments)

    assert len(expand_grid({}, ["seed=range(0,100)", "data.seed=range(0,200,2)"])) == 10_000


def test_every_combination_is_planned_once():
    """Combinations follow the order of the lists; option names that look like numbers stay text."""
    combinations = expand_grid({}, ["model=unet,resunet", "seed=1", "filters='2','4'"])

    assert combinations == [
        ["model=unet", "seed=1", "filters='2'"],
        ["model=unet", "seed=1", "filters='4'"],
        ["model=resunet", "seed=1", "filters='2'"],
        ["model=resunet", "seed=1", "filters='4'"],
    ]


def test_the_command_line_replaces_a_parameter():
    """A value on the command line narrows the list in the configuration."""
    assert expand_grid({"model": "unet,resunet", "filters": "2,4"}, ["model=unet"]) == [
        ["model=unet", "filters='2'"],
        ["model=unet", "filters='4'"],
    ]


def test_work_grows_with_the_number_of_training_samples(make_plan):
    """More training scenes or more augmented copies mean more work."""
    few, all_of_them, copied = make_plan("split.training_share=0.5,1.0", "augment.copies=1")[:2] + make_plan(
        "augment.copies=3"
    )

    assert few.work < all_of_them.work
    assert copied.work == 3 * all_of_them.work


def test_a_grid_rejects_an_interval():
    """An interval has no finite grid; the error suggests a search."""
    with pytest.raises(
        ConfigError,
        match=r"interval\(1,2\) is an interval, but a grid sweep needs separate values.*hydra/sweeper=optuna",
    ):
        expand_grid({}, ["schedule.max_rate=interval(1,2)"])


def test_the_matrix_of_the_paper_has_30_combinations():
    """They are the same, in any order and from any source."""
    explicit = expand_grid({}, ["loss=cce,dice,kld", "filters='2','4','6','8','12'", "model=unet,resunet"])
    named = expand_grid({"model": "unet,resunet", "loss": "cce,dice,kld", "filters": "2,4,6,8,12"}, [])

    assert len(explicit) == len(named) == 30
    assert {frozenset(overrides) for overrides in explicit} == {frozenset(overrides) for overrides in named}


def test_the_name_of_a_sweep_does_not_depend_on_wording(make_plan):
    """The same runs have the same name in any order and from any source."""
    explicit = make_plan("loss=cce,dice", "filters='2','12'", "model=unet,resunet")
    named = make_plan(params={"model": "unet,resunet", "loss": "cce,dice", "filters": "2,12"})

    assert len({run.name for run in named}) == len(explicit) == 8
    assert name_sweep(explicit) == name_sweep(named)
    assert name_sweep(explicit[:-1]) != name_sweep(named)


def test_equal_runs_are_planned_once(make_plan):
    """Two overrides with the same effect give one run."""
    assert [run.name for run in make_plan("model.filters=6,6")] == ["resunet cce f6"]


def test_one_invalid_configuration_rejects_the_whole_sweep(make_plan):
    """The error is the same as without a sweep."""
    with pytest.raises(ConfigError, match=r"model\.dropout=1\.5 must be at least 0 and below 1"):
        make_plan("model.dropout=0.1,1.5")


@pytest.mark.parametrize("varied", ["data.seed=0,1", "split.seed=0,1", "split.validation=0.25,0.5"])
def test_runs_on_different_validation_scenes_are_rejected(make_plan, varied):
    """Their scores are not comparable, unless ``sweep.mix=true`` allows it."""
    with pytest.raises(ConfigError, match=r"differ in their data or validation scenes.*sweep\.mix=true"):
        make_plan(varied)

    assert len(make_plan(varied, "sweep.mix=true")) == 2


def test_the_training_share_may_differ(make_plan):
    """The validation scenes stay the same, so the scores are comparable."""
    assert len(make_plan("split.training_share=0.5,1.0")) == 2


def test_a_run_is_named_after_its_distinct_overrides():
    """A default name already states model, loss and filters."""
    combinations = [["model=unet", "seed=1", "+debug=tiny"], ["model=unet", "seed=2", "+debug=tiny"]]
    distinct = differing_overrides(combinations)

    assert distinct == [["seed=1"], ["seed=2"]]
    assert name_sweep_run("resunet cce f6", distinct[1], is_custom=False) == "resunet cce f6 seed=2"
    assert name_sweep_run("mine", [], is_custom=True) == "mine"
    assert name_sweep_run("mine", ["model=unet", "+seed=2"], is_custom=True) == "mine model=unet seed=2"
    assert name_sweep_run("resunet cce f6", ["model=unet", "filters='6'"], is_custom=False) == "resunet cce f6"


def test_the_ledger_contains_no_password(tmp_path):
    """Passwords in overrides are redacted."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    queue_run(ledger, 3, PlannedRun("mine", "f", ["tracking.uri=postgresql://me:secret@host/db", "seed=1"]))

    assert "secret" not in ledger.path.read_text()
    assert ledger.job(3).overrides == ["tracking.uri=postgresql://***@host/db", "seed=1"]


def test_the_ledger_contains_the_work_of_a_run(tmp_path):
    """The time left is estimated from it."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    queue_run(ledger, 3, PlannedRun("mine", "f", ["seed=1"], work=2.5))

    assert ledger.job(3).work == 2.5


def test_the_command_of_a_run_can_be_pasted_into_a_shell():
    """It is quoted, and keys of the sweep are removed."""
    command = format_command(["+debug=tiny", "filters='8'", "data.classes=[a, b]", "sweep.name=x"])

    assert command == "python -m gym.train +debug=tiny filters=8 'data.classes=[a, b]'"
    assert (
        format_command(["+experiment=seeds", "seed=1"]) == "python -m gym.train +experiment=seeds seed=1 hydra.mode=RUN"
    )


@pytest.mark.parametrize(
    ("recorded", "outputs", "shown"),
    [
        (["outputs=/old", "seed=1"], "copy", ["outputs=copy", "seed=1"]),
        (["seed=1", "outputs='/an old'"], "a copy", ["seed=1", "outputs='a copy'"]),
        (["seed=1"], "copy", ["seed=1", "outputs=copy"]),
        (["outputs=copy", "seed=1"], "outputs", ["seed=1"]),
        (["seed=1"], "outputs", ["seed=1"]),
    ],
)
def test_a_command_names_the_folder_where_it_was_found(recorded, outputs, shown):
    """In a copy of the outputs folder, it must not train into the original."""
    assert name_outputs(recorded, Path(outputs)) == shown
