"""Evaluating a run adds to its card what was found, and loses nothing of it."""

import logging
import re
import shutil

import numpy as np
import pytest
from mlflow import MlflowClient

from gym.app.evaluate import judge_runs
from gym.app.train import run_experiment
from gym.core.errors import DataError
from gym.core.text import format_interval
from gym.reporting.card.collect import write_worst
from gym.reporting.card.contents import read_facts
from gym.reporting.card.write import list_pictures, refresh_card, write_card
from gym.runs.mlflow_client import tracking_uri
from tests.reporting.card.made_up import made_document, made_facts

pytestmark = pytest.mark.usefixtures("blank_pictures")

TINY = [
    *("data.size=32", "data.scenes=12", "data.sites=3", "model=simple_unet", "model.levels=1", "filters=2"),
    *("training.epochs=1", "augment=none", "split.test=0.25"),
]


class HeldRun:
    """A run whose artifacts are a folder; what is used of `gym.runs.mlflow_log.RunLog`."""

    run_id = "0123"

    def __init__(self, artifacts):
        self.artifacts = artifacts

    def fetch_artifacts(self, names, folder):
        """Copy what there is."""
        for name in names:
            if (self.artifacts / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.artifacts / name, folder / name)

    def log_folder(self, folder):
        """Keep all files."""
        shutil.copytree(folder, self.artifacts, dirs_exist_ok=True)


@pytest.fixture
def run(tmp_path):
    """A run with a card and the picture of an evaluation."""
    write_worst(tmp_path / "worst.png", np.zeros((2, 2, 3), np.uint8))
    write_worst(tmp_path / "evaluation" / "test" / "worst.png", np.zeros((2, 2, 3), np.uint8))
    write_card(tmp_path, made_facts())
    return HeldRun(tmp_path)


def pictures_of(artifacts):
    """The pictures within the page of a card."""
    return re.findall(r'<img class="([\w-]+)"', (artifacts / "card.html").read_text(encoding="utf-8"))


def test_evaluations_gather_in_the_card(run):
    """Each with its picture; one that is made again takes the place of the former."""
    refresh_card(run, "evaluation/test", made_document())
    refresh_card(run, "evaluation/all", made_document("all", boundary_width=3))
    refresh_card(run, "evaluation/test", made_document(boundary_width=7))

    facts = read_facts(run.artifacts / "card.json")
    assert {place: one["boundary_width"] for place, one in facts.evaluations.items()} == {
        "evaluation/all": 3,
        "evaluation/test": 7,
    }
    text = (run.artifacts / "card.md").read_text(encoding="utf-8")
    assert text.count("### On test images of other shores") == 1
    assert "within 7 of a boundary" in text
    assert pictures_of(run.artifacts) == ["evaluation-test-worst", "worst"]
    assert list_pictures(facts) == [
        *("learning_curves.png", "confusion_matrix.png", "evaluation/all/worst.png", "evaluation/test/worst.png"),
        "worst.png",
    ]


@pytest.mark.parametrize("content", [None, b"{}"])
def test_a_card_without_facts_stays_as_it_is(run, caplog, content):
    """As that of a run of an older version, or a damaged one; the evaluation itself is not lost by it."""
    (run.artifacts / "card.json").unlink()
    if content is not None:
        (run.artifacts / "card.json").write_bytes(content)
    before = (run.artifacts / "card.md").read_bytes()

    with caplog.at_level(logging.WARNING):
        refresh_card(run, "evaluation/test", made_document())

    assert "the card of run 0123 stays as it is: " in caplog.text
    assert "card.json holds no readable facts of a card" in caplog.text
    assert (run.artifacts / "card.md").read_bytes() == before


def test_a_full_disk_is_named(run, monkeypatch):
    """What else was found is in MLflow by then."""
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("gym.reporting.card.write.write_card", lambda *_: (_ for _ in ()).throw(full))

    message = (
        r"^the card of run 0123 cannot be written \(.*No space left.*\); "
        r"check its permissions and free space, or set TMPDIR="
    )
    with pytest.raises(DataError, match=message):
        refresh_card(run, "evaluation/test", made_document())


@pytest.mark.trains
def test_evaluating_a_run_refreshes_its_card(configure, tmp_path):
    """Its scores are in the card in MLflow, and those of training stay; the page holds all pictures."""
    result = run_experiment(configure(*TINY, f"outputs={tmp_path}"))
    client = MlflowClient(tracking_uri(configure().tracking, tmp_path))
    artifacts = tmp_path / "artifacts" / result.run_id / "artifacts"
    before = read_facts(artifacts / "card.json")
    evaluate = configure(f"outputs={tmp_path}", f"run={result.run_id}", "side=test", "workers=1", name="evaluate")

    (found,) = judge_runs(evaluate)

    assert {item.path for item in client.list_artifacts(result.run_id)} >= {"card.md", "card.html", "card.json"}
    after = read_facts(artifacts / "card.json")
    assert (after.scores, after.hashes) == (before.scores, before.hashes)
    assert list(after.evaluations) == ["evaluation/test"]
    tested = next(side for side in after.scores if side.side == "test")
    assert after.evaluations["evaluation/test"]["overall"]["iou"] == pytest.approx(tested.overall["iou"])
    text = (artifacts / "card.md").read_text(encoding="utf-8")
    assert f"| boundary IoU | {format_interval(*found.overall['boundary_iou'])} |" in text
    assert f"| {format_interval(*found.overall['calibration_error'])} |" in text
    assert "Beside baselines, all classes:" in text
    assert pictures_of(artifacts) == ["learning_curves", "confusion_matrix", "evaluation-test-worst", "worst"]
