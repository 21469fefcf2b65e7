"""A command becomes runs: every combination once, checked before any is made, on one dataset."""

import pytest
from hydra import compose, initialize_config_dir

from gym.config.overrides import configuration_folder
from gym.config.schema import Config
from gym.core.errors import ConfigError
from gym.sweeps.ledger import Ledger
from gym.sweeps.plan import Planned, command_of, expand, name_job, name_sweep, plan, queue, swept_overrides

SMALL = ["data.size=32", "data.scenes=8"]


@pytest.fixture
def make_plan(tmp_path, configure):
    """Plan the runs of a command line."""
    configure()  # registers what the YAML refers to

    def make(*arguments, params=None):
        with initialize_config_dir(config_dir=str(configuration_folder()), version_base="1.3"):
            jobs = expand(params or {}, [*SMALL, f"outputs={tmp_path}", *arguments])
            return plan(jobs, lambda overrides: compose("config", overrides=overrides))

    return make


def test_every_combination_is_made_once():
    """Two by two, in the order of the lists; numbers of a group are text."""
    jobs = expand({}, ["model=unet,resunet", "seed=1", "filters='2','4'"])

    assert jobs == [
        ["model=unet", "seed=1", "filters='2'"],
        ["model=unet", "seed=1", "filters='4'"],
        ["model=resunet", "seed=1", "filters='2'"],
        ["model=resunet", "seed=1", "filters='4'"],
    ]


def test_the_command_line_takes_the_place_of_a_parameter():
    """A list in the configuration is narrowed, not multiplied."""
    assert expand({"model": "unet,resunet", "filters": "2,4"}, ["model=unet"]) == [
        ["model=unet", "filters='2'"],
        ["model=unet", "filters='4'"],
    ]


def test_runs_on_more_of_the_data_have_more_work(make_plan):
    """As those of a learning curve, or with more copies."""
    few, all_of_them, copied = make_plan("split.training_share=0.5,1.0", "augment.copies=1")[:2] + make_plan(
        "augment.copies=3"
    )

    assert few.work < all_of_them.work
    assert copied.work == 3 * all_of_them.work


def test_an_interval_is_for_a_search():
    """A grid of it would be endless; the remedy is named."""
    with pytest.raises(ConfigError, match=r"interval\(1,2\) is no list.*hydra/sweeper=optuna"):
        expand({}, ["schedule.max_rate=interval(1,2)"])


def test_the_matrix_is_thirty_runs_however_it_is_asked_for(make_plan):
    """As an experiment or in full, in any order: the same runs, so the same sweep."""
    full = ["loss=cce,dice,kld", "filters='2','4','6','8','12'", "model=unet,resunet"]
    spelt = make_plan(*full)
    named = make_plan(params={"model": "unet,resunet", "loss": "cce,dice,kld", "filters": "2,4,6,8,12"})

    assert len(spelt) == len(named) == 30
    assert len({run.name for run in named}) == 30
    assert name_sweep(spelt) == name_sweep(named)
    assert name_sweep(spelt[:-1]) != name_sweep(named)


def test_equal_runs_are_one(make_plan):
    """Two ways of saying the same train once."""
    assert [run.name for run in make_plan("model.filters=6,6")] == ["resunet cce f6"]


def test_one_bad_configuration_stops_all_before_any_begins(make_plan):
    """The value, the rule and the remedy, as without a sweep."""
    with pytest.raises(ConfigError, match=r"model\.dropout=1\.5 must be at least 0 and below 1"):
        make_plan("model.dropout=0.1,1.5")


@pytest.mark.parametrize("varied", ["data.seed=0,1", "split.seed=0,1", "split.validation=0.25,0.5"])
def test_runs_measured_on_different_scenes_are_refused(make_plan, varied):
    """Their scores are not comparable; who wants them all the same says so."""
    with pytest.raises(ConfigError, match=r"differ in data or in what validates.*sweep\.mix=true"):
        make_plan(varied)

    assert len(make_plan(varied, "sweep.mix=true")) == 2


def test_training_on_less_is_no_mixture(make_plan):
    """What validates is the same, so a learning curve is a sweep like another."""
    assert len(make_plan("split.training_share=0.5,1.0")) == 2


def test_a_run_is_named_by_what_sets_it_apart():
    """Model, loss and filters say themselves; anything else is added."""
    jobs = [["model=unet", "seed=1", "+debug=tiny"], ["model=unet", "seed=2", "+debug=tiny"]]
    differing = swept_overrides(jobs)

    assert differing == [["seed=1"], ["seed=2"]]
    assert name_job(Config(), differing[1]) == "resunet cce f6 seed=2"
    assert name_job(Config(name="mine"), []) == "mine"
    assert name_job(Config(name="mine"), ["model=unet", "+seed=2"]) == "mine model=unet seed=2"
    assert name_job(Config(), ["model=unet", "filters='6'"]) == "resunet cce f6"


def test_the_ledger_holds_no_password(tmp_path):
    """Whoever can read the outputs is not to reach the database."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    queue(ledger, 3, Planned("mine", "f", ["tracking.uri=postgresql://me:secret@host/db", "seed=1"], ""))

    assert "secret" not in ledger.path.read_text()
    assert ledger.job(3).overrides == ["tracking.uri=postgresql://***@host/db", "seed=1"]


def test_the_ledger_holds_the_work_of_a_run(tmp_path):
    """By which the time left is told."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    queue(ledger, 3, Planned("mine", "f", ["seed=1"], "", work=2.5))

    assert ledger.job(3).work == 2.5


def test_the_command_of_a_run_can_be_copied():
    """Quoted for a shell, without what belongs to the sweep."""
    command = command_of(["+debug=tiny", "filters='8'", "data.classes=[a, b]", "sweep.name=x"])

    assert command == "python -m gym.train +debug=tiny filters=8 'data.classes=[a, b]'"
    assert command_of(["+experiment=seeds", "seed=1"]) == "python -m gym.train +experiment=seeds seed=1 hydra.mode=RUN"
