"""What is known of a sweep is found in its folder, and where that is gone, in MLflow."""

import shutil
import uuid
from contextlib import suppress
from dataclasses import replace

import pytest

from gym.config.schema import TrackingConfig
from gym.core.errors import RunError
from gym.core.files import write_text
from gym.runs.mlflow_log import PARENT, open_mlflow_run
from gym.runs.result import write_result
from gym.sweeps.ledger import FAILED, FINISHED, PRUNED, QUEUED, STARTED
from gym.sweeps.records import find_sweep
from gym.sweeps.sweep_folder import SweepFolder
from tests.reporting.test_run_table import made_run

CONFIG = TrackingConfig()
STATUSES = [FINISHED, FAILED, STARTED, PRUNED, QUEUED]


def log(outputs, name, *, error=None, iou=None, **tags):
    """Log a run; gives its id."""
    with suppress(ValueError), open_mlflow_run(CONFIG, outputs, name, tags, uuid.uuid4().hex) as run:
        run.log_params({"model.name": "unet", "model.filters": 4, "loss.name": "cce", "seed": 7, "sweep.name": "x"})
        run.log_metrics({} if iou is None else {"iou": iou, "class_iou/water": iou})
        if error:
            raise ValueError(error)
    return run.run_id


def make_sweep(outputs, name, ends=STATUSES):
    """Leave what a sweep leaves: a run of each end, logged where it was started; gives the id of the parent."""
    folder, parent = SweepFolder(outputs, name), log(outputs, f"sweep {name}", sweep=name)
    folder.write_metadata({"run_id": parent, "is_search": False})
    for number, end in enumerate(ends):
        fingerprint = f"{number}{name}".encode().hex().ljust(64, "0")
        overrides = ["model=unet", f"filters='{number}'", f"sweep.name={name}"]
        folder.ledger.append(QUEUED, number, name=f"run {number}", fingerprint=fingerprint, overrides=overrides)
        if end == QUEUED:
            continue
        folder.ledger.append(STARTED, number)
        tags = {PARENT: parent, "sweep": name, "job": str(number), "fingerprint": fingerprint}
        tags |= {"pruned": "true"} if end == PRUNED else {}
        error = "the loss is nan" if end == FAILED else None
        run_id = log(outputs, f"run {number}", error=error, iou=0.5 if end == FINISHED else None, **tags)
        if end != STARTED:
            folder.ledger.append(end, number, message=error or "")
        if end == FINISHED:
            result = made_run(iou=0.5, settings={"training.threads": 2})
            write_result(folder.run_folder(fingerprint), replace(result, run_id=run_id, fingerprint=fingerprint))
    return parent


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One database for the tests of this file: making one takes seconds. It holds a sweep called ``whole``."""
    outputs = tmp_path_factory.mktemp("outputs")
    make_sweep(outputs, "whole")
    return outputs


def test_a_folder_tells_of_every_run(outputs):
    """How it stands, why it failed, the command that makes it, its result and its record in MLflow."""
    record = find_sweep(CONFIG, outputs, "whole")

    assert record.name == "whole"
    assert [run.name for run in record.runs] == [f"run {number}" for number in range(5)]
    standings = ["", "failed", "under way, or cut off", "given up by the search", "not started"]
    assert [run.standing for run in record.runs] == standings
    assert [run.message for run in record.runs] == ["", "the loss is nan", "", "", ""]
    assert [run.logged is not None for run in record.runs] == [True] * 4 + [False]
    assert record.finished == record.runs[:1]
    assert record.runs[0].result.scenes == ["scene0", "scene1"]
    assert record.runs[1].command == "python -m gym.train model=unet filters=1"
    assert record.missing == ["Runs without a record in MLflow have no learning curve here."]


def test_the_threads_that_a_launcher_gave_are_part_of_the_command(outputs):
    """Without them it would not be the same to the last bit."""
    record = find_sweep(CONFIG, outputs, "whole")

    assert record.runs[0].command == "python -m gym.train model=unet filters=0 training.threads=2"


def test_a_sweep_is_found_by_its_name_its_parent_and_its_id(outputs):
    """Whichever is at hand."""
    parent = find_sweep(CONFIG, outputs, "whole").run_id

    assert find_sweep(CONFIG, outputs, parent).name == "whole"
    assert find_sweep(CONFIG, outputs, "sweep whole").run_id == parent


def test_the_command_of_the_sweep_is_hydras_record(outputs):
    """With what was said of launcher and sweeper; without a record there is none."""
    name = uuid.uuid4().hex
    make_sweep(outputs, name, [FINISHED])
    place = SweepFolder(outputs, name).path / "multirun.yaml"
    assert find_sweep(CONFIG, outputs, name).command == ""

    recorded = (
        "{hydra: [hydra.mode=MULTIRUN, hydra/launcher=joblib], task: [\"filters='2','4'\", 'data.classes=[a, b]']}"
    )
    write_text(place, f"hydra: {{overrides: {recorded}}}\n")
    command = "python -m gym.train -m hydra/launcher=joblib filters=2,4 'data.classes=[a, b]'"
    assert find_sweep(CONFIG, outputs, name).command == command

    write_text(place, "hydra: [")
    assert find_sweep(CONFIG, outputs, name).command == ""


def test_where_the_folder_is_gone_mlflow_tells(outputs):
    """Scores and how each run stands, but not what it came to on each scene; it says so."""
    name = uuid.uuid4().hex
    parent = make_sweep(outputs, name)
    folder = SweepFolder(outputs, name).path
    folder.rename(folder.with_name(f"{name}-moved"))
    record = find_sweep(CONFIG, outputs, name)

    assert (record.name, record.run_id, record.command) == (name, parent, "")
    assert record.missing == [
        f"{folder} is gone: scores are those in MLflow, without what each run came to on each scene."
    ]
    standings = [(run.name, run.standing, run.message) for run in record.runs]
    assert standings == [
        ("run 0", "", ""),
        ("run 1", "failed", "ValueError: the loss is nan"),
        ("run 2", "", ""),
        ("run 3", "given up by the search", ""),
    ]
    assert record.runs[0].result.scores["iou"] == 0.5
    assert record.runs[0].command == "python -m gym.train seed=7 model.name=unet model.filters=4"


def test_a_result_that_is_gone_is_taken_from_mlflow(outputs):
    """As far as it goes; one that is not there either is without a result."""
    name = uuid.uuid4().hex
    make_sweep(outputs, name, [FINISHED, FINISHED])
    folder = SweepFolder(outputs, name)
    first, other = (folder.run_folder(job.fingerprint) for job in folder.ledger.jobs())
    (first / "result.json").unlink()
    record = find_sweep(CONFIG, outputs, name)

    assert [run.result.scenes for run in record.runs] == [[], ["scene0", "scene1"]]
    (note,) = record.missing
    assert note.startswith(f"The results of 1 run are gone from {folder.runs}: their scores are those in MLflow")

    (other / "result.json").unlink()
    folder.ledger.append(QUEUED, 1, fingerprint="elsewhere")
    folder.ledger.append(FINISHED, 1)
    lost = find_sweep(CONFIG, outputs, name).runs[1]
    assert (lost.result, lost.standing) == (None, "finished, but its result is gone")


def test_a_run_that_was_tried_again_is_known_by_its_last_attempt(outputs):
    """It has a run in MLflow for each."""
    name = uuid.uuid4().hex
    parent = make_sweep(outputs, name, [FAILED])
    (job,) = SweepFolder(outputs, name).ledger.jobs()
    tags = {PARENT: parent, "sweep": name, "job": "0", "fingerprint": job.fingerprint}
    again = log(outputs, "run 0", iou=0.6, **tags)

    (run,) = find_sweep(CONFIG, outputs, name).runs
    assert run.logged.info.run_id == again


def test_an_unknown_sweep_is_answered_with_the_nearest(outputs, tmp_path):
    """Of folder and MLflow; where there is none, with how one is made."""
    with pytest.raises(RunError, match=r"^sweep=whale is no sweep in .*sweeps or sqlite.*; the nearest is whole\.$"):
        find_sweep(CONFIG, outputs, "whale")
    with pytest.raises(RunError, match=r"; there is no sweep yet: run one with -m\.$"):
        find_sweep(CONFIG, tmp_path, "whale")


def test_a_run_of_a_sweep_is_no_sweep(outputs):
    """The message names both ways on."""
    run_id = find_sweep(CONFIG, outputs, "whole").runs[0].logged.info.run_id

    with pytest.raises(RunError, match=rf"is one run of sweep whole; give sweep=whole, or run={run_id}\.$"):
        find_sweep(CONFIG, outputs, run_id)


def test_a_sweep_that_has_no_run_yet_says_so(outputs):
    """As one that was killed at its start."""
    name = uuid.uuid4().hex
    log(outputs, f"sweep {name}", sweep=name)

    with pytest.raises(RunError, match=rf"^sweep={name} has no run yet; run its command again\.$"):
        find_sweep(CONFIG, outputs, name)


def test_a_name_is_no_path(outputs):
    """What lies elsewhere is not a sweep."""
    with pytest.raises(RunError, match="is no sweep in"):
        find_sweep(CONFIG, outputs, "../sweeps/whole")


def test_where_mlflow_has_lost_a_sweep_the_folder_tells(outputs, tmp_path):
    """Its database is new: results are there, but no parent run to log to, and no record of a run."""
    shutil.copytree(outputs / "sweeps" / "whole", tmp_path / "sweeps" / "whole")
    record = find_sweep(CONFIG, tmp_path, "whole")

    assert record.run_id == ""
    assert record.runs[0].result.scores["iou"] == 0.5
    assert [run.logged for run in record.runs] == [None] * 5
    assert record.missing == [
        "The sweep has no parent run in MLflow, where the report could be logged.",
        "Runs without a record in MLflow have no learning curve here.",
    ]
