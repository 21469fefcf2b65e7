"""The predefined sweeps have valid configurations, and vary only what they study."""

import pytest
import yaml
from hydra import compose, initialize_config_dir

from gym.app.command_line import register_configuration
from gym.config.groups import configuration_folder
from gym.data.readers.synthetic import SITES
from gym.sweeps.plan import expand_grid


@pytest.fixture
def runs_of(configure):
    """Compose and check the configuration of each run of an experiment."""

    def composed(name, *more):
        path = configuration_folder() / "experiment" / f"{name}.yaml"
        swept = yaml.safe_load(path.read_text(encoding="utf-8"))["hydra"]
        assert swept["mode"] == "MULTIRUN"
        return [configure(f"+experiment={name}", *job) for job in expand_grid(swept["sweeper"]["params"], more)]

    return composed


def test_the_label_curve_trains_on_five_shares(runs_of):
    """A curve needs three sizes; the whole training side is among the shares, and seeds can be added."""
    assert [run.split.training_share for run in runs_of("label_curve")] == [0.1, 0.2, 0.4, 0.7, 1.0]
    assert {run.seed for run in runs_of("label_curve", "seed=1,2")} == {1, 2}
    assert len(runs_of("label_curve", "seed=1,2")) == 10


def test_the_seeds_experiment_varies_only_the_seed(runs_of):
    """Five seeds share the split, the data and the model."""
    runs = runs_of("seeds")

    assert [run.seed for run in runs] == [1, 2, 3, 4, 5]
    assert {(run.split.seed, run.data.seed, run.model.name, run.model.filters) for run in runs} == {
        (0, 0, "resunet", 6)
    }


def test_each_site_is_held_out_once(runs_of):
    """All synthetic sites are included, and the runs may have different test sides."""
    runs = runs_of("leave_one_site_out")

    assert [run.split.held_out for run in runs] == list(SITES)
    assert {(run.split.method, run.split.by, run.sweep.mix, run.data.sites) for run in runs} == {
        ("leave_one_out", "site", True, len(SITES))
    }


@pytest.mark.parametrize("experiment", ["paper_matrix", "pocket_matrix", "smoke_matrix", "seeds", "search"])
@pytest.mark.parametrize("launcher", ["basic", "joblib", "two_at_once", "slurm", "submitit_local"])
def test_any_experiment_works_with_any_launcher(experiment, launcher):
    """An experiment sets no option that another launcher rejects."""
    register_configuration()
    with initialize_config_dir(str(configuration_folder()), version_base="1.3"):
        composed = compose(
            "config",
            [f"+experiment={experiment}", f"hydra/launcher={launcher}"],
            return_hydra_config=True,
        )

    assert composed.hydra.runtime.choices["hydra/launcher"] == launcher
