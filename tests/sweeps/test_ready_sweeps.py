"""The sweeps that come with the program are sound in every run, and each differs in what it is about."""

import pytest
import yaml
from hydra import compose, initialize_config_dir

from gym.app.command_line import register_configuration
from gym.config.groups import configuration_folder
from gym.data.readers.synthetic import SITES
from gym.sweeps.plan import expand_grid


@pytest.fixture
def runs_of(configure):
    """The checked configuration of each run of an experiment, as its YAML sweeps them."""

    def composed(name, *more):
        path = configuration_folder() / "experiment" / f"{name}.yaml"
        swept = yaml.safe_load(path.read_text(encoding="utf-8"))["hydra"]
        assert swept["mode"] == "MULTIRUN"
        return [configure(f"+experiment={name}", *job) for job in expand_grid(swept["sweeper"]["params"], more)]

    return composed


def test_the_label_curve_trains_on_five_shares(runs_of):
    """More than the three sizes that a curve needs, and the whole among them; seeds can be added."""
    assert [run.split.training_share for run in runs_of("label_curve")] == [0.1, 0.2, 0.4, 0.7, 1.0]
    assert {run.seed for run in runs_of("label_curve", "seed=1,2")} == {1, 2}
    assert len(runs_of("label_curve", "seed=1,2")) == 10


def test_seeds_are_five_and_nothing_else_differs(runs_of):
    """The split is the same for all."""
    runs = runs_of("seeds")

    assert [run.seed for run in runs] == [1, 2, 3, 4, 5]
    assert {(run.split.seed, run.data.seed, run.model.name, run.model.filters) for run in runs} == {
        (0, 0, "resunet", 6)
    }


def test_each_site_is_held_out_once(runs_of):
    """Every one that is drawn; the runs may differ in what tests."""
    runs = runs_of("leave_one_site_out")

    assert [run.split.held_out for run in runs] == list(SITES)
    assert {(run.split.method, run.split.by, run.sweep.mix, run.data.sites) for run in runs} == {
        ("leave_one_out", "site", True, len(SITES))
    }


@pytest.mark.parametrize("experiment", ["paper_matrix", "pocket_matrix", "smoke_matrix", "seeds", "search"])
@pytest.mark.parametrize("launcher", ["basic", "joblib", "two_at_once", "slurm", "submitit_local"])
def test_any_sweep_goes_with_any_launcher(experiment, launcher):
    """What an experiment chooses for itself leaves nothing behind that another launcher does not know."""
    register_configuration()
    with initialize_config_dir(str(configuration_folder()), version_base="1.3"):
        composed = compose(
            "config",
            [f"+experiment={experiment}", f"hydra/launcher={launcher}"],
            return_hydra_config=True,
        )

    assert composed.hydra.runtime.choices["hydra/launcher"] == launcher
