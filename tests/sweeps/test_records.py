"""The record of a sweep is read from its folder or, if the folder is gone, from MLflow."""

import shutil
import uuid
from contextlib import suppress
from dataclasses import replace

import pytest

from gym.config.schema import TrackingConfig
from gym.core.errors import RunError
from gym.core.files import write_text
from gym.runs.mlflow_client import open_tracking
from gym.runs.mlflow_log import PARENT, open_mlflow_run
from gym.runs.result import write_result
from gym.sweeps.ledger import FAILED, FINISHED, PRUNED, QUEUED, STARTED
from gym.sweeps.records import find_sweep
from gym.sweeps.sweep_folder import SweepFolder
from tests.reporting.test_run_table import made_run

CONFIG = TrackingConfig()
STATUSES = [FINISHED, FAILED, STARTED, PRUNED, QUEUED]


def log_run(outputs, name, *, error=None, iou=None, **tags):
    """Log a run, and return its id."""
    with suppress(ValueError), open_mlflow_run(CONFIG, outputs, name, tags, uuid.uuid4().hex) as run:
        run.log_params({"model.name": "unet", "model.filters": 4, "loss.name": "cce", "seed": 7, "sweep.name": "x"})
        run.log_metrics({} if iou is None else {"iou": iou, "class_iou/water": iou})
        if error:
            raise ValueError(error)
    return run.run_id


def make_sweep(outputs, name, statuses=STATUSES):
    """Create the files and MLflow runs of a sweep with one run per status; return the id of the parent run."""
    folder, parent = SweepFolder(outputs, name), log_run(outputs, f"sweep {name}", sweep=name)
    folder.write_metadata({"run_id": parent, "is_search": False})
    for number, status in enumerate(statuses):
        fingerprint = f"{number}{name}".encode().hex().ljust(64, "0")
        overrides = ["model=unet", f"filters='{number}'", f"sweep.name={name}"]
        folder.ledger.append(QUEUED, number, name=f"run {number}", fingerprint=fingerprint, overrides=overrides)
        if status == QUEUED:
            continue
        folder.ledger.append(STARTED, number)
        tags = {PARENT: parent, "sweep": name, "job": str(number), "fingerprint": fingerprint}
        tags |= {"pruned": "true"} if status == PRUNED else {}
        error = "the loss is nan" if status == FAILED else None
        run_id = log_run(outputs, f"run {number}", error=error, iou=0.5 if status == FINISHED else None, **tags)
        if status != STARTED:
            folder.ledger.append(status, number, message=error or "")
        if status == FINISHED:
            result = made_run(iou=0.5, settings={"training.threads": 2})
            write_result(folder.run_folder(fingerprint), replace(result, run_id=run_id, fingerprint=fingerprint))
    return parent


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """A folder with a sweep called ``whole``, shared by all tests because creating a database takes seconds."""
    outputs = tmp_path_factory.mktemp("outputs")
    make_sweep(outputs, "whole")
    return outputs


def test_the_folder_has_a_record_of_every_run(outputs):
    """It includes status, error, command, result and MLflow run."""
    record = find_sweep(CONFIG, outputs, "whole")

    assert record.name == "whole"
    assert [run.name for run in record.runs] == [f"run {number}" for number in range(5)]
    statuses = ["", "failed", "running or interrupted", "pruned", "not started"]
    assert [run.status for run in record.runs] == statuses
    assert [run.message for run in record.runs] == ["", "the loss is nan", "", "", ""]
    assert [run.logged is not None for run in record.runs] == [True] * 4 + [False]
    assert [run for run in record.runs if run.result] == record.runs[:1]
    assert record.runs[0].result.scenes == ["scene0", "scene1"]
    assert record.runs[1].command == f"python -m gym.train model=unet filters=1 outputs={outputs}"
    assert record.missing == ["Runs that are not in MLflow have no training curve."]


def test_the_command_includes_threads_assigned_by_the_launcher(outputs):
    """Without them, the run would differ in the last bits."""
    record = find_sweep(CONFIG, outputs, "whole")

    assert record.runs[0].command == f"python -m gym.train model=unet filters=0 outputs={outputs} training.threads=2"


def test_a_sweep_is_found_by_its_name_and_its_parent_run(outputs):
    """The parent run may be given by name or id."""
    parent = find_sweep(CONFIG, outputs, "whole").run_id

    assert find_sweep(CONFIG, outputs, parent).name == "whole"
    assert find_sweep(CONFIG, outputs, "sweep whole").run_id == parent


def test_the_command_of_the_sweep_is_read_from_multirun_yaml(outputs):
    """It includes launcher and sweeper; without a valid file it is empty."""
    name = uuid.uuid4().hex
    make_sweep(outputs, name, [FINISHED])
    place = SweepFolder(outputs, name).path / "multirun.yaml"
    assert find_sweep(CONFIG, outputs, name).command == ""

    recorded = (
        "{hydra: [hydra.mode=MULTIRUN, hydra/launcher=joblib], task: [\"filters='2','4'\", 'data.classes=[a, b]']}"
    )
    write_text(place, f"hydra: {{overrides: {recorded}}}\n")
    command = f"python -m gym.train -m hydra/launcher=joblib filters=2,4 'data.classes=[a, b]' outputs={outputs}"
    assert find_sweep(CONFIG, outputs, name).command == command

    write_text(place, "hydra: [")
    assert find_sweep(CONFIG, outputs, name).command == ""


def test_a_sweep_without_a_folder_is_read_from_mlflow(outputs):
    """A note says that scores of single scenes are missing."""
    name = uuid.uuid4().hex
    parent = make_sweep(outputs, name)
    folder = SweepFolder(outputs, name).path
    folder.rename(folder.with_name(f"{name}-moved"))
    record = find_sweep(CONFIG, outputs, name)

    assert (record.name, record.run_id, record.command) == (name, parent, "")
    assert record.missing == [
        f"{folder} does not exist: all scores come from MLflow, which has none for single scenes."
    ]
    statuses = [(run.name, run.status, run.message) for run in record.runs]
    assert statuses == [
        ("run 0", "", ""),
        ("run 1", "failed", "ValueError: the loss is nan"),
        ("run 2", "", ""),
        ("run 3", "pruned", ""),
    ]
    assert record.runs[0].result.scores["iou"] == 0.5
    settings = f"seed=7 model.name=unet model.filters=4 loss.clip=true outputs={outputs}"
    assert record.runs[0].command == f"python -m gym.train {settings}"


def test_a_lost_result_is_read_from_mlflow(outputs):
    """If MLflow does not have it either, the status says so."""
    name = uuid.uuid4().hex
    make_sweep(outputs, name, [FINISHED, FINISHED])
    folder = SweepFolder(outputs, name)
    first, other = (folder.run_folder(job.fingerprint) for job in folder.ledger.jobs())
    (first / "result.json").unlink()
    record = find_sweep(CONFIG, outputs, name)

    assert [run.result.scenes for run in record.runs] == [[], ["scene0", "scene1"]]
    (note,) = record.missing
    assert note.startswith(f"No result of 1 run in {folder.runs}: their scores come from MLflow, which has none")

    (other / "result.json").unlink()
    folder.ledger.append(QUEUED, 1, fingerprint="elsewhere")
    folder.ledger.append(FINISHED, 1)
    lost = find_sweep(CONFIG, outputs, name).runs[1]
    assert (lost.result, lost.status) == (None, "finished, but its result is missing")


def test_a_retried_run_is_represented_by_its_last_attempt(outputs):
    """MLflow has one run for each attempt."""
    name = uuid.uuid4().hex
    parent = make_sweep(outputs, name, [FAILED])
    (job,) = SweepFolder(outputs, name).ledger.jobs()
    tags = {PARENT: parent, "sweep": name, "job": "0", "fingerprint": job.fingerprint}
    again = log_run(outputs, "run 0", iou=0.6, **tags)

    (run,) = find_sweep(CONFIG, outputs, name).runs
    assert run.logged.info.run_id == again


def test_an_unknown_sweep_is_answered_with_the_nearest_name(outputs, tmp_path):
    """Without any sweep, the error says how to run one."""
    with pytest.raises(
        RunError, match=r"^sweep=whale was not found in .*sweeps or sqlite.*; the closest match is whole\.$"
    ):
        find_sweep(CONFIG, outputs, "whale")
    open_tracking(CONFIG, tmp_path)
    with pytest.raises(RunError, match=r"; there is no sweep yet: run one with -m\.$"):
        find_sweep(CONFIG, tmp_path, "whale")


def test_a_misspelt_experiment_is_refused_although_the_sweep_has_a_ledger(outputs):
    """Its runs would be missing from the report. The experiment is not created."""
    for _ in range(2):
        with pytest.raises(RunError, match=r"^tracking\.experiment=misspelt does not exist; choose one of .*segsweep"):
            find_sweep(TrackingConfig(experiment="misspelt"), outputs, "whole")


def test_a_run_of_a_sweep_is_not_a_sweep(outputs):
    """The error suggests both remedies."""
    run_id = find_sweep(CONFIG, outputs, "whole").runs[0].logged.info.run_id

    with pytest.raises(RunError, match=rf"is a single run of sweep whole; use sweep=whole or run={run_id}\.$"):
        find_sweep(CONFIG, outputs, run_id)


def test_a_sweep_without_runs_is_rejected(outputs):
    """It may have been killed just after its start."""
    name = uuid.uuid4().hex
    log_run(outputs, f"sweep {name}", sweep=name)

    with pytest.raises(RunError, match=rf"^sweep={name} has no runs yet; repeat the command that started it\.$"):
        find_sweep(CONFIG, outputs, name)


def test_a_path_is_not_a_name(outputs):
    """Sweeps outside the folder of sweeps are not found."""
    with pytest.raises(RunError, match="was not found in"):
        find_sweep(CONFIG, outputs, "../sweeps/whole")


def test_a_sweep_missing_from_mlflow_is_read_from_its_folder(outputs, tmp_path):
    """Notes say that there is no parent run, and that no run was logged."""
    shutil.copytree(outputs / "sweeps" / "whole", tmp_path / "sweeps" / "whole")
    record = find_sweep(CONFIG, tmp_path, "whole")

    assert record.run_id == ""
    assert record.runs[0].result.scores["iou"] == 0.5
    assert [run.logged for run in record.runs] == [None] * 5
    assert record.missing == [
        "MLflow has no parent run for this sweep, so the report is not logged there.",
        "Runs that are not in MLflow have no training curve.",
    ]
