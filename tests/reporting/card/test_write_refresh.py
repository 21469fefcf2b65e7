"""Evaluating a run adds the results to its card and keeps everything else."""

import logging
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from mlflow import MlflowClient

from gym.app.evaluate import evaluate_runs
from gym.app.train import run_experiment
from gym.core.errors import DataError
from gym.core.text import format_interval
from gym.reporting.card.contents import read_contents
from gym.reporting.card.worst_images import write_worst
from gym.reporting.card.write import find_pictures, refresh_card, update_card, write_card
from gym.runs.tracking_uri import tracking_uri
from tests.reporting.card.made_up import made_card, made_document

pytestmark = pytest.mark.usefixtures("blank_pictures")

TINY = [
    *("data.size=32", "data.scenes=12", "data.sites=3", "model=simple_unet", "model.levels=1", "filters=2"),
    *("training.epochs=1", "augment=none", "split.test=0.25"),
]


class HeldRun:
    """A run whose artifacts are in a folder, with the methods of `gym.runs.mlflow_log.RunLog` that are used."""

    run_id = "0123"

    def __init__(self, artifacts):
        self.artifacts = artifacts

    def fetch_artifacts(self, names, folder):
        """Copy the files that exist."""
        for name in names:
            if (self.artifacts / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.artifacts / name, folder / name)

    def log_folder(self, folder):
        """Copy all files to the artifacts."""
        shutil.copytree(folder, self.artifacts, dirs_exist_ok=True)


@pytest.fixture
def run(tmp_path):
    """A run with a card and the picture of an evaluation."""
    write_worst(tmp_path / "worst.png", np.zeros((2, 2, 3), np.uint8))
    write_worst(tmp_path / "evaluation" / "test" / "worst.png", np.zeros((2, 2, 3), np.uint8))
    write_card(tmp_path, made_card())
    return HeldRun(tmp_path)


def pictures_of(artifacts):
    """The pictures that the page of a card embeds."""
    return re.findall(r'<img class="([\w-]+)"', (artifacts / "card.html").read_text(encoding="utf-8"))


def test_evaluations_are_added_to_the_card(run):
    """Each has its picture; a repeated evaluation replaces the earlier one."""
    refresh_card(run, "evaluation/test", made_document())
    refresh_card(run, "evaluation/all", made_document("all", boundary_width=3))
    refresh_card(run, "evaluation/test", made_document(boundary_width=7))

    card = read_contents(run.artifacts / "card.json")
    assert {place: one["boundary_width"] for place, one in card.evaluations.items()} == {
        "evaluation/all": 3,
        "evaluation/test": 7,
    }
    text = (run.artifacts / "card.md").read_text(encoding="utf-8")
    assert text.count("### On test images of other shores") == 1
    assert "within 7 of a boundary" in text
    assert pictures_of(run.artifacts) == ["evaluation-test-worst", "worst"]
    assert find_pictures(card) == [
        *("learning_curves.png", "confusion_matrix.png", "evaluation/all/worst.png", "evaluation/test/worst.png"),
        "worst.png",
    ]


def test_the_choice_of_the_run_is_added_to_the_card(run):
    """It stays when an evaluation is added."""
    update_card(run, lambda contents: replace(contents, selection="It was chosen among 8 models."))
    refresh_card(run, "evaluation/test", made_document())

    for name in ("card.md", "card.html"):
        assert "It was chosen among 8 models; " in (run.artifacts / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [None, b"{}"])
def test_a_card_without_contents_is_not_updated(run, caplog, content):
    """Runs of older versions have no card.json, and it may be damaged; the evaluation itself is logged anyway."""
    (run.artifacts / "card.json").unlink()
    if content is not None:
        (run.artifacts / "card.json").write_bytes(content)
    before = (run.artifacts / "card.md").read_bytes()

    with caplog.at_level(logging.WARNING):
        refresh_card(run, "evaluation/test", made_document())

    assert "the card of run 0123 was not updated: " in caplog.text
    assert "card.json is not a readable model card" in caplog.text
    assert (run.artifacts / "card.md").read_bytes() == before


def test_a_full_disk_is_named(run, monkeypatch):
    """The results themselves are in MLflow by then."""
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
    """The card in MLflow has the new scores and those of training; its page embeds all pictures."""
    result = run_experiment(configure(*TINY, f"outputs={tmp_path}"))
    client = MlflowClient(tracking_uri(configure().tracking, tmp_path))
    artifacts = tmp_path / "artifacts" / result.run_id / "artifacts"
    before = read_contents(artifacts / "card.json")
    evaluate = configure(f"outputs={tmp_path}", f"run={result.run_id}", "side=test", "workers=1", name="evaluate")

    (found,) = evaluate_runs(evaluate)

    assert {item.path for item in client.list_artifacts(result.run_id)} >= {"card.md", "card.html", "card.json"}
    after = read_contents(artifacts / "card.json")
    assert (after.scores, after.hashes) == (before.scores, before.hashes)
    assert list(after.evaluations) == ["evaluation/test"]
    tested = next(side for side in after.scores if side.side == "test")
    assert after.evaluations["evaluation/test"]["overall"]["iou"] == pytest.approx(tested.overall["iou"])
    text = (artifacts / "card.md").read_text(encoding="utf-8")
    assert f"| boundary IoU | {format_interval(*found.overall['boundary_iou'])} |" in text
    assert f"| {format_interval(*found.overall['calibration_error'])} |" in text
    assert "Compared with baselines, all classes:" in text
    assert pictures_of(artifacts) == ["learning_curves", "confusion_matrix", "evaluation-test-worst", "worst"]
