"""Reports on a small sweep, half of whose runs fail, and on its runs."""

import re
import subprocess
import sys

import numpy as np
import pytest

from gym.app.report import create_report
from gym.app.report_examples import FinishedRun, segment_examples
from gym.config.schema import ReportConfig, TrackingConfig
from gym.core.errors import DataError, RunError
from gym.evaluation import confusion
from gym.runs.result import read_result
from gym.sweeps.records import find_sweep
from gym.sweeps.sweep_folder import SweepFolder
from tests.conftest import ROOT
from tests.reporting.test_comparison import cells_of
from tests.sweeps.commands import client_of, finish, runs_of

pytestmark = pytest.mark.process

# A run takes a second or two; with a learning rate of 1e30, its loss is not finite.
SWEEP = [
    *("+debug=tiny", "model.levels=1", "model.kernel=3", "training.precision=float32", "training.epochs=2"),
    *("sweep.name=12e4", "schedule.start_rate=1e-5", "schedule.rampup_epochs=0"),
    *("model=unet,resunet", "schedule.max_rate=1e-3,1e30"),
]
FILES = {"report.html"} | {
    f"{name}{suffix}" for name in ("figure3", "figure4", "learning_curves") for suffix in (".png", ".svg")
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The outputs of the sweep, and the finished process of the report on it."""
    outputs = tmp_path_factory.mktemp("outputs")
    code, output = finish(outputs, *SWEEP)
    assert code == 1, output
    command = [sys.executable, "-m", "gym.report", "sweep=12e4", f"outputs={outputs}"]
    return outputs, subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)


@pytest.fixture
def results(swept):
    """The results of the finished runs."""
    folder = SweepFolder(swept[0], "12e4")
    return [read_result(folder.run_folder(job.fingerprint)) for job in folder.ledger.jobs() if job.status == "finished"]


def section(outputs, name, part="sweep"):
    """Return a section of a report page."""
    page = (outputs / "reports" / name / "report.html").read_text(encoding="utf-8")
    return page.split(f'id="{part}"')[1].split("<h2")[0]


def test_the_report_on_a_sweep_is_written_and_logged(swept):
    """Its folder has the name of the sweep, although Hydra would parse ``12e4`` as a number."""
    outputs, done = swept
    parent = next(run for run in runs_of(outputs) if "mlflow.parentRunId" not in run.data.tags)

    assert (done.returncode, done.stderr) == (0, "")
    page = outputs / "reports" / "12e4" / "report.html"
    assert done.stdout.splitlines() == [
        "2 of 4 runs have a result",
        f"report  {page}",
        f"logged to run {parent.info.run_id}, under report/",
    ]
    assert {path.name for path in page.parent.iterdir()} == FILES
    logged = {file.path for file in client_of(outputs).list_artifacts(parent.info.run_id, "report")}
    assert logged == {f"report/{name}" for name in FILES}


def test_the_page_shows_the_scores_of_the_results(swept, results):
    """It also shows the messages of failed runs, and the command of every run."""
    outputs, _ = swept
    runs = section(outputs, "12e4", "runs")
    rows = cells_of(runs.split("</table>")[0])
    failed = re.findall(r'<th scope="row">(.*?)</th><td>failed</td><td class="words">(.*?)</td>', runs)

    assert [(row[0][1].split(" <")[0], row[2][0]) for row in rows] == [
        (run.name, repr(run.scores["iou"])) for run in results
    ]
    assert [name.split()[0] for name, _ in failed] == ["unet", "resunet"]
    assert all("the loss is" in message for _, message in failed)
    commands = section(outputs, "12e4", "reproduce")
    assert len(re.findall(r"<code>python -m gym\.train (?!-m)", commands)) == 4
    assert re.search(r"<code>python -m gym\.train -m .* sweep\.name=12e4 .* model=unet,resunet ", commands)


def test_figure_3_shows_the_predictions_that_were_scored(swept):
    """The outputs have the confusion matrices that were counted at the end of training."""
    outputs, _ = swept
    record = find_sweep(TrackingConfig(), outputs, "12e4")
    finished = [FinishedRun(run.result, run.logged) for run in record.runs if run.result]
    steps = []
    shown = segment_examples(TrackingConfig(), outputs, finished, steps.append)

    assert [words for words, _ in shown.models] == ["UNet cce f2", "Res-UNet cce f2"]
    assert [label.split()[0] for label in shown.labels] == ["unet", "resunet"]
    assert [words.split()[0] for words in steps] == ["loading", "segmenting"] * 2
    for image in shown.images:
        for output, run in zip(image.outputs, finished, strict=True):
            counted = confusion.confusion_matrix(image.label, output, 4)
            np.testing.assert_array_equal(counted, run.result.matrices[run.result.images.index(image.name)])


def test_without_the_data_figure_3_is_left_out(swept, tmp_path, capsys):
    """The terminal and the page give the reason."""
    outputs, _ = swept
    stores = outputs / "stores"
    stores.rename(tmp_path / "away")
    try:
        page = create_report(ReportConfig(sweep="12e4", output=str(tmp_path / "report"), outputs=str(outputs)))
    finally:
        (tmp_path / "away").rename(stores)

    reason = (
        r"Figure 3 is left out: the dataset of unet cce f2 \S+ is missing from \S+; build it again from the same data, "
        r"or train the run again\."
    )
    assert re.search(f"^{reason}$", capsys.readouterr().out, re.MULTILINE)
    assert re.search(f'<p class="note">{reason}</p>', page.read_text(encoding="utf-8"))
    assert {path.name for path in page.parent.iterdir()} == {name for name in FILES if "figure3" not in name}


def test_without_the_sweep_folder_the_report_is_read_from_mlflow(swept, tmp_path, capsys):
    """The scores are the same."""
    outputs, _ = swept
    sweeps = outputs / "sweeps"
    sweeps.rename(tmp_path / "away")
    try:
        create_report(ReportConfig(sweep="sweep 12e4", output=str(tmp_path), outputs=str(outputs)))
    finally:
        (tmp_path / "away").rename(sweeps)

    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "2 of 4 runs have a result",
        f"{sweeps / '12e4'} does not exist: all scores come from MLflow, which has none for single scenes.",
    ]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    ious = [row[2] for row in cells_of(page.split('id="runs"')[1].split("</table>")[0])]
    assert ious == [row[2] for row in cells_of(section(outputs, "12e4", "runs").split("</table>")[0])]


def test_the_report_on_a_run_is_written_and_logged(swept, results):
    """Its folder is named after the run, and its page has the command that trains the run."""
    outputs, _ = swept
    run = results[0]
    page = create_report(ReportConfig(run=run.run_id, outputs=str(outputs)))
    name = page.parent.name

    assert re.fullmatch(rf"unet_cce_f2_schedule.max_rate_0.001-{run.run_id[:8]}", name)
    assert {path.name for path in page.parent.iterdir()} == {file for file in FILES if "figure4" not in file}
    logged = {file.path for file in client_of(outputs).list_artifacts(run.run_id, "report")}
    assert logged == {f"report/{file.name}" for file in page.parent.iterdir()}
    (iou, *_) = cells_of(section(outputs, name, "scores").split("</table>")[0])
    assert iou[1][0] == repr(run.scores["iou"])
    (command,) = re.findall(r"<code>python -m gym.train (.*?)</code>", section(outputs, name, "reproduce"))
    assert command.startswith(f"outputs={outputs} model.name=unet model.filters=2 model.kernel=3 model.levels=1 data.")
    assert not re.search("sweep|search", command)


def test_the_report_on_a_failed_run_gives_the_reason(swept, capsys):
    """The run has no scores."""
    outputs, _ = swept
    failed = next(run for run in runs_of(outputs) if run.info.status == "FAILED")
    page = create_report(ReportConfig(run=failed.info.run_id, outputs=str(outputs)))

    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"The run is FAILED: TrainingError: the loss is \S+", lines[0])
    assert lines[1] == "Figure 3 is left out: no run with a model has a mean IoU."
    assert "The run has no scores." in page.read_text(encoding="utf-8")


def test_a_sweep_is_not_accepted_as_a_run(swept):
    """The error suggests ``sweep=``."""
    outputs, _ = swept
    parent = find_sweep(TrackingConfig(), outputs, "12e4").run_id

    with pytest.raises(RunError, match=rf"^run={parent} is a sweep; use sweep=12e4\.$"):
        create_report(ReportConfig(run=parent, outputs=str(outputs)))


def test_an_unwritable_output_is_refused_before_any_work(swept, tmp_path):
    """A file is in the place of its folder."""
    outputs, _ = swept
    (tmp_path / "file").touch()

    with pytest.raises(DataError, match=r"file/report cannot be written .*choose another folder with output=\.\.\.$"):
        create_report(ReportConfig(sweep="12e4", output=str(tmp_path / "file" / "report"), outputs=str(outputs)))
