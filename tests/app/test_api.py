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
from gym.config import validation
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
def test_masked_and_non_finite_pixels_have_no_data(model, image):
    """A pixel is left out as a whole if one of its bands is, as in an image file."""
    blank = np.zeros((48, 80), bool)
    blank[5:9, 70:] = True
    expected = model.predict(np.where(blank[..., None], 0, image))
    masked = np.ma.masked_array(image, np.stack([blank, *[np.zeros_like(blank)] * 4], axis=-1))
    floats = image.astype(np.float32)
    floats[5:7, 70:, 3], floats[7:9, 70:, 0] = np.nan, np.inf

    assert (expected[blank] == IGNORE).all()
    assert_array_equal(model.predict(masked), expected)
    assert_array_equal(model.predict(floats), expected)
    assert np.isnan(model.probabilities(masked)[blank]).all()


@pytest.mark.trains
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image[..., 0], r"^an image of shape \(48, 80\) must have the shape \(rows, columns, bands\); a"),
        (lambda image: image[np.newaxis], r"^an image of shape \(1, 48, 80, 5\) must have .* batch are predicted one"),
        (lambda image: image[:0], r"^an image of shape \(0, 80, 5\) has no pixels; give at least one row, column and"),
        (lambda _: 3, r"^an image of shape \(\) must"),
        (lambda _: [[1, 2], [3]], r"^an image must be an array, but these lists differ in length"),
        (lambda image: image[..., :4], r"^has 4 bands where 5 are expected \(red, green"),
        (lambda image: np.moveaxis(image, -1, 0), r"^has 80 bands where 5 are expected"),
        (lambda image: image.astype(str), r"^an image of type <U5 must hold real numbers; try image"),
        (lambda image: image * 1j, r"^an image of type complex128 must hold real numbers"),
        (lambda image: image.astype(object), r"^an image of type object must hold real numbers"),
    ],
)
def test_an_array_that_is_no_image_is_refused(model, image, change, message):
    """Nothing but a DataError leaves either method."""
    for method in (model.predict, model.probabilities):
        with pytest.raises(gym.DataError, match=message):
            method(change(image))


@pytest.mark.parametrize("call", [gym.list_runs, lambda **where: gym.load("run", **where)])
def test_a_misspelt_folder_is_refused_and_not_created(call, tmp_path):
    """Reading creates neither folder nor database."""
    misspelt = tmp_path / "otputs"
    with pytest.raises(
        gym.RunError, match=r"^outputs=.*otputs has no mlflow\.db, so there are no runs; give the folder that training"
    ):
        call(outputs=misspelt)
    with pytest.raises(gym.RunError, match=r"^tracking\.uri=sqlite:///.*/a\.db does not exist, so there are no runs"):
        call(outputs=misspelt, tracking_uri=f"sqlite:///{misspelt}/a.db")

    assert not misspelt.exists()


@pytest.mark.trains
def test_an_unknown_experiment_is_refused_and_not_created(outputs, result):
    """The error lists those that exist."""
    for _ in range(2):
        with pytest.raises(
            gym.RunError, match=r"^tracking\.experiment=misspelt does not exist; choose one of Default, segsweep\.$"
        ):
            gym.list_runs(outputs=outputs, experiment="misspelt")


def test_arguments_of_the_wrong_type_are_refused(tmp_path):
    """Each error says what to pass."""
    config = gym.compose("data.scenes=4")
    for call, message in (
        (lambda: gym.compose(4), r'^4 must be an override in quotes, as in gym\.compose\("filters=4"\)\.$'),
        (lambda: gym.compose(["filters=4"]), r"^\['filters=4'\] must be an override in quotes"),
        (
            lambda: gym.open_dataset(config, outputs=tmp_path),
            r"^data is a Config but must be a DataConfig; pass config\.data\.$",
        ),
        (
            lambda: gym.fit(config.data),
            r"^config is a DataConfig but must be a Config; make one with gym\.compose\(\.\.\.\)\.$",
        ),
        (lambda: gym.fit("filters=4"), r"^config is a str but must be a Config"),
    ):
        with pytest.raises(gym.ConfigError, match=message):
            call()


def test_a_configuration_changed_in_python_is_checked_again(tmp_path):
    """Its values obey the same rules as on the command line."""
    config = gym.compose("data.scenes=4", f"outputs={tmp_path}")
    config.training.epochs = 0
    with pytest.raises(gym.ConfigError, match=r"^training\.epochs=0 must be at least 1\.$"):
        gym.fit(config)
    config.training.epochs = "many"
    with pytest.raises(
        gym.ConfigError,
        match=r"^training\.epochs: Value 'many' of type 'str' could not be converted to Integer; use a value of",
    ):
        gym.fit(config)
    config.data.scenes = 1
    with pytest.raises(gym.ConfigError, match=r"^data\.scenes=1 must be at least 2\.$"):
        gym.open_dataset(config.data, outputs=tmp_path)


@pytest.mark.parametrize(
    ("part", "key", "message"),
    [
        ("", "filters", r"^filters: unknown key; see --help for the keys\.$"),
        ("training", "epoch", r"^training\.epoch: unknown key; did you mean epochs\?$"),
        ("data", "bandz", r"^data\.bandz: unknown key; did you mean bands\?$"),
    ],
)
def test_a_misspelt_key_is_refused(part, key, message):
    """Python would set it without effect."""
    config = gym.compose("data.scenes=4")
    setattr(getattr(config, part) if part else config, key, 4)

    with pytest.raises(gym.ConfigError, match=message):
        gym.fit(config)


def test_values_of_numpy_and_text_like_an_interpolation_are_accepted(tmp_path):
    """Both are common in notebooks, and are what they look like."""
    config = gym.compose(r"name='a\${b}'", f"outputs={tmp_path}")
    config.model.filters, config.data.scenes = np.int64(4), np.int16(5)

    typed = validation.retype(config)

    assert (typed.name, typed.model.filters, typed.data.scenes) == ("a${b}", 4, 5)
    assert type(typed.model.filters) is int
    assert len(gym.open_dataset(config.data, outputs=tmp_path)) == 5


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
    with pytest.raises(gym.DataError, match=r"^output=.*scene\.png must end in \.tif; try scene_label\.tif\.$"):
        model.predict_raster(tmp_path / "scene.tif", tmp_path / "scene.png")
    before = (tmp_path / "scene.tif").read_bytes()
    with pytest.raises(gym.DataError, match=r"is the image itself, which would be overwritten; give another path\.$"):
        model.predict_raster(tmp_path / "scene.tif", tmp_path / "maps" / ".." / "scene.tif")
    assert (tmp_path / "scene.tif").read_bytes() == before


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
