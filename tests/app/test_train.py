"""One configuration, one result: everything that a run must leave in MLflow, from real runs on tiny scenes."""

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
from gym.app.train import format_next_steps, run_experiment
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
from gym.evaluation import confusion
from gym.evaluation.run_model import evaluate_model
from gym.prediction.segment import predict_tiles
from gym.reporting.card.contents import read_contents
from gym.reporting.page_tables import site_dice_table
from gym.reporting.recommendation import recommend, standard_error
from gym.runs.mlflow_client import tracking_uri
from gym.runs.mlflow_lookup import find_run
from gym.runs.mlflow_read import find_run_dataset
from gym.runs.model_files import load_model
from gym.runs.result import write_result
from gym.runs.spec import fingerprinted_settings
from gym.training import checkpoint

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

# What becomes of imagery, and what the network then gets of the colour that `COLOUR` is, by plain arithmetic.
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
        [1e-6, 1e-6, 1e-6, 1e-6],  # of one colour each band is 0, and 0 in all would mean nodata
    ),
    "as it is, two indices, standardised by the dataset": (
        *("data.indices=[NDWI,'sum=red+nir']", "data.standardize=dataset"),
        [1000, 3000, 500, 2000, 0.2, 3000],
    ),
}


class Finished(NamedTuple):
    """A finished run: its configuration, its result, the run in MLflow, its artifacts on disk, and what was logged."""

    config: Config
    result: object
    run: object
    artifacts: Path
    said: str

    def read(self, name):
        """The content of one of the JSON artifacts."""
        return json.loads((self.artifacts / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One database for the runs of this file."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def kept():
    """The runs of this file by their overrides: one is trained once, however many tests look at it."""
    return {}


@pytest.fixture
def finish(configure, outputs, kept, caplog, tmp_path_factory):
    """Train a configuration, or find the run that did."""

    def train(*overrides):
        if overrides not in kept:
            config = configure(*overrides, f"outputs={outputs}")
            with caplog.at_level(logging.INFO):
                result = run_experiment(config)
            client = MlflowClient(tracking_uri(config.tracking, outputs))
            folder = tmp_path_factory.mktemp("artifacts")
            client.download_artifacts(result.run_id, "", str(folder))
            kept[overrides] = Finished(config, result, client.get_run(result.run_id), folder, caplog.text)
        return kept[overrides]

    return train


@pytest.fixture
def finished(finish):
    """A tiny run."""
    return finish(*TINY, "training.epochs=2")


@pytest.fixture(scope="module")
def shores(tmp_path_factory):
    """Six labelled GeoTIFFs of 40x72 pixels in 4 bands of 16 bits, one image that is broken, and a table of sides.

    Two scenes look alike; nodata is a stripe on the left.
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
    """Write ``(rows, columns, bands)`` on a grid of 10 m."""
    (rows, columns, count), grid = values.shape, Affine(10, 0, 500_000, 0, -10, 4_000_000)
    layout = {"height": rows, "width": columns, "count": count, "dtype": values.dtype, "transform": grid}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32610", **layout) as written:
        written.write(np.moveaxis(values, -1, 0))


def of_shores(folder):
    """The overrides of a dataset of these, with the sides of their table."""
    return [
        *("data=folder", f"data.images=[{folder}/images]", f"data.labels={folder}/labels"),
        *("data.bands=[red,green,blue,nir]", "data.classes=[water,sand,other]"),
        *("split=given", f"split.sides={folder}/sides.csv", "split.likeness=16"),
    ]


@pytest.fixture
def finish_shores(finish, shores):
    """Train on the shores with one of the preparations; the run, and what the network gets of `COLOUR`."""

    def train(preparation):
        *overrides, numbers = PREPARATIONS[preparation]
        return finish(*TINIEST, *of_shores(shores), *overrides), numbers

    return train


@pytest.mark.trains
def test_a_run_leaves_everything_in_mlflow(finished, outputs):
    """Parameters, metrics by epoch and at the end, tags, dataset and artifacts."""
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
    assert {f"legacy/{name}" for name in ("iou", "dice", "kld", "iou_2022", "dice_2022", "kld_2022")} <= set(scores)
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
    """The metrics at the end are counted with the best weights, and agree with what that epoch logged."""
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
def test_a_test_side_is_kept_apart_and_evaluated_too(finish):
    """Its scores begin with ``test/`` and its pictures have a folder; nothing of it trains or validates."""
    run = finish(*TESTED)
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
def test_the_card_of_a_run_has_its_scores(finish):
    """Of both sides, by class and by site, as they were logged; and the hashes of what it describes."""
    run = finish(*TESTED)
    facts, text = read_contents(run.artifacts / "card.json"), (run.artifacts / "card.md").read_text(encoding="utf-8")
    scores = run.result.scores

    assert [(side.side, side.images) for side in facts.scores] == [("validation", 2), ("test", 2)]
    for prefix, side in zip(("", "test/"), facts.scores, strict=True):
        found = {f"{prefix}{name}": value for name, (value, *_) in side.overall.items() if value is not None}
        for name, of in side.classes.items():
            found |= {f"{prefix}class_{kind}/{name}": value for kind, (value, *_) in of.items() if value is not None}
        for name, of in side.sites.items():
            found |= {f"{prefix}site_{kind}/{name}": of[kind][0] for kind in ("iou", "dice")}
        assert len(found) > 15
        assert {name: scores[name] for name in found} == pytest.approx(found)
        assert format_score(side.overall["iou"][0]) in text
    assert facts.hashes["the weights"] == run.result.weights_sha256
    assert facts.hashes["model/model.keras"] == hash_file(run.artifacts / "model" / "model.keras")
    assert (facts.run_id, facts.fingerprint) == (run.result.run_id, run.result.fingerprint)
    assert facts.data.fingerprint == run.run.data.tags["data_fingerprint"]
    assert facts.provenance["git_commit"] == run.run.data.tags["git_commit"]
    assert not {"machine", "mlflow.user"} & set(facts.provenance)


@pytest.mark.trains
def test_the_card_of_a_run_shows_its_pictures_and_its_command(finish, configure):
    """All three pictures are within the page; the command composes what the run was made of."""
    run = finish(*TESTED)
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
def test_copies_drawn_once_make_an_epoch(finish):
    """Two copies of 4 training pairs, 2 in a batch, are 4 steps; the split is of the pairs as they are."""
    run = finish(*TESTED)

    assert "only 4 steps in all" in run.said
    assert not any("copy" in name for names in run.read("split.json").values() for name in names)


@pytest.mark.trains
def test_the_papers_split_trains_and_is_tagged_as_leaky(finish):
    """Copies of one scene stand on both sides, which the log, the tag and the names say."""
    run = finish("+debug=tiny", *TINIEST, "data.scenes=4", "split=paper", "augment=paper")
    split = run.read("split.json")
    sources = {side: {name.partition(" copy ")[0] for name in names} for side, names in split.items()}

    assert run.run.data.tags["split"] == "paper (leaky)"
    assert "split=paper leaks: validation sees copies of training scenes" in run.said
    assert (len(split["training"]), len(split["validation"]), split["test"]) == (8, 12, [])
    assert all(" copy " in name for names in split.values() for name in names)
    assert sources["training"] & sources["validation"]
    assert run.read("near_duplicates.json") == []
    assert "> **Warning.** This split leaks" in (run.artifacts / "card.md").read_text(encoding="utf-8")
    assert np.array(run.read("confusion_matrix.json")).sum() > 4 * 32 * 32
    assert math.isfinite(run.result.scores["iou"])


@pytest.mark.trains
def test_one_fold_validates(finish):
    """Of four folds of eight scenes the second: two scenes, other than those of a random split in all likelihood."""
    run = finish(*FOLD)
    split = run.read("split.json")

    assert [len(split[side]) for side in ("training", "validation", "test")] == [6, 2, 0]
    assert run.run.data.tags["split"] == "kfold"


@pytest.mark.trains
def test_one_site_is_held_out(finish):
    """All of it tests, and none of it trains or validates."""
    run = finish(*SITE)
    split, scores = run.read("split.json"), run.result.scores

    assert [name.rpartition("_")[0] for name in split["test"]] == ["duck"]
    assert not any(name.startswith("duck") for side in ("training", "validation") for name in split[side])
    assert scores["test/site_iou/duck"] == scores["test/iou"]
    assert "site_iou/duck" not in scores
    assert run.run.data.tags["split"] == "leave_one_out"


@pytest.mark.trains
def test_chance_hangs_on_scenes_and_not_on_their_tiles(finish_shores, outputs):
    """Of two scenes of six tiles both of the one, both of the other, or one of each, half of the times; all say two."""
    run, _ = finish_shores(TILES)
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
def test_the_saved_model_counts_what_the_run_counted(finish_shores, outputs, name):
    """Whatever the images go through and however they are standardised; on both sides."""
    run, _ = finish_shores(name)
    network, dataset = load_model(run.artifacts / "model").network, open_or_build_dataset(run.config.data, outputs)
    split = split_dataset(dataset, run.config.split, run.config.augment.copies)

    for place, samples in (("", split.validation), ("test/", split.test)):
        again = evaluate_model(network, dataset, samples, ordered_batches(dataset, samples, 2))
        np.testing.assert_array_equal(again.matrix, run.read(f"{place}confusion_matrix.json"))


@pytest.mark.trains
@pytest.mark.parametrize("name", PREPARATIONS)
def test_the_saved_model_standardises_as_configured(finish_shores, outputs, name):
    """In its first layer; by the dataset with the mean of what trains, pixels without data left out."""
    run, _ = finish_shores(name)
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
def test_an_image_goes_through_the_same_in_prediction_as_in_training(finish_shores, shores, outputs, name):
    """What the model's own description makes of a file is what the dataset holds of it, tile by tile, to the bit."""
    run, _ = finish_shores(name)
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
def test_a_file_is_labelled_at_its_own_size(finish_shores, shores, outputs, tmp_path, name):
    """A shore larger than the frame, with its nodata; and one colour as the network labels the numbers by hand."""
    run, numbers = finish_shores(name)
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
def test_what_was_left_out_and_what_looks_alike_is_kept(finish_shores):
    """A broken file with its reason, and two scenes of two sides that look alike, with how far apart they are."""
    run, _ = finish_shores("as it is, two indices, standardised by the dataset")

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
def test_tiles_of_a_scene_stay_on_its_side(finish_shores):
    """Each of them has a name of its own."""
    split = finish_shores("shares of 16 bits, tiles, an index of one's own, not standardised")[0].read("split.json")

    assert split["test"] == [f"shore5 tile {number}" for number in range(1, 7)]
    assert {name.partition(" ")[0] for name in split["validation"]} == {"shore3", "shore4"}


@pytest.mark.trains
def test_a_trained_run_segments_a_folder(finished, outputs, tmp_path, capsys):
    """By its name: labels at the images' own size, overlays, areas; a bad file is listed and the others are done."""
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
    said = capsys.readouterr().out
    assert "left out" in said
    assert finished.run.info.run_id in said


@pytest.mark.trains
def test_a_run_is_found_by_its_name(finish, outputs):
    """As well as by its id."""
    run = finish(*FOLD)

    assert find_run(run.config.tracking, outputs, "simple_unet cce f2").info.status == "FINISHED"
    assert find_run(run.config.tracking, outputs, run.result.run_id).info.run_id == run.result.run_id


@pytest.mark.trains
def test_nothing_segmented_is_an_error(finished, outputs, tmp_path):
    """Three bands for a model of five: listed with both numbers, and the command fails."""
    (tmp_path / "in").mkdir()
    Image.fromarray(np.ones((40, 40, 3), np.uint8)).save(tmp_path / "in" / "rgb.png")

    with pytest.raises(DataError, match=r"no image in input=.* could be segmented; correct the causes listed above"):
        predict_images(PredictConfig(finished.result.run_id, str(tmp_path / "in"), str(tmp_path / "out"), str(outputs)))


def test_an_unknown_run_is_refused(golden_run, tmp_path):
    """Before an image is read."""
    with pytest.raises(RunError, match=r"^run=zz was not found in .*; the closest match is "):
        predict_images(PredictConfig("zz", str(tmp_path), str(tmp_path / "out"), str(golden_run.outputs)))


@pytest.mark.trains
def test_a_loss_that_is_no_number_leaves_a_failed_run(configure, outputs):
    """With the message as a tag."""
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
def test_a_run_that_was_stopped_goes_on_in_its_mlflow_run(configure, tmp_path, monkeypatch, caplog):
    """Its weights, scores and epochs are to the bit those of a run that was not, and every epoch is logged once."""
    overrides = [*TINY, "training.epochs=4"]
    whole = run_experiment(configure(*overrides, f"outputs={tmp_path / 'whole'}"))
    config = configure(*overrides, f"outputs={tmp_path / 'cut'}")
    for epoch in (1, 3):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "save_last", stop_after(epoch))
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


def stop_after(epoch):
    """Save as ever, and stop the run as Ctrl-C would after an epoch, before the epoch is logged."""
    save = checkpoint.save_last

    def save_and_stop(model, history, folder):
        save(model, history, folder)
        if history.stopping.last_epoch == epoch:
            raise KeyboardInterrupt

    return save_and_stop


def without_seconds(result):
    return {name: score for name, score in result.scores.items() if name != "seconds"}


@pytest.mark.trains
def test_a_run_killed_after_its_result_was_kept_is_only_ended(configure, tmp_path, monkeypatch):
    """Nothing is trained again, and the MLflow run ends."""
    config = configure("+debug=tiny", *TINIEST, f"outputs={tmp_path}")
    with monkeypatch.context() as patch:
        patch.setattr("gym.app.finish_run.write_result", write_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config)
    monkeypatch.setattr("gym.app.train.train", None)
    result = run_experiment(config)

    client = MlflowClient(tracking_uri(config.tracking, tmp_path))
    assert client.get_run(result.run_id).info.status == "FINISHED"
    assert len(client.search_runs(["0", "1"])) == 1


def write_and_stop(folder, result):
    write_result(folder, result)
    raise KeyboardInterrupt


@pytest.mark.trains
def test_a_run_is_begun_anew_where_it_is_not_to_go_on(configure, tmp_path, monkeypatch):
    """With training.resume=false a stopped run is ended, and another begun."""
    config = configure("+debug=tiny", *TINIEST, "training.epochs=2", "training.resume=false", f"outputs={tmp_path}")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_last", stop_after(1))
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config)
    client = MlflowClient(tracking_uri(config.tracking, tmp_path))
    client.update_run(client.search_runs(["0", "1"])[0].info.run_id, "RUNNING")  # as SIGKILL leaves it
    run_experiment(config)

    assert sorted(run.info.status for run in client.search_runs(["0", "1"])) == ["FINISHED", "KILLED"]


def test_the_next_steps_can_be_copied():
    """The commands find the run also outside the default folder."""
    assert format_next_steps("abc", "outputs", "")[1:] == [
        "  view:     ./scripts/ui",
        "  evaluate: python -m gym.evaluate run=abc",
        "  predict:  python -m gym.predict run=abc input=IMAGES output=LABELS",
    ]
    assert format_next_steps("abc", "/data/o", "http://127.0.0.1:1")[1:] == [
        "  view:     ./scripts/ui 5000 /data/o",
        "  evaluate: python -m gym.evaluate run=abc outputs=/data/o tracking.uri=http://127.0.0.1:1",
        "  predict:  python -m gym.predict run=abc input=IMAGES output=LABELS outputs=/data/o "
        "tracking.uri=http://127.0.0.1:1",
    ]


@pytest.mark.trains
def test_few_steps_are_said(finished):
    """Batch normalisation needs some hundred steps; the remedy is named."""
    assert (
        "only 6 steps in all: batch normalisation needs several hundred; raise training.epochs or augment.copies"
        in finished.said
    )


@pytest.mark.trains
def test_a_split_is_part_of_what_a_run_is_known_by(finish, configure):
    """The same model on other sides is another run, though the identity of its configuration is the same."""
    fold = finish(*FOLD)
    site = finish(*SITE)

    assert fingerprinted_settings(to_dict(fold.config)) == fingerprinted_settings(to_dict(site.config))
    assert fold.run.data.tags["data_fingerprint"] == site.run.data.tags["data_fingerprint"]
    assert fold.run.data.tags["fingerprint"] != site.run.data.tags["fingerprint"]
