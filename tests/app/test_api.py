"""The Python API does what the commands do, and importing it is cheap."""

import doctest
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from numpy.testing import assert_array_equal

import gym
from gym.app import api
from gym.data.labels import IGNORE
from tests.conftest import ROOT

TINY = (
    "+debug=tiny",
    "model.levels=1",
    "model.kernel=3",
    "filters=2",
    "training.epochs=1",
    "training.precision=float32",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def result(outputs):
    """The result of a tiny run, trained with `gym.fit`."""
    return gym.fit(gym.compose(*TINY, f"outputs={outputs}"))


@pytest.fixture(scope="module")
def model(outputs, result):
    return gym.load(result.run_id, outputs=outputs)


@pytest.fixture(scope="module")
def image(outputs):
    """A scene of 48x80 pixels, larger than the frame, whose first row has no data."""
    scene = np.random.default_rng(0).integers(1, 9000, (48, 80, 5)).astype(np.uint16)
    scene[0] = 0
    return scene


@pytest.mark.process
def test_importing_the_package_imports_nothing_heavy():
    """``import gym`` takes under 0.1 s and loads neither NumPy nor anything larger."""
    code = (
        "import sys, time; start = time.perf_counter(); import gym; seconds = time.perf_counter() - start; "
        "heavy = {'numpy', 'hydra', 'omegaconf', 'tensorflow', 'keras', 'mlflow', 'rich'} & set(sys.modules); "
        "print(seconds, heavy, 'load' in dir(gym))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        for _ in "123"
    ]
    seconds, heavy, listed = zip(
        *(run.stdout.split(maxsplit=1)[:1] + run.stdout.split()[1:] for run in runs), strict=True
    )

    assert min(map(float, seconds)) < 0.1
    assert set(heavy) == {"set()"}
    assert set(listed) == {"True"}


def test_every_public_name_can_be_imported():
    """No public name is also a command, and an unknown name raises an AttributeError."""
    from gym.app.command_line import COMMANDS

    assert all(getattr(gym, name) is not None for name in gym.__all__)
    assert not set(gym.__all__) & set(COMMANDS)
    with pytest.raises(AttributeError, match="module 'gym' has no attribute 'make'"):
        _ = gym.make


@pytest.mark.parametrize("name", ["compose", "open_dataset"])
def test_the_examples_in_the_docstrings_run(name, tmp_path, monkeypatch):
    """The doctests pass in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (test,) = doctest.DocTestFinder(recurse=False).find(getattr(api, name), name)

    assert doctest.DocTestRunner().run(test) == (0, len(test.examples))
    assert test.examples


def test_a_configuration_is_composed_and_checked():
    """Overrides work as on the command line, and an invalid one raises an error of one line."""
    assert gym.compose("model=unet", "filters=4").model.filters == 4
    with pytest.raises(gym.ConfigError, match=r"^data\.size=100 must be a multiple of 16, at least 16; try 96\.$"):
        gym.compose("data.size=100")
    with pytest.raises(gym.ConfigError, match=r"^loss=mse is not an option; loss must be one of cce"):
        gym.compose("loss=mse")


@pytest.mark.trains
def test_a_fitted_run_is_listed_with_its_scores_and_settings(outputs, result):
    """The table has one row, with the scores that `gym.fit` returned."""
    table = gym.list_runs(outputs=outputs)

    assert table["run_id"].tolist() == [result.run_id]
    assert table["iou"].tolist() == [result.scores["iou"]]
    assert table[["status", "model.name", "model.filters", "sweep"]].iloc[0].tolist() == ["FINISHED", "resunet", 2, ""]
    assert gym.list_runs("nothing", outputs=outputs).empty


@pytest.mark.trains
def test_a_model_labels_an_image_of_any_size(model, image):
    """Each pixel gets its most probable class; pixels without data get label 255 and NaN probabilities."""
    labels, probabilities = model.predict(image), model.probabilities(image)

    assert (labels.shape, labels.dtype) == ((48, 80), np.uint8)
    assert (labels[0] == IGNORE).all()
    assert np.isnan(probabilities[0]).all()
    assert_array_equal(labels[1:], probabilities[1:].argmax(axis=-1))
    np.testing.assert_allclose(probabilities[1:].sum(axis=-1), 1, atol=1e-5)


@pytest.mark.trains
def test_a_model_has_classes_bands_and_a_card(model):
    """They tell users how to prepare an image and how to read the labels."""
    assert model.classes == ["water", "whitewater", "sand", "other"]
    assert model.bands == ["red", "green", "blue", "nir", "swir"]
    assert model.card.startswith("# ")
    assert repr(model).startswith("<Model 'resunet cce f2': red, green")


@pytest.mark.trains
def test_a_raster_is_segmented_onto_its_own_grid(model, image, tmp_path):
    """A GeoTIFF yields a GeoTIFF on the same grid, with the labels that `predict` returns for the array."""
    grid = {"crs": "EPSG:32610", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 4e6)}
    shape = {"height": 48, "width": 80, "count": 5, "dtype": "uint16"}
    with rasterio.open(tmp_path / "scene.tif", "w", driver="GTiff", **shape, **grid) as written:
        written.write(np.moveaxis(image, -1, 0))

    model.predict_raster(tmp_path / "scene.tif", tmp_path / "maps" / "scene.tif")

    with rasterio.open(tmp_path / "maps" / "scene.tif") as label:
        assert (label.crs.to_epsg(), label.transform, label.nodata) == (32610, grid["transform"], 255)
        assert_array_equal(label.read(1), model.predict(image))
    with pytest.raises(gym.DataError, match=r"^output=.*scene\.png must end in \.tif; try .*scene\.tif\.$"):
        model.predict_raster(tmp_path / "scene.tif", tmp_path / "scene.png")


@pytest.mark.trains
def test_assessing_a_model_reproduces_the_validation_score_of_its_run(model, outputs, result):
    """Its training dataset is recognised, and the validation side has the mean IoU of the run."""
    config = gym.compose(*TINY, f"outputs={outputs}")

    assessment = gym.assess(model, gym.open_dataset(config.data, outputs=outputs))

    assert assessment.side == "validation"
    assert assessment.overall["iou"].value == pytest.approx(result.scores["iou"], abs=1e-9)
    assert assessment.warnings == [
        "these images were used to select the best epoch, which slightly inflates the scores"
    ]


@pytest.mark.trains
def test_a_model_is_scored_on_all_pairs_of_another_dataset(model, outputs):
    """No warning appears, because the model has seen none of the pairs; a dataset with another frame is refused."""
    config = gym.compose(*TINY, "data.seed=1", "data.scenes=3")
    other = gym.open_dataset(config.data, outputs=outputs)

    assessment = gym.assess(model, other)

    assert (assessment.side, len(assessment.scenes), assessment.warnings) == ("all", 3, [])
    larger = gym.open_dataset(gym.compose("data.size=64", "data.scenes=2").data, outputs=outputs)
    with pytest.raises(gym.RunError, match="frame"):
        gym.assess(model, larger)


@pytest.mark.trains
def test_an_unknown_run_is_refused_with_the_closest_match(outputs, result):
    """The error suggests the closest name."""
    with pytest.raises(gym.RunError, match="resunet cce f2"):
        gym.load("resunet cce f3", outputs=outputs)
