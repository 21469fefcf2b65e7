"""``run=best:SWEEP`` reports the number of models compared and the optimism of the best score."""

import json
import shutil
import zipfile

import pytest

import gym
from gym.app.publish import publish
from gym.app.selection import describe_for_card, find_selection, read_card
from gym.config.schema import PublishConfig, TrackingConfig
from gym.core.errors import RunError
from gym.runs.result import read_result
from gym.runs.selection import assess_selection
from gym.sweeps.sweep_folder import SweepFolder
from tests.app.commands import run_here
from tests.golden import SETTINGS, SWEEP, copy_outputs
from tests.sweeps.commands import client_of

pytestmark = pytest.mark.usefixtures("blank_pictures")

BEST = f"best:{SWEEP}"


@pytest.fixture(scope="module")
def outputs(golden_sweep, tmp_path_factory):
    """A copy of the golden sweep's outputs, because publishing writes to MLflow."""
    return copy_outputs(golden_sweep.outputs, tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def results(outputs):
    """The results of the two runs of the golden sweep."""
    folder = SweepFolder(outputs, SWEEP)
    return [read_result(folder.run_folder(job.fingerprint)) for job in folder.ledger.jobs()]


@pytest.fixture(scope="module")
def sentence(results):
    """What is said about the best of them."""
    return describe_for_card(assess_selection(results))


def test_the_choice_is_assessed_from_the_results_of_the_sweep(outputs, results):
    """Only an address that names the best of a sweep has one; an unknown sweep is refused as always."""
    assert find_selection(TrackingConfig(), outputs, BEST) == assess_selection(results)
    assert find_selection(TrackingConfig(), outputs, results[0].run_id) is None
    with pytest.raises(RunError, match=r"^run=best:goldn was not found in .*; the closest match is golden\.$"):
        find_selection(TrackingConfig(), outputs, "best:goldn")


def test_without_the_folder_of_the_sweep_there_is_no_estimate(golden_sweep, tmp_path):
    """MLflow has the scores, so that the number of models is known."""
    outputs = copy_outputs(golden_sweep.outputs, tmp_path / "outputs")
    shutil.rmtree(outputs / "sweeps")

    found = find_selection(TrackingConfig(), outputs, BEST)

    assert (found.models, found.runs) == (2, 2)
    assert found.obstacle == "the confusion matrices are missing, so the optimism cannot be estimated"


def test_the_sweep_itself_says_it(golden_sweep, results):
    """The sentence is in the terminal and in the description of the parent run."""
    (parent,) = (
        run for run in client_of(golden_sweep.outputs).search_runs(["1"]) if "mlflow.parentRunId" not in run.data.tags
    )
    expected = assess_selection(results).describe("The best mean IoU")

    assert expected in golden_sweep.commands[-1].out
    assert expected in parent.data.tags["mlflow.note.content"]


def test_a_report_on_the_best_run_says_it(outputs, results, sentence, tmp_path):
    """A report on the same run by its id does not."""
    best = max(results, key=lambda result: result.scores["iou"])
    for address, is_chosen in ((BEST, True), (best.run_id, False)):
        done = run_here("report", f"run={address}", f"output={tmp_path / address[:4]}", f"outputs={outputs}")

        assert done.code == 0, done.err
        page = (tmp_path / address[:4] / "report.html").read_text(encoding="utf-8")
        assert (sentence in done.out, sentence in page) == (is_chosen, is_chosen)


def test_the_card_of_a_published_best_run_says_it(outputs, sentence, tmp_path, capsys):
    """From then on its card in MLflow does, too, so that publishing it under another address gives the same archive."""
    first = publish(PublishConfig(run=BEST, outputs=str(outputs), output=str(tmp_path / "first.zip")))
    assert sentence in capsys.readouterr().out
    run_id = client_of(outputs).get_model_version_by_alias("segsweep", "champion").run_id
    again = publish(PublishConfig(run=run_id, outputs=str(outputs), output=str(tmp_path / "again.zip")))

    with zipfile.ZipFile(first.path) as archive:
        card, contents = (archive.read(name).decode() for name in ("card.md", "card.json"))
    limitation = f"{sentence.removesuffix('.')}; the test scores are not affected."
    assert limitation in card
    assert json.loads(contents)["selection"] == sentence
    assert first.sha256 == again.sha256
    version = client_of(outputs).get_model_version_by_alias("segsweep", "champion")
    assert version.description.endswith(", highest among 2 models")


def test_a_loaded_best_run_says_it(outputs, results, sentence):
    """Its card and its assessment on the validation side do, and its assessment on the test side does not."""
    model, chosen = gym.load(BEST, outputs=outputs), assess_selection(results)
    dataset = gym.open_dataset(gym.compose(*SETTINGS).data, outputs=outputs)

    assert sentence.removesuffix(".") in model.card
    assert gym.assess(model, dataset, side="validation").warnings[-1] == chosen.describe_inflation()
    assert gym.assess(model, dataset, side="test").warnings == []


def test_a_card_that_cannot_be_extended_is_returned_unchanged(outputs, results, tmp_path):
    """So is the card of a run that was not chosen; a run without a card has none."""
    selection = assess_selection(results)

    assert read_card(tmp_path, selection) == ""
    (tmp_path / "card.md").write_text("# A card", encoding="utf-8")
    assert read_card(tmp_path, selection) == read_card(tmp_path, None) == "# A card"
