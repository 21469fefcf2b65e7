"""A sweep resolves ``training.precision=auto`` once, where its runs are trained, and keeps the choice."""

import json
import logging

import pytest
from omegaconf import OmegaConf

from gym.app import sweep_worker
from gym.core.errors import RunError
from gym.runs.result import read_result
from gym.sweeps import precision
from gym.sweeps.ledger import FINISHED, QUEUED
from gym.sweeps.plan import PlannedRun
from gym.sweeps.precision import (
    MEASURE,
    make_measure,
    report_earlier_trials,
    report_retraining,
    resolve_precision,
    resolve_precisions,
)
from gym.sweeps.sweep_folder import SweepFolder
from gym.training.precision import Choice
from tests.app.commands import run_here
from tests.sweeps.commands import runs_of

FAST = Choice("mixed_bfloat16", "it was fast")
SMALL = (
    *("+debug=tiny", "model=simple_unet", "model.levels=1", "model.kernel=3", "training.threads=1", "seed=1,2"),
    *("training.epochs=1", "sweep.name=auto", "training.precision=auto"),
)


@pytest.fixture
def folder(tmp_path):
    """The folder of a new sweep."""
    made = SweepFolder(tmp_path, "mine")
    made.initialize("data", is_search=False)
    return made


def refuse():
    """Fail a test that measures although the choice is known."""
    pytest.fail("measured again")


def test_the_choice_is_recorded_and_kept(folder, caplog):
    """A later call does not measure, whatever the machine; what else is recorded stays."""
    caplog.set_level(logging.INFO)
    assert resolve_precision(folder, lambda: FAST) == "mixed_bfloat16"
    assert resolve_precision(folder, refuse) == "mixed_bfloat16"

    known = json.loads((folder.path / "sweep.json").read_text())
    assert (known["precision"], known["precision_measured"], known["validation"]) == (*FAST, "data")
    assert caplog.messages == [
        "training.precision=auto: mixed_bfloat16 (it was fast)",
        "training.precision=auto: mixed_bfloat16 (as recorded when this sweep began)",
    ]
    folder.initialize("data", is_search=False)
    assert folder.read_metadata() == known


def test_only_auto_is_replaced(folder, configure):
    """An explicit value stays, also beside ``auto``, and the rest of the overrides as well."""
    combinations = [["seed=1", "training.precision=auto"], ["+training.precision=float32"], ["loss=dice"]]
    configs = [configure("training.precision=float32") for _ in combinations]
    configs[0].training.precision = configs[2].training.precision = "auto"

    resolved, overrides = resolve_precisions(folder, configs, combinations, lambda: FAST)

    assert [config.training.precision for config in resolved] == ["mixed_bfloat16", "float32", "mixed_bfloat16"]
    assert overrides == [
        ["seed=1", "training.precision=mixed_bfloat16"],
        ["+training.precision=float32"],
        ["loss=dice", "training.precision=mixed_bfloat16"],
    ]


def test_explicit_values_measure_nothing(folder, configure):
    """Nothing is recorded either."""
    configs = [configure("training.precision=float32")] * 2

    assert resolve_precisions(folder, configs, [[], []], refuse) == (configs, [[], []])
    assert "precision" not in folder.read_metadata()


class Launcher:
    """A launcher that pretends to run jobs on another machine."""

    def __init__(self, *values):
        self.values, self.launched = values, []

    def launch(self, overrides, initial_job_idx):
        """Remember the jobs, and return what they returned."""
        self.launched.append((overrides, initial_job_idx))
        return self.values


class Returned:
    """What a job returned, as Hydra wraps it; the value of a failed job raises its error."""

    def __init__(self, value):
        self._value = value

    @property
    def return_value(self):
        """The value, as Hydra's own class has it."""
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


def config_of(target):
    return OmegaConf.create({"hydra": {"launcher": {"_target_": target}}})


@pytest.mark.parametrize(
    "target",
    [
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
    ],
)
def test_runs_on_this_machine_are_measured_here(monkeypatch, target):
    """No job is launched; the threads are those of a run."""
    asked = []
    monkeypatch.setattr(precision, "choose_precision", lambda threads: asked.append(threads) or FAST)
    launcher = Launcher()

    assert make_measure(launcher, config_of(target), ["seed=1"], 3)() == FAST
    assert (asked, launcher.launched) == ([3], [])


@pytest.mark.parametrize("target", ["hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher", "my.Ray"])
def test_runs_elsewhere_are_measured_by_a_first_job(monkeypatch, target):
    """The node that submits jobs may have another processor."""
    monkeypatch.setattr(precision, "choose_precision", lambda threads: pytest.fail("measured on the login node"))
    launcher = Launcher(Returned(tuple(FAST)))

    assert make_measure(launcher, config_of(target), ["seed=1"], 0)() == FAST
    assert launcher.launched == [([["seed=1", f"sweep.job={MEASURE}", "training.threads=0"]], 0)]


@pytest.mark.parametrize("values", [(Returned(ValueError("no node")),), ()])
def test_a_failed_measurement_elsewhere_is_one_line(values):
    """It names a remedy that needs no measurement."""
    with pytest.raises(
        RunError, match=r"^the job that measures training\.precision failed \(.+\); choose training\.precision=float32 "
    ):
        make_measure(Launcher(*values), config_of("my.Ray"), [], 0)()


def test_a_job_that_measures_trains_nothing(monkeypatch, configure):
    """It returns the choice of the machine that it runs on."""
    monkeypatch.setattr(sweep_worker, "choose_precision", lambda threads: Choice("float32", f"{threads} threads"))

    measured = sweep_worker.train_configuration(configure(f"sweep.job={MEASURE}", "training.threads=3"))

    assert tuple(measured) == ("float32", "3 threads")


def make_earlier(folder):
    """Turn the folder into one of version 0.1.0, which did not record itself."""
    folder.write_metadata({key: value for key, value in folder.read_metadata().items() if key != "made_by"})


@pytest.mark.parametrize("ended", [0, 1, 2])
def test_runs_that_an_earlier_version_finished_are_announced(folder, caplog, ended):
    """Their fingerprints differ under the same names; one line says that they stay and are trained again."""
    make_earlier(folder)
    for number in range(3):
        folder.ledger.append(QUEUED, number, fingerprint=f"old{number}", name=f"run{number}", overrides=[])
        if number < ended:
            folder.ledger.append(FINISHED, number, scores={}, run_id="")
    old, new = ([PlannedRun(f"run{number}", f"{age}{number}", []) for number in range(3)] for age in ("old", "new"))

    report_retraining(folder, new)
    report_retraining(folder, old)
    report_retraining(folder, [run._replace(name="other") for run in new])

    assert [message.partition(" under")[0] for message in caplog.messages] == {
        0: [],
        1: ["1 run of sweep mine ended"],
        2: ["2 runs of sweep mine ended"],
    }[ended]


def test_changed_settings_are_not_blamed_on_an_earlier_version(folder, caplog):
    """A sweep of this version may be extended by the same names with more epochs."""
    folder.ledger.append(QUEUED, 0, fingerprint="old", name="run", overrides=[])
    folder.ledger.append(FINISHED, 0, scores={}, run_id="")

    report_retraining(folder, [PlannedRun("run", "new", [])])
    report_earlier_trials(folder)

    assert caplog.messages == []


def test_trials_that_an_earlier_version_finished_are_announced(folder, caplog):
    """Their scores are kept, because Optuna knows them."""
    make_earlier(folder)
    folder.ledger.append(QUEUED, 0, fingerprint="old", name="x", overrides=[])
    report_earlier_trials(folder)
    folder.ledger.append(FINISHED, 0, scores={}, run_id="")
    report_earlier_trials(folder)

    assert caplog.messages == [
        "1 trial of search mine ended under version 0.1.0, which clipped cce and kld (loss.clip=true) and did not "
        "record the data type of training.precision=auto; their scores are kept"
    ]


def train_both(outputs, monkeypatch, choice):
    """Run a sweep on a machine with a choice; return the choices asked for."""
    asked = []
    monkeypatch.setattr(precision, "choose_precision", lambda threads: asked.append(threads) or choice)
    done = run_here("train", "-m", *SMALL, f"outputs={outputs}")
    assert done.code == 0, done.err
    return asked


@pytest.mark.trains
def test_a_sweep_measures_once_and_resumes_in_its_data_type(tmp_path, monkeypatch, blank_pictures):
    """On another machine, with another choice, nothing is measured or trained, and the runs say what they used."""
    first = train_both(tmp_path, monkeypatch, FAST)
    ledger = (tmp_path / "sweeps/auto/ledger.jsonl").read_bytes()
    again = train_both(tmp_path, monkeypatch, Choice("float32", "another machine"))

    sweep = SweepFolder(tmp_path, "auto")
    results = [read_result(sweep.run_folder(job.fingerprint)) for job in sweep.ledger.jobs()]
    children = [run for run in runs_of(tmp_path) if "job" in run.data.tags]
    assert (first, again) == ([1], [])
    assert (tmp_path / "sweeps/auto/ledger.jsonl").read_bytes() == ledger
    assert [result.settings["training.precision"] for result in results] == ["mixed_bfloat16"] * 2
    assert [job.fingerprint for job in sweep.ledger.jobs()] == [result.fingerprint for result in results]
    assert {run.data.tags["precision"] for run in children} == {"mixed_bfloat16"}
    assert {run.data.tags["precision_measured"] for run in children} == {"it was fast"}
    assert {run.data.params["training.precision"] for run in children} == {"mixed_bfloat16"}


@pytest.mark.trains
def test_runs_that_become_equal_are_announced(tmp_path, monkeypatch, blank_pictures):
    """Two of four combinations are the same runs as the others."""
    monkeypatch.setattr(precision, "choose_precision", lambda threads: Choice("float32", "it was fast"))
    arguments = [*SMALL[:-1], "training.precision=auto,float32"]

    done = run_here("train", "-m", *arguments, f"outputs={tmp_path}")

    assert done.code == 0, done.err
    assert "leaving out 2 runs, equal to others now that training.precision=auto is resolved" in done.out + done.err
    assert len(SweepFolder(tmp_path, "auto").ledger.jobs()) == 2


@pytest.mark.trains
def test_a_search_measures_once_and_resumes_in_its_data_type(tmp_path, monkeypatch, blank_pictures):
    """Every trial is trained in the recorded type."""
    search = ("hydra/sweeper=optuna", "search.startup=2", "schedule.max_rate=interval(0.001,0.01)")
    arguments = [one for one in SMALL if one != "seed=1,2"]
    for trials, choice in ((1, FAST), (2, Choice("float32", "another machine"))):
        monkeypatch.setattr(precision, "choose_precision", lambda threads, choice=choice: choice)
        done = run_here("train", "-m", *arguments, *search, f"search.trials={trials}", f"outputs={tmp_path}")
        assert done.code == 0, done.err

    jobs = SweepFolder(tmp_path, "auto").ledger.jobs()
    assert len(jobs) == 2
    assert all("training.precision=mixed_bfloat16" in job.overrides for job in jobs)
