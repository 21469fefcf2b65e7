"""Training logs scores, artifacts and provenance to MLflow, and an interrupted run resumes exactly."""

import csv
import json
import logging
import math
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import rasterio
from affine import Affine
from mlflow import MlflowClient
from omegaconf import OmegaConf
from PIL import Image

from gym.app.predict import predict_images
from gym.app.report_examples import image_sites
from gym.app.train import _log_epochs, run_experiment
from gym.config.overrides import flatten, to_dict
from gym.config.schema import Config, PredictConfig
from gym.config.validation import read_config
from gym.core.errors import DataError, RunError, TrainingError
from gym.core.files import hash_file
from gym.core.text import format_score
from gym.data.batches import ordered_batches
from gym.data.build import open_or_build_dataset
from gym.data.framing import frame_image
from gym.data.labels import IGNORE
from gym.data.readers.raster import read_image, read_label
from gym.data.samples import split_dataset
from gym.data.units import Units
from gym.evaluation import confusion
from gym.evaluation.run_model import evaluate_model
from gym.prediction.segment import predict_tiles
from gym.reporting.card.contents import read_contents
from gym.reporting.page_tables import site_dice_table
from gym.reporting.recommendation import recommend, standard_error
from gym.runs.mlflow_lookup import find_run
from gym.runs.mlflow_read import find_run_dataset
from gym.runs.model_files import load_model
from gym.runs.result import write_result
from gym.runs.spec import fingerprinted_settings
from gym.runs.tracking_uri import tracking_uri
from gym.training import checkpoint
from gym.training.checkpoint import Epoch

pytestmark = pytest.mark.usefixtures("blank_pictures")

TINY = ["+debug=tiny", "model=unet", "model.levels=2", "model.kernel=3", "training.precision=float32"]
TINIEST = [
    *("model=simple_unet", "filters=2", "model.levels=1", "data.size=32"),
    *("training.precision=float32", "training.epochs=1", "training.batch=2"),
]
TESTED = ["+debug=tiny", *TINIEST, "split.test=0.25", "augment.mode=offline", "augment.copies=2"]
FOLD = ["+debug=tiny", *TINIEST, "split=kfold", "split.folds=4", "split.fold=1"]
SITE = ["+debug=tiny", *TINIEST, "split=leave_one_site_out", "split.held_out=duck"]
EPOCH_METRICS = {"train/loss", "train/iou", "val/loss", "val/iou", "val/kld", "learning_rate"}
FINAL_METRICS = {"iou", "kld", "stopping_epoch", "best_epoch", "parameters", "dice", "loss", "seconds"}
ARTIFACTS = {
    "card.html",
    "card.json",
    "card.md",
    "config.yaml",
    "confusion_matrix.json",
    "confusion_matrix.png",
    "contact_sheet.png",
    "learning_curves.png",
    "left_out.json",
    "model",
    "near_duplicates.json",
    "split.json",
    "worst.png",
}

# Preparations of imagery, with the values by hand that the network receives for an image of the colour `COLOUR`.
COLOUR = (1000, 3000, 500, 2000)
TILES = "reflectance, tiles, an index, standardised by the dataset"
PREPARATIONS = {
    TILES: (
        *("data.scaling=reflectance", "data.reflectance=[1e-4,-0.05]", "data.framing=tile", "data.overlap=0.3"),
        *("data.indices=[NDWI]", "data.standardize=dataset"),
        [0.05, 0.25, 0.0, 0.15, (0.25 - 0.15) / (0.25 + 0.15)],
    ),
    "shares of 16 bits, tiles, an index of one's own, not standardised": (
        *("data.scaling=dtype", "data.framing=tile", "data.indices=['sum=red+nir']", "data.standardize=none"),
        [1000 / 65535, 3000 / 65535, 500 / 65535, 2000 / 65535, 3000 / 65535],
    ),
    "stretched, resized, standardised by band": (
        *("data.scaling=percentile", "data.framing=resize", "data.standardize=band"),
        [1e-6, 1e-6, 1e-6, 1e-6],  # constant bands become 0, but 0 in every band would mean nodata
    ),
    "as it is, two indices, standardised by the dataset": (
        *("data.indices=[NDWI,'sum=red+nir']", "data.standardize=dataset"),
        [1000, 3000, 500, 2000, 0.2, 3000],
    ),
}


class FinishedRun(NamedTuple):
    """A finished run: its configuration, its result, the run in MLflow, its downloaded artifacts, and its log."""

    config: Config
    result: object
    run: object
    artifacts: Path
    log: str

    def read(self, name):
        """Read one of the JSON artifacts."""
        return json.loads((self.artifacts / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One outputs folder for all runs of this file."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def finished_runs():
    """The finished runs of this file by their overrides; each is trained only once."""
    return {}


@pytest.fixture
def train_run(configure, outputs, finished_runs, caplog, tmp_path_factory):
    """Train a configuration, or return its run if an earlier test has trained it."""

    def train(*overrides):
        if overrides not in finished_runs:
            config = configure(*overrides, f"outputs={outputs}")
            with caplog.at_level(logging.INFO):
                result = run_experiment(config)
            client = MlflowClient(tracking_uri(config.tracking, outputs))
            folder = tmp_path_factory.mktemp("artifacts")
            client.download_artifacts(result.run_id, "", str(folder))
            finished_runs[overrides] = FinishedRun(config, result, client.get_run(result.run_id), folder, caplog.text)
        return finished_runs[overrides]

    return train


@pytest.fixture
def finished(train_run):
    """A tiny run."""
    return train_run(*TINY, "training.epochs=2")


@pytest.fixture(scope="module")
def shores(tmp_path_factory):
    """Six labelled 16-bit GeoTIFFs of 40x72 pixels in 4 bands, a broken image, and a table of sides.

    Two images are near-duplicates, and the first columns have no data.
    """
    folder, rng = tmp_path_factory.mktemp("shores"), np.random.default_rng(0)
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    sides = ["training"] * 3 + ["validation"] * 2 + ["test"]
    for number in range(6):
        label = np.kron(rng.integers(0, 3, (5, 9)), np.ones((8, 8), int)).astype(np.uint8)
        image = rng.integers(100, 400, (40, 72, 4)).astype(np.uint16)
        image[..., :3] += np.where(label[..., None] == np.arange(3), np.uint16(2000), np.uint16(0))
        if number == 4:
            image = 2 * read_image(folder / "images" / "shore0.tif").values + image % 3
        image[:, :5] = 0
        write_tiff(folder / "images" / f"shore{number}.tif", image)
        write_tiff(folder / "labels" / f"shore{number}.tif", label[..., None])
    (folder / "images" / "broken.tif").write_bytes(b"broken")
    write_tiff(folder / "labels" / "broken.tif", label[..., None])
    rows = [f"shore{number},{side}\n" for number, side in enumerate(sides)]
    (folder / "sides.csv").write_text("".join(["name,side\n", *rows]))
    return folder


def write_tiff(path, values):
    """Write a GeoTIFF of ``(rows, columns, bands)`` with pixels of 10 m."""
    (rows, columns, count), grid = values.shape, Affine(10, 0, 500_000, 0, -10, 4_000_000)
    layout = {"height": rows, "width": columns, "count": count, "dtype": values.dtype, "transform": grid}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32610", **layout) as written:
        written.write(np.moveaxis(values, -1, 0))


def shore_overrides(folder):
    """Overrides that read the shores and their table of sides."""
    return [
        *("data=folder", f"data.images=[{folder}/images]", f"data.labels={folder}/labels"),
        *("data.bands=[red,green,blue,nir]", "data.classes=[water,sand,other]"),
        *("split=given", f"split.sides={folder}/sides.csv", "split.likeness=16"),
    ]


@pytest.fixture
def train_on_shores(train_run, shores):
    """Train on the shores with a preparation; return the run and the values that the network receives for `COLOUR`."""

    def train(preparation):
        *overrides, numbers = PREPARATIONS[preparation]
        return train_run(*TINIEST, *shore_overrides(shores), *overrides), numbers

    return train


@pytest.mark.trains
def test_a_run_is_logged_completely(finished, outputs):
    """It has parameters, metrics by epoch and at the end, tags, a dataset and artifacts."""
    config, result, run, artifacts, _ = finished
    client = MlflowClient(tracking_uri(config.tracking, outputs))

    assert run.info.status == "FINISHED"
    assert run.info.run_name == "unet cce f2"
    groups = {group: to_dict(config)[group] for group in ("model", "data", "split", "augment")}
    assert set(run.data.params) >= set(flatten(groups))
    assert (run.data.params["split.method"], run.data.params["data.framing"]) == ("random", "fit")
    scores = run.data.metrics
    assert set(scores) >= EPOCH_METRICS | FINAL_METRICS
    assert {f"class_iou/{name}" for name in ("water", "sand")} <= set(scores)
    assert any(name.startswith("site_dice/") for name in scores)
    assert {f"legacy/{name}" for name in ("iou", "dice", "kld", "dice_2022", "kld_2022")} <= set(scores)
    assert "legacy/iou_2022" not in scores  # the first class is water
    assert all(math.isfinite(value) for value in scores.values())
    assert scores["training_steps"] == 2 * -(-6 // config.training.batch)
    assert not any(name.startswith("test/") for name in scores)
    for name in EPOCH_METRICS:
        assert [point.step for point in client.get_metric_history(result.run_id, name)] == [1, 2]
    assert {"git_commit", "machine", "fingerprint", "data_fingerprint", "precision", "weights_sha256"} <= set(
        run.data.tags
    )
    assert run.data.tags["split"] == "random"
    assert run.data.tags["mlflow.note.content"].startswith(f"Mean IoU {result.scores['iou']:.3f}, KLD ")
    logged = run.inputs.dataset_inputs[0].dataset
    assert logged.digest == run.data.tags["data_fingerprint"][:36]
    assert json.loads(logged.profile) == {"pairs": 8, "left_out": 0, "training": 6, "validation": 2, "test": 0}
    assert {path.name for path in artifacts.iterdir()} == ARTIFACTS
    assert {path.name for path in (artifacts / "model").iterdir()} == {"model.json", "model.keras"}

    assert read_config(OmegaConf.load(artifacts / "config.yaml"), Config) == config
    split = finished.read("split.json")
    assert {side: len(names) for side, names in split.items()} == {"training": 6, "validation": 2, "test": 0}
    assert finished.read("left_out.json") == {}


@pytest.mark.trains
def test_final_scores_are_those_of_the_best_epoch(finished, outputs):
    """They are computed with the best weights, and agree with the metrics logged for that epoch."""
    config, result, run, _, _ = finished
    client = MlflowClient(tracking_uri(config.tracking, outputs))
    best = int(run.data.metrics["best_epoch"])
    history = {point.step: point.value for point in client.get_metric_history(result.run_id, "val/iou")}
    klds = {point.step: point.value for point in client.get_metric_history(result.run_id, "val/kld")}

    assert result.scores["iou"] == pytest.approx(history[best], rel=1e-5)
    assert result.scores["iou"] == pytest.approx(confusion.mean_iou(np.array(finished.read("confusion_matrix.json"))))
    assert result.scores["kld"] == pytest.approx(klds[best], rel=1e-4)
    assert run.data.metrics["stopping_epoch"] == 2


@pytest.mark.trains
def test_a_test_side_is_evaluated_separately(train_run):
    """Its scores begin with ``test/``, its pictures have their own folder, and its images are on no other side."""
    run = train_run(*TESTED)
    scores, split = run.run.data.metrics, run.read("split.json")

    assert [len(split[side]) for side in ("training", "validation", "test")] == [4, 2, 2]
    assert len({name for names in split.values() for name in names}) == 8
    assert {path.name for path in run.artifacts.iterdir()} == ARTIFACTS | {"test"}
    pictures = {"confusion_matrix.json", "confusion_matrix.png", "contact_sheet.png"}
    assert {path.name for path in (run.artifacts / "test").iterdir()} == pictures
    matrix = np.array(run.read("test/confusion_matrix.json"))
    assert matrix.sum() <= 2 * 32 * 32
    assert scores["test/iou"] == run.result.scores["test/iou"] == pytest.approx(confusion.mean_iou(matrix))
    assert scores["iou"] == pytest.approx(confusion.mean_iou(np.array(run.read("confusion_matrix.json"))))
    of_validation = {name for name in scores if name.split("/")[0] in ("iou", "kld", "dice", "class_iou", "legacy")}
    assert {f"test/{name}" for name in of_validation} <= set(scores)
    assert not {"test/loss", "test/parameters", "test/best_epoch"} & set(scores)


@pytest.mark.trains
def test_the_card_of_a_run_has_its_scores(train_run):
    """It has the logged scores of both sides, by class and by site, and hashes of model and data."""
    run = train_run(*TESTED)
    card, text = read_contents(run.artifacts / "card.json"), (run.artifacts / "card.md").read_text(encoding="utf-8")
    scores = run.result.scores

    assert [(side.side, side.images) for side in card.scores] == [("validation", 2), ("test", 2)]
    for prefix, side in zip(("", "test/"), card.scores, strict=True):
        found = {f"{prefix}{name}": value for name, (value, *_) in side.overall.items() if value is not None}
        for name, group in side.classes.items():
            found |= {f"{prefix}class_{kind}/{name}": value for kind, (value, *_) in group.items() if value is not None}
        for name, group in side.sites.items():
            found |= {f"{prefix}site_{kind}/{name}": group[kind][0] for kind in ("iou", "dice")}
        assert len(found) > 15
        assert {name: scores[name] for name in found} == pytest.approx(found)
        assert format_score(side.overall["iou"][0]) in text
    assert card.hashes["the weights"] == run.result.weights_sha256
    assert card.hashes["model/model.keras"] == hash_file(run.artifacts / "model" / "model.keras")
    assert (card.run_id, card.fingerprint) == (run.result.run_id, run.result.fingerprint)
    assert card.data.fingerprint == run.run.data.tags["data_fingerprint"]
    assert card.provenance["git_commit"] == run.run.data.tags["git_commit"]
    assert not {"machine", "mlflow.user"} & set(card.provenance)


@pytest.mark.trains
def test_the_card_of_a_run_shows_its_pictures_and_its_command(train_run, configure):
    """The page embeds all three pictures, and the command composes the configuration of the run."""
    run = train_run(*TESTED)
    page, text = ((run.artifacts / f"card.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    (command,) = re.findall(r"^```\n(python -m gym\.train .*)\n```$", text, re.MULTILINE)

    shown = re.findall(r'<img class="([\w-]+)" alt="[^"]+" src="data:image/png;base64,', page)
    assert shown == ["learning_curves", "confusion_matrix", "worst"]
    again = configure(*shlex.split(command)[3:])
    assert (fingerprinted_settings(to_dict(again)), again.data, again.split) == (
        fingerprinted_settings(to_dict(run.config)),
        run.config.data,
        run.config.split,
    )


@pytest.mark.trains
def test_an_epoch_has_all_offline_copies(train_run):
    """Two copies of 4 training pairs in batches of 2 take 4 steps; the split lists the pairs themselves."""
    run = train_run(*TESTED)

    assert "only 4 steps in total" in run.log
    assert not any("copy" in name for names in run.read("split.json").values() for name in names)


@pytest.mark.trains
def test_the_papers_split_trains_and_is_tagged_as_leaky(train_run):
    """Both sides have copies of the same scene, as the log, the tag and the card say."""
    run = train_run("+debug=tiny", *TINIEST, "data.scenes=4", "split=paper", "augment=paper")
    split = run.read("split.json")
    sources = {side: {name.partition(" copy ")[0] for name in names} for side, names in split.items()}

    assert run.run.data.tags["split"] == "paper (leaky)"
    assert "split=paper leaks: validation sees copies of training scenes" in run.log
    assert (len(split["training"]), len(split["validation"]), split["test"]) == (8, 12, [])
    assert all(" copy " in name for names in split.values() for name in names)
    assert sources["training"] & sources["validation"]
    assert run.read("near_duplicates.json") == []
    assert "> **Warning.** This split leaks" in (run.artifacts / "card.md").read_text(encoding="utf-8")
    assert np.array(run.read("confusion_matrix.json")).sum() > 4 * 32 * 32
    assert math.isfinite(run.result.scores["iou"])


@pytest.mark.trains
def test_one_fold_is_the_validation_side(train_run):
    """Each of four folds of eight scenes has two scenes."""
    run = train_run(*FOLD)
    split = run.read("split.json")

    assert [len(split[side]) for side in ("training", "validation", "test")] == [6, 2, 0]
    assert run.run.data.tags["split"] == "kfold"


@pytest.mark.trains
def test_one_site_is_held_out(train_run):
    """All its scenes are on the test side."""
    run = train_run(*SITE)
    split, scores = run.read("split.json"), run.result.scores

    assert [name.rpartition("_")[0] for name in split["test"]] == ["duck"]
    assert not any(name.startswith("duck") for side in ("training", "validation") for name in split[side])
    assert scores["test/site_iou/duck"] == scores["test/iou"]
    assert "site_iou/duck" not in scores
    assert run.result.units == Units("scene", run.result.scenes)
    sides = read_contents(run.artifacts / "card.json").scores
    assert [(side.side, side.unit_kind) for side in sides] == [("validation", "scene"), ("test", "site")]
    assert sides[1].units == 1
    assert sides[1].overall["iou"][1:] == [None, None]
    assert run.run.data.tags["split"] == "leave_one_out"


@pytest.mark.trains
def test_the_standard_error_resamples_scenes_instead_of_tiles(train_on_shores, outputs):
    """Of two scenes, a sample has both of one, both of the other or, in half of the draws, one of each."""
    run, _ = train_on_shores(TILES)
    result = run.result
    parts = result.matrices[:6].sum(axis=0), result.matrices[6:].sum(axis=0)
    ious = [confusion.mean_iou(matrix) for matrix in (parts[0], parts[0] + parts[1], parts[0] + parts[1], parts[1])]

    assert result.images == run.read("split.json")["validation"]
    assert result.images == [f"shore{scene} tile {tile}" for scene in (3, 4) for tile in range(1, 7)]
    assert result.scenes == ["shore3"] * 6 + ["shore4"] * 6
    assert standard_error(result) == pytest.approx(np.std(ious), rel=0.05)
    assert "from 2 validation scenes" in recommend([result], seed=0).sentence
    assert " on 2 validation scenes; epoch" in run.run.data.tags["mlflow.note.content"]
    side = read_contents(run.artifacts / "card.json").scores[0]
    assert (side.side, side.images, side.scenes) == ("validation", 12, 2)
    dataset = find_run_dataset(outputs, run.run)
    (row,) = site_dice_table(result, image_sites(dataset, result.images)).rows
    assert row.cells[1].text == "2"
    assert list(dataset.manifest.left_out) == ["broken"]


@pytest.mark.trains
@pytest.mark.parametrize("name", PREPARATIONS)
def test_the_saved_model_reproduces_the_confusion_matrices(train_on_shores, outputs, name):
    """Both sides agree, whatever the preparation and the standardisation."""
    run, _ = train_on_shores(name)
    network, dataset = load_model(run.artifacts / "model").network, open_or_build_dataset(run.config.data, outputs)
    split = split_dataset(dataset, run.config.split, run.config.augment.copies)

    for prefix, samples in (("", split.validation), ("test/", split.test)):
        again = evaluate_model(network, dataset, samples, ordered_batches(dataset, samples, 2))
        np.testing.assert_array_equal(again.matrix, run.read(f"{prefix}confusion_matrix.json"))


@pytest.mark.trains
@pytest.mark.parametrize("name", PREPARATIONS)
def test_the_saved_model_standardises_as_configured(train_on_shores, outputs, name):
    """Standardisation by dataset has the mean of all training pixels with data."""
    run, _ = train_on_shores(name)
    first = load_model(run.artifacts / "model").network.layers[1]

    assert first.method == run.config.data.standardize
    if first.method == "dataset":
        dataset = open_or_build_dataset(run.config.data, outputs)
        images = [
            dataset.read_image(position)
            for position, record in enumerate(dataset.manifest.pairs)
            if record.scene in ("shore0", "shore1", "shore2")
        ]
        pixels = np.concatenate([image[image.any(axis=2)] for image in images]).astype(float)
        np.testing.assert_allclose(first.mean, pixels.mean(axis=0), rtol=1e-9)


@pytest.mark.trains
@pytest.mark.parametrize("name", PREPARATIONS)
def test_prediction_prepares_an_image_as_training_did(train_on_shores, shores, outputs, name):
    """The description of the saved model turns a file into the stored tiles, bit for bit."""
    run, _ = train_on_shores(name)
    preparation = load_model(run.artifacts / "model").description.preparation
    dataset = open_or_build_dataset(run.config.data, outputs)
    prepared = preparation.prepare_image(read_image(shores / "images" / "shore1.tif").values)
    stored = [number for number, record in enumerate(dataset.manifest.pairs) if record.name.startswith("shore1")]
    placements = preparation.place_image(prepared)

    assert len(stored) == len(placements) == (6 if preparation.framing == "tile" else 1)
    for number, placement in zip(stored, placements, strict=True):
        np.testing.assert_array_equal(dataset.read_image(number), frame_image(prepared, placement, (32, 32)))


@pytest.mark.trains
@pytest.mark.parametrize("name", PREPARATIONS)
def test_a_file_is_labelled_at_its_own_size(train_on_shores, shores, outputs, tmp_path, name):
    """A large image keeps its nodata, and an image of one colour gets the scores of its values by hand."""
    run, numbers = train_on_shores(name)
    model, colour = load_model(run.artifacts / "model"), np.tile(np.array(COLOUR, np.uint16), (32, 32, 1))
    shore = read_image(shores / "images" / "shore1.tif").values
    (tmp_path / "in").mkdir()
    write_tiff(tmp_path / "in" / "colour.tif", colour)
    write_tiff(tmp_path / "in" / "shore1.tif", shore)

    report = predict_images(PredictConfig(run.result.run_id, str(tmp_path / "in"), str(tmp_path / "out"), str(outputs)))

    assert report == (["colour", "shore1"], {})
    labels = {name: read_label(tmp_path / "out" / f"{name}.tif").values for name in report.done}
    assert labels["shore1"].shape == (40, 72)
    np.testing.assert_array_equal(labels["shore1"] == IGNORE, ~shore.any(axis=2))
    by_hand = np.tile(np.array(numbers, np.float32), (1, 32, 32, 1))
    expected = model.network.predict_on_batch(by_hand)[0]
    ((_, scores),) = predict_tiles(model, model.description.preparation.prepare_image(colour))
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(labels["colour"], scores.argmax(axis=-1))


@pytest.mark.trains
def test_files_left_out_and_near_duplicates_are_logged(train_on_shores):
    """A broken file has its reason, and near-duplicates on different sides have their distance."""
    run, _ = train_on_shores("as it is, two indices, standardised by the dataset")

    (reason,) = run.read("left_out.json").values()
    assert "broken.tif cannot be read as an image" in reason
    assert {"first": "shore0", "second": "shore4", "distance": 0} in run.read("near_duplicates.json")
    assert run.read("split.json") == {
        "training": ["shore0", "shore1", "shore2"],
        "validation": ["shore3", "shore4"],
        "test": ["shore5"],
    }
    profile = json.loads(run.run.inputs.dataset_inputs[0].dataset.profile)
    assert profile == {"pairs": 6, "left_out": 1, "training": 3, "validation": 2, "test": 1}


@pytest.mark.trains
def test_tiles_of_a_scene_stay_on_one_side(train_on_shores):
    """Tiles have their own names."""
    split = train_on_shores("shares of 16 bits, tiles, an index of one's own, not standardised")[0].read("split.json")

    assert split["test"] == [f"shore5 tile {number}" for number in range(1, 7)]
    assert {name.partition(" ")[0] for name in split["validation"]} == {"shore3", "shore4"}


@pytest.mark.trains
def test_a_trained_run_segments_a_folder(finished, outputs, tmp_path, capsys):
    """Labels and overlays have the size of their image, and a bad file is reported without stopping the others."""
    images = tmp_path / "images"
    images.mkdir()
    for band in range(5):
        (tmp_path / f"band{band}").mkdir()
        Image.fromarray(np.random.default_rng(band).integers(1, 255, (50, 70), dtype=np.uint8)).save(
            tmp_path / f"band{band}" / "shore one.png"
        )
        (tmp_path / f"band{band}" / "bad.png").write_bytes(b"bad")
    folders = [str(tmp_path / f"band{band}") for band in range(5)]

    report = predict_images(PredictConfig(finished.run.info.run_id, folders, str(tmp_path / "out"), str(outputs)))

    assert report.done == ["shore one"]
    assert "bad.png cannot be read as an image" in next(iter(report.failed.values()))
    for name in ("shore one.png", "overlays/shore one.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.size == (70, 50)
    with (tmp_path / "out" / "class_areas.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["class"] for row in rows] == ["water", "whitewater", "sand", "other"]
    assert sum(int(row["pixels"]) for row in rows) == 50 * 70
    output = capsys.readouterr().out
    assert "left out" in output
    assert finished.run.info.run_id in output


@pytest.mark.trains
def test_a_run_is_found_by_name_and_by_id(train_run, outputs):
    run = train_run(*FOLD)

    assert find_run(run.config.tracking, outputs, "simple_unet cce f2").info.status == "FINISHED"
    assert find_run(run.config.tracking, outputs, run.result.run_id).info.run_id == run.result.run_id


@pytest.mark.trains
def test_segmenting_no_image_is_an_error(finished, outputs, tmp_path):
    """The only image has three bands, but the model needs five."""
    (tmp_path / "in").mkdir()
    Image.fromarray(np.ones((40, 40, 3), np.uint8)).save(tmp_path / "in" / "rgb.png")

    with pytest.raises(DataError, match=r"no image in input=.* could be segmented; correct the causes listed above"):
        predict_images(PredictConfig(finished.result.run_id, str(tmp_path / "in"), str(tmp_path / "out"), str(outputs)))


def test_an_unknown_run_is_refused(golden_run, tmp_path):
    """The error comes before any image is read, and suggests the closest match."""
    with pytest.raises(RunError, match=r"^run=zz was not found in .*; the closest match is "):
        predict_images(PredictConfig("zz", str(tmp_path), str(tmp_path / "out"), str(golden_run.outputs)))


@pytest.mark.trains
def test_a_run_whose_loss_is_not_finite_fails(configure, outputs):
    """MLflow shows it as FAILED, with the message as a tag."""
    explosion = ["name=explodes", "schedule.max_rate=1e30", "schedule.start_rate=1e30"]
    config = configure("+debug=tiny", *TINIEST, f"outputs={outputs}", *explosion)

    with pytest.raises(TrainingError, match="the loss is"):
        run_experiment(config)

    client = MlflowClient(tracking_uri(config.tracking, outputs))
    experiment = client.get_experiment_by_name("segsweep").experiment_id
    run = client.search_runs([experiment], "attributes.run_name = 'explodes'")[0]
    assert run.info.status == "FAILED"
    assert run.data.tags["error"].startswith("TrainingError: the loss is")
    with pytest.raises(RunError):
        find_run(config.tracking, outputs, "explodes")


@pytest.mark.trains
def test_an_interrupted_run_resumes_in_its_mlflow_run(configure, tmp_path, monkeypatch, caplog):
    """Weights and scores equal those of an uninterrupted run bit for bit, and every epoch is logged once."""
    overrides = [*TINY, "training.epochs=4"]
    whole = run_experiment(configure(*overrides, f"outputs={tmp_path / 'whole'}"))
    config = configure(*overrides, f"outputs={tmp_path / 'cut'}")
    for epoch in (1, 3):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "save_last", interrupt_after(epoch))
            with pytest.raises(KeyboardInterrupt):
                run_experiment(config)
    with caplog.at_level(logging.INFO):
        resumed = run_experiment(config)

    client = MlflowClient(tracking_uri(config.tracking, Path(config.outputs)))
    runs = client.search_runs([client.get_experiment_by_name("segsweep").experiment_id])
    assert [(run.info.run_id, run.info.status) for run in runs] == [(resumed.run_id, "FINISHED")]
    assert sorted(point.step for point in client.get_metric_history(resumed.run_id, "val/iou")) == [1, 2, 3, 4]
    assert len(runs[0].inputs.dataset_inputs) == 1
    assert resumed.weights_sha256 == whole.weights_sha256
    assert without_seconds(resumed) == without_seconds(whole)
    assert "resuming after epoch 3" in caplog.text
    again = run_experiment(config)
    assert again.run_id != resumed.run_id
    assert again.weights_sha256 == whole.weights_sha256


def interrupt_after(epoch):
    """Save as usual, and raise KeyboardInterrupt after an epoch, before that epoch is logged."""
    save = checkpoint.save_last

    def save_and_interrupt(model, history, folder):
        save(model, history, folder)
        if history.stopping.last_epoch == epoch:
            raise KeyboardInterrupt

    return save_and_interrupt


def without_seconds(result):
    return {name: score for name, score in result.scores.items() if name != "seconds"}


@pytest.mark.trains
def test_a_run_killed_after_writing_its_result_is_not_trained_again(configure, tmp_path, monkeypatch):
    """Its MLflow run is only marked as finished."""
    config = configure("+debug=tiny", *TINIEST, f"outputs={tmp_path}")
    with monkeypatch.context() as patch:
        patch.setattr("gym.app.finish_run.write_result", write_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config)
    monkeypatch.setattr("gym.app.train.train", None)
    result = run_experiment(config)

    client = MlflowClient(tracking_uri(config.tracking, tmp_path))
    assert client.get_run(result.run_id).info.status == "FINISHED"
    assert len(client.search_runs(["0", "1"])) == 1


def write_and_interrupt(folder, result):
    write_result(folder, result)
    raise KeyboardInterrupt


@pytest.mark.trains
def test_without_resume_an_interrupted_run_starts_again(configure, tmp_path, monkeypatch):
    """With training.resume=false, the interrupted MLflow run is KILLED, and a new one is started."""
    config = configure("+debug=tiny", *TINIEST, "training.epochs=2", "training.resume=false", f"outputs={tmp_path}")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_last", interrupt_after(1))
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config)
    client = MlflowClient(tracking_uri(config.tracking, tmp_path))
    client.update_run(client.search_runs(["0", "1"])[0].info.run_id, "RUNNING")  # as after SIGKILL
    run_experiment(config)

    assert sorted(run.info.status for run in client.search_runs(["0", "1"])) == ["FINISHED", "KILLED"]


@pytest.mark.trains
def test_a_small_number_of_steps_is_logged(finished):
    """Batch normalisation needs several hundred steps; the message names the remedy."""
    assert (
        "only 6 steps in total: batch normalisation needs several hundred; raise training.epochs or augment.copies"
        in finished.log
    )


@pytest.mark.trains
def test_the_split_affects_the_fingerprint_of_a_run(train_run, configure):
    """Runs with equal settings and data, but different sides, have different fingerprints."""
    fold = train_run(*FOLD)
    site = train_run(*SITE)

    assert fingerprinted_settings(to_dict(fold.config)) == fingerprinted_settings(to_dict(site.config))
    assert fold.run.data.tags["data_fingerprint"] == site.run.data.tags["data_fingerprint"]
    assert fold.run.data.tags["fingerprint"] != site.run.data.tags["fingerprint"]


def test_each_epoch_is_logged_when_it_ends_and_only_once():
    """A resumed run does not log again what it has logged before, and later epochs do not wait for the end."""

    class Log:
        def __init__(self):
            self.steps = []

        def logged_steps(self, name):
            return {1}

        def log_metrics_in_background(self, values, step):
            self.steps.append(step)

    log, seen = Log(), []
    log_epoch = _log_epochs(log, seen.append)
    epochs = [Epoch(number, *[0.0] * (len(Epoch._fields) - 1)) for number in (1, 2)]
    for epoch in epochs:
        log_epoch(epoch)

    assert log.steps == [2]
    assert seen == epochs
